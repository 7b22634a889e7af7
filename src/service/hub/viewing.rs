//! What happens around a decision: results listed, shown, viewed, quoted, and checks that missed the hub.

use crate::domain::entry::ResultStatus;
use crate::domain::organisation::Caller;
use crate::ports::index::IndexEntry;
use crate::service::hub::Hub;
use crate::service::hub::answer::Speaker;
use crate::service::hub::audience::Audience;
use crate::service::hub::candidates::{Batches, Found, reports_of_others};
use crate::service::hub::error::HubError;
use crate::service::hub::fold::publisher_tag;
use crate::service::hub::grant::Purpose;
use crate::store::hub::RequestKind;
use crate::store::projection::ProjectionError;
use crate::wire::field::{FieldError, Problem, at_most, moment, named};
use crate::wire::orders::{Acknowledged, Listing, Subject};
use crate::wire::pb;
use crate::wire::record::Record;

impl Hub {
    /// Lists a patient's recent results of other organisations, newest first. The listing is recorded before it is
    /// answered.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub async fn recent_results(
        &self,
        caller: &Caller,
        sent: &pb::RecentResultsRequest,
    ) -> Result<pb::RecentResultsResponse, HubError> {
        let listing = Listing::try_from(sent)?;
        let Subject::Pseudonym(patient) = listing.subject else {
            let problem = Problem::Unwanted("ask Identity.Resolve for the pseudonym");
            return Err(FieldError::new("patient.identifiers", problem).into());
        };
        let now = self.now();
        let rules = self.parts.registry.rules(now)?;
        rules.organisation(caller.organisation)?;
        let own = publisher_tag(caller.organisation);
        let audience = self.audience(caller.organisation, patient, now)?;
        let since = now.plus_hours(-i64::from(listing.hours));
        let mut found = self.since(patient, since, audience.sees_sensitive())?;
        found.retain(|entry| {
            entry.publisher != own && entry.status != ResultStatus::Withdrawn && audience.may_admit(entry)
        });
        let (listed, truncated) = self.listed(&found, &audience, listing.limit)?;
        let speaker = Speaker { version: &rules.version, language: listing.language };
        let results: Vec<_> = listed.iter().map(|found| speaker.result(found)).collect();
        let names = listed.iter().map(|found| found.name().as_bytes().to_vec().into());
        let record = Record::Listing(pb::ListingRecord {
            organisation: caller.organisation.to_string(),
            actor: Some((&listing.asking).into()),
            patient: patient.as_bytes().to_vec().into(),
            encounter: listing.visit.encounter,
            results: u32::try_from(results.len()).unwrap_or(u32::MAX),
            existing_reports: reports_of_others(&found, caller.organisation),
            at: Some(now.into()),
            client: caller.name.clone(),
            listed: names.collect(),
        });
        self.parts.ledger.record(&[record]).await?;
        Ok(pb::RecentResultsResponse { results, truncated, degraded: None })
    }

    /// Reads results until there are enough, or no more, of those that may be listed.
    fn listed(&self, found: &[IndexEntry], audience: &Audience, limit: usize) -> Result<(Vec<Found>, bool), HubError> {
        let mut listed = Vec::new();
        let view = self.parts.state.read()?;
        for some in found.chunks(limit.max(1)) {
            let read = self.entries(some)?;
            for found in read.into_iter().filter(|found| found.key_valid && audience.admits(&found.entry).is_some()) {
                if !found.outdated(&view)? {
                    listed.push(found);
                }
            }
            if listed.len() > limit {
                listed.truncate(limit);
                return Ok((listed, true));
            }
        }
        Ok((listed, false))
    }

    /// Records that a prompt was shown, viewed or quoted; viewing gives a grant for the originals.
    ///
    /// # Errors
    /// [`HubError`]; nothing is recorded and nothing may be shown.
    pub async fn acknowledge(
        &self,
        caller: &Caller,
        sent: &pb::AcknowledgeRequest,
    ) -> Result<pb::AcknowledgeResponse, HubError> {
        let event = Acknowledged::try_from(sent)?;
        let organisation = caller.organisation;
        let _turn = self.requests.wait((organisation, format!("event {}", event.key))).await;
        self.settled().await?;
        let viewed = event.event == pb::acknowledge_request::Event::Viewed;
        let (kept, found) = if viewed {
            self.prompted_still(organisation, event.prompt)?
        } else {
            self.prompted(organisation, event.prompt)?
        };
        let place = match self.parts.state.read()?.request(organisation, RequestKind::Event, &event.key)? {
            Some(place) => {
                let Record::Event(kept) = self.parts.ledger.read(place)? else { return Err(HubError::KeyReused) };
                if kept.prompt_id != sent.prompt_id || kept.event != sent.event {
                    return Err(HubError::KeyReused);
                }
                place
            }
            None => {
                let record = Record::Event(pb::EventRecord {
                    organisation: organisation.to_string(),
                    event_key: event.key,
                    actor: Some((&event.asking).into()),
                    prompt_id: sent.prompt_id.clone(),
                    event: sent.event,
                    at: Some(self.now().into()),
                    client: caller.name.clone(),
                });
                let places = self.parts.ledger.record(&[record]).await?;
                places.first().copied().ok_or(HubError::Behind)?
            }
        };
        let (version, status) = self.standing_version(&found)?;
        Ok(pb::AcknowledgeResponse {
            standing_version: version,
            standing_status: status.into(),
            log_index: place.sequence.0,
            grant: viewed.then(|| self.grant(organisation, event.prompt, &kept, &found, Purpose::Viewed, place)),
        })
    }

    /// Finds the version of a result that stands, in whichever report its publisher put it.
    fn standing_version(&self, found: &Found) -> Result<(u32, pb::ResultStatus), HubError> {
        let known = self.parts.index.latest(found.locator())?.ok_or(ProjectionError::Damaged)?;
        let later = self.parts.state.read()?.later_version(found.name())?;
        let rank = (known.version, known.sequence, known.place);
        Ok(match later.filter(|(version, at)| (*version, at.batch.sequence, at.entry) > rank) {
            Some((version, at)) => {
                (version, self.entry(&mut Batches::default(), at.batch, at.entry)?.entry.status.into())
            }
            None => (known.version, known.status.into()),
        })
    }

    /// Records checks that a node had to answer without the hub; each once, by its key.
    ///
    /// # Errors
    /// [`HubError`]; the node keeps them and tells again.
    pub async fn report_misses(
        &self,
        caller: &Caller,
        sent: &pb::ReportMissesRequest,
    ) -> Result<pb::ReportMissesResponse, HubError> {
        at_most("misses", sent.misses.len(), MISSES_MAX)?;
        let organisation = caller.organisation;
        let _turn = self.requests.wait((organisation, "misses".to_owned())).await;
        let view = self.parts.state.read()?;
        let mut records = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        for (place, miss) in sent.misses.iter().enumerate() {
            let path = format!("misses[{place}]");
            let key = named("check_key", &miss.check_key, crate::domain::limits::KEY_BYTES_MAX)
                .map_err(|error| error.under(&path))?;
            let at = moment("at", miss.at.as_ref()).map_err(|error| error.under(&path))?;
            if view.request(organisation, RequestKind::Miss, &key)?.is_none() && keys.insert(key.clone()) {
                records.push(Record::Miss(pb::MissRecord {
                    organisation: organisation.to_string(),
                    check_key: key,
                    cause: miss.cause,
                    at: Some(at.into()),
                }));
            }
        }
        let places = if records.is_empty() { Vec::new() } else { self.parts.ledger.record(&records).await? };
        self.figures.told_misses.add(places.len());
        let last = places.last().map_or(0, |place| place.sequence.0);
        Ok(pb::ReportMissesResponse { log_index: last })
    }
}

const MISSES_MAX: usize = 1_000;
