//! Sending through a network that loses things, to a hub that may lie.

use std::sync::atomic::Ordering;

use super::world::{World, message, take};
use crate::service::node::error::NodeError;
use crate::service::node::receipt::ReceiptError;
use crate::wire::pb;

async fn sealed(world: &World, batches: usize) -> super::super::Node<super::world::TestHub> {
    let node = world.node();
    for number in 0..batches {
        let order = format!("F{number}");
        let text = message("1", "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"]).replace("F1001", &order);
        take(&node, &text).await.unwrap();
        node.step().await.unwrap();
    }
    assert_eq!(node.status().await.unwrap().outbox_batches, batches as u64);
    node
}

#[tokio::test]
async fn whatever_gets_lost_everything_is_receipted_once() {
    let world = World::new();
    let node = sealed(&world, 5).await;
    world.hub.away.store(true, Ordering::SeqCst);
    assert!(node.send().await.is_err());
    world.hub.away.store(false, Ordering::SeqCst);
    world.hub.receipts_lost.store(3, Ordering::SeqCst);
    let mut recorded = 0;
    while node.status().await.unwrap().outbox_batches > 0 {
        recorded += node.send().await.unwrap_or(0);
    }
    assert_eq!(world.hub.entries().len(), 5);
    assert_eq!(node.figures().receipts.value(), 5);
    assert!(recorded <= 5);
    drop(node);
    let node = world.node();
    assert_eq!(node.send().await.unwrap(), 0, "receipts survive");
}

#[tokio::test]
async fn a_receipt_that_does_not_hold_is_refused_and_asked_for_again() {
    let lies: [fn(&mut pb::Receipt); 6] = [
        |receipt| receipt.header_digest = vec![0; 32].into(),
        |receipt| receipt.log_entry = vec![1; 32].into(),
        |receipt| receipt.log_index += 1,
        |receipt| receipt.inclusion.push(vec![0; 32].into()),
        |receipt| receipt.sequence += 1,
        |receipt| receipt.checkpoint = receipt.checkpoint.replacen("\n1\n", "\n2\n", 1),
    ];
    for (place, lie) in lies.into_iter().enumerate() {
        let world = World::new();
        let node = sealed(&world, 1).await;
        *world.hub.lie.lock().unwrap() = Some(lie);
        assert!(matches!(node.send().await, Err(NodeError::Receipt(_))), "lie {place}");
        assert_eq!(node.status().await.unwrap().outbox_batches, 1, "lie {place}");
        assert_eq!(node.send().await.unwrap(), 1, "lie {place}");
        assert_eq!(world.hub.entries().len(), 1);
    }
}

#[tokio::test]
async fn a_hub_that_forgot_is_given_everything_and_its_smaller_tree_is_not_believed() {
    let world = World::new();
    let node = sealed(&world, 2).await;
    assert_eq!(node.send().await.unwrap(), 2);
    world.hub.forget();
    take(&node, &message("2", "20260302080000", &["NM|CREA^肌酐^L||80|umol/L|||||F"])).await.unwrap();
    node.step().await.unwrap();
    let refused = node.send().await;
    assert!(matches!(refused, Err(NodeError::Receipt(ReceiptError::Rewritten { known: 2, .. }))), "{refused:?}");
    assert_eq!(node.status().await.unwrap().outbox_batches, 1);
}

#[tokio::test]
async fn what_the_hub_does_not_index_is_listed_as_its_sender_knows_it() {
    let world = World::new();
    let node = world.node();
    take(&node, &message("LIS-42", "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"])).await.unwrap();
    node.step().await.unwrap();
    *world.hub.lie.lock().unwrap() = Some(|receipt| {
        let (field, reason) = ("items[0]".to_owned(), "UNKNOWN_ITEM".to_owned());
        receipt.rejections.push(pb::Rejection { entry: 0, field, reason });
    });
    assert_eq!(node.send().await.unwrap(), 1);
    drop(node);
    let held = world.node().held(10).await.unwrap();
    let told: Vec<_> =
        held.iter().map(|(_, held)| [&held.reference, &held.reason, &held.field].map(String::as_str)).collect();
    assert_eq!(told, [["LIS-42", "REJECTED_BY_HUB", "L01001 items[0] UNKNOWN_ITEM"]]);
}
