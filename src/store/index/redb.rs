//! The index on disk. Layout in `layout`, the file in `projection`, rows that it lacks in `fresh`; here only how versions
//! meet, and when rows go to the file.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableHandle};

use super::fresh::{Fresh, Generation, Merged};
use super::layout::{self, KEY_BYTES, Key, STANDING_BYTES, Standing, VALUE_BYTES};
use crate::domain::id::{Pseudonym, ResultLocator};
use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::ports::index::{EntryIndex, IndexEntry, IndexError};
use crate::store::projection::{Projection, ProjectionError, from_engine, guarded};
use crate::store::sum::{Summing, TableSum};

/// The index of entries in a redb file.
#[derive(Debug)]
pub struct RedbIndex {
    parts: Arc<Parts>,
    /// Who writes a generation to the file now, or has and was not asked how it went.
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Parts {
    file: Projection,
    /// Held over memory only, and while a view of the file is begun: the two belong together.
    fresh: RwLock<Fresh>,
}

type Writer = JoinHandle<Result<(), ProjectionError>>;

impl RedbIndex {
    /// Opens the index, or makes an empty one; the engine may hold `cache_bytes` of pages in memory.
    ///
    /// # Errors
    /// [`IndexError::NeedsRebuild`] or [`IndexError::Damaged`] when the file cannot be trusted: move it aside with
    /// [`crate::store::projection::quarantine`], open again and feed it the journal from the start.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, IndexError> {
        let file = Projection::open(path, FORM, cache_bytes, &[])?;
        file.write(Sequence(0), |transaction| {
            transaction.open_table(ENTRIES).map_err(from_engine)?;
            transaction.open_table(STANDING).map_err(from_engine)?;
            Ok(())
        })?;
        let fresh = RwLock::new(Fresh::new(file.applied()?));
        Ok(Self { parts: Arc::new(Parts { file, fresh }), writer: Mutex::default() })
    }

    /// Sums up every table of the file, for comparing two indexes of one journal; what is not flushed is not in it.
    ///
    /// # Errors
    /// [`IndexError`]; rebuild.
    pub fn sums(&self) -> Result<Vec<TableSum>, IndexError> {
        let transaction = self.parts.file.read()?;
        let summed = guarded(|| {
            let (mut entries, mut standing) = (Summing::new(ENTRIES.name()), Summing::new(STANDING.name()));
            let rows = transaction.open_table(ENTRIES).map_err(from_engine)?;
            for row in rows.range::<&Key>(..).map_err(from_engine)? {
                let (key, value) = row.map_err(from_engine)?;
                layout::entry(key.value(), value.value())?;
                entries.add(key.value(), value.value());
            }
            let rows = transaction.open_table(STANDING).map_err(from_engine)?;
            for row in rows.range::<&[u8; ResultLocator::BYTES]>(..).map_err(from_engine)? {
                let (key, value) = row.map_err(from_engine)?;
                standing.add(key.value(), value.value());
            }
            Ok(vec![entries.finish(), standing.finish()])
        });
        Ok(summed?)
    }

    /// Hands the growing generation to a thread that writes it. Waits for the one before, of which there is at most one.
    fn begin_writing(&self, writer: &mut Option<Writer>) -> Result<(), ProjectionError> {
        ended(writer.take())?;
        let closed = self.parts.fresh.write().unwrap_or_else(PoisonError::into_inner).close();
        let failed = || ProjectionError::Io(std::io::Error::other("an earlier write failed"));
        let generation = closed.ok_or_else(failed)?;
        let parts = Arc::clone(&self.parts);
        let thread = std::thread::Builder::new().name("index".to_owned());
        *writer = Some(thread.spawn(move || parts.write(&generation)).map_err(ProjectionError::Io)?);
        Ok(())
    }
}

impl Drop for RedbIndex {
    /// The file is free once this is over.
    fn drop(&mut self) {
        if let Err(error) = ended(self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take()) {
            tracing::warn!(%error, "the index was not written; it is brought up to date at the next start");
        }
    }
}

/// Waits for a thread that writes, and gives what came of it.
fn ended(writer: Option<Writer>) -> Result<(), ProjectionError> {
    let panicked = || Err(ProjectionError::NeedsRebuild("the engine panicked over what it wrote"));
    writer.map_or(Ok(()), |writer| writer.join().unwrap_or_else(|_| panicked()))
}

