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

use crate::doors::http::opening::Opened;
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
        let stream = TokioIo::new(Opened::new(stream, HEADERS_WAIT_MAX));
        let connection = builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(service));
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

/// Also how long a connection may take to its first bytes, and how long an idle one of HTTP/1.1 is kept.
const HEADERS_WAIT_MAX: Duration = Duration::from_secs(30);
const HEADERS_BYTES_MAX: usize = 64 << 10;
const CONNECTION_REQUESTS_MAX: u32 = 128;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    /// Opens a connection that has said nothing, and may for so long; `/` is never answered.
    fn silent(wait_max: Duration) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1 << 20);
        let doors = Router::new().route("/", get(pending::<()>)).route("/well", get(async || "well"));
        let service = TowerToHyperService::new(doors);
        let far = TokioIo::new(Opened::new(far, wait_max));
        tokio::spawn(async move { builder().serve_connection(far, service).await.map_err(drop) });
        near
    }

    /// Opens an HTTP/2 connection. Source: RFC 9113, 3.4.
    async fn connection() -> DuplexStream {
        let mut near = silent(HEADERS_WAIT_MAX);
        near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        near.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        near
    }

    /// Source: RFC 9113, 4.1.
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// Asks for a path of GET by HTTPS, with the static table alone: header block in one frame, no body.
    fn ask(stream: u32, path: &[u8]) -> Vec<u8> {
        let length = u8::try_from(path.len()).unwrap();
        frame(1, 0b101, stream, &[&[0x82, 0x87, 0x41, 1, b'h', 0x44, length], path].concat())
    }

    /// Gives kind, stream and payload of the next frame about a stream.
    async fn answer(near: &mut DuplexStream) -> (u8, u32, Vec<u8>) {
        loop {
            let mut head = [0; 9];
            near.read_exact(&mut head).await.unwrap();
            let word = |bytes: [u8; 4]| u32::from_be_bytes(bytes);
            let mut payload = vec![0; word([0, head[0], head[1], head[2]]) as usize];
            near.read_exact(&mut payload).await.unwrap();
            let stream = word([head[5], head[6], head[7], head[8]]);
            if stream != 0 {
                return (head[3], stream, payload);
            }
        }
    }

    #[tokio::test]
    async fn a_connection_that_does_not_say_what_it_wants_is_closed() {
        for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
            let mut near = silent(Duration::from_millis(200));
            near.write_all(said).await.unwrap();
            let mut answered = Vec::new();
            let closed = tokio::time::timeout(HEADERS_WAIT_MAX, near.read_to_end(&mut answered)).await;
            assert!(closed.is_ok() && answered.is_empty(), "{said:?}: {answered:?}");
        }
    }

    #[tokio::test]
    async fn a_request_too_many_on_one_connection_is_refused_and_another_connection_is_served() {
        let (mut greedy, mut neighbour) = (connection().await, connection().await);
        let last = 2 * CONNECTION_REQUESTS_MAX + 1;
        for stream in (1..=last).step_by(2) {
            greedy.write_all(&ask(stream, b"/")).await.unwrap();
        }
        let (reset, refused_stream) = (3, [0, 0, 0, 7]);
        let (kind, stream, payload) = answer(&mut greedy).await;
        assert_eq!((kind, stream, payload.as_slice()), (reset, last, &refused_stream[..]));
        neighbour.write_all(&ask(1, b"/well")).await.unwrap();
        // 0x88 stands for :status 200. Source: RFC 7541, appendix A.
        let (kind, stream, payload) = answer(&mut neighbour).await;
        assert_eq!((kind, stream, payload[0]), (1, 1, 0x88));
    }
}
