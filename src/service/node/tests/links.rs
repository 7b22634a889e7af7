//! Images and reports that carry nothing but the hospital's own number.

use super::pipeline::{chest_ct, element, store};
use super::world::{TestHub, World, message, of_patient, publish, reasons, take};
use crate::service::node::Node;

const POTASSIUM: &str = "NM|K^钾^L||4.1|mmol/L|||||F";
const BOTH: &str = "P1^^^H1^MR~11010519491231002X^^^GA^NI";
const LOCAL: &str = "P1^^^H1^PI";

fn order(number: &str, identifiers: &str) -> String {
    of_patient(identifiers, number, "20260302080000", &[POTASSIUM]).replace("F1001", number)
}

/// A picture of somebody whom the archive knows by the hospital's number alone.
fn picture(number: u32, born: &[u8]) -> Vec<u8> {
    let whole = chest_ct(number, 1);
    let named = element(0x0010, 0x0020, b"LO", b"11010519491231002X");
    let local = [element(0x0010, 0x0020, b"LO", b"P1"), element(0x0010, 0x0030, b"DA", born)].concat();
    let place = whole.windows(named.len()).position(|bytes| bytes == named).unwrap();
    [&whole[..place], &local, &whole[place + named.len()..]].concat()
}

async fn sealed(world: &World, node: &Node<TestHub>) -> usize {
    world.clock.advance(60_000);
    let first = node.step().await.unwrap().sealed;
    first + node.step().await.unwrap().sealed
}

#[tokio::test]
async fn a_local_number_seen_beside_a_strong_one_names_its_person() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, &order("1", BOTH)).await;
    let entries = publish(&world, &node, &order("2", LOCAL)).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].patient, entries[1].patient);
    store(&node, picture(1, b"19491231")).await.unwrap();
    assert_eq!(sealed(&world, &node).await, 1);
    node.send().await.unwrap();
    assert_eq!(world.hub.entries()[2].patient, entries[0].patient);
}

#[tokio::test]
async fn what_waits_for_a_number_comes_by_itself() {
    let world = World::new();
    let node = world.node();
    store(&node, picture(1, b"19491231")).await.unwrap();
    take(&node, &order("1", LOCAL)).await.unwrap();
    assert_eq!(sealed(&world, &node).await, 0);
    store(&node, picture(2, b"19491231")).await.unwrap();
    assert_eq!(sealed(&world, &node).await, 0);
    assert_eq!(reasons(&node).await, ["NO_STRONG_IDENTIFIER"; 2], "one line for the study, one for the report");
    take(&node, &order("2", BOTH)).await.unwrap();
    assert_eq!(sealed(&world, &node).await, 3);
    assert_eq!(reasons(&node).await, [""; 0]);
}

#[tokio::test]
async fn what_comes_with_its_link_in_one_step_does_not_wait() {
    let world = World::new();
    let node = world.node();
    take(&node, &order("1", LOCAL)).await.unwrap();
    take(&node, &order("2", BOTH)).await.unwrap();
    assert_eq!(sealed(&world, &node).await, 2);
}

#[tokio::test]
async fn a_number_is_followed_only_where_the_person_agrees() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, &order("1", BOTH)).await;
    let plain = order("2", LOCAL);
    for (number, from, to, reason) in [
        ("2", "|19491231|F", "|19491230|F", "IDENTITY_CONFLICT"),
        ("3", "|19491231|F", "|19491231|M", "IDENTITY_CONFLICT"),
        ("4", "|19491231|F", "||F", "NO_STRONG_IDENTIFIER"),
    ] {
        let asked = plain.replace(from, to).replace("R01|2|", &format!("R01|{number}|"));
        assert_eq!(publish(&world, &node, &asked).await.len(), 1, "{number}");
        assert_eq!(reasons(&node).await.last().unwrap(), reason, "{number}");
    }
    let without_sex = plain.replace("|19491231|F", "|19491231|");
    assert_eq!(publish(&world, &node, &without_sex).await.len(), 2);
}

#[tokio::test]
async fn a_number_of_two_people_links_nobody_any_more() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, &order("1", BOTH)).await;
    let other =
        order("2", BOTH).replace("11010519491231002X", "11010119900307002X").replace("|19491231|", "|19900307|");
    assert_eq!(publish(&world, &node, &other).await.len(), 2, "a strong identifier stands for itself");
    assert_eq!(publish(&world, &node, &order("3", LOCAL)).await.len(), 2);
    publish(&world, &node, &order("4", BOTH)).await;
    publish(&world, &node, &order("5", LOCAL)).await;
    assert_eq!(reasons(&node).await, ["IDENTITY_CONFLICT"; 2]);
}

#[tokio::test]
async fn links_outlive_the_projections_and_hold_no_number() {
    let world = World::new();
    let node = world.node();
    publish(&world, &node, &order("1", &BOTH.replace("P1", "RECORD-77"))).await;
    drop(node);
    let kept = std::fs::read_dir(world.path().join("journal")).unwrap().map(|file| file.unwrap().path());
    let bytes: Vec<u8> = kept.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect();
    let times = bytes.windows(9).filter(|bytes| *bytes == b"RECORD-77").count();
    assert_eq!(times, 1, "the message itself, and nothing learnt from it");
    std::fs::remove_dir_all(world.path().join("state")).unwrap();
    let node = world.node();
    let entries = publish(&world, &node, &order("2", &LOCAL.replace("P1", "record-77"))).await;
    assert_eq!(entries.len(), 2);
}

#[tokio::test]
async fn an_image_whose_number_is_a_citizens_needs_no_link() {
    let world = World::new();
    let node = world.node();
    let entries = publish(&world, &node, &message("1", "20260302080000", &[POTASSIUM])).await;
    store(&node, chest_ct(1, 1)).await.unwrap();
    assert_eq!(sealed(&world, &node).await, 1);
    node.send().await.unwrap();
    assert_eq!(world.hub.entries()[1].patient, entries[0].patient);
}
