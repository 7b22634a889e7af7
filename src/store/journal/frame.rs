//! A record's bytes in a segment: little-endian
//! `checksum u32 | payload length u32 | sequence u64 | place u32 | kind u8 | payload`.
//!
//! The CRC-32 covers everything after itself. `place` counts from 0 within the group that was made durable by one
//! sync: it tells, after a crash, whether a record behind a bad one was written before or after the bad one was
//! acknowledged. Which records belong where is for `recover` and `reader`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::domain::limits::RECORD_BYTES_MAX;

/// Length of everything before the payload, in bytes.
pub(super) const HEAD_BYTES: usize = 21;

/// One record as found in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) head: Head,
    pub(super) kind: u8,
    pub(super) payload: Bytes,
}

/// What stands before the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) checksum: u32,
    pub(super) length: u32,
    pub(super) sequence: u64,
    pub(super) place: u32,
}

impl Head {
    /// Reads the head at the front of `bytes`, its kind aside; nothing where it is cut short or claims too much.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (checksum, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (place, _) = rest.split_first_chunk()?;
        let head = Self {
            checksum: u32::from_le_bytes(*checksum),
            length: u32::from_le_bytes(*length),
            sequence: u64::from_le_bytes(*sequence),
            place: u32::from_le_bytes(*place),
        };
        (u64::from(head.length) <= RECORD_BYTES_MAX as u64).then_some(head)
    }

    /// Reads the head at `offset`; nothing where there is none.
    pub(super) fn read(file: &File, offset: u64) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEAD_BYTES];
        Ok(read_whole(file, &mut bytes, offset)?.and_then(|()| Self::parse(&bytes)))
    }

    /// Gives the length of the whole record, in bytes.
    pub(super) fn frame_bytes(self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.length)
    }

    /// Gives the sequence of the first record in the group; nothing where the head contradicts itself.
    pub(super) fn group_start(self) -> Option<u64> {
        self.sequence.checked_sub(u64::from(self.place))
    }
}

/// Appends a record's bytes to `buffer`.
pub(super) fn write(buffer: &mut Vec<u8>, sequence: u64, place: u32, kind: u8, payload: &[u8]) {
    assert!(payload.len() <= RECORD_BYTES_MAX, "checked when it was appended");
    let Ok(length) = u32::try_from(payload.len()) else { unreachable!("RECORD_BYTES_MAX fits in 32 bits") };
    let start = buffer.len();
    buffer.extend_from_slice(&[0; CHECKSUM_BYTES]);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&sequence.to_le_bytes());
    buffer.extend_from_slice(&place.to_le_bytes());
    buffer.push(kind);
    buffer.extend_from_slice(payload);
    let checksum = crc32fast::hash(&buffer[start + CHECKSUM_BYTES..]);
    buffer[start..start + CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the record at `offset`; nothing where the bytes there are cut short or do not match their checksum.
pub(super) fn read(file: &File, offset: u64) -> io::Result<Option<Frame>> {
    let mut bytes = Vec::with_capacity(FIRST_READ_BYTES);
    fill(file, &mut bytes, offset, HEAD_BYTES)?;
    let Some(head) = bytes.get(..HEAD_BYTES).and_then(Head::parse) else { return Ok(None) };
    let Ok(length) = usize::try_from(head.frame_bytes()) else { return Ok(None) };
    bytes.reserve_exact(length.saturating_sub(bytes.len()));
    fill(file, &mut bytes, offset, length)?;
    bytes.truncate(length);
    let covered = bytes.len() == length && crc32fast::hash(&bytes[CHECKSUM_BYTES..]) == head.checksum;
    let kind = bytes[HEAD_BYTES - 1];
    Ok(covered.then(|| Frame { head, kind, payload: Bytes::from(bytes).slice(HEAD_BYTES..) }))
}

/// Reads what stands behind `offset` into the room that `bytes` has, until it holds `wanted` of it or the file ends. The
/// room is not cleared first: for a large record that would cost more than reading it.
pub(super) fn fill(file: &File, bytes: &mut Vec<u8>, offset: u64, wanted: usize) -> io::Result<()> {
    while bytes.len() < wanted {
        let place = offset + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(bytes), place) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn read_whole(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<Option<()>> {
    match file.read_exact_at(bytes, offset) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

const CHECKSUM_BYTES: usize = 4;
/// Most records are shorter, and read with one call.
const FIRST_READ_BYTES: usize = 4 << 10;

const _: () = assert!(RECORD_BYTES_MAX <= u32::MAX as usize, "a record's length is 32 bits on disk");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_these() {
        let mut buffer = Vec::new();
        write(&mut buffer, 7, 2, 9, b"abc");
        assert_eq!(hex::encode(&buffer[4..]), "0300000007000000000000000200000009616263");
        assert_eq!(hex::encode(&buffer[..4]), hex::encode(crc32fast::hash(&buffer[4..]).to_le_bytes()));
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frame");
        let mut bytes = Vec::new();
        write(&mut bytes, 7, 2, 9, b"payload");
        std::fs::write(&path, &bytes).unwrap();
        let frame = read(&File::open(&path).unwrap(), 0).unwrap().unwrap();
        assert_eq!((frame.head.sequence, frame.head.group_start(), frame.kind), (7, Some(5), 9));
        assert_eq!(frame.payload.as_ref(), b"payload");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &changed).unwrap();
            assert_eq!(read(&File::open(&path).unwrap(), 0).unwrap(), None, "bit {bit}");
        }
    }
}
