//! A hub from its configuration to its last answered request: parts opened, joined, watched, served and stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::server::health_reporter;
use tower::layer::util::{Identity, Stack};

use crate::app::credentials::{self, CredentialsError};
use crate::app::hub::config::HubConfig;
use crate::app::hub::patients::PatientsError;
use crate::app::hub::region::{self, RegionFolderError};
use crate::app::hub::secrets::{Secrets, SecretsError};
use crate::app::hub::services::routes;
use crate::app::hub::standing;
use crate::app::hub::storage::{Storage, StorageError, StorageOptions};
use crate::app::hub::web;
use crate::app::operations::{Operations, traces};
use crate::app::process::{Behind, serve_until};
use crate::domain::limits::{CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, STREAM_WINDOW_BYTES};
use crate::domain::log::Sequence;
use crate::doors::auth::{AccessTable, AuthLayer};
use crate::doors::calls::Calls;
use crate::doors::grpc::access;
use crate::doors::shares::Shares;
use crate::doors::tls::{AcceptSettings, accept};
use crate::doors::watch::WatchLayer;
use crate::peer::collector::CollectorError;
use crate::pki::reload::{Reloading, reloading};
use crate::pki::tls::ServerTls;
use crate::pki::trust::Trust;
use crate::ports::clock::Clock;
use crate::service::hub::error::HubError;
use crate::service::hub::grant::Grants;
use crate::service::hub::ledger::Ledger;
use crate::service::hub::link::Links;
use crate::service::hub::log_keeper::LogKeeper;
use crate::service::hub::projector::Projector;
use crate::service::hub::pseudonym::Pseudonyms;
use crate::service::hub::registry::Registry;
use crate::service::hub::{Hub, HubParts};
use crate::sys::files::{self, FileError};

/// Listeners of a hub, bound by whoever starts it.
#[derive(Debug)]
pub struct HubListeners {
    /// For nodes and regional clients.
    pub grpc: TcpListener,
    /// For order screens, viewers and patients.
    pub https: Option<TcpListener>,
    /// For those who run the hub.
    pub metrics: Option<TcpListener>,
}

