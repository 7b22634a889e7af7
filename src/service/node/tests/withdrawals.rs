//! What laboratories and archives take out of use, also before it came.

use super::pipeline::{chest_ct, store, store_at};
use super::world::{World, message, publish, reasons, take};
use crate::domain::entry::ResultStatus;
use crate::ports::clock::Clock;
use crate::wire::dicom::rejection::tests::key_objects;
use crate::wire::pb;

fn potassium(control: &str, reported: &str, value: &str, status: &str) -> String {
    message(control, reported, &[&format!("NM|K^钾^L||{value}|mmol/L|||||{status}")])
}

/// Version, status, and whether it was never true, of each entry published.
fn said(world: &World) -> Vec<(u32, ResultStatus, bool)> {
    world.hub.entries().iter().map(|entry| (entry.version, entry.status, entry.entered_in_error)).collect()
}

#[tokio::test]
async fn a_withdrawal_that_came_before_its_result_takes_it_out_of_use_when_it_comes() {
    use ResultStatus::{Final, Withdrawn};
    for (status, in_error) in [("D", false), ("X", false), ("W", true)] {
        for is_one_step in [false, true] {
            let world = World::new();
            let node = world.node();
            take(&node, &potassium("1", "20260302100000", "", status)).await.unwrap();
            if !is_one_step {
                node.step().await.unwrap();
                assert_eq!(reasons(&node).await, ["NOTHING_BEFORE"]);
            }
            publish(&world, &node, &potassium("2", "20260302080000", "4.1", "F")).await;
            node.step().await.unwrap();
            node.send().await.unwrap();
            let expected = [(1, Final, false), (2, Withdrawn, in_error)];
            assert_eq!((said(&world), reasons(&node).await), (expected.to_vec(), Vec::new()), "{status}");
        }
    }
}

#[tokio::test]
async fn a_cancellation_that_came_before_its_report_takes_all_of_it_out_of_use() {
    let world = World::new();
    let node = world.node();
    let cancelled = potassium("1", "20260302100000", "4.1", "F").replace("|||F\r", "|||X\r");
    take(&node, &cancelled).await.unwrap();
    node.step().await.unwrap();
    publish(&world, &node, &potassium("2", "20260302080000", "4.1", "F")).await;
    node.step().await.unwrap();
    node.send().await.unwrap();
    assert_eq!(said(&world).last(), Some(&(2, ResultStatus::Withdrawn, false)));
}

#[tokio::test]
async fn a_correction_that_came_before_the_original_stands() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, &potassium("1", "20260302100000", "4.9", "C")).await;
    publish(&world, &node, &potassium("2", "20260302080000", "7.9", "F")).await;
    assert_eq!(said(&world), [(1, ResultStatus::Corrected, false)]);
    assert_eq!(reasons(&node).await, ["STALE"]);
}

#[tokio::test]
async fn a_withdrawal_that_turns_out_an_error_is_said_again_and_never_taken_back_to_less() {
    use ResultStatus::{Final, Withdrawn};
    let world = World::new();
    let node = world.node();
    for (control, reported, value, status) in [
        ("1", "20260302080000", "4.1", "F"),
        ("2", "20260302090000", "", "D"),
        ("3", "20260302100000", "", "W"),
        ("4", "20260302110000", "", "D"),
    ] {
        publish(&world, &node, &potassium(control, reported, value, status)).await;
    }
    assert_eq!(said(&world), [(1, Final, false), (2, Withdrawn, false), (3, Withdrawn, true)]);
}

/// Publishes two images of a study and a note that rejects some of them, in this order of arrival, in one step or many.
async fn studied(title: &str, rejected: &[&str], note_first: bool, is_one_step: bool) -> World {
    let world = World::new();
    let node = world.node();
    let note = key_objects("1.2.3", "1.2.3.9", title, rejected);
    let mut all = vec![chest_ct(1, 1), chest_ct(2, 1)];
    all.insert(if note_first { 0 } else { 2 }, note);
    for instance in all {
        store(&node, instance).await.unwrap();
        if !is_one_step {
            world.clock.advance(60_000);
            node.step().await.unwrap();
        }
    }
    world.clock.advance(60_000);
    node.step().await.unwrap();
    node.send().await.unwrap();
    assert_eq!(node.step().await.unwrap().sealed, 0, "nothing is left to be said");
    assert_eq!(reasons(&node).await, Vec::<String>::new());
    world
}

