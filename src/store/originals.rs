//! Originals: content-addressed files, named by the SHA-256 of their bytes, written once and never changed. What they
//! are and who may read them is decided elsewhere. All calls block.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::files::sync_folder;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Digest;

/// A folder of originals: `<root>/ab/cd/abcd…`, and `<root>/incoming` for what is still being written.
#[derive(Debug)]
pub struct Originals {
    root: PathBuf,
    /// Folders that are known to survive a power loss: by the digest's first byte, or its first two.
    durable: Mutex<BTreeSet<(u8, Option<u8>)>>,
    next_incoming: AtomicU64,
}

/// An original, open at its first byte, of the size it should have. Its bytes are checked by whoever hashes them.
#[derive(Debug)]
pub struct OpenOriginal {
    /// The bytes.
    pub file: File,
    /// How many there are.
    pub size_bytes: u64,
}

/// An original could not be kept or given.
#[derive(Debug, thiserror::Error)]
pub enum OriginalsError {
    /// No original has this digest.
    #[error("no original {0}")]
    Missing(Digest),
    /// The file is not what was stored; fetch or receive the original again, and look at the disk.
    #[error("original {digest} is damaged")]
    Damaged {
        /// Its digest.
        digest: Digest,
    },
    /// The original is larger than the caller can hold; read it as a stream.
    #[error("an original of {size_bytes} bytes is beyond the limit of {bytes_max}")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// What the caller allows.
        bytes_max: u64,
    },
    /// The disk failed or is full; nothing was acknowledged.
    #[error("originals: {0}")]
    Io(#[from] io::Error),
}

impl Originals {
    /// Opens the folder, making it if needed, and removes what an earlier run left half written.
    ///
    /// # Errors
    /// [`OriginalsError::Io`] when the folder cannot be made or read.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, OriginalsError> {
        let root = root.into();
        let incoming = root.join(INCOMING);
        make_folder(&incoming)?;
        for leftover in fs::read_dir(&incoming)? {
            fs::remove_file(leftover?.path())?;
        }
        sync_folder(&root)?;
        Ok(Self { root, durable: Mutex::default(), next_incoming: AtomicU64::new(0) })
    }

    /// Keeps bytes and returns their digest; they survive a power loss from then on. Keeping them again is harmless.
    ///
    /// # Errors
    /// [`OriginalsError::Io`] when the disk fails; acknowledge nothing.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, OriginalsError> {
        let digest = digest_of(bytes);
        // A damaged file of the same name is replaced.
        if self.read_all(digest, u64::try_from(bytes.len()).unwrap_or(u64::MAX)).is_ok() {
            self.settle(digest)?;
            return Ok(digest);
        }
        let (path, mut file) = self.incoming()?;
        let kept =
            file.write_all(bytes).map_err(OriginalsError::from).and_then(|()| self.put_file(&path, &file, digest));
        if kept.is_err() {
            // The error that matters is already on its way; what is left goes at the next open.
            let _ = fs::remove_file(&path);
        }
        kept.map(|()| digest)
    }

    /// Makes a new file for bytes that arrive piece by piece; hand it to [`Originals::put_file`] once hashed.
    ///
    /// # Errors
    /// [`OriginalsError::Io`] when the disk fails.
    pub fn incoming(&self) -> Result<(PathBuf, File), OriginalsError> {
        let number = self.next_incoming.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(INCOMING).join(number.to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        Ok((path, file))
    }

    /// Keeps a file of [`Originals::incoming`] whose bytes have `digest`; it survives a power loss from then on.
    ///
    /// # Errors
    /// [`OriginalsError::Io`] when the disk fails; acknowledge nothing and remove the file.
    pub fn put_file(&self, incoming: &Path, file: &File, digest: Digest) -> Result<(), OriginalsError> {
        file.sync_all()?;
        self.make_durable_folder(digest)?;
        fs::rename(incoming, self.path(digest))?;
        self.settle(digest)
    }

    /// Opens an original for streaming.
    ///
    /// # Errors
    /// [`OriginalsError::Missing`]; [`OriginalsError::Damaged`] when its size is not `size_bytes`.
    pub fn open_original(&self, digest: Digest, size_bytes: u64) -> Result<OpenOriginal, OriginalsError> {
        let original = self.open_unsized(digest)?;
        if original.size_bytes != size_bytes {
            return Err(OriginalsError::Damaged { digest });
        }
        Ok(original)
    }

    /// Reads a whole original of at most `bytes_max` bytes and checks it against its digest.
    ///
    /// # Errors
    /// [`OriginalsError::Missing`], [`OriginalsError::Damaged`], [`OriginalsError::TooLarge`].
    pub fn read_all(&self, digest: Digest, bytes_max: u64) -> Result<Vec<u8>, OriginalsError> {
        let OpenOriginal { file, size_bytes } = self.open_unsized(digest)?;
        if size_bytes > bytes_max {
            return Err(OriginalsError::TooLarge { size_bytes, bytes_max });
        }
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes)?;
        (digest_of(&bytes) == digest).then_some(bytes).ok_or(OriginalsError::Damaged { digest })
    }

    /// Says whether an original is kept, with the size it should have.
    ///
    /// # Errors
    /// [`OriginalsError::Io`] when the disk cannot say.
    pub fn has(&self, digest: Digest, size_bytes: u64) -> Result<bool, OriginalsError> {
        match fs::metadata(self.path(digest)) {
            Ok(metadata) => Ok(metadata.is_file() && metadata.len() == size_bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens an original for whoever knows its digest alone, and will hash what is read.
    ///
    /// # Errors
    /// [`OriginalsError::Missing`], or [`OriginalsError::Io`] when the disk fails.
    pub fn open_unsized(&self, digest: Digest) -> Result<OpenOriginal, OriginalsError> {
        let file = File::open(self.path(digest)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OriginalsError::Missing(digest),
            _ => OriginalsError::Io(error),
        })?;
        let size_bytes = file.metadata()?.len();
        Ok(OpenOriginal { file, size_bytes })
    }

    /// Makes the two folders of a digest and brings their names to the disk, once for each folder and run.
    fn make_durable_folder(&self, digest: Digest) -> Result<(), OriginalsError> {
        let [first, second] = prefix(digest);
        let known = |key: &(u8, Option<u8>)| self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(key);
        let (outer, inner) = ((first, None), (first, Some(second)));
        if known(&inner) {
            return Ok(());
        }
        let folder = self.folder(digest);
        make_folder(&folder)?;
        folder.parent().map_or(Ok(()), sync_folder)?;
        if !known(&outer) {
            sync_folder(&self.root)?;
        }
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).extend([outer, inner]);
        Ok(())
    }

    /// Brings the name of an original to the disk; also for one found in place, whose writer may still be at it.
    fn settle(&self, digest: Digest) -> Result<(), OriginalsError> {
        self.make_durable_folder(digest)?;
        Ok(sync_folder(&self.folder(digest))?)
    }

    fn folder(&self, digest: Digest) -> PathBuf {
        let [first, second] = prefix(digest);
        self.root.join(format!("{first:02x}")).join(format!("{second:02x}"))
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder(digest).join(digest.to_string())
    }
}

