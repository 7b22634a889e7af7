//! Consents: given, ended and listed; the choice to share; and who acts for a child. The patients' entrance has made sure
//! who asks; here it is recorded, durably, before it is answered.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::domain::consent::{Grantee, NotPermitted, Standing};
use crate::domain::id::{ConsentId, Pseudonym};
use crate::domain::limits::{CONSENTS_PER_PATIENT_MAX, KEY_BYTES_MAX, LINK_ATTEMPTS_MAX};
use crate::domain::log::LogPlace;
use crate::domain::organisation::Caller;
use crate::domain::person::Person;
use crate::domain::time::Moment;
use crate::service::hub::Hub;
use crate::service::hub::audience::{Standed, sharing, standed, standed_of};
use crate::service::hub::error::HubError;
use crate::store::hub::RequestKind;
use crate::wire::consent::Terms;
use crate::wire::field::{FieldError, Problem, named, short};
use crate::wire::orders::{Subject, subject};
use crate::wire::pb;
use crate::wire::pb::consent::State;
use crate::wire::record::Record;

/// For whom something is asked; the patients' entrance has made sure of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acting {
    /// The patient.
    pub patient: Pseudonym,
    /// The guardian who acts for the patient, if one does.
    pub guardian: Option<Pseudonym>,
}

impl Acting {
    /// The patient acts.
    pub fn oneself(patient: Pseudonym) -> Self {
        Self { patient, guardian: None }
    }

    fn guardian_bytes(&self) -> Bytes {
        self.guardian.map(|guardian| Bytes::copy_from_slice(guardian.as_bytes())).unwrap_or_default()
    }
}

impl Hub {
    /// Gives the pseudonym of a person; what is learned is durable first.
    ///
    /// # Errors
    /// [`HubError::Unlinked`] when the person cannot be linked: no strong identifier, or one that contradicts.
    pub async fn patient_of(&self, person: &Person) -> Result<Pseudonym, HubError> {
        let resolved = self.resolve(std::slice::from_ref(person)).await?;
        let named = resolved.into_iter().map(|resolution| resolution.pseudonym).find(|name| !name.is_empty());
        let name = named.ok_or(HubError::Unlinked)?;
        Pseudonym::try_from(name.as_ref()).map_err(|_| HubError::Unlinked)
    }

    /// Reads for whom something is asked, by pseudonyms or identifiers.
    ///
    /// # Errors
    /// [`HubError::Field`] or [`HubError::Unlinked`].
    pub async fn acting(&self, sent: Option<&pb::Acting>) -> Result<Acting, HubError> {
        let sent = sent.ok_or_else(|| FieldError::new("acting", Problem::Missing))?;
        let patient = self.named_patient(sent.patient.as_ref(), "acting").await?;
        let guardian = match &sent.guardian {
            None => None,
            Some(guardian) => Some(self.named_patient(Some(guardian), "acting.guardian").await?),
        };
        Ok(Acting { patient, guardian })
    }

    /// Reads one person, by pseudonym or identifiers.
    ///
    /// # Errors
    /// [`HubError::Field`] or [`HubError::Unlinked`].
    pub async fn named_patient(&self, sent: Option<&pb::Patient>, parent: &str) -> Result<Pseudonym, HubError> {
        match subject(sent).map_err(|error| error.under(parent))? {
            Subject::Pseudonym(pseudonym) => Ok(pseudonym),
            Subject::Person(person) => self.patient_of(&person).await,
        }
    }

