//! What patients read of themselves: every reading is a record before it is answered.

use std::collections::BTreeSet;

use crate::domain::consent::ResultClass;
use crate::domain::id::{Pseudonym, ResultId};
use crate::domain::item::ItemCode;
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::Caller;
use crate::domain::time::Moment;
use crate::service::hub::Hub;
use crate::service::hub::access::Access;
use crate::service::hub::audience::Basis;
use crate::service::hub::candidates::Found;
use crate::service::hub::consent::Acting;
use crate::service::hub::error::HubError;
use crate::service::hub::results::ResultFilter;
use crate::wire::pb;

/// Which of the own results.
#[derive(Debug, Clone, Default)]
pub struct OwnFilter {
    /// Collected or acquired at this instant or later.
    pub since: Option<Moment>,
    /// Collected or acquired before this instant.
    pub before: Option<Moment>,
    /// Of these items; empty for all.
    pub items: BTreeSet<ItemCode>,
    /// Of these kinds; empty for both.
    pub classes: BTreeSet<ResultClass>,
    /// Where the page before ended.
    pub cursor: Option<OwnCursor>,
    /// At most this many.
    pub limit: usize,
}

/// Where a page of the own results ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnCursor {
    /// When the last result was collected, in milliseconds since 1970.
    pub unix_ms: i64,
    /// How many of that instant were given.
    pub given: usize,
}

/// A page of the own results, newest first.
#[derive(Debug, Clone, Default)]
pub struct OwnResults {
    /// The results.
    pub results: Vec<pb::ResultSummary>,
    /// Where the next page begins, where there is one.
    pub next: Option<OwnCursor>,
}

/// One own result, with leave to bring its originals.
#[derive(Debug, Clone)]
pub struct OwnResult {
    /// The result.
    pub result: pb::ResultSummary,
    /// Grant for its originals.
    pub grant: pb::Grant,
}

