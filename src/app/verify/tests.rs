//! A real hub's folder, and every way to tamper with it.

use tempfile::TempDir;

use super::data::{Sound, check};
use super::*;
use crate::domain::id::Digest;
use crate::domain::organisation::Role;
use crate::pki::signing::SigningDomain;
use crate::service::hub::testing::{HOSPITAL, Signer25519, World, caller, code};
use crate::wire::batch::{self, Batch, Header};
use crate::wire::entry;
use crate::wire::pb;
use crate::wire::record::Record;

/// More than one full tile, so that there are two levels.
const MISSES: u32 = 300;

/// A hub's folder with a policy, a key, two batches and many small records of one length.
async fn world() -> World {
    let world = World::new().await;
    let signer = world.signer(HOSPITAL, Role::Hospital, 3);
    let publisher = caller(HOSPITAL, Role::Hospital);
    let mut previous = Digest::new([0; 32]);
    for number in 1..=2 {
        let batch = batch(number, previous, &signer, &world);
        previous = batch.header_digest();
        let certificate = signer.certificate_der.clone().into();
        world.hub.take_batch(&publisher, batch.encode(), &certificate).await.unwrap();
    }
    let misses: Vec<Record> = (0..MISSES)
        .map(|number| {
            let at = Some(world.hub.now().into());
            let (organisation, check_key) = (HOSPITAL.into(), format!("{number:06}"));
            Record::Miss(pb::MissRecord { organisation, check_key, cause: 0, at })
        })
        .collect();
    world.records(&misses).await;
    world
}

fn batch(number: u64, previous: Digest, signer: &Signer25519, world: &World) -> Batch {
    let mut result = entry::tests::potassium();
    result.version = u32::try_from(number).unwrap();
    let entries = vec![entry::encode(&result)];
    let leaves = [crate::merkle::hash::leaf_hash(&entries[0])];
    let header = Header {
        organisation: code(HOSPITAL),
        key_id: signer.key.record().key_id.0,
        sequence: number,
        previous,
        root: Digest::new(*crate::merkle::tree::root_of(&leaves).as_bytes()),
        size: 1,
        sealed_at: world.hub.now(),
    };
    let header_bytes = header.encode();
    let signature = signer.key.sign(SigningDomain(batch::SIGNED_AS), &header_bytes);
    Batch { header, header_bytes, signature, entries }
}

/// Copies the folder, changes the copy and checks it.
fn checked(world: &World, change: impl FnOnce(&Path)) -> Result<Sound, Disagreement> {
    let copy = copy(world.folder.path());
    change(copy.path());
    check(copy.path(), &world.log_key, None, &ProgressBar::hidden())
}

fn copy(from: &Path) -> TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy_into(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let copy = tempfile::tempdir().unwrap();
    copy_into(from, copy.path());
    copy
}

