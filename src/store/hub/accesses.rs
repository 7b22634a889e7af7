//! Who looked: the records that concern a patient's results, newest first, and the last break-glass of an organisation.

use std::ops::ControlFlow;

use super::{HubChange, HubTables};
use crate::domain::id::Pseudonym;
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker};
use crate::store::projection::{ProjectionError, Rows, Table};

pub(super) const TABLES: &[Table] = &[ACCESSES, GLASS];

impl<R: Rows> HubTables<R> {
    /// Lists the records of accesses to a patient's results that stand before `before` in the log, newest first, at
    /// most `most`.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn accesses(
        &self,
        patient: Pseudonym,
        before: Sequence,
        most: usize,
    ) -> Result<Vec<LogPlace>, ProjectionError> {
        let Some(newest) = before.0.checked_sub(1) else { return Ok(Vec::new()) };
        let mut places = Vec::new();
        let (first, last) = (access_key(patient, Sequence(newest)), access_key(patient, Sequence(0)));
        self.0.visit(ACCESSES, &first, &last, &mut |_, value| {
            if places.len() >= most {
                return Ok(ControlFlow::Break(()));
            }
            places.push(Unpacker::new(value).place()?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(places)
    }

    /// Gives when an organisation last opened a patient's results by break-glass.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn glass_broken(
        &self,
        organisation: OrganisationCode,
        patient: Pseudonym,
    ) -> Result<Option<Moment>, ProjectionError> {
        let found = self.row(GLASS, &glass_key(organisation, patient))?;
        Ok(found.map(|found| Unpacker::new(&found).moment()).transpose()?)
    }
}

impl HubChange<'_> {
    /// Notes that a record is about access to a patient's results.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_access(&self, patient: Pseudonym, place: LogPlace) -> Result<(), ProjectionError> {
        self.put(ACCESSES, &access_key(patient, place.sequence), &Packer::default().place(place).finish())
    }

    /// Notes that an organisation opened a patient's results by break-glass.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_glass_broken(
        &self,
        organisation: OrganisationCode,
        patient: Pseudonym,
        at: Moment,
    ) -> Result<(), ProjectionError> {
        self.put(GLASS, &glass_key(organisation, patient), &Packer::default().moment(at).finish())
    }
}

/// Newest first: the number in the log counts backwards.
fn access_key(patient: Pseudonym, sequence: Sequence) -> Vec<u8> {
    Packer::default().bytes(patient.as_bytes()).long(u64::MAX - sequence.0).finish()
}

fn glass_key(organisation: OrganisationCode, patient: Pseudonym) -> Vec<u8> {
    Packer::default().bytes(organisation.as_str().as_bytes()).bytes(patient.as_bytes()).finish()
}

const ACCESSES: Table = Table::new("accesses");
const GLASS: Table = Table::new("broken glass");
