//! What the hospital's staff must look at: entries that were held back, and codes that the mapping does not know.

use std::ops::ControlFlow;

use super::{NodeChange, NodeState, guarded};
use crate::domain::log::Sequence;
use crate::store::packing::{Packer, Unpacker, Unsealed};
use crate::store::projection::ProjectionError;

/// Where a held entry came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldPlace {
    /// The intake record.
    pub intake: Sequence,
    /// Its place among what the record held, from 0.
    pub place: u16,
}

/// An entry that was held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntry {
    /// The sender's own reference to it, at most 128 bytes.
    pub reference: String,
    /// Code of the reason.
    pub reason: String,
    /// The field that must be corrected.
    pub field: String,
}

/// How often a code arrived that the mapping does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmappedCount {
    /// The code.
    pub code: String,
    /// Its system, empty if the sender named none.
    pub system: String,
    /// The unit that came with it, empty if none.
    pub unit: String,
    /// What its sender calls it, empty if it came without a name.
    pub name: String,
    /// In how many records it came.
    pub records: u64,
    /// The last of them.
    pub last: Sequence,
}

impl NodeState {
    /// Lists the held entries behind `after`, at most `limit`, in the order of intake.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn held(&self, after: Option<HeldPlace>, limit: usize) -> Result<Vec<(HeldPlace, HeldEntry)>, ProjectionError> {
        let mut held = Vec::new();
        self.visit_until(&self.trees.held, &[], |key, value| {
            let mut key = Unpacker::new(key);
            let place = HeldPlace { intake: Sequence(key.long()?), place: key.half()? };
            if held.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            if after.is_none_or(|after| place > after) {
                let mut value = Unpacker::new(value);
                let (reference, reason, field) = (text(&mut value)?, text(&mut value)?, text(&mut value)?);
                held.push((place, HeldEntry { reference, reason, field }));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(held)
    }

    /// Lists the places of what an intake record holds.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn held_places(&self, intake: Sequence) -> Result<Vec<HeldPlace>, ProjectionError> {
        let mut places = Vec::new();
        self.visit(&self.trees.held, &intake.0.to_be_bytes(), |key, _| {
            let mut key = Unpacker::new(key);
            places.push(HeldPlace { intake: Sequence(key.long()?), place: key.half()? });
            Ok(())
        })?;
        Ok(places)
    }

    /// Counts the held entries, by walking over them.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn held_count(&self) -> Result<usize, ProjectionError> {
        guarded(|| Ok(self.trees.held.len()))
    }

    /// Lists the unknown codes with their units, in no order that means anything.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn unmapped(&self) -> Result<Vec<UnmappedCount>, ProjectionError> {
        let mut unmapped = Vec::new();
        self.visit(&self.trees.unmapped, &[], |key, value| {
            let (mut key, mut value) = (Unpacker::new(key), Unpacker::new(value));
            let (code, system, unit) = (text(&mut key)?, text(&mut key)?, text(&mut key)?);
            let (records, last) = (value.long()?, Sequence(value.long()?));
            // Counts of earlier versions carry no name.
            let name = text(&mut value).unwrap_or_default();
            unmapped.push(UnmappedCount { code, system, unit, name, records, last });
            Ok(())
        })?;
        Ok(unmapped)
    }
}

impl NodeChange<'_> {
    /// Notes an entry that is held back.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_held(&self, place: HeldPlace, held: &HeldEntry) -> Result<(), ProjectionError> {
        let value = [&held.reference, &held.reason, &held.field].into_iter().fold(Packer::default(), add_text);
        self.put(&self.trees.held, &held_key(place), &value.finish())
    }

    /// Takes an entry off the list, when it was read again with success.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove_held(&self, place: HeldPlace) -> Result<(), ProjectionError> {
        self.remove(&self.trees.held, &held_key(place))
    }

    /// Counts an unknown code with its unit in a record; the same record, or an earlier one again, adds nothing.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn count_unmapped(
        &self,
        code: &str,
        system: &str,
        unit: &str,
        name: &str,
        record: Sequence,
    ) -> Result<(), ProjectionError> {
        let key = [code, system, unit].into_iter().fold(Packer::default(), add_text).finish();
        let records = match self.row(&self.trees.unmapped, &key)? {
            None => 0,
            Some(found) => {
                let mut found = Unpacker::new(&found);
                let (records, last) = (found.long()?, Sequence(found.long()?));
                if last >= record {
                    return Ok(());
                }
                records
            }
        };
        let value = Packer::default().long(records.saturating_add(1)).long(record.0);
        self.put(&self.trees.unmapped, &key, &add_text(value, name).finish())
    }

    /// Takes an unknown code off the list, when the mapping knows it.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove_unmapped(&self, code: &str, system: &str, unit: &str) -> Result<(), ProjectionError> {
        let key = [code, system, unit].into_iter().fold(Packer::default(), add_text).finish();
        self.remove(&self.trees.unmapped, &key)
    }
}

fn held_key(place: HeldPlace) -> Vec<u8> {
    Packer::default().long(place.intake.0).half(place.place).finish()
}

/// Adds a text behind its length; what is longer than a caller may send is cut at a character.
fn add_text(packer: Packer, text: impl AsRef<str>) -> Packer {
    let text = text.as_ref();
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    packer.half(u16::try_from(text.len()).unwrap_or_default()).bytes(text.as_bytes())
}

fn text(packed: &mut Unpacker<'_>) -> Result<String, Unsealed> {
    let length = packed.half()?;
    String::from_utf8(packed.slice(length.into())?.to_vec()).map_err(|_| Unsealed)
}

/// Longest text of the lists, in bytes; three of them and a seal stay below what the engine may hold.
const TEXT_BYTES_MAX: usize = 1 << 10;
const _: () = assert!(3 * (TEXT_BYTES_MAX + 2) <= super::VALUE_BYTES_MAX, "three texts must fit in a value");
