//! From intake to sealed batches, through crashes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prost::Message;
use tokio_util::sync::CancellationToken;

use super::world::{MAPPING, World, at, message, of_patient, publish, reasons, take, terms};
use crate::domain::entry::{Content, ResultStatus};
use crate::domain::time::Moment;
use crate::service::node::error::IntakeError;
use crate::service::node::{InstanceBytes, OriginalBytes, Taken};
use crate::store::journal::{Journal, JournalOptions};
use crate::wire::dicom::{Uid, part10, read_instance};
use crate::wire::pb;

const POTASSIUM: &str = "NM|K^钾^L||4.1|mmol/L|||||F";
const CREATININE: &str = "NM|CREA^肌酐^L||80|umol/L|||||F";

#[tokio::test]
async fn the_same_message_is_taken_once_and_a_used_control_id_is_another() {
    let world = World::new();
    let node = world.node();
    let first = message("1", "20260302080000", &[POTASSIUM]);
    assert_eq!(take(&node, &first).await.unwrap(), Taken::New);
    assert_eq!(take(&node, &first).await.unwrap(), Taken::Again);
    let next_day = first.replace("F1001", "F2001");
    assert_eq!(take(&node, &next_day).await.unwrap(), Taken::New);
    assert_eq!(node.step().await.unwrap().sealed, 2);
    let refused = take(&node, &first.replace("ORU^R01", "ADT^A01")).await;
    assert!(matches!(refused, Err(IntakeError::Message(_))));
}

#[tokio::test]
async fn what_could_not_be_applied_is_not_written_again() {
    let world = World::new();
    let node = world.node();
    let unreadable = 200;
    node.core.journal.append(unreadable, bytes::Bytes::new()).await.unwrap();
    let sent = message("1", "20260302080000", &[POTASSIUM]);
    for _ in 0..3 {
        assert!(take(&node, &sent).await.is_err());
    }
    assert_eq!(node.core.journal.reader().next_sequence(), 1);
}

#[tokio::test]
async fn corrections_supersede_and_repetitions_say_nothing() {
    let world = World::new();
    let node = world.node();
    let line = |value: &str, status: &str| format!("NM|K^钾^L||{value}|mmol/L|||||{status}");
    for (control, reported, value, status, expected) in [
        ("1", "20260302080000", "4.1", "P", Some((1, ResultStatus::Preliminary))),
        ("2", "20260302083000", "4.1", "F", Some((2, ResultStatus::Final))),
        ("3", "20260302090000", "4.1", "F", None),
        ("4", "20260302093000", "4.4", "C", Some((3, ResultStatus::Corrected))),
        ("5", "20260302083000", "4.1", "F", None),
        ("6", "20260302100000", "4.4", "P", None),
        ("7", "20260302103000", "", "W", Some((4, ResultStatus::Withdrawn))),
        ("8", "20260302103000", "4.4", "C", None),
        ("9", "20260302110000", "4.5", "C", Some((5, ResultStatus::Corrected))),
    ] {
        let before = world.hub.entries().len();
        let entries = publish(&world, &node, &message(control, reported, &[&line(value, status)])).await;
        let said = entries.get(before).map(|entry| (entry.version, entry.status));
        assert_eq!(said, expected, "{control}");
    }
    assert_eq!(reasons(&node).await, ["STALE", "STALE", "STALE"]);
}

#[tokio::test]
async fn nobody_is_guessed_at() {
    let world = World::new();
    let node = world.node();
    for (identifier, control, reason) in [
        ("P1^^^H1^MR", "1", "NO_STRONG_IDENTIFIER"),
        ("110105194912310021^^^GA^NI", "2", "IDENTIFIER_MALFORMED"),
        ("110101199003070097^^^GA^NI", "3", "IDENTITY_CONFLICT"),
    ] {
        take(&node, &of_patient(identifier, control, "20260302080000", &[POTASSIUM])).await.unwrap();
        node.step().await.unwrap();
        assert_eq!(reasons(&node).await.last().unwrap(), reason, "{control}");
    }
    assert_eq!(node.send().await.unwrap(), 0);
}

#[tokio::test]
async fn another_patient_under_a_known_order_number_waits() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, &message("1", "20260302080000", &[POTASSIUM])).await;
    let other = message("2", "20260302090000", &["NM|K^钾^L||5.9|mmol/L|||||F"]);
    let other = other.replace("11010519491231002X", "11010119900307002X").replace("|19491231|F", "|19900307|F");
    let entries = publish(&world, &node, &other).await;
    assert_eq!((entries.len(), reasons(&node).await), (1, vec!["PATIENT_DIFFERS".to_owned()]));
}