impl Parts {
    /// Gives the rows in memory by `pick`, and the file as it stands beside them.
    fn view<T>(&self, pick: impl FnOnce(&Fresh) -> T) -> Result<(T, ReadTransaction), ProjectionError> {
        let fresh = self.fresh.read().unwrap_or_else(PoisonError::into_inner);
        let picked = pick(&fresh);
        Ok((picked, self.file.read()?))
    }

    /// Works out what entries change, each result's versions as they stand before the first of them.
    fn meet(&self, entries: &[IndexEntry]) -> Result<Generation, ProjectionError> {
        let known = |fresh: &Fresh| entries.iter().map(|entry| fresh.stands(entry.locator())).collect::<Vec<_>>();
        let (known, transaction) = self.view(known)?;
        guarded(|| {
            let rows = transaction.open_table(ENTRIES).map_err(from_engine)?;
            let standing = transaction.open_table(STANDING).map_err(from_engine)?;
            let mut met = Generation::default();
            for (entry, in_memory) in entries.iter().zip(known) {
                let arriving = Standing { version: entry.version, key: layout::key(entry) };
                let known = match met.stands(entry.locator()).or(in_memory) {
                    Some(known) => Some(known),
                    None => standing_of(&standing, entry.locator())?.map(|known| (known, None)),
                };
                let superseded = known.is_some_and(|(known, _)| known.rank() > arriving.rank());
                let entry = IndexEntry { superseded, ..entry.clone() };
                met.entries.insert(arriving.key, layout::value(&arriving.key, &entry));
                if superseded {
                    continue;
                }
                if let Some((known, value)) = known.filter(|(known, _)| known.key != arriving.key) {
                    let older = match value {
                        Some(value) => layout::entry(&known.key, &value)?,
                        None => entry_at(&rows, &known.key)?,
                    };
                    let older = IndexEntry { superseded: true, ..older };
                    met.entries.insert(known.key, layout::value(&known.key, &older));
                }
                met.standing.insert(entry.locator(), arriving);
            }
            Ok(met)
        })
    }

    /// Writes a closed generation to the file and forgets it. It goes there in parts, so that the engine still has the
    /// pages of each in memory when it sums them up, and is durable at the end; who reads meanwhile finds its rows in memory.
    /// What a failure leaves of it is applied again from the journal, which changes nothing.
    fn write(&self, generation: &Generation) -> Result<(), ProjectionError> {
        let entries: Vec<_> = generation.entries.iter().collect();
        for part in entries.chunks(PART_ROWS) {
            self.file.write(NOTHING_APPLIED, |transaction| {
                let mut rows = transaction.open_table(ENTRIES).map_err(from_engine)?;
                part.iter().try_for_each(|(key, value)| rows.insert(*key, *value).map(drop).map_err(from_engine))
            })?;
        }
        let mut standing: Vec<_> = generation.standing.iter().collect();
        standing.sort_unstable_by_key(|(result, _)| **result);
        for part in standing.chunks(PART_ROWS) {
            self.file.write(NOTHING_APPLIED, |transaction| {
                let mut rows = transaction.open_table(STANDING).map_err(from_engine)?;
                part.iter().try_for_each(|(result, stands)| {
                    let value = layout::standing_value(**result, **stands);
                    rows.insert(result.as_bytes(), &value).map(drop).map_err(from_engine)
                })
            })?;
        }
        self.file.write(generation.applied, |_| Ok(()))?;
        self.file.flush()?;
        self.fresh.write().unwrap_or_else(PoisonError::into_inner).drop_written();
        Ok(())
    }
}

impl EntryIndex for RedbIndex {
    fn applied(&self) -> Result<Sequence, IndexError> {
        Ok(self.parts.fresh.read().unwrap_or_else(PoisonError::into_inner).applied())
    }

