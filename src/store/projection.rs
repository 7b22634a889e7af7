//! A redb file that projects the journal: opened with suspicion, written with the position it has reached, never the
//! only copy of anything. What its tables mean is said by `index` and `hub`.
//!
//! redb does not check its pages when it reads them, so every value is sealed (see `packing`), and an engine that
//! panics over a damaged page is treated as a damaged file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableHandle, WriteTransaction,
};

use super::files::sync_folder;
use super::packing::{Unpacker, Unsealed, seal, unseal};
use super::sum::{Summing, TableSum};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::log::Sequence;

/// A table of sealed values.
pub type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A projection could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// A value is not what was written under its key; quarantine the projection and rebuild it from the journal.
    #[error("a projected value fails its checksum")]
    Damaged,
    /// The projection cannot be used at all; quarantine it and rebuild it from the journal.
    #[error("the projection must be rebuilt: {0}")]
    NeedsRebuild(&'static str),
    /// A newer version wrote it, and its records may be newer too; run that version.
    #[error("it has form {found}, and this version of concord writes form {known}; run the version that wrote it")]
    Newer {
        /// Form of the file.
        found: u32,
        /// Form of this version.
        known: u32,
    },
    /// Another process holds it; stop that one first.
    #[error("the projection is open in another process")]
    InUse,
    /// Records were given that it has applied already; feed it from [`Projection::applied`] on.
    #[error("the projection has applied all records below {applied}, the change ends at {next}")]
    AlreadyApplied {
        /// The next record it wants.
        applied: Sequence,
        /// Where the change would have left it.
        next: Sequence,
    },
    /// The journal has lost records that were acknowledged; restore it from a copy. Where there is none, remove the
    /// projection: what was lost stays lost.
    #[error("the projections have applied {applied} records, and the journal holds {held}")]
    Ahead {
        /// Records that it has applied.
        applied: Sequence,
        /// Records of the journal.
        held: Sequence,
    },
    /// The disk failed; somebody must look at it.
    #[error("projection: {0}")]
    Io(#[from] std::io::Error),
}

/// A redb database with the position of the journal that it has reached.
#[derive(Debug)]
pub struct Projection {
    database: Database,
}

/// Rows of sealed values, in a read or a write transaction.
pub trait Rows {
    /// Reads one value.
    ///
    /// # Errors
    /// [`ProjectionError::Damaged`] when it is not what was written.
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError>;

    /// Visits the rows from `first` to `last`, both included, in the order of their keys, until told to stop.
    ///
    /// # Errors
    /// [`ProjectionError::Damaged`] when one is not what was written.
    fn visit(&self, table: Table, first: &[u8], last: &[u8], visitor: &mut Visitor<'_>) -> Result<(), ProjectionError>;
}

/// Takes a key and its value, and says whether to go on.
pub type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ProjectionError> + 'v;

impl Projection {
    /// Opens a projection, or makes an empty one, with all of `tables`; the engine may hold `cache_bytes` of pages.
    ///
    /// # Errors
    /// [`ProjectionError::NeedsRebuild`] when the file cannot be trusted: [`quarantine`] it and open again.
    pub fn open(path: &Path, form: u32, cache_bytes: usize, tables: &[Table]) -> Result<Self, ProjectionError> {
        guarded(|| {
            let database = Database::builder().set_cache_size(cache_bytes).create(path).map_err(from_database)?;
            Self { database }.prepare(form, tables)
        })
    }

    /// Makes a projection that lives as long as the process.
    ///
    /// # Errors
    /// None in practice.
    pub fn in_memory(form: u32, tables: &[Table]) -> Result<Self, ProjectionError> {
        let backend = redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(backend).map_err(from_database)?;
        Self { database }.prepare(form, tables)
    }

    /// Gives the next record to apply: all below it are applied.
    ///
    /// # Errors
    /// [`ProjectionError`] when the position cannot be read; rebuild.
    pub fn applied(&self) -> Result<Sequence, ProjectionError> {
        applied_in(&self.read()?)
    }

    /// Starts reading at the state of this instant; later writes do not show.
    ///
    /// # Errors
    /// [`ProjectionError`] when the engine fails.
    pub fn read(&self) -> Result<ReadTransaction, ProjectionError> {
        guarded(|| self.database.begin_read().map_err(from_engine))
    }

    /// Changes the tables and raises the position to `next` (it is never lowered), all or nothing.
    ///
    /// It is visible at once, and on disk with the next [`Projection::flush`]: the journal is the truth, and after a
    /// crash the projection is fed again from the older position it then reports.
    ///
    /// # Errors
    /// Whatever `change` returns, or [`ProjectionError`] of the engine; nothing is changed then.
    pub fn write<T>(
        &self,
        next: Sequence,
        change: impl FnOnce(&WriteTransaction) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        guarded(|| {
            let mut transaction = self.database.begin_write().map_err(from_engine)?;
            transaction.set_durability(Durability::None).map_err(from_engine)?;
            let changed = change(&transaction)?;
            if next > applied_in(&transaction)? {
                put(&transaction, META, APPLIED, &next.0.to_be_bytes())?;
            }
            transaction.commit().map_err(from_engine)?;
            Ok(changed)
        })
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// [`ProjectionError::Io`] when the disk fails; the state on disk stays the one of an earlier flush.
    pub fn flush(&self) -> Result<(), ProjectionError> {
        guarded(|| {
            let mut transaction = self.database.begin_write().map_err(from_engine)?;
            // Saves the allocator's state, so that opening after a crash does not walk the whole file.
            transaction.set_quick_repair(true);
            transaction.commit().map_err(from_engine)
        })
    }

    /// Sums up tables of sealed values.
    ///
    /// # Errors
    /// [`ProjectionError`] when a value is not what was written.
    pub(super) fn sums(&self, tables: &[Table]) -> Result<Vec<TableSum>, ProjectionError> {
        let transaction = self.read()?;
        let sum = |table: &Table| {
            let mut summing = Summing::new(table.name());
            guarded(|| {
                let rows = transaction.open_table(*table).map_err(from_engine)?;
                for row in rows.range::<&[u8]>(..).map_err(from_engine)? {
                    let (key, value) = row.map_err(from_engine)?;
                    summing.add(key.value(), unseal(SEAL, key.value(), value.value())?);
                }
                Ok(summing.finish())
            })
        };
        tables.iter().map(sum).collect()
    }

    fn prepare(self, form: u32, tables: &[Table]) -> Result<Self, ProjectionError> {
        let mut transaction = self.database.begin_write().map_err(from_engine)?;
        // As in `flush`: whoever is killed soon after its start would else walk the whole file at the next.
        transaction.set_quick_repair(true);
        for table in tables.iter().chain([&META]) {
            transaction.open_table(*table).map_err(from_engine)?;
        }
        match transaction.row(META, FORM)? {
            None => put(&transaction, META, FORM, &form.to_be_bytes())?,
            Some(found) => match Unpacker::new(&found).word()? {
                found if found == form => {}
                found if found > form => return Err(ProjectionError::Newer { found, known: form }),
                _ => return Err(ProjectionError::NeedsRebuild("it was written in an older form")),
            },
        }
        transaction.commit().map_err(from_engine)?;
        Ok(self)
    }
}

/// Moves a projection aside, to `<name>.quarantine-<unix_ms>`, so that an empty one can take its place.
///
/// # Errors
/// When the disk fails; whoever operates the machine must look.
pub fn quarantine(path: &Path, unix_ms: i64) -> std::io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".quarantine-{unix_ms}"));
    let aside = PathBuf::from(name);
    std::fs::rename(path, &aside)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        sync_folder(folder)?;
    }
    Ok(aside)
}

