//! Making a backup of a data folder whose process may be running, or bringing an earlier one up to date.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::copy::{self, Kept, failed};
use super::manifest::{FORM, FilePart, Kind, MANIFEST, Manifest, SegmentPart};
use super::{BackupError, CACHE_KEY, CHECKPOINT, LOG_KEY, ORIGINALS, SECRETS};
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::note::VerifierKey;
use crate::ports::clock::Clock;
use crate::store::journal::{DurablePrefix, DurableSegment};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What the backup holds now.
    pub manifest: Manifest,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Originals that were copied.
    pub copied_originals: u64,
    /// Originals of the source that are not what their names say; they were not copied.
    pub damaged: Vec<String>,
}

/// Copies what is durable in `from` and not yet in `to`.
///
/// # Errors
/// [`BackupError`]; what `to` held before is still there.
pub fn take(
    from: &Path,
    to: &Path,
    secrets: Option<&Path>,
    clock: &dyn Clock,
    progress: &ProgressBar,
) -> Result<Taken, BackupError> {
    let of = Kind::of(from)?;
    let before = prepare(from, to, of)?;
    let _lock = lock(to)?;
    // The checkpoint first: it then covers nothing that the journal, read later, does not hold.
    let (checkpoint, log_key) = checkpoint(from, of)?;
    let durable = DurablePrefix::of(&from.join(of.journal()))?;
    not_behind(&durable, before.as_ref(), checkpoint.as_ref().map(|(_, size)| *size))?;
    let news = news(from, to)?;
    let length = durable.segments.iter().map(|segment| segment.bytes).sum::<u64>() + news.bytes;
    progress.set_length(length);

    let mut copied_bytes = 0;
    let mut segments = Vec::with_capacity(durable.segments.len());
    for segment in &durable.segments {
        let known = before.as_ref().and_then(|before| before.segment(segment.first));
        let target = to.join(of.journal()).join(segment.path.file_name().unwrap_or_default());
        let part = copy_segment(segment, &target, known, progress)?;
        copied_bytes += part.bytes - known.map_or(0, |known| known.bytes);
        segments.push(part);
    }
    let mut damaged = Vec::new();
    for (path, digest) in &news.originals {
        let target = copy::original_path(&to.join(ORIGINALS), digest);
        if copy::digest_of(path, None)? != *digest {
            damaged.push(digest.clone());
            continue;
        }
        copy::whole(path, &target, progress)?;
    }
    let copied_originals = (news.originals.len() - damaged.len()) as u64;
    let manifest = Manifest {
        form: FORM,
        of,
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        made_at_unix_ms: clock.now().unix_ms(),
        records: durable.records,
        segments,
        originals: news.kept + copied_originals,
        files: other_files(from, to, secrets, before.as_ref(), progress)?,
        checkpoint: checkpoint.map(|(note, _)| note),
        log_key,
    };
    manifest.write(to)?;
    Ok(Taken { manifest, copied_bytes: copied_bytes + news.bytes, copied_originals, damaged })
}

/// Makes the folder, or makes sure that it holds a backup of the same kind.
fn prepare(from: &Path, to: &Path, of: Kind) -> Result<Option<Manifest>, BackupError> {
    copy::make_folder(to)?;
    let (inside, outside) = (fs::canonicalize(to), fs::canonicalize(from));
    if inside.map_err(failed("find", to))?.starts_with(outside.map_err(failed("find", from))?) {
        return Err(BackupError::Inside(to.to_owned()));
    }
    let before = Manifest::read(to)?;
    if before.as_ref().is_some_and(|before| before.of != of) {
        return Err(BackupError::OtherKind(to.to_owned()));
    }
    if before.is_none() {
        let ours = [LOCK, MANIFEST, ORIGINALS, SECRETS, CACHE_KEY, of.journal()];
        for entry in fs::read_dir(to).map_err(failed("list", to))? {
            let name = entry.map_err(failed("list", to))?.file_name();
            if !ours.iter().any(|our| name.to_str() == Some(our)) {
                return Err(BackupError::Occupied(to.to_owned()));
            }
        }
    }
    Ok(before)
}