    /// Records a consent. The same key gives the same consent again.
    ///
    /// # Errors
    /// [`HubError`]; nothing is recorded.
    pub async fn grant_consent(
        &self,
        caller: &Caller,
        acting: Acting,
        sent: &pb::GrantConsentRequest,
    ) -> Result<pb::GrantConsentResponse, HubError> {
        let key = named("consent_key", &sent.consent_key, KEY_BYTES_MAX)?;
        let now = self.now();
        self.must_act(acting, now)?;
        // Keys are the patient's own: two patients may choose one.
        let key = format!("{}/{key}", acting.patient);
        let _turn = self.requests.wait((caller.organisation, format!("consents {}", acting.patient))).await;
        let view = self.parts.state.read()?;
        if let Some(place) = view.request(caller.organisation, RequestKind::Consent, &key)? {
            let Record::Consent(kept) = self.parts.ledger.read(place)? else { return Err(HubError::KeyReused) };
            return self.granted_before(&kept, sent, place, now);
        }
        let terms = sent.terms.as_ref().ok_or_else(|| FieldError::new("terms", Problem::Missing))?;
        let terms = Terms::read(terms, now).map_err(|error| error.under("terms"))?;
        self.check_terms(&terms, &sent.passcode, now)?;
        if view.consents_of(acting.patient, CONSENTS_PER_PATIENT_MAX)?.len() >= CONSENTS_PER_PATIENT_MAX {
            return Err(HubError::Limited);
        }
        let id = consent_id(caller, &key);
        let record = pb::ConsentRecord {
            consent_id: Bytes::copy_from_slice(id.as_bytes()),
            patient: Bytes::copy_from_slice(acting.patient.as_bytes()),
            guardian: acting.guardian_bytes(),
            organisation: caller.organisation.to_string(),
            client: caller.name.clone(),
            consent_key: key,
            terms: Some((&terms).into()),
            link: terms.link.map(|_| self.parts.links.secrets(id, &sent.passcode)),
            at: Some(now.into()),
        };
        let place = self.record_one(Record::Consent(record)).await?;
        self.granted(id, place, now)
    }

    /// Ends a consent of the patient at once. Ending it again changes nothing.
    ///
    /// # Errors
    /// [`HubError::NoConsent`] when the patient has no such consent.
    pub async fn revoke_consent(
        &self,
        caller: &Caller,
        acting: Acting,
        consent: ConsentId,
    ) -> Result<LogPlace, HubError> {
        let now = self.now();
        self.must_act(acting, now)?;
        let _turn = self.requests.wait((caller.organisation, format!("consents {}", acting.patient))).await;
        let kept = self.consent_of(acting.patient, consent)?;
        if let Some((_, place)) = kept.kept.ended {
            return Ok(place);
        }
        let record = pb::ConsentEndRecord {
            consent_id: Bytes::copy_from_slice(consent.as_bytes()),
            patient: Bytes::copy_from_slice(acting.patient.as_bytes()),
            guardian: acting.guardian_bytes(),
            organisation: caller.organisation.to_string(),
            client: caller.name.clone(),
            at: Some(now.into()),
        };
        self.record_one(Record::ConsentEnd(record)).await
    }

    /// Lists a patient's consents, newest first, those that have ended too.
    ///
    /// # Errors
    /// [`HubError`]; nothing is listed.
    pub fn consents(&self, acting: Acting) -> Result<Vec<pb::Consent>, HubError> {
        let now = self.now();
        self.must_act(acting, now)?;
        let view = self.parts.state.read()?;
        let sharing = sharing(&view, acting.patient)?;
        let told = |standed: &Standed| {
            let standing = Standing { uses: standed.kept.uses, sharing };
            self.told_consent(standed, standing, now)
        };
        Ok(standed_of(&view, acting.patient)?.iter().map(told).collect())
    }

    /// Opts a patient out of sharing, or in again. The same choice again changes nothing.
    ///
    /// # Errors
    /// [`HubError`]; the choice that was recorded before stands.
    pub async fn set_sharing(&self, caller: &Caller, acting: Acting, opted_out: bool) -> Result<LogPlace, HubError> {
        let now = self.now();
        self.must_act(acting, now)?;
        let _turn = self.requests.wait((caller.organisation, format!("consents {}", acting.patient))).await;
        let kept = self.parts.state.read()?.sharing(acting.patient)?;
        if let Some(kept) = kept.filter(|kept| kept.opted_out == opted_out) {
            return Ok(kept.place);
        }
        let record = pb::SharingRecord {
            patient: Bytes::copy_from_slice(acting.patient.as_bytes()),
            guardian: acting.guardian_bytes(),
            opted_out,
            organisation: caller.organisation.to_string(),
            client: caller.name.clone(),
            at: Some(now.into()),
        };
        self.record_one(Record::Sharing(record)).await
    }