/// Seals and stores a value.
///
/// # Errors
/// [`ProjectionError`] of the engine.
pub fn put(transaction: &WriteTransaction, table: Table, key: &[u8], value: &[u8]) -> Result<(), ProjectionError> {
    let mut table = transaction.open_table(table).map_err(from_engine)?;
    table.insert(key, seal(SEAL, key, value).as_slice()).map_err(from_engine)?;
    Ok(())
}

/// Runs work in the engine; a panic in there, as over a damaged page, becomes an error.
///
/// # Errors
/// Whatever the work returns, or [`ProjectionError::NeedsRebuild`].
pub fn guarded<T>(work: impl FnOnce() -> Result<T, ProjectionError>) -> Result<T, ProjectionError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or(Err(ProjectionError::NeedsRebuild("the engine panicked over what it read")))
}

/// Says what an error of the engine means here.
pub fn from_engine(error: impl Into<redb::Error>) -> ProjectionError {
    match error.into() {
        redb::Error::Io(error) if !is_content(&error) => ProjectionError::Io(error),
        redb::Error::DatabaseAlreadyOpen => ProjectionError::InUse,
        redb::Error::PreviousIo => ProjectionError::Io(std::io::Error::other("an earlier write failed")),
        redb::Error::UpgradeRequired(_) => ProjectionError::NeedsRebuild("another generation of the engine wrote it"),
        redb::Error::TableTypeMismatch { .. } | redb::Error::TableDoesNotExist(_) => {
            ProjectionError::NeedsRebuild("a table is missing or of another type")
        }
        _ => ProjectionError::NeedsRebuild("the engine found it damaged"),
    }
}

