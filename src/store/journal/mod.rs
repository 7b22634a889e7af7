//! The journal: an append-only sequence of records in segment files, and the truth of a hub or node. What is
//! acknowledged waits for it and for nothing else; all else on disk is a projection that carries how far it has read.
//!
//! Here are the handle and how a journal is opened; `writer` writes, `reader` reads, `recover` judges a tail, `segment`
//! and `frame` are the bytes, `durable` is what may be copied. What a record's kind and payload mean is for the floors above.

mod disk;
mod durable;
mod error;
mod frame;
mod place;
mod reader;
mod recover;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use self::disk::{Disk, MachineDisk};
pub use self::durable::{DurablePrefix, DurableSegment};
pub use self::error::JournalError;
use self::frame::HEAD_BYTES;
pub use self::reader::{JournalReader, Scan, Verified};
use self::recover::Tail;
use self::segment::HEADER_BYTES;
use self::writer::{Request, Writer};
use crate::domain::limits::RECORD_BYTES_MAX;
use crate::store::files;

/// Where a record stands: its number in the journal, and its offset in the segment that holds this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    sequence: u64,
    offset: u64,
}

impl Position {
    /// Gives the number of the record, from 0.
    pub fn sequence(self) -> u64 {
        self.sequence
    }

    /// Packs the position for an index: sequence, then offset, both big-endian, so that packed positions sort.
    pub fn to_bytes(self) -> [u8; 12] {
        let Ok(offset) = u32::try_from(self.offset) else { unreachable!("segments end within 32 bits") };
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[8..].copy_from_slice(&offset.to_be_bytes());
        bytes
    }

    /// Unpacks a position; one that no journal gave is noticed when it is read.
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, offset @ ..] = bytes;
        let sequence = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Self { sequence, offset: u64::from(u32::from_be_bytes(offset)) }
    }
}

/// One committed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// What the payload is, as the floors above number it.
    pub kind: u8,
    /// Its bytes, as they were appended.
    pub payload: Bytes,
}

impl Record {
    /// Gives the number of the record, from 0.
    pub fn sequence(&self) -> u64 {
        self.position.sequence
    }

    /// Computes the SHA-256 of kind and payload, which is the record's entry in the public log.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::new().chain_update([self.kind]).chain_update(&self.payload).finalize().into()
    }
}

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalOptions {
    /// Length at which a segment is followed by the next, in bytes, up to [`SEGMENT_BYTES_MAX`]; a group longer than
    /// this gets a segment to itself.
    pub segment_bytes_max: u32,
    /// Most callers that may wait in the queue; the next one waits for room.
    pub queue_requests_max: usize,
    /// Most bytes that may wait in the queue, at least the largest record.
    pub queue_bytes_max: u32,
    /// Number of records known from elsewhere to have been acknowledged, such as the size in the last checkpoint; a
    /// journal that holds fewer is refused instead of cut. 0 where nothing is known.
    pub acknowledged: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes_max: 256 << 20, queue_requests_max: 4_096, queue_bytes_max: 64 << 20, acknowledged: 0 }
    }
}

/// What was found when a journal was opened; worth a line in the log, and a warning where something was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Sequence that the next record gets, which is also the number of records.
    pub next_sequence: u64,
    /// Segments, the one being written included.
    pub segments: usize,
    /// Bytes of records never acknowledged that a crash had left at the end, and that were cut off.
    pub cut_bytes: u64,
}

/// A journal open for appending; a cheap handle. Dropping the last one blocks until what is queued is written and synced.
#[derive(Clone)]
pub struct Journal {
    desk: Arc<Desk>,
    reader: JournalReader,
}

impl Journal {
    /// Opens the journal in `folder`, which is made if need be, reads its last segment through and cuts a torn tail.
    ///
    /// # Errors
    /// [`JournalError`]; nothing has been changed, and the journal must be mended or freed before it is opened again.
    pub fn open(folder: &Path, options: JournalOptions) -> Result<(Self, Opened), JournalError> {
        Self::open_on(folder, options, Box::new(MachineDisk))
    }

