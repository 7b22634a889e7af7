//! Backups of a real hub and a real node: complete, brought up to date, damaged in every way, brought back.

use std::fs;
use std::path::Path;

use super::manifest::{Kind, MANIFEST, Manifest};
use super::take::Taken;
use super::*;
use crate::service::hub::testing::{HOSPITAL, World};
use crate::service::node::tests::world::{World as Hospital, message, take as take_message};
use crate::store::journal::{Journal, JournalOptions, JournalReader};
use crate::store::originals::Originals;
use crate::sys::clock::ManualClock;
use crate::wire::pb;
use crate::wire::record::Record;

fn taken(from: &Path, to: &Path) -> Result<Taken, BackupError> {
    let clock = ManualClock::new(crate::service::node::tests::world::at("20260302120000"));
    take::take(from, to, None, &clock, &ProgressBar::hidden())
}

fn restored(from: &Path, to: &Path) -> Result<Manifest, BackupError> {
    restore::restore(from, to, None, &ProgressBar::hidden())
}

fn checked(backup: &Path) -> Result<Manifest, BackupError> {
    restore::check(backup, &ProgressBar::hidden())
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    let place = place % bytes.len();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A hub that runs, with so many records beside its policy.
async fn hub(records: u32) -> World {
    let world = World::new().await;
    fs::write(world.folder.path().join(LOG_KEY), format!("{}\n", world.log_key)).unwrap();
    grow(&world, records).await;
    world
}

async fn grow(world: &World, records: u32) {
    let misses: Vec<Record> = (0..records)
        .map(|number| {
            let at = Some(world.hub.now().into());
            let (organisation, check_key) = (HOSPITAL.into(), format!("{number:06}"));
            Record::Miss(pb::MissRecord { organisation, check_key, cause: 0, at })
        })
        .collect();
    world.records(&misses).await;
}

/// A node that has run, with a message in its journal and a large one and an image among its originals.
async fn node() -> Hospital {
    let world = Hospital::new();
    let node = world.node();
    let large = format!("NM|K^钾^L||4.1|mmol/L|||||F|||{}", "x".repeat(70 << 10));
    for (control, line) in [("1", "NM|K^钾^L||4.1|mmol/L|||||F"), ("2", large.as_str())] {
        let text = message(control, "20260302080000", &[line]).replace("F1001", &format!("F{control}"));
        take_message(&node, &text).await.unwrap();
        node.step().await.unwrap();
        node.send().await.unwrap();
    }
    drop(node);
    Originals::open(world.path().join(ORIGINALS)).unwrap().put(b"a document in a message").unwrap();
    fs::write(world.path().join(CACHE_KEY), [3; 32]).unwrap();
    world
}

#[tokio::test]
async fn a_running_hub_is_copied_and_what_grew_is_all_that_is_copied_again() {
    let (world, folder) = (hub(600).await, tempfile::tempdir().unwrap());
    let (data, backup) = (world.folder.path(), folder.path().join("backup"));
    let first = taken(data, &backup).unwrap();
    assert_eq!((first.manifest.of, first.manifest.records), (Kind::Hub, 601));
    let same = taken(data, &backup).unwrap();
    assert_eq!((same.copied_bytes, same.manifest.records), (0, 601));
    grow(&world, 50).await;
    let grown = taken(data, &backup).unwrap();
    assert_eq!(grown.manifest.records, 651);
    assert!(grown.copied_bytes > 0 && grown.copied_bytes < first.copied_bytes, "{grown:?}");
    assert_eq!(checked(&backup).unwrap(), grown.manifest);

    let copy = folder.path().join("elsewhere/data");
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    assert_eq!(restored(&backup, &copy).unwrap(), grown.manifest);
    let records = |data: &Path| {
        let reader = JournalReader::open(&data.join("entries")).unwrap();
        reader.scan(0).map(|record| record.unwrap().digest()).collect::<Vec<_>>()
    };
    assert_eq!(records(&copy), records(data));
    for name in ["checkpoint", "head", "tile/0/002.p/139", "tile/entries/001"] {
        assert_eq!(fs::read(copy.join(name)).unwrap(), fs::read(data.join(name)).unwrap(), "{name}");
    }
    assert!(matches!(restored(&backup, &copy), Err(BackupError::Exists(_))), "nothing is overwritten");
}

#[tokio::test]
async fn a_source_that_lost_or_changed_records_does_not_reach_the_backup() {
    let (world, folder) = (hub(40).await, tempfile::tempdir().unwrap());
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    restore_of(&world, folder.path(), &data);
    let known = taken(&data, &backup).unwrap().manifest;
    let segment = data.join("entries/00000000000000000000.journal");
    let whole = fs::read(&segment).unwrap();

    fs::write(&segment, &whole[..whole.len() - 10]).unwrap();
    let lost = taken(&data, &backup).unwrap_err();
    assert!(matches!(lost, BackupError::Behind { records: 40, known: 41 }), "{lost}");
    fs::remove_file(data.join(CHECKPOINT)).unwrap();
    let lost = taken(&data, &backup).unwrap_err();
    assert!(matches!(lost, BackupError::Behind { records: 40, known: 41 }), "the backup itself knows: {lost}");

    // A record that was changed, and its checksum made to fit.
    let mut changed = whole.clone();
    let last = whole.len() - 1;
    let start = whole.windows(6).rposition(|window| window == b"000039").unwrap();
    assert!(start < last);
    changed[start] = b'1';
    fs::write(&segment, &changed).unwrap();
    let refused = taken(&data, &backup).unwrap_err();
    assert!(matches!(refused, BackupError::Behind { .. } | BackupError::Diverged(_)), "{refused}");
    assert_eq!(checked(&backup).unwrap(), known, "what was there stays");
}

/// Makes a stopped hub's folder of a running one.
fn restore_of(world: &World, folder: &Path, data: &Path) {
    let first = folder.join("first");
    taken(world.folder.path(), &first).unwrap();
    restored(&first, data).unwrap();
}

#[tokio::test]
async fn a_changed_byte_anywhere_in_a_backup_is_found_before_success_is_said() {
    let (world, folder) = (hub(20).await, tempfile::tempdir().unwrap());
    let backup = folder.path().join("backup");
    taken(world.folder.path(), &backup).unwrap();
    let segment = backup.join("entries/00000000000000000000.journal");
    let bytes = usize::try_from(fs::metadata(&segment).unwrap().len()).unwrap();
    for place in (0..bytes).step_by(bytes / 15) {
        flip(&segment, place);
        assert!(matches!(checked(&backup), Err(BackupError::Damaged(_))), "{place}");
        let to = folder.path().join("data");
        assert!(matches!(restored(&backup, &to), Err(BackupError::Damaged(_))), "{place}");
        assert!(!to.exists(), "nothing that is wrong gets the name");
        flip(&segment, place);
    }
    // A manifest that was made to fit a changed record: the checkpoint does not.
    let mut manifest = Manifest::read(&backup).unwrap().unwrap();
    let end = fs::read(&segment).unwrap().len();
    let mut records = fs::read(&segment).unwrap();
    let start = records.windows(6).rposition(|window| window == b"000010").unwrap();
    records[start] = b'7';
    let frame = (24..start).rev().find(|at| {
        let length = u32::from_le_bytes(records[at + 4..at + 8].try_into().unwrap()) as usize;
        at + 21 + length <= end && at + 21 + length > start && length < 200
    });
    let frame = frame.unwrap();
    let length = u32::from_le_bytes(records[frame + 4..frame + 8].try_into().unwrap()) as usize;
    let checksum = crc32fast::hash(&records[frame + 4..frame + 21 + length]);
    records[frame..frame + 4].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&segment, &records).unwrap();
    manifest.segments[0].sha256 = copy::digest_of(&segment, None).unwrap();
    manifest.write(&backup).unwrap();
    let found = checked(&backup).unwrap_err();
    assert!(matches!(found, BackupError::Root { size: 21 }), "{found}");
}

