//! A node's projections of its journal, in sled: what was seen, what became of it, what waits to be sent. One file a
//! concern; what is recorded when is decided by the services.
//!
//! sled alone is not trusted: its flush reaches no platter, and a lost tail of its file opens as an older or an empty
//! store without a word. Hence the checks at [`NodeState::open`], the seal on every value, and changes that can be
//! applied again.

mod intake;
mod links;
mod misses;
mod outbox;
mod reading;
mod recalls;
mod results;
mod studies;
mod worklist;

use std::fs::File;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sled::{Config, Db, Mode, Tree};

pub use self::intake::OriginalPlace;
pub use self::links::{Link, LinkedPerson};
pub use self::outbox::{NodeChainHead, OutboxBatch};
pub use self::recalls::RecallKey;
pub use self::results::{IdentifierDigest, KnownResult};
pub use self::studies::{InstanceUid, KeptInstance, KeptStudy, StudyUid};
pub use self::worklist::{HeldEntry, HeldPlace, UnmappedCount};
use super::packing::{Unpacker, seal, unseal};
use super::projection::{ProjectionError, quarantine};
use super::sum::{Summing, TableSum};
use crate::domain::log::Sequence;
use crate::domain::time::Moment;

/// Largest value, in bytes; sled keeps much larger ones in files that it never removes.
pub const VALUE_BYTES_MAX: usize = 4 << 10;
/// Records that are applied again after an unclean stop, because sled may have lost some changes and kept later ones.
pub const REAPPLIED_RECORDS: u64 = 100_000;

/// A node's projections.
#[derive(Debug)]
pub struct NodeState {
    engine: Db,
    /// sled's file, which its own flush does not bring to the disk.
    file: File,
    trees: Trees,
}

/// What [`NodeState::open`] found.
#[derive(Debug)]
pub struct OpenNodeState {
    /// The projections; feed them the journal from [`NodeState::applied`] on.
    pub state: NodeState,
    /// Where the old ones were put, if they could not be trusted. Somebody should look at the disk.
    pub quarantined: Option<PathBuf>,
}

#[derive(Debug)]
struct Trees {
    meta: Tree,
    messages: Tree,
    originals: Tree,
    instances: Tree,
    studies: Tree,
    study_instances: Tree,
    dirty: Tree,
    results: Tree,
    pseudonyms: Tree,
    outbox: Tree,
    waiting: Tree,
    held: Tree,
    unmapped: Tree,
    wanting: Tree,
    again: Tree,
    reports: Tree,
    misses: Tree,
    links: Tree,
    awaiting: Tree,
    recalls: Tree,
    recall_order: Tree,
    open_recalls: Tree,
    recall_notes: Tree,
}

impl NodeState {
    /// Opens the projections in a folder of their own, against a journal whose next record will be `journal_end`.
    ///
    /// What cannot be trusted is moved aside, named after `now`, and empty projections take its place: a store that
    /// does not open, panics, or has another form. One that has applied more than the journal holds is left where it is: it
    /// alone knows that the journal has lost records that were acknowledged.
    ///
    /// # Errors
    /// [`ProjectionError::Ahead`] then; [`ProjectionError::InUse`] when another process has them open,
    /// [`ProjectionError::Io`] when the disk fails.
    pub fn open(folder: &Path, journal_end: Sequence, now: Moment) -> Result<OpenNodeState, ProjectionError> {
        let mut opened = Self::open_as_it_is(folder, journal_end);
        // The engine's threads let go of its lock a moment after the last handle is gone.
        for _ in 0..LOCK_LOOKS_MAX {
            if !matches!(opened, Err(ProjectionError::InUse)) {
                break;
            }
            std::thread::sleep(LOCK_LOOK_INTERVAL);
            opened = Self::open_as_it_is(folder, journal_end);
        }
        match opened {
            Ok(state) => Ok(OpenNodeState { state, quarantined: None }),
            Err(
                error @ (ProjectionError::InUse
                | ProjectionError::Newer { .. }
                | ProjectionError::Ahead { .. }
                | ProjectionError::Io(_)),
            ) => Err(error),
            Err(_) => {
                let quarantined = Some(quarantine(folder, now.unix_ms())?);
                Ok(OpenNodeState { state: Self::open_as_it_is(folder, journal_end)?, quarantined })
            }
        }
    }