fn segment(folder: &Path) -> PathBuf {
    folder.join("entries/00000000000000000000.journal")
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Finds where each record begins in a segment.
fn offsets(bytes: &[u8]) -> Vec<usize> {
    let mut offsets = vec![24];
    while let Some(length) = bytes.get(offsets[offsets.len() - 1] + 4..).and_then(|rest| rest.first_chunk()) {
        offsets.push(offsets[offsets.len() - 1] + 21 + u32::from_le_bytes(*length) as usize);
    }
    offsets
}

#[tokio::test]
async fn what_was_not_touched_is_sound() {
    let world = world().await;
    let sound = checked(&world, |_| {}).unwrap();
    // The policy, the key, two batches.
    assert_eq!(sound.head.size, 4 + u64::from(MISSES));
    assert_eq!((sound.counts.publishers, sound.counts.batches, sound.counts.entries), (1, 2, 2));
    assert_eq!(sound.uncovered, 0);
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_records_is_found() {
    let world = world().await;
    let length = fs::read(segment(world.folder.path())).unwrap().len();
    for place in (0..length).step_by(length / 60) {
        let wrong = checked(&world, |folder| change(&segment(folder), |bytes| bytes[place] ^= 1)).unwrap_err();
        assert!(wrong.place.starts_with("record "), "{place}: {wrong:?}");
    }
}

#[tokio::test]
async fn a_changed_record_with_a_fresh_checksum_is_found() {
    let world = world().await;
    let wrong = checked(&world, |folder| {
        change(&segment(folder), |bytes| {
            let (start, end) = (offsets(bytes)[100], offsets(bytes)[101]);
            bytes[end - 1] ^= 1;
            let checksum = crc32fast::hash(&bytes[start + 4..end]);
            bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        });
    });
    let wrong = wrong.unwrap_err();
    assert_eq!(
        (wrong.place.as_str(), wrong.problem.as_str()),
        ("record 100", "its digest is not the entry in the log")
    );
}

#[tokio::test]
async fn a_dropped_last_record_is_missed() {
    let world = world().await;
    let last = 3 + u64::from(MISSES);
    let wrong = checked(&world, |folder| {
        change(&segment(folder), |bytes| {
            let offsets = offsets(bytes);
            bytes.truncate(offsets[offsets.len() - 2]);
        });
    });
    let wrong = wrong.unwrap_err();
    assert_eq!(wrong.place, format!("record {last}"));
    assert!(wrong.problem.starts_with("it is missing"), "{}", wrong.problem);
}

#[tokio::test]
async fn two_records_in_each_others_place_are_found() {
    let world = world().await;
    let swap = |renumbered: bool| {
        checked(&world, |folder| {
            change(&segment(folder), |bytes| {
                let offsets = offsets(bytes);
                let (first, second) = (offsets[50], offsets[60]);
                let length = offsets[51] - first;
                assert_eq!(offsets[61] - second, length, "records of one length");
                for place in 0..length {
                    bytes.swap(first + place, second + place);
                }
                for (start, sequence) in [(first, 50_u64), (second, 60)].into_iter().filter(|_| renumbered) {
                    bytes[start + 8..start + 16].copy_from_slice(&sequence.to_le_bytes());
                    let checksum = crc32fast::hash(&bytes[start + 4..start + length]);
                    bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
                }
            });
        })
        .unwrap_err()
    };
    assert_eq!(swap(false).problem, "record 60 stands in its place");
    let renumbered = swap(true);
    assert_eq!(renumbered, Disagreement::new("record 50", "its digest is not the entry in the log"));
}

#[tokio::test]
async fn a_changed_tile_is_named() {
    let world = world().await;
    let edge = (4 + MISSES) % 256;
    for tile in [
        "tile/0/000".to_owned(),
        "tile/entries/000".to_owned(),
        format!("tile/0/001.p/{edge}"),
        format!("tile/entries/001.p/{edge}"),
        "tile/1/000.p/1".to_owned(),
    ] {
        let flipped = checked(&world, |folder| change(&folder.join(&tile), |bytes| bytes[20] ^= 1)).unwrap_err();
        let entry_changed = tile.starts_with("tile/entries") && flipped.place.starts_with("record ");
        assert!(flipped.place == tile || entry_changed, "{tile}: {flipped:?}");
        let missing = checked(&world, |folder| fs::remove_file(folder.join(&tile)).unwrap()).unwrap_err();
        assert_eq!(missing, Disagreement::new(&tile, "it is missing"));
    }
}

#[tokio::test]
async fn a_checkpoint_of_another_key_or_another_log_is_refused() {
    let world = world().await;
    let secret = ed25519_dalek::SigningKey::from_bytes(&[6; 32]);
    let other = VerifierKey::new(world.log_key.name().clone(), secret.verifying_key());
    let wrong = check(world.folder.path(), &other, None, &ProgressBar::hidden()).unwrap_err();
    assert_eq!(wrong.place, "checkpoint");
    let bent = checked(&world, |folder| change(&folder.join("checkpoint"), |bytes| bytes[30] ^= 1)).unwrap_err();
    assert_eq!(bent.place, "checkpoint");
}

#[tokio::test]
async fn a_chain_is_followed_by_number_header_root_key_and_signature() {
    let world = World::new().await;
    let (own, foreign) = (world.signer(HOSPITAL, Role::Hospital, 3), world.signer(HOSPITAL, Role::Hospital, 4));
    let key = Record::Key(pb::KeyRecord {
        certificate: own.certificate_der.clone().into(),
        received_at: None,
        key_id: own.key.record().key_id.0.to_vec().into(),
    });
    let none = Digest::new([0; 32]);
    let record =
        |batch: &Batch| Record::Batch(pb::BatchRecord { batch: batch.encode(), received_at: None, rejections: vec![] });
    let first = batch(1, none, &own, &world);
    let second = batch(2, first.header_digest(), &own, &world);
    let outcome = |records: &[&Record]| {
        let mut chains = chain::Chains::new(None);
        records.iter().try_for_each(|record| chains.check(record))
    };
    outcome(&[&key, &record(&first), &record(&second)]).unwrap();

    let mut unsigned = second.clone();
    unsigned.signature[0] ^= 1;
    let mut rooted = second.clone();
    rooted.entries[0] = first.entries[0].clone();
    let by_another = batch(2, first.header_digest(), &foreign, &world);
    for (records, problem) in [
        (vec![&key, &record(&second)], "the one before it has number 0"),
        (vec![&key, &record(&first), &record(&first)], "the one before it has number 1"),
        (vec![&key, &record(&first), &record(&batch(2, none, &own, &world))], "does not name the header before it"),
        (vec![&record(&first)], "its key is in no record before it"),
        (vec![&key, &record(&first), &record(&by_another)], "its key is in no record before it"),
        (vec![&key, &record(&first), &record(&unsigned)], "its signature does not hold"),
        (vec![&key, &record(&first), &record(&rooted)], "its root is not the root of its entries"),
    ] {
        let found = outcome(&records).unwrap_err();
        assert!(found.ends_with(problem), "{found}");
    }
}
