//! What a user of the journal would miss: records kept, numbered and found again; crashes mended; damage refused.

use std::fs;
use std::io;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Small segments, so that a few records cross their borders.
const SMALL: JournalOptions =
    JournalOptions { segment_bytes_max: 200, queue_requests_max: 64, queue_bytes_max: 64 << 20, acknowledged: 0 };

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &TempDir, options: JournalOptions) -> (Journal, Opened) {
    Journal::open(folder.path(), options).unwrap()
}

fn refusal(folder: &TempDir, options: JournalOptions) -> JournalError {
    Journal::open(folder.path(), options).map(|(_, opened)| opened).unwrap_err()
}

fn payload(number: u64) -> Bytes {
    Bytes::from(format!("record {number}"))
}

/// Appends records one after the other, each durable before the next, so that each is a group of its own.
fn fill(folder: &TempDir, options: JournalOptions, count: u64) {
    let (journal, opened) = open(folder, options);
    block_on(async {
        for number in opened.next_sequence..opened.next_sequence + count {
            let position = journal.append(7, payload(number)).await.unwrap();
            assert_eq!(position.sequence(), number);
        }
    });
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn payloads(scan: Scan) -> Vec<Bytes> {
    scan.map(|record| record.unwrap().payload).collect()
}

fn expected(count: u64) -> Vec<Bytes> {
    (0..count).map(payload).collect()
}

fn segment_paths(folder: &TempDir) -> Vec<PathBuf> {
    segment::list(folder.path()).unwrap().into_iter().map(|first| segment::path_of(folder.path(), first)).collect()
}

/// Fails the numbered calls, counted from 0.
struct FaultyDisk {
    writes: u32,
    syncs: u32,
    short_write_at: Option<u32>,
    failed_sync_at: Option<u32>,
}

impl Disk for FaultyDisk {
    fn write(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let number = self.writes;
        self.writes += 1;
        if self.short_write_at == Some(number) {
            MachineDisk.write(file, &bytes[..bytes.len() / 2], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        MachineDisk.write(file, bytes, offset)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        let number = self.syncs;
        self.syncs += 1;
        if self.failed_sync_at == Some(number) { Err(io::Error::other("EIO")) } else { MachineDisk.sync(file) }
    }
}

#[test]
fn records_are_found_again_across_segments_and_openings() {
    let folder = folder();
    for round in 0..4 {
        fill(&folder, SMALL, 5);
        let (journal, opened) = open(&folder, SMALL);
        assert_eq!(opened.next_sequence, (round + 1) * 5);
        assert_eq!(payloads(journal.scan(0)), expected((round + 1) * 5));
        assert_eq!(payloads(journal.scan(3)), expected((round + 1) * 5)[3..]);
    }
    let reader = JournalReader::open(folder.path()).unwrap();
    assert_eq!(reader.verify().unwrap(), Verified { records: 20, segments: segment_paths(&folder).len() });
    assert!(segment_paths(&folder).len() > 2, "the records cross borders");
    for record in reader.scan(0).map(Result::unwrap) {
        let position = Position::from_bytes(record.position.to_bytes());
        assert_eq!(reader.read(position).unwrap(), record);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_leave_no_hole_and_lose_nothing() {
    let folder = folder();
    let (journal, _) = open(&folder, JournalOptions { segment_bytes_max: 4_096, queue_requests_max: 4, ..SMALL });
    let writers: Vec<_> = (0..16_u8)
        .map(|writer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut positions = Vec::new();
                for number in 0..50_u8 {
                    positions.push(journal.append(writer, Bytes::from(vec![writer, number])).await.unwrap());
                }
                positions
            })
        })
        .collect();
    let path = folder.path().to_owned();
    let onlooker = tokio::task::spawn_blocking(move || {
        for _ in 0..50 {
            let reader = JournalReader::open(&path).unwrap();
            assert_eq!(reader.scan(0).map(Result::unwrap).count() as u64, reader.next_sequence());
        }
    });
    for (writer, task) in writers.into_iter().enumerate() {
        let positions = task.await.unwrap();
        assert!(positions.is_sorted(), "one caller's records keep their order");
        for (number, position) in positions.into_iter().enumerate() {
            let record = journal.read(position).unwrap();
            assert_eq!(
                (record.kind as usize, record.payload.as_ref()),
                (writer, [writer as u8, number as u8].as_slice())
            );
        }
    }
    onlooker.await.unwrap();
    let sequences: Vec<u64> = journal.scan(0).map(|record| record.unwrap().sequence()).collect();
    assert_eq!(sequences, (0..800).collect::<Vec<_>>());
    assert_eq!(*journal.committed().borrow(), 800);
}

#[tokio::test]
async fn a_batch_stands_together_and_a_late_reader_goes_on() {
    let folder = folder();
    let (journal, _) = open(&folder, SMALL);
    let mut scan = journal.scan(0);
    assert!(scan.next().is_none());
    let batch: Vec<_> = (0..40).map(|number| (1, payload(number))).collect();
    let positions = journal.append_all(batch).await.unwrap();
    assert_eq!(positions.iter().map(|position| position.sequence()).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    assert_eq!(payloads(journal.scan(0)), expected(40));
    assert_eq!(scan.by_ref().count(), 40);
    assert!(scan.next().is_none());
    journal.append_soon(2, payload(40)).await.unwrap();
    journal.append(2, payload(41)).await.unwrap();
    assert_eq!(scan.by_ref().map(|record| record.unwrap().payload).collect::<Vec<_>>(), expected(42)[40..]);
    assert!(matches!(
        journal.read(Position { sequence: 42, offset: HEADER_BYTES }),
        Err(JournalError::Unwritten { sequence: 42 })
    ));
    assert!(matches!(
        journal.read(Position { sequence: 1, offset: HEADER_BYTES }),
        Err(JournalError::Damaged { segment: 0, offset: HEADER_BYTES })
    ));
}

#[tokio::test]
async fn what_was_queued_is_written_before_the_last_handle_goes() {
    let folder = folder();
    let (journal, _) = open(&folder, SMALL);
    for number in 0..20 {
        journal.append_soon(0, payload(number)).await.unwrap();
    }
    drop(journal);
    assert_eq!(payloads(open(&folder, SMALL).0.scan(0)), expected(20));
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_the_last_record() {
    let folder = folder();
    fill(&folder, JournalOptions::default(), 5);
    let path = segment_paths(&folder).remove(0);
    let whole = fs::read(&path).unwrap();
    let last = whole.len() - HEAD_BYTES - payload(4).len();
    for end in last..whole.len() {
        for tail in [vec![], vec![0; whole.len() - end]] {
            fs::write(&path, [&whole[..end], &tail].concat()).unwrap();
            let torn = (end + tail.len() - last) as u64;
            assert_eq!(JournalReader::open(folder.path()).unwrap().next_sequence(), 4);
            let (journal, opened) = open(&folder, JournalOptions::default());
            assert_eq!((opened.next_sequence, opened.cut_bytes), (4, torn), "cut at {end}");
            block_on(journal.append(7, payload(4))).unwrap();
            assert_eq!(payloads(journal.scan(0)), expected(5));
        }
    }
}

#[test]
fn a_torn_group_is_cut_even_where_its_later_pages_were_written() {
    let folder = folder();
    fill(&folder, JournalOptions::default(), 2);
    let (journal, _) = open(&folder, JournalOptions::default());
    block_on(journal.append_all((2..6).map(|number| (7, payload(number))).collect())).unwrap();
    drop(journal);
    let path = segment_paths(&folder).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let frame = HEAD_BYTES + payload(0).len();
    let third = HEADER_BYTES as usize + 3 * frame;
    bytes[third..third + frame].fill(0);
    fs::write(&path, &bytes).unwrap();
    let known = JournalOptions { acknowledged: 6, ..JournalOptions::default() };
    assert!(matches!(refusal(&folder, known), JournalError::Short { next: 3, known: 5 }));
    assert_eq!(fs::read(&path).unwrap(), bytes, "a refused journal is left as it is");
    let (journal, opened) = open(&folder, JournalOptions::default());
    assert_eq!((opened.next_sequence, opened.cut_bytes), (3, 3 * frame as u64));
    assert_eq!(payloads(journal.scan(0)), expected(3));
}

#[test]
fn a_flipped_bit_before_the_last_record_is_damage_and_is_not_cut() {
    let folder = folder();
    fill(&folder, JournalOptions::default(), 4);
    let path = segment_paths(&folder).remove(0);
    let whole = fs::read(&path).unwrap();
    let frame = HEAD_BYTES + payload(0).len();
    for bit in 0..(HEADER_BYTES as usize + 3 * frame) * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let at =
            (bit / 8).checked_sub(HEADER_BYTES as usize).map_or(0, |at| HEADER_BYTES + (at / frame * frame) as u64);
        let error = refusal(&folder, JournalOptions::default());
        assert!(matches!(error, JournalError::Damaged { segment: 0, offset } if offset == at), "bit {bit}: {error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "a refused journal is left as it is");
    }
}

#[test]
fn damage_in_a_sealed_segment_is_named_by_scan_and_verify() {
    let folder = folder();
    fill(&folder, SMALL, 20);
    let path = segment_paths(&folder).remove(1);
    let first = *segment::list(folder.path()).unwrap().iter().nth(1).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    bytes[HEADER_BYTES as usize + HEAD_BYTES] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (journal, _) = open(&folder, SMALL);
    let damaged = |error| matches!(error, JournalError::Damaged { segment, offset: HEADER_BYTES } if segment == first);
    assert!(damaged(journal.scan(0).find_map(Result::err).unwrap()));
    assert!(damaged(journal.reader().verify().unwrap_err()));
    drop(journal);
    fs::write(&path, [whole.as_slice(), b"more"].concat()).unwrap();
    let reader = JournalReader::open(folder.path()).unwrap();
    assert!(matches!(reader.verify(), Err(JournalError::Seal { segment }) if segment == first));
    fs::remove_file(&path).unwrap();
    let reader = JournalReader::open(folder.path()).unwrap();
    assert!(reader.scan(0).any(|record| record.is_err()), "a missing segment is noticed");
}

#[test]
fn a_missing_last_or_first_segment_is_noticed() {
    let folder = folder();
    fill(&folder, SMALL, 20);
    let paths = segment_paths(&folder);
    fs::remove_file(paths.last().unwrap()).unwrap();
    assert!(matches!(refusal(&folder, SMALL), JournalError::Gap { .. }));
    paths.iter().for_each(|path| drop(fs::remove_file(path)));
    let known = JournalOptions { acknowledged: 20, ..SMALL };
    assert!(matches!(refusal(&folder, known), JournalError::Short { next: 0, known: 19 }));
}

#[test]
fn a_crash_while_a_segment_is_begun_is_mended() {
    let folder = folder();
    fill(&folder, SMALL, 20);
    let last = segment_paths(&folder).pop().unwrap();
    let first = *segment::list(folder.path()).unwrap().last().unwrap();
    let sealed = *segment::list(folder.path()).unwrap().iter().nth_back(1).unwrap();
    let seal = segment::path_of(folder.path(), sealed).with_added_extension("sha256");
    let sealed_line = fs::read(&seal).unwrap();
    let header = segment::header(first);
    for length in 0..=header.len() {
        fs::write(&last, &header[..length]).unwrap();
        fs::remove_file(&seal).unwrap();
        let (_, opened) = open(&folder, SMALL);
        assert_eq!(opened.next_sequence, first);
        assert_eq!(fs::read(&seal).unwrap(), sealed_line);
        assert_eq!(fs::read(&last).unwrap(), header);
    }
}

#[test]
fn another_version_is_refused() {
    let folder = folder();
    fill(&folder, SMALL, 1);
    let path = segment_paths(&folder).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let checksum = crc32fast::hash(&bytes[..20]).to_le_bytes();
    bytes[20..24].copy_from_slice(&checksum);
    fs::write(&path, bytes).unwrap();
    assert!(matches!(refusal(&folder, SMALL), JournalError::Version { segment: 0, version: 2 }));
}

#[test]
fn a_folder_is_opened_once() {
    let folder = folder();
    let (journal, _) = open(&folder, SMALL);
    assert!(matches!(refusal(&folder, SMALL), JournalError::Locked));
    JournalReader::open(folder.path()).unwrap();
    drop(journal);
    open(&folder, SMALL);
}

#[test]
fn a_failed_write_or_sync_poisons_until_the_next_opening() {
    // The first sync is that of the opening.
    for (short_write_at, failed_sync_at) in [(None, Some(3)), (Some(2), None)] {
        let folder = folder();
        let disk = FaultyDisk { writes: 0, syncs: 0, short_write_at, failed_sync_at };
        let (journal, _) = Journal::open_on(folder.path(), JournalOptions::default(), Box::new(disk)).unwrap();
        block_on(async {
            journal.append(7, payload(0)).await.unwrap();
            journal.append(7, payload(1)).await.unwrap();
            assert!(!journal.is_poisoned());
            for _ in 0..3 {
                assert!(matches!(journal.append(7, payload(9)).await, Err(JournalError::Poisoned)));
            }
            journal.poisoned().await;
            assert!(journal.is_poisoned());
        });
        assert_eq!(payloads(journal.scan(0)), expected(2), "what was acknowledged is still read");
        assert!(matches!(refusal(&folder, SMALL), JournalError::Locked));
        drop(journal);
        fill(&folder, JournalOptions::default(), 3);
        assert_eq!(payloads(open(&folder, JournalOptions::default()).0.scan(0)), expected(5));
    }
}

#[test]
fn what_a_killed_process_wrote_is_synced_before_it_counts() {
    let folder = folder();
    fill(&folder, SMALL, 1);
    let disk = FaultyDisk { writes: 0, syncs: 0, short_write_at: None, failed_sync_at: Some(0) };
    let opened = Journal::open_on(folder.path(), SMALL, Box::new(disk));
    assert!(matches!(opened.map(|(_, opened)| opened), Err(JournalError::Io { .. })));
}

#[test]
fn limits_are_kept() {
    let folder = folder();
    let (journal, _) = open(&folder, SMALL);
    let long = Bytes::from(vec![0; RECORD_BYTES_MAX + 1]);
    assert!(matches!(block_on(journal.append(0, long)), Err(JournalError::TooLarge { .. })));
    let many = vec![(0, Bytes::from(vec![0; RECORD_BYTES_MAX])); 2];
    assert!(matches!(block_on(journal.append_all(many)), Err(JournalError::TooLarge { .. })));
    drop(journal);
    let narrow = JournalOptions { queue_bytes_max: 1_000, ..SMALL };
    assert!(matches!(refusal(&folder, narrow), JournalError::Options));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_records_come_back_as_they_were(
        batches in prop::collection::vec(prop::collection::vec((any::<u8>(), 0..3_000_usize), 1..5), 1..8),
        segment_bytes_max in 100..20_000_u32,
    ) {
        let folder = folder();
        let options = JournalOptions { segment_bytes_max, ..SMALL };
        let mut appended = Vec::new();
        for batch in batches {
            let (journal, opened) = open(&folder, options);
            prop_assert_eq!(opened.next_sequence, appended.len() as u64);
            let records: Vec<_> = batch.into_iter().map(|(kind, length)| (kind, Bytes::from(vec![kind; length]))).collect();
            appended.extend(records.clone());
            block_on(journal.append_all(records)).unwrap();
        }
        let reader = JournalReader::open(folder.path()).unwrap();
        let found: Vec<_> = reader.scan(0).map(Result::unwrap).map(|record| (record.kind, record.payload)).collect();
        prop_assert_eq!(&found, &appended);
        prop_assert_eq!(reader.verify().unwrap().records, appended.len() as u64);
    }
}
