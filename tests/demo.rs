//! The whole exchange in one piece: a hub and three nodes as processes, and the story that the demo tells through their
//! own ports.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Tells the story in `folder`, and gives its steps.
fn story(folder: &Path) -> Vec<Value> {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_concord"));
    let told = demo.args(["demo", "--once", "--json", "--dir"]).arg(folder).output().unwrap();
    let (said, noise) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{said}\n{noise}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_step_comes_out_and_the_second_time_on_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let (first, again) = (story(folder.path()), story(folder.path()));
    assert!(first.len() >= 21 && first.iter().all(|step| step["ok"] == true));
    let of = |steps: &[Value], name: &str, fact: &str| {
        steps.iter().find(|step| step["step"] == name).map(|step| step[fact].clone()).unwrap()
    };
    for (name, fact) in
        [("prompt", "prompt_id"), ("accept", "log_index"), ("decline", "log_index"), ("recalled", "recall")]
    {
        assert_eq!(of(&first, name, fact), of(&again, name, fact), "{name} was recorded twice");
    }
    let named: Value = serde_json::from_slice(&std::fs::read(folder.path().join("demo.json")).unwrap()).unwrap();
    let logs = named["nodes"].as_array().unwrap().iter().chain([&named["hub"]]).map(|process| &process["log"]);
    for log in logs {
        let log = std::fs::read_to_string(log.as_str().unwrap()).unwrap();
        for patient in named["patients"].as_array().unwrap() {
            let names = [&patient["name"], &patient["identifiers"][0]["value"]].map(|text| text.as_str().unwrap());
            assert!(names.iter().all(|name| !log.contains(name)), "a log names a patient");
        }
    }
}