#[tokio::test]
async fn a_new_mapping_brings_what_was_unmapped() {
    let world = World::new();
    let node = world.node();
    let chlorine = message("1", "20260302080000", &["NM|CL^氯^L||101|mmol/L|||||F", POTASSIUM]);
    assert_eq!(publish(&world, &node, &chlorine).await.len(), 1);
    assert_eq!(node.unmapped(10).await.unwrap()[0].code, "CL");
    world.terms.send_replace(Arc::new(terms(&format!("{MAPPING}L,CL,氯,L01003,,血清,\n"))));
    assert_eq!(node.reprocess().await.unwrap(), 1);
    assert_eq!(node.step().await.unwrap().sealed, 1, "what was published is not said again");
    assert_eq!(node.unmapped(10).await.unwrap(), []);
    assert_eq!(node.reprocess().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_node_reads_again_by_itself_when_the_table_has_changed() {
    let world = World::new();
    let (node, stop) = (world.node(), CancellationToken::new());
    let working = tokio::spawn({
        let (node, stop) = (node.clone(), stop.clone());
        async move { node.run(stop).await }
    });
    take(&node, &message("1", "20260302080000", &["NM|CL^氯^L||101|mmol/L|||||F"])).await.unwrap();
    let listed = async || node.unmapped(10).await.unwrap();
    while listed().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(listed().await[0].name, "氯");
    world.terms.send_replace(Arc::new(terms(&format!("{MAPPING}L,CL,氯,L01003,,血清,\n"))));
    while world.hub.entries().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(listed().await, []);
    stop.cancel();
    working.await.unwrap();
}

#[tokio::test]
async fn a_node_that_stops_anywhere_publishes_each_result_once() {
    let world = World::new();
    let node = world.node();
    take(&node, &message("1", "20260302080000", &[POTASSIUM, CREATININE, "NM|X1^未知^L||1||||||F"])).await.unwrap();
    drop(node);
    let node = world.node();
    world.hub.away.store(true, Ordering::SeqCst);
    assert!(node.step().await.is_err(), "the hub resolves nobody");
    take(&node, &message("2", "20260302080000", &[POTASSIUM]).replace("F1001", "F1002")).await.unwrap();
    drop(node);
    world.hub.away.store(false, Ordering::SeqCst);
    let node = world.node();
    assert_eq!(node.step().await.unwrap().sealed, 3);
    drop(node);
    let node = world.node();
    assert_eq!(node.step().await.unwrap().sealed, 0);
    assert_eq!(node.send().await.unwrap(), 1);
    assert_eq!(world.hub.entries().len(), 3);
    assert_eq!(node.status().await.unwrap().outbox_batches, 0);
}

/// The journal as a crash leaves it that cuts a step's group of records behind the batch.
#[tokio::test]
async fn a_group_cut_behind_its_batch_doubles_nothing() {
    let world = World::new();
    let node = world.node();
    take(&node, &message("1", "20260302080000", &[POTASSIUM, "NM|X1^未知^L||1||||||F"])).await.unwrap();
    assert_eq!(node.step().await.unwrap().sealed, 1);
    drop(node);
    let cut = world.path().join("cut");
    let reader = crate::store::journal::JournalReader::open(&world.path().join("journal")).unwrap();
    let records: Vec<_> = reader.scan(0).map(Result::unwrap).collect();
    assert_eq!(records.iter().map(|record| record.kind).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(
        pb::SealedBatch::decode(records[1].payload.clone()).unwrap().read_to,
        0,
        "the last record alone says it"
    );
    {
        let (journal, _) = Journal::open(&cut.join("journal"), JournalOptions::default()).unwrap();
        for record in &records[..2] {
            journal.append(record.kind, record.payload.clone()).await.unwrap();
        }
    }
    let node = world.node_in(&cut);
    let step = node.step().await.unwrap();
    assert_eq!((step.read, step.sealed), (1, 0));
    assert_eq!(node.unmapped(10).await.unwrap()[0].records, 1);
    assert_eq!(node.send().await.unwrap(), 1);
}

#[tokio::test]
async fn a_running_node_brings_a_message_to_its_receipt_and_stops_when_told() {
    let world = World::new();
    let node = world.node();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let (node, stop) = (node.clone(), stop.clone());
        async move { node.run(stop).await }
    });
    take(&node, &message("1", "20260302080000", &[POTASSIUM])).await.unwrap();
    while node.figures().receipts.value() == 0 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.hub.entries().len(), 1);
}

