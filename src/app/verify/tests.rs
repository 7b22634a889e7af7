//! A real hub's folder, and every way to tamper with it.

use tempfile::TempDir;

use super::data::{Sound, check};
use super::*;
use crate::domain::id::Digest;
use crate::domain::organisation::Role;
use crate::merkle::checkpoint::Checkpoint;
use crate::pki::signing::SigningDomain;
use crate::service::hub::testing::{HOSPITAL, Signer25519, World, caller, code};
use crate::wire::batch::{self, Batch, Header};
use crate::wire::entry;
use crate::wire::pb;
use crate::wire::record::Record;

/// More than one full tile, so that there are two levels.
const MISSES: u32 = 300;
/// Records before them.
const BEFORE: u64 = 6;

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
    check(copy.path(), &world.log_key, None, Evidence::default(), &ProgressBar::hidden())
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
    // The policy, the key, two batches with their headers.
    assert_eq!(sound.head.size, BEFORE + u64::from(MISSES));
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
        ("record 100", "it was changed: its digest is not the entry in the log")
    );
}

#[tokio::test]
async fn a_dropped_last_record_is_missed() {
    let world = world().await;
    let last = BEFORE - 1 + u64::from(MISSES);
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
    assert_eq!(renumbered, Disagreement::new("record 50", "it was moved: the log's record 60 stands in its place"));
}

#[tokio::test]
async fn a_changed_tile_is_named() {
    let world = world().await;
    let edge = (BEFORE + u64::from(MISSES)) % 256;
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
    let wrong = check(world.folder.path(), &other, None, Evidence::default(), &ProgressBar::hidden()).unwrap_err();
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
    let header = |batch: &Batch| Record::Header(batch.header_record());
    let first = batch(1, none, &own, &world);
    let second = batch(2, first.header_digest(), &own, &world);
    let outcome = |records: &[&Record]| {
        let mut chains = chain::Chains::new(None);
        records.iter().try_for_each(|record| chains.check(record))
    };
    outcome(&[&key, &record(&first), &record(&second)]).unwrap();
    outcome(&[&key, &header(&first), &record(&first), &header(&second), &record(&second)]).unwrap();

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
        (vec![&key, &header(&second), &record(&first)], "the record before it holds another header"),
    ] {
        let found = outcome(&records).unwrap_err();
        assert!(found.ends_with(problem), "{found}");
    }
}

/// Writes the records of a segment anew, numbered from 0 and with checksums that fit: what somebody would do who knows
/// the format.
fn rewrite(folder: &Path, edit: impl FnOnce(&mut Vec<Vec<u8>>)) {
    change(&segment(folder), |bytes| {
        let offsets = offsets(bytes);
        let mut records: Vec<Vec<u8>> = offsets.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect();
        edit(&mut records);
        bytes.truncate(24);
        for (sequence, mut record) in (0_u64..).zip(records) {
            record[8..16].copy_from_slice(&sequence.to_le_bytes());
            let checksum = crc32fast::hash(&record[4..]);
            record[..4].copy_from_slice(&checksum.to_le_bytes());
            bytes.extend_from_slice(&record);
        }
    });
}

#[tokio::test]
async fn a_record_that_was_changed_dropped_inserted_or_moved_is_named_though_every_checksum_fits() {
    let world = world().await;
    let wrong = |edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let wrong = checked(&world, |folder| rewrite(folder, edit)).unwrap_err();
        format!("{}: {}", wrong.place, wrong.problem)
    };
    let changed = wrong(&|records| *records[123].last_mut().unwrap() ^= 1);
    assert_eq!(changed, "record 123: it was changed: its digest is not the entry in the log");
    let dropped = wrong(&|records| drop(records.remove(123)));
    assert_eq!(dropped, "record 123: it was dropped, with those up to 123: the log's record 124 stands in its place");
    let dropped = wrong(&|records| drop(records.drain(123..130)));
    assert_eq!(dropped, "record 123: it was dropped, with those up to 129: the log's record 130 stands in its place");
    let doubled = wrong(&|records| records.insert(123, records[7].clone()));
    assert_eq!(doubled, "record 123: it was moved: the log's record 7 stands in its place");
    let inserted = wrong(&|records| {
        let mut strange = records[123].clone();
        *strange.last_mut().unwrap() ^= 1;
        records.insert(123, strange);
    });
    assert_eq!(inserted, "record 123: it was inserted: the log's record follows it");
    let moved = wrong(&|records| {
        let record = records.remove(123);
        records.insert(200, record);
    });
    assert!(moved.starts_with("record 123: "), "{moved}");
    let swapped = wrong(&|records| records.swap(123, 200));
    assert_eq!(swapped, "record 123: it was moved: the log's record 200 stands in its place");
    let batch = wrong(&|records| drop(records.remove(3)));
    assert!(batch.starts_with("record 3: it was dropped"), "{batch}");
    let last = wrong(&|records| drop(records.pop()));
    assert!(last.starts_with(&format!("record {}: it is missing", BEFORE - 1 + u64::from(MISSES))), "{last}");
}

