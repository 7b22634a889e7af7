//! Consents with how they stand, links, the choice to share, and who acts for whom. What a consent says is the record's
//! own bytes, kept here so that a check need not read the journal.

use std::ops::ControlFlow;

use super::{HubChange, HubTables};
use crate::domain::id::{ConsentId, Pseudonym};
use crate::domain::log::LogPlace;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker, Unsealed};
use crate::store::projection::{ProjectionError, Rows, Table};

/// A consent and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConsent {
    /// Its record.
    pub place: LogPlace,
    /// When it was ended, and by which record.
    pub ended: Option<(Moment, LogPlace)>,
    /// How often it was used.
    pub uses: u32,
    /// Passcodes that were compared and not found right.
    pub attempts: u32,
    /// Its record's message, encoded.
    pub record: Vec<u8>,
}

/// A patient's last choice about sharing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSharing {
    /// Out, or in again.
    pub opted_out: bool,
    /// When it was chosen.
    pub at: Moment,
    /// Its record.
    pub place: LogPlace,
}

/// Until when a guardian acts for a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptRelation {
    /// First instant at which the guardian no longer does.
    pub until: Moment,
    /// Its record.
    pub place: LogPlace,
}

pub(super) const TABLES: &[Table] = &[CONSENTS, CONSENTS_OF, LINKS, SHARING, RELATIONS];

impl<R: Rows> HubTables<R> {
    /// Gives a consent.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn consent(&self, consent: ConsentId) -> Result<Option<KeptConsent>, ProjectionError> {
        let Some(found) = self.row(CONSENTS, consent.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let place = found.place()?;
        let ended = match found.byte()? {
            0 => None,
            1 => Some((found.moment()?, found.place()?)),
            _ => return Err(Unsealed.into()),
        };
        let (uses, attempts) = (found.word()?, found.word()?);
        Ok(Some(KeptConsent { place, ended, uses, attempts, record: found.rest().to_vec() }))
    }

    /// Lists a patient's consents, newest first, at most `most`, those that have ended too.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn consents_of(&self, patient: Pseudonym, most: usize) -> Result<Vec<KeptConsent>, ProjectionError> {
        let mut ids = Vec::new();
        let of = |last| Packer::default().bytes(patient.as_bytes()).long(last).finish();
        self.0.visit(CONSENTS_OF, &of(0), &of(u64::MAX), &mut |_, value| {
            if ids.len() >= most {
                return Ok(ControlFlow::Break(()));
            }
            ids.push(ConsentId::new(Unpacker::new(value).bytes()?));
            Ok(ControlFlow::Continue(()))
        })?;
        ids.into_iter().map(|id| self.consent(id)?.ok_or(ProjectionError::Damaged)).collect()
    }

    /// Gives the consent behind a link, by the digest of the link's address.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn consent_of_link(&self, id_hash: [u8; 16]) -> Result<Option<ConsentId>, ProjectionError> {
        let found = self.row(LINKS, &id_hash)?;
        Ok(found.map(|found| Unpacker::new(&found).bytes().map(ConsentId::new)).transpose()?)
    }

    /// Gives a patient's last choice about sharing, if one was ever made.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn sharing(&self, patient: Pseudonym) -> Result<Option<KeptSharing>, ProjectionError> {
        let Some(found) = self.row(SHARING, patient.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let opted_out = found.byte()? != 0;
        Ok(Some(KeptSharing { opted_out, at: found.moment()?, place: found.place()? }))
    }

    /// Gives until when a guardian acts for a child, if that was ever registered.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn relation(&self, guardian: Pseudonym, ward: Pseudonym) -> Result<Option<KeptRelation>, ProjectionError> {
        let found = self.row(RELATIONS, &relation_key(guardian, ward))?;
        Ok(found.map(|found| relation(&found)).transpose()?)
    }

    /// Lists those for whom a guardian was ever registered.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn wards(&self, guardian: Pseudonym) -> Result<Vec<(Pseudonym, KeptRelation)>, ProjectionError> {
        let mut wards = Vec::new();
        let of = |ward| relation_key(guardian, Pseudonym::new([ward; Pseudonym::BYTES]));
        self.0.visit(RELATIONS, &of(0), &of(u8::MAX), &mut |key, value| {
            let mut key = Unpacker::new(key);
            let _guardian: [u8; Pseudonym::BYTES] = key.bytes()?;
            wards.push((Pseudonym::new(key.bytes()?), relation(value)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(wards)
    }
}

impl HubChange<'_> {
    /// Notes a consent of a patient; one that was noted before stays as it is.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_consent(
        &self,
        consent: ConsentId,
        patient: Pseudonym,
        kept: &KeptConsent,
        link_hash: Option<[u8; 16]>,
    ) -> Result<(), ProjectionError> {
        if self.consent(consent)?.is_some() {
            return Ok(());
        }
        self.keep(consent, kept)?;
        let newest_first = Packer::default().bytes(patient.as_bytes()).long(u64::MAX - kept.place.sequence.0);
        self.put(CONSENTS_OF, &newest_first.finish(), consent.as_bytes())?;
        link_hash.map_or(Ok(()), |hash| self.put(LINKS, &hash, consent.as_bytes()))
    }

    /// Changes how a consent stands; false when there is no such consent.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn change_consent(
        &self,
        consent: ConsentId,
        change: impl FnOnce(&mut KeptConsent),
    ) -> Result<bool, ProjectionError> {
        let Some(mut kept) = self.consent(consent)? else { return Ok(false) };
        change(&mut kept);
        self.keep(consent, &kept)?;
        Ok(true)
    }

    /// Notes a patient's choice about sharing.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_sharing(&self, patient: Pseudonym, kept: KeptSharing) -> Result<(), ProjectionError> {
        let value = Packer::default().byte(kept.opted_out.into()).moment(kept.at).place(kept.place);
        self.put(SHARING, patient.as_bytes(), &value.finish())
    }

    /// Notes until when a guardian acts for a child.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_relation(
        &self,
        guardian: Pseudonym,
        ward: Pseudonym,
        kept: KeptRelation,
    ) -> Result<(), ProjectionError> {
        let value = Packer::default().moment(kept.until).place(kept.place).finish();
        self.put(RELATIONS, &relation_key(guardian, ward), &value)
    }

    fn keep(&self, consent: ConsentId, kept: &KeptConsent) -> Result<(), ProjectionError> {
        let value = Packer::default().place(kept.place);
        let value = match kept.ended {
            None => value.byte(0),
            Some((at, place)) => value.byte(1).moment(at).place(place),
        };
        let value = value.word(kept.uses).word(kept.attempts).bytes(&kept.record);
        self.put(CONSENTS, consent.as_bytes(), &value.finish())
    }
}

fn relation(value: &[u8]) -> Result<KeptRelation, Unsealed> {
    let mut value = Unpacker::new(value);
    Ok(KeptRelation { until: value.moment()?, place: value.place()? })
}

fn relation_key(guardian: Pseudonym, ward: Pseudonym) -> Vec<u8> {
    Packer::default().bytes(guardian.as_bytes()).bytes(ward.as_bytes()).finish()
}

const CONSENTS: Table = Table::new("consents");
const CONSENTS_OF: Table = Table::new("consents of patients");
const LINKS: Table = Table::new("links");
const SHARING: Table = Table::new("sharing");
const RELATIONS: Table = Table::new("relations");