impl Faulty for OriginalsError {
    fn fault(&self) -> Fault {
        match self {
            Self::Missing(_) => Fault::Missing,
            Self::TooLarge { .. } => Fault::Limited,
            Self::Damaged { .. } | Self::Io(_) => Fault::Broken,
        }
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

fn prefix(digest: Digest) -> [u8; 2] {
    let [first, second, ..] = *digest.as_bytes();
    [first, second]
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

const INCOMING: &str = "incoming";
/// Originals are patients' data: only the process's own user reads them.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> (tempfile::TempDir, Originals) {
        let folder = tempfile::tempdir().unwrap();
        let originals = Originals::open(folder.path().join("originals")).unwrap();
        (folder, originals)
    }

    #[test]
    fn what_is_put_comes_back_and_putting_it_again_is_harmless() {
        let (_folder, originals) = opened();
        let digest = originals.put(b"a report").unwrap();
        assert_eq!(originals.put(b"a report").unwrap(), digest);
        assert_eq!(originals.read_all(digest, 8).unwrap(), b"a report");
        assert_eq!(originals.open_original(digest, 8).unwrap().size_bytes, 8);
        assert_eq!(fs::read_dir(originals.root.join(INCOMING)).unwrap().count(), 0);
    }

    #[test]
    fn a_streamed_file_moves_into_place() {
        let (_folder, originals) = opened();
        let (path, mut file) = originals.incoming().unwrap();
        file.write_all(b"an image").unwrap();
        originals.put_file(&path, &file, digest_of(b"an image")).unwrap();
        assert_eq!(originals.read_all(digest_of(b"an image"), 1_000).unwrap(), b"an image");
        assert!(!path.exists());
    }

    #[test]
    fn a_changed_file_is_damaged_and_is_healed_by_putting_it_again() {
        let (_folder, originals) = opened();
        let digest = originals.put(b"a report").unwrap();
        fs::write(originals.path(digest), b"b report").unwrap();
        assert!(matches!(originals.read_all(digest, 8), Err(OriginalsError::Damaged { .. })));
        originals.put(b"a report").unwrap();
        assert_eq!(originals.read_all(digest, 8).unwrap(), b"a report");
        fs::write(originals.path(digest), b"a rep").unwrap();
        assert!(matches!(originals.open_original(digest, 8), Err(OriginalsError::Damaged { .. })));
        originals.put(b"a report").unwrap();
        assert_eq!(originals.read_all(digest, 8).unwrap(), b"a report");
    }

    #[test]
    fn missing_and_too_large_are_told_apart() {
        let (_folder, originals) = opened();
        let digest = originals.put(b"a report").unwrap();
        assert!(matches!(originals.read_all(digest, 7), Err(OriginalsError::TooLarge { size_bytes: 8, bytes_max: 7 })));
        assert!(matches!(originals.read_all(digest_of(b"other"), 7), Err(OriginalsError::Missing(_))));
        assert!(matches!(originals.open_original(digest_of(b"other"), 7), Err(OriginalsError::Missing(_))));
    }

    #[test]
    fn what_was_half_written_is_gone_after_opening_again() {
        let (folder, originals) = opened();
        let (path, _file) = originals.incoming().unwrap();
        drop(originals);
        let again = Originals::open(folder.path().join("originals")).unwrap();
        assert!(!path.exists());
        again.incoming().unwrap();
    }

    #[test]
    fn many_writers_of_the_same_bytes_agree() {
        let (_folder, originals) = opened();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for byte in 0..20u8 {
                        originals.put(&[byte; 100]).unwrap();
                    }
                });
            }
        });
        for byte in 0..20u8 {
            assert_eq!(originals.read_all(digest_of(&[byte; 100]), 100).unwrap(), [byte; 100]);
        }
    }
}
