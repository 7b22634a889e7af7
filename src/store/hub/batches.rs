//! Publishers' chains, the receipts of their batches, and where records lie that are found by their number in the log.

use super::{HubChange, HubTables};
use crate::domain::id::Digest;
use crate::domain::log::{BatchNumber, LogPlace, Position, Sequence};
use crate::domain::organisation::OrganisationCode;
use crate::store::packing::{Packer, Unpacker};
use crate::store::projection::{ProjectionError, Rows, Table};

/// The end of a publisher's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Number of the last batch.
    pub batch: BatchNumber,
    /// SHA-256 of its header.
    pub header: Digest,
    /// Its record in the log.
    pub sequence: Sequence,
}

/// A batch that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPlace {
    /// SHA-256 of its header.
    pub header: Digest,
    /// Its record.
    pub place: LogPlace,
}

pub(super) const TABLES: &[Table] = &[CHAINS, BATCHES, POSITIONS];

impl<R: Rows> HubTables<R> {
    /// Gives the end of a publisher's chain, if it ever published.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn chain_head(&self, publisher: OrganisationCode) -> Result<Option<ChainHead>, ProjectionError> {
        let Some(found) = self.row(CHAINS, publisher.as_str().as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let batch = BatchNumber(found.long()?);
        Ok(Some(ChainHead { batch, header: Digest::new(found.bytes()?), sequence: Sequence(found.long()?) }))
    }

    /// Gives a batch of a publisher that was taken before.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn batch(
        &self,
        publisher: OrganisationCode,
        batch: BatchNumber,
    ) -> Result<Option<BatchPlace>, ProjectionError> {
        let Some(found) = self.row(BATCHES, &batch_key(publisher, batch))? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        Ok(Some(BatchPlace { header: Digest::new(found.bytes()?), place: found.place()? }))
    }

    /// Gives where a record lies that was noted with [`HubTables::note_position`] or with its batch.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn position(&self, sequence: Sequence) -> Result<Option<Position>, ProjectionError> {
        let Some(found) = self.row(POSITIONS, &sequence.0.to_be_bytes())? else { return Ok(None) };
        Ok(Some(Position(Unpacker::new(&found).long()?)))
    }
}

impl HubChange<'_> {
    /// Notes a batch that was taken: its receipt, its position, and the new end of its publisher's chain.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn take_batch(
        &self,
        publisher: OrganisationCode,
        batch: BatchNumber,
        taken: BatchPlace,
    ) -> Result<(), ProjectionError> {
        let BatchPlace { header, place } = taken;
        let head = Packer::default().long(batch.0).bytes(header.as_bytes()).long(place.sequence.0).finish();
        self.put(CHAINS, publisher.as_str().as_bytes(), &head)?;
        let receipt = Packer::default().bytes(header.as_bytes()).place(place).finish();
        self.put(BATCHES, &batch_key(publisher, batch), &receipt)?;
        self.note_position(place)
    }

    /// Notes where a record lies that must be found by its number.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn note_position(&self, place: LogPlace) -> Result<(), ProjectionError> {
        self.put(POSITIONS, &place.sequence.0.to_be_bytes(), &place.position.0.to_be_bytes())
    }
}

fn batch_key(publisher: OrganisationCode, batch: BatchNumber) -> Vec<u8> {
    Packer::default().bytes(publisher.as_str().as_bytes()).long(batch.0).finish()
}

const CHAINS: Table = Table::new("chains");
const BATCHES: Table = Table::new("batches");
const POSITIONS: Table = Table::new("positions");
