//! A node from its configuration to its last answered request: parts opened, joined, watched, served and stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic_health::server::health_reporter;

use crate::app::credentials::{self, CredentialsError};
use crate::app::node::config::NodeConfig;
use crate::app::node::parts::{self, PartsError};
use crate::app::node::services::routes;
use crate::app::node::standing;
use crate::app::node::terms::TermsKeeper;
use crate::app::node::web::{self, Front};
use crate::app::operations::{Operations, traces};
use crate::app::process::{Behind, serve_until};
use crate::domain::limits::{CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, STREAM_WINDOW_BYTES};
use crate::domain::organisation::Role;
use crate::doors::auth::{AccessTable, AuthLayer};
use crate::doors::calls::Calls;
use crate::doors::dicom::{self, Settings as DicomSettings};
use crate::doors::grpc::node_access::{NODE, Own};
use crate::doors::mllp::{self, Door};
use crate::doors::node_intake::{InstanceDesk, MessageDesk};
use crate::doors::tls::{AcceptSettings, PeerStream, accept};
use crate::doors::watch::WatchLayer;
use crate::peer::channel::{HubAddressError, HubChannel};
use crate::peer::collector::CollectorError;
use crate::peer::hub::HubClient;
use crate::pki::reload::{Reloading, reloading};
use crate::pki::tls::ServerTls;
use crate::ports::clock::Clock;
use crate::service::node::Node;
use crate::service::node::error::NodeError;
use crate::service::node::forward::Forwarder;
use crate::service::node::tunnel;
use crate::sys::files::{self, FileError};
use crate::sys::random;

/// Listeners of a node, bound by whoever starts it.
#[derive(Debug)]
pub struct NodeListeners {
    /// For the hospital's own systems and people.
    pub grpc: TcpListener,
    /// One for each `[[mllp]]`, in order.
    pub mllp: Vec<TcpListener>,
    /// For images.
    pub dicom: Option<TcpListener>,
    /// For order screens and viewers.
    pub https: Option<TcpListener>,
    /// For those who run the node.
    pub metrics: Option<TcpListener>,
}

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddresses {
    /// For the hospital's own systems and people.
    pub grpc: SocketAddr,
    /// For HL7 messages, in the order of the configuration.
    pub mllp: Vec<SocketAddr>,
    /// For images.
    pub dicom: Option<SocketAddr>,
}

