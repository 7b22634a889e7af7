//! The sample collection, sent to a running node: every message and image is answered as its origin says, in order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concord::wire::dicom::command::Status;
use concord::wire::dicom::{Uid, read_file};
use concord::wire::hl7::SourceSettings;
use concord::wire::hl7::batch::split_stream;
use concord::wire::hl7::header::Header;

use crate::laboratory::Sender;
use crate::patience::until;
use crate::region::{A, Region};
use crate::scanner::{Instance, store};

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_the_collection_is_answered_as_its_origin_says() {
    let Some(folder) = collection("hl7") else { return };
    let region = Region::unqualified().await;
    let mut sender = Sender::connect(region.mllp(A)).await.unwrap();
    let mut accepted = 0;
    for (name, expected) in origins(&folder).into_iter().filter(|(name, _)| name.ends_with(".hl7")) {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        sender.write(&bytes).await.unwrap();
        let controls = split_stream(&bytes).messages.iter().map(|message| control(message)).collect::<Vec<_>>();
        if expected.starts_with("ignored") {
            continue;
        }
        for sent in controls {
            let answer = sender.acknowledgement().await.unwrap();
            assert_eq!(answer.control, sent, "{name}: answers come in the order of the messages");
            let is_expected = codes(&expected).contains(&answer.code.as_str());
            assert!(is_expected, "{name}: {expected}\n{}", answer.text);
            accepted += u64::from(answer.code == "AA");
        }
    }
    until("every accepted message", async || {
        let taken = region.status(A).await?.messages_taken;
        if taken == accepted { Ok(()) } else { Err(format!("{taken} of {accepted}")) }
    })
    .await;
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_stream_of_300_messages_is_answered_in_order_and_nothing_is_lost() {
    let Some(folder) = collection("hl7") else { return };
    let region = Region::unqualified().await;
    let stream = std::fs::read(folder.join("simhospital_first_300.mllp")).unwrap();
    let frames = stream.split(|byte| *byte == 0x0B).skip(1).map(|frame| frame.strip_suffix(b"\x1c\r").unwrap_or(frame));
    let frames: Vec<&[u8]> = frames.collect();
    assert_eq!(frames.len(), 300);
    let (mut sender, mut reports) = (Sender::connect(region.mllp(A)).await.unwrap(), 0);
    for part in frames.chunks(50) {
        for frame in part {
            sender.write(frame).await.unwrap();
        }
        for frame in part {
            let answer = sender.acknowledgement().await.unwrap();
            assert_eq!(answer.control, control(frame));
            let is_report = String::from_utf8_lossy(frame).contains("|ORU^R01");
            assert_eq!(answer.code, if is_report { "AA" } else { "AR" }, "{}", answer.text);
            reports += u64::from(is_report);
        }
    }
    assert!(reports > 0);
    assert_eq!(region.status(A).await.unwrap().messages_taken, reports);
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_image_of_the_collection_is_stored_in_the_encoding_it_came_in() {
    let Some(folder) = collection("dicom") else { return };
    let region = Region::unqualified().await;
    let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, expected) in origins(&folder).into_iter().filter(|(_, expected)| expected.starts_with("accept")) {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        let file = read_file(&bytes).unwrap();
        let uid = file.facts.sop_instance.to_string();
        let instance = Instance {
            class: Uid::parse(&file.facts.sop_class.to_string()).unwrap(),
            instance: Uid::parse(&uid).unwrap(),
            syntax: file.transfer_syntax.to_string(),
            data_set: file.data_set.to_vec(),
        };
        let is_other = seen.get(&uid).is_some_and(|before| before != file.data_set);
        let status = store(region.dicom(A), &[instance]).await[0];
        match is_other {
            false => assert_eq!(status, Status::SUCCESS, "{name}: {expected}"),
            true => assert!(status != Status::SUCCESS, "{name}: another instance under the same UID"),
        }
        seen.entry(uid).or_insert_with(|| file.data_set.to_vec());
    }
    assert!(seen.len() > 30, "{} instances", seen.len());
    assert_eq!(region.status(A).await.unwrap().instances_taken, seen.len() as u64);
    region.end().await;
}

/// Gives what is expected of each file, in the order in which its origin lists them.
fn origins(folder: &Path) -> Vec<(String, String)> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').from_path(folder.join("PROVENANCE.tsv")).unwrap();
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| (row[0].to_owned(), row[row.len() - 1].to_owned())).collect()
}

/// Gives the codes that an origin allows. Orders may be refused, for nobody here carries them out; of a stream each
/// message is judged for itself.
fn codes(expected: &str) -> Vec<&'static str> {
    if expected.starts_with("AA with the source configured") {
        return vec!["AE"];
    }
    let is_order = expected.starts_with("as ");
    let is_stream = ["split at", "see batch", "each message"].iter().any(|start| expected.starts_with(start));
    let mentioned = ["AA", "AE", "AR"].into_iter().filter(|code| {
        let is_mentioned = expected.split(|character: char| !character.is_ascii_alphabetic()).any(|word| word == *code);
        is_mentioned || is_stream || (is_order && *code != "AE")
    });
    mentioned.collect()
}

/// Gives MSH-10 as an acknowledgement repeats it.
fn control(message: &[u8]) -> String {
    let settings = SourceSettings::default();
    Header::of_bytes(message, &settings).control_id().to_owned()
}

fn collection(part: &str) -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible")).join(part);
    if !folder.is_dir() {
        println!("skipped: the sample collection is not beside the sources");
        return None;
    }
    Some(folder)
}
