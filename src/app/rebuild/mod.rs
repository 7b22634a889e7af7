//! `concord rebuild`: what engines hold, built anew from the journal of a stopped hub or node, compared with what they
//! held, and put in its place where it differs.

mod hub;
mod node;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::app::backup::BackupError;
use crate::domain::time::Moment;
use crate::ports::clock::Clock;
use crate::ports::index::IndexError;
use crate::service::hub::error::HubError;
use crate::service::node::error::NodeError;
use crate::store::journal::JournalError;
use crate::store::projection::{ProjectionError, quarantine};
use crate::store::sum::TableSum;
use crate::store::tiles::TileStoreError;

/// Builds the projections of a stopped hub or node anew from its journal, and compares them with those that are there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  concord rebuild --data /var/lib/concord/hub\n  \
    concord rebuild --data /var/lib/concord/node --check --json\n\n\
    What is the same stays; what differs, is damaged or missing is replaced, and the old one is kept under \
    `<name>.quarantine-<time>`. Needs as much room again as the projections take. With --check nothing is replaced, \
    and the exit status is 1 when something differs.")]
pub struct RebuildArgs {
    /// The data folder of a hub or node that is stopped.
    #[arg(long)]
    data: PathBuf,
    /// Compares only.
    #[arg(long)]
    check: bool,
    /// Writes JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The projections were not built; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
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
    /// The folder holds no data, or its journal does not lead to its checkpoint.
    #[error(transparent)]
    Data(#[from] BackupError),
    /// The process runs.
    #[error("{path} is in use; stop its process first", path = .0.display())]
    InUse(PathBuf),
    /// The journal.
    #[error("journal: {0}")]
    Journal(JournalError),
    /// The index.
    #[error("index: {0}")]
    Index(#[from] IndexError),
    /// The tables.
    #[error("tables: {0}")]
    Projection(#[from] ProjectionError),
    /// The public log.
    #[error("public log: {0}")]
    Tiles(#[from] TileStoreError),
    /// A record of the hub.
    #[error("apply a record: {0}")]
    Hub(#[from] HubError),
    /// A record of the node.
    #[error("apply a record: {0}")]
    Node(#[from] NodeError),
    /// Something differs, and was only looked at.
    #[error("{0} differ from the journal; without --check they are replaced")]
    Differs(String),
    /// The answer could not be written out.
    #[error("write the answer: {0}")]
    Output(#[from] io::Error),
}

/// One projection, and what was found of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its file or folder.
    pub name: &'static str,
    /// What was found.
    pub found: Found,
}

/// How a projection compares with the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It holds what the journal says.
    Same,
    /// It holds something else; the first table that differs.
    Different(String),
    /// It cannot be read, or is of an older form.
    Unusable(String),
    /// There is none.
    Absent,
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`RebuildError`], whose text says what to do next.
pub fn run(args: &RebuildArgs, clock: &dyn Clock, out: &mut dyn Write) -> Result<(), RebuildError> {
    let progress = if args.json { ProgressBar::hidden() } else { bar() };
    let (data, now) = (args.data.as_path(), clock.now());
    let rebuilt = if data.join(hub::JOURNAL).is_dir() {
        hub::rebuild(data, args.check, now, &progress)
    } else if data.join(node::JOURNAL).is_dir() {
        node::rebuild(data, args.check, now, &progress)
    } else {
        Err(BackupError::Strange(data.to_owned()).into())
    };
    progress.finish_and_clear();
    let (records, parts) = rebuilt?;
    for part in &parts {
        let (state, why) = part.found.words();
        if args.json {
            let replaced = part.found != Found::Same && !args.check;
            let shown =
                json!({ "part": part.name, "found": state, "why": why, "records": records, "replaced": replaced });
            writeln!(out, "{shown}")?;
        } else {
            let dealt = if part.found == Found::Same || args.check { "" } else { "; built anew" };
            writeln!(
                out,
                "{:<12} {state} over {records} records{}{why}{dealt}",
                part.name,
                if why.is_empty() { "" } else { ": " }
            )?;
        }
    }
    let differ: Vec<&str> = parts.iter().filter(|part| part.found != Found::Same).map(|part| part.name).collect();
    if args.check && !differ.is_empty() { Err(RebuildError::Differs(differ.join(", "))) } else { Ok(()) }
}

impl Found {
    /// Compares the tables of a projection with those built anew.
    pub fn of(there: &[TableSum], fresh: &[TableSum]) -> Self {
        match there.iter().zip(fresh).find(|(there, fresh)| there != fresh) {
            None => Self::Same,
            Some((there, fresh)) if there.rows != fresh.rows => {
                Self::Different(format!("table {} has {} rows in place of {}", fresh.table, there.rows, fresh.rows))
            }
            Some((_, fresh)) => Self::Different(format!("a row of table {} differs", fresh.table)),
        }
    }

    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Same => ("same", ""),
            Self::Different(why) => ("different", why),
            Self::Unusable(why) => ("unusable", why),
            Self::Absent => ("absent", ""),
        }
    }
}

impl From<JournalError> for RebuildError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Makes the empty folder in which projections are built.
fn workshop(data: &Path) -> Result<PathBuf, RebuildError> {
    let path = data.join(WORKSHOP);
    if path.exists() {
        fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
    }
    fs::create_dir(&path).map_err(failed("make", &path))?;
    Ok(path)
}

/// Puts what was built in the place of what was there, which is moved aside.
fn replace(data: &Path, workshop: &Path, name: &str, now: Moment) -> Result<(), RebuildError> {
    let (place, fresh) = (data.join(name), workshop.join(name));
    if place.exists() {
        quarantine(&place, now.unix_ms()).map_err(failed("move aside", &place))?;
    }
    fs::rename(&fresh, &place).map_err(failed("write", &place))?;
    fs::File::open(data).and_then(|folder| folder.sync_all()).map_err(failed("sync", data))
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> RebuildError {
    move |source| RebuildError::Io { action, path: path.to_owned(), source }
}

/// Says that the process must be stopped, where that is what is wrong.
fn in_use(data: &Path, error: JournalError) -> RebuildError {
    match error {
        JournalError::Locked => RebuildError::InUse(data.to_owned()),
        other => RebuildError::Journal(other),
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {per_sec}, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Where projections are built; whatever is in it may be removed.
const WORKSHOP: &str = "rebuild";
