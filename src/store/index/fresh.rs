//! Rows of the index that its file does not hold yet: one generation that grows, and one that is being written.
//!
//! A row of a file that is a tree costs a page, however small it is. Rows gather here and go to the file sorted and
//! many at once; until then they are read from here. The journal has them, so that losing them loses nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::layout::{Key, Standing, VALUE_BYTES};
use crate::domain::id::ResultLocator;
use crate::domain::log::Sequence;

/// An entry's value, sealed as in the file.
pub type Value = [u8; VALUE_BYTES];

/// The rows of one generation.
#[derive(Debug, Default)]
pub struct Generation {
    /// Entries by key, as the file will have them.
    pub entries: BTreeMap<Key, Value>,
    /// Which version of a result stands, where a record of this generation decided it; its entry is in `entries`.
    pub standing: HashMap<ResultLocator, Standing>,
    /// All records below it are in this generation, an older one or the file.
    pub applied: Sequence,
}

impl Generation {
    /// Finds which version of a result stands where this generation knows, and its value.
    pub fn stands(&self, result: ResultLocator) -> Option<(Standing, Option<Value>)> {
        let standing = *self.standing.get(&result)?;
        Some((standing, self.entries.get(&standing.key).copied()))
    }
}

/// Both generations. What the growing one says of a key goes before what the other says, and that before the file.
#[derive(Debug, Default)]
pub struct Fresh {
    growing: Generation,
    /// It no longer changes; it goes once the file has it.
    written: Option<Arc<Generation>>,
}

impl Fresh {
    /// Starts where the file stands.
    pub fn new(applied: Sequence) -> Self {
        Self { growing: Generation { applied, ..Generation::default() }, written: None }
    }

    /// Gives the next record to apply.
    pub fn applied(&self) -> Sequence {
        self.growing.applied
    }

    /// Gives how many entries wait to be written.
    pub fn waiting(&self) -> usize {
        self.growing.entries.len()
    }

    /// Takes rows in and raises the position to `next`.
    pub fn take(&mut self, next: Sequence, rows: Generation) {
        self.growing.entries.extend(rows.entries);
        self.growing.standing.extend(rows.standing);
        self.growing.applied = self.growing.applied.max(next);
    }

    /// Finds which version of a result stands, and its value.
    pub fn stands(&self, result: ResultLocator) -> Option<(Standing, Option<Value>)> {
        [&self.growing].into_iter().chain(self.written.as_deref()).find_map(|generation| generation.stands(result))
    }

    /// Gives the entries from `first` to `last`, both included; at most `limit` of each generation.
    pub fn range(&self, first: Key, last: Key, limit: usize) -> BTreeMap<Key, Value> {
        let mut found = BTreeMap::new();
        for generation in self.written.as_deref().into_iter().chain([&self.growing]) {
            found.extend(generation.entries.range(first..=last).take(limit).map(|(key, value)| (*key, *value)));
        }
        found
    }

    /// Closes the growing generation so that it can be written, and begins another; nothing while the file lacks the one
    /// closed before, whose rows would be lost and passed over.
    pub fn close(&mut self) -> Option<Arc<Generation>> {
        if self.written.is_some() {
            return None;
        }
        let next = Generation { applied: self.growing.applied, ..Generation::default() };
        let closed = Arc::new(std::mem::replace(&mut self.growing, next));
        self.written = Some(Arc::clone(&closed));
        Some(closed)
    }

    /// Forgets the closed generation: the file has it.
    pub fn drop_written(&mut self) {
        self.written = None;
    }
}

/// Entries of the file and of memory in one order, those of memory first where both have one.
pub struct Merged<F: Iterator> {
    file: std::iter::Peekable<F>,
    memory: std::iter::Peekable<std::collections::btree_map::IntoIter<Key, Value>>,
}

impl<E, F: Iterator<Item = Result<(Key, Value), E>>> Merged<F> {
    /// Merges two sorted runs.
    pub fn new(file: F, memory: BTreeMap<Key, Value>) -> Self {
        Self { file: file.peekable(), memory: memory.into_iter().peekable() }
    }
}

impl<E, F: Iterator<Item = Result<(Key, Value), E>>> Iterator for Merged<F> {
    type Item = Result<(Key, Value), E>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some((fresh, _)) = self.memory.peek() else { return self.file.next() };
        match self.file.peek() {
            Some(Ok((kept, _))) if kept < fresh => self.file.next(),
            Some(Err(_)) => self.file.next(),
            Some(Ok((kept, _))) => {
                if kept == fresh {
                    self.file.next();
                }
                self.memory.next().map(Ok)
            }
            None => self.memory.next().map(Ok),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_lacks_is_not_passed_over() {
        let mut fresh = Fresh::new(Sequence(0));
        let (key, result) = ([1; super::super::layout::KEY_BYTES], ResultLocator::new([2; 16]));
        let mut rows = Generation::default();
        rows.entries.insert(key, [3; VALUE_BYTES]);
        rows.standing.insert(result, Standing { version: 1, key });
        fresh.take(Sequence(5), rows);
        assert_eq!(fresh.close().unwrap().applied, Sequence(5));
        assert!(fresh.close().is_none(), "it could not be written");
        assert!(fresh.stands(result).is_some() && fresh.range(key, key, 1).len() == 1, "and is still read");
        fresh.drop_written();
        assert!(fresh.close().is_some());
    }
}
