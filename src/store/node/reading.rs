//! How far the pipeline has read the intake records, which of them it must read again, and what a report holds.

use super::{NodeChange, NodeState, guarded};
use crate::domain::id::{ReportId, ResultId};
use crate::domain::log::Sequence;
use crate::store::packing::Unpacker;
use crate::store::projection::ProjectionError;

impl NodeState {
    /// Gives the record that the pipeline reads next: what all below it came to is recorded.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn read_to(&self) -> Result<Sequence, ProjectionError> {
        self.number(READ_TO).map(Sequence)
    }

    /// Gives the number of leaves of the largest tree that the hub has shown in a receipt.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn tree_size(&self) -> Result<u64, ProjectionError> {
        self.number(TREE_SIZE)
    }

    /// Lists the intake records to be read again, at most `limit`, in order.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn again(&self, limit: usize) -> Result<Vec<Sequence>, ProjectionError> {
        let mut records = Vec::new();
        self.visit(&self.trees.again, &[], |key, _| {
            if records.len() < limit {
                records.push(Sequence(Unpacker::new(key).long()?));
            }
            Ok(())
        })?;
        Ok(records)
    }

    /// Counts the intake records of which something waits or maps to nothing.
    pub fn wanting_count(&self) -> usize {
        self.trees.wanting.len()
    }

    /// Lists the results of a report that were ever published.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn results_of(&self, report: ReportId) -> Result<Vec<ResultId>, ProjectionError> {
        let mut results = Vec::new();
        self.visit(&self.trees.reports, report.as_bytes(), |key, _| {
            let mut key = Unpacker::new(key);
            let _report: [u8; ReportId::BYTES] = key.bytes()?;
            results.push(ResultId::new(key.bytes()?));
            Ok(())
        })?;
        Ok(results)
    }

    fn number(&self, key: &[u8]) -> Result<u64, ProjectionError> {
        Ok(self.row(&self.trees.meta, key)?.map_or(Ok(0), |found| Unpacker::new(&found).long())?)
    }
}

impl NodeChange<'_> {
    /// Notes how far the pipeline has read; never lowered.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_read_to(&self, next: Sequence) -> Result<(), ProjectionError> {
        self.raise(READ_TO, next.0)
    }

    /// Notes the size of a tree that the hub has shown; never lowered.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_tree_size(&self, leaves: u64) -> Result<(), ProjectionError> {
        self.raise(TREE_SIZE, leaves)
    }

    /// Notes whether anything of an intake record, which was just read, waits or maps to nothing.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_wanting(&self, intake: Sequence, is_wanting: bool) -> Result<(), ProjectionError> {
        let key = intake.0.to_be_bytes();
        self.remove(&self.trees.again, &key)?;
        match is_wanting {
            true => self.put(&self.trees.wanting, &key, &[]),
            false => self.remove(&self.trees.wanting, &key),
        }
    }

    /// Asks for every wanting record below `below` to be read again, and begins to count unknown codes anew.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_again(&self, below: Sequence) -> Result<(), ProjectionError> {
        let mut records = Vec::new();
        self.visit(&self.trees.wanting, &[], |key, _| {
            records.push(Unpacker::new(key).long()?);
            Ok(())
        })?;
        for record in records.into_iter().filter(|record| *record < below.0) {
            self.put(&self.trees.again, &record.to_be_bytes(), &[])?;
        }
        guarded(|| self.trees.unmapped.clear())
    }

    /// Asks for one record to be read again.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_again_one(&self, intake: Sequence) -> Result<(), ProjectionError> {
        self.put(&self.trees.again, &intake.0.to_be_bytes(), &[])
    }

    /// Notes that a report holds a result.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_of_report(&self, report: ReportId, result: ResultId) -> Result<(), ProjectionError> {
        self.put(&self.trees.reports, &[&report.as_bytes()[..], &result.as_bytes()[..]].concat(), &[])
    }

    fn raise(&self, key: &[u8], number: u64) -> Result<(), ProjectionError> {
        if number > self.number(key)? {
            self.put(&self.trees.meta, key, &number.to_be_bytes())?;
        }
        Ok(())
    }
}

const READ_TO: &[u8] = b"read to";
const TREE_SIZE: &[u8] = b"tree size";
