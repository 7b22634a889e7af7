//! Batches that were sealed, those that still wait for the hub's receipt, and the end of the node's chain.

use std::ops::ControlFlow;

use super::{NodeChange, NodeState, guarded};
use crate::domain::id::Digest;
use crate::domain::log::{BatchNumber, Position};
use crate::store::packing::{Packer, Unpacker};
use crate::store::projection::ProjectionError;

/// A sealed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxBatch {
    /// Its number in the node's chain.
    pub batch: BatchNumber,
    /// Where its record lies.
    pub position: Position,
    /// SHA-256 of its header.
    pub header: Digest,
    /// Whether the hub's receipt was verified.
    pub receipted: bool,
}

/// The end of the node's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeChainHead {
    /// Number of the last batch.
    pub batch: BatchNumber,
    /// SHA-256 of its header.
    pub header: Digest,
}

impl NodeState {
    /// Gives a sealed batch.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn outbox_batch(&self, batch: BatchNumber) -> Result<Option<OutboxBatch>, ProjectionError> {
        let Some(found) = self.row(&self.trees.outbox, &batch.0.to_be_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let (position, header) = (Position(found.long()?), Digest::new(found.bytes()?));
        Ok(Some(OutboxBatch { batch, position, header, receipted: found.byte()? != 0 }))
    }

    /// Lists the batches that wait for a receipt, at most `limit`, in the order of the chain.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn waiting_batches(&self, limit: usize) -> Result<Vec<OutboxBatch>, ProjectionError> {
        let mut numbers = Vec::new();
        self.visit_until(&self.trees.waiting, &[], |key, _| {
            if numbers.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            numbers.push(BatchNumber(Unpacker::new(key).long()?));
            Ok(ControlFlow::Continue(()))
        })?;
        numbers.into_iter().map(|batch| self.outbox_batch(batch)?.ok_or(ProjectionError::Damaged)).collect()
    }

    /// Counts the batches that wait for a receipt, by walking over them.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn waiting_batch_count(&self) -> Result<usize, ProjectionError> {
        guarded(|| Ok(self.trees.waiting.len()))
    }

    /// Gives the end of the node's chain, if a batch was ever sealed.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn chain_head(&self) -> Result<Option<NodeChainHead>, ProjectionError> {
        let Some(found) = self.row(&self.trees.meta, CHAIN_HEAD)? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        Ok(Some(NodeChainHead { batch: BatchNumber(found.long()?), header: Digest::new(found.bytes()?) }))
    }
}

impl NodeChange<'_> {
    /// Notes a sealed batch: it waits for its receipt, and ends the chain. One that has its receipt keeps it.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_sealed(&self, batch: BatchNumber, position: Position, header: Digest) -> Result<(), ProjectionError> {
        let receipted = self.outbox_batch(batch)?.is_some_and(|known| known.receipted && known.header == header);
        self.put_batch(OutboxBatch { batch, position, header, receipted })?;
        if self.chain_head()?.is_none_or(|head| head.batch <= batch) {
            let head = Packer::default().long(batch.0).bytes(header.as_bytes()).finish();
            self.put(&self.trees.meta, CHAIN_HEAD, &head)?;
        }
        Ok(())
    }

    /// Notes that a batch has its receipt; false when there is no such batch.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_receipted(&self, batch: BatchNumber) -> Result<bool, ProjectionError> {
        let Some(known) = self.outbox_batch(batch)? else { return Ok(false) };
        self.put_batch(OutboxBatch { receipted: true, ..known })?;
        Ok(true)
    }

    fn put_batch(&self, sealed: OutboxBatch) -> Result<(), ProjectionError> {
        let key = sealed.batch.0.to_be_bytes();
        let value =
            Packer::default().long(sealed.position.0).bytes(sealed.header.as_bytes()).byte(sealed.receipted.into());
        self.put(&self.trees.outbox, &key, &value.finish())?;
        match sealed.receipted {
            true => self.remove(&self.trees.waiting, &key),
            false => self.put(&self.trees.waiting, &key, &[]),
        }
    }
}

const CHAIN_HEAD: &[u8] = b"chain head";
