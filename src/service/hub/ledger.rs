//! The hub's way into its journal: a record is durable, and every projection has it, before anybody is answered. A check
//! that prompts is answered once it is durable; see [`super::ahead`].

use bytes::Bytes;
use tokio::sync::watch;

use crate::domain::id::Digest;
use crate::domain::log::{LogPlace, Sequence};
use crate::service::hub::error::HubError;
use crate::store::journal::Journal;
use crate::wire::record::Record;

/// Writes records and waits until they can be seen. A cheap handle.
#[derive(Clone)]
pub struct Ledger {
    journal: Journal,
    projected: watch::Receiver<Sequence>,
    published: watch::Receiver<Sequence>,
}

impl Ledger {
    /// Joins a journal with the word of projector and log keeper of how far they have come.
    pub fn new(journal: Journal, projected: watch::Receiver<Sequence>, published: watch::Receiver<Sequence>) -> Self {
        Self { journal, projected, published }
    }

    /// Writes records next to each other; returns once they are durable and projected.
    ///
    /// # Errors
    /// [`HubError::Journal`] when it is unknown whether they were kept, [`HubError::Behind`] when projections or public
    /// log have stopped; the caller sends the request again with the same key.
    pub async fn record(&self, records: &[Record]) -> Result<Vec<LogPlace>, HubError> {
        self.assert_followed()?;
        let bytes = records.iter().map(|record| (record.kind(), record.payload())).collect();
        let places: Vec<LogPlace> = self.journal.append_all(bytes).await?.into_iter().map(Into::into).collect();
        if let Some(last) = places.last() {
            self.wait_for(last.sequence.next()).await?;
        }
        Ok(places)
    }

    /// Writes a record; returns once it is durable, which may be before projections have it.
    ///
    /// # Errors
    /// As for [`Ledger::record`].
    pub async fn record_ahead(&self, record: &Record) -> Result<LogPlace, HubError> {
        self.assert_followed()?;
        Ok(self.journal.append(record.kind(), record.payload()).await?.into())
    }

    /// Queues a record whose loss in a crash changes nothing: a check that prompted nothing.
    ///
    /// # Errors
    /// [`HubError::Journal`] when the journal is closed, [`HubError::Behind`] as for [`Ledger::record`].
    pub async fn record_soon(&self, record: &Record) -> Result<(), HubError> {
        self.assert_followed()?;
        Ok(self.journal.append_soon(record.kind(), record.payload()).await?)
    }

    /// Reads a record again.
    ///
    /// # Errors
    /// [`HubError`] when the place was not given by this journal or its bytes are damaged.
    pub fn read(&self, place: LogPlace) -> Result<Record, HubError> {
        self.read_entry(place).map(|(record, _)| record)
    }

    /// Reads a record again, with its entry in the log.
    ///
    /// # Errors
    /// As for [`Ledger::read`].
    pub fn read_entry(&self, place: LogPlace) -> Result<(Record, Digest), HubError> {
        let record = self.journal.read(place.into())?;
        let entry = Digest::new(record.digest());
        Ok((Record::decode(record.kind, record.payload)?, entry))
    }

    /// Reads a piece of a record's payload, unchecked; see [`crate::store::journal::JournalReader::read_piece`].
    ///
    /// # Errors
    /// [`HubError`] when the place was not given by this journal.
    pub fn read_piece(&self, place: LogPlace, start: u32, length: usize) -> Result<Bytes, HubError> {
        Ok(self.journal.reader().read_piece(place.into(), start, length)?)
    }

    /// Says whether the journal has failed: nothing that writes is answered until the hub is started anew.
    pub fn is_poisoned(&self) -> bool {
        self.journal.is_poisoned()
    }

    /// Gives word whenever the projections have more records.
    pub fn changes(&self) -> watch::Receiver<Sequence> {
        self.projected.clone()
    }

    /// Gives the number of records that every projection has.
    pub fn projected(&self) -> Sequence {
        *self.projected.borrow()
    }

    /// Gives the number of records that the last checkpoint covers.
    pub fn published(&self) -> Sequence {
        *self.published.borrow()
    }

    /// Gives the number of durable records.
    pub fn records(&self) -> u64 {
        self.journal.reader().next_sequence()
    }

    /// Says whether projections and public log still follow the journal.
    pub fn is_followed(&self) -> bool {
        self.projected.has_changed().is_ok() && self.published.has_changed().is_ok()
    }

    /// Waits until a published checkpoint covers the records below `next`.
    ///
    /// # Errors
    /// [`HubError::Behind`] when the public log has stopped.
    pub async fn wait_for_checkpoint(&self, next: Sequence) -> Result<(), HubError> {
        let mut published = self.published.clone();
        published.wait_for(|reached| *reached >= next).await.map(drop).map_err(|_| HubError::Behind)
    }

    /// Waits until every projection has the records below `next`.
    ///
    /// # Errors
    /// [`HubError::Behind`] when the projections have stopped.
    pub async fn wait_for(&self, next: Sequence) -> Result<(), HubError> {
        let mut projected = self.projected.clone();
        projected.wait_for(|reached| *reached >= next).await.map(drop).map_err(|_| HubError::Behind)
    }

    /// Refuses to write what nobody would project: a request sent again would not be known by its key, and would be
    /// recorded once more.
    fn assert_followed(&self) -> Result<(), HubError> {
        if self.is_followed() { Ok(()) } else { Err(HubError::Behind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::hub::testing::World;
    use crate::wire::pb;

    #[tokio::test]
    async fn nothing_is_written_once_nobody_follows() {
        let mut world = World::new().await;
        world.fail().await;
        let (ledger, before) = (&world.hub.parts.ledger, world.journal.reader().next_sequence());
        let record = Record::Miss(pb::MissRecord::default());
        assert!(matches!(ledger.record(std::slice::from_ref(&record)).await, Err(HubError::Behind)));
        assert!(matches!(ledger.record_soon(&record).await, Err(HubError::Behind)));
        assert_eq!(world.journal.reader().next_sequence(), before, "sent again, it would be there twice");
    }
}
