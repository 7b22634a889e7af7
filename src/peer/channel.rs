//! The node's channel to a hub: gRPC over TLS whose settings may change while it stands. Which certificates are shown and
//! believed is decided by whoever makes the settings.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::limits::{CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, STREAM_WINDOW_BYTES};

/// Where a hub listens, and the name its certificate must bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The DNS name or address among the certificate's alternative names.
    pub server_name: String,
}

/// A channel to one hub, connected when first used and again whenever it breaks.
pub struct HubChannel {
    endpoint: Endpoint,
    server_name: ServerName<'static>,
    current: Mutex<(watch::Receiver<Arc<ClientConfig>>, Channel)>,
}

/// The hub's address is none; correct the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HubAddressError {
    /// Host and port make no URI.
    #[error("the hub's host is neither a DNS name nor an address")]
    Host,
    /// The name is neither a DNS name nor an address.
    #[error("the hub's server name is neither a DNS name nor an address")]
    ServerName,
}

impl HubChannel {
    /// Makes a channel that takes its TLS settings from `tls`; nothing is dialled yet. It must be called in a runtime.
    ///
    /// # Errors
    /// [`HubAddressError`]; correct the configuration.
    pub fn new(address: &HubAddress, mut tls: watch::Receiver<Arc<ClientConfig>>) -> Result<Self, HubAddressError> {
        let server_name = ServerName::try_from(address.server_name.clone()).map_err(|_| HubAddressError::ServerName)?;
        let uri = |scheme: &str, host: &str| -> Result<Uri, HubAddressError> {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!("{scheme}://{host}:{}", address.port).parse().map_err(|_| HubAddressError::Host)
        };
        // tonic wants to bring its own TLS to `https`; ours comes with the connector, and the origin says what it is.
        let endpoint = Endpoint::from(uri("http", &address.host)?)
            .origin(uri("https", &address.server_name)?)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let channel = dial(&endpoint, &server_name, Arc::clone(&tls.borrow_and_update()));
        Ok(Self { endpoint, server_name, current: Mutex::new((tls, channel)) })
    }

    /// Gives the channel for a call to be made now. After the TLS settings have changed it is a new one, so that no
    /// call goes out under a certificate that was replaced; calls under way end on the old one.
    pub fn channel(&self) -> Channel {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (tls, channel) = &mut *current;
        if tls.has_changed().unwrap_or(false) {
            *channel = dial(&self.endpoint, &self.server_name, Arc::clone(&tls.borrow_and_update()));
        }
        channel.clone()
    }
}

fn dial(endpoint: &Endpoint, server_name: &ServerName<'static>, tls: Arc<ClientConfig>) -> Channel {
    let (server_name, connector) = (server_name.clone(), TlsConnector::from(tls));
    endpoint.connect_with_connector_lazy(tower::service_fn(move |uri: Uri| {
        let connected = connect(uri, server_name.clone(), connector.clone());
        async { connected.await.map(TokioIo::new) }
    }))
}

async fn connect(
    uri: Uri,
    server_name: ServerName<'static>,
    connector: TlsConnector,
) -> io::Result<TlsStream<TcpStream>> {
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(0))).await?;
    tcp.set_nodelay(true)?;
    connector.connect(server_name, tcp).await
}

impl Faulty for HubAddressError {
    fn fault(&self) -> Fault {
        Fault::Broken
    }
}

/// Covers TCP and the handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
