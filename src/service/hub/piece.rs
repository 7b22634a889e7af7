//! One entry read alone out of its batch's record: found when the record is projected, checked when it is read.

use bytes::Bytes;
use prost::{decode_length_delimiter, length_delimiter_len};

use crate::domain::limits::ENTRY_BYTES_MAX;
use crate::ports::index::{IndexEntry, Piece};
use crate::service::hub::Hub;
use crate::service::hub::candidates::batch_place;
use crate::service::hub::error::HubError;
use crate::store::projection::ProjectionError;

/// Finds where an entry lies in the payload it was decoded from.
pub fn piece_of(entry: &Bytes, payload: &Bytes) -> Piece {
    let checksum = crc32fast::hash(entry);
    let prefix = length_delimiter_len(entry.len());
    // Decoding shares the payload's memory, so that the distance of the two is the offset.
    let start = entry.as_ptr().addr().checked_sub(payload.as_ptr().addr()).and_then(|at| at.checked_sub(prefix));
    let found = start.filter(|start| {
        let prefixed = payload.get(*start..).filter(|rest| rest.get(prefix..prefix + entry.len()) == Some(entry));
        prefixed.is_some_and(|rest| decode_length_delimiter(rest) == Ok(entry.len()))
    });
    let start = found.and_then(|start| u32::try_from(start).ok()).unwrap_or(Piece::WHOLE);
    Piece { start, checksum }
}

impl Hub {
    /// Reads an entry's bytes alone; nothing when its batch has to be read.
    ///
    /// # Errors
    /// [`HubError`] when the bytes are not those that were indexed: journal or index is damaged.
    pub(super) fn piece(&self, entry: &IndexEntry) -> Result<Option<Bytes>, HubError> {
        let Piece { start, checksum } = entry.piece;
        if start == Piece::WHOLE {
            return Ok(None);
        }
        let damaged = || HubError::from(ProjectionError::Damaged);
        let ledger = &self.parts.ledger;
        let mut read = ledger.read_piece(batch_place(entry), start, FIRST_READ_BYTES)?;
        let length = decode_length_delimiter(&read[..]).map_err(|_| damaged())?;
        let prefix = length_delimiter_len(length);
        if length > ENTRY_BYTES_MAX {
            return Err(damaged());
        }
        if read.len() < prefix + length {
            read = ledger.read_piece(batch_place(entry), start, prefix + length)?;
        }
        let bytes = read.get(prefix..prefix + length).ok_or_else(damaged)?;
        if crc32fast::hash(bytes) != checksum {
            return Err(damaged());
        }
        Ok(Some(read.slice(prefix..prefix + length)))
    }
}

/// A laboratory result is shorter, and so read at once.
const FIRST_READ_BYTES: usize = 2_048;

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::wire::pb;

    #[test]
    fn every_entry_of_a_record_is_found_where_it_lies() {
        let entries: Vec<Bytes> = [1, 127, 128, 5_000].into_iter().map(|length| vec![7_u8; length].into()).collect();
        let batch = pb::SignedBatch { header: Bytes::from_static(b"header"), signature: Bytes::new(), entries };
        let record = pb::BatchRecord { batch: batch.encode_to_vec().into(), ..Default::default() };
        let payload = Bytes::from(record.encode_to_vec());
        let record = pb::BatchRecord::decode(payload.clone()).unwrap();
        let batch = pb::SignedBatch::decode(record.batch).unwrap();
        for entry in &batch.entries {
            let piece = piece_of(entry, &payload);
            let rest = &payload[piece.start as usize..];
            assert_eq!(decode_length_delimiter(rest), Ok(entry.len()));
            assert!(rest[length_delimiter_len(entry.len())..].starts_with(entry));
        }
    }

    #[test]
    fn bytes_from_elsewhere_are_not_taken_for_a_piece() {
        let payload = Bytes::from(vec![3, 7, 7, 7]);
        assert_eq!(piece_of(&Bytes::from(vec![7; 3]), &payload).start, Piece::WHOLE);
    }
}
