//! HTTPS: what browsers, order screens and other programs ask without gRPC. Each door has its own file and its own rules
//! of who may ask; here is the frame that all share: connections, limits and headers.

pub mod answer;
pub mod cds;
pub mod client;
pub mod fhir;
pub mod image;
pub mod operations;
pub mod pages;
pub mod paths;
pub mod patient;
pub mod prompt;
mod remainder;
pub mod serve;
pub mod shl;
pub mod view;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::domain::fault::Fault;
use crate::domain::limits::HTTP_BODY_BYTES_MAX;
use crate::doors::http::answer::Problem;
use crate::doors::http::paths::Paths;
use crate::doors::shares::{InTurn, Shares};
use crate::doors::tls::Peer;

/// Puts the frame around the doors of a process: unknown paths, broken handlers, late answers and headers are the same
/// everywhere, and callers share what there is where there are `shares`.
pub fn framed(doors: Paths, shares: Option<Arc<Shares>>) -> Router {
    for served in doors.served() {
        tracing::debug!(method = served.method, path = served.path, "HTTPS path served");
    }
    doors
        .into_router()
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(shares, in_turn))
        .layer(CatchPanicLayer::custom(broken))
        .layer(usual(header::CACHE_CONTROL, "no-store"))
        .layer(usual(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(usual(header::REFERRER_POLICY, "no-referrer"))
        .layer(usual(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
}

/// Sets a header where the door has not set it itself.
fn usual(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn unknown() -> Problem {
    Problem::new(Fault::Missing, "there is nothing at this path")
}

/// Counts a request until its answer begins, by whoever stands at the other end of the connection.
async fn in_turn(State(shares): State<Option<Arc<Shares>>>, request: Request, next: Next) -> Response {
    let begun = match (shares, request.extensions().get::<Peer>()) {
        (Some(shares), Some(peer)) => shares.begin(peer.guest(), Instant::now()).map(Some),
        _ => Ok(None),
    };
    match begun {
        Ok(turn) => InTurn::new(next.run(request), turn).await,
        Err(overdrawn) => Problem::of(&overdrawn).into_response(),
    }
}

/// Bounds the time until an answer begins; a body that streams may take longer.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WAIT_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Fault::Busy, "no answer in time; ask again later").into_response(),
    }
}

fn broken(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request failed by a mistake of the program");
    Problem::new(Fault::Broken, "").into_response()
}

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