fn lock(to: &Path) -> Result<File, BackupError> {
    let path = to.join(LOCK);
    let file = File::create(&path).map_err(failed("make", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy(to.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}

/// Reads the checkpoint with the number of records that it covers, and the log's key.
#[expect(clippy::type_complexity, reason = "named where it is taken apart")]
fn checkpoint(from: &Path, of: Kind) -> Result<(Option<(String, u64)>, Option<String>), BackupError> {
    let read = |name: &str| {
        let path = from.join(name);
        if path.exists() { fs::read_to_string(&path).map(Some).map_err(failed("read", &path)) } else { Ok(None) }
    };
    let Some(note) = read(CHECKPOINT)? else { return Ok((None, read(LOG_KEY)?)) };
    if of == Kind::Node {
        return Ok((Some((note, 0)), None));
    }
    let bad = || BackupError::Checkpoint(from.join(CHECKPOINT));
    let key_line = read(LOG_KEY)?.ok_or_else(bad)?;
    let key: VerifierKey = key_line.trim().parse().map_err(|_| bad())?;
    let head = Checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(&key)).map_err(|_| bad())?.head();
    Ok((Some((note, head.size)), Some(key.to_string())))
}

/// Refuses a source that has lost records: the backup must not lose them too.
fn not_behind(durable: &DurablePrefix, before: Option<&Manifest>, covered: Option<u64>) -> Result<(), BackupError> {
    let known = before.map_or(0, |before| before.records);
    if durable.records < known {
        return Err(BackupError::Behind { records: durable.records, known });
    }
    match covered.filter(|covered| durable.records < *covered) {
        Some(known) => Err(BackupError::Behind { records: durable.records, known }),
        None => Ok(()),
    }
}

/// Originals of the source, as far as the backup lacks them.
struct News {
    originals: Vec<(PathBuf, String)>,
    bytes: u64,
    kept: u64,
}

fn news(from: &Path, to: &Path) -> Result<News, BackupError> {
    let mut news = News { originals: Vec::new(), bytes: 0, kept: 0 };
    for (path, digest) in copy::originals(&from.join(ORIGINALS))? {
        let bytes = fs::metadata(&path).map_err(failed("measure", &path))?.len();
        let there = fs::metadata(copy::original_path(&to.join(ORIGINALS), &digest));
        if there.is_ok_and(|there| there.len() == bytes) {
            news.kept += 1;
        } else {
            news.bytes += bytes;
            news.originals.push((path, digest));
        }
    }
    Ok(news)
}

fn copy_segment(
    segment: &DurableSegment,
    target: &Path,
    known: Option<&SegmentPart>,
    progress: &ProgressBar,
) -> Result<SegmentPart, BackupError> {
    let seal = segment.seal.map(hex::encode);
    let there = fs::metadata(target).map_or(0, |there| there.len());
    let known = known.filter(|known| there >= known.bytes);
    let sha256 = match known {
        // It was read again when it was copied, and does not change any more.
        Some(known) if known.sealed && seal.is_some() => {
            progress.inc(segment.bytes);
            known.sha256.clone()
        }
        known => {
            let kept = known.map(|known| Kept { bytes: known.bytes, sha256: known.sha256.clone() });
            if kept.as_ref().is_some_and(|kept| kept.bytes > segment.bytes) {
                return Err(BackupError::Diverged(segment.path.clone()));
            }
            copy::extend(&segment.path, target, kept.as_ref(), segment.bytes, progress)?
        }
    };
    if seal.as_ref().is_some_and(|seal| *seal != sha256) {
        return Err(BackupError::Diverged(segment.path.clone()));
    }
    Ok(SegmentPart { first: segment.first, bytes: segment.bytes, sha256, sealed: seal.is_some() })
}

/// Copies the node's cache key, and secrets if they are asked for; those of an earlier backup stay.
fn other_files(
    from: &Path,
    to: &Path,
    secrets: Option<&Path>,
    before: Option<&Manifest>,
    progress: &ProgressBar,
) -> Result<Vec<FilePart>, BackupError> {
    let mut wanted = Vec::new();
    if from.join(CACHE_KEY).exists() {
        wanted.push((from.join(CACHE_KEY), CACHE_KEY.to_owned()));
    }
    if let Some(secrets) = secrets {
        for entry in fs::read_dir(secrets).map_err(failed("list", secrets))? {
            let path = entry.map_err(failed("list", secrets))?.path();
            if path.is_file() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                wanted.push((path, format!("{SECRETS}/{name}")));
            }
        }
    }
    let mut parts = Vec::new();
    for (source, path) in wanted {
        let target = to.join(&path);
        copy::make_folder(target.parent().unwrap_or(to))?;
        parts.push(FilePart { sha256: copy::whole(&source, &target, progress)?, path });
    }
    for old in before.into_iter().flat_map(|before| &before.files) {
        if !parts.iter().any(|part| part.path == old.path) {
            parts.push(old.clone());
        }
    }
    parts.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(parts)
}

const LOCK: &str = "lock";
