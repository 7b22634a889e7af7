//! The two indexes of entries: one on disk, and one in memory for the simulation and as the other's oracle.

mod fresh;
mod layout;
mod memory;
mod redb;

pub use self::memory::MemoryIndex;
pub use self::redb::RedbIndex;

#[cfg(test)]
mod tests;
