//! Recalls at a hospital: kept through restarts, and acknowledged once.

use std::time::Duration;

use super::world::World;
use crate::domain::id::{Pseudonym, RecallId};
use crate::domain::log::Sequence;
use crate::ports::clock::Clock;
use crate::service::node::ledger::NodeRecord;
use crate::wire::pb;

fn recall(number: u8, practitioner: &str, result: u8) -> pb::Recall {
    pb::Recall {
        recall_id: vec![number; 16].into(),
        practitioner: practitioner.into(),
        patient: vec![2; 16].into(),
        result_name: vec![result; 16].into(),
        ..Default::default()
    }
}

fn actor() -> pb::Actor {
    pb::Actor { practitioner: "D7".into(), department: String::new() }
}

fn numbers(recalls: &[pb::Recall]) -> Vec<u8> {
    recalls.iter().map(|recall| recall.recall_id[0]).collect()
}

#[tokio::test]
async fn a_recall_is_kept_once_and_offered_until_somebody_takes_note() {
    let world = World::new();
    let node = world.node();
    let made = |recall: pb::Recall, ago_ms: i64| {
        let now = world.clock.now();
        let unix_ms = now.unix_ms() - ago_ms;
        pb::Recall { made_at: Some(pb::Moment { unix_ms, ..now.into() }), ..recall }
    };
    for recall in [
        recall(1, "D7", 1),
        recall(2, "D7", 1),
        made(recall(3, "D8", 1), 60_000),
        recall(4, "D7", 9),
        recall(1, "D7", 1),
    ] {
        node.take_recall(recall).await.unwrap();
    }
    drop(node);
    let node = world.node();
    assert_eq!(numbers(&node.open_recalls("D7", None).await.unwrap()), [1, 2, 4]);
    assert_eq!(numbers(&node.open_recalls("D7", Some(Pseudonym::new([2; 16]))).await.unwrap()), [1, 2, 4]);
    assert_eq!(numbers(&node.open_recalls("D7", Some(Pseudonym::new([3; 16]))).await.unwrap()), Vec::<u8>::new());
    let (streamed, next) = node.next_recalls(Sequence(0)).await.unwrap();
    assert_eq!(numbers(&streamed), [1, 2, 3, 4]);
    let more = tokio::time::timeout(Duration::from_millis(20), node.next_recalls(next)).await;
    assert!(more.is_err(), "nothing more has come");

    assert!(!node.note_recall(RecallId::new([9; 16]), actor()).await.unwrap());
    assert!(node.note_recall(RecallId::new([1; 16]), actor()).await.unwrap());
    assert_eq!(numbers(&node.open_recalls("D7", None).await.unwrap()), [2, 4], "the earlier one covers no later one");
    let mut records = Vec::new();
    for _ in 0..2 {
        assert!(node.note_recall(RecallId::new([2; 16]), actor()).await.unwrap());
        records.push(node.core.journal.reader().next_sequence());
    }
    assert_eq!(records[0], records[1], "it is recorded once");
    assert_eq!(node.core.state.untold_notes(10).unwrap().len(), 2, "the hub has to be told of both");
    let told = pb::RecallNoteTold { recall_id: vec![1; 16].into() };
    node.append(NodeRecord::RecallNoteTold(told)).await.unwrap();
    assert_eq!(node.core.state.untold_notes(10).unwrap().len(), 1);
    assert_eq!(numbers(&node.open_recalls("D7", None).await.unwrap()), [4], "the later one covers the earlier");
    let seen = node.standing().await.unwrap();
    assert_eq!((seen.recalls_open, seen.recalls_age_ms), (2, 60_000), "the first that is open was made a minute ago");
    drop(node);
    let node = world.node();
    assert_eq!(numbers(&node.open_recalls("D7", None).await.unwrap()), [4]);
    node.take_recall(recall(2, "D7", 1)).await.unwrap();
    assert_eq!(numbers(&node.next_recalls(Sequence(0)).await.unwrap().0), [3, 4], "told again, it is not new");
}