    /// Gives the next record to apply: all below it are applied.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn applied(&self) -> Result<Sequence, ProjectionError> {
        let found = self.row(&self.trees.meta, APPLIED)?;
        Ok(found.map_or(Ok(Sequence(0)), |found| Unpacker::new(&found).long().map(Sequence))?)
    }

    /// Applies records up to `next`: the changes first, the position last. A crash in between leaves the older
    /// position, and the same changes are applied again; each of them may be.
    ///
    /// # Errors
    /// Whatever `change` returns, or [`ProjectionError`] of the engine; the position stays.
    pub fn write<T>(
        &self,
        next: Sequence,
        change: impl FnOnce(&NodeChange<'_>) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        let changed = change(&NodeChange(self))?;
        if next > self.applied()? {
            self.put(&self.trees.meta, APPLIED, &next.0.to_be_bytes())?;
        }
        Ok(changed)
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// [`ProjectionError::Io`] when the disk fails.
    pub fn flush(&self) -> Result<(), ProjectionError> {
        guarded(|| self.engine.flush())?;
        Ok(self.file.sync_data()?)
    }

    /// Sums up every table that the journal alone determines, for comparing two projections of one journal.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn sums(&self) -> Result<Vec<TableSum>, ProjectionError> {
        let sum = |(name, tree): (&str, &Tree)| {
            let mut summing = Summing::new(name);
            self.visit(tree, &[], |key, value| {
                summing.add(key, value);
                Ok(())
            })?;
            Ok(summing.finish())
        };
        self.trees.projected().into_iter().map(sum).collect()
    }

    /// Flushes and notes that nothing was lost, so that the next start need not apply old records again.
    ///
    /// # Errors
    /// [`ProjectionError::Io`] when the disk fails.
    pub fn close(self) -> Result<(), ProjectionError> {
        self.flush()?;
        self.put(&self.trees.meta, CLEAN, &[])?;
        self.flush()
    }

    /// Opens the projections, or makes empty ones, and moves nothing aside.
    ///
    /// # Errors
    /// [`ProjectionError`]; what cannot be trusted stays where it is.
    pub fn open_as_it_is(folder: &Path, journal_end: Sequence) -> Result<Self, ProjectionError> {
        let engine = guarded(|| {
            let config = Config::new().path(folder).mode(Mode::HighThroughput);
            config.cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_MS)).open()
        })?;
        let trees = guarded(|| Trees::open(&engine))?;
        let state = Self { file: File::open(folder.join("db"))?, engine, trees };
        match state.row(&state.trees.meta, FORM)? {
            None if guarded(|| Ok(state.trees.meta.is_empty()))? => {
                state.put(&state.trees.meta, FORM, &[FORM_NUMBER])?
            }
            Some(found) if found == [FORM_NUMBER] => {}
            Some(found) if found.len() == 1 && found > vec![FORM_NUMBER] => {
                let found = found.first().copied().map_or(0, u32::from);
                return Err(ProjectionError::Newer { found, known: u32::from(FORM_NUMBER) });
            }
            _ => return Err(ProjectionError::NeedsRebuild("they were written in another form")),
        }
        let applied = state.applied()?;
        if applied > journal_end {
            return Err(ProjectionError::Ahead { applied, held: journal_end });
        }
        if state.row(&state.trees.meta, CLEAN)?.is_none() {
            let again = Sequence(applied.0.saturating_sub(REAPPLIED_RECORDS));
            state.put(&state.trees.meta, APPLIED, &again.0.to_be_bytes())?;
        }
        state.remove(&state.trees.meta, CLEAN)?;
        state.flush()?;
        Ok(state)
    }

    fn row(&self, tree: &Tree, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        let Some(found) = guarded(|| tree.get(key))? else { return Ok(None) };
        Ok(Some(unseal(SEAL, key, &found)?.to_vec()))
    }

    /// Visits all rows whose keys start with `prefix`, in the order of their keys.
    fn visit(
        &self,
        tree: &Tree,
        prefix: &[u8],
        mut visitor: impl FnMut(&[u8], &[u8]) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        self.visit_until(tree, prefix, |key, value| visitor(key, value).map(ControlFlow::Continue))
    }

    /// Visits the rows whose keys start with `prefix`, in the order of their keys, until told to stop.
    fn visit_until(
        &self,
        tree: &Tree,
        prefix: &[u8],
        visitor: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ProjectionError>,
    ) -> Result<(), ProjectionError> {
        self.visit_rows(guarded(|| Ok(tree.scan_prefix(prefix)))?, visitor)
    }

    /// Visits the rows whose keys are not below `first`, in the order of their keys, until told to stop.
    fn visit_from(
        &self,
        tree: &Tree,
        first: &[u8],
        visitor: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ProjectionError>,
    ) -> Result<(), ProjectionError> {
        self.visit_rows(guarded(|| Ok(tree.range(first..)))?, visitor)
    }

    fn visit_rows(
        &self,
        mut rows: sled::Iter,
        mut visitor: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ProjectionError>,
    ) -> Result<(), ProjectionError> {
        while let Some((key, value)) = guarded(|| rows.next().transpose())? {
            if visitor(&key, unseal(SEAL, &key, &value)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn put(&self, tree: &Tree, key: &[u8], value: &[u8]) -> Result<(), ProjectionError> {
        assert!(value.len() <= VALUE_BYTES_MAX, "large values belong to the journal or the originals");
        guarded(|| tree.insert(key, seal(SEAL, key, value)))?;
        Ok(())
    }

    fn remove(&self, tree: &Tree, key: &[u8]) -> Result<(), ProjectionError> {
        guarded(|| tree.remove(key))?;
        Ok(())
    }
}

/// The projections inside a change; made by [`NodeState::write`].
#[derive(Debug)]
pub struct NodeChange<'s>(&'s NodeState);

impl std::ops::Deref for NodeChange<'_> {
    type Target = NodeState;

    /// What a change reads, its own writes included.
    fn deref(&self) -> &NodeState {
        self.0
    }
}

