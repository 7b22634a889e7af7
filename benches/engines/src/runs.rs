//! The index in an engine that merges sorted runs (fjall): what waits in memory goes to it as a run, without its own log,
//! for the journal has all of it. Only what the comparison needs: nothing here opens a file that a crash has left, flags
//! the older of two versions, or looks for the latest among what still waits. It is not an index to be used.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use concord::domain::id::{Pseudonym, ResultLocator};
use concord::domain::log::Sequence;
use concord::domain::time::Moment;
use concord::ports::index::{EntryIndex, IndexEntry, IndexError};
use fjall::config::CompressionPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::index::fresh::{Fresh, Generation, Merged, Value};
use crate::index::layout::{self, Key, Standing};
use crate::packing::Unsealed;

/// An index of sorted runs.
pub struct RunsIndex {
    parts: Arc<Parts>,
    writer: Mutex<Option<JoinHandle<Result<(), IndexError>>>>,
}

struct Parts {
    database: Database,
    entries: Keyspace,
    standing: Keyspace,
    fresh: RwLock<Fresh>,
}

impl RunsIndex {
    /// Makes an empty index; the engine may hold `cache_bytes` of blocks in memory.
    pub fn open(folder: &Path, cache_bytes: usize) -> Result<Self, IndexError> {
        let cache_bytes = u64::try_from(cache_bytes).unwrap_or(u64::MAX);
        let database = Database::builder(folder).cache_size(cache_bytes).manual_journal_persist(true);
        let database = database.open().map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().data_block_compression_policy(CompressionPolicy::disabled());
        let (entries, standing) = (database.keyspace("entries", options), database.keyspace("standing", options));
        let fresh = RwLock::new(Fresh::new(Sequence(0)));
        let parts = Parts { entries: entries.map_err(failed)?, standing: standing.map_err(failed)?, database, fresh };
        Ok(Self { parts: Arc::new(parts), writer: Mutex::default() })
    }

    fn begin_writing(&self, writer: &mut Option<JoinHandle<Result<(), IndexError>>>) -> Result<(), IndexError> {
        ended(writer.take())?;
        let closed = self.parts.fresh.write().unwrap_or_else(PoisonError::into_inner).close();
        let generation = closed.ok_or(IndexError::NeedsRebuild("an earlier write failed"))?;
        let parts = Arc::clone(&self.parts);
        *writer = Some(std::thread::spawn(move || parts.write(&generation)));
        Ok(())
    }
}

impl Parts {
    fn meet(&self, entries: &[IndexEntry]) -> Result<Generation, IndexError> {
        let fresh = self.fresh.read().unwrap_or_else(PoisonError::into_inner);
        let mut met = Generation::default();
        for entry in entries {
            let arriving = Standing { version: entry.version, key: layout::key(entry) };
            let known = match met.stands(entry.locator()).or_else(|| fresh.stands(entry.locator())) {
                Some((known, _)) => Some(known),
                None => self.standing_of(entry.locator())?,
            };
            let superseded = known.is_some_and(|known| known.rank() > arriving.rank());
            let entry = IndexEntry { superseded, ..entry.clone() };
            met.entries.insert(arriving.key, layout::value(&arriving.key, &entry));
            if !superseded {
                met.standing.insert(entry.locator(), arriving);
            }
        }
        Ok(met)
    }

    fn standing_of(&self, result: ResultLocator) -> Result<Option<Standing>, IndexError> {
        let Some(found) = self.standing.get(result.as_bytes()).map_err(failed)? else { return Ok(None) };
        let sealed = found.as_ref().try_into().map_err(|_| IndexError::Damaged)?;
        layout::standing(result, sealed).map(Some).map_err(damaged)
    }

    fn write(&self, generation: &Generation) -> Result<(), IndexError> {
        let mut run = self.entries.start_ingestion().map_err(failed)?;
        for (key, value) in &generation.entries {
            run.write(key.as_slice(), value.as_slice()).map_err(failed)?;
        }
        run.finish().map_err(failed)?;
        let mut run = self.standing.start_ingestion().map_err(failed)?;
        let mut sorted: Vec<_> = generation.standing.iter().collect();
        sorted.sort_unstable_by_key(|(result, _)| **result);
        for (result, stands) in sorted {
            let value = layout::standing_value(*result, *stands);
            run.write(result.as_bytes().as_slice(), value.as_slice()).map_err(failed)?;
        }
        run.finish().map_err(failed)?;
        self.database.persist(PersistMode::SyncAll).map_err(failed)?;
        self.fresh.write().unwrap_or_else(PoisonError::into_inner).drop_written();
        Ok(())
    }
}

impl EntryIndex for RunsIndex {
    fn applied(&self) -> Result<Sequence, IndexError> {
        Ok(self.parts.fresh.read().unwrap_or_else(PoisonError::into_inner).applied())
    }

    fn apply(&self, next: Sequence, entries: &[IndexEntry]) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let met = self.parts.meet(entries)?;
        let waiting = {
            let mut fresh = self.parts.fresh.write().unwrap_or_else(PoisonError::into_inner);
            fresh.take(next, met);
            fresh.waiting()
        };
        if waiting >= WAITING_MAX { self.begin_writing(&mut writer) } else { Ok(()) }
    }

    fn scan(&self, patient: Pseudonym, not_before: Moment, limit: usize) -> Result<Vec<IndexEntry>, IndexError> {
        let (first, last) = layout::range(patient, not_before);
        let memory = self.parts.fresh.read().unwrap_or_else(PoisonError::into_inner).range(first, last, limit);
        let rows = self.parts.entries.range(first.as_slice()..=last.as_slice()).map(|row| {
            let (key, value) = row.into_inner().map_err(failed)?;
            let key = Key::try_from(key.as_ref()).map_err(|_| IndexError::Damaged)?;
            Ok((key, Value::try_from(value.as_ref()).map_err(|_| IndexError::Damaged)?))
        });
        Merged::new(rows, memory).take(limit).map(|row| row.and_then(|(key, value)| read(&key, &value))).collect()
    }

    fn latest(&self, result: ResultLocator) -> Result<Option<IndexEntry>, IndexError> {
        let Some(standing) = self.parts.standing_of(result)? else { return Ok(None) };
        let found = self.parts.entries.get(standing.key).map_err(failed)?.ok_or(IndexError::Damaged)?;
        read(&standing.key, found.as_ref().try_into().map_err(|_| IndexError::Damaged)?).map(Some)
    }

    fn flush(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin_writing(&mut writer)?;
        ended(writer.take())
    }
}

fn read(key: &Key, value: &Value) -> Result<IndexEntry, IndexError> {
    layout::entry(key, value).map_err(damaged)
}

fn ended(writer: Option<JoinHandle<Result<(), IndexError>>>) -> Result<(), IndexError> {
    writer.map_or(Ok(()), |writer| writer.join().unwrap_or(Err(IndexError::NeedsRebuild("the engine panicked"))))
}

fn failed(error: fjall::Error) -> IndexError {
    IndexError::Io(std::io::Error::other(error))
}

fn damaged(_: Unsealed) -> IndexError {
    IndexError::Damaged
}

/// As many as the engine in use gathers.
const WAITING_MAX: usize = 131_072;
