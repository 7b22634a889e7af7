//! A hub's receipt, believed only when everything about it holds: the batch's header, the record in the log, the proof,
//! and the checkpoint under a known key.

use bytes::Bytes;
use prost::Message;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Digest;
use crate::merkle::checkpoint::{Checkpoint, CheckpointError};
use crate::merkle::hash::{Hash, leaf_hash};
use crate::merkle::note::{KeyName, VerifierKey};
use crate::merkle::proof::{ProofError, TreeHead, verify_inclusion};
use crate::wire::pb;

/// A receipt that was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The receipt's own bytes.
    pub bytes: Bytes,
    /// Its content.
    pub message: pb::Receipt,
    /// The tree it shows.
    pub head: TreeHead,
}

/// A receipt is not to be believed; ask again, and tell somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The bytes are no receipt.
    #[error("the receipt cannot be decoded")]
    Undecodable,
    /// It is for another batch than the one that was sent next.
    #[error("the receipt is for another batch")]
    OtherBatch,
    /// It names another header under the batch's number.
    #[error("the receipt names another header")]
    OtherHeader,
    /// The record or a hash of the proof has not 32 bytes.
    #[error("a hash of the receipt has the wrong length")]
    Hash,
    /// The checkpoint is not the hub's.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The record is not in the tree of the checkpoint.
    #[error("inclusion: {0}")]
    Inclusion(#[from] ProofError),
    /// The tree is smaller than one shown before, or another of the same size: the hub's history was changed.
    #[error("the hub shows a tree of {size} leaves after one of {known}")]
    Rewritten {
        /// Leaves of the tree shown now.
        size: u64,
        /// Leaves of the tree shown before.
        known: u64,
    },
}

impl Faulty for ReceiptError {
    fn fault(&self) -> Fault {
        Fault::Unproven
    }
}

/// Reads and verifies the receipt of the batch `sequence` with this header.
///
/// # Errors
/// [`ReceiptError`]; the batch stays in the outbox.
///
/// Source: RFC 6962, 2.1.1; C2SP tlog-checkpoint.
pub fn verify(
    bytes: Bytes,
    sequence: u64,
    header: Digest,
    log: &KeyName,
    keys: &[VerifierKey],
) -> Result<Receipt, ReceiptError> {
    let message = pb::Receipt::decode(bytes.clone()).map_err(|_| ReceiptError::Undecodable)?;
    if message.sequence != sequence {
        return Err(ReceiptError::OtherBatch);
    }
    if message.header_digest.as_ref() != header.as_bytes() {
        return Err(ReceiptError::OtherHeader);
    }
    let entry = hash(&message.log_entry)?;
    let proof = message.inclusion.iter().map(hash).collect::<Result<Vec<_>, _>>()?;
    let head = Checkpoint::open(message.checkpoint.as_bytes(), log, keys)?.head();
    verify_inclusion(&leaf_hash(entry.as_bytes()), message.log_index, &head, &proof)?;
    Ok(Receipt { bytes, message, head })
}

fn hash(bytes: &Bytes) -> Result<Hash, ReceiptError> {
    <[u8; 32]>::try_from(bytes.as_ref()).map(Hash::from).map_err(|_| ReceiptError::Hash)
}