#[tokio::test]
async fn a_node_is_brought_back_with_its_originals_and_goes_on() {
    let (world, folder) = (node().await, tempfile::tempdir().unwrap());
    let backup = folder.path().join("backup");
    let made = taken(world.path(), &backup).unwrap();
    assert_eq!((made.manifest.of, made.manifest.originals, made.copied_originals), (Kind::Node, 2, 2));
    assert_eq!(taken(world.path(), &backup).unwrap().copied_originals, 0);

    let to = folder.path().join("data");
    restored(&backup, &to).unwrap();
    let node = world.node_in(&to);
    assert_eq!(node.status().await.unwrap().outbox_batches, 0);
    take_message(&node, &message("9", "20260302080000", &["NM|K^钾^L||4.2|mmol/L|||||F"])).await.unwrap();
    node.step().await.unwrap();
    assert_eq!(node.send().await.unwrap(), 1, "the chain goes on where it was");

    let original = copy::originals(&backup.join(ORIGINALS)).unwrap().remove(0).0;
    flip(&original, 5);
    assert!(matches!(checked(&backup), Err(BackupError::Damaged(path)) if path == original));
    flip(&original, 5);
    fs::remove_file(&original).unwrap();
    assert!(matches!(checked(&backup), Err(BackupError::Originals { found: 1, named: 2 })));
}

#[tokio::test]
async fn an_original_that_is_damaged_at_the_source_is_named_and_the_rest_is_copied() {
    let (world, folder) = (node().await, tempfile::tempdir().unwrap());
    let backup = folder.path().join("backup");
    let (path, digest) = copy::originals(&world.path().join(ORIGINALS)).unwrap().remove(0);
    flip(&path, 3);
    let made = taken(world.path(), &backup).unwrap();
    assert_eq!((made.damaged, made.manifest.originals), (vec![digest], 1));
}