#[tokio::test]
async fn large_and_small_messages_are_given_back_as_they_came() {
    let world = World::new();
    let node = world.node();
    let small = message("1", "20260302080000", &[POTASSIUM]);
    let large = format!("{small}NTE|1||{}\r", "a".repeat(100 << 10));
    for text in [&small, &large] {
        take(&node, text).await.unwrap();
        let digest = super::world::hash_of(text);
        let bytes = match node.original(digest, text.len() as u64).await.unwrap().unwrap() {
            OriginalBytes::Whole(bytes) => bytes.to_vec(),
            OriginalBytes::File(mut open) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut open.file, &mut bytes).unwrap();
                bytes
            }
        };
        assert!(bytes == text.as_bytes());
    }
    assert!(node.original(super::world::hash_of("nothing"), 7).await.unwrap().is_none());
}

pub fn element(group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = [group.to_le_bytes(), number.to_le_bytes(), *vr].concat();
    let padded = value.len().next_multiple_of(2);
    if vr == b"OW" {
        bytes.extend([0, 0]);
        bytes.extend(u32::try_from(padded).unwrap().to_le_bytes());
    } else {
        bytes.extend(u16::try_from(padded).unwrap().to_le_bytes());
    }
    bytes.extend(value);
    bytes.resize(bytes.len() + padded - value.len(), if vr == b"UI" { 0 } else { b' ' });
    bytes
}

pub fn chest_ct(number: u32, pixel: u8) -> Vec<u8> {
    let instance = format!("1.2.3.1.{number}");
    [
        element(0x0008, 0x0016, b"UI", b"1.2.840.10008.5.1.4.1.1.2"),
        element(0x0008, 0x0018, b"UI", instance.as_bytes()),
        element(0x0008, 0x0020, b"DA", b"20260301"),
        element(0x0008, 0x0022, b"DA", b"20260301"),
        element(0x0008, 0x0032, b"TM", b"101500"),
        element(0x0008, 0x0060, b"CS", b"CT"),
        element(0x0010, 0x0020, b"LO", b"11010519491231002X"),
        element(0x0018, 0x0010, b"LO", b"NONE"),
        element(0x0018, 0x0015, b"CS", b"CHEST"),
        element(0x0018, 0x0050, b"DS", b"1.25"),
        element(0x0020, 0x000d, b"UI", b"1.2.3"),
        element(0x0020, 0x000e, b"UI", b"1.2.3.1"),
        element(0x0028, 0x0010, b"US", &1u16.to_le_bytes()),
        element(0x0028, 0x0011, b"US", &1u16.to_le_bytes()),
        element(0x7fe0, 0x0010, b"OW", &[pixel, 0]),
    ]
    .concat()
}

pub async fn store(node: &super::super::Node<super::world::TestHub>, data_set: Vec<u8>) -> Result<Taken, IntakeError> {
    store_at(node, data_set, at("20260302120000")).await
}

/// Stores an instance that arrives at a moment.
pub async fn store_at(
    node: &super::super::Node<super::world::TestHub>,
    data_set: Vec<u8>,
    arrival: Moment,
) -> Result<Taken, IntakeError> {
    let syntax = "1.2.840.10008.1.2.1";
    let facts = read_instance(&data_set, syntax).unwrap();
    let header = part10::header(&Uid::parse(syntax).unwrap(), &facts.sop_class, &facts.sop_instance);
    node.take_instance(&facts, header, InstanceBytes::Whole(data_set.into()), arrival).await
}

#[tokio::test]
async fn a_quiet_study_is_published_and_grows_into_a_new_version() {
    let world = World::new();
    let node = world.node();
    assert_eq!(store(&node, chest_ct(1, 1)).await.unwrap(), Taken::New);
    assert_eq!(store(&node, chest_ct(1, 1)).await.unwrap(), Taken::Again);
    assert!(matches!(store(&node, chest_ct(1, 2)).await, Err(IntakeError::OtherInstance)));
    assert_eq!(node.step().await.unwrap().sealed, 0, "more may come");
    world.clock.advance(59_999);
    assert_eq!(node.step().await.unwrap().sealed, 0, "it is not quiet for long enough");
    world.clock.advance(1);
    assert_eq!(node.step().await.unwrap().sealed, 1);
    drop(node);
    let node = world.node();
    assert_eq!(node.step().await.unwrap().sealed, 0);
    store(&node, chest_ct(2, 1)).await.unwrap();
    assert_eq!(node.step().await.unwrap().sealed, 1);
    node.send().await.unwrap();
    let entries = world.hub.entries();
    let versions: Vec<_> = entries.iter().map(|entry| (entry.version, entry.originals.len())).collect();
    assert_eq!(versions, [(1, 1), (2, 2)]);
    assert_eq!(entries[0].result, entries[1].result);
    let Content::Imaging(study) = &entries[1].content else { panic!("no study") };
    assert_eq!((study.series[0].instances, study.coverage[0].body_part.as_str()), (2, "CHEST"));
    assert_eq!(entries[1].times.collected, at("20260301101500"));
    assert_eq!(reasons(&node).await, ["INSTANCE_CONFLICT"]);
    let report = ["TX|IMP^印象^L||双肺未见异常||||||F", "ST|113014^Study Instance UID^DCM||1.2.3||||||F"];
    let entries = publish(&world, &node, &message("9", "20260302130000", &report)).await;
    assert_eq!((entries.len(), entries[2].version, entries[2].originals.len()), (3, 3, 3));
}

