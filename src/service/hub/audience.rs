//! What an organisation may see of a patient, and by what right: its own results, care under way where the patient
//! shares, the patient's consent, or a glass that was broken a moment ago. Asked at every use; nothing of it is cached.

use std::sync::Arc;

use crate::domain::consent::{Consent, Extent, Facts, Grantee, ResultClass, Sharing, Standing, is_sensitive};
use crate::domain::entry::{Entry, Sensitivity};
use crate::domain::id::{ConsentId, Pseudonym};
use crate::domain::limits::CONSENTS_PER_PATIENT_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::ports::index::IndexEntry;
use crate::service::hub::Hub;
use crate::service::hub::candidates::Found;
use crate::service::hub::error::HubError;
use crate::service::hub::fold::{publisher_tag, regional};
use crate::service::hub::registry::Version;
use crate::store::hub::{HubView, KeptConsent};
use crate::wire::field::fixed;
use crate::wire::{consent, pb};

/// Why an access is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The organisation's own result.
    Own,
    /// Care under way, and a patient who shares.
    Care,
    /// A consent of the patient.
    Consent(ConsentId),
    /// An emergency, for a reason that was written down.
    BreakGlass,
    /// The patient's own.
    Patient,
}

/// A consent as it stands now.
#[derive(Debug, Clone)]
pub(super) struct Standed {
    /// The consent.
    pub(super) consent: Consent,
    /// How it is used.
    pub(super) terms: consent::Terms,
    /// Its record.
    pub(super) record: pb::ConsentRecord,
    /// What its record does not say.
    pub(super) kept: KeptConsent,
}

/// What one organisation may see of one patient at one instant.
pub(super) struct Audience {
    organisation: OrganisationCode,
    sharing: Sharing,
    /// Consents of the patient to the organisation.
    consents: Vec<Standed>,
    version: Arc<Version>,
    at: Moment,
}

impl Audience {
    /// Says by what right an entry may be prompted or listed where care is under way; nothing when it may not.
    pub(super) fn admits(&self, entry: &Entry) -> Option<Basis> {
        if entry.publisher == self.organisation {
            return Some(Basis::Own);
        }
        if !self.sharing.is_opted_out() && !self.is_sensitive(entry) {
            return Some(Basis::Care);
        }
        self.consented(entry).map(Basis::Consent)
    }

    /// Says by what right an entry may be read without care under way: by a consent that is not limited in uses.
    pub(super) fn consented(&self, entry: &Entry) -> Option<ConsentId> {
        let unlimited = self.consents.iter().filter(|standed| standed.consent.uses_max.is_none());
        let mut permitting = unlimited.filter(|standed| self.permits(standed, entry));
        permitting.next().map(|standed| standed.consent.id)
    }

    /// Says whether a consent of the patient to this organisation opens an entry.
    pub(super) fn permits(&self, standed: &Standed, entry: &Entry) -> bool {
        let standing = Standing { uses: standed.kept.uses, sharing: self.sharing };
        let facts = facts(entry, self.is_sensitive(entry));
        standed.consent.permits(Grantee::Organisation(self.organisation), &facts, self.at, standing).is_ok()
    }

    /// Gives the consents to this organisation, newest first.
    pub(super) fn consents(&self) -> &[Standed] {
        &self.consents
    }

    /// Says whether any consent that is not limited in uses opens sensitive results now.
    pub(super) fn sees_sensitive(&self) -> bool {
        let standing = |standed: &Standed| Standing { uses: standed.kept.uses, sharing: self.sharing };
        self.consents.iter().any(|standed| {
            let consent = &standed.consent;
            consent.uses_max.is_none() && consent.extent.sensitive && consent.holds(self.at, standing(standed)).is_ok()
        })
    }

    /// Says whether an index entry is worth reading: only the entry itself knows all its items.
    pub(super) fn may_admit(&self, entry: &IndexEntry) -> bool {
        let open = !self.sharing.is_opted_out() && entry.sensitivity == Sensitivity::Normal;
        open || !self.consents.is_empty() || entry.publisher == publisher_tag(self.organisation)
    }

    /// Says whether an entry is sensitive, by its publisher's word or the region's.
    pub(super) fn is_sensitive(&self, entry: &Entry) -> bool {
        sensitive(&self.version, entry)
    }
}

impl Hub {
    /// Gathers what an organisation may see of a patient.
    ///
    /// # Errors
    /// [`HubError`]; show nothing.
    pub(super) fn audience(
        &self,
        organisation: OrganisationCode,
        patient: Pseudonym,
        at: Moment,
    ) -> Result<Audience, HubError> {
        self.audience_in(&self.parts.state.read()?, organisation, patient, at)
    }

    /// Gathers what an organisation may see of a patient, from tables that are being read.
    ///
    /// # Errors
    /// As for [`Hub::audience`].
    pub(super) fn audience_in(
        &self,
        view: &HubView,
        organisation: OrganisationCode,
        patient: Pseudonym,
        at: Moment,
    ) -> Result<Audience, HubError> {
        let sharing = sharing(view, patient)?;
        let mut consents = standed_of(view, patient)?;
        consents.retain(|standed| standed.consent.grantee == Grantee::Organisation(organisation));
        let version = self.parts.registry.rules(at)?.version;
        Ok(Audience { organisation, sharing, consents, version, at })
    }

