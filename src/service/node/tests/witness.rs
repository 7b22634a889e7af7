//! A hub that shows a log which grew, forked, shrank, or is signed by somebody else.

use std::sync::atomic::Ordering;

use super::world::{World, message, take};
use crate::merkle::note::{Note, WitnessKey};
use crate::service::node::error::NodeError;
use crate::service::node::receipt::ReceiptError;

/// Publishes so many batches, each of its own order.
async fn publish(world: &World, node: &super::super::Node<super::world::TestHub>, orders: std::ops::Range<usize>) {
    for number in orders {
        let text = message("1", "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"]);
        take(node, &text.replace("F1001", &format!("F{number}"))).await.unwrap();
        node.step().await.unwrap();
        node.send().await.unwrap();
    }
    assert_eq!(world.hub.taken.lock().unwrap().len(), node.log_view().size as usize);
}

fn is_rewritten(answer: &Result<(), NodeError>) -> bool {
    matches!(answer, Err(NodeError::Receipt(ReceiptError::Rewritten { .. })))
}

#[tokio::test]
async fn a_log_that_grows_is_cosigned_and_the_cosignature_holds() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, 0..3).await;
    node.look().await.unwrap();
    let (note, line) = world.hub.cosigned.lock().unwrap().last().cloned().unwrap();
    let key: WitnessKey = node.log_view().witness_key.parse().unwrap();
    let text = Note::parse(note.as_bytes()).unwrap().verify(&[world.hub.verifier()]).unwrap().to_owned();
    crate::merkle::note::Cosignature::verify(&line, &text, &key).unwrap();
    let view = node.log_view();
    assert_eq!((view.size, view.refused.as_str()), (3, ""));
    assert!(view.seen_at.is_some());
}

#[tokio::test]
async fn a_log_that_forks_or_shrinks_is_refused_across_restarts_and_nothing_is_cosigned() {
    for fork in [true, false] {
        let world = World::new();
        let node = world.node();
        publish(&world, &node, 0..4).await;
        node.look().await.unwrap();
        let cosigned = world.hub.cosigned.lock().unwrap().len();
        if fork {
            world.hub.rewrite(1);
        } else {
            world.hub.lose(2);
        }
        assert!(is_rewritten(&node.look().await), "fork {fork}");
        assert!(node.log_view().refused.contains("after one of 4"), "{:?}", node.log_view());
        drop(node);
        let node = world.node();
        assert!(node.log_view().refused.contains("refused before"), "{:?}", node.log_view());
        assert!(is_rewritten(&node.look().await), "fork {fork}, after a restart");
        assert_eq!(world.hub.cosigned.lock().unwrap().len(), cosigned);
        assert!(std::fs::read_to_string(world.path().join("checkpoint.refused")).unwrap().contains("\n— "));
    }
}

#[tokio::test]
async fn whoever_is_told_of_a_refusal_finds_its_evidence() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, 0..2).await;
    world.hub.rewrite(0);
    let told = async {
        while node.log_view().refused.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(world.path().join("checkpoint.refused").exists());
    };
    let (looked, ()) = tokio::join!(node.look(), told);
    assert!(is_rewritten(&looked), "{looked:?}");
}

#[tokio::test]
async fn a_fork_is_found_in_a_receipt_too_and_the_batch_waits() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, 0..3).await;
    world.hub.rewrite(0);
    let text = message("1", "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"]).replace("F1001", "F9");
    take(&node, &text).await.unwrap();
    node.step().await.unwrap();
    let refused = node.send().await.map(drop);
    assert!(is_rewritten(&refused), "{refused:?}");
    assert_eq!(node.status().await.unwrap().outbox_batches, 1);
    assert_eq!(node.figures().log_refused.value(), 1);
}

#[tokio::test]
async fn a_hub_that_is_away_is_no_liar() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, 0..1).await;
    world.hub.away.store(true, Ordering::SeqCst);
    assert!(matches!(node.look().await, Err(NodeError::Hub(_))));
    assert_eq!(node.log_view().refused, "");
}

#[tokio::test]
async fn any_changed_byte_of_checkpoint_or_proof_is_refused() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, 0..5).await;
    drop(node);
    // As the node saw it when the log had three entries.
    let then = world.hub.note_of(3);
    std::fs::write(world.path().join("checkpoint"), then).unwrap();
    let node = world.node();
    let sound = world.hub.note_of(5);
    for place in 0..sound.len() {
        let mut changed = sound.clone().into_bytes();
        changed[place] ^= 1;
        *world.hub.shown.lock().unwrap() = Some(String::from_utf8_lossy(&changed).into_owned());
        assert!(matches!(node.look().await, Err(NodeError::Receipt(_))), "byte {place}");
        assert_eq!(node.log_view().size, 3, "byte {place}");
    }
    *world.hub.shown.lock().unwrap() = Some(sound.clone());
    let hashes = crate::merkle::proof::prove_consistency_in(&world.hub.leaves(), 3).unwrap().len();
    for place in 0..hashes * 32 {
        *world.hub.spoilt_proof.lock().unwrap() = Some(place);
        assert!(is_rewritten(&node.look().await), "byte {place} of the proof");
    }
    assert_eq!(node.log_view().size, 3);
    *world.hub.spoilt_proof.lock().unwrap() = None;
    node.look().await.unwrap();
    assert_eq!(node.log_view().size, 5);
}
