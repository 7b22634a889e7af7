//! Entries to signed batches, each linked to the one before it.

use bytes::Bytes;

use super::core::Core;
use super::error::NodeError;
use crate::domain::entry::Entry;
use crate::domain::id::Digest;
use crate::domain::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};
use crate::merkle::hash::leaf_hash;
use crate::merkle::tree::root_of;
use crate::wire;
use crate::wire::batch::{Batch, Header};

/// Seals entries into as many batches as they need, continuing the node's chain.
pub(super) fn seal(core: &Core, entries: &[Entry]) -> Result<Vec<Batch>, NodeError> {
    let head = core.state.chain_head()?;
    let next = head.map_or(1, |head| head.batch.0 + 1);
    let mut previous = head.map_or(Digest::new([0; Digest::BYTES]), |head| head.header);
    let signer = (core.signer)();
    let mut batches = Vec::new();
    for (sequence, entries) in (next..).zip(groups(entries)) {
        let leaves: Vec<_> = entries.iter().map(|bytes| leaf_hash(bytes)).collect();
        let header = Header {
            organisation: core.settings.publisher,
            key_id: signer.key_id,
            sequence,
            previous,
            root: Digest::new(*root_of(&leaves).as_bytes()),
            size: entries.len(),
            sealed_at: core.clock.now(),
        };
        let header_bytes = header.encode();
        let signature = (signer.sign)(&header_bytes);
        let batch = Batch { header, header_bytes, signature, entries };
        previous = batch.header_digest();
        batches.push(batch);
    }
    Ok(batches)
}

/// Encodes entries, once and for ever, and parts them so that each batch keeps its limits.
fn groups(entries: &[Entry]) -> Vec<Vec<Bytes>> {
    let mut groups: Vec<Vec<Bytes>> = Vec::new();
    let mut room_bytes = 0;
    for bytes in entries.iter().map(wire::entry::encode) {
        let takes_bytes = bytes.len() + ENTRY_FRAME_BYTES;
        match groups.last_mut() {
            Some(group) if group.len() < BATCH_ENTRIES_MAX && takes_bytes <= room_bytes => {
                room_bytes -= takes_bytes;
                group.push(bytes);
            }
            _ => {
                room_bytes = ENTRIES_BYTES_MAX.saturating_sub(takes_bytes);
                groups.push(vec![bytes]);
            }
        }
    }
    groups
}

/// Tag and length of an entry in its batch, in bytes.
const ENTRY_FRAME_BYTES: usize = 8;
/// Most bytes of entries in a batch; the rest is for header and signature.
const ENTRIES_BYTES_MAX: usize = BATCH_BYTES_MAX - 4_096;
