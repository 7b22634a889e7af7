//! The index of entries: which results a patient has, newest first. Engines live in `store`; entries in the journal.

use crate::domain::entry::{ResultStatus, Sensitivity};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::{Pseudonym, PublisherTag, ReportTag, ResultId, ResultLocator};
use crate::domain::item::ItemCode;
use crate::domain::log::{Position, Sequence};
use crate::domain::time::Moment;

/// Most items that an index entry carries itself; an entry with more says so, and is read from the journal.
pub const INDEX_ITEMS_MAX: usize = 4;

/// What the index knows of one entry: enough to pass it over without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The patient.
    pub patient: Pseudonym,
    /// When the specimen was collected or the image acquired, as an instant: it comes back in UTC.
    pub collected: Moment,
    /// The record of the batch that holds the entry.
    pub sequence: Sequence,
    /// The entry's place in its batch, from 0.
    pub place: u16,
    /// Where the batch's record lies in the journal.
    pub position: Position,
    /// The result.
    pub result: ResultId,
    /// Its version.
    pub version: u32,
    /// What the publisher says of it.
    pub status: ResultStatus,
    /// Who may see that it exists.
    pub sensitivity: Sensitivity,
    /// Where the entry's own bytes lie in that record.
    pub piece: Piece,
    /// Who publishes it.
    pub publisher: PublisherTag,
    /// The report that holds it.
    pub report: ReportTag,
    /// The first of the items that it answers.
    pub items: IndexItems,
    /// Laboratory or imaging.
    pub kind: EntryKind,
    /// Whether another version took its place. [`EntryIndex::apply`] finds out itself and ignores what it is given.
    pub superseded: bool,
}

/// Where an entry's bytes lie in the record of its batch, so that a check reads them and not the whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// Offset in the record's payload of the entry's length prefix, in bytes; [`Piece::WHOLE`] when the batch must be
    /// read.
    pub start: u32,
    /// CRC-32 of the entry's bytes.
    pub checksum: u32,
}

impl Piece {
    /// The entry cannot be read alone.
    pub const WHOLE: u32 = u32::MAX;
}

/// Whether an entry is a laboratory result or an imaging study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A laboratory result (检验).
    Laboratory,
    /// An imaging study (检查).
    Imaging,
}

/// The first items of an entry, and whether it has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexItems {
    first: [Option<ItemCode>; INDEX_ITEMS_MAX],
    more: bool,
}

/// The index could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A record of the index is not what was written; quarantine the index and rebuild it from the journal.
    #[error("an index record fails its checksum")]
    Damaged,
    /// The index cannot be used at all; quarantine it and rebuild it from the journal.
    #[error("the index must be rebuilt: {0}")]
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
    #[error("the index is open in another process")]
    InUse,
    /// The disk failed; somebody must look at it.
    #[error("index: {0}")]
    Io(#[from] std::io::Error),
}

/// Finds a patient's entries. All calls block.
///
/// An index is a projection of the journal: it says how far it has read, and whoever asks it compares that with the
/// journal's end before believing that a patient has no earlier result.
pub trait EntryIndex: Send + Sync {
    /// Gives the next record to apply: all below it are applied.
    ///
    /// # Errors
    /// [`IndexError`]; rebuild the index.
    fn applied(&self) -> Result<Sequence, IndexError>;

    /// Takes in the entries of records below `next`, all or none, and raises the position to `next`.
    ///
    /// Of the versions of a result in its report the greatest stands, of equal versions the later entry of the log; the
    /// others are kept and flagged as superseded, in whatever order they arrive. A version in another report is another
    /// result here. Applying a record again changes nothing.
    ///
    /// # Errors
    /// [`IndexError`]; nothing is changed then.
    ///
    /// # Panics
    /// When an entry's record is not below `next`, which is a mistake of the caller.
    fn apply(&self, next: Sequence, entries: &[IndexEntry]) -> Result<(), IndexError>;

    /// Gives a patient's entries collected at `not_before` or later, newest first, at most `limit`; superseded ones
    /// too, flagged.
    ///
    /// # Errors
    /// [`IndexError`]; never a part of the answer.
    fn scan(&self, patient: Pseudonym, not_before: Moment, limit: usize) -> Result<Vec<IndexEntry>, IndexError>;

    /// Gives the version of a result that stands.
    ///
    /// # Errors
    /// [`IndexError`].
    fn latest(&self, result: ResultLocator) -> Result<Option<IndexEntry>, IndexError>;

    /// Begins to bring everything applied so far to the disk, and does not wait for it; what fails is told by the next
    /// call that changes.
    ///
    /// # Errors
    /// As for [`EntryIndex::flush`], of an earlier time.
    fn flush_soon(&self) -> Result<(), IndexError> {
        self.flush()
    }

    /// Brings everything applied so far to the disk.
    ///
    /// # Errors
    /// [`IndexError::Io`] when the disk fails; after a crash the index stands at an earlier flush and is fed again.
    fn flush(&self) -> Result<(), IndexError>;
}

impl IndexEntry {
    /// Gives what the entry's result is found by.
    pub fn locator(&self) -> ResultLocator {
        ResultLocator::of(self.report, self.result)
    }
}

impl IndexItems {
    /// Takes the first items of a list.
    pub fn new(items: &[ItemCode]) -> Self {
        let mut first = [None; INDEX_ITEMS_MAX];
        first.iter_mut().zip(items).for_each(|(slot, item)| *slot = Some(*item));
        Self { first, more: items.len() > INDEX_ITEMS_MAX }
    }

    /// Restores what was kept of a list, and whether there was more.
    pub fn restored(first: [Option<ItemCode>; INDEX_ITEMS_MAX], more: bool) -> Self {
        Self { first, more }
    }

    /// Gives the items that were kept, in their order.
    pub fn iter(&self) -> impl Iterator<Item = ItemCode> + '_ {
        self.first.iter().copied().flatten()
    }

    /// Says whether the entry has items beyond these.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Says whether the entry may answer one of the `wanted` items; only the entry itself knows when it has more.
    pub fn may_answer(&self, wanted: impl Fn(ItemCode) -> bool) -> bool {
        self.more || self.iter().any(wanted)
    }
}

impl Faulty for IndexError {
    fn fault(&self) -> Fault {
        match self {
            Self::InUse => Fault::Busy,
            Self::Damaged | Self::NeedsRebuild(_) | Self::Newer { .. } | Self::Io(_) => Fault::Broken,
        }
    }
}