#[tokio::test]
async fn a_rejection_note_takes_a_whole_study_out_of_use() {
    for (title, in_error) in [("113001", false), ("113037", true), ("113038", true), ("113039", false)] {
        let world = studied(title, &["1.2.3.1.1", "1.2.3.1.2"], false, false).await;
        let said = said(&world);
        assert_eq!(said.last(), Some(&(3, ResultStatus::Withdrawn, in_error)), "{title}: {said:?}");
    }
    let world = studied("113000", &["1.2.3.1.1", "1.2.3.1.2"], false, false).await;
    assert!(said(&world).iter().all(|(_, status, _)| *status == ResultStatus::Final), "of interest is not rejected");
}

#[tokio::test]
async fn a_rejection_note_takes_single_images_out_in_any_order_of_arrival() {
    for (note_first, is_one_step) in [(false, false), (false, true), (true, false), (true, true)] {
        let world = studied("113037", &["1.2.3.1.1"], note_first, is_one_step).await;
        let entries = world.hub.entries();
        let last = entries.last().unwrap();
        let shown: Vec<_> = last.originals.iter().map(|original| original.instance_uid.as_str()).collect();
        assert_eq!((last.status, shown), (ResultStatus::Corrected, vec!["1.2.3.1.2"]), "{note_first} {is_one_step}");
    }
    for is_one_step in [false, true] {
        let world = studied("113038", &["1.2.3.1.1", "1.2.3.1.2"], true, is_one_step).await;
        assert_eq!(said(&world), [], "what was rejected before it came is never published");
    }
}

#[tokio::test]
async fn a_deleted_study_is_withdrawn_and_only_new_images_bring_it_back() {
    let world = World::new();
    let node = world.node();
    let sent = |study_uid: &str| pb::WithdrawStudyRequest {
        study_uid: study_uid.into(),
        reason: "deleted in the archive".into(),
        entered_in_error: true,
    };
    assert!(!node.withdraw_study(sent("1.2.3")).await.unwrap(), "no image of it ever came");
    store(&node, chest_ct(1, 1)).await.unwrap();
    world.clock.advance(60_000);
    node.step().await.unwrap();
    // The archive's word is as young as the images.
    world.clock.advance(365 * 86_400_000);
    assert!(node.withdraw_study(sent("1.2.3")).await.unwrap());
    node.step().await.unwrap();
    node.send().await.unwrap();
    assert_eq!(said(&world).last(), Some(&(2, ResultStatus::Withdrawn, true)));
    store(&node, chest_ct(1, 1)).await.unwrap();
    world.clock.advance(60_000);
    assert_eq!(node.step().await.unwrap().sealed, 0, "the same image again is nothing new");
}

#[tokio::test]
async fn a_clock_that_was_ahead_and_was_put_right_does_not_make_what_a_study_says_later_the_older() {
    let world = World::new();
    let node = world.node();
    let note = || key_objects("1.2.3", "1.2.3.9", "113037", &["1.2.3.1.1"]);
    world.clock.advance(80_000);
    for instance in [chest_ct(1, 1), chest_ct(2, 1), note()] {
        store_at(&node, instance, world.clock.now()).await.unwrap();
        world.clock.advance(60_000);
        node.step().await.unwrap();
        world.clock.advance(-200_000);
    }
    let sent =
        pb::WithdrawStudyRequest { study_uid: "1.2.3".into(), reason: "wrong side".into(), entered_in_error: true };
    assert!(node.withdraw_study(sent).await.unwrap());
    node.step().await.unwrap();
    store_at(&node, chest_ct(3, 1), world.clock.now()).await.unwrap();
    world.clock.advance(60_000);
    node.step().await.unwrap();
    node.send().await.unwrap();
    use ResultStatus::{Corrected, Final, Withdrawn};
    let expected =
        [(1, Final, false), (2, Final, false), (3, Corrected, false), (4, Withdrawn, true), (5, Final, false)];
    assert_eq!((said(&world), reasons(&node).await), (expected.to_vec(), Vec::new()));
    let reported: Vec<_> = world.hub.entries().iter().map(|entry| entry.times.reported.unix_ms()).collect();
    assert!(reported.is_sorted(), "{reported:?}");
}
