//! A hub's index, tables and public log, built anew.

use std::fs;
use std::path::Path;

use indicatif::ProgressBar;

use super::{Found, Part, RebuildError, failed, in_use, replace, workshop};
use crate::app::backup::{BackupError, extend_log};
use crate::domain::time::Moment;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::note::VerifierKey;
use crate::merkle::proof::TreeHead;
use crate::merkle::tile::tiles_of;
use crate::ports::index::IndexError;
use crate::service::hub::projector;
use crate::store::hub::HubState;
use crate::store::index::RedbIndex;
use crate::store::journal::{Journal, JournalOptions, JournalReader};
use crate::store::projection::ProjectionError;
use crate::store::tiles::{TileReader, TileStore};

/// Builds, compares, and unless `check` replaces. Gives the number of records and what was found of each part.
///
/// # Errors
/// [`RebuildError`]; nothing was replaced.
pub fn rebuild(
    data: &Path,
    check: bool,
    now: Moment,
    progress: &ProgressBar,
) -> Result<(u64, Vec<Part>), RebuildError> {
    let covered = covered(data)?;
    let options = JournalOptions { acknowledged: covered.map_or(0, |head| head.size), ..JournalOptions::default() };
    // Kept open to the end: its lock keeps the hub from starting meanwhile.
    let (journal, opened) = Journal::open(&data.join(JOURNAL), options).map_err(|error| in_use(data, error))?;
    let (reader, workshop) = (journal.reader(), workshop(data)?);
    progress.set_length(2 * opened.next_sequence);

    let size = covered.map_or(opened.next_sequence, |head| head.size);
    let mut tiles = TileStore::open(&workshop)?;
    extend_log(&mut tiles, &reader, size, &mut |_| progress.inc(1))?;
    if let Some(head) = covered.filter(|head| *head != tiles.head()) {
        return Err(BackupError::Root { size: head.size }.into());
    }
    let log = compare_log(data, &workshop, size);
    let (index, tables) = {
        let index = RedbIndex::open(&workshop.join(INDEX), CACHE_BYTES)?;
        let state = HubState::open(&workshop.join(TABLES), CACHE_BYTES)?;
        let before = progress.position();
        projector::rebuild(&reader, &index, &state, &mut |done| progress.set_position(before + done))?;
        compare(data, &reader, &index, &state)?
    };
    let parts = vec![
        Part { name: INDEX, found: index },
        Part { name: TABLES, found: tables },
        Part { name: TILES, found: log },
    ];
    if !check {
        for part in parts.iter().filter(|part| part.found != Found::Same) {
            replace(data, &workshop, part.name, now)?;
            if part.name == TILES {
                replace(data, &workshop, HEAD, now)?;
            }
        }
    }
    fs::remove_dir_all(&workshop).map_err(failed("remove", &workshop))?;
    Ok((opened.next_sequence, parts))
}

/// Gives what the checkpoint covers, where there is one.
fn covered(data: &Path) -> Result<Option<TreeHead>, RebuildError> {
    let (path, key) = (data.join("checkpoint"), data.join("log.vkey"));
    if !path.exists() {
        return Ok(None);
    }
    let note = fs::read(&path).map_err(failed("read", &path))?;
    let key_line = fs::read_to_string(&key).map_err(failed("read", &key))?;
    let bad = || BackupError::Checkpoint(path.clone());
    let key: VerifierKey = key_line.trim().parse().map_err(|_| bad())?;
    let checkpoint = Checkpoint::open(&note, key.name(), std::slice::from_ref(&key)).map_err(|_| bad())?;
    Ok(Some(checkpoint.head()))
}

fn compare_log(data: &Path, workshop: &Path, size: u64) -> Found {
    if !data.join(TILES).exists() && size > 0 {
        return Found::Absent;
    }
    let (there, fresh) = (TileReader::new(data), TileReader::new(workshop));
    for tile in tiles_of(size) {
        match (there.read(tile), fresh.read(tile)) {
            (Ok(there), Ok(fresh)) if there == fresh => {}
            (Ok(_), _) => return Found::Different(format!("{tile} is not that of the records")),
            (Err(error), _) => return Found::Unusable(format!("{tile}: {error}")),
        }
    }
    match TileStore::open(data) {
        Ok(_) => Found::Same,
        Err(error) => Found::Unusable(error.to_string()),
    }
}

/// Compares index and tables with those built anew, after they were brought to the same end.
fn compare(
    data: &Path,
    journal: &JournalReader,
    fresh_index: &RedbIndex,
    fresh_state: &HubState,
) -> Result<(Found, Found), RebuildError> {
    let (index_path, tables_path) = (data.join(INDEX), data.join(TABLES));
    let index = if index_path.exists() { Some(RedbIndex::open(&index_path, CACHE_BYTES)) } else { None };
    let state = if tables_path.exists() { Some(HubState::open(&tables_path, CACHE_BYTES)) } else { None };
    match (&index, &state) {
        (Some(Err(IndexError::InUse)), _) | (_, Some(Err(ProjectionError::InUse))) => {
            return Err(RebuildError::InUse(data.to_owned()));
        }
        (Some(Err(IndexError::Newer { found, known })), _)
        | (_, Some(Err(ProjectionError::Newer { found, known }))) => {
            return Err(ProjectionError::Newer { found: *found, known: *known }.into());
        }
        _ => {}
    }
    let end = journal.next_sequence();
    // What is ahead of the journal is left as it is, and differs.
    let index_found = match &index {
        None => Found::Absent,
        Some(Err(error)) => Found::Unusable(error.to_string()),
        Some(Ok(there)) => {
            let caught_up = ahead(crate::ports::index::EntryIndex::applied(there).map(|applied| applied.0), end)
                .and_then(|()| projector::rebuild(journal, there, fresh_state, &mut |_| ()).map_err(said))
                .and_then(|()| there.sums().map_err(said));
            let fresh = fresh_index.sums()?;
            caught_up.map_or_else(Found::Unusable, |there| Found::of(&there, &fresh))
        }
    };
    let state_found = match &state {
        None => Found::Absent,
        Some(Err(error)) => Found::Unusable(error.to_string()),
        Some(Ok(there)) => {
            let caught_up = ahead(there.applied().map(|applied| applied.0), end)
                .and_then(|()| projector::rebuild(journal, fresh_index, there, &mut |_| ()).map_err(said))
                .and_then(|()| there.sums().map_err(said));
            let fresh = fresh_state.sums()?;
            caught_up.map_or_else(Found::Unusable, |there| Found::of(&there, &fresh))
        }
    };
    Ok((index_found, state_found))
}

fn ahead<E: std::fmt::Display>(applied: Result<u64, E>, end: u64) -> Result<(), String> {
    match applied {
        Ok(applied) if applied > end => Err(format!("it has applied {applied} records, the journal holds {end}")),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The hub's journal.
pub const JOURNAL: &str = "entries";
const INDEX: &str = "index.redb";
const TABLES: &str = "tables.redb";
const TILES: &str = "tile";
const HEAD: &str = "head";
const CACHE_BYTES: usize = 64 << 20;
