//! HTTPS: what browsers, order screens and other programs ask without gRPC. Each door has its own file and its own rules
//! of who may ask; here is the frame that all share: connections, limits and headers.

pub mod answer;
pub mod cds;
pub mod client;
pub mod fhir;
pub mod image;
mod opening;
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
    framed_within(ANSWER_WAIT_MAX, doors, shares)
}

/// Puts the frame around the doors, with another bound on the time until an answer begins.
fn framed_within(wait_max: Duration, doors: Paths, shares: Option<Arc<Shares>>) -> Router {
    for served in doors.served() {
        tracing::debug!(method = served.method, path = served.path, "HTTPS path served");
    }
    doors
        .into_router()
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(wait_max, in_time))
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
async fn in_time(State(wait_max): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(wait_max, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Fault::Busy, "no answer in time; ask again later").into_response(),
    }
}

fn broken(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request failed by a mistake of the program");
    Problem::new(Fault::Broken, "").into_response()
}

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_begin_in_time_is_503_and_the_neighbours_is_not_touched() {
        let paths = Paths::new().get("/stuck", std::future::pending::<()>).get("/well", async || "well");
        let doors = framed_within(Duration::from_millis(20), paths, None);
        let ask = |path: &str| doors.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
        let (stuck, well) = tokio::join!(ask("/stuck"), ask("/well"));
        assert_eq!(well.unwrap().status(), StatusCode::OK);
        let stuck = stuck.unwrap();
        assert_eq!(stuck.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(stuck.headers()[header::CACHE_CONTROL], "no-store", "it is framed like any other");
        assert_eq!(ask("/well").await.unwrap().status(), StatusCode::OK);
    }
}
