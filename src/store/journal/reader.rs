//! Reading committed records, one by position or all in order, while the writer goes on. Nothing here modifies a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::watch;

use super::error::JournalError;
use super::frame::{self, Head};
use super::recover;
use super::segment::{self, HEADER_BYTES};
use super::{Position, Record};

/// Reads a journal; a cheap handle. All its calls block on the disk for as long as a read takes.
#[derive(Debug, Clone)]
pub struct JournalReader(Arc<Shelf>);

/// The segments of a journal and how far they are committed.
#[derive(Debug)]
struct Shelf {
    folder: PathBuf,
    segments: Arc<RwLock<BTreeSet<u64>>>,
    committed: watch::Receiver<u64>,
    /// Segments held open, at most [`OPEN_SEGMENTS_MAX`].
    open: Mutex<BTreeMap<u64, Arc<File>>>,
}

/// What a journal was found to hold when all of it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Sound records.
    pub records: u64,
    /// Segments, the one being written included.
    pub segments: usize,
}

impl JournalReader {
    /// Opens the journal in `folder` for reading alone: takes no lock, changes nothing, and sees what is there now.
    ///
    /// # Errors
    /// [`JournalError`]; a torn tail is none, it is left out.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let segments = segment::list(folder).map_err(JournalError::io("list the journal's folder"))?;
        let next = match segments.last() {
            Some(&last) => {
                let file = File::open(segment::path_of(folder, last)).map_err(JournalError::io("open a segment"))?;
                recover::tail_of(&file, last)?.next
            }
            None => 0,
        };
        let (_, committed) = watch::channel(next);
        Ok(Self::new(folder, Arc::new(RwLock::new(segments)), committed))
    }

    pub(super) fn new(folder: &Path, segments: Arc<RwLock<BTreeSet<u64>>>, committed: watch::Receiver<u64>) -> Self {
        Self(Arc::new(Shelf { folder: folder.to_owned(), segments, committed, open: Mutex::default() }))
    }

    /// Gives the sequence after the last committed record, which is also the number of records.
    pub fn next_sequence(&self) -> u64 {
        *self.0.committed.borrow()
    }

    /// Gives a receiver that learns the next sequence after each group that has become durable.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.0.committed.clone()
    }

    /// Reads the record at `position` with one or two reads of its segment.
    ///
    /// # Errors
    /// [`JournalError::Unwritten`] for a position beyond the end, [`JournalError::Damaged`] when that record is not
    /// there: either the segment or the index that gave the position is damaged.
    pub fn read(&self, position: Position) -> Result<Record, JournalError> {
        if position.sequence >= self.next_sequence() {
            return Err(JournalError::Unwritten { sequence: position.sequence });
        }
        let segment = self.segment_of(position.sequence)?;
        record_at(&*self.file_of(segment)?, segment, position)
    }

    /// Reads up to `length` bytes of the payload at `position`, from its byte `start` on, with one read of its segment.
    ///
    /// Nothing is checked here: the bytes may be damaged, or run into the next record. The caller keeps a checksum of
    /// what it looks for.
    ///
    /// # Errors
    /// [`JournalError::Unwritten`] for a position beyond the end, [`JournalError::Io`] when the segment is unreadable.
    pub fn read_piece(&self, position: Position, start: u32, length: usize) -> Result<Bytes, JournalError> {
        if position.sequence >= self.next_sequence() {
            return Err(JournalError::Unwritten { sequence: position.sequence });
        }
        let file = self.file_of(self.segment_of(position.sequence)?)?;
        let offset = position.offset + frame::HEAD_BYTES as u64 + u64::from(start);
        let mut bytes = Vec::with_capacity(length);
        frame::fill(&file, &mut bytes, offset, length).map_err(JournalError::io("read a piece of a record"))?;
        bytes.truncate(length);
        Ok(bytes.into())
    }

    /// Reads the committed records in order from the one numbered `sequence`; see [`Scan`].
    pub fn scan(&self, sequence: u64) -> Scan {
        Scan { reader: self.clone(), next: sequence, place: None }
    }

    /// Reads every committed record and every seal.
    ///
    /// # Errors
    /// The first [`JournalError`] met; restore the segment that it names from a copy.
    pub fn verify(&self) -> Result<Verified, JournalError> {
        let records = self.scan(0).try_fold(0, |count: u64, record| record.map(|_| count + 1))?;
        let segments = self.0.segments.read().unwrap_or_else(PoisonError::into_inner).clone();
        let sealed = segments.iter().take(segments.len().saturating_sub(1));
        for &first in sealed {
            let matches =
                segment::matches_seal(&self.0.folder, first).map_err(JournalError::io("read a sealed segment"))?;
            if !matches {
                return Err(JournalError::Seal { segment: first });
            }
        }
        Ok(Verified { records, segments: segments.len() })
    }

    fn segment_of(&self, sequence: u64) -> Result<u64, JournalError> {
        let segments = self.0.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.range(..=sequence).next_back().copied().ok_or(JournalError::Gap { sequence })
    }

    fn file_of(&self, first: u64) -> Result<Arc<File>, JournalError> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&first) {
            return Ok(Arc::clone(file));
        }
        let file = File::open(segment::path_of(&self.0.folder, first)).map_err(JournalError::io("open a segment"))?;
        if !segment::has_header(&file, first)? {
            return Err(JournalError::Damaged { segment: first, offset: 0 });
        }
        if open.len() >= OPEN_SEGMENTS_MAX {
            open.pop_first();
        }
        Ok(Arc::clone(open.entry(first).or_insert_with(|| Arc::new(file))))
    }
}

