//! A patient's results as the patient may see them: of all publishers, the latest version of each, withdrawn ones marked,
//! sensitive ones too; and leave to bring their originals.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::consent::ResultClass;
use crate::domain::entry::Sensitivity;
use crate::domain::id::{ConsentId, Pseudonym, ResultId, ResultLocator};
use crate::domain::item::ItemCode;
use crate::domain::limits::CANDIDATES_MAX;
use crate::domain::log::LogPlace;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::ports::index::{EntryKind, IndexEntry};
use crate::service::hub::Hub;
use crate::service::hub::answer::Speaker;
use crate::service::hub::candidates::{Found, batch_place, outdated};
use crate::service::hub::decide::GRANT_MS;
use crate::service::hub::error::HubError;
use crate::service::hub::fold::{regional, report_tag};
use crate::service::hub::grant::{Grant, Purpose};
use crate::wire::pb;

/// Which of a patient's results.
#[derive(Debug, Clone)]
pub struct ResultFilter {
    /// Collected or acquired at this instant or later.
    pub since: Option<Moment>,
    /// Collected or acquired before this instant: the next page of a list.
    pub before: Option<Moment>,
    /// Of these items; empty for all.
    pub items: BTreeSet<ItemCode>,
    /// Of these kinds; empty for both.
    pub classes: BTreeSet<ResultClass>,
    /// Sensitive ones too.
    pub include_sensitive: bool,
    /// At most this many.
    pub limit: usize,
}

/// A patient's results, newest first.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// What was found.
    pub found: Vec<Found>,
    /// There were more.
    pub truncated: bool,
}

impl Found {
    /// Gives the result's name in the region.
    pub fn name(&self) -> ResultId {
        regional(self.entry.publisher, self.entry.result)
    }

    /// Gives what the result is found by in the index.
    pub fn locator(&self) -> ResultLocator {
        ResultLocator::of(report_tag(self.entry.publisher, self.entry.report), self.name())
    }
}

impl Hub {
    /// Finds a patient's results. Whoever shows them records the access first.
    ///
    /// What a doctor said to be another person's is not among them.
    ///
    /// # Errors
    /// [`HubError`] when index or journal are damaged; nothing is shown rather than a part.
    pub fn results_of(&self, patient: Pseudonym, filter: &ResultFilter) -> Result<Results, HubError> {
        let version = self.parts.registry.rules(self.now())?.version;
        let since = filter.since.map_or_else(|| Moment::new(0, 0), Ok).map_err(|_| HubError::Behind)?;
        let (mut results, view) = (Results::default(), self.parts.state.read()?);
        let indexed = self.parts.index.scan(patient, since, CANDIDATES_MAX)?;
        for indexed in indexed.into_iter().filter(|indexed| wanted(indexed, filter)) {
            if view.disputed(indexed.result)?
                || outdated(&view, indexed.result, indexed.version, (batch_place(&indexed), indexed.place))?
            {
                continue;
            }
            let read = self.entries([&indexed])?;
            let matching = read.into_iter().filter(|found| {
                let of_items = filter.items.is_empty() || found.entry.items.iter().any(|it| filter.items.contains(it));
                let shown = filter.include_sensitive || !super::audience::sensitive(&version, &found.entry);
                found.key_valid && of_items && shown
            });
            results.found.extend(matching);
            if results.found.len() > filter.limit {
                results.found.truncate(filter.limit);
                results.truncated = true;
                break;
            }
        }
        Ok(results)
    }

    /// Finds results of a patient by their names in the region, in the versions that stand. One scan of the index.
    ///
    /// # Errors
    /// [`HubError::NoResult`] when the patient has not all of them.
    pub fn results_named(&self, patient: Pseudonym, names: &[ResultId]) -> Result<Vec<Found>, HubError> {
        let (view, mut standing) = (self.parts.state.read()?, BTreeMap::new());
        for indexed in self.all_of(patient, None)?.into_iter().filter(|indexed| !indexed.superseded) {
            if names.contains(&indexed.result)
                && !outdated(&view, indexed.result, indexed.version, (batch_place(&indexed), indexed.place))?
            {
                standing.insert(indexed.result, indexed);
            }
        }
        let read = |name: &ResultId| {
            let indexed = standing.get(name).ok_or(HubError::NoResult)?;
            if view.disputed(*name)? {
                return Err(HubError::NoResult);
            }
            let found = self.entries([indexed])?.into_iter().find(|found| found.key_valid);
            found.filter(|found| found.entry.patient == patient).ok_or(HubError::NoResult)
        };
        names.iter().map(read).collect()
    }

    /// Finds one such result.
    ///
    /// # Errors
    /// [`HubError::NoResult`] when the patient has no such result.
    pub fn result_of(&self, patient: Pseudonym, name: ResultId) -> Result<Found, HubError> {
        self.results_named(patient, &[name])?.pop().ok_or(HubError::NoResult)
    }

    /// Writes a result in words, in the language asked.
    ///
    /// # Errors
    /// [`HubError::NoPolicy`] before any policy is in force.
    pub fn summary(&self, found: &Found, language: pb::Language) -> Result<pb::ResultSummary, HubError> {
        let version = self.parts.registry.rules(self.now())?.version;
        Ok(Speaker { version: &version, language }.result(found))
    }

    /// Gives leave to bring the originals of a result for the patient, to the organisation through which the patient
    /// reads; `given` is the record of that reading.
    pub fn patient_grant(&self, organisation: OrganisationCode, found: &Found, given: LogPlace) -> pb::Grant {
        self.grant_without_prompt(organisation, found, Purpose::Patient, None, given)
    }

    /// Gives leave that comes from no prompt.
    pub(super) fn grant_without_prompt(
        &self,
        organisation: OrganisationCode,
        found: &Found,
        purpose: Purpose,
        consent: Option<ConsentId>,
        given: LogPlace,
    ) -> pb::Grant {
        let expires_unix_ms = self.now().unix_ms() + GRANT_MS;
        let token = self.parts.grants.seal(&Grant {
            organisation,
            purpose,
            prompt: None,
            consent,
            given,
            result: found.name(),
            batch: found.batch,
            entry: found.place,
            expires_unix_ms,
        });
        pb::Grant { token, expires_unix_ms }
    }
}

fn wanted(indexed: &IndexEntry, filter: &ResultFilter) -> bool {
    let class = match indexed.kind {
        EntryKind::Laboratory => ResultClass::Laboratory,
        EntryKind::Imaging => ResultClass::Imaging,
    };
    !indexed.superseded
        && filter.before.is_none_or(|before| indexed.collected.unix_ms() < before.unix_ms())
        && (filter.classes.is_empty() || filter.classes.contains(&class))
        && (filter.items.is_empty() || indexed.items.may_answer(|item| filter.items.contains(&item)))
        && (filter.include_sensitive || indexed.sensitivity == Sensitivity::Normal)
}
