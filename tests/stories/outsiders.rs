//! Outsiders hold the hub to its log over the network: what was shown once must stay.

use std::path::Path;
use std::process::Output;

use crate::doctor::Doctor;
use crate::laboratory::{Report, report};
use crate::people;
use crate::region::{A, B, REGULATOR, Region};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_seen_to_grow_and_another_key_or_a_shorter_log_is_found_out() {
    let mut region = Region::open().await;
    region.kill_hub();
    copy(&region.path("hub/data"), &region.path("backup"));
    region.start_hub();
    region.serving().await;

    let key = region.path("hub/data/log.vkey").to_str().unwrap().to_owned();
    let first = said(&look(&region, &key));
    assert_eq!((&first["sound"], &first["since"]), (&true.into(), &serde_json::Value::Null), "{first}");
    let patient = people::canary();
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    Doctor::at(&region, B).wait_for(&patient, 1).await;
    let second = said(&look(&region, &key));
    assert_eq!(second["since"], first["log_size"]);
    assert!(second["log_size"].as_u64() > first["log_size"].as_u64(), "{second}");

    let strange = look(&region, "elsewhere.example/log+15c1fd49+AVdk5TamRgSRyZ4SnG4RQTr+5rIli+DPKkkH6lYsbzPn");
    assert!(!strange.status.success());

    region.kill_hub();
    std::fs::remove_dir_all(region.path("hub/data")).unwrap();
    copy(&region.path("backup"), &region.path("hub/data"));
    region.start_hub();
    region.serving().await;
    let shorter = look(&region, &key);
    assert!(!shorter.status.success());
    let found = said(&shorter);
    assert_eq!(found["sound"], false, "{found}");
    assert!(found["problem"].as_str().unwrap().contains("fewer records"), "{found}");
    region.end().await;
}

/// Checks the log over the network, and remembers what it showed.
fn look(region: &Region, key: &str) -> Output {
    let seen = region.path("seen");
    region.connected(REGULATOR, &["verify", "--json", "--log-key", key, "--since", seen.to_str().unwrap()])
}

fn said(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(std::fs::copy(&path, &to).unwrap()),
        }
    }
}
