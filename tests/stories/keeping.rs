//! Operators keep what there is: a backup while everything runs, another machine, and nodes that watch what comes back.

use concord::wire::pb;
use concord::wire::pb::transparency_client::TransparencyClient;

use crate::doctor::Doctor;
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::process::concord;
use crate::region::{A, B, REGULATOR, Region};

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_moves_goes_on_and_one_that_lost_its_tail_is_refused_by_every_node() {
    let mut region = Region::open().await;
    results(&region, 1).await;
    let folder = region.path("");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let backup = |to: &str| done(&["backup", "--from", &path("hub/data"), "--to", &path(to), "--json"]);
    let first = backup("early");
    assert_eq!(first["of"], "hub");
    backup("backup");
    results(&region, 2).await;
    let grown = backup("backup");
    assert!(grown["records"].as_u64() > first["records"].as_u64(), "{grown}");
    witnessed(&region).await;

    // To another machine: the last records are copied once the hub has stopped.
    region.kill_hub();
    backup("backup");
    std::fs::rename(region.path("hub/data"), region.path("hub/old")).unwrap();
    let refused = concord(&["restore", "--from", &path("backup"), "--to", &path("hub/old")]);
    assert!(!refused.status.success(), "nothing is overwritten");
    done(&["restore", "--from", &path("backup"), "--to", &path("hub/data"), "--json"]);
    let rebuilt = concord(&["rebuild", "--data", &path("hub/data")]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    region.start_hub();
    region.serving().await;
    results(&region, 3).await;
    assert_eq!(region.status(A).await.unwrap().log_refused, "");
    let node = path(A.folder) + "/data";
    let verified = concord(&["verify", "--data", &path("hub/data"), "--receipts", &node]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    done(&["backup", "--from", &node, "--to", &path("node-backup"), "--json"]);
    done(&["restore", "--from", &path("node-backup"), "--check", "--json"]);

    // What was backed up before the second result lacks what nodes have seen.
    for hospital in [A, B] {
        until("a look at what came later", async || match region.status(hospital).await {
            Ok(status) if Some(status.log_size) > first["records"].as_u64() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
    region.kill_hub();
    std::fs::rename(region.path("hub/data"), region.path("moved")).unwrap();
    done(&["restore", "--from", &path("early"), "--to", &path("hub/data"), "--json"]);
    region.start_hub();
    region.serving().await;
    for hospital in [A, B] {
        until("the refusal", async || match region.status(hospital).await {
            Ok(status) if !status.log_refused.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        let evidence = region.path(hospital.folder).join("data/checkpoint.refused");
        assert!(std::fs::read_to_string(evidence).unwrap().contains("\n— "));
    }
    let convicted = concord(&["verify", "--data", &path("hub/data"), "--receipts", &node]);
    assert!(!convicted.status.success());
    assert!(String::from_utf8_lossy(&convicted.stderr).contains("knows one of"), "{convicted:?}");

    region.kill_hub();
    std::fs::remove_dir_all(region.path("hub/data")).unwrap();
    std::fs::rename(region.path("moved"), region.path("hub/data")).unwrap();
    region.start_hub();
    region.serving().await;
    results(&region, 4).await;
    region.end().await;
}

/// Has hospital A report once more, and waits until hospital B sees so many results.
async fn results(region: &Region, number: usize) {
    let patient = people::canary();
    let order = format!("K{number}");
    report(region.mllp(A), &Report::potassium(&order, &patient, region.began.plus_hours(-5), "4.1").message()).await;
    Doctor::at(region, B).wait_for(&patient, number).await;
}

/// Waits until both nodes have cosigned a checkpoint.
async fn witnessed(region: &Region) {
    until("cosignatures", async || {
        let mut client = TransparencyClient::new(region.hub(REGULATOR.folder));
        let answer = client.checkpoint(pb::CheckpointRequest::default()).await;
        let answer = answer.map_err(|status| status.to_string())?.into_inner();
        match answer.cosigned.matches("/witness/").count() {
            2 => Ok(()),
            count => Err(format!("{count} cosignatures")),
        }
    })
    .await;
}

/// Runs a command that must succeed, and gives its JSON.
fn done(arguments: &[&str]) -> serde_json::Value {
    let output = concord(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