/// Rewrites a record, and then with the hub's own key everything that would give it away: what the operator could do.
fn forge(folder: &Path, edit: impl FnOnce(&mut Vec<Vec<u8>>)) {
    rewrite(folder, edit);
    fs::remove_dir_all(folder.join("tile")).unwrap();
    fs::remove_file(folder.join("head")).unwrap();
    let mut tiles = crate::store::tiles::TileStore::open(folder).unwrap();
    let journal = crate::store::journal::JournalReader::open(&folder.join("entries")).unwrap();
    crate::app::backup::extend_log(&mut tiles, &journal, journal.next_sequence(), &mut |_| ()).unwrap();
    let secret = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let key =
        VerifierKey::new("log.example.cn/520000".parse().unwrap(), ed25519_dalek::SigningKey::verifying_key(&secret));
    let text = Checkpoint::new(key.name(), tiles.head()).to_string();
    let sign = |text: &[u8]| ed25519_dalek::Signer::sign(&secret, text).to_bytes();
    let note = crate::merkle::note::Note::sign(text, &key, sign).unwrap();
    fs::write(folder.join("checkpoint"), note.to_string()).unwrap();
}

#[tokio::test]
async fn an_operator_who_rewrites_everything_is_convicted_by_receipts_checkpoints_and_chains() {
    let world = World::new().await;
    let signer = world.signer(HOSPITAL, Role::Hospital, 3);
    let publisher = caller(HOSPITAL, Role::Hospital);
    let certificate = bytes::Bytes::from(signer.certificate_der.clone());
    let node = tempfile::tempdir().unwrap();
    let journal = node.path().join("journal");
    let (journal, _) = crate::store::journal::Journal::open(&journal, Default::default()).unwrap();
    let mut previous = Digest::new([0; 32]);
    let mut seen = String::new();
    for number in 1..=3 {
        let batch = batch(number, previous, &signer, &world);
        previous = batch.header_digest();
        let receipt = world.hub.take_batch(&publisher, batch.encode(), &certificate).await.unwrap();
        seen = receipt.checkpoint.clone();
        let record = pb::ReceiptRecord { receipt: prost::Message::encode_to_vec(&receipt).into(), rejected: vec![] };
        journal.append(4, prost::Message::encode_to_vec(&record).into()).await.unwrap();
    }
    let miss = |number: u32| {
        let at = Some(world.hub.now().into());
        Record::Miss(pb::MissRecord { organisation: HOSPITAL.into(), check_key: format!("{number:06}"), cause: 0, at })
    };
    world.records(&(0..20).map(miss).collect::<Vec<_>>()).await;

    let judged = |folder: &Path, receipts: bool, since: bool| {
        let mut evidence = Evidence::default();
        if receipts {
            assert_eq!(evidence.add_receipts(node.path(), &world.log_key).unwrap(), 3);
        }
        if since {
            evidence.add_checkpoint(seen.as_bytes(), &world.log_key, "the checkpoint seen before").unwrap();
        }
        check(folder, &world.log_key, None, evidence, &ProgressBar::hidden())
    };
    judged(world.folder.path(), true, true).unwrap();

    // Records: policy, key, three batches with their headers, misses. A record that no chain ties is taken out behind what others have seen.
    let copy = copy(world.folder.path());
    forge(copy.path(), |records| drop(records.remove(10)));
    judged(copy.path(), true, true).unwrap();
    let whole = world.hub.checkpoint().unwrap().0;
    let mut evidence = Evidence::default();
    evidence.add_checkpoint(whole.as_bytes(), &world.log_key, "a witness").unwrap();
    let lost = check(copy.path(), &world.log_key, None, evidence, &ProgressBar::hidden()).unwrap_err();
    assert_eq!(
        (lost.place.as_str(), lost.problem.contains("a witness knows one of 28")),
        ("record 27", true),
        "{lost:?}"
    );

    // A batch is changed in what its publisher does not sign, the time at which it was taken.
    let batched = self::copy(world.folder.path());
    forge(batched.path(), |records| {
        let batch = Record::decode(1, records[5][21..].to_vec().into()).unwrap();
        let Record::Batch(mut batch) = batch else {
            unreachable!("the policy, the key, then batches behind their headers")
        };
        batch.received_at = Some(world.hub.now().plus_hours(-5).into());
        let payload = Record::Batch(batch).payload();
        records[5].truncate(21);
        records[5].extend_from_slice(&payload);
        let length = u32::try_from(payload.len()).unwrap();
        records[5][4..8].copy_from_slice(&length.to_le_bytes());
    });
    judged(batched.path(), false, false).unwrap();
    let receipted = judged(batched.path(), true, false).unwrap_err();
    assert_eq!(receipted.place, "record 5", "{receipted:?}");
    assert!(receipted.problem.starts_with("receipt in record 1 of "), "{receipted:?}");
    let known = judged(batched.path(), false, true).unwrap_err();
    assert_eq!(known.place, "records 0 to 7", "{known:?}");

    // A batch is dropped: the chain of its publisher has a hole.
    let holed = self::copy(world.folder.path());
    forge(holed.path(), |records| drop(records.remove(5)));
    let found = judged(holed.path(), false, false).unwrap_err();
    assert_eq!(found.place, "record 6");
    assert!(found.problem.ends_with("the one before it has number 1"), "{found:?}");
}
