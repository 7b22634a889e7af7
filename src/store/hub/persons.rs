//! What the hub knows of persons without knowing who they are: keyed digests that lead to pseudonyms.

use super::{HubChange, HubTables};
use crate::domain::id::Pseudonym;
use crate::store::packing::{Packer, Unpacker, Unsealed};
use crate::store::projection::{ProjectionError, Rows, Table};

/// A keyed digest of an identifier, a sex or a birth date, which only the hub can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedDigest(pub [u8; 16]);

/// Where an identifier leads, and what else was said with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPerson {
    /// The person's pseudonym.
    pub pseudonym: Pseudonym,
    /// Sex, if it was ever said.
    pub sex: Option<KeyedDigest>,
    /// Birth date, if it was ever said.
    pub birth_date: Option<KeyedDigest>,
}

pub(super) const TABLES: &[Table] = &[PERSONS];

impl<R: Rows> HubTables<R> {
    /// Gives the person to whom an identifier leads.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn person(&self, identifier: KeyedDigest) -> Result<Option<KnownPerson>, ProjectionError> {
        let Some(found) = self.row(PERSONS, &identifier.0)? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let pseudonym = Pseudonym::new(found.bytes()?);
        Ok(Some(KnownPerson { pseudonym, sex: optional(&mut found)?, birth_date: optional(&mut found)? }))
    }
}

impl HubChange<'_> {
    /// Notes where an identifier leads; it takes the place of what was noted before.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_person(&self, identifier: KeyedDigest, person: KnownPerson) -> Result<(), ProjectionError> {
        let value = [person.sex, person.birth_date].iter().fold(
            Packer::default().bytes(person.pseudonym.as_bytes()),
            |packer, digest| match digest {
                Some(digest) => packer.byte(1).bytes(&digest.0),
                None => packer.byte(0),
            },
        );
        self.put(PERSONS, &identifier.0, &value.finish())
    }
}

fn optional(found: &mut Unpacker<'_>) -> Result<Option<KeyedDigest>, Unsealed> {
    match found.byte()? {
        0 => Ok(None),
        1 => Ok(Some(KeyedDigest(found.bytes()?))),
        _ => Err(Unsealed),
    }
}

const PERSONS: Table = Table::new("persons");
