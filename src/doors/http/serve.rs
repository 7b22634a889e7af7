//! Serves HTTP/1.1 and HTTP/2 over accepted connections, each with the [`Peer`] at its other end among the request's
//! extensions. Headers must come in time; what a handler may take is its own.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::Connected;
use tower::ServiceExt;

use crate::doors::http::remainder::awaited;
use crate::doors::tls::PeerStream;

/// Serves `doors` on `incoming` until `stop`, and then gives requests under way `grace` to end.
pub async fn serve(
    mut incoming: ReceiverStream<io::Result<PeerStream>>,
    doors: Router,
    grace: Duration,
    stop: CancellationToken,
) {
    let (graceful, connections) = (GracefulShutdown::new(), TaskTracker::new());
    let builder = builder();
    while let Some(Some(accepted)) = stop.run_until_cancelled(incoming.next()).await {
        let Ok(stream) = accepted else { continue };
        let peer = stream.connect_info();
        let service = doors.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(peer.clone());
            awaited(request)
        });
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection.into_owned());
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
        });
    }
    connections.close();
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::info!("HTTP requests that did not end in time are broken off");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WAIT_MAX)
        .max_buf_size(HEADERS_BYTES_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONNECTION_REQUESTS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX as u32)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}

/// Also how long an idle HTTP/1.1 connection is kept.
const HEADERS_WAIT_MAX: Duration = Duration::from_secs(30);
const HEADERS_BYTES_MAX: usize = 64 << 10;
const CONNECTION_REQUESTS_MAX: u32 = 128;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