/// A node could not start, or had to stop; the text says what to correct.
#[derive(Debug, thiserror::Error)]
pub enum NodeRunError {
    /// An address cannot be listened on.
    #[error("listen on {address}: {source}; is another process there?")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The TLS files.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The hub's address.
    #[error("hub.instances: {0}")]
    Hub(#[from] HubAddressError),
    /// The hospital's table.
    #[error(transparent)]
    File(#[from] FileError),
    /// The signing key or the data folder.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// The journal or its projections.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The server failed.
    #[error("serve: {0}")]
    Serve(#[from] tonic::transport::Error),
    /// The collector of spans.
    #[error("traces.endpoint: {0}")]
    Traces(#[from] CollectorError),
    /// The process is stopping.
    #[error("the node was stopped before it had started")]
    Stopping,
}

impl NodeListeners {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// [`NodeRunError::Listen`] naming the address.
    pub async fn bind(config: &NodeConfig) -> Result<Self, NodeRunError> {
        let mut mllp = Vec::with_capacity(config.mllp.len());
        for part in &config.mllp {
            mllp.push(listen(part.listen).await?);
        }
        let dicom = match &config.dicom {
            Some(part) => Some(listen(part.listen).await?),
            None => None,
        };
        let https = match &config.https {
            Some(part) => Some(listen(part.listen).await?),
            None => None,
        };
        let metrics = match &config.metrics {
            Some(part) => Some(listen(part.listen).await?),
            None => None,
        };
        Ok(Self { grpc: listen(config.listen).await?, mllp, dicom, https, metrics })
    }

    /// Tells where the listeners are, with the ports that the operating system chose.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn addresses(&self) -> io::Result<NodeAddresses> {
        Ok(NodeAddresses {
            grpc: self.grpc.local_addr()?,
            mllp: self.mllp.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?,
            dicom: self.dicom.as_ref().map(TcpListener::local_addr).transpose()?,
        })
    }
}

/// Serves a hospital on the listeners until `stop`, and returns once everything is written and closed.
///
/// # Errors
/// [`NodeRunError`]; nothing was acknowledged when it comes from the start.
pub async fn run(
    config: &NodeConfig,
    clock: Arc<dyn Clock>,
    listeners: NodeListeners,
    stop: CancellationToken,
) -> Result<(), NodeRunError> {
    let behind = Behind::default();
    let outcome = serve(config, clock, listeners, &behind, &stop).await;
    behind.close().await;
    outcome
}

async fn serve(
    config: &NodeConfig,
    clock: Arc<dyn Clock>,
    listeners: NodeListeners,
    behind: &Behind,
    asked: &CancellationToken,
) -> Result<(), NodeRunError> {
    let (tls, watcher) = credentials::server(config.tls_files(), config.timing.watch_interval())?;
    behind.tasks.spawn(watcher.run(behind.stop.clone()));
    let signing = signing(config, behind)?;
    let (health, health_service) = health_reporter();
    let own = config.organisation;
    let (tracer, spans) = traces::tracer(config.traces.as_ref(), "concord-node", own.as_str(), behind)?;
    let operations = Operations::new(Calls::new(NODE.iter().map(|(method, _)| *method), tracer), health);
    let opened = standing::Opened::default();
    let page = standing::page(config, &operations, spans, &clock, &opened);
    operations.serve(standing::shown(config, listeners.metrics), page, behind)?;
    let hub = hub(config, signing.clone(), behind)?;
    let node = open(config, &clock, &hub, signing, behind).await?;
    node.trace(operations.calls.tracer().clone());
    let _ = opened.set(node.clone());
    let forwarder = Forwarder::new(node.clone(), hub.clone(), config.timing.forward());
    keep_streams(config, &hub, &node, behind);
    operations.watch(standing::checks(config, node.clone(), Arc::clone(&clock)), behind).await;
    let stop = &operations.closing(asked, config.health, behind);

    let doors = TaskTracker::new();
    behind.tasks.spawn(watch_journal(node.clone(), behind.stop.clone()));
    let taking = Taking { node: &node, clock: &clock, calls: &operations.calls };
    taking.open(config, (listeners.mllp, listeners.dicom), &doors, stop)?;
    let accepting = accept_settings(config);
    let front = Front { forwarder: forwarder.clone(), clock: Arc::clone(&clock) };
    web::open(config, front, listeners.https, (&operations, &behind.tasks), &doors, stop)?;
    let (acceptor, incoming) = accept(listeners.grpc, tls.clone(), accepting);
    doors.spawn(acceptor.run(stop.clone()));
    doors.close();
    tracing::info!(organisation = %own, "node serving");
    let routes = routes(Own(own), &node, &forwarder, &clock, health_service);
    let served = answer(config, (tls, operations.calls), routes, incoming, stop, || node.close_recalls()).await;
    // A server that fails by itself closes the other doors too.
    stop.cancel();
    doors.wait().await;
    forwarder.close().await;
    served
}

/// Says so when the journal has failed: from then on the node acknowledges nothing.
async fn watch_journal(node: Node<HubClient>, stop: CancellationToken) {
    if stop.run_until_cancelled(node.poisoned()).await.is_some() {
        tracing::error!("the journal has failed and nothing is acknowledged; look at the disk and restart the node");
    }
}

/// What the doors of a hospital's own systems lean on.
struct Taking<'a> {
    node: &'a Node<HubClient>,
    clock: &'a Arc<dyn Clock>,
    calls: &'a Arc<Calls>,
}

impl Taking<'_> {
    /// Opens the doors for messages and images; they close at `stop`.
    fn open(
        &self,
        config: &NodeConfig,
        (mllp, dicom): (Vec<TcpListener>, Option<TcpListener>),
        doors: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), NodeRunError> {
        let parts = || (self.node.clone(), Arc::clone(self.clock), Arc::clone(self.calls));
        for (part, listener) in config.mllp.iter().zip(mllp) {
            let settings = config.mllp_settings(part);
            let (node, clock, calls) = parts();
            let desk = MessageDesk { node, source: part.source.clone(), clock, calls };
            let door = Arc::new(Door::new(settings, Arc::new(desk), Arc::clone(self.clock)));
            doors.spawn(mllp::serve(listener, door, mllp::plain, stop.clone()));
        }
        if let (Some(settings), Some(listener)) = (dicom_settings(config), dicom) {
            files::make_folder(&settings.spool_folder)?;
            let (node, clock, calls) = parts();
            let (sink, stop) = (Arc::new(InstanceDesk { node, clock, calls }), stop.clone());
            doors.spawn(async move {
                if let Err(error) = dicom::serve(listener, settings, sink, stop).await {
                    tracing::error!(%error, "the door for images is closed");
                }
            });
        }
        Ok(())
    }
}

/// Keeps two streams to each instance of the hub: a tunnel, over which it asks for originals, and one of recalls.
fn keep_streams(config: &NodeConfig, hub: &HubClient, node: &Node<HubClient>, behind: &Behind) {
    for (instance, address) in hub.instances().into_iter().zip(config.hub_addresses()) {
        let (source, told, name) = (Arc::new(node.clone()), node.clone(), format!("{}:{}", address.host, address.port));
        let open = move |is_open| told.figures().tunnel(&name, is_open);
        let jitter = || u16::from_be_bytes(random::bytes());
        let (receiving, from, stop) = (node.clone(), instance.clone(), behind.stop.clone());
        behind.tasks.spawn(async move { receiving.keep_recalls(from, stop).await });
        behind.tasks.spawn(tunnel::keep(instance, source, jitter, open, behind.stop.clone()));
    }
}

/// Answers gRPC until `stop`, and then what is under way for a while.
async fn answer(
    config: &NodeConfig,
    (tls, calls): (Reloading<ServerTls>, Arc<Calls>),
    routes: tonic::service::Routes,
    incoming: ReceiverStream<io::Result<PeerStream>>,
    stop: &CancellationToken,
    stopping: impl FnOnce(),
) -> Result<(), NodeRunError> {
    let mut server = Server::builder()
        .max_concurrent_streams(CONNECTION_REQUESTS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .layer(WatchLayer(calls))
        .layer(AuthLayer::new(AccessTable::new(NODE), tls).of(config.organisation));
    let serving = server.add_routes(routes).serve_with_incoming_shutdown(incoming, stop.cancelled());
    Ok(serve_until(stop, config.timing.stop_grace(), stopping, serving).await?)
}

/// Opens the node, and begins its work once it knows a catalogue; until then what arrives is kept and waits.
async fn open(
    config: &NodeConfig,
    clock: &Arc<dyn Clock>,
    hub: &HubClient,
    signing: Reloading<parts::Signing>,
    behind: &Behind,
) -> Result<Node<HubClient>, NodeRunError> {
    let mapping = match config.mapping.clone() {
        None => None,
        Some(path) => {
            let (paths, load) = (vec![path.clone()], move || files::read(&path));
            let (mapping, watcher) = reloading(paths, config.timing.watch_interval(), load)?;
            behind.tasks.spawn(watcher.run(behind.stop.clone()));
            Some(mapping)
        }
    };
    files::make_folder(&config.data)?;
    let kept = config.data.join("catalogue");
    let (keeper, terms) = TermsKeeper::open(hub.clone(), kept, mapping, config.timing.catalogue_interval());
    behind.tasks.spawn(keeper.run(behind.stop.clone()));
    let (link, known, settings) = (Arc::new(hub.clone()), terms.clone(), config.clone());
    let clock = Arc::clone(clock);
    let opening = tokio::task::spawn_blocking(move || {
        Ok::<_, NodeRunError>(Node::open(parts::open(&settings, signing, known, clock)?, link)?)
    });
    let node = opening.await.map_err(|_| NodeRunError::Stopping)??;
    let (working, reporting, told, stop) = (node.clone(), node.clone(), hub.clone(), behind.stop.clone());
    let mut terms = terms;
    behind.tasks.spawn(async move {
        let known = async { terms.wait_for(|terms| !terms.catalogue.items.is_empty()).await.is_ok() };
        if stop.run_until_cancelled(known).await == Some(true) {
            working.run(stop).await;
        }
    });
    let (noting, notes, stop) = (node.clone(), hub.clone(), behind.stop.clone());
    behind.tasks.spawn(async move { noting.report_notes(notes, stop).await });
    let stop = behind.stop.clone();
    behind.tasks.spawn(async move { reporting.report_misses(&told, stop).await });
    Ok(node)
}

/// Follows the signing key and its certificate: a renewed key seals the next batch.
fn signing(config: &NodeConfig, behind: &Behind) -> Result<Reloading<parts::Signing>, PartsError> {
    let (signing, tls, settings) = (config.signing.clone(), config.tls_files(), config.clone());
    let paths = vec![signing.certificate, signing.key, tls.authority, tls.list];
    let (signing, watcher) = reloading(paths, config.timing.watch_interval(), move || parts::signing(&settings))?;
    behind.tasks.spawn(watcher.run(behind.stop.clone()));
    Ok(signing)
}

fn hub(config: &NodeConfig, signing: Reloading<parts::Signing>, behind: &Behind) -> Result<HubClient, NodeRunError> {
    let interval = config.timing.watch_interval();
    let (tls, watcher) = credentials::client(config.tls_files(), config.region, Role::Operator, interval)?;
    behind.tasks.spawn(watcher.run(behind.stop.clone()));
    let channel = |address| HubChannel::new(&address, tls.subscribe());
    let instances = config.hub_addresses().into_iter().map(channel).collect::<Result<_, _>>()?;
    Ok(HubClient::new(instances, move || signing.current().certificate.clone()))
}

pub(super) fn accept_settings(config: &NodeConfig) -> AcceptSettings {
    AcceptSettings { organisation_connections_max: LAN_CONNECTIONS_MAX, ..AcceptSettings::new(config.region) }
}

fn dicom_settings(config: &NodeConfig) -> Option<DicomSettings> {
    let part = config.dicom.as_ref()?;
    Some(DicomSettings {
        ae_title: part.ae_title.clone(),
        calling_ae_titles: part.calling_ae_titles.clone(),
        associations_max: part.associations_max,
        pdu_bytes_max: PDU_BYTES_MAX,
        idle_max: DICOM_IDLE_MAX,
        spool_folder: config.data.join("spool"),
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, NodeRunError> {
    TcpListener::bind(address).await.map_err(|source| NodeRunError::Listen { address, source })
}

/// All callers are of one organisation: workstations behind one EMR server, or each by itself.
const LAN_CONNECTIONS_MAX: usize = 2_048;
const CONNECTION_REQUESTS_MAX: u32 = 256;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const PDU_BYTES_MAX: u32 = 256 << 10;
const DICOM_IDLE_MAX: Duration = Duration::from_secs(60);