    /// Registers that `guardian` acts for `ward` until an instant; one at or before now ends it.
    ///
    /// # Errors
    /// [`HubError::Field`] when the end is too far, or both are one person.
    pub async fn relate(
        &self,
        caller: &Caller,
        (guardian, ward): (Pseudonym, Pseudonym),
        until: Moment,
        evidence: &str,
    ) -> Result<LogPlace, HubError> {
        let now = self.now();
        if guardian == ward {
            return Err(FieldError::new("ward", Problem::Unwanted("nobody is their own guardian")).into());
        }
        if until.ms_since(now) > RELATION_MS_MAX {
            return Err(FieldError::new("until", Problem::Form("end within 18 years")).into());
        }
        let record = pb::RelationRecord {
            relation: Some(pb::Relation {
                guardian: Bytes::copy_from_slice(guardian.as_bytes()),
                ward: Bytes::copy_from_slice(ward.as_bytes()),
                until: Some(until.into()),
            }),
            evidence: short("evidence", evidence, KEY_BYTES_MAX)?,
            organisation: caller.organisation.to_string(),
            client: caller.name.clone(),
            at: Some(now.into()),
        };
        self.record_one(Record::Relation(record)).await
    }

    /// Lists those for whom a guardian acts now.
    ///
    /// # Errors
    /// [`HubError`]; nobody is listed.
    pub fn wards(&self, guardian: Pseudonym) -> Result<Vec<pb::Relation>, HubError> {
        let now = self.now().unix_ms();
        let wards = self.parts.state.read()?.wards(guardian)?;
        let current = wards.into_iter().filter(|(_, kept)| now < kept.until.unix_ms());
        let told = current.map(|(ward, kept)| pb::Relation {
            guardian: Bytes::copy_from_slice(guardian.as_bytes()),
            ward: Bytes::copy_from_slice(ward.as_bytes()),
            until: Some(kept.until.into()),
        });
        Ok(told.collect())
    }

    /// Checks that whoever acts may act for the patient at an instant.
    ///
    /// # Errors
    /// [`HubError::NoRelation`] when a guardian is named who is not registered, or no longer.
    pub fn must_act(&self, acting: Acting, at: Moment) -> Result<(), HubError> {
        let Some(guardian) = acting.guardian else { return Ok(()) };
        let kept = self.parts.state.read()?.relation(guardian, acting.patient)?;
        let acts = kept.is_some_and(|kept| at.unix_ms() < kept.until.unix_ms());
        acts.then_some(()).ok_or(HubError::NoRelation)
    }

    /// Finds a consent of a patient; another's does not exist.
    pub(super) fn consent_of(&self, patient: Pseudonym, consent: ConsentId) -> Result<Standed, HubError> {
        let kept = self.parts.state.read()?.consent(consent)?.ok_or(HubError::NoConsent)?;
        let found = standed(kept)?;
        if found.consent.patient == patient { Ok(found) } else { Err(HubError::NoConsent) }
    }

    /// Checks what only the region knows of a consent's terms.
    fn check_terms(&self, terms: &Terms, passcode: &str, now: Moment) -> Result<(), HubError> {
        let refuse = |field: &str, problem| Err(FieldError::new(field, problem).into());
        if terms.to.unix_ms() <= now.unix_ms() {
            return refuse("terms.to", Problem::Form("instant to come"));
        }
        match (terms.grantee, terms.link) {
            (Grantee::Organisation(_), _) if !passcode.is_empty() => {
                refuse("passcode", Problem::Unwanted("only a link has one"))
            }
            (Grantee::Organisation(code), _) => self.parts.registry.rules(now)?.organisation(code).map(drop),
            (Grantee::LinkHolder, link) => {
                if link.is_some_and(|link| link.direct) && !passcode.is_empty() {
                    return refuse("passcode", Problem::Unwanted("a direct link has none"));
                }
                self.parts.links.check(passcode)
            }
        }
    }

