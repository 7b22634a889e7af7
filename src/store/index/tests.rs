//! The index on disk against the one in memory, on histories in any order, with crashes in between.

use std::path::Path;

use proptest::prelude::*;

use super::layout;
use super::*;
use crate::domain::entry::{ResultStatus, Sensitivity};
use crate::domain::id::{Pseudonym, PublisherTag, ReportTag, ResultId, ResultLocator};
use crate::domain::item::ItemCode;
use crate::domain::log::{Position, Sequence};
use crate::domain::time::Moment;
use crate::ports::index::{EntryIndex, EntryKind, IndexEntry, IndexError, IndexItems, Piece};

const CACHE_BYTES: usize = 4 << 20;

fn items(codes: &[&str]) -> Vec<ItemCode> {
    codes.iter().map(|code| code.parse().unwrap()).collect()
}

fn entry() -> IndexEntry {
    IndexEntry {
        patient: Pseudonym::new([0x11; 16]),
        collected: Moment::new(1_700_000_000_000, 0).unwrap(),
        sequence: Sequence(7),
        place: 3,
        position: Position(0x0506_0708),
        result: ResultId::new([0x22; 16]),
        version: 2,
        status: ResultStatus::Corrected,
        sensitivity: Sensitivity::Sensitive,
        piece: Piece { start: 0x1234, checksum: 0xfeed_beef },
        publisher: PublisherTag::new(*b"author"),
        report: ReportTag::new(*b"a-report"),
        items: IndexItems::new(&items(&["L01001", "Z99999", "A00000", "L01004", "L01005"])),
        kind: EntryKind::Imaging,
        superseded: true,
    }
}

/// An entry of a small world, so that patients, instants, reports, results and versions meet; its record comes later.
fn any_entry() -> impl Strategy<Value = IndexEntry> {
    let codes = prop::collection::vec((b'A'..=b'Z', 0u32..100_000), 0..6);
    let ids = (0u8..3, 0u8..2, 0u8..5, 1u32..4);
    (ids, -4i64..4, 0usize..4, any::<[bool; 3]>(), codes, any::<u32>()).prop_map(
        |((patient, report, result, version), hours, status, [sensitive, imaging, superseded], codes, position)| {
            let codes: Vec<ItemCode> = codes
                .iter()
                .map(|(letter, number)| format!("{}{number:05}", char::from(*letter)).parse().unwrap())
                .collect();
            IndexEntry {
                patient: Pseudonym::new([patient; 16]),
                collected: Moment::new(hours * 3_600_000, 0).unwrap(),
                result: ResultId::new([result; 16]),
                report: ReportTag::new([report; 8]),
                version,
                status: [
                    ResultStatus::Preliminary,
                    ResultStatus::Final,
                    ResultStatus::Corrected,
                    ResultStatus::Withdrawn,
                ][status],
                sensitivity: if sensitive { Sensitivity::Sensitive } else { Sensitivity::Normal },
                kind: if imaging { EntryKind::Imaging } else { EntryKind::Laboratory },
                items: IndexItems::new(&codes),
                position: Position(u64::from(position)),
                superseded,
                ..entry()
            }
        },
    )
}

/// Records of a log, each with some entries.
fn any_history() -> impl Strategy<Value = Vec<Vec<IndexEntry>>> {
    prop::collection::vec(prop::collection::vec(any_entry(), 0..5), 1..12).prop_map(|mut history| {
        for (record, sequence) in history.iter_mut().zip(0..) {
            for (entry, place) in record.iter_mut().zip(0..) {
                entry.sequence = Sequence(sequence);
                entry.place = place;
            }
        }
        history
    })
}

fn assert_alike(disk: &RedbIndex, memory: &MemoryIndex) {
    assert_eq!(disk.applied().unwrap(), memory.applied().unwrap());
    for patient in (0..4).map(|patient| Pseudonym::new([patient; 16])) {
        for hours in -5..5 {
            let not_before = Moment::new(hours * 3_600_000, 480).unwrap();
            for limit in [0, 1, 3, 1_000] {
                let on_disk = disk.scan(patient, not_before, limit).unwrap();
                assert_eq!(on_disk, memory.scan(patient, not_before, limit).unwrap());
                assert!(on_disk.is_sorted_by(|newer, older| newer.collected.unix_ms() >= older.collected.unix_ms()));
            }
        }
    }
    let reports = (0..3).map(|report| ReportTag::new([report; 8]));
    for result in reports.flat_map(|report| (0..6).map(move |it| ResultLocator::of(report, ResultId::new([it; 16])))) {
        assert_eq!(disk.latest(result).unwrap(), memory.latest(result).unwrap());
    }
}

