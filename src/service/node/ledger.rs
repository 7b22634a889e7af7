//! The node's journal as records, and what each of them changes in the projections. Applying a record again changes
//! nothing; what is recorded when is decided by intake, pipeline and outbox.

use bytes::Bytes;
use prost::Message;

use super::error::NodeError;
use super::sheet::Reason;
use super::{links, names};
use crate::domain::entry::{Content, Entry};
use crate::domain::id::Digest;
use crate::domain::log::{self, BatchNumber, Sequence};
use crate::domain::time::Moment;
use crate::merkle::checkpoint::Checkpoint;
use crate::store::journal::{Position, Record};
use crate::store::node::{
    HeldEntry, HeldPlace, IdentifierDigest, InstanceUid, KeptInstance, KnownResult, NodeChange, NodeState,
    OriginalPlace, StudyUid,
};
use crate::store::projection::ProjectionError;
use crate::wire::batch::Batch;
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
            _ => return Err(NodeError::Record { sequence: record.sequence() }),
        };
        read.map_err(|_| NodeError::Record { sequence: record.sequence() })
    }
}

/// Brings one record of the journal into the projections.
///
/// # Errors
/// [`NodeError`] when the record cannot be read, or the engine fails.
pub fn apply(state: &NodeState, position: Position, record: &NodeRecord) -> Result<(), NodeError> {
    let sequence = Sequence(position.sequence());
    let damaged = || NodeError::Record { sequence: sequence.0 };
    match record {
        NodeRecord::Message(message) => {
            let key = Digest::try_from(message.key.as_ref()).map_err(|_| damaged())?;
            let digest = Digest::try_from(message.digest.as_ref()).map_err(|_| damaged())?;
            let place = place_of(position, message);
            state.write(sequence.next(), |change| {
                // Refused before, and taken now that its source is read otherwise.
                if let Some(refused) = change.message(names::refused_key(&key))? {
                    forget_held(change, refused)?;
                }
                change.put_original(digest, place)?;
                change.put_message(key, sequence)
            })?;
        }
        NodeRecord::Instance(instance) => {
            let digest = Digest::try_from(instance.digest.as_ref()).map_err(|_| damaged())?;
            let uid = InstanceUid(instance.instance_uid.clone());
            let study = Some(instance.study_uid.clone()).filter(|study| !study.is_empty()).map(StudyUid);
            let kept = KeptInstance { digest, study };
            let arrival = moment(instance.received_at.as_ref()).ok_or_else(damaged)?;
            state.write(sequence.next(), |change| {
                change.put_original(digest, OriginalPlace::File)?;
                change.put_instance(&uid, &kept, arrival, sequence)
            })?;
        }
        NodeRecord::Sealed(sealed) => {
            let batch = Batch::decode(sealed.batch.clone()).map_err(|_| damaged())?;
            let entries: Result<Vec<Entry>, _> = batch.entries.iter().map(|bytes| wire::entry::decode(bytes)).collect();
            let entries = entries.map_err(|_| damaged())?;
            state.write(sequence.next(), |change| apply_batch(change, position, sealed, &batch, &entries))?;
        }
        NodeRecord::Receipt(receipt) => {
            let held = &receipt.rejected;
            let receipt = pb::Receipt::decode(receipt.receipt.clone()).map_err(|_| damaged())?;
            state.write(sequence.next(), |change| {
                change.put_receipted(BatchNumber(receipt.sequence))?;
                change.put_tree_size(tree_size(&receipt.checkpoint))?;
                put_held(change, sequence, held)
            })?;
        }
        NodeRecord::Outcome(outcome) => {
            let intake = if outcome.intake == NO_INTAKE { sequence } else { Sequence(outcome.intake) };
            state.write(sequence.next(), |change| apply_outcome(change, intake, outcome))?;
        }
        NodeRecord::Reprocess(mark) => state.write(sequence.next(), |change| change.put_again(Sequence(mark.below)))?,
        NodeRecord::Miss(record) => {
            let miss = record.miss.as_ref().ok_or_else(damaged)?;
            state.write(sequence.next(), |change| change.put_miss(&miss.check_key, sequence))?;
        }
        NodeRecord::MissesReported(told) => state.write(sequence.next(), |change| {
            told.check_keys.iter().try_for_each(|check_key| change.remove_miss(check_key))
        })?,
        NodeRecord::Links(learnt) => {
            let learnt: Option<Vec<_>> = learnt.links.iter().map(links::learnt).collect();
            let learnt = learnt.ok_or_else(damaged)?;
            state.write(sequence.next(), |change| {
                learnt.into_iter().try_for_each(|(local, seen)| change.put_link(local, seen))
            })?;
        }
        NodeRecord::Refused(refused) => {
            let key = Digest::try_from(refused.key.as_ref()).map_err(|_| damaged())?;
            let held = pb::HeldItem {
                reference: refused.control_id.clone(),
                reason: format!("{}_{}", Reason::Refused, refused.answer),
                field: refused.field.clone(),
            };
            state.write(sequence.next(), |change| {
                if change.message(key)?.is_none() {
                    put_held(change, sequence, &[held])?;
                }
                change.put_message(names::refused_key(&key), sequence)
            })?;
        }
    }
    Ok(())
}

