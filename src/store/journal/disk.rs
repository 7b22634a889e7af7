//! The two calls on which durability hangs, behind a seam so that tests can let them fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Writes and syncs a segment.
pub(super) trait Disk: Send {
    /// Writes all of `bytes` at `offset`.
    fn write(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns once what was written, and the length of the file, survive a power failure.
    fn sync(&mut self, file: &File) -> io::Result<()>;
}

/// The disk of the machine.
pub(super) struct MachineDisk;

impl Disk for MachineDisk {
    fn write(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
