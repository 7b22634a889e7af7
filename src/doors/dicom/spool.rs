//! Where an instance waits while it arrives: in memory while it is small, in a file beyond that.

use crate::domain::limits::{DICOM_MEMORY_BYTES_MAX, INSTANCE_BYTES_MAX};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// The bytes of a data set.
#[derive(Debug)]
pub enum InstanceBody {
    /// Held in memory.
    Memory(Vec<u8>),
    /// Held in a file, which goes when this is dropped.
    File(SpoolFile),
}

/// A file that holds the data set of one instance and nothing else; it is removed when this is dropped.
#[derive(Debug)]
pub struct SpoolFile {
    path: PathBuf,
    size_bytes: u64,
}

impl InstanceBody {
    /// Counts the bytes.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.size_bytes,
        }
    }
}

impl SpoolFile {
    /// Names the file; whoever moves it away owns it from then on. It is not yet durable.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        // Gone already when the sink moved it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Why an instance was not spooled.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    /// It is larger than `limits::INSTANCE_BYTES_MAX`.
    #[error("the instance is too large")]
    TooLarge,
    /// The spool folder cannot be written.
    #[error("write the spool: {0}")]
    Io(#[from] io::Error),
}

/// An instance that is arriving.
pub(super) enum Spool {
    Memory(Vec<u8>),
    File { open: File, file: SpoolFile },
}

impl Spool {
    pub(super) fn new() -> Self {
        Self::Memory(Vec::new())
    }

    /// Takes the next bytes.
    pub(super) async fn write(&mut self, bytes: &[u8], folder: &Path) -> Result<(), SpoolError> {
        if let Self::Memory(held) = self {
            if held.len() + bytes.len() <= DICOM_MEMORY_BYTES_MAX {
                held.extend_from_slice(bytes);
                return Ok(());
            }
            *self = Self::spill(held, folder).await?;
        }
        if let Self::File { open, file } = self {
            file.size_bytes += bytes.len() as u64;
            if file.size_bytes > INSTANCE_BYTES_MAX {
                return Err(SpoolError::TooLarge);
            }
            open.write_all(bytes).await?;
        }
        Ok(())
    }

    async fn spill(held: &[u8], folder: &Path) -> Result<Self, SpoolError> {
        let path = folder.join(format!("{}.{SUFFIX}", SPOOLED.fetch_add(1, Ordering::Relaxed)));
        let mut open = File::create(&path).await?;
        let file = SpoolFile { path, size_bytes: held.len() as u64 };
        open.write_all(held).await?;
        Ok(Self::File { open, file })
    }

    /// Ends the instance.
    pub(super) async fn finish(self) -> Result<InstanceBody, SpoolError> {
        match self {
            Self::Memory(bytes) => Ok(InstanceBody::Memory(bytes)),
            Self::File { mut open, file } => {
                open.flush().await?;
                Ok(InstanceBody::File(file))
            }
        }
    }
}

/// Removes what an earlier run left behind.
pub(super) fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == SUFFIX) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

const SUFFIX: &str = "arriving";
static SPOOLED: AtomicU64 = AtomicU64::new(0);
