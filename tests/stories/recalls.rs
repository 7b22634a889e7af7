//! A doctor who relied on a result that its laboratory corrects.

use std::time::Duration;

use concord::wire::pb;
use concord::wire::pb::oversight_client::OversightClient;
use concord::wire::pb::recalls_client::RecallsClient;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::doctor::{Doctor, POTASSIUM, actor};
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people::{self, Patient};
use crate::region::{A, B, REGULATOR, Region};

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

    let note = || pb::AcknowledgeRecallRequest { recall_id: recall.recall_id.clone(), actor: Some(actor()) };
    let mut own = RecallsClient::new(region.node(B, B.folder));
    for _ in 0..2 {
        own.acknowledge(note()).await.unwrap();
    }
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
    let mut client = OversightClient::new(region.hub(REGULATOR.folder));
    let found = client.recalls(pb::RecallsRequest::default()).await.map_err(|status| status.to_string())?.into_inner();
    Ok((found.made, found.delivered, found.acknowledged, found.open))
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
