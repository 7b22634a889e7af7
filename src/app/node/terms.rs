//! Keeps a node's words up to date: the catalogue as the hub gives it, kept on disk for the next start, and the
//! hospital's own table. What is wrong is refused, and what was in use stays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::catalogue::Catalogue;
use crate::domain::fault::Faulty;
use crate::peer::hub::HubClient;
use crate::pki::reload::Reloading;
use crate::service::node::terms::Terms;
use crate::sys::files;
use crate::wire::pb;
use crate::wire::region::{RegionError, RegionFiles, load_mapping, load_region};

/// Keeps the words of a node.
pub struct TermsKeeper {
    hub: HubClient,
    /// Where the last catalogue is kept.
    kept: PathBuf,
    mapping: Option<Reloading<Vec<u8>>>,
    interval: Duration,
    /// The version in use, empty while there is none.
    version: String,
    terms: watch::Sender<Arc<Terms>>,
}

impl TermsKeeper {
    /// Begins with the catalogue that an earlier run has kept, if any.
    pub fn open(
        hub: HubClient,
        kept: PathBuf,
        mapping: Option<Reloading<Vec<u8>>>,
        interval: Duration,
    ) -> (Self, watch::Receiver<Arc<Terms>>) {
        let (terms, receiver) = watch::channel(Arc::new(Terms::default()));
        let mut keeper = Self { hub, kept, mapping, interval, version: String::new(), terms };
        match files::read(&keeper.kept).ok().map(|bytes| pb::VersionResponse::decode(bytes.as_slice())) {
            Some(Ok(kept)) => drop(keeper.take(&kept)),
            Some(Err(_)) => tracing::warn!("the catalogue kept on disk cannot be read; the hub is asked for it"),
            None => tracing::info!("no catalogue is kept yet; the hub is asked for it"),
        }
        (keeper, receiver)
    }

    /// Follows hub and table until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut mapping = self.mapping.as_ref().map(Reloading::subscribe);
        loop {
            if stop.run_until_cancelled(self.ask()).await.is_none() {
                return;
            }
            // Nothing is published before there is a catalogue: the first one is asked for again at once.
            let wait = if self.version.is_empty() { FIRST_INTERVAL.min(self.interval) } else { self.interval };
            let next = tokio::time::Instant::now() + wait;
            loop {
                let changed = async {
                    match &mut mapping {
                        Some(mapping) => mapping.changed().await.is_ok(),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(next) => break,
                    is_watched = changed => if !is_watched { mapping = None } else { self.map() },
                }
            }
        }
    }

    /// Asks the hub for the version in force.
    async fn ask(&mut self) {
        let version = match self.hub.catalogue().await {
            Ok(version) => version,
            Err(error) => return tracing::debug!(fault = ?error.fault(), "the hub gave no catalogue"),
        };
        let is_new = version.info.as_ref().is_some_and(|info| info.policy_version != self.version);
        if !is_new || self.take(&version).is_err() {
            return;
        }
        let (kept, bytes) = (self.kept.clone(), version.encode_to_vec());
        let written = tokio::task::spawn_blocking(move || files::write(&kept, &bytes)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "keep the catalogue");
        }
    }

    /// Takes a version into use.
    fn take(&mut self, version: &pb::VersionResponse) -> Result<(), RegionError> {
        let find = |name: &str| version.files.iter().find(|file| file.name == name).map(|file| file.content.as_ref());
        let loaded = RegionFiles::pick(find).and_then(|files| load_region(&files));
        let (catalogue, policy) = loaded.inspect_err(|error| tracing::error!(%error, "the catalogue is refused"))?;
        self.version = policy.version;
        tracing::info!(version = self.version, "catalogue in use");
        self.put(Arc::new(catalogue));
        Ok(())
    }

    /// Takes the changed table into use.
    fn map(&self) {
        let catalogue = Arc::clone(&self.terms.borrow().catalogue);
        if !self.version.is_empty() {
            self.put(catalogue);
        }
    }

    /// Puts the catalogue and the table that fits it in place; a table that does not leaves the one before.
    fn put(&self, catalogue: Arc<Catalogue>) {
        let bytes = self.mapping.as_ref().map(Reloading::current);
        let loaded = bytes.map(|bytes| load_mapping(&bytes, &catalogue).map(Arc::new)).transpose();
        let mapping = loaded.unwrap_or_else(|error| {
            tracing::error!(%error, "the hospital's table is refused");
            None
        });
        let mapping = mapping.unwrap_or_else(|| Arc::clone(&self.terms.borrow().mapping));
        self.terms.send_replace(Arc::new(Terms { catalogue, mapping }));
    }
}

/// How often the hub is asked while there is no catalogue.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