impl Hub {
    /// Lists the results of the patient, sensitive ones too.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub async fn own_results(
        &self,
        gateway: &Caller,
        acting: Acting,
        filter: &OwnFilter,
        language: pb::Language,
    ) -> Result<OwnResults, HubError> {
        let wanted = filter.wanted()?;
        self.must_act(acting, self.now())?;
        let found = self.results_of(acting.patient, &wanted)?;
        let given = filter.cursor.map_or(0, |cursor| cursor.given);
        // Those of the last page's instant were asked for again, and stand first.
        let again = |found: &&Found| filter.cursor.is_some_and(|cursor| collected(found) == cursor.unix_ms);
        let passed = found.found.iter().take(given).take_while(again).count();
        let page: Vec<&Found> = found.found.iter().skip(passed).take(filter.limit).collect();
        let more = found.truncated || passed + page.len() < found.found.len();
        let next = page.last().filter(|_| more).map(|last| {
            let unix_ms = collected(last);
            let same = page.iter().filter(|found| collected(found) == unix_ms).count();
            let before = filter.cursor.filter(|cursor| cursor.unix_ms == unix_ms).map_or(0, |_| passed);
            OwnCursor { unix_ms, given: same + before }
        });
        self.record_reading(gateway, acting, "results", page.iter().map(|found| found.name()).collect()).await?;
        let results = page.into_iter().map(|found| self.summary(found, language)).collect::<Result<_, _>>()?;
        Ok(OwnResults { results, next })
    }

    /// Gives one result of the patient, with leave to bring its originals.
    ///
    /// # Errors
    /// [`HubError::NoResult`] when the patient has no such result.
    pub async fn own_result(
        &self,
        gateway: &Caller,
        acting: Acting,
        name: ResultId,
        language: pb::Language,
    ) -> Result<OwnResult, HubError> {
        self.must_act(acting, self.now())?;
        let found = self.result_of(acting.patient, name)?;
        let place = self.record_reading(gateway, acting, "result", vec![name]).await?;
        let grant = self.patient_grant(gateway.organisation, &found, place);
        Ok(OwnResult { result: self.summary(&found, language)?, grant })
    }

    /// Gives how one item of the patient went: the numbers that compare, oldest first.
    ///
    /// # Errors
    /// [`HubError`]; nothing is given.
    pub async fn own_trend(
        &self,
        gateway: &Caller,
        acting: Acting,
        item: ItemCode,
        language: pb::Language,
    ) -> Result<Vec<pb::ResultSummary>, HubError> {
        let (items, classes) = (BTreeSet::from([item]), BTreeSet::from([ResultClass::Laboratory]));
        let filter = OwnFilter { items, classes, limit: TREND_POINTS_MAX, ..OwnFilter::default() };
        let mut found = self.own_results(gateway, acting, &filter, language).await?.results;
        found.retain(compares);
        found.reverse();
        Ok(found)
    }

    /// Lists who has looked, newest first, and where the next page begins.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub async fn own_history(
        &self,
        gateway: &Caller,
        acting: Acting,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<(Vec<pb::Access>, Option<Sequence>), HubError> {
        self.must_act(acting, self.now())?;
        let history = self.access_history(acting.patient, before, limit)?;
        self.record_reading(gateway, acting, "history", Vec::new()).await?;
        Ok(history)
    }

    /// Lists the consents of the patient, newest first.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub async fn own_consents(&self, gateway: &Caller, acting: Acting) -> Result<Vec<pb::Consent>, HubError> {
        let consents = self.consents(acting)?;
        self.record_reading(gateway, acting, "consents", Vec::new()).await?;
        Ok(consents)
    }

    /// Says whether the patient has opted out of sharing.
    ///
    /// # Errors
    /// [`HubError`]; nothing is said.
    pub async fn own_sharing(&self, gateway: &Caller, acting: Acting) -> Result<bool, HubError> {
        self.must_act(acting, self.now())?;
        let sharing = self.sharing(acting.patient)?;
        self.record_reading(gateway, acting, "sharing", Vec::new()).await?;
        Ok(sharing.is_opted_out())
    }

    /// Lists those for whom the patient acts.
    ///
    /// # Errors
    /// [`HubError`]; nobody is listed.
    pub async fn own_wards(&self, gateway: &Caller, patient: Pseudonym) -> Result<Vec<pb::Relation>, HubError> {
        let wards = self.wards(patient)?;
        self.record_reading(gateway, Acting::oneself(patient), "relations", Vec::new()).await?;
        Ok(wards)
    }

    async fn record_reading(
        &self,
        gateway: &Caller,
        acting: Acting,
        purpose: &str,
        results: Vec<ResultId>,
    ) -> Result<LogPlace, HubError> {
        let access = Access {
            guardian: acting.guardian,
            purpose: purpose.to_owned(),
            results,
            ..Access::given(acting.patient, pb::AccessKind::PatientRead, Basis::Patient)
        };
        self.record_access(gateway, &access).await
    }
}

impl OwnFilter {
    /// Gives what the index is asked for: a page, and before it what the last page gave of its last instant.
    fn wanted(&self) -> Result<ResultFilter, HubError> {
        let (given, continued) = match self.cursor {
            None => (0, None),
            Some(cursor) => {
                let after = cursor.unix_ms.saturating_add(1);
                (cursor.given, Some(Moment::new(after, 0).map_err(|_| HubError::NoResult)?))
            }
        };
        let earliest = [self.before, continued].into_iter().flatten().min_by_key(|moment| moment.unix_ms());
        Ok(ResultFilter {
            since: self.since,
            before: earliest,
            items: self.items.clone(),
            classes: self.classes.clone(),
            include_sensitive: true,
            limit: self.limit.saturating_add(given),
        })
    }
}

fn collected(found: &Found) -> i64 {
    found.entry.times.collected.unix_ms()
}

/// Says whether a result is a number that compares with others of its item.
fn compares(result: &pb::ResultSummary) -> bool {
    let Some(pb::result_summary::Content::LaboratoryResult(found)) = &result.content else { return false };
    let reportable = matches!(result.status(), pb::ResultStatus::Final | pb::ResultStatus::Corrected);
    let number = matches!(found.value, Some(pb::laboratory_result::Value::Quantity(_)));
    reportable && number && found.comparability() == pb::Comparability::Comparable
}

const TREND_POINTS_MAX: usize = 60;