    /// Appends a record, and returns once it is durable. A caller that stops waiting does not take it back.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`], or [`JournalError::Poisoned`]: it is unknown whether the record was kept.
    pub async fn append(&self, kind: u8, payload: Bytes) -> Result<Position, JournalError> {
        let positions = self.append_all(vec![(kind, payload)]).await?;
        positions.first().copied().ok_or(JournalError::Poisoned)
    }

    /// Appends records next to each other in one group, and returns once all are durable.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub async fn append_all(&self, records: Vec<(u8, Bytes)>) -> Result<Vec<Position>, JournalError> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(records, Some(answer)).await?;
        answered.await.map_err(|_| JournalError::Poisoned)
    }

    /// Queues a record whose loss in a crash is acceptable, and returns once there is room for it in the queue.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub async fn append_soon(&self, kind: u8, payload: Bytes) -> Result<(), JournalError> {
        self.enqueue(vec![(kind, payload)], None).await
    }

    /// Gives a handle that reads, and does not keep the journal open for writing.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }

    /// Reads one record; see [`JournalReader::read`].
    ///
    /// # Errors
    /// As for [`JournalReader::read`].
    pub fn read(&self, position: Position) -> Result<Record, JournalError> {
        self.reader.read(position)
    }

    /// Reads the committed records from the one numbered `sequence`; see [`JournalReader::scan`].
    pub fn scan(&self, sequence: u64) -> Scan {
        self.reader.scan(sequence)
    }

    /// Gives a receiver that learns the next sequence after each group that has become durable.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.reader.committed()
    }

    /// Says whether a write or a sync has failed: nothing more is taken until the journal is opened anew.
    pub fn is_poisoned(&self) -> bool {
        self.desk.queue.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Returns once [`Journal::is_poisoned`].
    pub async fn poisoned(&self) {
        if let Some(queue) = &self.desk.queue {
            queue.closed().await;
        }
    }

    async fn enqueue(
        &self,
        records: Vec<(u8, Bytes)>,
        answer: Option<oneshot::Sender<Vec<Position>>>,
    ) -> Result<(), JournalError> {
        let bytes = records.iter().fold(0_usize, |sum, (_, payload)| sum.saturating_add(HEAD_BYTES + payload.len()));
        let longest = records.iter().map(|(_, payload)| payload.len()).max().unwrap_or(0);
        let room = u32::try_from(bytes).ok().filter(|room| *room <= self.desk.queue_bytes_max);
        let room = room.filter(|_| longest <= RECORD_BYTES_MAX).ok_or(JournalError::TooLarge { bytes })?;
        let room = Arc::clone(&self.desk.room).acquire_many_owned(room).await.map_err(|_| JournalError::Poisoned)?;
        let queue = self.desk.queue.as_ref().ok_or(JournalError::Poisoned)?;
        queue.send(Request { records, answer, room }).await.map_err(|_| JournalError::Poisoned)
    }

    fn open_on(
        folder: &Path,
        options: JournalOptions,
        mut disk: Box<dyn Disk>,
    ) -> Result<(Self, Opened), JournalError> {
        options.check()?;
        fs::create_dir_all(folder).map_err(JournalError::io("create the journal's folder"))?;
        let lock = lock(folder)?;
        let mut segments = segment::list(folder).map_err(JournalError::io("list the journal's folder"))?;
        if let Some(first) = segments.first().filter(|first| **first > 0) {
            return Err(JournalError::Gap { sequence: first - 1 });
        }
        if segments.is_empty() && options.acknowledged > 0 {
            return Err(JournalError::Short { next: 0, known: options.acknowledged - 1 });
        }
        let first = segments.last().copied().unwrap_or(0);
        let (file, tail) = open_last(folder, first, options.acknowledged)?;
        // A process that was killed may have written what it could not sync, and from here on all of it counts.
        disk.sync(&file).map_err(JournalError::io("sync the last segment"))?;
        files::sync_folder(folder).map_err(JournalError::io("sync the journal's folder"))?;
        seal_forgotten(folder, &segments)?;
        segments.insert(first);
        let opened = Opened { next_sequence: tail.next, segments: segments.len(), cut_bytes: tail.torn_bytes };
        let digested = segment::digester_of(&segment::path_of(folder, first));
        let segments = Arc::new(RwLock::new(segments));
        let (committed, receiver) = watch::channel(tail.next);
        let (queue, requests) = mpsc::channel(options.queue_requests_max);
        let writer = Writer {
            folder: folder.to_owned(),
            options,
            disk,
            file,
            first,
            end: tail.end,
            next: tail.next,
            hasher: digested.map_err(JournalError::io("read a segment"))?,
            segments: Arc::clone(&segments),
            committed,
        };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(requests));
        let desk = Desk {
            queue: Some(queue),
            room: Arc::new(Semaphore::new(options.queue_bytes_max as usize)),
            queue_bytes_max: options.queue_bytes_max,
            thread: Some(thread.map_err(JournalError::io("start the journal's thread"))?),
            _lock: lock,
        };
        Ok((Self { desk: Arc::new(desk), reader: JournalReader::new(folder, segments, receiver) }, opened))
    }
}

