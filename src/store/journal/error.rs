//! What can go wrong with a journal, and whose fault it is.

use std::io;

use crate::domain::fault::{Fault, Faulty};

/// Says why the journal cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused; look at the disk.
    #[error("{action}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has the folder open; stop it first.
    #[error("another process has the journal open")]
    Locked,
    /// Something that was once acknowledged cannot be read; restore the segment from a copy.
    #[error("segment {segment} is damaged at byte {offset}")]
    Damaged {
        /// First sequence of the segment, which is its name.
        segment: u64,
        /// Offset of the first bad record in the file, in bytes.
        offset: u64,
    },
    /// The journal ends before a record that is known to have been acknowledged; restore it from a copy.
    #[error("the journal ends at record {next}, but record {known} was acknowledged")]
    Short {
        /// Sequence after the last record found.
        next: u64,
        /// Sequence of the last record known to have been acknowledged.
        known: u64,
    },
    /// No segment holds the record; restore the missing file from a copy.
    #[error("no segment holds record {sequence}")]
    Gap {
        /// Sequence of the record looked for.
        sequence: u64,
    },
    /// The segment was written by another version; run the version that wrote it.
    #[error(
        "segment {segment} has format version {version}, which this version of concord cannot read; run the one that wrote it"
    )]
    Version {
        /// First sequence of the segment.
        segment: u64,
        /// Version in its header.
        version: u32,
    },
    /// A sealed segment differs from its checksum file, or has none; restore it from a copy.
    #[error("segment {segment} does not match its checksum")]
    Seal {
        /// First sequence of the segment.
        segment: u64,
    },
    /// There is no such record yet; ask for one below the next sequence.
    #[error("there is no record {sequence} yet")]
    Unwritten {
        /// Sequence asked for.
        sequence: u64,
    },
    /// The records do not fit; split them.
    #[error("{bytes} bytes are too many to append at once")]
    TooLarge {
        /// Length of the records, in bytes.
        bytes: usize,
    },
    /// The options contradict the format or each other; correct the configuration.
    #[error("the journal's limits are out of range")]
    Options,
    /// A write or a sync has failed, so nothing more is taken until the journal is opened anew.
    #[error("the journal has failed and takes no more records")]
    Poisoned,
}

impl JournalError {
    /// Wraps an answer of the operating system in what was being done.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

impl Faulty for JournalError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unwritten { .. } => Fault::Missing,
            Self::TooLarge { .. } => Fault::BadInput,
            Self::Io { .. }
            | Self::Locked
            | Self::Damaged { .. }
            | Self::Short { .. }
            | Self::Gap { .. }
            | Self::Version { .. }
            | Self::Seal { .. }
            | Self::Options
            | Self::Poisoned => Fault::Broken,
        }
    }
}