/// A hub could not start, or had to stop; the text says what to correct.
#[derive(Debug, thiserror::Error)]
pub enum HubRunError {
    /// An address cannot be listened on.
    #[error("listen on {address}: {source}; is another process there?")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The TLS files.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data folder.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The projections cannot be brought up to the journal.
    #[error("bring the projections up to the journal: {0}")]
    Projector(HubError),
    /// The region's folder.
    #[error("the region's folder: {0}")]
    Region(#[from] RegionFolderError),
    /// The patients' door.
    #[error(transparent)]
    Patients(#[from] PatientsError),
    /// The collector of spans.
    #[error("traces.endpoint: {0}")]
    Traces(#[from] CollectorError),
    /// The region's version cannot be recorded.
    #[error("record the policy version: {0}")]
    Policy(HubError),
    /// The server failed.
    #[error("serve: {0}")]
    Serve(#[from] tonic::transport::Error),
}

impl HubListeners {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// [`HubRunError::Listen`] naming the address.
    pub async fn bind(config: &HubConfig) -> Result<Self, HubRunError> {
        let grpc = TcpListener::bind(config.listen).await;
        let grpc = grpc.map_err(|source| HubRunError::Listen { address: config.listen, source })?;
        let https = match &config.https {
            Some(part) => {
                let bound = part.bind().await;
                Some(bound.map_err(|source| HubRunError::Listen { address: part.listen, source })?)
            }
            None => None,
        };
        let metrics = match &config.metrics {
            Some(part) => {
                let bound = part.bind().await;
                Some(bound.map_err(|source| HubRunError::Listen { address: part.listen, source })?)
            }
            None => None,
        };
        Ok(Self { grpc, https, metrics })
    }
}

/// Serves a region on `listeners` until `stop`, and returns once everything is written and closed.
///
/// # Errors
/// [`HubRunError`]; nothing was served when it comes from the start.
pub async fn run(
    config: &HubConfig,
    clock: Arc<dyn Clock>,
    listeners: HubListeners,
    stop: CancellationToken,
) -> Result<(), HubRunError> {
    let behind = Behind::default();
    let outcome = serve(config, clock, listeners, &behind, &stop).await;
    behind.close().await;
    outcome
}

async fn serve(
    config: &HubConfig,
    clock: Arc<dyn Clock>,
    listeners: HubListeners,
    behind: &Behind,
    asked: &CancellationToken,
) -> Result<(), HubRunError> {
    let (tls, watcher) = credentials::server(config.tls_files(), config.limits.watch_interval())?;
    behind.tasks.spawn(watcher.run(behind.stop.clone()));
    let (health, health_service) = health_reporter();
    let (tracer, spans) = traces::tracer(config.traces.as_ref(), "concord-hub", &config.region.to_string(), behind)?;
    let calls = Calls::new(access::HUB.iter().map(|(method, _)| *method), tracer);
    let operations = Operations::new(calls, health);
    let opened = standing::Opened::default();
    let page = standing::page(config, &operations, spans, &clock, &opened);
    operations.serve(standing::shown(config, listeners.metrics), page, behind)?;
    let Some(hub) = asked.run_until_cancelled(open(config, &clock, behind)).await else { return Ok(()) };
    let hub = hub?;
    let _ = opened.set(Arc::clone(&hub));
    operations.watch(standing::checks(config, Arc::clone(&hub)), behind).await;
    let stop = &operations.closing(asked, config.health, behind);

    behind.tasks.spawn(Arc::clone(&hub).requalify(behind.stop.clone()));
    let shares = Shares::new(config.limits.shares());
    let web = web::open(config, &hub, listeners.https, Arc::clone(&shares), (&operations, behind), stop)?;
    let (acceptor, incoming) = accept(listeners.grpc, tls.clone(), accept_settings(config));
    behind.tasks.spawn(acceptor.run(stop.clone()));
    tracing::info!(region = %config.region, "hub serving");
    let mut server = server(config, tls, shares, operations.calls);
    let serving = server.add_routes(routes(&hub, health_service));
    let serving = serving.serve_with_incoming_shutdown(incoming, stop.cancelled());
    let served = serve_until(stop, config.limits.stop_grace(), || close_streams(&hub), serving).await;
    // A server that fails by itself closes the other doors too.
    stop.cancel();
    web.close().await;
    Ok(served?)
}

/// Ends what would go on for ever, so that the server can end.
fn close_streams(hub: &Hub) {
    hub.close_tunnels();
    hub.close_recalls();
}

/// Opens the hub and brings it up to the end of its journal: before that it would miss results.
async fn open(config: &HubConfig, clock: &Arc<dyn Clock>, behind: &Behind) -> Result<Arc<Hub>, HubRunError> {
    let secrets = Secrets::read(&config.secrets)?;
    let log_key = secrets.log_key(&config.log_name);
    let storage = Storage::open(&config.data, &log_key, storage_options(config, &**clock))?;
    files::write(&config.data.join(LOG_KEY), format!("{log_key}\n").as_bytes())?;
    let registry = Arc::new(Registry::new(trust(config, behind)?.subscribe()));
    let (tiles, end) = (storage.tiles.reader(), Sequence(storage.journal.reader().next_sequence()));
    let projector = Projector::new(
        storage.journal.reader(),
        Arc::clone(&storage.index),
        Arc::clone(&storage.state),
        Arc::clone(&registry),
    );
    let projector = projector.map_err(HubRunError::Projector)?;
    let keeper = LogKeeper::new(storage.journal.reader(), storage.tiles, secrets.signer(&config.log_name));
    let ledger = Ledger::new(storage.journal, projector.reached(), keeper.published());
    behind.tasks.spawn(follow(projector.run(behind.stop.clone()), behind.stop.clone()));
    behind.tasks.spawn(follow(keeper.run(behind.stop.clone()), behind.stop.clone()));
    ledger.wait_for(end).await.map_err(HubRunError::Projector)?;
    watch_region(config, clock, &registry, &ledger, behind).await?;
    let base_url = config.https.as_ref().map(|part| part.base_url()).unwrap_or_default();
    Ok(Arc::new(Hub::new(HubParts {
        ledger,
        registry,
        index: storage.index,
        state: storage.state,
        tiles,
        log_key,
        grants: Grants::new(&secrets.grant),
        links: Links::new(&secrets.grant, &base_url, config.region),
        pseudonyms: Pseudonyms::new(&secrets.identity, config.strong_identifiers.clone()),
        clock: Arc::clone(clock),
    })))
}

/// Runs a follower of the journal; when it ends before it is told to, the hub cannot answer any more, and its health says
/// so.
async fn follow(follower: impl Future<Output = ()>, stop: CancellationToken) {
    follower.await;
    if !stop.is_cancelled() {
        tracing::error!("the journal or its projections have failed; restart the hub");
    }
}

/// Takes up the region's folder, the version that is in it first of all, and follows it from then on.
async fn watch_region(
    config: &HubConfig,
    clock: &Arc<dyn Clock>,
    registry: &Arc<Registry>,
    ledger: &Ledger,
    behind: &Behind,
) -> Result<(), HubRunError> {
    let (folder, interval) = (config.region_data.clone(), config.limits.watch_interval());
    let (content, watcher) = region::watched(folder, Arc::clone(registry), Arc::clone(clock), interval)?;
    behind.tasks.spawn(watcher.run(behind.stop.clone()));
    let (registry, ledger, clock) = (Arc::clone(registry), ledger.clone(), Arc::clone(clock));
    region::record_current(&content, &registry, &ledger, &*clock).await.map_err(HubRunError::Policy)?;
    behind.tasks.spawn(region::record_changes(content, registry, ledger, clock, behind.stop.clone()));
    Ok(())
}

/// Follows the authority and its revocation list, for signatures on content.
fn trust(config: &HubConfig, behind: &Behind) -> Result<Reloading<Trust>, CredentialsError> {
    let (authority, list) = (config.tls.authority.clone(), config.tls.revocation_list.clone());
    let paths = vec![authority.clone(), list.clone()];
    let load = move || {
        let (authority, list) = (files::read(&authority)?, files::read(&list)?);
        Trust::parse(&authority, &list).map_err(|error| CredentialsError::Tls(error.into()))
    };
    let (trust, watcher) = reloading(paths, config.limits.watch_interval(), load)?;
    behind.tasks.spawn(watcher.run(behind.stop.clone()));
    Ok(trust)
}

fn server(
    config: &HubConfig,
    tls: Reloading<ServerTls>,
    shares: Arc<Shares>,
    calls: Arc<Calls>,
) -> Server<Stack<AuthLayer, Stack<WatchLayer, Identity>>> {
    Server::builder()
        .max_concurrent_streams(config.limits.connection_requests_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_connection_age(CONNECTION_AGE_MAX)
        .layer(WatchLayer(calls))
        .layer(AuthLayer::new(AccessTable::new(access::HUB), tls).shared(shares))
}

pub(super) fn accept_settings(config: &HubConfig) -> AcceptSettings {
    AcceptSettings {
        connections_max: config.limits.connections_max,
        organisation_connections_max: config.limits.organisation_connections_max,
        ..AcceptSettings::new(config.region)
    }
}

fn storage_options(config: &HubConfig, clock: &dyn Clock) -> StorageOptions {
    StorageOptions {
        journal: config.journal.options(),
        index_cache_bytes: usize::from(config.limits.index_cache_mib) << 20,
        tables_cache_bytes: usize::from(config.limits.tables_cache_mib) << 20,
        now: clock.now(),
    }
}

/// The log's public key, beside the log.
const LOG_KEY: &str = "log.vkey";
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Age at which callers are asked to connect anew; calls under way end on the old connection.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(3_600);