/// What all handles share: the way to the writing thread, and the lock on the folder.
struct Desk {
    queue: Option<mpsc::Sender<Request>>,
    room: Arc<Semaphore>,
    queue_bytes_max: u32,
    thread: Option<JoinHandle<()>>,
    _lock: File,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by the panic hook; there is nobody left to answer.
            let _ = thread.join();
        }
    }
}

impl JournalOptions {
    fn check(&self) -> Result<(), JournalError> {
        let record_bytes_max = (HEAD_BYTES + RECORD_BYTES_MAX) as u64;
        let sound = self.segment_bytes_max <= SEGMENT_BYTES_MAX
            && (1..=QUEUE_REQUESTS_MAX).contains(&self.queue_requests_max)
            && (record_bytes_max..=u64::from(QUEUE_BYTES_MAX)).contains(&u64::from(self.queue_bytes_max));
        if sound { Ok(()) } else { Err(JournalError::Options) }
    }
}

fn lock(folder: &Path) -> Result<File, JournalError> {
    let file = File::create(folder.join("lock")).map_err(JournalError::io("create the journal's lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked),
        Err(TryLockError::Error(error)) => Err(JournalError::io("lock the journal")(error)),
    }
}

/// Opens the last segment at its end: makes it where there is none, and cuts what a crash has torn.
fn open_last(folder: &Path, first: u64, acknowledged: u64) -> Result<(File, Tail), JournalError> {
    let path = segment::path_of(folder, first);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(JournalError::io("open a segment"))?;
    let mut tail = recover::tail_of(&file, first)?;
    if segment::is_sealed(folder, first) {
        // A segment is sealed only once the next one is durable, and here the next one is missing.
        return Err(JournalError::Gap { sequence: tail.next });
    }
    if tail.next < acknowledged {
        return Err(JournalError::Short { next: tail.next, known: acknowledged - 1 });
    }
    let mend = || {
        file.set_len(tail.end)?;
        if tail.end == 0 {
            MachineDisk.write(&file, &segment::header(first), 0)?;
        }
        file.sync_all()
    };
    if tail.torn_bytes > 0 || tail.end == 0 {
        mend().map_err(JournalError::io("mend the last segment"))?;
    }
    tail.end = tail.end.max(HEADER_BYTES);
    Ok((file, tail))
}

/// Seals the segments that a crash kept from being sealed, if every record in them is sound.
fn seal_forgotten(folder: &Path, segments: &BTreeSet<u64>) -> Result<(), JournalError> {
    for (&first, &next) in segments.iter().zip(segments.iter().skip(1)) {
        if segment::is_sealed(folder, first) {
            continue;
        }
        let path = segment::path_of(folder, first);
        let file = File::open(&path).map_err(JournalError::io("open a segment"))?;
        let tail = recover::tail_of(&file, first)?;
        if tail.torn_bytes > 0 || tail.next != next {
            return Err(JournalError::Damaged { segment: first, offset: tail.end });
        }
        let sealed = segment::digester_of(&path).and_then(|hasher| segment::seal(folder, first, &hasher.finalize()));
        sealed.map_err(JournalError::io("seal a segment"))?;
    }
    Ok(())
}

/// Longest segment that options may ask for, in bytes; with the longest group behind it, an offset fits in 32 bits.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;
const QUEUE_BYTES_MAX: u32 = 256 << 20;
const QUEUE_REQUESTS_MAX: usize = 1 << 16;
