//! Journals: whatever happens to a segment's bytes, what is read is what was written, or an error.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;
use concord::store::journal::{Journal, JournalOptions, JournalReader, Record};

libfuzzer_sys::fuzz_target!(|input: (Vec<(u16, u8)>, u16)| {
    let (flips, cut) = input;
    let mut bytes = WRITTEN.segment.clone();
    for (place, mask) in flips {
        let place = usize::from(place) % bytes.len();
        bytes[place] ^= mask;
    }
    bytes.truncate(bytes.len().saturating_sub(usize::from(cut)));
    std::fs::write(&WRITTEN.path, bytes).unwrap();
    let Ok(reader) = JournalReader::open(WRITTEN.path.parent().unwrap()) else { return };
    let read = reader.scan(0).map_while(Result::ok);
    assert!(read.zip(&WRITTEN.records).all(|(read, written)| read == *written));
    assert!(reader.next_sequence() <= WRITTEN.records.len() as u64);
});

/// A journal of one segment, as its writer left it.
static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    let (journal, _) = Journal::open(&folder, JournalOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for length in [0, 1, 7, 64, 300, 1_000] {
        let payload = Bytes::from(vec![length as u8; length]);
        runtime.block_on(journal.append_all(vec![(1, payload.clone()), (2, payload)])).unwrap();
    }
    let records = journal.scan(0).collect::<Result<_, _>>().unwrap();
    drop(journal);
    let path = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let path = path.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    Written { segment: std::fs::read(&path).unwrap(), path, records }
});

struct Written {
    path: PathBuf,
    segment: Vec<u8>,
    records: Vec<Record>,
}