    /// Says by what right an organisation may read a result without an order in hand: it is its own, the patient
    /// consents, or the organisation broke the glass in the last quarter of an hour. Nothing when it may not.
    ///
    /// # Errors
    /// [`HubError`]; show nothing.
    pub fn basis_for(
        &self,
        organisation: OrganisationCode,
        patient: Pseudonym,
        found: &Found,
        at: Moment,
    ) -> Result<Option<Basis>, HubError> {
        if found.entry.patient != patient {
            return Ok(None);
        }
        if found.entry.publisher == organisation {
            return Ok(Some(Basis::Own));
        }
        let audience = self.audience(organisation, patient, at)?;
        if let Some(consent) = audience.consented(&found.entry) {
            return Ok(Some(Basis::Consent(consent)));
        }
        Ok(self.glass_open(organisation, patient, at)?.then_some(Basis::BreakGlass))
    }

    /// Says whether an organisation broke the glass for a patient in the last quarter of an hour.
    ///
    /// # Errors
    /// [`HubError`]; show nothing.
    pub(super) fn glass_open(
        &self,
        organisation: OrganisationCode,
        patient: Pseudonym,
        at: Moment,
    ) -> Result<bool, HubError> {
        let broken = self.parts.state.read()?.glass_broken(organisation, patient)?;
        let open = broken.is_some_and(|broken| (0..GLASS_MS).contains(&at.ms_since(broken)));
        Ok(open && self.parts.registry.rules(at)?.version.policy.break_glass)
    }

    /// Says whether a result is sensitive, by its publisher's word or the region's.
    ///
    /// # Errors
    /// [`HubError::NoPolicy`] before any policy is in force.
    pub fn is_sensitive(&self, entry: &Entry) -> Result<bool, HubError> {
        Ok(sensitive(&self.parts.registry.rules(self.now())?.version, entry))
    }

    /// Gives what a patient chose about sharing.
    ///
    /// # Errors
    /// [`HubError`]; show nothing.
    pub fn sharing(&self, patient: Pseudonym) -> Result<Sharing, HubError> {
        sharing(&self.parts.state.read()?, patient)
    }
}

/// Reads what a patient chose about sharing.
pub(super) fn sharing(view: &HubView, patient: Pseudonym) -> Result<Sharing, HubError> {
    let kept = view.sharing(patient)?.filter(|kept| kept.opted_out);
    Ok(Sharing { opted_out_at: kept.map(|kept| kept.at) })
}

/// Reads a patient's consents, newest first.
pub(super) fn standed_of(view: &HubView, patient: Pseudonym) -> Result<Vec<Standed>, HubError> {
    view.consents_of(patient, CONSENTS_PER_PATIENT_MAX)?.into_iter().map(standed).collect()
}

/// Reads a consent from its row.
pub(super) fn standed(kept: KeptConsent) -> Result<Standed, HubError> {
    use prost::Message;
    let damaged = |_| crate::store::projection::ProjectionError::Damaged;
    let record = pb::ConsentRecord::decode(kept.record.as_slice()).map_err(damaged)?;
    let (consent, terms) = consent::recorded(&record, kept.ended.map(|(at, _)| at))?;
    Ok(Standed { consent, terms, record, kept })
}

/// Gives what a consent has to know of an entry.
pub(super) fn facts(entry: &Entry, sensitive: bool) -> Facts<'_> {
    Facts {
        patient: entry.patient,
        name: regional(entry.publisher, entry.result),
        class: ResultClass::of(entry),
        items: &entry.items,
        sensitive,
    }
}

/// Reads why an access was allowed; nothing when it was not.
pub(super) fn basis_of(access: &pb::Access) -> Result<Option<Basis>, HubError> {
    Ok(match access.basis() {
        pb::AccessBasis::Unspecified => None,
        pb::AccessBasis::Own => Some(Basis::Own),
        pb::AccessBasis::Care => Some(Basis::Care),
        pb::AccessBasis::Consent => Some(Basis::Consent(fixed("consent_id", &access.consent_id)?)),
        pb::AccessBasis::BreakGlass => Some(Basis::BreakGlass),
        pb::AccessBasis::Patient => Some(Basis::Patient),
    })
}

/// Says whether an extent opens an entry.
pub(super) fn covers(extent: &Extent, entry: &Entry, version: &Version) -> bool {
    extent.covers(&facts(entry, sensitive(version, entry))).is_ok()
}

/// Says whether an entry is sensitive under a version of the region's data.
pub(super) fn sensitive(version: &Version, entry: &Entry) -> bool {
    is_sensitive(entry.sensitivity, &entry.items, |code| {
        let listed = version.catalogue.item(code).map(|item| item.sensitivity);
        if version.policy.sensitive.contains(&code) { Some(Sensitivity::Sensitive) } else { listed }
    })
}

/// How long a broken glass stays broken for reading over FHIR, in milliseconds; as long as a grant.
const GLASS_MS: i64 = 15 * 60 * 1_000;