fn open(folder: &Path) -> RedbIndex {
    RedbIndex::open(&folder.join("index.redb"), CACHE_BYTES).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_two_indexes_agree_on_any_history(
        history in any_history(),
        flushed in any::<prop::sample::Index>(),
        written in any::<u16>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, memory) = (open(folder.path()), MemoryIndex::default());
        let flushed = flushed.index(history.len());
        for (record, sequence) in history.iter().zip(0..) {
            disk.apply(Sequence(sequence).next(), record).unwrap();
            memory.apply(Sequence(sequence).next(), record).unwrap();
            if sequence == u64::try_from(flushed).unwrap() {
                disk.flush().unwrap();
            } else if written >> sequence & 1 == 1 {
                disk.flush_soon().unwrap();
                assert_alike(&disk, &memory);
            }
        }
        assert_alike(&disk, &memory);
        // Opened again, it stands somewhere between the flush and the end, and is fed again from there.
        drop(disk);
        disk = open(folder.path());
        let applied = usize::try_from(disk.applied().unwrap().0).unwrap();
        prop_assert!((flushed + 1..=history.len()).contains(&applied));
        disk.apply(Sequence(history.len().try_into().unwrap()), &history[applied..].concat()).unwrap();
        assert_alike(&disk, &memory);
        // Everything once more changes nothing.
        disk.apply(Sequence(history.len().try_into().unwrap()), &history.concat()).unwrap();
        assert_alike(&disk, &memory);
    }

    #[test]
    fn versions_meet_in_any_order(history in any_history(), seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let (disk, memory) = (open(folder.path()), MemoryIndex::default());
        let next = Sequence(history.len().try_into().unwrap());
        let mut shuffled = history.concat();
        shuffled.sort_by_key(|entry| (entry.sequence.0 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        disk.apply(next, &shuffled).unwrap();
        memory.apply(next, &history.concat()).unwrap();
        assert_alike(&disk, &memory);
        let standing = |entries: &[IndexEntry]| entries.iter().filter(|entry| !entry.superseded).count();
        let patients = (0..3).map(|patient| Pseudonym::new([patient; 16]));
        let found: usize = patients
            .map(|patient| standing(&disk.scan(patient, Moment::new(-1 << 40, 0).unwrap(), 1_000).unwrap()))
            .sum();
        let results: std::collections::BTreeSet<_> = shuffled.iter().map(|entry| (entry.report, entry.result)).collect();
        prop_assert_eq!(found, results.len(), "one version of each result of each report stands");
    }

    #[test]
    fn entries_come_back_whole_and_a_flipped_bit_never_comes_back(entry in any_entry(), bit in 0usize..98 * 8) {
        let key = layout::key(&entry);
        let value = layout::value(&key, &entry);
        prop_assert_eq!(layout::entry(&key, &value).unwrap(), entry);
        let (mut key, mut value) = (key, value);
        let (byte, mask) = (bit / 8, 1u8 << (bit % 8));
        if byte < layout::KEY_BYTES { key[byte] ^= mask } else { value[byte - layout::KEY_BYTES] ^= mask }
        prop_assert!(layout::entry(&key, &value).is_err());
    }
}

#[test]
fn the_layout_on_disk_stays_as_it_is() {
    let key = layout::key(&entry());
    let value = layout::value(&key, &entry());
    insta::assert_snapshot!(format!("{}\n{}", hex::encode(key), hex::encode(value)));
}

#[test]
fn flipped_bits_in_the_file_never_give_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.redb");
    let history: Vec<IndexEntry> = (0..400)
        .map(|number: u16| IndexEntry {
            patient: Pseudonym::new([u8::try_from(number % 7).unwrap(); 16]),
            result: ResultId::new([u8::try_from(number % 199).unwrap(); 16]),
            sequence: Sequence(u64::from(number)),
            ..entry()
        })
        .collect();
    let oracle = MemoryIndex::default();
    oracle.apply(Sequence(400), &history).unwrap();
    let index = open(folder.path());
    index.apply(Sequence(400), &history).unwrap();
    index.flush().unwrap();
    drop(index);
    let sound = std::fs::read(&path).unwrap();
    let used: Vec<usize> = (0..sound.len()).filter(|at| sound[*at] != 0).collect();
    let since = Moment::new(0, 0).unwrap();
    let (mut refused, step) = (0, used.len() / 60);
    for at in used.iter().step_by(step) {
        let mut damaged = sound.clone();
        damaged[*at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let Ok(index) = RedbIndex::open(&path, CACHE_BYTES) else {
            refused += 1;
            continue;
        };
        for patient in (0..7).map(|patient| Pseudonym::new([patient; 16])) {
            let expected = oracle.scan(patient, since, 1_000).unwrap();
            match index.scan(patient, since, 1_000) {
                Ok(found) => assert!(found.iter().all(|entry| expected.contains(entry)), "a wrong answer"),
                Err(IndexError::Damaged | IndexError::NeedsRebuild(_) | IndexError::Io(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(refused > 0, "some flips must be noticed");
}

#[test]
fn who_reads_while_rows_go_to_the_file_sees_each_result_once() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(folder.path());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let version = |number: u64| IndexEntry {
        version: u32::try_from(number).unwrap(),
        sequence: Sequence(number),
        collected: Moment::new(i64::try_from(number % 5).unwrap() * 3_600_000, 0).unwrap(),
        ..entry()
    };
    disk.apply(Sequence(2), &[version(1)]).unwrap();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let (mut reads, mut newest) = (0, 0);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) || reads < 100 {
                let found = disk.scan(entry().patient, Moment::new(0, 0).unwrap(), 100_000).unwrap();
                let standing: Vec<u32> =
                    found.iter().filter(|entry| !entry.superseded).map(|entry| entry.version).collect();
                assert_eq!(standing.len(), 1, "of {} versions", found.len());
                assert!(standing[0] >= newest, "nothing goes back");
                newest = standing[0];
                assert!(disk.latest(entry().locator()).unwrap().unwrap().version >= newest);
                reads += 1;
            }
        });
        for number in 2..400 {
            disk.apply(Sequence(number).next(), &[version(number)]).unwrap();
            if number % 3 == 0 {
                disk.flush_soon().unwrap();
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reading.join().unwrap();
    });
}

#[test]
fn a_file_of_something_else_needs_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.redb");
    std::fs::write(&path, vec![0x5a; 64 << 10]).unwrap();
    assert!(matches!(RedbIndex::open(&path, CACHE_BYTES), Err(IndexError::NeedsRebuild(_))));
    crate::store::projection::quarantine(&path, 5).unwrap();
    assert_eq!(open(folder.path()).applied().unwrap(), Sequence(0));
}
