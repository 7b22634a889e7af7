//! Opening results without an order in hand: by the patient's consent, or by break-glass with a reason. The opening is a
//! record, with who, why and which, before anything is shown; the patient reads it.

use std::collections::BTreeSet;

use crate::domain::consent::Standing;
use crate::domain::id::{PromptId, Pseudonym, ResultId};
use crate::domain::limits::ACCESS_RESULTS_MAX;
use crate::domain::log::LogPlace;
use crate::domain::organisation::Caller;
use crate::domain::time::Moment;
use crate::service::hub::Hub;
use crate::service::hub::access::Access;
use crate::service::hub::answer::{Speaker, prompt_record};
use crate::service::hub::audience::{Basis, Standed, basis_of, covers, sharing, standed};
use crate::service::hub::candidates::Found;
use crate::service::hub::decide::GRANT_MS;
use crate::service::hub::error::HubError;
use crate::service::hub::grant::Purpose;
use crate::service::hub::registry::Version;
use crate::service::hub::results::{ResultFilter, Results};
use crate::store::hub::RequestKind;
use crate::wire::field::{FieldError, Problem, moment};
use crate::wire::orders::{Opening, OpeningBasis, Subject};
use crate::wire::pb;
use crate::wire::record::Record;

impl Hub {
    /// Opens results to a doctor. The same key opens them again while its grants last.
    ///
    /// # Errors
    /// [`HubError::NotPermitted`], which the patient reads too, or [`HubError::BreakGlassDenied`]; nothing is shown.
    pub async fn open(&self, caller: &Caller, sent: &pb::OpenRequest) -> Result<pb::OpenResponse, HubError> {
        let opening = Opening::try_from(sent)?;
        let Subject::Pseudonym(patient) = opening.subject else {
            let problem = Problem::Unwanted("ask Identity.Resolve for the pseudonym");
            return Err(FieldError::new("patient.identifiers", problem).into());
        };
        let now = self.now();
        let version = self.parts.registry.rules(now)?.version;
        version.organisations.get(&caller.organisation).ok_or(HubError::Unlisted)?;
        let _turn = self.requests.wait((caller.organisation, format!("open {}", opening.key))).await;
        let kept = self.parts.state.read()?.request(caller.organisation, RequestKind::Opening, &opening.key)?;
        let (basis, results, place) = match kept {
            Some(place) => self.opened_before(caller, patient, &opening, place, now)?,
            None => self.open_now(caller, patient, &opening, &version, now).await?,
        };
        let (purpose, consent) = match basis {
            Basis::Consent(consent) => (Purpose::Consented, Some(consent)),
            _ => (Purpose::BreakGlass, None),
        };
        let speaker = Speaker { version: &version, language: opening.language };
        let opened = results.found.iter().map(|found| pb::OpenedResult {
            result: Some(speaker.result(found)),
            grant: Some(self.grant_without_prompt(caller.organisation, found, purpose, consent, place)),
        });
        let opened = opened.collect();
        Ok(pb::OpenResponse { results: opened, truncated: results.truncated, log_index: place.sequence.0 })
    }

    async fn open_now(
        &self,
        caller: &Caller,
        patient: Pseudonym,
        opening: &Opening,
        version: &Version,
        now: Moment,
    ) -> Result<(Basis, Results, LogPlace), HubError> {
        let mut found = self.wanted(patient, opening, now)?;
        let mut access = Access {
            actor: Some((&opening.asking).into()),
            purpose: "treatment".to_owned(),
            ..Access::given(patient, pb::AccessKind::Opened, Basis::BreakGlass)
        };
        // Held until the use is recorded, so that two at once do not both use the last one.
        let mut _turn = None;
        let mut counts = false;
        match &opening.basis {
            OpeningBasis::BreakGlass(_) if !version.policy.break_glass => return Err(HubError::BreakGlassDenied),
            OpeningBasis::BreakGlass(reason) => access.reason.clone_from(reason),
            OpeningBasis::Consent(asked) => {
                let audience = self.audience(caller.organisation, patient, now)?;
                let permits = |standed: &&Standed| {
                    asked.is_none_or(|asked| standed.consent.id == asked)
                        && found.found.iter().any(|found| audience.permits(standed, &found.entry))
                };
                let Some(chosen) = audience.consents().iter().find(permits).map(|standed| standed.consent.id) else {
                    return self.refuse_opening(caller, access, &found).await;
                };
                _turn = Some(self.consents.wait(chosen).await);
                let kept = self.parts.state.read()?.consent(chosen)?.ok_or(HubError::NoConsent)?;
                let standed = standed(kept)?;
                found.found.retain(|found| audience.permits(&standed, &found.entry));
                if found.found.is_empty() {
                    return self.refuse_opening(caller, access, &found).await;
                }
                access.purpose = standed.consent.purpose.as_str().to_owned();
                access.basis = Some(Basis::Consent(chosen));
                counts = true;
            }
        }
        access.results = found.found.iter().map(Found::name).collect();
        let basis = access.basis.unwrap_or(Basis::BreakGlass);
        let record = self.access_record(Some(caller), &access)?;
        let opened = found.found.iter().take(ACCESS_RESULTS_MAX).map(opened_place).collect();
        let record = pb::AccessRecord { key: opening.key.clone(), counts, opened, ..record };
        let place = self.record_one(Record::Access(record)).await?;
        if basis == Basis::BreakGlass {
            tracing::warn!(organisation = %caller.organisation, log_index = place.sequence.0, "the glass was broken");
        }
        Ok((basis, found, place))
    }

