//! What of a journal survives a loss of power at this moment, for copying it while its process goes on. Nothing here
//! modifies a file; what is copied where is for the floors above.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::{recover, segment};

/// A segment, as far as it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableSegment {
    /// Its first sequence, which is its name.
    pub first: u64,
    /// The file.
    pub path: PathBuf,
    /// Bytes from its start that are durable; they end with a whole record.
    pub bytes: u64,
    /// SHA-256 of the whole file, where the segment takes no more records.
    pub seal: Option<[u8; 32]>,
}

/// A prefix of a journal: every record in it is durable, and stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurablePrefix {
    /// Its segments, in order.
    pub segments: Vec<DurableSegment>,
    /// Number of records.
    pub records: u64,
}

impl DurablePrefix {
    /// Finds what is durable in the journal of `folder`, whose process may be writing. What it has written and not yet
    /// synced is synced here, so that a copy never holds a record that the journal can still lose.
    ///
    /// # Errors
    /// [`JournalError`]; a torn tail is none, it is left out.
    pub fn of(folder: &Path) -> Result<Self, JournalError> {
        let firsts = segment::list(folder).map_err(JournalError::io("list the journal's folder"))?;
        if let Some(first) = firsts.first().filter(|first| **first > 0) {
            return Err(JournalError::Gap { sequence: first - 1 });
        }
        let (mut segments, mut records) = (Vec::new(), 0);
        for &first in &firsts {
            let path = segment::path_of(folder, first);
            let file = File::open(&path).map_err(JournalError::io("open a segment"))?;
            let is_last = firsts.last() == Some(&first);
            let bytes = if is_last {
                let tail = recover::tail_of(&file, first)?;
                file.sync_data().map_err(JournalError::io("sync a segment"))?;
                records = tail.next;
                tail.end
            } else {
                file.metadata().map_err(JournalError::io("measure a segment"))?.len()
            };
            if bytes > 0 {
                let seal = if is_last { None } else { seal_of(folder, first)? };
                segments.push(DurableSegment { first, path, bytes, seal });
            }
        }
        Ok(Self { segments, records })
    }
}

/// Reads the digest out of a segment's checksum file; nothing where a crash has kept it from being sealed.
fn seal_of(folder: &Path, first: u64) -> Result<Option<[u8; 32]>, JournalError> {
    let line = match fs::read(segment::seal_path(folder, first)) {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io("read a seal")(error)),
    };
    let mut digest = [0; 32];
    let read = line.get(..64).map(|hexadecimal| hex::decode_to_slice(hexadecimal, &mut digest).is_ok());
    let sound = read == Some(true) && line == segment::seal_line(first, &digest).as_bytes();
    sound.then_some(Some(digest)).ok_or(JournalError::Seal { segment: first })
}
