//! A patient's recent results: one range scan of the index, then the entries that may matter, read from their batches.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry as Slot};

use crate::domain::entry::{Entry, Sensitivity};
use crate::domain::id::{Pseudonym, ReportTag, ResultId};
use crate::domain::limits::CANDIDATES_MAX;
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::OrganisationCode;
use crate::domain::policy::{Anchor, Policy};
use crate::domain::time::Moment;
use crate::pki::signing::SigningKeyId;
use crate::ports::index::IndexEntry;
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::fold::publisher_tag;
use crate::store::hub::HubView;
use crate::store::projection::ProjectionError;
use crate::wire::batch::Batch;
use crate::wire::entry;
use crate::wire::field::moment;
use crate::wire::record::Record;

/// An entry with what is known of it beside its own bytes.
#[derive(Debug, Clone)]
pub struct Found {
    /// The entry.
    pub entry: Entry,
    /// The record that holds its batch.
    pub batch: LogPlace,
    /// Its place in the batch.
    pub place: u16,
    /// Whether the key that signed it is still believed for the time it signed.
    pub key_valid: bool,
}

/// Batches read for one question; results of one report mostly share a batch.
#[derive(Default)]
pub struct Batches {
    read: BTreeMap<Sequence, (Batch, bool)>,
}

impl Hub {
    /// Scans a patient's latest results, newest first, as far back as any window of the policy reaches.
    ///
    /// # Errors
    /// [`HubError::Index`] when the index is damaged; no answer is given rather than "no earlier result".
    pub fn recent(
        &self,
        patient: Pseudonym,
        policy: &Policy,
        now: Moment,
        sensitive: bool,
    ) -> Result<Vec<IndexEntry>, HubError> {
        let window = i64::from(policy.longest_window().0);
        // Where age counts from the report, a specimen may have waited for it.
        let waiting = if policy.anchor == Anchor::Reported { REPORT_WAIT_HOURS } else { 0 };
        self.since(patient, now.plus_hours(-(window + waiting + DAY_HOURS)), sensitive)
    }

    /// Scans a patient's latest results collected at `not_before` or later, newest first; those that their publisher
    /// calls sensitive only when asked for.
    ///
    /// # Errors
    /// As for [`Hub::recent`].
    pub fn since(&self, patient: Pseudonym, not_before: Moment, sensitive: bool) -> Result<Vec<IndexEntry>, HubError> {
        let mut found = self.parts.index.scan(patient, not_before, CANDIDATES_MAX)?;
        found.retain(|entry| !entry.superseded && (sensitive || entry.sensitivity == Sensitivity::Normal));
        Ok(found)
    }

    /// Reads the entries behind index entries: each alone, or out of its batch where its signer had a key revoked.
    ///
    /// # Errors
    /// [`HubError`] when the journal or the index is damaged; no answer is given.
    pub fn entries<'i>(&self, indexed: impl IntoIterator<Item = &'i IndexEntry>) -> Result<Vec<Found>, HubError> {
        let revoked = self.parts.registry.revoked_signers();
        let mut batches = Batches::default();
        let read = indexed.into_iter().map(|indexed| {
            let (batch, place) = (batch_place(indexed), indexed.place);
            if let Some(bytes) = self.piece(indexed)? {
                let entry = entry::decode(&bytes)?;
                if !revoked.contains(&entry.publisher) {
                    return Ok(Found { entry, batch, place, key_valid: true });
                }
            }
            self.entry(&mut batches, batch, place)
        });
        read.collect()
    }

    /// Reads an entry out of its batch.
    ///
    /// # Errors
    /// [`HubError`] when the journal is damaged.
    pub fn entry(&self, batches: &mut Batches, batch: LogPlace, place: u16) -> Result<Found, HubError> {
        let (read, key_valid) = match batches.read.entry(batch.sequence) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => {
                let Record::Batch(record) = self.parts.ledger.read(batch)? else {
                    return Err(ProjectionError::Damaged.into());
                };
                let received_at = moment("received_at", record.received_at.as_ref())?;
                let read = Batch::decode(record.batch)?;
                let key_valid = self.parts.registry.key_counts(SigningKeyId(read.header.key_id), received_at);
                slot.insert((read, key_valid))
            }
        };
        let bytes = read.entries.get(usize::from(place)).ok_or(ProjectionError::Damaged)?;
        Ok(Found { entry: entry::decode(bytes)?, batch, place, key_valid: *key_valid })
    }
}

/// Gives the reports of other organisations among a patient's results, for the recognition rate's denominator.
pub fn reports_of_others(found: &[IndexEntry], organisation: OrganisationCode) -> Vec<bytes::Bytes> {
    let own = publisher_tag(organisation);
    let others = found.iter().filter(|entry| entry.publisher != own && entry.sensitivity == Sensitivity::Normal);
    let reports: BTreeSet<ReportTag> = others.map(|entry| entry.report).collect();
    reports.iter().take(REPORTS_MAX).map(|report| report.as_bytes().to_vec().into()).collect()
}

/// Says whether another version of a result stands than the one at a place in the log: a greater one, or of equal ones a
/// withdrawal that came later. Within a report the index knows itself; a publisher may have moved the result to another.
///
/// # Errors
/// [`ProjectionError`]; nothing may be shown.
pub(super) fn outdated(
    view: &HubView,
    name: ResultId,
    version: u32,
    (batch, place): (LogPlace, u16),
) -> Result<bool, ProjectionError> {
    let later = view.later_version(name)?;
    Ok(later.is_some_and(|(later, at)| (later, at.batch.sequence, at.entry) > (version, batch.sequence, place)))
}

impl Found {
    /// Says of a result as [`outdated`] does.
    pub(super) fn outdated(&self, view: &HubView) -> Result<bool, ProjectionError> {
        outdated(view, self.name(), self.entry.version, (self.batch, self.place))
    }
}

/// Gives where an index entry's batch lies.
pub fn batch_place(entry: &IndexEntry) -> LogPlace {
    LogPlace { sequence: entry.sequence, position: entry.position }
}

/// Added to every window, for times known to the day.
pub(super) const DAY_HOURS: i64 = 24;
/// Longest time from collection to report that is looked for, in hours.
pub(super) const REPORT_WAIT_HOURS: i64 = 30 * DAY_HOURS;
const REPORTS_MAX: usize = 500;
