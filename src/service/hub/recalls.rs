//! Recalls on their way: to the node of each organisation until it has them, to doctors until somebody takes note, and
//! in figures to whoever oversees the exchange. Who is owed one is decided in `fold`, from the journal alone.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::id::{Pseudonym, RecallId};
use crate::domain::limits::RECALLS_TOLD_MAX;
use crate::domain::log::Sequence;
use crate::domain::organisation::{Caller, OrganisationCode, Role};
use crate::domain::recall::Doctor;
use crate::service::hub::Hub;
use crate::service::hub::answer::Speaker;
use crate::service::hub::candidates::{Batches, Found};
use crate::service::hub::error::HubError;
use crate::store::hub::{EntryPlace, Figure, KeptRecall, doctor_tag};
use crate::wire::cds::{Words, recall_sentence};
use crate::wire::field::parsed;
use crate::wire::pb;
use crate::wire::recall::{acknowledged, confirmed};
use crate::wire::record::Record;

/// How far a stream of recalls has come.
pub type Told = Option<(Sequence, RecallId)>;

impl Hub {
    /// Waits until an organisation has recalls that its node has not confirmed and that this stream has not told, and
    /// gives them with how far the stream has come then.
    ///
    /// # Errors
    /// [`HubError`]; the stream ends, and the next one begins again.
    pub async fn next_recalls(
        self: &Arc<Self>,
        organisation: OrganisationCode,
        told: Told,
    ) -> Result<(Vec<pb::Recall>, Told), HubError> {
        let mut projected = self.parts.ledger.changes();
        loop {
            projected.borrow_and_update();
            let hub = Arc::clone(self);
            let found = tokio::task::spawn_blocking(move || {
                let kept = hub.parts.state.read()?.undelivered_recalls(organisation, told, RECALLS_TOLD_MAX)?;
                let last = kept.last().map(|kept| (kept.made, kept.recall.id));
                let recalls = kept.iter().map(|kept| hub.told(kept)).collect::<Result<Vec<_>, _>>()?;
                Ok::<_, HubError>((recalls, last))
            });
            let (recalls, last) = found.await.map_err(|_| HubError::Behind)??;
            if !recalls.is_empty() {
                return Ok((recalls, last));
            }
            projected.changed().await.map_err(|_| HubError::Behind)?;
            // Recalls are rare and records are not: a look for many records is enough.
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Notes that an organisation's node has recalls on its disk.
    ///
    /// # Errors
    /// [`HubError`]; the node confirms again.
    pub async fn receive_recalls(
        &self,
        caller: &Caller,
        sent: &pb::ReceiveRecallsRequest,
    ) -> Result<pb::ReceiveRecallsResponse, HubError> {
        let ids = confirmed(sent)?;
        let _turn = self.requests.wait((caller.organisation, "recalls".to_owned())).await;
        let fresh = self.undelivered_of(caller.organisation, &ids)?;
        if !fresh.is_empty() {
            self.record_one(Record::RecallReceipt(pb::RecallReceiptRecord {
                organisation: caller.organisation.to_string(),
                recall_ids: fresh,
                at: Some(self.now().into()),
            }))
            .await?;
        }
        Ok(pb::ReceiveRecallsResponse {})
    }

    /// Gives those of an organisation's recalls of which it is not known yet that its node has them.
    fn undelivered_of(&self, organisation: OrganisationCode, ids: &[RecallId]) -> Result<Vec<Bytes>, HubError> {
        let view = self.parts.state.read()?;
        let mut undelivered = Vec::new();
        for id in ids {
            let kept = view.recall(*id)?.filter(|kept| kept.recall.doctor.organisation == organisation);
            if kept.ok_or(HubError::NoRecall)?.delivered.is_none() {
                undelivered.push(Bytes::copy_from_slice(id.as_bytes()));
            }
        }
        Ok(undelivered)
    }

    /// Lists a doctor's recalls that nobody has acknowledged, of one patient where one is given. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub fn open_recalls(
        &self,
        organisation: OrganisationCode,
        practitioner: &str,
        patient: Option<Pseudonym>,
    ) -> Result<Vec<pb::Recall>, HubError> {
        let doctor = doctor_tag(&Doctor { organisation, practitioner: practitioner.to_owned() });
        let kept = self.parts.state.read()?.open_recalls(doctor, patient, RECALLS_TOLD_MAX)?;
        kept.iter().map(|kept| self.told(kept)).collect()
    }

    /// Records that somebody took note of a recall; once.
    ///
    /// # Errors
    /// [`HubError::NoRecall`] when the organisation has none of this name.
    pub async fn acknowledge_recall(
        &self,
        caller: &Caller,
        sent: &pb::AcknowledgeRecallRequest,
    ) -> Result<pb::AcknowledgeRecallResponse, HubError> {
        let (id, asking) = acknowledged(sent)?;
        let _turn = self.requests.wait((caller.organisation, format!("recall {id}"))).await;
        let kept = self.parts.state.read()?.recall(id)?;
        let kept = kept.filter(|kept| kept.recall.doctor.organisation == caller.organisation);
        if kept.ok_or(HubError::NoRecall)?.acknowledged.is_none() {
            self.record_one(Record::RecallAcknowledgement(pb::RecallAcknowledgementRecord {
                organisation: caller.organisation.to_string(),
                recall_id: Bytes::copy_from_slice(id.as_bytes()),
                actor: Some((&asking).into()),
                at: Some(self.now().into()),
                client: caller.name.clone(),
            }))
            .await?;
        }
        Ok(pb::AcknowledgeRecallResponse {})
    }

    /// Counts recalls and lists the newest, without patient and doctor. A hospital is answered for itself alone. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// [`HubError::OthersFigures`], or [`HubError::Field`].
    pub fn recall_figures(&self, caller: &Caller, sent: &pb::RecallsRequest) -> Result<pb::RecallsResponse, HubError> {
        let asked = match sent.organisation.as_str() {
            "" => None,
            code => Some(parsed("organisation", code, "organisation code")?),
        };
        let of = match (caller.role, asked) {
            (Role::Hospital, Some(other)) if other != caller.organisation => return Err(HubError::OthersFigures),
            (Role::Hospital, _) => Some(caller.organisation),
            (_, asked) => asked,
        };
        let view = self.parts.state.read()?;
        let mut answer = pb::RecallsResponse::default();
        view.figures(i64::MIN, i64::MAX, |key, count| {
            if key.item.is_none() && of.is_none_or(|of| of == key.organisation) {
                match key.figure {
                    Figure::RecallsMade => answer.made += count,
                    Figure::RecallsDelivered => answer.delivered += count,
                    Figure::RecallsAcknowledged => answer.acknowledged += count,
                    _ => {}
                }
            }
        })?;
        answer.open = answer.made.saturating_sub(answer.acknowledged);
        let age_ms = view.oldest_open_recall(of)?.map_or(0, |made_at| self.now().ms_since(made_at));
        answer.oldest_open_age_s = u64::try_from(age_ms / 1_000).unwrap_or(0);
        let limit = listed_max(sent.limit);
        let mut kept = Vec::new();
        view.recalls(|recall| {
            let wanted = of.is_none_or(|of| of == recall.recall.doctor.organisation)
                && !(sent.open_only && recall.acknowledged.is_some());
            answer.truncated = wanted && kept.len() == limit;
            if answer.truncated {
                return ControlFlow::Break(());
            }
            kept.extend(wanted.then_some(recall));
            ControlFlow::Continue(())
        })?;
        answer.recalls = kept.iter().map(|kept| self.recall_row(kept)).collect::<Result<_, _>>()?;
        Ok(answer)
    }

    /// Ends the streams of recalls, so that a stop does not wait for them.
    pub fn close_recalls(&self) {
        self.recalls_closed.cancel();
    }

    /// Waits until the streams of recalls are to end.
    pub async fn recalls_closed(&self) {
        self.recalls_closed.cancelled().await;
    }

    /// Writes a recall for the organisation whose doctor is told. A value that it may no longer see is left out.
    fn told(&self, kept: &KeptRecall) -> Result<pb::Recall, HubError> {
        let recall = &kept.recall;
        let version = self.parts.registry.rules(self.now())?.version;
        let speaker = Speaker { version: &version, language: pb::Language::Zh };
        let audience = self.audience(recall.doctor.organisation, recall.patient, self.now())?;
        let mut batches = Batches::default();
        let mut read = |place: EntryPlace| self.entry(&mut batches, place.batch, place.entry);
        let summary = |found: &Found| match audience.admits(&found.entry) {
            Some(_) => speaker.result(found),
            None => pb::ResultSummary { content: None, originals: Vec::new(), ..speaker.result(found) },
        };
        let old = read(recall.old.1)?;
        let new = recall.new.map(|(_, place)| read(place)).transpose()?;
        let new = new.filter(|new| audience.admits(&new.entry).is_some());
        let (encounter, prompt_id) = self.asked(kept)?;
        let mut told = pb::Recall {
            recall_id: Bytes::copy_from_slice(recall.id.as_bytes()),
            cause: pb::RecallCause::from(recall.cause).into(),
            urgent: recall.cause.is_urgent(),
            organisation: recall.doctor.organisation.to_string(),
            practitioner: recall.doctor.practitioner.clone(),
            relation: pb::RecallRelation::from(recall.relation).into(),
            patient: Bytes::copy_from_slice(recall.patient.as_bytes()),
            result_name: Bytes::copy_from_slice(recall.result.as_bytes()),
            old: Some(summary(&old)),
            new: new.as_ref().map(summary),
            old_version: recall.old.0,
            new_version: recall.new.map_or(0, |(version, _)| version),
            prompt_id,
            encounter,
            made_at: Some(recall.made_at.into()),
            text_zh: String::new(),
            text_en: String::new(),
            statement: recall.statement.map(|it| Bytes::copy_from_slice(it.as_bytes())).unwrap_or_default(),
            log_index: kept.made.0,
        };
        told.text_zh = recall_sentence(&told, Words(pb::Language::Zh));
        told.text_en = recall_sentence(&told, Words(pb::Language::En));
        Ok(told)
    }

    /// Gives the number of the visit in which the doctor was prompted, and the prompt where it was about this version.
    fn asked(&self, kept: &KeptRecall) -> Result<(String, Bytes), HubError> {
        let Some(id) = kept.recall.prompt else { return Ok(Default::default()) };
        let Some(prompt) = self.parts.state.read()?.prompt(id)? else { return Ok(Default::default()) };
        let named =
            if prompt.version == kept.recall.old.0 { Bytes::copy_from_slice(id.as_bytes()) } else { Bytes::new() };
        match self.parts.ledger.read(prompt.check)? {
            Record::Check(check) => Ok((check.visit.map(|visit| visit.encounter).unwrap_or_default(), named)),
            _ => Ok((String::new(), named)),
        }
    }

    fn recall_row(&self, kept: &KeptRecall) -> Result<pb::RecallRow, HubError> {
        let recall = &kept.recall;
        let place = recall.old.1;
        let entry = self.entry(&mut Batches::default(), place.batch, place.entry)?.entry;
        Ok(pb::RecallRow {
            recall_id: Bytes::copy_from_slice(recall.id.as_bytes()),
            organisation: recall.doctor.organisation.to_string(),
            publisher: entry.publisher.to_string(),
            items: entry.items.iter().map(ToString::to_string).collect(),
            cause: pb::RecallCause::from(recall.cause).into(),
            relation: pb::RecallRelation::from(recall.relation).into(),
            old_version: recall.old.0,
            new_version: recall.new.map_or(0, |(version, _)| version),
            made_at: Some(recall.made_at.into()),
            delivered_at: kept.delivered.map(Into::into),
            acknowledged_at: kept.acknowledged.map(Into::into),
            log_index: kept.made.0,
        })
    }
}

/// Reads how many rows are listed: 1 to 1,000, 0 for 100.
pub(super) fn listed_max(asked: u32) -> usize {
    match asked {
        0 => 100,
        asked => usize::try_from(asked.min(1_000)).unwrap_or(1_000),
    }
}

/// How long a stream waits after a record before it looks for recalls again.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
pub mod tests;
