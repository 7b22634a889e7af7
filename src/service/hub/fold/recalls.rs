//! What records do to recalls: who knows which version of what, whom a later version concerns, and how far each recall
//! has come. All of it follows from the journal alone, so that tables built anew hold the same recalls.

use std::collections::BTreeMap;

use super::{AskedAbout, ReadBack, count, organisation};
use crate::domain::entry::{Content, Entry, ResultStatus};
use crate::domain::id::{Digest, PromptId, RecallId, ResultId};
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::recall::{Cause, Doctor, Owed, Recall, Relation, Sight};
use crate::domain::time::Moment;
use crate::ports::index::IndexEntry;
use crate::service::hub::error::HubError;
use crate::store::hub::{
    DoctorTag, EntryPlace, Figure, HubChange, KeptPrompt, KeptSight, Reliance, Requalification, doctor_tag,
};
use crate::store::projection::ProjectionError;
use crate::wire::batch::Batch;
use crate::wire::cds::NOBODY;
use crate::wire::entry;
use crate::wire::field::{fixed, moment};
use crate::wire::pb;
use crate::wire::recall::{Fact, recall_id};
use crate::wire::record::Record;
use crate::wire::statement::Statement;

/// The record that is applied, and the tables that it changes.
pub(super) struct Telling<'a, 'c> {
    /// Where the record stands.
    pub place: LogPlace,
    /// When it was recorded.
    pub at: Moment,
    /// The tables.
    pub change: &'a HubChange<'c>,
    /// Reads earlier records.
    pub read_back: &'a ReadBack<'a>,
}

impl Telling<'_, '_> {
    /// Takes the entries of a batch: later versions concern whoever knows an earlier one. Of several versions of a result
    /// the last alone is told: recalls of one record have no order, and taking note of one covers the others.
    pub(super) fn versions(&self, batch: &Batch, indexed: &[IndexEntry]) -> Result<(), HubError> {
        let is_later = |entry: &&IndexEntry| entry.version > 1 || entry.status == ResultStatus::Withdrawn;
        let mut last: BTreeMap<ResultId, &IndexEntry> = BTreeMap::new();
        for arrived in indexed.iter().filter(is_later) {
            let known = last.entry(arrived.result).or_insert(arrived);
            if known.version < arrived.version {
                *known = arrived;
            }
        }
        for (result, arrived) in last {
            let stands = self.change.later_version(result)?;
            if stands.is_some_and(|(version, _)| version >= arrived.version) {
                continue;
            }
            let place = EntryPlace { batch: self.place, entry: arrived.place };
            self.change.put_later_version(result, arrived.version, place)?;
            let sights = self.change.sights(result)?;
            if sights.is_empty() {
                continue;
            }
            let new = entry_of(batch, arrived.place)?;
            for (_, kept) in sights {
                self.settle(result, kept, (arrived.version, place), Some(&new))?;
            }
        }
        Ok(())
    }

    /// Notes what a doctor did with a version of a result; one that no longer stands is a recall at once.
    pub(super) fn saw(&self, result: ResultId, seen: KeptSight) -> Result<(), HubError> {
        if seen.doctor.practitioner.is_empty() {
            return Ok(());
        }
        let known = self.change.sight(result, doctor_tag(&seen.doctor))?;
        let stronger = known.as_ref().is_some_and(|known| seen.sight.relation > known.sight.relation);
        let kept = match known {
            Some(known) => {
                let is_later = seen.sight.version >= known.sight.version;
                let prompt = if is_later { seen.prompt.or(known.prompt) } else { known.prompt };
                KeptSight { sight: known.sight.and(seen.sight), prompt, ..seen }
            }
            None => seen,
        };
        self.change.put_sight(result, &kept)?;
        let Some((version, place)) = self.change.later_version(result)? else { return Ok(()) };
        if stronger {
            let told = recall_id(&kept.doctor, result, Fact::Version(version));
            self.change.strengthen_recall(told, kept.sight.relation)?;
        }
        if version <= kept.sight.version {
            return Ok(());
        }
        let new = self.entry(place)?;
        self.settle(result, kept, (version, place), new.as_ref())
    }

