//! What must hold after a round, whatever befell it.

use std::process::Command;

use concord::wire::pb;

use crate::doctor::{Doctor, shown};
use crate::ledger::Truth;
use crate::patience::until;
use crate::people;
use crate::region::{A, B, OPERATOR, Region};
use crate::work::{Book, check, order};

/// The patient of the scanner.
pub const SCANNED: u16 = 900;

/// Waits until everything that was acknowledged can be seen, and insists that it is what was said last, and once.
pub async fn settle(region: &Region, book: &Book, images: usize, key: &str) {
    region.serving().await;
    for hospital in [A, B] {
        until("nothing to wait", async || {
            let status = region.status(hospital).await?;
            let is_done = status.outbox_batches == 0 && status.pipeline_position == status.journal_size;
            if is_done { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await;
    }
    let (doctor, channel) = (Doctor::at(region, B), region.node(B, B.folder));
    let truths: Vec<(u16, Truth)> = book.open().truths.clone().into_iter().collect();
    for (patient, truth) in truths {
        let current = truth.current.unwrap();
        let is_current = |found: Option<(String, String)>| found.is_some_and(|(number, _)| number == current);
        let who = people::numbered(patient);
        doctor.wait_until(&who, |found| found.len() == 1 && is_current(shown(&found[0]))).await;
        let prompts = order(&channel, book, patient, &format!("{key}-{patient}")).await;
        let values: Vec<String> = prompts.iter().map(|prompt| crate::doctor::value(prompt).0).collect();
        assert_eq!(values, [current], "patient {patient} once all is settled");
    }
    until("every recall to be delivered", async || {
        let rows = region.figures(B).await?;
        let waiting: Vec<_> = rows.iter().filter(|row| row.recalls_made != row.recalls_delivered).collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await;
    let who = people::numbered(SCANNED);
    doctor.wait_until(&who, |found| found.len() == 1 && found[0].originals.len() == images).await;
}

/// Gives what the hub answers to everything that was asked before: results, checks, figures.
///
/// # Errors
/// What was answered instead.
pub async fn answers(region: &Region, book: &Book) -> Result<Vec<String>, String> {
    let mut answers = Vec::new();
    for hospital in [A, B] {
        let rows = region.figures(hospital).await?;
        // Nodes tell of checks that they answered alone whenever they come to it.
        answers.extend(rows.into_iter().map(|row| format!("{:?}", pb::StatisticsRow { misses: 0, ..row })));
    }
    let (doctor, channel) = (Doctor::at(region, B), region.node(B, B.folder));
    let (patients, asked) = {
        let ledger = book.open();
        (ledger.truths.keys().copied().chain([SCANNED]).collect::<Vec<u16>>(), ledger.asked.clone())
    };
    for patient in patients {
        let results = doctor.recent(&people::numbered(patient)).await?;
        let mut results: Vec<String> = results.into_iter().map(|result| format!("{patient}: {result:?}")).collect();
        results.sort();
        answers.extend(results);
    }
    for (patient, key, prompts) in asked {
        let answer = check(&channel, patient, &key).await?;
        let mut again: Vec<String> =
            answer.lines.iter().flat_map(|line| &line.prompts).map(|prompt| hex::encode(&prompt.prompt_id)).collect();
        again.sort();
        assert_eq!(again, prompts, "{key} of patient {patient}, asked again");
        answers.push(format!("{key}: {:?}", answer.lines));
    }
    Ok(answers)
}

/// Gives the answers once the hub gives them.
pub async fn patient_answers(region: &Region, book: &Book) -> Vec<String> {
    until("all answers", async || answers(region, book).await).await
}

/// Insists that answers are the same as before.
pub fn assert_same(what: &str, before: &[String], after: &[String]) {
    for (one, other) in before.iter().zip(after) {
        assert_eq!(one, other, "{what}");
    }
    assert_eq!(before.len(), after.len(), "{what}");
}

/// Insists that no process has named a patient in its log.
pub fn assert_discreet(region: &Region) {
    for folder in [OPERATOR.folder, A.folder, B.folder] {
        let log = std::fs::read(region.path(folder).join("log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        for canary in people::canaries() {
            assert!(!log.contains(&canary), "the log of {folder} names a patient");
        }
    }
}

/// Insists that what the engines of stopped processes hold is, row by row, what a rebuild from the journal gives.
pub fn assert_rebuilt(region: &Region) {
    for folder in [OPERATOR.folder, A.folder, B.folder] {
        let data = region.path(folder).join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_concord"));
        let output = command.args(["rebuild", "--check", "--data"]).arg(data).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "concord rebuild --check, {folder}:\n{}", String::from_utf8_lossy(&said));
    }
}

/// Has `fsck.py` judge the data folders of stopped processes.
pub fn fsck(region: &Region, book: &Book, settled: bool) {
    let told = region.path("ledger.json");
    book.open().write(&told);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/fsck.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg("--hub").arg(region.path("hub/data")).arg("--ledger").arg(told);
    for hospital in [A, B] {
        let data = region.path(hospital.folder).join("data");
        command.arg("--node").arg(format!("{}={}", hospital.code, data.display()));
    }
    if !settled {
        command.arg("--unsettled");
    }
    let output = command.output().expect("python3 is needed, or what PYTHON names");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "fsck:\n{}", String::from_utf8_lossy(&said));
}
