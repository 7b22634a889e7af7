//! The rule of recognition against labelled cases that a generator makes which shares no code with it.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn no_prompt_is_wrong_and_hardly_one_is_missing() {
    let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/accuracy/generate.py");
    let python = Command::new("python3").args(["-c", "import tomllib"]).stderr(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        eprintln!("skipped: python3 of 3.11 or newer is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases.jsonl");
    let made = Command::new("python3")
        .arg("-B")
        .arg(generator)
        .stdout(std::fs::File::create(&cases).unwrap())
        .status()
        .unwrap();
    assert!(made.success(), "the generator contradicts itself");
    let judged = Command::new(env!("CARGO_BIN_EXE_concord"))
        .args(["bench", "accuracy", "--json", "--cases"])
        .arg(&cases)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&judged.stdout).unwrap();
    let differing = &report["disagreements"];
    assert!(judged.status.success(), "{differing:#}");
    assert_eq!(report["cases"], 6_000);
    assert!(report["demanded"].as_u64().unwrap() > 3_000, "the cases demand too little to say anything");
    assert_eq!((&report["precision"], &report["illegal"]), (&1.0.into(), &0.into()), "{differing:#}");
    assert!(report["recall"].as_f64().unwrap() >= 0.98, "{differing:#}");
    assert_eq!(report["wrong_coverage"], 0, "{differing:#}");
}