/// Walks the committed records in order and in bounded memory. `None` means "no more yet": called again after more
/// have been committed, it goes on where it stopped. An error repeats itself.
#[derive(Debug)]
pub struct Scan {
    reader: JournalReader,
    next: u64,
    /// The segment it stands in, and the offset of record `next` there.
    place: Option<(u64, Arc<File>, u64)>,
}

impl Scan {
    /// Gives the sequence of the record that comes next.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    fn advance(&mut self) -> Result<Record, JournalError> {
        let segment = self.reader.segment_of(self.next)?;
        let (file, offset) = match self.place.take() {
            Some((at, file, offset)) if at == segment => (file, offset),
            _ => {
                let file = self.reader.file_of(segment)?;
                let offset = skip(&file, segment, self.next)?;
                (file, offset)
            }
        };
        let record = record_at(&file, segment, Position { sequence: self.next, offset })?;
        let end = offset + frame::HEAD_BYTES as u64 + record.payload.len() as u64;
        self.place = Some((segment, file, end));
        self.next += 1;
        Ok(record)
    }
}

impl Iterator for Scan {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.next < self.reader.next_sequence()).then(|| self.advance())
    }
}

fn record_at(file: &File, segment: u64, position: Position) -> Result<Record, JournalError> {
    let Position { sequence, offset } = position;
    match frame::read(file, offset).map_err(JournalError::io("read a segment"))? {
        Some(found) if found.head.sequence == sequence => {
            Ok(Record { position, kind: found.kind, payload: found.payload })
        }
        _ => Err(JournalError::Damaged { segment, offset }),
    }
}

/// Finds the offset of record `target` by walking over the heads of those before it.
fn skip(file: &File, segment: u64, target: u64) -> Result<u64, JournalError> {
    let mut offset = HEADER_BYTES;
    for sequence in segment..target {
        let head = Head::read(file, offset).map_err(JournalError::io("read a segment"))?;
        let head = head.filter(|head| head.sequence == sequence);
        offset += head.ok_or(JournalError::Damaged { segment, offset })?.frame_bytes();
    }
    Ok(offset)
}

const OPEN_SEGMENTS_MAX: usize = 64;