impl Rows for ReadTransaction {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        guarded(|| row_in(&self.open_table(table).map_err(from_engine)?, key))
    }

    fn visit(&self, table: Table, first: &[u8], last: &[u8], visitor: &mut Visitor<'_>) -> Result<(), ProjectionError> {
        guarded(|| visit_in(&self.open_table(table).map_err(from_engine)?, first, last, visitor))
    }
}

impl Rows for WriteTransaction {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        row_in(&self.open_table(table).map_err(from_engine)?, key)
    }

    fn visit(&self, table: Table, first: &[u8], last: &[u8], visitor: &mut Visitor<'_>) -> Result<(), ProjectionError> {
        visit_in(&self.open_table(table).map_err(from_engine)?, first, last, visitor)
    }
}

/// The tables of a write transaction, each opened once however often it is asked: opening one takes the engine as long as
/// changing a row does. It must be dropped before the transaction is committed.
pub struct Changing<'t> {
    transaction: &'t WriteTransaction,
    open: RefCell<BTreeMap<String, redb::Table<'t, Bytes, Bytes>>>,
}

/// The tables of a read transaction, each opened once however often it is asked.
pub struct Reading {
    transaction: ReadTransaction,
    open: RefCell<BTreeMap<String, Arc<ReadOnlyTable<Bytes, Bytes>>>>,
}

impl<'t> Changing<'t> {
    /// Starts with no table open.
    pub fn new(transaction: &'t WriteTransaction) -> Self {
        Self { transaction, open: RefCell::default() }
    }

    /// Seals and stores a value.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ProjectionError> {
        self.with(table, |table| {
            table.insert(key, seal(SEAL, key, value).as_slice()).map_err(from_engine)?;
            Ok(())
        })
    }

    /// Removes a value, if there is one.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove(&self, table: Table, key: &[u8]) -> Result<(), ProjectionError> {
        self.with(table, |table| {
            table.remove(key).map_err(from_engine)?;
            Ok(())
        })
    }

    fn with<T>(
        &self,
        table: Table,
        work: impl FnOnce(&mut redb::Table<'t, Bytes, Bytes>) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        let mut open = self.open.borrow_mut();
        if let Some(opened) = open.get_mut(table.name()) {
            return work(opened);
        }
        let opened = self.transaction.open_table(table).map_err(from_engine)?;
        work(open.entry(table.name().to_owned()).or_insert(opened))
    }
}

impl Reading {
    /// Starts with no table open.
    pub fn new(transaction: ReadTransaction) -> Self {
        Self { transaction, open: RefCell::default() }
    }

    /// Gives a table, and holds on to nothing meanwhile: whoever visits its rows may read others.
    fn table(&self, table: Table) -> Result<Arc<ReadOnlyTable<Bytes, Bytes>>, ProjectionError> {
        if let Some(opened) = self.open.borrow().get(table.name()) {
            return Ok(Arc::clone(opened));
        }
        let opened = Arc::new(self.transaction.open_table(table).map_err(from_engine)?);
        self.open.borrow_mut().insert(table.name().to_owned(), Arc::clone(&opened));
        Ok(opened)
    }
}

