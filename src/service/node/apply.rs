//! What each record of the node's journal changes in the projections. Applying a record again changes nothing.

use std::collections::BTreeSet;

use prost::Message;

use super::error::NodeError;
use super::ledger::{NO_INTAKE, NodeRecord, moment, packed};
use super::sheet::Reason;
use super::{links, names, recalls};
use crate::domain::entry::{Content, Entry};
use crate::domain::id::{Digest, RecallId, ReportId, ResultId};
use crate::domain::log::{BatchNumber, Sequence};
use crate::merkle::checkpoint::Checkpoint;
use crate::store::journal::Position;
use crate::store::node::{
    HeldEntry, HeldPlace, IdentifierDigest, InstanceUid, KeptInstance, KnownResult, NodeChange, NodeState,
    OriginalPlace, StudyUid,
};
use crate::store::projection::ProjectionError;
use crate::wire::batch::Batch;
use crate::wire::{self, pb};

/// Brings one record of the journal into the projections.
///
/// # Errors
/// [`NodeError`] when the record cannot be read, or the engine fails.
pub(super) fn apply(state: &NodeState, position: Position, record: &NodeRecord) -> Result<(), NodeError> {
    let sequence = Sequence(position.sequence());
    let change = read(position, record).ok_or(NodeError::Record { sequence: sequence.0 })?;
    Ok(state.write(sequence.next(), change)?)
}

type Change<'r> = Box<dyn FnOnce(&NodeChange<'_>) -> Result<(), ProjectionError> + 'r>;

/// Reads the whole of a record before anything is changed; nothing where it is damaged.
fn read(position: Position, record: &NodeRecord) -> Option<Change<'_>> {
    let sequence = Sequence(position.sequence());
    Some(match record {
        NodeRecord::Message(message) => read_message(position, message)?,
        NodeRecord::Instance(instance) => read_instance(position, instance)?,
        NodeRecord::Sealed(sealed) => {
            let batch = Batch::decode(sealed.batch.clone()).ok()?;
            let entries = batch.entries.iter().map(|bytes| wire::entry::decode(bytes).ok());
            let entries = entries.collect::<Option<Vec<Entry>>>()?;
            Box::new(move |change| apply_batch(change, position, sealed, &batch, &entries))
        }
        NodeRecord::Receipt(record) => {
            let receipt = pb::Receipt::decode(record.receipt.clone()).ok()?;
            Box::new(move |change| {
                change.put_receipted(BatchNumber(receipt.sequence))?;
                change.put_tree_size(tree_size(&receipt.checkpoint))?;
                put_held(change, sequence, &record.rejected)
            })
        }
        NodeRecord::Outcome(outcome) => {
            let intake = if outcome.intake == NO_INTAKE { sequence } else { Sequence(outcome.intake) };
            Box::new(move |change| apply_outcome(change, intake, outcome))
        }
        NodeRecord::Reprocess(mark) => Box::new(|change| change.put_again(Sequence(mark.below))),
        NodeRecord::Miss(record) => {
            let miss = record.miss.as_ref()?;
            Box::new(move |change| change.put_miss(&miss.check_key, sequence))
        }
        NodeRecord::MissesReported(told) => {
            Box::new(|change| told.check_keys.iter().try_for_each(|check_key| change.remove_miss(check_key)))
        }
        NodeRecord::Links(learnt) => {
            let learnt: Vec<_> = learnt.links.iter().map(links::learnt).collect::<Option<_>>()?;
            Box::new(|change| learnt.into_iter().try_for_each(|(local, seen)| change.put_link(local, seen)))
        }
        NodeRecord::Refused(refused) => read_refused(sequence, refused)?,
        NodeRecord::Recall(received) => {
            let key = recalls::key_of(received.recall.as_ref()?)?;
            Box::new(move |change| change.put_recall(&key, sequence))
        }
        NodeRecord::RecallNoted(note) => {
            let key = recalls::noted_key(note)?;
            Box::new(move |change| change.put_recall_note(&key, sequence))
        }
        NodeRecord::RecallNoteTold(told) => {
            let id = RecallId::try_from(told.recall_id.as_ref()).ok()?;
            Box::new(move |change| change.remove_recall_note(id))
        }
        NodeRecord::StudyWithdrawal(withdrawal) => {
            let study = StudyUid(withdrawal.study_uid.clone());
            Box::new(move |change| change.forget_study_instances(&study))
        }
    })
}

fn read_message(position: Position, message: &pb::MessageIntake) -> Option<Change<'_>> {
    let sequence = Sequence(position.sequence());
    let key = Digest::try_from(message.key.as_ref()).ok()?;
    let digest = Digest::try_from(message.digest.as_ref()).ok()?;
    Some(Box::new(move |change| {
        // Refused before, and taken now that its source is read otherwise.
        if let Some(refused) = change.message(names::refused_key(&key))? {
            forget_held(change, refused)?;
        }
        change.put_original(digest, place_of(position, &message.message))?;
        change.put_message(key, sequence)
    }))
}

fn read_refused(sequence: Sequence, refused: &pb::RefusedIntake) -> Option<Change<'_>> {
    let key = Digest::try_from(refused.key.as_ref()).ok()?;
    Some(Box::new(move |change| {
        if change.message(key)?.is_none() {
            let reason = format!("{}_{}", Reason::Refused, refused.answer);
            let (reference, field) = (refused.control_id.clone(), refused.field.clone());
            put_held(change, sequence, &[pb::HeldItem { reference, reason, field }])?;
        }
        change.put_message(names::refused_key(&key), sequence)
    }))
}

fn read_instance(position: Position, instance: &pb::InstanceIntake) -> Option<Change<'_>> {
    let digest = Digest::try_from(instance.digest.as_ref()).ok()?;
    let study = Some(instance.study_uid.clone()).filter(|study| !study.is_empty()).map(StudyUid);
    let kept = KeptInstance { digest, study };
    let arrival = moment(instance.received_at.as_ref())?;
    Some(Box::new(move |change| {
        change.put_original(digest, place_of(position, &instance.instance))?;
        let uid = InstanceUid(instance.instance_uid.clone());
        change.put_instance(&uid, &kept, arrival, Sequence(position.sequence()))
    }))
}

/// Says where an original lies: in its intake record, or where that holds none in a file.
fn place_of(position: Position, inline: &[u8]) -> OriginalPlace {
    if inline.is_empty() {
        return OriginalPlace::File;
    }
    let length = u32::try_from(inline.len()).unwrap_or(u32::MAX);
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
        change.release(&names::awaited_result(&entry.result))?;
        if let Content::Imaging(study) = &entry.content {
            settle_study(change, study.study_uid.clone(), entry)?;
        }
    }
    for report in entries.iter().map(|entry| entry.report).collect::<BTreeSet<_>>() {
        change.release(&names::awaited_report(&report))?;
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
        change.count_unmapped(&code.code, &code.system, &item.unit, &code.display, intake)?;
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
    for result in &outcome.awaits_results {
        let Ok(result) = ResultId::try_from(result.as_ref()) else { continue };
        await_or_again(change, &names::awaited_result(&result), change.result(result)?.is_some(), intake)?;
    }
    for report in &outcome.awaits_reports {
        let Ok(report) = ReportId::try_from(report.as_ref()) else { continue };
        await_or_again(change, &names::awaited_report(&report), !change.results_of(report)?.is_empty(), intake)?;
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