    fn granted_before(
        &self,
        kept: &pb::ConsentRecord,
        sent: &pb::GrantConsentRequest,
        place: LogPlace,
        now: Moment,
    ) -> Result<pb::GrantConsentResponse, HubError> {
        let granted_at = crate::wire::field::moment("at", kept.at.as_ref())?;
        let asked = Terms::read(sent.terms.as_ref().unwrap_or(&pb::ConsentTerms::default()), granted_at)?;
        let same = kept.terms.as_ref().is_some_and(|terms| *terms == pb::ConsentTerms::from(&asked));
        if !same || !self.parts.links.matches(kept, &sent.passcode) {
            return Err(HubError::KeyReused);
        }
        let id = ConsentId::try_from(kept.consent_id.as_ref()).map_err(|_| HubError::KeyReused)?;
        self.granted(id, place, now)
    }

    fn granted(&self, id: ConsentId, place: LogPlace, now: Moment) -> Result<pb::GrantConsentResponse, HubError> {
        let view = self.parts.state.read()?;
        let found = standed(view.consent(id)?.ok_or(HubError::Behind)?)?;
        let standing = Standing { uses: found.kept.uses, sharing: sharing(&view, found.consent.patient)? };
        let consent = self.told_consent(&found, standing, now);
        Ok(pb::GrantConsentResponse { consent: Some(consent), log_index: place.sequence.0 })
    }

    /// Tells a consent as its patient reads it.
    fn told_consent(&self, standed: &Standed, standing: Standing, now: Moment) -> pb::Consent {
        let Standed { consent, terms, record, kept } = standed;
        let has_passcode = record.link.as_ref().is_some_and(|link| !link.passcode_hash.is_empty());
        let locked = has_passcode && kept.attempts >= LINK_ATTEMPTS_MAX;
        let state = match consent.holds(now, standing) {
            Ok(()) if locked => State::Locked,
            Ok(()) => State::Active,
            Err(NotPermitted::Revoked) => State::Revoked,
            Err(NotPermitted::OptedOut) => State::Suspended,
            Err(NotPermitted::NotYet) => State::Pending,
            Err(NotPermitted::UsedUp) => State::UsedUp,
            Err(
                NotPermitted::Expired
                | NotPermitted::OtherPatient
                | NotPermitted::OtherGrantee
                | NotPermitted::NotCovered
                | NotPermitted::Sensitive,
            ) => State::Expired,
        };
        let left = LINK_ATTEMPTS_MAX.saturating_sub(kept.attempts);
        pb::Consent {
            consent_id: record.consent_id.clone(),
            patient: record.patient.clone(),
            guardian: record.guardian.clone(),
            terms: Some(terms.into()),
            granted_at: record.at,
            revoked_at: consent.revoked_at.map(Into::into),
            uses: kept.uses,
            state: state.into(),
            shlink: self.parts.links.shlink(consent, terms, has_passcode).unwrap_or_default(),
            has_passcode,
            attempts_left: if has_passcode { left } else { 0 },
        }
    }
}

/// Names a consent by what it is, so that a repeated request names it again.
fn consent_id(caller: &Caller, key: &str) -> ConsentId {
    let mut hash = Sha256::new_with_prefix(b"concord/consent/v1");
    for part in [caller.organisation.as_str().as_bytes(), key.as_bytes()] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let mut id = [0; ConsentId::BYTES];
    id.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    ConsentId::new(id)
}

/// Eighteen years, in milliseconds.
const RELATION_MS_MAX: i64 = 18 * 366 * 86_400_000;

#[cfg(test)]
mod tests;
