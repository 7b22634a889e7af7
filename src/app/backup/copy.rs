//! Copying a file so that it can be believed: hashed while it is read, synced, and read again from where it was written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::BackupError;

/// What is already there of a file, from an earlier copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Bytes from its start.
    pub bytes: u64,
    /// SHA-256 over them, in hexadecimal.
    pub sha256: String,
}

/// Copies the first `bytes` of `source` to `target`, whose `kept` bytes are left as they are if `source` still begins
/// with them. Gives the SHA-256 of the whole, once it is durable and was read again.
///
/// # Errors
/// [`BackupError::Diverged`] when `source` begins otherwise, and nothing was changed; [`BackupError::Unfaithful`] when
/// what was read again is not what was written.
pub fn extend(
    source: &Path,
    target: &Path,
    kept: Option<&Kept>,
    bytes: u64,
    progress: &ProgressBar,
) -> Result<String, BackupError> {
    let mut from = File::open(source).map_err(failed("read", source))?;
    let mut hasher = Sha256::new();
    let start = kept.map_or(0, |kept| kept.bytes);
    pass(&mut from, start, source, |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    if kept.is_some_and(|kept| hex::encode(hasher.clone().finalize()) != kept.sha256) {
        return Err(BackupError::Diverged(source.to_owned()));
    }
    progress.inc(start);
    let parent = target.parent().unwrap_or(Path::new("."));
    make_folder(parent)?;
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(target);
    let mut to = opened.map_err(failed("write", target))?;
    to.set_len(start).and_then(|()| to.seek(SeekFrom::Start(start))).map_err(failed("write", target))?;
    pass(&mut from, bytes - start, source, |chunk| {
        hasher.update(chunk);
        progress.inc(chunk.len() as u64);
        to.write_all(chunk).map_err(failed("write", target))
    })?;
    to.sync_all().map_err(failed("sync", target))?;
    sync_folder(parent)?;
    let digest = hex::encode(hasher.finalize());
    if digest_of(target, Some(bytes))? != digest {
        return Err(BackupError::Unfaithful(target.to_owned()));
    }
    Ok(digest)
}

/// Copies a whole file under another name first, so that the name never stands for half of it. Gives its SHA-256.
///
/// # Errors
/// [`BackupError::Unfaithful`] when what was read again is not what was written.
pub fn whole(source: &Path, target: &Path, progress: &ProgressBar) -> Result<String, BackupError> {
    let draft = target.with_added_extension("draft");
    if draft.exists() {
        fs::remove_file(&draft).map_err(failed("remove", &draft))?;
    }
    let bytes = fs::metadata(source).map_err(failed("measure", source))?.len();
    let digest = extend(source, &draft, None, bytes, progress)?;
    fs::rename(&draft, target).map_err(failed("write", target))?;
    sync_folder(target.parent().unwrap_or(Path::new(".")))?;
    Ok(digest)
}

/// Gives the SHA-256 of a file, or of its first `bytes`.
///
/// # Errors
/// [`BackupError`] when it cannot be read, or is shorter.
pub fn digest_of(path: &Path, bytes: Option<u64>) -> Result<String, BackupError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let length = file.metadata().map_err(failed("measure", path))?.len();
    let mut hasher = Sha256::new();
    pass(&mut file, bytes.unwrap_or(length), path, |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok(hex::encode(hasher.finalize()))
}

/// Lists the originals below a folder: path and digest, which is the name.
///
/// # Errors
/// [`BackupError`] when a folder cannot be read.
pub fn originals(folder: &Path) -> Result<Vec<(PathBuf, String)>, BackupError> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = waiting.pop() {
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("list", &path)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed("list", &path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_hexadecimal = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let is_folder = entry.file_type().map_err(failed("list", &path))?.is_dir();
            match name.len() {
                2 if is_folder && is_hexadecimal => waiting.push(entry.path()),
                64 if !is_folder && is_hexadecimal => found.push((entry.path(), name)),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Gives the place of an original below a folder.
pub fn original_path(folder: &Path, digest: &str) -> PathBuf {
    let part = |range: std::ops::Range<usize>| digest.get(range).unwrap_or_default();
    folder.join(part(0..2)).join(part(2..4)).join(digest)
}

/// Makes a folder and those above it, for the owner alone.
///
/// # Errors
/// [`BackupError`] naming the folder.
pub fn make_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(failed("make", path))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// [`BackupError`] naming the folder.
pub fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

/// Wraps what the file system said.
pub fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |source| BackupError::Io { action, path: path.to_owned(), source }
}

/// Hands on the next `bytes` of a file, piece by piece.
fn pass(
    file: &mut File,
    bytes: u64,
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let (mut left, mut buffer) = (bytes, vec![0; PIECE_BYTES]);
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let Some(piece) = buffer.get_mut(..room) else { unreachable!("a piece is no longer than its buffer") };
        match file.read(piece) {
            Ok(0) => return Err(BackupError::Short(path.to_owned())),
            Ok(count) => {
                take(piece.get(..count).unwrap_or_default())?;
                left -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("read", path)(error)),
        }
    }
    Ok(())
}

const PIECE_BYTES: usize = 1 << 20;
/// A backup holds what its source holds: patients' data.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
