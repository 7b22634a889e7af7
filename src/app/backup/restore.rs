//! Bringing a backup back: into a folder that is not there yet, under another name until all of it was verified.

use std::fs;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::copy::{self, failed};
use super::examine;
use super::manifest::{Kind, Manifest};
use super::{BackupError, CACHE_KEY, CHECKPOINT, LOG_KEY, ORIGINALS, SECRETS};
use crate::store::journal::JournalReader;
use crate::store::tiles::TileStore;
use crate::sys::files;

/// Verifies a backup, and changes nothing.
///
/// # Errors
/// [`BackupError`] naming the first thing that is not as it must be.
pub fn check(backup: &Path, progress: &ProgressBar) -> Result<Manifest, BackupError> {
    let manifest = Manifest::read(backup)?.ok_or_else(|| BackupError::NoBackup(backup.to_owned()))?;
    progress.set_length(2 * journal_bytes(&manifest));
    examine::files(backup, &manifest, progress)?;
    examine::records(backup, &manifest, progress)?;
    Ok(manifest)
}

/// Restores a backup to `to`, which must not be there or be empty; its secrets, if any, to `secrets`.
///
/// # Errors
/// [`BackupError`]; `to` is as it was.
pub fn restore(
    backup: &Path,
    to: &Path,
    secrets: Option<&Path>,
    progress: &ProgressBar,
) -> Result<Manifest, BackupError> {
    let manifest = Manifest::read(backup)?.ok_or_else(|| BackupError::NoBackup(backup.to_owned()))?;
    vacant(to)?;
    let wanted = secrets_of(&manifest, backup, secrets)?;
    let draft = to.with_added_extension("restoring");
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(failed("remove", &draft))?;
    }
    copy::make_folder(&draft)?;
    progress.set_length(3 * journal_bytes(&manifest));
    bring(backup, &draft, &manifest, progress)?;
    match manifest.of {
        Kind::Hub => build_log(&draft, &manifest, progress)?,
        Kind::Node => {
            if let Some(note) = &manifest.checkpoint {
                files::write_secret(&draft.join(CHECKPOINT), note.as_bytes())?;
            }
        }
    }
    examine::records(&draft, &manifest, progress)?;
    for (source, target) in wanted {
        files::make_folder(target.parent().unwrap_or(Path::new(".")))?;
        copy::whole(&source, &target, progress)?;
    }
    if to.exists() {
        fs::remove_dir(to).map_err(failed("replace", to))?;
    }
    fs::rename(&draft, to).map_err(failed("write", to))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    copy::sync_folder(parent)?;
    Ok(manifest)
}

/// Copies segments, originals and the node's cache key, each compared with what the manifest says.
fn bring(backup: &Path, draft: &Path, manifest: &Manifest, progress: &ProgressBar) -> Result<(), BackupError> {
    for part in &manifest.segments {
        let source = examine::segment_path(backup, manifest.of, part.first);
        let target = examine::segment_path(draft, manifest.of, part.first);
        if copy::extend(&source, &target, None, part.bytes, progress)? != part.sha256 {
            return Err(BackupError::Damaged(source));
        }
        if part.sealed {
            let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let seal = target.with_added_extension("sha256");
            files::write_secret(&seal, format!("{}  {name}\n", part.sha256).as_bytes())?;
        }
    }
    copy::make_folder(&draft.join(manifest.of.journal()))?;
    let originals = copy::originals(&backup.join(ORIGINALS))?;
    if (originals.len() as u64) < manifest.originals {
        return Err(BackupError::Originals { found: originals.len() as u64, named: manifest.originals });
    }
    for (source, digest) in originals {
        if copy::whole(&source, &copy::original_path(&draft.join(ORIGINALS), &digest), progress)? != digest {
            return Err(BackupError::Damaged(source));
        }
    }
    for part in manifest.files.iter().filter(|part| part.path == CACHE_KEY) {
        let source = backup.join(&part.path);
        if copy::whole(&source, &draft.join(&part.path), progress)? != part.sha256 {
            return Err(BackupError::Damaged(source));
        }
    }
    Ok(())
}

/// Builds the public log as far as the checkpoint covers it; the rest follows at the first start.
fn build_log(draft: &Path, manifest: &Manifest, progress: &ProgressBar) -> Result<(), BackupError> {
    if let Some(key) = &manifest.log_key {
        files::write(&draft.join(LOG_KEY), format!("{key}\n").as_bytes())?;
    }
    let (Some(head), Some(note)) = (examine::covered(manifest)?, &manifest.checkpoint) else { return Ok(()) };
    let mut tiles = TileStore::open(draft)?;
    extend_log(&mut tiles, &JournalReader::open(&draft.join(manifest.of.journal()))?, head.size, &mut |bytes| {
        progress.inc(bytes)
    })?;
    if tiles.head() != head {
        return Err(BackupError::Root { size: head.size });
    }
    Ok(tiles.publish_checkpoint(note)?)
}

/// Appends records to a log until it has `size`; `told` hears how many bytes were read.
///
/// # Errors
/// [`BackupError`] when journal or tiles fail.
pub fn extend_log(
    tiles: &mut TileStore,
    journal: &JournalReader,
    size: u64,
    told: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let mut entries = Vec::with_capacity(GROUP_RECORDS);
    let records = usize::try_from(size.saturating_sub(tiles.size())).unwrap_or(usize::MAX);
    for record in journal.scan(tiles.size()).take(records) {
        let record = record?;
        entries.push(record.digest());
        told(record.payload.len() as u64);
        if entries.len() == GROUP_RECORDS {
            tiles.append(&entries)?;
            entries.clear();
        }
    }
    tiles.append(&entries)?;
    Ok(tiles.save()?)
}

fn vacant(to: &Path) -> Result<(), BackupError> {
    match fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(BackupError::Exists(to.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("list", to)(error)),
    }
}

/// Says which secrets go where, and refuses to replace one.
fn secrets_of(
    manifest: &Manifest,
    backup: &Path,
    secrets: Option<&Path>,
) -> Result<Vec<(PathBuf, PathBuf)>, BackupError> {
    let Some(folder) = secrets else { return Ok(Vec::new()) };
    let mut wanted = Vec::new();
    for part in &manifest.files {
        let Some(name) = part.path.strip_prefix(&format!("{SECRETS}/")) else { continue };
        let (source, target) = (backup.join(&part.path), folder.join(name));
        if copy::digest_of(&source, None)? != part.sha256 {
            return Err(BackupError::Damaged(source));
        }
        if target.exists() {
            return Err(BackupError::Exists(target));
        }
        wanted.push((source, target));
    }
    if wanted.is_empty() { Err(BackupError::NoSecrets(backup.to_owned())) } else { Ok(wanted) }
}

fn journal_bytes(manifest: &Manifest) -> u64 {
    manifest.segments.iter().map(|part| part.bytes).sum()
}

const GROUP_RECORDS: usize = 4_096;