    fn apply(&self, next: Sequence, entries: &[IndexEntry]) -> Result<(), IndexError> {
        assert!(entries.iter().all(|entry| entry.sequence < next), "entries lie below the position they lead to");
        // One at a time: what a result's versions are is read before it is changed.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.as_ref().is_some_and(JoinHandle::is_finished) {
            ended(writer.take())?;
        }
        let met = if entries.is_empty() { Generation::default() } else { self.parts.meet(entries)? };
        let waiting = {
            let mut fresh = self.parts.fresh.write().unwrap_or_else(PoisonError::into_inner);
            fresh.take(next, met);
            fresh.waiting()
        };
        if waiting >= WAITING_MAX {
            self.begin_writing(&mut writer)?;
        }
        Ok(())
    }

    fn scan(&self, patient: Pseudonym, not_before: Moment, limit: usize) -> Result<Vec<IndexEntry>, IndexError> {
        let (first, last) = layout::range(patient, not_before);
        let (memory, transaction) = self.parts.view(|fresh| fresh.range(first, last, limit))?;
        let scanned = guarded(|| {
            let table = transaction.open_table(ENTRIES).map_err(from_engine)?;
            let rows = table.range::<&Key>(&first..=&last).map_err(from_engine)?;
            let rows = rows.map(|row| row.map(|(key, value)| (*key.value(), *value.value())).map_err(from_engine));
            let mut found = Vec::with_capacity(SCAN_ROWS.min(limit));
            for row in Merged::new(rows, memory).take(limit) {
                let (key, value) = row?;
                found.push(layout::entry(&key, &value)?);
            }
            Ok(found)
        });
        Ok(scanned?)
    }

    fn latest(&self, result: ResultLocator) -> Result<Option<IndexEntry>, IndexError> {
        let (in_memory, transaction) = self.parts.view(|fresh| fresh.stands(result))?;
        let latest = guarded(|| {
            let (standing, value) = match in_memory {
                Some(known) => known,
                None => {
                    let table = transaction.open_table(STANDING).map_err(from_engine)?;
                    let Some(standing) = standing_of(&table, result)? else { return Ok(None) };
                    (standing, None)
                }
            };
            if let Some(value) = value {
                return Ok(Some(layout::entry(&standing.key, &value)?));
            }
            let entries = transaction.open_table(ENTRIES).map_err(from_engine)?;
            entry_at(&entries, &standing.key).map(Some)
        });
        Ok(latest?)
    }

    fn flush_soon(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.as_ref().is_some_and(|writer| !writer.is_finished()) {
            return Ok(());
        }
        Ok(self.begin_writing(&mut writer)?)
    }

    fn flush(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin_writing(&mut writer)?;
        Ok(ended(writer.take())?)
    }
}

fn standing_of(
    table: &impl ReadableTable<ResultKey, StandingValue>,
    result: ResultLocator,
) -> Result<Option<Standing>, ProjectionError> {
    let found = table.get(result.as_bytes()).map_err(from_engine)?;
    Ok(found.map(|found| layout::standing(result, found.value())).transpose()?)
}

/// Reads an entry that must be there: another table names it.
fn entry_at(table: &impl ReadableTable<EntryKey, EntryValue>, key: &Key) -> Result<IndexEntry, ProjectionError> {
    let found = table.get(key).map_err(from_engine)?.ok_or(ProjectionError::Damaged)?;
    Ok(layout::entry(key, found.value())?)
}

impl From<ProjectionError> for IndexError {
    fn from(error: ProjectionError) -> Self {
        match error {
            ProjectionError::Damaged => Self::Damaged,
            ProjectionError::NeedsRebuild(why) => Self::NeedsRebuild(why),
            ProjectionError::AlreadyApplied { .. } | ProjectionError::Ahead { .. } => {
                Self::NeedsRebuild("its position is not its own")
            }
            ProjectionError::Newer { found, known } => Self::Newer { found, known },
            ProjectionError::InUse => Self::InUse,
            ProjectionError::Io(error) => Self::Io(error),
        }
    }
}

type EntryKey = &'static [u8; KEY_BYTES];
type EntryValue = &'static [u8; VALUE_BYTES];
type ResultKey = &'static [u8; ResultLocator::BYTES];
type StandingValue = &'static [u8; STANDING_BYTES];

const ENTRIES: TableDefinition<'static, EntryKey, EntryValue> = TableDefinition::new("entries");
const STANDING: TableDefinition<'static, ResultKey, StandingValue> = TableDefinition::new("standing");
const FORM: u32 = 2;
/// Entries in memory after which they are written without being told to, some 30 MB.
const WAITING_MAX: usize = 131_072;
/// Rows of one part: its pages, some 15 MB, are less than the engine keeps of what it has not written.
const PART_ROWS: usize = 32_768;
/// Leaves the file's position where it is.
const NOTHING_APPLIED: Sequence = Sequence(0);
/// Entries of a patient that a scan expects.
const SCAN_ROWS: usize = 256;
