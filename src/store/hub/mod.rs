//! The hub's projections beside the index: chains, receipts, keys, policies, statements, persons, requests, prompts,
//! figures, consents, accesses, recalls, reliances, cases and positions, one file each. What is recorded when is decided by the services; here it is
//! only kept.

mod accesses;
mod batches;
mod cases;
mod consents;
mod figures;
mod persons;
mod prompts;
mod recalls;
mod registry;
mod reliances;
mod requests;
mod waiting;

use std::path::Path;

use sha2::{Digest as _, Sha256};

pub use self::batches::{BatchPlace, ChainHead};
pub use self::cases::KeptCase;
pub use self::consents::{KeptConsent, KeptRelation, KeptSharing};
pub use self::figures::{Figure, FigureKey, Marked};
pub use self::persons::{KeyedDigest, KnownPerson};
pub use self::prompts::{KeptPrompt, PromptState};
pub use self::recalls::{DoctorTag, EntryPlace, KeptRecall, KeptSight, doctor_tag};
pub use self::registry::{KeptPolicy, SigningKeyId};
pub use self::reliances::{Reliance, Requalification};
pub use self::requests::RequestKind;
pub use self::waiting::WaitingPrompt;
use super::projection::{Changing, Projection, ProjectionError, Reading, Rows, Table, applied_in};
use super::sum::TableSum;
use crate::domain::log::Sequence;

/// The hub's projections of its journal in one redb file.
#[derive(Debug)]
pub struct HubState(Projection);

/// The projections as they are read: [`HubView`], or inside a change.
#[derive(Debug)]
pub struct HubTables<R>(R);

/// The projections at one instant; cheap to make, and unmoved by later writes.
pub type HubView = HubTables<Reading>;

/// The projections inside a change: reads see what the change wrote so far. Nothing is changed while rows are visited.
pub type HubChange<'t> = HubTables<Changing<'t>>;

impl HubState {
    /// Opens the projections, or makes empty ones; the engine may hold `cache_bytes` of pages in memory.
    ///
    /// # Errors
    /// [`ProjectionError::NeedsRebuild`] or [`ProjectionError::Damaged`] when the file cannot be trusted: move it
    /// aside with [`super::projection::quarantine`], open again and feed it the journal from the start.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, ProjectionError> {
        Projection::open(path, FORM, cache_bytes, &tables()).map(Self)
    }

    /// Makes projections that live as long as the process.
    ///
    /// # Errors
    /// None in practice.
    pub fn in_memory() -> Result<Self, ProjectionError> {
        Projection::in_memory(FORM, &tables()).map(Self)
    }

    /// Gives the next record to apply: all below it are applied.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn applied(&self) -> Result<Sequence, ProjectionError> {
        self.0.applied()
    }

    /// Starts reading.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn read(&self) -> Result<HubView, ProjectionError> {
        self.0.read().map(|transaction| HubTables(Reading::new(transaction)))
    }

    /// Applies records up to `next`: all that `change` writes, and the position, or nothing.
    ///
    /// # Errors
    /// [`ProjectionError::AlreadyApplied`] when `next` is not beyond [`HubState::applied`], because figures must not
    /// be added twice; otherwise whatever `change` returns, or the engine's error.
    pub fn write<T>(
        &self,
        next: Sequence,
        change: impl FnOnce(&HubChange<'_>) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        self.0.write(next, |transaction| {
            let applied = applied_in(transaction)?;
            if next <= applied {
                return Err(ProjectionError::AlreadyApplied { applied, next });
            }
            change(&HubTables(Changing::new(transaction)))
        })
    }

    /// Sums up every table, for comparing two projections of one journal.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn sums(&self) -> Result<Vec<TableSum>, ProjectionError> {
        self.0.sums(&tables())
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// [`ProjectionError::Io`] when the disk fails.
    pub fn flush(&self) -> Result<(), ProjectionError> {
        self.0.flush()
    }
}

impl HubChange<'_> {
    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ProjectionError> {
        self.0.put(table, key, value)
    }

    fn remove(&self, table: Table, key: &[u8]) -> Result<(), ProjectionError> {
        self.0.remove(table, key)
    }
}

impl<R: Rows> HubTables<R> {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        self.0.row(table, key)
    }
}

/// Shortens a caller's text to a key of fixed length; 16 bytes of SHA-256 do not meet by chance.
fn hashed(text: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
}

fn tables() -> Vec<Table> {
    [
        accesses::TABLES,
        batches::TABLES,
        cases::TABLES,
        consents::TABLES,
        figures::TABLES,
        persons::TABLES,
        prompts::TABLES,
        recalls::TABLES,
        registry::TABLES,
        reliances::TABLES,
        requests::TABLES,
        waiting::TABLES,
    ]
    .concat()
}

/// Form 4 added owed reasons, form 5 recalls, reliances and cases, which older files lack for the records they have
/// applied. Form 7 keeps the reports that a patient had in one row of marks.
const FORM: u32 = 7;

#[cfg(test)]
mod tests;