#[tokio::test]
async fn an_instance_of_no_study_is_kept_and_waits() {
    let world = World::new();
    let node = world.node();
    let whole = chest_ct(1, 1);
    let study = element(0x0020, 0x000d, b"UI", b"1.2.3");
    let at = whole.windows(study.len()).position(|bytes| bytes == study).unwrap();
    let orphan = [&whole[..at], &whole[at + study.len()..]].concat();
    assert_eq!(store(&node, orphan.clone()).await.unwrap(), Taken::New);
    assert_eq!(store(&node, orphan).await.unwrap(), Taken::Again);
    world.clock.advance(60_000);
    assert_eq!(node.step().await.unwrap().sealed, 0);
    let held = node.held(10).await.unwrap();
    assert_eq!(
        held.iter().map(|(_, held)| (held.reference.as_str(), held.reason.as_str())).collect::<Vec<_>>(),
        [("1.2.3.1.1", "NO_STUDY")]
    );
}

#[tokio::test]
async fn a_clock_that_is_put_back_does_not_keep_a_study() {
    let world = World::new();
    let node = world.node();
    store(&node, chest_ct(1, 1)).await.unwrap();
    world.clock.advance(-3_600_000);
    assert_eq!(node.step().await.unwrap().sealed, 1);
}

#[tokio::test]
async fn a_report_that_comes_before_its_study_joins_it_by_itself() {
    let report = ["TX|IMP^印象^L||双肺未见异常||||||F", "ST|113014^Study Instance UID^DCM||1.2.3||||||F"];
    let report = message("9", "20260302110000", &report);
    for is_one_step in [false, true] {
        let world = World::new();
        let node = world.node();
        take(&node, &report).await.unwrap();
        if !is_one_step {
            assert_eq!(node.step().await.unwrap().sealed, 0);
            assert_eq!(reasons(&node).await, ["AWAITS_STUDY"]);
        }
        store(&node, chest_ct(1, 1)).await.unwrap();
        world.clock.advance(60_000);
        assert_eq!(node.step().await.unwrap().sealed, 1);
        assert_eq!(node.step().await.unwrap().sealed, 1);
        assert_eq!(node.step().await.unwrap().read, 0, "it is read again once");
        node.send().await.unwrap();
        let originals: Vec<_> = world.hub.entries().iter().map(|entry| entry.originals.len()).collect();
        assert_eq!((originals, reasons(&node).await.len()), (vec![1, 2], 0));
    }
}

#[tokio::test]
async fn a_refused_message_is_kept_and_listed_once() {
    let world = World::new();
    let node = world.node();
    let admission = message("A7", "20260302080000", &[POTASSIUM]).replace("ORU^R01", "ADT^A01");
    let impossible = message("T8", "20260302080000", &[POTASSIUM]).replace("20260302070000", "20261302070000");
    for refused in [&admission, &admission, &impossible] {
        assert!(matches!(take(&node, refused).await, Err(IntakeError::Message(_))));
    }
    drop(node);
    let node = world.node();
    assert!(take(&node, &impossible).await.is_err());
    let held = node.held(10).await.unwrap();
    let told: Vec<_> =
        held.iter().map(|(_, held)| [&held.reference, &held.reason, &held.field].map(String::as_str)).collect();
    assert_eq!(
        told,
        [
            ["A7", "REFUSED_AR", "MSH[1]-9.1 200 Unsupported message type"],
            ["T8", "REFUSED_AE", "OBR[1]-7 102 Data type error"],
        ]
    );
    assert_eq!(node.step().await.unwrap().sealed, 0);
    let reading =
        crate::wire::hl7::Reading::of(message("T8", "20260302080000", &[POTASSIUM]).as_bytes(), &Default::default());
    let taken = node.take_message("LIS", impossible.into(), &reading, at("20260302120000")).await;
    assert_eq!(taken.unwrap(), Taken::New, "its source is read otherwise now");
    assert_eq!(reasons(&node).await, ["REFUSED_AR"]);
}