    /// Records that somebody wanted to look and might not, and refuses.
    async fn refuse_opening<T>(&self, caller: &Caller, access: Access, found: &Results) -> Result<T, HubError> {
        let results = found.found.iter().map(Found::name).collect();
        let outcome = pb::AccessOutcome::Refused;
        self.record_access(caller, &Access { basis: None, results, outcome, ..access }).await?;
        Err(HubError::NotPermitted)
    }

    /// Finds what an earlier opening with the key opened, as far as its basis still holds.
    fn opened_before(
        &self,
        caller: &Caller,
        patient: Pseudonym,
        opening: &Opening,
        place: LogPlace,
        now: Moment,
    ) -> Result<(Basis, Results, LogPlace), HubError> {
        let Record::Access(kept) = self.parts.ledger.read(place)? else { return Err(HubError::KeyReused) };
        let access = kept.access.unwrap_or_default();
        let basis = basis_of(&access)?.ok_or(HubError::KeyReused)?;
        let same = match &opening.basis {
            OpeningBasis::BreakGlass(reason) => basis == Basis::BreakGlass && *reason == access.reason,
            OpeningBasis::Consent(None) => matches!(basis, Basis::Consent(_)),
            OpeningBasis::Consent(Some(asked)) => basis == Basis::Consent(*asked),
        };
        let asked = opening.result.map(|name| vec![name]);
        let names = access.results.iter().map(|name| ResultId::try_from(name.as_ref()));
        let names: Vec<ResultId> = names.collect::<Result<_, _>>().map_err(|_| HubError::KeyReused)?;
        if !same || kept.patient != patient.as_bytes().as_slice() || asked.is_some_and(|asked| asked != names) {
            return Err(HubError::KeyReused);
        }
        if now.ms_since(moment("at", access.at.as_ref())?) >= GRANT_MS {
            return Err(HubError::OpeningOver);
        }
        let mut results = Results::default();
        for found in self.results_named(patient, &names)? {
            if self.still_open(caller, basis, &found, now)? {
                results.found.push(found);
            }
        }
        Ok((basis, results, place))
    }

    /// Says whether a basis on which something was opened still holds, whatever uses it had.
    pub(super) fn still_open(
        &self,
        caller: &Caller,
        basis: Basis,
        found: &Found,
        now: Moment,
    ) -> Result<bool, HubError> {
        let version = self.parts.registry.rules(now)?.version;
        Ok(match basis {
            Basis::Own | Basis::Patient => true,
            Basis::BreakGlass => version.policy.break_glass,
            Basis::Care => self.audience(caller.organisation, found.entry.patient, now)?.admits(&found.entry).is_some(),
            Basis::Consent(consent) => {
                let view = self.parts.state.read()?;
                let Some(kept) = view.consent(consent)? else { return Ok(false) };
                let standed = standed(kept)?;
                let standing = Standing { uses: 0, sharing: sharing(&view, found.entry.patient)? };
                standed.consent.patient == found.entry.patient
                    && standed.consent.holds(now, standing).is_ok()
                    && covers(&standed.consent.extent, &found.entry, &version)
            }
        })
    }

    /// Finds what is asked for, whoever may see it.
    fn wanted(&self, patient: Pseudonym, opening: &Opening, now: Moment) -> Result<Results, HubError> {
        if let Some(name) = opening.result {
            return match self.result_of(patient, name) {
                Ok(found) => Ok(Results { found: vec![found], truncated: false }),
                // Whether it exists is nobody's business who may not see it.
                Err(HubError::NoResult) => Ok(Results::default()),
                Err(error) => Err(error),
            };
        }
        self.results_of(
            patient,
            &ResultFilter {
                since: Some(now.plus_hours(-i64::from(opening.hours))),
                before: None,
                items: BTreeSet::new(),
                classes: BTreeSet::new(),
                include_sensitive: true,
                limit: opening.limit,
            },
        )
    }
}

/// Writes which version of a result was opened, and where it lies.
fn opened_place(found: &Found) -> pb::PromptRecord {
    let place = prompt_record(PromptId::new([0; 16]), "", &[], found);
    pb::PromptRecord { prompt_id: bytes::Bytes::new(), ..place }
}
