//! `concord bench` at its smallest: every bench brings real servers up, what it asks of them succeeds, and its report has
//! the shape that programs rely on. No time is looked at.

use std::process::Command;

use serde_json::Value;

/// Runs a bench and gives its report.
fn bench(what: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let small = ["--entries", "2000", "--seconds", "0.4", "--clients", "2", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_concord"))
        .arg("bench")
        .args(what)
        .args(small)
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let last = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(report["bench"], what[0]);
    assert_eq!(report["entries"], 2_000);
    for figure in ["throughput", "p50_us", "p95_us", "p99_us", "max_us", "yardstick", "ratio", "memory_peak_kib"] {
        assert!(report[figure].as_f64().is_some_and(|figure| figure > 0.0), "{figure}: {report}");
    }
    assert!(folder.path().read_dir().unwrap().next().is_none(), "the region's folder is removed");
    report
}

#[test]
fn checks_are_asked_and_some_prompt() {
    let report = bench(&["check", "--lines", "4"]);
    assert!(report["prompted_share"].as_f64().is_some_and(|share| share > 0.0), "{report}");
    assert!(report["disk_index_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{report}");
}

#[test]
fn batches_are_published_and_receipted() {
    let report = bench(&["publish"]);
    assert!(report["entry_bytes"].as_f64().is_some_and(|bytes| bytes > 100.0), "{report}");
}

#[test]
fn messages_are_acknowledged() {
    bench(&["mllp"]);
}

#[test]
fn instances_are_stored() {
    bench(&["dicom"]);
}

#[test]
fn originals_are_fetched() {
    bench(&["fetch"]);
}

#[test]
fn orders_are_signed() {
    bench(&["cds"]);
}

#[test]
fn hubs_start_after_an_end_and_after_a_kill() {
    let report = bench(&["start"]);
    assert!(report["start_after_kill_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "{report}");
}
