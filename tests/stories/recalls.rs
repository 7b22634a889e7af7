//! A doctor who relied on a result that its laboratory corrects.

use std::time::Duration;

use concord::wire::pb;
use concord::wire::pb::recalls_client::RecallsClient;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::doctor::{Doctor, POTASSIUM};
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people::{self, Patient};
use crate::region::{A, B, REGULATOR, Region, assert_no_canary};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_accepted_a_result_is_told_of_its_correction_through_a_kill_until_she_takes_note() {
    let mut region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let first = Report::potassium("K1", &patient, region.began.plus_hours(-5), "7.9");
    report(region.mllp(A), &first.message()).await;
    doctor.wait_for(&patient, 1).await;
    let line = doctor.order("order-1", &patient, POTASSIUM).await;
    doctor.accept("decision-1", &line.prompts[0]).await;

    let corrected = Report { status: "C", ..Report::potassium("K1", &patient, first.collected, "4.9") };
    report(region.mllp(A), &corrected.message()).await;
    let recall = streamed(&region).await;
    assert_eq!((recall.cause(), recall.relation()), (pb::RecallCause::Corrected, pb::RecallRelation::Accepted));
    assert_eq!((recall.practitioner.as_str(), recall.encounter.as_str()), ("D0001", "E0001"));
    assert_eq!((recall.old_version, recall.new_version), (1, 2));
    let counts = |made, delivered, acknowledged, open| (made, delivered, acknowledged, open);
    until("the delivery", async || match overseen(&region).await? {
        found if found == counts(1, 1, 0, 1) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    // Between delivery and acknowledgement the node loses its power: the recall is told again.
    region.restart_node(B);
    region.serving().await;
    assert_eq!(streamed(&region).await, recall);
    let card = until("the card", async || {
        let cards = hook(&region, &patient).await?;
        let critical = cards.iter().find(|card| card["indicator"] == "critical").cloned();
        critical.ok_or_else(|| format!("{cards:?}"))
    })
    .await;
    let detail = card["detail"].as_str().unwrap();
    assert!(detail.contains("7.9 mmol/L") && detail.contains("4.9 mmol/L"), "{card}");
    let view = card["links"][0]["url"].as_str().unwrap();
    let view = &view[view.find("/view/").unwrap()..];
    let page = Browser::at(&region, B).visit(view).await.text().await.unwrap();
    assert!(page.contains("7.9") && page.contains("banner loud"), "the earlier version is shown and marked: {page}");

    let of = ["--practitioner", "D0001"];
    let shown = at_the_node(&region, &[["show", &hex::encode(&recall.recall_id)].as_slice(), &of].concat());
    assert_eq!((&shown["old"]["value"], &shown["new"]["value"]), (&json!("7.9 mmol/L"), &json!("4.9 mmol/L")));
    for _ in 0..2 {
        at_the_node(&region, &[["acknowledge", &hex::encode(&recall.recall_id)].as_slice(), &of].concat());
    }
    assert_eq!(at_the_node(&region, &[["open"].as_slice(), &of].concat()), json!({ "recalls": [] }));
    let cards = hook(&region, &patient).await.unwrap();
    assert!(cards.iter().all(|card| card["indicator"] != "critical"), "{cards:?}");
    until("the acknowledgement at the hub", async || match overseen(&region).await? {
        found if found == counts(1, 1, 1, 0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let row = region.figures(B).await.unwrap();
    assert_eq!((row.recalls_made, row.recalls_delivered, row.recalls_acknowledged), (1, 1, 1), "{row:?}");
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_seen_by_the_publisher_and_closed_on_the_command_line() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "7.9").message()).await;
    doctor.wait_for(&patient, 1).await;
    let line = doctor.order("order-1", &patient, POTASSIUM).await;
    let (node, prompt) = (region.grpc(B).to_string(), hex::encode(&line.prompts[0].prompt_id));
    let declined = ["order", "decide", "--node", &node, "--prompt", &prompt, "--decline", "P22", "--text", "two cards"];
    assert!(region.connected(B, &declined).status.success());

    let cases = |of, arguments: &[&str]| {
        let output = region.connected(of, &[["cases", "--json"].as_slice(), arguments].concat());
        assert_no_canary("the command's answer", &[output.stdout.as_slice(), &output.stderr].concat());
        output.status.success().then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let listed = cases(A, &["list"]).unwrap();
    let case = listed["cases"][0]["case"].as_str().unwrap();
    assert_eq!(listed["cases"][0]["opened_by"], B.code, "{listed}");
    let close = ["close", case, "--link-wrong", "--reason", "one card, two people"];
    assert_eq!(cases(B, &close), None, "whoever opened a case does not close it");
    assert!(cases(A, &close).is_some());
    assert_eq!(cases(REGULATOR, &["list"]).unwrap()["cases"], json!([]));
    let closed = cases(REGULATOR, &["list", "--closed"]).unwrap();
    assert_eq!(closed["cases"][0]["finding"], "CASE_FINDING_LINK_WRONG", "{closed}");
    region.end().await;
}

/// Runs `concord recalls` of the hospital's doctor, and gives what it wrote.
fn at_the_node(region: &Region, arguments: &[&str]) -> Value {
    let node = region.grpc(B).to_string();
    let output = region.connected(B, &[["recalls", "--json"].as_slice(), arguments, &["--node", &node]].concat());
    assert!(output.status.success(), "{output:?}");
    assert_no_canary("the command's answer", &[output.stdout.as_slice(), &output.stderr].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Takes the first recall from the stream that the node offers to the hospital's own systems.
async fn streamed(region: &Region) -> pb::Recall {
    until("a recall", async || {
        let mut client = RecallsClient::new(region.node(B, B.folder));
        let watched = client.watch(pb::WatchRecallsRequest::default()).await.map_err(|status| status.to_string())?;
        match tokio::time::timeout(Duration::from_secs(2), watched.into_inner().message()).await {
            Ok(Ok(Some(recall))) => Ok(recall),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// Gives what the regulator sees: recalls made, delivered, acknowledged, open.
async fn overseen(region: &Region) -> Result<(u64, u64, u64, u64), String> {
    let output = region.connected(REGULATOR, &["recalls", "list", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("{error} {output:?}"))?;
    let count = |name: &str| found[name].as_u64().unwrap();
    Ok((count("made"), count("delivered"), count("acknowledged"), count("open")))
}

/// Opens the patient's record at the order screen, and gives the cards.
async fn hook(region: &Region, patient: &Patient) -> Result<Vec<Value>, String> {
    let call = json!({
        "hook": "patient-view", "hookInstance": "h1",
        "context": { "userId": "Practitioner/D0001", "patientId": "p1", "encounterId": "E0001" },
        "prefetch": { "patient": {
            "resourceType": "Patient", "id": "p1", "gender": if patient.sex == "M" { "male" } else { "female" },
            "birthDate": patient.birth_date,
            "identifier": [{ "system": "urn:oid:2.16.156.10011.1.3", "value": patient.number }],
        } },
    });
    let answer = Browser::order_screen(region, B, B.folder).call("/cds-services/outside-results", &call).await;
    answer["cards"].as_array().cloned().ok_or_else(|| answer.to_string())
}
