//! The index on disk. Layout in `layout`, the file in `projection`; here only how versions meet.

use std::path::Path;

use redb::{ReadableTable, TableDefinition, TableHandle, WriteTransaction};

use super::layout::{self, KEY_BYTES, Key, STANDING_BYTES, Standing, VALUE_BYTES};
use crate::domain::id::{Pseudonym, ResultId};
use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::ports::index::{EntryIndex, IndexEntry, IndexError};
use crate::store::projection::{Projection, ProjectionError, from_engine, guarded};
use crate::store::sum::{Summing, TableSum};

/// The index of entries in a redb file.
#[derive(Debug)]
pub struct RedbIndex(Projection);

impl RedbIndex {
    /// Opens the index, or makes an empty one; the engine may hold `cache_bytes` of pages in memory.
    ///
    /// # Errors
    /// [`IndexError::NeedsRebuild`] or [`IndexError::Damaged`] when the file cannot be trusted: move it aside with
    /// [`crate::store::projection::quarantine`], open again and feed it the journal from the start.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, IndexError> {
        let projection = Projection::open(path, FORM, cache_bytes, &[])?;
        let index = Self(projection);
        index.0.write(Sequence(0), |transaction| {
            transaction.open_table(ENTRIES).map_err(from_engine)?;
            transaction.open_table(STANDING).map_err(from_engine)?;
            Ok(())
        })?;
        Ok(index)
    }
}

impl RedbIndex {
    /// Sums up every table, for comparing two indexes of one journal.
    ///
    /// # Errors
    /// [`IndexError`]; rebuild.
    pub fn sums(&self) -> Result<Vec<TableSum>, IndexError> {
        let transaction = self.0.read()?;
        let summed = guarded(|| {
            let (mut entries, mut standing) = (Summing::new(ENTRIES.name()), Summing::new(STANDING.name()));
            let rows = transaction.open_table(ENTRIES).map_err(from_engine)?;
            for row in rows.range::<&Key>(..).map_err(from_engine)? {
                let (key, value) = row.map_err(from_engine)?;
                layout::entry(key.value(), value.value())?;
                entries.add(key.value(), value.value());
            }
            let rows = transaction.open_table(STANDING).map_err(from_engine)?;
            for row in rows.range::<&[u8; ResultId::BYTES]>(..).map_err(from_engine)? {
                let (key, value) = row.map_err(from_engine)?;
                standing.add(key.value(), value.value());
            }
            Ok(vec![entries.finish(), standing.finish()])
        });
        Ok(summed?)
    }
}

impl EntryIndex for RedbIndex {
    fn applied(&self) -> Result<Sequence, IndexError> {
        Ok(self.0.applied()?)
    }

    fn apply(&self, next: Sequence, entries: &[IndexEntry]) -> Result<(), IndexError> {
        assert!(entries.iter().all(|entry| entry.sequence < next), "entries lie below the position they lead to");
        Ok(self.0.write(next, |transaction| insert(transaction, entries))?)
    }

    fn scan(&self, patient: Pseudonym, not_before: Moment, limit: usize) -> Result<Vec<IndexEntry>, IndexError> {
        let (first, last) = layout::range(patient, not_before);
        let transaction = self.0.read()?;
        let scanned = guarded(|| {
            let table = transaction.open_table(ENTRIES).map_err(from_engine)?;
            let rows = table.range::<&Key>(&first..=&last).map_err(from_engine)?;
            rows.take(limit)
                .map(|row| {
                    let (key, value) = row.map_err(from_engine)?;
                    Ok(layout::entry(key.value(), value.value())?)
                })
                .collect::<Result<Vec<_>, ProjectionError>>()
        });
        Ok(scanned?)
    }

    fn latest(&self, result: ResultId) -> Result<Option<IndexEntry>, IndexError> {
        let transaction = self.0.read()?;
        let latest = guarded(|| {
            let standing = transaction.open_table(STANDING).map_err(from_engine)?;
            let Some(standing) = standing_of(&standing, result)? else { return Ok(None) };
            let entries = transaction.open_table(ENTRIES).map_err(from_engine)?;
            entry_at(&entries, &standing.key).map(Some)
        });
        Ok(latest?)
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(self.0.flush()?)
    }
}

fn insert(transaction: &WriteTransaction, entries: &[IndexEntry]) -> Result<(), ProjectionError> {
    let mut rows = transaction.open_table(ENTRIES).map_err(from_engine)?;
    let mut standing = transaction.open_table(STANDING).map_err(from_engine)?;
    for entry in entries {
        let arriving = Standing { version: entry.version, key: layout::key(entry) };
        let known = standing_of(&standing, entry.result)?;
        let superseded = known.is_some_and(|known| known.rank() > arriving.rank());
        let entry = IndexEntry { superseded, ..entry.clone() };
        let value = layout::value(&arriving.key, &entry);
        rows.insert(&arriving.key, &value).map_err(from_engine)?;
        if superseded {
            continue;
        }
        if let Some(known) = known.filter(|known| known.key != arriving.key) {
            let older = IndexEntry { superseded: true, ..entry_at(&rows, &known.key)? };
            rows.insert(&known.key, &layout::value(&known.key, &older)).map_err(from_engine)?;
        }
        let value = layout::standing_value(entry.result, arriving);
        standing.insert(entry.result.as_bytes(), &value).map_err(from_engine)?;
    }
    Ok(())
}

fn standing_of(
    table: &impl ReadableTable<ResultKey, StandingValue>,
    result: ResultId,
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
type ResultKey = &'static [u8; ResultId::BYTES];
type StandingValue = &'static [u8; STANDING_BYTES];

const ENTRIES: TableDefinition<'static, EntryKey, EntryValue> = TableDefinition::new("entries");
const STANDING: TableDefinition<'static, ResultKey, StandingValue> = TableDefinition::new("standing");
const FORM: u32 = 1;
