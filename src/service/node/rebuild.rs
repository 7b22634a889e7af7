//! Building a node's projections from its journal without a node that serves.

use super::apply;
use super::error::NodeError;
use super::ledger::NodeRecord;
use crate::store::journal::JournalReader;
use crate::store::node::NodeState;

/// Brings the records of `journal` that the projections lack into them; `told` hears how many have been looked at.
///
/// # Errors
/// [`NodeError`]; what was applied before stays.
pub fn rebuild(journal: &JournalReader, state: &NodeState, told: &mut dyn FnMut(u64)) -> Result<(), NodeError> {
    for record in journal.scan(state.applied()?.0) {
        let record = record?;
        apply::apply(state, record.position, &NodeRecord::decode(&record)?)?;
        told(record.sequence() + 1);
    }
    Ok(state.flush()?)
}
