//! What a projection's table holds, in short: two tables of one sum hold the same rows.

use sha2::{Digest, Sha256};

/// The sum of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSum {
    /// Its name.
    pub table: String,
    /// Number of rows.
    pub rows: u64,
    /// SHA-256 over all rows in the order of their keys.
    pub digest: [u8; 32],
}

/// Takes the rows of a table one by one.
pub(super) struct Summing {
    table: String,
    rows: u64,
    hasher: Sha256,
}

impl Summing {
    /// Begins with an empty table.
    pub(super) fn new(table: &str) -> Self {
        Self { table: table.to_owned(), rows: 0, hasher: Sha256::new() }
    }

    /// Takes the next row.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        for part in [key, value] {
            self.hasher.update((part.len() as u64).to_be_bytes());
            self.hasher.update(part);
        }
    }

    /// Gives the sum.
    pub(super) fn finish(self) -> TableSum {
        TableSum { table: self.table, rows: self.rows, digest: self.hasher.finalize().into() }
    }
}