    /// Notes that a doctor relies on a result, for the day on which its laboratory is judged again.
    pub(super) fn relies(
        &self,
        result: ResultId,
        doctor: &Doctor,
        place: EntryPlace,
        judged_at: LogPlace,
    ) -> Result<(), HubError> {
        if doctor.practitioner.is_empty() {
            return Ok(());
        }
        let Some(entry) = self.entry(place)? else { return Ok(()) };
        let kept = Reliance {
            laboratory: entry.laboratory,
            collected: entry.times.collected,
            result,
            doctor: doctor_tag(doctor),
            method: match &entry.content {
                Content::Laboratory(found) => found.method.clone(),
                Content::Imaging(_) => None,
            },
            items: entry.items,
            doubted: false,
        };
        self.change.put_reliance(&kept)?;
        // The laboratory was judged before this statement: this one result is judged again.
        let said = self.change.last_statement_on(kept.laboratory)?;
        if let Some((_, statement)) = said.filter(|(said, _)| *said > judged_at.sequence) {
            // One decision may accept several results of the laboratory: all days between them are judged then.
            let asked = self.place.sequence;
            let other = self.change.requalification(asked, kept.laboratory)?;
            let days = other.iter().flat_map(|other| [Some(other.from), other.to]).flatten().chain([kept.collected]);
            let by_instant = |day: &Moment| day.unix_ms();
            let (from, to) = (days.clone().min_by_key(by_instant), days.max_by_key(by_instant));
            self.change.put_requalification(&Requalification {
                asked,
                laboratory: kept.laboratory,
                from: from.unwrap_or(kept.collected),
                to: Some(to.unwrap_or(kept.collected)),
                statement,
                reached: Vec::new(),
            })?;
        }
        Ok(())
    }

    /// Tells everybody else who knows a result that a doctor says it is not the patient's.
    pub(super) fn disputed(&self, result: ResultId, prompt: PromptId, by: &Doctor) -> Result<(), HubError> {
        for (tag, kept) in self.change.sights(result)? {
            if tag != doctor_tag(by) {
                self.tell(result, &kept, Cause::NotThisPatient, None, Fact::Dispute(prompt))?;
            }
        }
        Ok(())
    }

    /// Has the past judged again of which a statement speaks.
    pub(super) fn said(&self, statement: &Statement) -> Result<(), HubError> {
        for (laboratory, from) in statement.reaches_back()? {
            self.change.put_last_statement(laboratory, self.place.sequence, statement.digest)?;
            self.change.put_requalification(&Requalification {
                asked: self.place.sequence,
                laboratory,
                from,
                to: None,
                statement: statement.digest,
                reached: Vec::new(),
            })?;
        }
        Ok(())
    }

    /// Takes a slice that was judged again.
    pub(super) fn requalified(&self, record: &pb::RequalificationRecord) -> Result<(), HubError> {
        let (asked, laboratory) = (Sequence(record.asked), organisation(&record.laboratory)?);
        let Some(kept) = self.change.requalification(asked, laboratory)? else { return Ok(()) };
        for row in &record.doubted {
            let reliance = self.change.doubt(row, true)?;
            self.doubt(&reliance, kept.statement)?;
        }
        for row in &record.cleared {
            self.change.doubt(row, false)?;
        }
        if record.reached.is_empty() {
            return Ok(self.change.end_requalification(asked, laboratory)?);
        }
        Ok(self.change.put_requalification(&Requalification { reached: record.reached.to_vec(), ..kept })?)
    }

    /// Notes which recalls a node has.
    pub(super) fn received(&self, record: &pb::RecallReceiptRecord) -> Result<(), HubError> {
        let organisation = organisation(&record.organisation)?;
        for id in &record.recall_ids {
            if self.change.deliver_recall(fixed("recall_ids", id)?, self.at)? {
                count(self.change, self.at.local_day(), organisation, None, Figure::RecallsDelivered, 1)?;
            }
        }
        Ok(())
    }

    /// Notes that somebody took note of a recall, and with it of earlier ones of the doctor about the same result.
    pub(super) fn acknowledged(&self, record: &pb::RecallAcknowledgementRecord) -> Result<(), HubError> {
        let organisation = organisation(&record.organisation)?;
        let id: RecallId = fixed("recall_id", &record.recall_id)?;
        let Some(kept) = self.change.recall(id)? else { return Ok(()) };
        let open = self.change.open_recalls(doctor_tag(&kept.recall.doctor), None, usize::MAX)?;
        let earlier = open.iter().filter(|other| other.recall.result == kept.recall.result && other.made <= kept.made);
        for recall in earlier.map(|other| other.recall.id).chain([id]) {
            if self.change.acknowledge_recall(recall, self.at)? {
                count(self.change, self.at.local_day(), organisation, None, Figure::RecallsAcknowledged, 1)?;
            }
        }
        Ok(())
    }

    fn doubt(&self, reliance: &Reliance, statement: Digest) -> Result<(), HubError> {
        let (result, doctor): (ResultId, DoctorTag) = (reliance.result, reliance.doctor);
        let Some(kept) = self.change.sight(result, doctor)? else { return Ok(()) };
        self.tell(result, &kept, Cause::QualificationSuspended, None, Fact::Statement(statement))
    }

