//! Finds where a segment ends, and tells a tail that a crash tore from damage to what was acknowledged.
//!
//! The writer starts a group only after the one before it is durable. So when a record is bad, and behind it stands a
//! sound record of a *later* group, the bad one had been acknowledged: that is damage, and is never cut. When nothing
//! sound stands behind it, or only records of a group that was begun no later than the bad one, all of that is the
//! last group; a crash in the middle of its write may leave any part of it on the disk, and nobody was told that it
//! was kept. What content cannot tell is decay of the very last group after it was acknowledged; whoever opens the
//! journal says how far it knows that to be (`JournalOptions::acknowledged`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::error::JournalError;
use super::frame::{self, HEAD_BYTES, Head};
use super::segment::{self, HEADER_BYTES};

/// Where the sound records of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// Sequence after the last sound record.
    pub(super) next: u64,
    /// Offset after the last sound record, in bytes; 0 where not even the header is there.
    pub(super) end: u64,
    /// Bytes behind it that a crash left, and that hold nothing acknowledged.
    pub(super) torn_bytes: u64,
}

/// Reads the last segment of a journal through.
///
/// # Errors
/// [`JournalError::Damaged`] when something acknowledged is bad, [`JournalError::Version`], [`JournalError::Io`].
pub(super) fn tail_of(file: &File, first: u64) -> Result<Tail, JournalError> {
    let length = file.metadata().map_err(JournalError::io("measure a segment"))?.len();
    if !segment::has_header(file, first)? {
        // The header is made durable before the first record is written, so a file no longer than it is empty.
        return if length <= HEADER_BYTES {
            Ok(Tail { next: first, end: 0, torn_bytes: length })
        } else {
            Err(JournalError::Damaged { segment: first, offset: 0 })
        };
    }
    let mut tail = Tail { next: first, end: HEADER_BYTES, torn_bytes: 0 };
    loop {
        let length = file.metadata().map_err(JournalError::io("measure a segment"))?.len();
        walk(file, first, length, &mut tail)?;
        if !later_group_follows(file, tail.end, length, tail.next).map_err(JournalError::io("read a segment"))? {
            return Ok(tail);
        }
        // Another process may be writing while we only read: what was bad for being half written is sound by now.
        if frame::read(file, tail.end).map_err(JournalError::io("read a segment"))?.is_none() {
            return Err(JournalError::Damaged { segment: first, offset: tail.end });
        }
    }
}

/// Moves `tail` behind the last sound record of the first `length` bytes.
fn walk(file: &File, first: u64, length: u64, tail: &mut Tail) -> Result<(), JournalError> {
    while tail.end < length {
        let frame = frame::read(file, tail.end).map_err(JournalError::io("read a segment"))?;
        let Some(head) = frame.map(|frame| frame.head) else { break };
        if head.sequence != tail.next {
            return Err(JournalError::Damaged { segment: first, offset: tail.end });
        }
        tail.end += head.frame_bytes();
        tail.next += 1;
    }
    tail.torn_bytes = length.saturating_sub(tail.end);
    Ok(())
}

/// Looks behind the bad record `bad` at `offset` for a sound record of a group begun after it.
fn later_group_follows(file: &File, offset: u64, length: u64, bad: u64) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut start = offset;
    while start < length {
        let count = file.read_at(&mut chunk, start)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        for (at, window) in (start..).zip(bytes.windows(HEAD_BYTES)) {
            // No more records than bytes can follow; the bound leaves next to nothing of random bytes to be checked.
            let plausible = |head: &Head| {
                head.sequence - bad <= length - offset && head.group_start().is_some_and(|group| group > bad)
            };
            let candidate = Head::parse(window).filter(|head| head.sequence > bad).filter(plausible);
            if candidate.is_some() && frame::read(file, at)?.is_some() {
                return Ok(true);
            }
        }
        if count < HEAD_BYTES {
            return Ok(false);
        }
        start += (count - HEAD_BYTES + 1) as u64;
    }
    Ok(false)
}

const CHUNK_BYTES: usize = 1 << 20;
