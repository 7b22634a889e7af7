//! The node's journal as records. What each changes is in `apply`; what is recorded when is decided by intake, pipeline
//! and outbox.

use bytes::Bytes;
use prost::Message;

use super::error::NodeError;
use crate::domain::log;
use crate::domain::time::Moment;
use crate::store::journal::{Position, Record};
use crate::wire::{self, pb};

/// A record of the node's journal.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeRecord {
    /// A message that was acknowledged.
    Message(pb::MessageIntake),
    /// An instance that was acknowledged.
    Instance(pb::InstanceIntake),
    /// A batch that was sealed.
    Sealed(pb::SealedBatch),
    /// A receipt that was verified.
    Receipt(pb::ReceiptRecord),
    /// What a record came to beside entries.
    Outcome(pb::OutcomeRecord),
    /// Records are to be read again.
    Reprocess(pb::ReprocessMark),
    /// A check that was answered without the hub.
    Miss(pb::MissIntake),
    /// The hub has been told of such checks.
    MissesReported(pb::MissesReported),
    /// Local identifiers that were seen beside strong ones.
    Links(pb::LinksLearnt),
    /// A message that was refused.
    Refused(pb::RefusedIntake),
    /// A recall that the hub told.
    Recall(Box<pb::RecallReceived>),
    /// Somebody took note of a recall.
    RecallNoted(pb::RecallNoted),
    /// The hub has been told that somebody took note.
    RecallNoteTold(pb::RecallNoteTold),
    /// A study was deleted in the archive.
    StudyWithdrawal(pb::StudyWithdrawal),
}

impl NodeRecord {
    /// Gives the kind byte and the payload.
    pub fn encode(&self) -> (u8, Bytes) {
        match self {
            Self::Message(record) => (1, record.encode_to_vec().into()),
            Self::Instance(record) => (2, record.encode_to_vec().into()),
            Self::Sealed(record) => (3, record.encode_to_vec().into()),
            Self::Receipt(record) => (4, record.encode_to_vec().into()),
            Self::Outcome(record) => (5, record.encode_to_vec().into()),
            Self::Reprocess(record) => (6, record.encode_to_vec().into()),
            Self::Miss(record) => (7, record.encode_to_vec().into()),
            Self::MissesReported(record) => (8, record.encode_to_vec().into()),
            Self::Links(record) => (9, record.encode_to_vec().into()),
            Self::Refused(record) => (10, record.encode_to_vec().into()),
            Self::Recall(record) => (19, record.encode_to_vec().into()),
            Self::RecallNoted(record) => (20, record.encode_to_vec().into()),
            Self::RecallNoteTold(record) => (21, record.encode_to_vec().into()),
            Self::StudyWithdrawal(record) => (22, record.encode_to_vec().into()),
        }
    }

    /// Reads a record of the journal.
    ///
    /// # Errors
    /// [`NodeError::Record`]; the journal is damaged or of a newer version.
    pub fn decode(record: &Record) -> Result<Self, NodeError> {
        let payload = record.payload.clone();
        let read = match record.kind {
            1 => pb::MessageIntake::decode(payload).map(Self::Message),
            2 => pb::InstanceIntake::decode(payload).map(Self::Instance),
            3 => pb::SealedBatch::decode(payload).map(Self::Sealed),
            4 => pb::ReceiptRecord::decode(payload).map(Self::Receipt),
            5 => pb::OutcomeRecord::decode(payload).map(Self::Outcome),
            6 => pb::ReprocessMark::decode(payload).map(Self::Reprocess),
            7 => pb::MissIntake::decode(payload).map(Self::Miss),
            8 => pb::MissesReported::decode(payload).map(Self::MissesReported),
            9 => pb::LinksLearnt::decode(payload).map(Self::Links),
            10 => pb::RefusedIntake::decode(payload).map(Self::Refused),
            19 => pb::RecallReceived::decode(payload).map(Box::new).map(Self::Recall),
            20 => pb::RecallNoted::decode(payload).map(Self::RecallNoted),
            21 => pb::RecallNoteTold::decode(payload).map(Self::RecallNoteTold),
            22 => pb::StudyWithdrawal::decode(payload).map(Self::StudyWithdrawal),
            _ => return Err(NodeError::Record { sequence: record.sequence() }),
        };
        read.map_err(|_| NodeError::Record { sequence: record.sequence() })
    }
}

/// Reads a moment of a record that the node wrote itself.
pub fn moment(sent: Option<&pb::Moment>) -> Option<Moment> {
    wire::field::moment("at", sent).ok()
}

/// Packs a journal's position into the domain's: 33 bits of sequence, 31 bits of offset.
pub fn packed(position: Position) -> log::Position {
    let [.., a, b, c, d] = position.to_bytes();
    log::Position((position.sequence() << OFFSET_BITS) | u64::from(u32::from_be_bytes([a, b, c, d])))
}

/// Undoes [`packed`].
pub fn unpacked(position: log::Position) -> Position {
    let sequence = position.0 >> OFFSET_BITS;
    let offset = u32::try_from(position.0 & ((1 << OFFSET_BITS) - 1)).unwrap_or(u32::MAX);
    let mut bytes = [0; 12];
    bytes
        .iter_mut()
        .zip(sequence.to_be_bytes().into_iter().chain(offset.to_be_bytes()))
        .for_each(|(to, from)| *to = from);
    Position::from_bytes(bytes)
}

/// The intake of an outcome that is about no record: an instance that was refused.
pub const NO_INTAKE: u64 = u64::MAX;
/// A segment is at most 1 GiB and its longest group less again, so an offset fits in 31 bits.
const OFFSET_BITS: u32 = 31;
