//! A rebuild of real data: the same stays, what differs is named and replaced.

use std::fs;
use std::path::Path;

use super::*;
use crate::domain::log::Sequence;
use crate::domain::organisation::Role;
use crate::service::hub::projector;
use crate::service::hub::testing::{HOSPITAL, START_MS, World};
use crate::service::node::tests::world::{World as Hospital, message, take};
use crate::store::hub::HubState;
use crate::store::index::RedbIndex;
use crate::store::journal::JournalReader;

fn now() -> Moment {
    Moment::new(START_MS, 480).unwrap()
}

fn rebuilt(data: &Path, check: bool) -> Result<Vec<Part>, RebuildError> {
    let progress = ProgressBar::hidden();
    let hub = data.join(hub::JOURNAL).is_dir();
    let rebuild = if hub { hub::rebuild } else { node::rebuild };
    rebuild(data, check, now(), &progress).map(|(_, parts)| parts)
}

fn found(parts: &[Part]) -> Vec<&Found> {
    parts.iter().map(|part| &part.found).collect()
}

/// The folder of a hub that has stopped.
async fn stopped_hub() -> tempfile::TempDir {
    let world = World::new().await;
    let signer = world.signer(HOSPITAL, Role::Hospital, 3);
    world.publish(1, &[crate::wire::entry::tests::potassium()]).await;
    drop(signer);
    let (folder, key) = (tempfile::tempdir().unwrap(), format!("{}\n", world.log_key));
    fs::write(world.folder.path().join("log.vkey"), key).unwrap();
    copy(world.folder.path(), folder.path());
    let journal = JournalReader::open(&folder.path().join("entries")).unwrap();
    let index = RedbIndex::open(&folder.path().join("index.redb"), 1 << 20).unwrap();
    let state = HubState::open(&folder.path().join("tables.redb"), 1 << 20).unwrap();
    projector::rebuild(&journal, &index, &state, &mut |_| ()).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_hub_whose_projections_are_right_stays_as_it_is() {
    let folder = stopped_hub().await;
    let before = fs::read(folder.path().join("checkpoint")).unwrap();
    let parts = rebuilt(folder.path(), false).unwrap();
    assert_eq!(found(&parts), [&Found::Same; 3]);
    assert_eq!(fs::read(folder.path().join("checkpoint")).unwrap(), before);
    assert!(!folder.path().join(WORKSHOP).exists());
    let aside = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(aside.into_iter().all(|name| !name.to_string_lossy().contains("quarantine")));
}

#[tokio::test]
async fn what_is_missing_damaged_or_different_is_named_and_built_anew() {
    let folder = stopped_hub().await;
    let data = folder.path();
    fs::remove_file(data.join("index.redb")).unwrap();
    // Tables that have seen the position alone.
    fs::remove_file(data.join("tables.redb")).unwrap();
    let state = HubState::open(&data.join("tables.redb"), 1 << 20).unwrap();
    let end = JournalReader::open(&data.join("entries")).unwrap().next_sequence();
    state.write(Sequence(end), |_| Ok(())).unwrap();
    state.flush().unwrap();
    drop(state);
    let tile = data.join("tile/0/000.p").join(end.to_string());
    let mut bytes = fs::read(&tile).unwrap();
    bytes[3] ^= 1;
    fs::write(&tile, bytes).unwrap();

    let looked = rebuilt(data, true).unwrap();
    assert_eq!(looked[0].found, Found::Absent);
    assert!(matches!(&looked[1].found, Found::Different(why) if why.contains("rows in place of")), "{looked:?}");
    assert!(matches!(&looked[2].found, Found::Different(why) if why.starts_with("tile/0/000.p/")), "{looked:?}");
    assert!(!data.join("index.redb").exists(), "a check replaces nothing");
    assert_eq!(rebuilt(data, false).unwrap(), looked);
    assert_eq!(found(&rebuilt(data, false).unwrap()), [&Found::Same; 3]);
    assert!(data.join(format!("tables.redb.quarantine-{START_MS}")).exists());
}

#[tokio::test]
async fn a_journal_that_does_not_lead_to_its_checkpoint_replaces_nothing() {
    let folder = stopped_hub().await;
    let data = folder.path();
    let other = stopped_hub().await;
    let record = fs::read(other.path().join("entries/00000000000000000000.journal")).unwrap();
    let mut changed = record.clone();
    let place = changed.len() - 1;
    changed[place] ^= 1;
    let start = (24..=record.len() - 21).rev().find(|start| {
        let length = u32::from_le_bytes(record[start + 4..start + 8].try_into().unwrap()) as usize;
        start + 21 + length == record.len()
    });
    let start = start.unwrap();
    let checksum = crc32fast::hash(&changed[start + 4..]);
    changed[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    fs::write(data.join("entries/00000000000000000000.journal"), changed).unwrap();
    let refused = rebuilt(data, false).unwrap_err();
    assert!(matches!(refused, RebuildError::Data(BackupError::Root { size: 2 })), "{refused}");
}

#[tokio::test]
async fn a_node_is_built_anew_from_journal_and_originals() {
    let world = Hospital::new();
    let node = world.node();
    for order in ["F1", "F2", "F3"] {
        let text = message(order, "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"]).replace("F1001", order);
        take(&node, &text).await.unwrap();
        take(&node, &text).await.unwrap();
        node.step().await.unwrap();
        node.send().await.unwrap();
    }
    let running = rebuilt(world.path(), true).unwrap_err();
    assert!(matches!(running, RebuildError::InUse(_)), "{running}");
    drop(node);
    assert_eq!(found(&rebuilt(world.path(), false).unwrap()), [&Found::Same]);
    fs::remove_dir_all(world.path().join("state")).unwrap();
    assert_eq!(found(&rebuilt(world.path(), false).unwrap()), [&Found::Absent]);
    let node = world.node();
    assert_eq!(node.status().await.unwrap().outbox_batches, 0);
    assert_eq!(node.send().await.unwrap(), 0, "all receipts are known");
}
