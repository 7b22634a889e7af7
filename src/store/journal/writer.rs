//! The one thread that writes: it takes what waits, writes it as one group, syncs once, then answers everybody.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::disk::Disk;
use super::error::JournalError;
use super::frame;
use super::segment::{self, HEADER_BYTES};
use super::{JournalOptions, Position};
use crate::store::files;

/// Records of one caller, to stand next to each other.
pub(super) struct Request {
    pub(super) records: Vec<(u8, Bytes)>,
    /// Who waits for durability, if anybody does.
    pub(super) answer: Option<oneshot::Sender<Vec<Position>>>,
    /// The room that the records take in the queue.
    pub(super) room: OwnedSemaphorePermit,
}

/// The state of the writing thread: the last segment, and how far it is durable.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    pub(super) options: JournalOptions,
    pub(super) disk: Box<dyn Disk>,
    pub(super) file: File,
    /// First sequence of the segment being written.
    pub(super) first: u64,
    /// Offset in it after the last durable record, in bytes.
    pub(super) end: u64,
    /// Sequence of the next record.
    pub(super) next: u64,
    /// Hash of the segment so far, for its seal.
    pub(super) hasher: Sha256,
    pub(super) segments: Arc<RwLock<BTreeSet<u64>>>,
    pub(super) committed: watch::Sender<u64>,
}

impl Writer {
    /// Serves the queue until all its senders are gone or the disk fails. Then the queue closes, and whoever waits
    /// learns it from the lost answer.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut buffer = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.room.num_permits();
            let mut group = vec![first];
            while bytes < GROUP_BYTES_MAX && group.len() < GROUP_REQUESTS_MAX {
                let Ok(request) = queue.try_recv() else { break };
                bytes += request.room.num_permits();
                group.push(request);
            }
            linger(&mut group, bytes, &mut queue);
            if let Err(error) = self.commit(group, &mut buffer) {
                tracing::error!(%error, source = std::error::Error::source(&error), "the journal takes no more records");
                // Unsynced bytes must not linger in the page cache: a later sync would seem to cover them.
                let _ = self.file.set_len(self.end);
                return;
            }
        }
    }

    fn commit(&mut self, group: Vec<Request>, buffer: &mut Vec<u8>) -> Result<(), JournalError> {
        let group_bytes = group.iter().map(|request| request.room.num_permits() as u64).sum::<u64>();
        if self.end > HEADER_BYTES && self.end + group_bytes > u64::from(self.options.segment_bytes_max) {
            self.roll()?;
        }
        buffer.clear();
        let start = self.next;
        let mut answers = Vec::with_capacity(group.len());
        for Request { records, .. } in &group {
            let mut positions = Vec::with_capacity(records.len());
            for (kind, payload) in records {
                let Ok(place) = u32::try_from(self.next - start) else { unreachable!("a group is bounded in bytes") };
                positions.push(Position { sequence: self.next, offset: self.end + buffer.len() as u64 });
                frame::write(buffer, self.next, place, *kind, payload);
                self.next += 1;
            }
            answers.push(positions);
        }
        assert_eq!(buffer.len() as u64, group_bytes, "the room taken is the bytes written");
        self.disk.write(&self.file, buffer, self.end).map_err(JournalError::io("write to the journal"))?;
        self.disk.sync(&self.file).map_err(JournalError::io("sync the journal"))?;
        self.end += group_bytes;
        self.committed.send_replace(self.next);
        for (request, positions) in group.into_iter().zip(answers) {
            if let Some(answer) = request.answer {
                // Whoever no longer waits has given up hearing of it; the record stays.
                let _ = answer.send(positions);
            }
        }
        // For the seal alone, which nobody waits for yet.
        self.hasher.update(&*buffer);
        buffer.shrink_to(GROUP_BYTES_MAX);
        Ok(())
    }

    /// Begins a new segment, then seals the old one; a crash between the two is mended at the next open.
    fn roll(&mut self) -> Result<(), JournalError> {
        let header = segment::header(self.next);
        let path = segment::path_of(&self.folder, self.next);
        let file = File::options().read(true).write(true).create_new(true).open(path);
        let file = file.map_err(JournalError::io("create a segment"))?;
        self.disk.write(&file, &header, 0).map_err(JournalError::io("write a segment header"))?;
        self.disk.sync(&file).map_err(JournalError::io("sync a new segment"))?;
        files::sync_folder(&self.folder).map_err(JournalError::io("sync the journal's folder"))?;
        let digest = std::mem::replace(&mut self.hasher, Sha256::new_with_prefix(header)).finalize();
        let sealed = std::mem::replace(&mut self.first, self.next);
        (self.file, self.end) = (file, HEADER_BYTES);
        self.segments.write().unwrap_or_else(PoisonError::into_inner).insert(self.first);
        segment::seal(&self.folder, sealed, &digest).map_err(JournalError::io("seal a segment"))
    }
}

/// Lets a group that nobody waits for grow a little, until somebody does: one sync then serves many.
fn linger(group: &mut Vec<Request>, mut bytes: usize, queue: &mut mpsc::Receiver<Request>) {
    let mut slices = LINGER_SLICES;
    let mut awaited = group.iter().any(|request| request.answer.is_some());
    while !awaited && slices > 0 && bytes < GROUP_BYTES_MAX && group.len() < GROUP_REQUESTS_MAX {
        match queue.try_recv() {
            Ok(request) => {
                bytes += request.room.num_permits();
                awaited = request.answer.is_some();
                group.push(request);
            }
            Err(mpsc::error::TryRecvError::Empty) => {
                slices -= 1;
                std::thread::sleep(LINGER_SLICE);
            }
            Err(mpsc::error::TryRecvError::Disconnected) => return,
        }
    }
}

/// How often a group that nobody waits for looks for company, and how long each time.
const LINGER_SLICES: u32 = 5;
const LINGER_SLICE: Duration = Duration::from_millis(1);
/// Bytes after which a group is written without looking for more.
pub(super) const GROUP_BYTES_MAX: usize = 8 << 20;
const GROUP_REQUESTS_MAX: usize = 4_096;