fn place_of(position: Position, message: &pb::MessageIntake) -> OriginalPlace {
    if message.message.is_empty() {
        return OriginalPlace::File;
    }
    let length = u32::try_from(message.message.len()).unwrap_or(u32::MAX);
    OriginalPlace::InJournal { position: packed(position), offset: 0, length }
}

fn apply_batch(
    change: &NodeChange<'_>,
    position: Position,
    sealed: &pb::SealedBatch,
    batch: &Batch,
    entries: &[Entry],
) -> Result<(), ProjectionError> {
    let number = BatchNumber(batch.header.sequence);
    for (place, entry) in entries.iter().enumerate() {
        let known = KnownResult {
            version: entry.version,
            content: names::content_digest(entry),
            reported: entry.times.reported,
            status: entry.status,
            patient: entry.patient,
            batch: number,
            place: u16::try_from(place).unwrap_or(u16::MAX),
        };
        change.put_of_report(entry.report, entry.result)?;
        change.put_result(entry.result, known)?;
        if let Content::Imaging(study) = &entry.content {
            settle_study(change, study.study_uid.clone(), entry)?;
        }
    }
    change.put_sealed(number, packed(position), batch.header_digest())?;
    change.put_read_to(Sequence(sealed.read_to))
}

/// Notes that a study is shown, if its version names every instance that has arrived.
fn settle_study(change: &NodeChange<'_>, uid: String, entry: &Entry) -> Result<(), ProjectionError> {
    let uid = StudyUid(uid);
    let Some(kept) = change.study(&uid)? else { return Ok(()) };
    let shown = entry.originals.iter().filter(|original| !original.instance_uid.is_empty()).count();
    let arrived = change.study_instances(&uid)?.len();
    let shown_to = if shown >= arrived { kept.last_intake.next() } else { kept.published_to };
    change.put_published(&uid, entry.version, shown_to)?;
    change.release(&names::awaited_study(&uid.0))
}

/// Reads the size out of a checkpoint that was verified before it was recorded.
fn tree_size(note: &str) -> u64 {
    let text = note.split_once("\n\n").map(|(text, _)| format!("{text}\n"));
    text.and_then(|text| text.parse::<Checkpoint>().ok()).map_or(0, |checkpoint| checkpoint.head().size)
}

fn apply_outcome(
    change: &NodeChange<'_>,
    intake: Sequence,
    outcome: &pb::OutcomeRecord,
) -> Result<(), ProjectionError> {
    forget_held(change, intake)?;
    put_held(change, intake, &outcome.held)?;
    for item in &outcome.unmapped {
        let code = item.code.clone().unwrap_or_default();
        change.count_unmapped(&code.code, &code.system, &item.unit, intake)?;
    }
    change.put_wanting(intake, !outcome.held.is_empty() || !outcome.unmapped.is_empty())?;
    if !outcome.study_uid.is_empty() {
        let study = StudyUid(outcome.study_uid.clone());
        if let Some(kept) = change.study(&study)?.filter(|kept| kept.last_intake.0 < outcome.study_to) {
            change.put_published(&study, kept.published_version, Sequence(outcome.study_to))?;
        }
    }
    for local in &outcome.awaits_links {
        let Ok(local) = <[u8; 32]>::try_from(local.as_ref()) else { continue };
        await_or_again(change, &local, change.link(IdentifierDigest(local))?.is_some(), intake)?;
    }
    for study in &outcome.awaits_studies {
        let shown = change.study(&StudyUid(study.clone()))?.is_some_and(|kept| kept.published_version > 0);
        await_or_again(change, &names::awaited_study(study), shown, intake)?;
    }
    change.put_read_to(Sequence(outcome.read_to))
}

/// Has a record wait for something, or be read again at once where it came in the same step.
fn await_or_again(
    change: &NodeChange<'_>,
    awaited: &[u8; 32],
    has_come: bool,
    intake: Sequence,
) -> Result<(), ProjectionError> {
    if has_come { change.put_again_one(intake) } else { change.put_awaiting(awaited, intake) }
}

fn put_held(change: &NodeChange<'_>, intake: Sequence, items: &[pb::HeldItem]) -> Result<(), ProjectionError> {
    for (place, item) in (0..=u16::MAX).zip(items) {
        let held =
            HeldEntry { reference: item.reference.clone(), reason: item.reason.clone(), field: item.field.clone() };
        change.put_held(HeldPlace { intake, place }, &held)?;
    }
    Ok(())
}

fn forget_held(change: &NodeChange<'_>, intake: Sequence) -> Result<(), ProjectionError> {
    change.held_places(intake)?.into_iter().try_for_each(|place| change.remove_held(place))
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
