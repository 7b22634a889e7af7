//! Files that are either the old or the new version after a crash, and secrets nobody else can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::domain::fault::{Fault, Faulty};

/// A file could not be read or written as it must be.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused; the source says why.
    #[error("{action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Others than the owner can read a secret.
    #[error("{path} is a secret that others can read (mode {mode:04o}); run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The secret.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is larger than anything that belongs there.
    #[error("{path} is larger than {FILE_BYTES_MAX} bytes; is it the right file?", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// Replaces `path` with `bytes` for everyone to read: a reader sees the old file or the new one, never a part, and
/// after return the new one survives power loss.
///
/// # Errors
/// [`FileError::Io`]; the old file is still whole, repair the disk and write again.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, 0o644)
}

/// Replaces `path` as [`write()`] does, readable by the owner alone from the first byte on.
///
/// # Errors
/// [`FileError::Io`]; the old file is still whole, repair the disk and write again.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, 0o600)
}

/// Makes a folder and those above it, readable by the owner alone; one that is there already stays as it is.
///
/// # Errors
/// [`FileError::Io`]; correct the configured path or its rights.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make", path))
}

/// Reads a whole file of at most 16 MiB.
///
/// # Errors
/// [`FileError`] naming the file; correct the configured path or the file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(failed("read", path))?;
    let mut bytes = Vec::new();
    take(file, path, &mut bytes)?;
    Ok(bytes)
}

/// Reads a secret, and wipes it from memory when dropped.
///
/// # Errors
/// [`FileError::Exposed`] when the group or the world has any right to the file: run `chmod 600` on it, and think
/// about who may have read it. Otherwise as [`read`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(failed("read", path))?;
    // Asked of the open file, so that nobody can swap it between the question and the reading.
    let metadata = file.metadata().map_err(failed("read", path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    // Room for all of it at once: a vector that grows leaves copies of the secret behind.
    let room = usize::try_from(metadata.len().min(FILE_BYTES_MAX)).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
    take(file, path, &mut bytes)?;
    Ok(bytes)
}

fn take(file: File, path: &Path, into: &mut Vec<u8>) -> Result<(), FileError> {
    let taken = file.take(FILE_BYTES_MAX + 1).read_to_end(into).map_err(failed("read", path))?;
    if u64::try_from(taken).is_ok_and(|taken| taken <= FILE_BYTES_MAX) {
        return Ok(());
    }
    Err(FileError::TooLarge { path: path.to_owned() })
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = directory.join(name);
    if let Err(error) = fs::remove_file(&fresh)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(failed("remove", &fresh)(error));
    }
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed("write", &fresh))?;
    fs::rename(&fresh, path).map_err(failed("write", path))?;
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed("write", directory))
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> FileError {
    move |source| FileError::Io { action, path: path.to_owned(), source }
}

impl Faulty for FileError {
    fn fault(&self) -> Fault {
        Fault::Broken
    }
}

const FILE_BYTES_MAX: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_the_owners_alone_even_over_an_open_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_secret(&path, b"new").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(&**read_secret(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_secret_others_can_read_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.key");
        for open in [0o644, 0o640, 0o604, 0o620] {
            fs::write(&path, "key").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = read_secret(&path).unwrap_err();
            assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
    }

    #[test]
    fn a_leftover_of_a_crash_does_not_stop_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crl.pem");
        fs::write(folder.path().join("crl.pem.new"), "half").unwrap();
        write(&path, b"whole").unwrap();
        assert_eq!(read(&path).unwrap(), b"whole");
        assert_eq!(mode(&path), 0o644);
    }

    #[test]
    fn a_file_that_cannot_belong_there_is_not_read_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        File::create(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(matches!(read(&path), Err(FileError::TooLarge { .. })));
    }
}
