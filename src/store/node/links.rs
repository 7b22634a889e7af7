//! Local identifiers that were seen beside strong ones: whose they are, by keyed digests alone; and what waits for one
//! of them, or for a study. What may be linked is decided by the services.

use super::results::IdentifierDigest;
use super::{NodeChange, NodeState};
use crate::domain::id::Pseudonym;
use crate::domain::log::Sequence;
use crate::store::packing::{Packer, Unpacker};
use crate::store::projection::ProjectionError;

/// The person behind a local identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkedPerson {
    /// Whose it is in the region.
    pub pseudonym: Pseudonym,
    /// Keyed digest of the sex, where it is known.
    pub sex: Option<[u8; 32]>,
    /// Keyed digest of the birth date, where it is known.
    pub birth_date: Option<[u8; 32]>,
}

/// What a local identifier stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// One person.
    Person(LinkedPerson),
    /// More than one person was seen under it; it links nobody any more.
    Ambiguous,
}

impl Link {
    /// Gives what the identifier stands for once it was seen with `seen` too: what either knows of the same person, and
    /// nobody where they differ.
    pub fn and(self, seen: LinkedPerson) -> Self {
        let Self::Person(known) = self else { return self };
        let differ =
            |one: Option<[u8; 32]>, other: Option<[u8; 32]>| one.zip(other).is_some_and(|(one, two)| one != two);
        let is_other = known.pseudonym != seen.pseudonym;
        if is_other || differ(known.sex, seen.sex) || differ(known.birth_date, seen.birth_date) {
            return Self::Ambiguous;
        }
        let (sex, birth_date) = (known.sex.or(seen.sex), known.birth_date.or(seen.birth_date));
        Self::Person(LinkedPerson { sex, birth_date, ..known })
    }
}

impl NodeState {
    /// Gives what a local identifier stands for; nothing where it was never seen beside a strong one.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn link(&self, local: IdentifierDigest) -> Result<Option<Link>, ProjectionError> {
        let Some(found) = self.row(&self.trees.links, &local.0)? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let known = match found.byte()? {
            AMBIGUOUS => return Ok(Some(Link::Ambiguous)),
            known => known,
        };
        let (pseudonym, sex, birth_date) = (Pseudonym::new(found.bytes()?), found.bytes()?, found.bytes()?);
        let sex = (known & KNOWS_SEX != 0).then_some(sex);
        let birth_date = (known & KNOWS_BIRTH_DATE != 0).then_some(birth_date);
        Ok(Some(Link::Person(LinkedPerson { pseudonym, sex, birth_date })))
    }
}

impl NodeChange<'_> {
    /// Notes that a local identifier was seen with a person, and has everything read again that waits for it.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_link(&self, local: IdentifierDigest, seen: LinkedPerson) -> Result<(), ProjectionError> {
        let link = self.link(local)?.map_or(Link::Person(seen), |known| known.and(seen));
        let value = match link {
            Link::Ambiguous => Packer::default().byte(AMBIGUOUS),
            Link::Person(person) => {
                let sex = if person.sex.is_some() { KNOWS_SEX } else { 0 };
                let birth_date = if person.birth_date.is_some() { KNOWS_BIRTH_DATE } else { 0 };
                let value = Packer::default().byte(sex | birth_date).bytes(person.pseudonym.as_bytes());
                value.bytes(&person.sex.unwrap_or_default()).bytes(&person.birth_date.unwrap_or_default())
            }
        };
        self.put(&self.trees.links, &local.0, &value.finish())?;
        self.release(&local.0)
    }

    /// Notes that an intake record waits for something, named by a digest.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_awaiting(&self, awaited: &[u8; 32], intake: Sequence) -> Result<(), ProjectionError> {
        self.put(&self.trees.awaiting, &awaiting_key(awaited, intake), &[])
    }

    /// Has every intake record read again that waits for something, which has come.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn release(&self, awaited: &[u8; 32]) -> Result<(), ProjectionError> {
        let mut records = Vec::new();
        self.visit(&self.trees.awaiting, awaited, |key, _| {
            let mut key = Unpacker::new(key);
            let _awaited: [u8; 32] = key.bytes()?;
            records.push(Sequence(key.long()?));
            Ok(())
        })?;
        for intake in records {
            self.put_again_one(intake)?;
            self.remove(&self.trees.awaiting, &awaiting_key(awaited, intake))?;
        }
        Ok(())
    }
}

fn awaiting_key(awaited: &[u8; 32], intake: Sequence) -> Vec<u8> {
    Packer::default().bytes(awaited).long(intake.0).finish()
}

const KNOWS_SEX: u8 = 1;
const KNOWS_BIRTH_DATE: u8 = 2;
const AMBIGUOUS: u8 = 0xFF;
