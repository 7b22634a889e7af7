//! The index in memory: for the simulation, and as the oracle of the index on disk. Plain on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::domain::id::{Pseudonym, ResultLocator};
use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::ports::index::{EntryIndex, IndexEntry, IndexError};

/// An index that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryIndex(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    applied: Sequence,
    /// By patient, negated milliseconds (newest first), record and place.
    entries: BTreeMap<(Pseudonym, i64, Sequence, u16), IndexEntry>,
    /// Every version of every result: version, record, place, and the rest of the entry's key.
    versions: BTreeMap<ResultLocator, BTreeSet<Version>>,
}

type Version = (u32, Sequence, u16, i64, Pseudonym);

impl State {
    fn standing(&self, result: ResultLocator) -> Option<&IndexEntry> {
        let (_, sequence, place, newest_first, patient) = self.versions.get(&result)?.last()?;
        self.entries.get(&(*patient, *newest_first, *sequence, *place))
    }

    fn flagged(&self, entry: &IndexEntry) -> IndexEntry {
        let standing = self.standing(entry.locator());
        let superseded = standing.is_none_or(|it| (it.sequence, it.place) != (entry.sequence, entry.place));
        IndexEntry { superseded, ..entry.clone() }
    }
}

impl EntryIndex for MemoryIndex {
    fn applied(&self) -> Result<Sequence, IndexError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).applied)
    }

    fn apply(&self, next: Sequence, entries: &[IndexEntry]) -> Result<(), IndexError> {
        assert!(entries.iter().all(|entry| entry.sequence < next), "entries lie below the position they lead to");
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            let collected = Moment::new(entry.collected.unix_ms(), 0).unwrap_or(entry.collected);
            let newest_first = -collected.unix_ms();
            let (patient, sequence, place) = (entry.patient, entry.sequence, entry.place);
            let versions = state.versions.entry(entry.locator()).or_default();
            versions.insert((entry.version, sequence, place, newest_first, patient));
            let entry = IndexEntry { collected, ..entry.clone() };
            state.entries.insert((patient, newest_first, sequence, place), entry);
        }
        state.applied = state.applied.max(next);
        Ok(())
    }

    fn scan(&self, patient: Pseudonym, not_before: Moment, limit: usize) -> Result<Vec<IndexEntry>, IndexError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = (patient, i64::MIN, Sequence(0), 0);
        let last = (patient, -not_before.unix_ms(), Sequence(u64::MAX), u16::MAX);
        Ok(state.entries.range(first..=last).take(limit).map(|(_, entry)| state.flagged(entry)).collect())
    }

    fn latest(&self, result: ResultLocator) -> Result<Option<IndexEntry>, IndexError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(state.standing(result).map(|entry| state.flagged(entry)))
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}
