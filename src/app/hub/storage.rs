//! Opens what a hub keeps on disk. The journal must be sound; a damaged projection is moved aside and built anew.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::merkle::checkpoint::{Checkpoint, CheckpointError};
use crate::merkle::note::VerifierKey;
use crate::ports::index::{EntryIndex, IndexError};
use crate::store::hub::HubState;
use crate::store::index::RedbIndex;
use crate::store::journal::{Journal, JournalError, JournalOptions};
use crate::store::projection::{ProjectionError, quarantine};
use crate::store::tiles::{TileReader, TileStore, TileStoreError};

/// A hub's journal and projections.
pub struct Storage {
    /// The truth.
    pub journal: Journal,
    /// The public log.
    pub tiles: TileStore,
    /// The index of entries.
    pub index: Arc<dyn EntryIndex>,
    /// The other tables.
    pub state: Arc<HubState>,
}

/// How storage is opened.
#[derive(Debug, Clone, Copy)]
pub struct StorageOptions {
    /// How the journal is kept; what is known to have been acknowledged is found here.
    pub journal: JournalOptions,
    /// Memory of the index, in bytes.
    pub index_cache_bytes: usize,
    /// Memory of the other tables, in bytes.
    pub tables_cache_bytes: usize,
    /// The time, for the names of what is moved aside.
    pub now: Moment,
}

