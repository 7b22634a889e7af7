//! What was taken in: messages by their keys, and where the bytes of each original lie.

use super::{NodeChange, NodeState};
use crate::domain::id::Digest;
use crate::domain::log::{Position, Sequence};
use crate::store::packing::{Packer, Unpacker};
use crate::store::projection::ProjectionError;

/// Where the bytes of an original lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginalPlace {
    /// Inside a journal record.
    InJournal {
        /// The record.
        position: Position,
        /// First byte, counted in the record.
        offset: u32,
        /// Number of bytes.
        length: u32,
    },
    /// In a file of the originals, under its digest.
    File,
}

impl NodeState {
    /// Gives the intake record of a message that was taken before, by the 32-byte hash of what identifies it.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn message(&self, message_key: Digest) -> Result<Option<Sequence>, ProjectionError> {
        let found = self.row(&self.trees.messages, message_key.as_bytes())?;
        Ok(found.map(|found| Unpacker::new(&found).long().map(Sequence)).transpose()?)
    }

    /// Gives where the bytes of an original lie.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn original(&self, digest: Digest) -> Result<Option<OriginalPlace>, ProjectionError> {
        let Some(found) = self.row(&self.trees.originals, digest.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        match found.byte()? {
            FILE => Ok(Some(OriginalPlace::File)),
            IN_JOURNAL => {
                let position = Position(found.long()?);
                Ok(Some(OriginalPlace::InJournal { position, offset: found.word()?, length: found.word()? }))
            }
            _ => Err(ProjectionError::Damaged),
        }
    }
}

impl NodeChange<'_> {
    /// Notes a message that was taken; the first record of a key stays.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_message(&self, message_key: Digest, intake: Sequence) -> Result<(), ProjectionError> {
        let first = self.message(message_key)?.map_or(intake, |known| known.min(intake));
        self.put(&self.trees.messages, message_key.as_bytes(), &first.0.to_be_bytes())
    }

    /// Notes where the bytes of an original lie.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_original(&self, digest: Digest, place: OriginalPlace) -> Result<(), ProjectionError> {
        let packed = match place {
            OriginalPlace::File => Packer::default().byte(FILE),
            OriginalPlace::InJournal { position, offset, length } => {
                Packer::default().byte(IN_JOURNAL).long(position.0).word(offset).word(length)
            }
        };
        self.put(&self.trees.originals, digest.as_bytes(), &packed.finish())
    }
}

const FILE: u8 = 1;
const IN_JOURNAL: u8 = 2;
