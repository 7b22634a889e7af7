//! Checks that were answered without the hub, until the hub has been told of them.

use std::ops::ControlFlow;

use super::{NodeChange, NodeState};
use crate::domain::log::Sequence;
use crate::store::packing::Unpacker;
use crate::store::projection::ProjectionError;

impl NodeState {
    /// Says whether the hub has still to be told of a check.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn is_missed(&self, check_key: &str) -> Result<bool, ProjectionError> {
        Ok(self.row(&self.trees.misses, check_key.as_bytes())?.is_some())
    }

    /// Lists the records of checks that the hub has still to be told of, at most `limit`.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn misses(&self, limit: usize) -> Result<Vec<Sequence>, ProjectionError> {
        let mut misses = Vec::new();
        self.visit_until(&self.trees.misses, &[], |_, record| {
            if misses.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            misses.push(Sequence(Unpacker::new(record).long()?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(misses)
    }
}

impl NodeChange<'_> {
    /// Notes the record of a check that was answered without the hub.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_miss(&self, check_key: &str, record: Sequence) -> Result<(), ProjectionError> {
        self.put(&self.trees.misses, check_key.as_bytes(), &record.0.to_be_bytes())
    }

    /// Takes a check off the list, when the hub has been told of it.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove_miss(&self, check_key: &str) -> Result<(), ProjectionError> {
        self.remove(&self.trees.misses, check_key.as_bytes())
    }
}