/// The hub's data cannot be opened; nothing was served.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The data folder cannot be used.
    #[error("{action} in {path}: {source}", path = path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The checkpoint is not this log's; the secrets are not those of the data.
    #[error("{path}: {source}; do log.key and log_name belong to this data folder?", path = path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// The journal has lost records that were acknowledged.
    #[error(
        "the journal holds {held} records, and {path} shows that {known} were acknowledged; restore the journal from a \
         copy, or, where there is none, move {path} away: what was lost stays lost",
        path = path.display()
    )]
    Short {
        /// The projection that knows more.
        path: PathBuf,
        /// Records of the journal.
        held: u64,
        /// Records that the projection has taken.
        known: u64,
    },
    /// The journal.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// The index.
    #[error("index: {0}")]
    Index(#[from] IndexError),
    /// The tables.
    #[error("tables: {0}")]
    Projection(#[from] ProjectionError),
    /// The public log.
    #[error("public log: {0}")]
    Tiles(#[from] TileStoreError),
}

impl Storage {
    /// Opens the data folder, made if need be. `log_key` says whose checkpoint is believed about the journal's length.
    ///
    /// # Errors
    /// [`StorageError`] when somebody must look before the hub may start.
    pub fn open(data: &Path, log_key: &VerifierKey, options: StorageOptions) -> Result<Self, StorageError> {
        std::fs::create_dir_all(data).map_err(failed("make the data folder", data))?;
        let acknowledged = acknowledged(data, log_key)?;
        let journal_options = JournalOptions { acknowledged, ..options.journal };
        let (journal, opened) = Journal::open(&data.join(ENTRIES), journal_options)?;
        if opened.cut_bytes > 0 {
            tracing::warn!(bytes = opened.cut_bytes, "cut what a crash had left unfinished at the journal's end");
        }
        tracing::info!(records = opened.next_sequence, segments = opened.segments, "journal opened");
        let end = Sequence(opened.next_sequence);
        let storage = Self {
            tiles: open_tiles(data, end, options.now)?,
            index: open_index(&data.join(INDEX), end, options)?,
            state: open_state(&data.join(TABLES), end, options)?,
            journal,
        };
        Ok(storage)
    }
}

/// Gives the size in the last checkpoint: no fewer records may be in the journal.
fn acknowledged(data: &Path, log_key: &VerifierKey) -> Result<u64, StorageError> {
    let Some(note) = TileReader::new(data).checkpoint()? else { return Ok(0) };
    let checkpoint = Checkpoint::open(note.as_bytes(), log_key.name(), std::slice::from_ref(log_key));
    let path = data.join(CHECKPOINT);
    Ok(checkpoint.map_err(|source| StorageError::Checkpoint { path, source })?.head().size)
}

fn open_tiles(data: &Path, end: Sequence, now: Moment) -> Result<TileStore, StorageError> {
    match TileStore::open(data) {
        Ok(tiles) => return within(&data.join(HEAD), Sequence(tiles.size()), end).map(|()| tiles),
        Err(TileStoreError::Damaged) => {}
        Err(error) => return Err(error.into()),
    }
    for name in [TILES, HEAD] {
        let path = data.join(name);
        if path.exists() {
            set_aside(&path, now, &TileStoreError::Damaged)?;
        }
    }
    Ok(TileStore::open(data)?)
}

fn open_index(path: &Path, end: Sequence, options: StorageOptions) -> Result<Arc<dyn EntryIndex>, StorageError> {
    let open = || RedbIndex::open(path, options.index_cache_bytes);
    let reason = match open().and_then(|index| Ok((index.applied()?, index))) {
        Ok((applied, index)) => return within(path, applied, end).map(|()| Arc::new(index) as Arc<dyn EntryIndex>),
        Err(reason @ (IndexError::Damaged | IndexError::NeedsRebuild(_))) => reason,
        Err(error) => return Err(error.into()),
    };
    set_aside(path, options.now, &reason)?;
    Ok(Arc::new(open()?))
}

fn open_state(path: &Path, end: Sequence, options: StorageOptions) -> Result<Arc<HubState>, StorageError> {
    let open = || HubState::open(path, options.tables_cache_bytes);
    let reason = match open().and_then(|state| Ok((state.applied()?, state))) {
        Ok((applied, state)) => return within(path, applied, end).map(|()| Arc::new(state)),
        Err(reason @ (ProjectionError::Damaged | ProjectionError::NeedsRebuild(_))) => reason,
        Err(error) => return Err(error.into()),
    };
    set_aside(path, options.now, &reason)?;
    Ok(Arc::new(open()?))
}

/// Insists that a projection has taken no more than the journal holds: it takes only what is durable.
fn within(path: &Path, known: Sequence, held: Sequence) -> Result<(), StorageError> {
    match known <= held {
        true => Ok(()),
        false => Err(StorageError::Short { path: path.to_owned(), held: held.0, known: known.0 }),
    }
}

fn set_aside(path: &Path, now: Moment, reason: &dyn std::error::Error) -> Result<(), StorageError> {
    let aside = quarantine(path, now.unix_ms()).map_err(failed("move aside", path))?;
    tracing::error!(aside = %aside.display(), %reason, "moved aside, and built anew from the journal");
    Ok(())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    move |source| StorageError::Folder { action, path: path.to_owned(), source }
}

/// The journal's segments.
pub(super) const ENTRIES: &str = "entries";
/// The public log, read by anybody.
pub(super) const CHECKPOINT: &str = "checkpoint";
const TILES: &str = "tile";
const HEAD: &str = "head";
/// The projections.
const INDEX: &str = "index.redb";
const TABLES: &str = "tables.redb";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_that_knows_more_than_the_journal_stops_the_start_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let key = "elsewhere.example/log+15c1fd49+AVdk5TamRgSRyZ4SnG4RQTr+5rIli+DPKkkH6lYsbzPn".parse().unwrap();
        let options = StorageOptions {
            journal: JournalOptions::default(),
            index_cache_bytes: 1 << 20,
            tables_cache_bytes: 1 << 20,
            now: Moment::new(0, 480).unwrap(),
        };
        let open = || Storage::open(folder.path(), &key, options);
        let storage = open().unwrap();
        storage.index.apply(Sequence(3), &[]).unwrap();
        storage.index.flush().unwrap();
        drop(storage);
        for _ in 0..2 {
            let Err(error) = open() else { panic!("records are missing") };
            assert!(matches!(error, StorageError::Short { held: 0, known: 3, .. }), "{error}");
        }
        std::fs::remove_file(folder.path().join(INDEX)).unwrap();
        open().unwrap();
    }
}
