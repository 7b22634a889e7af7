//! Audit: every access to a patient's results is a record before anything is shown, and the patient reads them all.

use bytes::Bytes;

use crate::domain::id::{Pseudonym, ResultId};
use crate::domain::limits::{ACCESS_RESULTS_MAX, HISTORY_PAGE_MAX, KEY_BYTES_MAX, TEXT_BYTES_MAX};
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::Caller;
use crate::service::hub::Hub;
use crate::service::hub::audience::Basis;
use crate::service::hub::error::HubError;
use crate::service::hub::history::{accesses_in, told};
use crate::wire::field::short;
use crate::wire::pb;
use crate::wire::record::Record;

/// An access that is about to happen, or was refused.
#[derive(Debug, Clone)]
pub struct Access {
    /// Whose results.
    pub patient: Pseudonym,
    /// The guardian who acts for the patient, if one does.
    pub guardian: Option<Pseudonym>,
    /// What is done.
    pub kind: pb::AccessKind,
    /// Who does it, as the organisation asserts; nothing for a patient.
    pub actor: Option<pb::Actor>,
    /// What for: "treatment", "patient", ...; at most 128 bytes.
    pub purpose: String,
    /// Why it is allowed; nothing when it is refused.
    pub basis: Option<Basis>,
    /// Names of the results in the region.
    pub results: Vec<ResultId>,
    /// What came of it.
    pub outcome: pb::AccessOutcome,
    /// Reason given, at most 4,096 bytes.
    pub reason: String,
    /// Whom the holder of a link says to be, at most 128 bytes.
    pub recipient: String,
}

impl Access {
    /// Makes an access that is given, by nobody in particular, to nothing yet.
    pub fn given(patient: Pseudonym, kind: pb::AccessKind, basis: Basis) -> Self {
        Self {
            patient,
            guardian: None,
            kind,
            actor: None,
            purpose: String::new(),
            basis: Some(basis),
            results: Vec::new(),
            outcome: pb::AccessOutcome::Given,
            reason: String::new(),
            recipient: String::new(),
        }
    }
}

impl Hub {
    /// Records an access durably. Call it before anything is shown: when it fails, nothing may be.
    ///
    /// # Errors
    /// [`HubError`]; refuse the access.
    pub async fn record_access(&self, caller: &Caller, access: &Access) -> Result<LogPlace, HubError> {
        let record = self.access_record(Some(caller), access)?;
        self.record_one(Record::Access(record)).await
    }

    /// Lists the accesses to a patient's results, newest first, and where the next page begins.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub fn access_history(
        &self,
        patient: Pseudonym,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<(Vec<pb::Access>, Option<Sequence>), HubError> {
        let limit = limit.clamp(1, HISTORY_PAGE_MAX);
        let view = self.parts.state.read()?;
        let places = view.accesses(patient, before.unwrap_or(Sequence(u64::MAX)), limit + 1)?;
        let next = if places.len() > limit { places.get(limit - 1).map(|place| place.sequence) } else { None };
        let version = self.parts.registry.rules(self.now())?.version;
        let mut accesses = Vec::new();
        for place in places.into_iter().take(limit) {
            let record = self.parts.ledger.read(place)?;
            let found = accesses_in(record, |prompt| {
                Ok(view.prompt(prompt)?.filter(|kept| kept.patient == patient).map(|kept| kept.result))
            })?;
            accesses.extend(found.into_iter().map(|access| told(access, place, &version)));
        }
        Ok((accesses, next))
    }

    /// Writes an access as its record; the caller's part is absent for the holder of a link.
    pub(super) fn access_record(&self, caller: Option<&Caller>, access: &Access) -> Result<pb::AccessRecord, HubError> {
        let bytes = |id: &[u8; 16]| Bytes::copy_from_slice(id);
        let consent_id = match access.basis {
            Some(Basis::Consent(consent)) => bytes(consent.as_bytes()),
            _ => Bytes::new(),
        };
        let names = access.results.iter().take(ACCESS_RESULTS_MAX).map(|name| bytes(name.as_bytes()));
        Ok(pb::AccessRecord {
            patient: bytes(access.patient.as_bytes()),
            access: Some(pb::Access {
                at: Some(self.now().into()),
                kind: access.kind.into(),
                actor: access.actor.clone(),
                organisation: caller.map(|caller| caller.organisation.to_string()).unwrap_or_default(),
                client: caller.map(|caller| caller.name.clone()).unwrap_or_default(),
                purpose: short("purpose", &access.purpose, KEY_BYTES_MAX)?,
                basis: access.basis.map_or(pb::AccessBasis::Unspecified, basis_code).into(),
                consent_id,
                results: names.collect(),
                result_count: u32::try_from(access.results.len()).unwrap_or(u32::MAX),
                outcome: access.outcome.into(),
                reason: short("reason", &access.reason, TEXT_BYTES_MAX)?,
                recipient: short("recipient", &access.recipient, KEY_BYTES_MAX)?,
                guardian: access.guardian.map(|guardian| bytes(guardian.as_bytes())).unwrap_or_default(),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    /// Writes one record, durable and projected, and gives its place.
    pub(super) async fn record_one(&self, record: Record) -> Result<LogPlace, HubError> {
        let places = self.parts.ledger.record(&[record]).await?;
        places.first().copied().ok_or(HubError::Behind)
    }
}

/// Spells a basis as records do.
pub(super) fn basis_code(basis: Basis) -> pb::AccessBasis {
    match basis {
        Basis::Own => pb::AccessBasis::Own,
        Basis::Care => pb::AccessBasis::Care,
        Basis::Consent(_) => pb::AccessBasis::Consent,
        Basis::BreakGlass => pb::AccessBasis::BreakGlass,
        Basis::Patient => pb::AccessBasis::Patient,
    }
}