    /// Brings a doctor from the version that she knew to the one that stands, and tells her where it says something else.
    fn settle(
        &self,
        result: ResultId,
        kept: KeptSight,
        (version, place): (u32, EntryPlace),
        new: Option<&Entry>,
    ) -> Result<(), HubError> {
        if version <= kept.sight.version {
            return Ok(());
        }
        let old = self.entry(kept.sight.place)?;
        let between = || Cause::between(old.as_ref()?, new?);
        let owed = kept.sight.owed(version, between);
        if let Owed::Recall(cause) = owed {
            self.tell(result, &kept, cause, Some((version, place)), Fact::Version(version))?;
        }
        let sight = Sight { version, place, ..kept.sight };
        Ok(self.change.put_sight(result, &KeptSight { sight, ..kept })?)
    }

    fn tell(
        &self,
        result: ResultId,
        kept: &KeptSight,
        cause: Cause,
        new: Option<(u32, EntryPlace)>,
        fact: Fact,
    ) -> Result<(), HubError> {
        let recall = Recall {
            id: recall_id(&kept.doctor, result, fact),
            doctor: kept.doctor.clone(),
            patient: kept.patient,
            result,
            cause,
            relation: kept.sight.relation,
            old: (kept.sight.version, kept.sight.place),
            new,
            prompt: kept.prompt,
            statement: match fact {
                Fact::Statement(statement) => Some(statement),
                Fact::Version(_) | Fact::Dispute(_) => None,
            },
            made_at: self.at,
        };
        if self.change.make_recall(recall, self.place.sequence)? {
            let (day, organisation) = (self.at.local_day(), kept.doctor.organisation);
            count(self.change, day, organisation, None, Figure::RecallsMade, 1)?;
        }
        Ok(())
    }

    /// Reads an entry; nothing where its place names no batch.
    fn entry(&self, place: EntryPlace) -> Result<Option<Entry>, HubError> {
        let Record::Batch(record) = (self.read_back)(place.batch)? else { return Ok(None) };
        Ok(Some(entry_of(&Batch::decode(record.batch)?, place.entry)?))
    }
}

fn entry_of(batch: &Batch, place: u16) -> Result<Entry, HubError> {
    let bytes = batch.entries.get(usize::from(place)).ok_or(ProjectionError::Damaged)?;
    Ok(entry::decode(bytes)?)
}

/// Notes that a doctor did with a prompt's result what makes the doctor rely on it, or know it better.
pub(super) fn rely(
    id: PromptId,
    kept: &KeptPrompt,
    asked: &AskedAbout,
    doctor: Doctor,
    relation: Relation,
    telling: &Telling<'_, '_>,
) -> Result<(), HubError> {
    if relation >= Relation::Accepted {
        telling.relies(kept.result, &doctor, asked.place, kept.check)?;
    }
    let sight = Sight { relation, version: kept.version, place: asked.place };
    telling.saw(kept.result, KeptSight { doctor, patient: kept.patient, sight, prompt: Some(id) })
}

/// Gives where the result of a prompt lies.
pub(super) fn place_of(prompt: &pb::PromptRecord) -> EntryPlace {
    use crate::service::hub::answer;
    EntryPlace { batch: answer::place_of(prompt), entry: answer::entry_of(prompt) }
}

/// Names the doctor who acted; the one who asked, where the order screen did not say who decided.
pub(super) fn doctor(organisation: &str, actor: Option<&pb::Actor>, asker: &str) -> Result<Doctor, HubError> {
    let practitioner = actor.map(|actor| actor.practitioner.as_str()).filter(|number| *number != NOBODY);
    let practitioner = practitioner.unwrap_or(asker).to_owned();
    Ok(Doctor { organisation: super::organisation(organisation)?, practitioner })
}

/// Notes the results that were opened without an order.
pub(super) fn opened(
    record: &pb::AccessRecord,
    access: &pb::Access,
    telling: &Telling<'_, '_>,
) -> Result<(), HubError> {
    let doctor = doctor(&access.organisation, access.actor.as_ref(), "")?;
    let patient = fixed("patient", &record.patient)?;
    for opened in &record.opened {
        let sight = Sight { relation: Relation::Viewed, version: opened.version, place: place_of(opened) };
        let seen = KeptSight { doctor: doctor.clone(), patient, sight, prompt: None };
        telling.saw(fixed("result_id", &opened.result_id)?, seen)?;
    }
    Ok(())
}

/// Reads when a record was made.
pub(super) fn at(sent: Option<&pb::Moment>) -> Result<Moment, HubError> {
    Ok(moment("at", sent)?)
}