impl Trees {
    fn open(engine: &Db) -> sled::Result<Self> {
        Ok(Self {
            meta: engine.open_tree("meta")?,
            messages: engine.open_tree("messages")?,
            originals: engine.open_tree("originals")?,
            instances: engine.open_tree("instances")?,
            studies: engine.open_tree("studies")?,
            study_instances: engine.open_tree("study instances")?,
            dirty: engine.open_tree("dirty studies")?,
            results: engine.open_tree("results")?,
            pseudonyms: engine.open_tree("pseudonyms")?,
            outbox: engine.open_tree("outbox")?,
            waiting: engine.open_tree("waiting batches")?,
            held: engine.open_tree("held")?,
            unmapped: engine.open_tree("unmapped")?,
            wanting: engine.open_tree("wanting")?,
            again: engine.open_tree("again")?,
            reports: engine.open_tree("reports")?,
            misses: engine.open_tree("misses")?,
            links: engine.open_tree("links")?,
            awaiting: engine.open_tree("awaiting")?,
            recalls: engine.open_tree("recalls")?,
            recall_order: engine.open_tree("recall order")?,
            open_recalls: engine.open_tree("open recalls")?,
            recall_notes: engine.open_tree("recall notes")?,
        })
    }
}

impl Trees {
    /// Gives the trees that hold nothing but what records say: not the position, not what the hub was asked.
    fn projected(&self) -> Vec<(&'static str, &Tree)> {
        vec![
            ("messages", &self.messages),
            ("originals", &self.originals),
            ("instances", &self.instances),
            ("studies", &self.studies),
            ("study instances", &self.study_instances),
            ("dirty studies", &self.dirty),
            ("results", &self.results),
            ("outbox", &self.outbox),
            ("waiting batches", &self.waiting),
            ("held", &self.held),
            ("unmapped", &self.unmapped),
            ("wanting", &self.wanting),
            ("again", &self.again),
            ("reports", &self.reports),
            ("misses", &self.misses),
            ("links", &self.links),
            ("awaiting", &self.awaiting),
            ("recalls", &self.recalls),
            ("recall order", &self.recall_order),
            ("open recalls", &self.open_recalls),
            ("recall notes", &self.recall_notes),
        ]
    }
}

/// Runs work in the engine, which panics over some damaged files.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, ProjectionError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(sled::Error::Io(error))) => Err(from_io(error)),
        Ok(Err(_)) => Err(ProjectionError::NeedsRebuild("the engine found them damaged")),
        Err(_) => Err(ProjectionError::NeedsRebuild("the engine panicked over what it read")),
    }
}

/// Tells a lock and a failing disk from a file whose content does not fit; sled reports all three as I/O.
fn from_io(error: std::io::Error) -> ProjectionError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::Other if error.to_string().starts_with("could not acquire lock") => ProjectionError::InUse,
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => {
            ProjectionError::NeedsRebuild("the engine could not read its file")
        }
        _ => ProjectionError::Io(error),
    }
}

const FORM: &[u8] = b"form";
const APPLIED: &[u8] = b"applied";
const CLEAN: &[u8] = b"clean";
const FORM_NUMBER: u8 = 2;
const SEAL: u8 = 1;
/// How often, and how long after each other, a lock that somebody else holds is tried before it is believed.
const LOCK_LOOKS_MAX: u32 = 100;
const LOCK_LOOK_INTERVAL: Duration = Duration::from_millis(20);
const CACHE_BYTES: u64 = 128 << 20;
/// sled's own flusher is also its garbage collector and must run.
const FLUSH_MS: u64 = 500;

#[cfg(test)]
mod tests;