#[tokio::test]
async fn sealed_segments_are_copied_once_and_a_broken_off_backup_is_still_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let options = JournalOptions { segment_bytes_max: 200, ..JournalOptions::default() };
    let (journal, _) = Journal::open(&data.join("journal"), options).unwrap();
    let miss = pb::MissesReported { check_keys: vec!["k".repeat(60)] };
    let payload = bytes::Bytes::from(prost::Message::encode_to_vec(&miss));
    for _ in 0..10 {
        journal.append(8, payload.clone()).await.unwrap();
    }
    let first = taken(&data, &backup).unwrap().manifest;
    assert!(first.segments.len() > 3 && first.segments[0].sealed, "{first:?}");
    let kept = fs::read(backup.join(MANIFEST)).unwrap();
    let oldest = backup.join("journal/00000000000000000000.journal");
    let written = fs::metadata(&oldest).unwrap().modified().unwrap();
    journal.append(8, payload).await.unwrap();
    assert_eq!(taken(&data, &backup).unwrap().manifest.records, 11);
    assert_eq!(fs::metadata(&oldest).unwrap().modified().unwrap(), written);

    // As if power had failed before the manifest was replaced.
    fs::write(backup.join(MANIFEST), kept).unwrap();
    assert_eq!(checked(&backup).unwrap(), first);
    restored(&backup, &folder.path().join("again")).unwrap();
    let reader = JournalReader::open(&folder.path().join("again/journal")).unwrap();
    assert_eq!(reader.verify().unwrap().records, 10);
}

#[test]
fn folders_that_are_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("to"));
    fs::create_dir_all(data.join("journal")).unwrap();
    assert!(matches!(taken(folder.path(), &to), Err(BackupError::Strange(_))));
    assert!(matches!(taken(&data, &data.join("backup")), Err(BackupError::Inside(_))));
    fs::remove_dir_all(data.join("backup")).unwrap();
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join("letter"), "dear").unwrap();
    assert!(matches!(taken(&data, &to), Err(BackupError::Occupied(_))));
    fs::remove_file(to.join("letter")).unwrap();
    taken(&data, &to).unwrap();
    let newer = fs::read_to_string(to.join(MANIFEST)).unwrap().replace("\"form\": 1", "\"form\": 2");
    fs::write(to.join(MANIFEST), newer).unwrap();
    assert!(matches!(checked(&to), Err(BackupError::Newer { form: 2, .. })));
    assert!(matches!(checked(folder.path()), Err(BackupError::NoBackup(_))));
}

#[tokio::test]
async fn secrets_are_copied_when_asked_for_and_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (world, folder) = (hub(3).await, tempfile::tempdir().unwrap());
    let (secrets, backup) = (folder.path().join("secrets"), folder.path().join("backup"));
    fs::create_dir(&secrets).unwrap();
    fs::write(secrets.join("log.key"), "00").unwrap();
    let clock = ManualClock::new(world.hub.now());
    take::take(world.folder.path(), &backup, Some(&secrets), &clock, &ProgressBar::hidden()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&backup.join("secrets/log.key")), 0o600);
    assert_eq!(mode(&backup), 0o700);
    let (to, brought) = (folder.path().join("data"), folder.path().join("brought"));
    let occupied = restore::restore(&backup, &to, Some(&secrets), &ProgressBar::hidden());
    assert!(matches!(occupied, Err(BackupError::Exists(_))), "{occupied:?}");
    restore::restore(&backup, &to, Some(&brought), &ProgressBar::hidden()).unwrap();
    assert_eq!(fs::read_to_string(brought.join("log.key")).unwrap(), "00");
    assert_eq!(mode(&brought.join("log.key")), 0o600);
}

#[tokio::test]
async fn a_backup_that_counts_more_records_than_it_holds_is_neither_verified_nor_brought_back() {
    let (world, folder) = (hub(40).await, tempfile::tempdir().unwrap());
    let (backup, to) = (folder.path().join("backup"), folder.path().join("to"));
    let taken = taken(world.folder.path(), &backup).unwrap().manifest;
    Manifest { records: taken.records + 1, ..taken }.write(&backup).unwrap();
    for refused in [checked(&backup).unwrap_err(), restored(&backup, &to).unwrap_err()] {
        assert!(matches!(refused, BackupError::Behind { records: 41, known: 42 }), "{refused}");
    }
    assert!(!to.exists());
}

#[test]
fn a_file_that_begins_otherwise_than_its_copy_leaves_the_copy_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (source, copied) = (folder.path().join("source"), folder.path().join("copy"));
    let extend = |kept: Option<&copy::Kept>, bytes| copy::extend(&source, &copied, kept, bytes, &ProgressBar::hidden());
    fs::write(&source, "abcdef").unwrap();
    let kept = copy::Kept { bytes: 3, sha256: extend(None, 3).unwrap() };
    extend(Some(&kept), 4).unwrap();
    fs::write(&source, "abXdef").unwrap();
    assert!(matches!(extend(Some(&kept), 5).unwrap_err(), BackupError::Diverged(_)));
    assert_eq!(fs::read(&copied).unwrap(), b"abcd");
}