impl Rows for Changing<'_> {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        self.with(table, |table| row_in(table, key))
    }

    fn visit(&self, table: Table, first: &[u8], last: &[u8], visitor: &mut Visitor<'_>) -> Result<(), ProjectionError> {
        self.with(table, |table| visit_in(table, first, last, visitor))
    }
}

impl Rows for Reading {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        guarded(|| row_in(&*self.table(table)?, key))
    }

    fn visit(&self, table: Table, first: &[u8], last: &[u8], visitor: &mut Visitor<'_>) -> Result<(), ProjectionError> {
        guarded(|| visit_in(&*self.table(table)?, first, last, visitor))
    }
}

impl<R: Rows> Rows for &R {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        (**self).row(table, key)
    }

    fn visit(&self, table: Table, first: &[u8], last: &[u8], visitor: &mut Visitor<'_>) -> Result<(), ProjectionError> {
        (**self).visit(table, first, last, visitor)
    }
}

impl From<Unsealed> for ProjectionError {
    fn from(_: Unsealed) -> Self {
        Self::Damaged
    }
}

impl Faulty for ProjectionError {
    fn fault(&self) -> Fault {
        match self {
            Self::InUse => Fault::Busy,
            Self::AlreadyApplied { .. } => Fault::Conflict,
            Self::Damaged | Self::NeedsRebuild(_) | Self::Newer { .. } | Self::Ahead { .. } | Self::Io(_) => {
                Fault::Broken
            }
        }
    }
}

type Bytes = &'static [u8];

fn row_in(table: &impl ReadableTable<Bytes, Bytes>, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
    let Some(found) = table.get(key).map_err(from_engine)? else { return Ok(None) };
    Ok(Some(unseal(SEAL, key, found.value())?.to_vec()))
}

fn visit_in(
    table: &impl ReadableTable<Bytes, Bytes>,
    first: &[u8],
    last: &[u8],
    visitor: &mut Visitor<'_>,
) -> Result<(), ProjectionError> {
    for row in table.range(first..=last).map_err(from_engine)? {
        let (key, value) = row.map_err(from_engine)?;
        if visitor(key.value(), unseal(SEAL, key.value(), value.value())?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Reads the position inside a transaction.
///
/// # Errors
/// [`ProjectionError`]; rebuild.
pub fn applied_in(rows: &impl Rows) -> Result<Sequence, ProjectionError> {
    let Some(found) = rows.row(META, APPLIED)? else { return Ok(Sequence(0)) };
    Ok(Sequence(Unpacker::new(&found).long()?))
}

fn from_database(error: redb::DatabaseError) -> ProjectionError {
    from_engine(error)
}

/// Says whether an I/O error speaks of what the file holds, not of the disk.
fn is_content(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData)
}

const META: Table = Table::new("meta");
const FORM: &[u8] = b"form";
const APPLIED: &[u8] = b"applied";
const SEAL: u8 = 1;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const ROWS: Table = TableDefinition::new("rows");

    /// Says whether the engine walks a file that was left as it is now.
    fn is_walked(path: &Path) -> bool {
        let left = path.with_extension("left");
        std::fs::copy(path, &left).unwrap();
        let walked = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&walked);
        let database =
            Database::builder().set_repair_callback(move |_| seen.store(true, Ordering::Relaxed)).open(&left);
        database.unwrap();
        walked.load(Ordering::Relaxed)
    }

    #[test]
    fn a_file_left_by_a_kill_is_opened_without_walking_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.redb");
        let projection = Projection::open(&path, 1, 1 << 20, &[ROWS]).unwrap();
        assert!(!is_walked(&path), "just made");
        let fill = |next| {
            projection.write(Sequence(next), |transaction| {
                (0..1_000_u64).try_for_each(|key| put(transaction, ROWS, &(next * 1_000 + key).to_be_bytes(), b"row"))
            })
        };
        fill(1).unwrap();
        assert!(!is_walked(&path), "written to since");
        projection.flush().unwrap();
        fill(2).unwrap();
        assert!(!is_walked(&path), "flushed");
        drop(projection);
        let _projection = Projection::open(&path, 1, 1 << 20, &[ROWS]).unwrap();
        assert!(!is_walked(&path), "opened again");
    }
}
