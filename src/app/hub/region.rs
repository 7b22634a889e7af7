//! The region's folder: looked at while the hub runs; a new policy version in it becomes a record of the journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::log::Sequence;
use crate::domain::policy::Policy;
use crate::pki::reload::{Reloading, Watcher, reloading};
use crate::ports::clock::Clock;
use crate::service::hub::error::HubError;
use crate::service::hub::ledger::Ledger;
use crate::service::hub::registry::{ORGANISATIONS, Registry, Version, VersionError};
use crate::sys::files::{self, FileError};
use crate::wire::pb;
use crate::wire::record::Record;
use crate::wire::region::RegionFile;

/// The folder's content as it was last found good; `None` while it was never good and an older version is in force.
pub type Content = Option<Vec<pb::RegionFile>>;

/// The region's folder cannot be taken; the version in force stays.
#[derive(Debug, thiserror::Error)]
pub enum RegionFolderError {
    /// A file is missing or cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is wrong.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The files changed, and the policy's version did not.
    #[error("the files differ from policy version {0} as it was recorded; give policy.toml a new version")]
    Reused(String),
}

/// Gives the folder's content, which follows the folder as long as the watcher is run. A folder that is wrong at the
/// start is only an error when no version is recorded yet.
///
/// # Errors
/// [`RegionFolderError`] naming file, line and column; do not start.
pub fn watched(
    folder: PathBuf,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    interval: Duration,
) -> Result<(Reloading<Content>, Watcher<Content, RegionFolderError>), RegionFolderError> {
    let paths = names().map(|name| folder.join(name)).collect();
    let mut first = true;
    let load = move || match (read(&folder, &registry, &*clock), std::mem::take(&mut first)) {
        (Err(error), true) if !registry.versions().is_empty() => {
            tracing::error!(%error, "the region's folder is refused, the recorded version stays in force");
            Ok(None)
        }
        (outcome, _) => outcome.map(Some),
    };
    reloading(paths, interval, load)
}

/// Records the content as it is now, unless its version was recorded before.
///
/// # Errors
/// [`HubError`] when the journal does not take it.
pub async fn record_current(
    folder: &Reloading<Content>,
    registry: &Registry,
    ledger: &Ledger,
    clock: &dyn Clock,
) -> Result<(), HubError> {
    match &*folder.current() {
        Some(files) => record(files, registry, ledger, clock).await,
        None => Ok(()),
    }
}

/// Records each later content, until `stop`.
pub async fn record_changes(
    folder: Reloading<Content>,
    registry: Arc<Registry>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut changes: watch::Receiver<Arc<Content>> = folder.subscribe();
    while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
        if let Err(error) = record_current(&folder, &registry, &ledger, &*clock).await {
            tracing::error!(%error, "the policy version could not be recorded");
        }
    }
}

async fn record(
    files: &[pb::RegionFile],
    registry: &Registry,
    ledger: &Ledger,
    clock: &dyn Clock,
) -> Result<(), HubError> {
    let version = Version::read(files.to_vec(), Sequence(0), clock.now());
    let Policy { version, effective_from, .. } = match version {
        Ok(version) => version.policy,
        Err(error) => unreachable!("the folder was read before it was handed over: {error}"),
    };
    if registry.versions().iter().any(|known| known.policy.version == version) {
        return Ok(());
    }
    let record = pb::PolicyRecord {
        policy_version: version.clone(),
        effective_from: Some(effective_from.into()),
        received_at: Some(clock.now().into()),
        files: files.to_vec(),
    };
    ledger.record(&[Record::Policy(record)]).await?;
    tracing::info!(version, "policy version recorded");
    Ok(())
}

fn read(folder: &Path, registry: &Registry, clock: &dyn Clock) -> Result<Vec<pb::RegionFile>, RegionFolderError> {
    let file = |name: &str| {
        let content = files::read(&folder.join(name))?.into();
        Ok(pb::RegionFile { name: name.to_owned(), content })
    };
    let files = names().map(file).collect::<Result<Vec<_>, FileError>>()?;
    let read = Version::read(files.clone(), Sequence(0), clock.now())?;
    let versions = registry.versions();
    match versions.iter().find(|known| known.policy.version == read.policy.version) {
        Some(known) if known.files != files => Err(RegionFolderError::Reused(read.policy.version)),
        _ => Ok(files),
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    RegionFile::ALL.into_iter().map(RegionFile::name).chain([ORGANISATIONS])
}
