//! `concord backup` and `concord restore`: a copy of a hub's or node's data that can be believed, made while it runs, and
//! brought back. What is copied is the journal, and the originals; everything else is built from them.

mod copy;
mod examine;
mod manifest;
mod restore;
mod take;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::manifest::Manifest;
pub use self::restore::extend_log;
use crate::ports::clock::Clock;
use crate::store::journal::JournalError;
use crate::store::tiles::TileStoreError;
use crate::sys::files::FileError;

/// Copies the data of a hub or node, running or stopped; what an earlier backup holds is not copied again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  concord backup --from /var/lib/concord/hub --to /mnt/backup/hub\n  \
    concord backup --from hub/data --to backup --secrets hub/secrets --json\n\n\
    The copy holds every record that was durable when it began, and every original. Exit status 0 when all of it was \
    read again and is the same. `concord restore --check` reads a backup through.")]
pub struct BackupArgs {
    /// The data folder of a hub or node, as `data` in its configuration.
    #[arg(long)]
    from: PathBuf,
    /// The backup: a new folder, or an earlier backup of the same data.
    #[arg(long)]
    to: PathBuf,
    /// Copies the secrets in this folder too, as they are, for the owner alone. Better keep them elsewhere.
    #[arg(long)]
    secrets: Option<PathBuf>,
    /// Writes JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Brings a backup back into a new data folder, and verifies all of it before it says so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  concord restore --from /mnt/backup/hub --to /var/lib/concord/hub\n  \
    concord restore --from /mnt/backup/hub --check\n\n\
    Nothing is ever overwritten. Index, tables and the node's projections are built at the first start, or before it \
    with `concord rebuild`.")]
pub struct RestoreArgs {
    /// The backup.
    #[arg(long)]
    from: PathBuf,
    /// The data folder, which must not be there yet or be empty.
    #[arg(long, required_unless_present = "check")]
    to: Option<PathBuf>,
    /// Where the secrets of the backup go; they stay in it otherwise.
    #[arg(long, requires = "to")]
    secrets: Option<PathBuf>,
    /// Verifies the backup and restores nothing.
    #[arg(long, conflicts_with = "to")]
    check: bool,
    /// Writes JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// A backup was not made or not restored; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder could not be used.
    #[error("{action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder holds no data.
    #[error("{path} is no data folder: it has neither `entries`, as a hub's, nor `journal`, as a node's", path = .0.display())]
    Strange(PathBuf),
    /// The target lies in the source.
    #[error("{path} lies inside the data; choose a folder elsewhere, best on another machine", path = .0.display())]
    Inside(PathBuf),
    /// The target is used for something else.
    #[error("{path} holds other things than a backup; choose a new folder", path = .0.display())]
    Occupied(PathBuf),
    /// The target is a backup of the other kind.
    #[error("{path} is a backup of other data; choose a new folder", path = .0.display())]
    OtherKind(PathBuf),
    /// Another backup is under way.
    #[error("another process is writing the backup in {path}; wait for it", path = .0.display())]
    Busy(PathBuf),
    /// The source has fewer records than are known to have been there.
    #[error(
        "the journal holds {records} records, but there were {known}; it has lost some, keep the backup and restore it"
    )]
    Behind {
        /// Records found.
        records: u64,
        /// Records known.
        known: u64,
    },
    /// The source is not what was copied before.
    #[error("{path} is not what was copied from it before, or not what its seal says; nothing was overwritten: \
        verify the data, and make a new backup elsewhere", path = .0.display())]
    Diverged(PathBuf),
    /// What was written is not what is read.
    #[error("{path} does not read as it was written; the disk of the backup cannot be trusted", path = .0.display())]
    Unfaithful(PathBuf),
    /// A file is shorter than it must be.
    #[error("{path} is cut short", path = .0.display())]
    Short(PathBuf),
    /// A file of the backup was changed.
    #[error("{path} is damaged: it is not what the manifest or its name says", path = .0.display())]
    Damaged(PathBuf),
    /// The manifest is unreadable.
    #[error("{path} cannot be read as a manifest; use another backup", path = .0.display())]
    Manifest(PathBuf),
    /// The backup was made by a newer version.
    #[error("{path} has form {form}; restore it with the version of concord that made it, or a newer one", path = path.display())]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its form.
        form: u32,
    },
    /// There is no backup.
    #[error("{path} holds no backup: manifest.json is missing", path = .0.display())]
    NoBackup(PathBuf),
    /// The backup holds no secrets.
    #[error("the backup in {path} holds no secrets; leave --secrets out and bring them from where they are kept", path = .0.display())]
    NoSecrets(PathBuf),
    /// Something is there already.
    #[error("{path} is there already and was not touched; move it away, or choose another folder", path = .0.display())]
    Exists(PathBuf),
    /// Originals are missing.
    #[error("{found} originals are there, the manifest names {named}")]
    Originals {
        /// Files found.
        found: u64,
        /// Files named.
        named: u64,
    },
    /// The checkpoint is not the log's.
    #[error("the checkpoint in {path} is not signed by the log's key beside it", path = .0.display())]
    Checkpoint(PathBuf),
    /// The records are not those of the checkpoint.
    #[error("the first {size} records do not lead to the root of the checkpoint: one of them was changed")]
    Root {
        /// Size in the checkpoint.
        size: u64,
    },
    /// A record is not as it must be.
    #[error("record {sequence}: {problem}")]
    Record {
        /// Its sequence.
        sequence: u64,
        /// What is wrong.
        problem: String,
    },
    /// Originals at the source are damaged; everything else was copied.
    #[error("the backup was made, but without {count} damaged originals of the source, {first} first; look at its disk", count = .0.len(), first = .0.first().map_or("", String::as_str))]
    Originally(Vec<String>),
    /// The journal.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// The public log.
    #[error("public log: {0}")]
    Tiles(#[from] TileStoreError),
    /// The answer could not be written out.
    #[error("write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Runs `concord backup` and writes its answer to `out`.
///
/// # Errors
/// [`BackupError`], whose text says what to do next.
pub fn run(args: &BackupArgs, clock: &dyn Clock, out: &mut dyn Write) -> Result<(), BackupError> {
    let progress = bar(args.json);
    let taken = take::take(&args.from, &args.to, args.secrets.as_deref(), clock, &progress);
    progress.finish_and_clear();
    let taken = taken?;
    let manifest = &taken.manifest;
    if args.json {
        let answer = json!({
            "of": manifest.of.name(), "records": manifest.records, "segments": manifest.segments.len(),
            "originals": manifest.originals, "files": manifest.files.len(), "copied_bytes": taken.copied_bytes,
            "copied_originals": taken.copied_originals, "damaged_originals": taken.damaged,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{} records and {} originals of the {} are in {}, read again and the same; {} bytes were new, {} originals",
            manifest.records,
            manifest.originals,
            manifest.of.name(),
            args.to.display(),
            taken.copied_bytes,
            taken.copied_originals,
        )?;
    }
    if taken.damaged.is_empty() { Ok(()) } else { Err(BackupError::Originally(taken.damaged)) }
}

/// Runs `concord restore` and writes its answer to `out`.
///
/// # Errors
/// [`BackupError`], whose text says what to do next.
pub fn run_restore(args: &RestoreArgs, out: &mut dyn Write) -> Result<(), BackupError> {
    let progress = bar(args.json);
    let restored = match &args.to {
        Some(to) => restore::restore(&args.from, to, args.secrets.as_deref(), &progress),
        None => restore::check(&args.from, &progress),
    };
    progress.finish_and_clear();
    let manifest = restored?;
    if args.json {
        let (of, records, made_at) = (manifest.of.name(), manifest.records, manifest.made_at_unix_ms);
        let restored = args.to.is_some();
        let answer = json!({
            "of": of, "records": records, "originals": manifest.originals, "made_at_unix_ms": made_at, "restored": restored,
        });
        return Ok(writeln!(out, "{answer}")?);
    }
    let what = format!("{} records and {} originals of a {}", manifest.records, manifest.originals, manifest.of.name());
    match &args.to {
        Some(to) => writeln!(out, "{what} are in {}, verified; start it, or first: {}", to.display(), next(&manifest))?,
        None => writeln!(out, "{what} can be restored")?,
    }
    Ok(())
}

fn next(manifest: &Manifest) -> &'static str {
    match manifest.of {
        manifest::Kind::Hub => "concord verify --data, concord rebuild --data",
        manifest::Kind::Node => "concord rebuild --data",
    }
}

fn bar(hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The node's originals.
const ORIGINALS: &str = "originals";
/// Secrets inside a backup.
const SECRETS: &str = "secrets";
/// The node's key for what it remembers of identifiers: without it what the journal says of them is lost.
const CACHE_KEY: &str = "cache.key";
/// The hub's checkpoint, or the one that a node saw last.
const CHECKPOINT: &str = "checkpoint";
/// The log's public key.
const LOG_KEY: &str = "log.vkey";
