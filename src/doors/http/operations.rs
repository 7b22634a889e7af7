//! What those who run the process ask: `/metrics`, `/healthz` and `/readyz`. On an address of the machine itself anybody may
//! ask; elsewhere only over TLS, and only the operator and the process's own organisation. Nothing here names a patient.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::fault::Fault;
use crate::domain::organisation::{OrganisationCode, Role};
use crate::doors::health::Health;
use crate::doors::http::answer::Problem;
use crate::doors::http::paths::Paths;
use crate::doors::tls::Peer;

/// Writes the page of metrics; blocks.
pub type WritePage = Arc<dyn Fn() -> String + Send + Sync>;

/// Gives the paths, with all that is known on them.
pub fn router(health: Health, page: WritePage) -> Router {
    let health = Paths::new().get("/readyz", ready_in_detail).get("/healthz", live).with(|it| it.with_state(health));
    Paths::new().get("/metrics", metrics).with(|it| it.with_state(page)).merge(health).into_router()
}

/// Gives the paths that anybody may ask: one word each.
pub fn public(health: Health) -> Paths {
    Paths::new().get("/readyz", ready).get("/healthz", live).with(|it| it.with_state(health))
}

/// Lets in the operator of the region and callers of `own`, by their certificates.
pub fn guarded(doors: Router, own: Option<OrganisationCode>) -> Router {
    doors.layer(middleware::from_fn(move |request: Request, next: Next| async move {
        let peer = request.extensions().get::<Peer>();
        let caller = peer.and_then(|peer| peer.caller.as_ref());
        match caller {
            None => Problem::new(Fault::Unproven, "").into_response(),
            Some(caller) if caller.role == Role::Operator || own == Some(caller.organisation) => {
                next.run(request).await
            }
            Some(_) => Problem::new(Fault::Denied, "this is for those who run the process").into_response(),
        }
    }))
}

async fn metrics(State(page): State<WritePage>) -> Response {
    match tokio::task::spawn_blocking(move || page()).await {
        Ok(text) => ([(header::CONTENT_TYPE, PAGE_TYPE)], text).into_response(),
        Err(_) => Problem::new(Fault::Broken, "").into_response(),
    }
}

async fn live(State(health): State<Health>) -> Response {
    match health.is_live() {
        true => Json(json!({ "status": "live" })).into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "stuck" }))).into_response(),
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let status = health.report().status;
    (readiness(status.is_ready()), Json(json!({ "status": status }))).into_response()
}

async fn ready_in_detail(State(health): State<Health>) -> Response {
    let report = health.report();
    (readiness(report.status.is_ready()), Json(report)).into_response()
}

fn readiness(is_ready: bool) -> StatusCode {
    if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Serves `doors` in plain HTTP/1.1 until `stop`; for addresses of the machine itself.
pub async fn serve_plain(listener: TcpListener, doors: Router, stop: CancellationToken) {
    let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), TaskTracker::new());
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WAIT_MAX).max_buf_size(HEADERS_BYTES_MAX);
    while let Some(accepted) = stop.run_until_cancelled(next(&listener, &places)).await {
        let Ok((stream, place)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(doors.clone()));
        let (connection, stop) = (connection.into_owned(), stop.clone());
        connections.spawn(async move {
            if let Some(Err(error)) = stop.run_until_cancelled(connection).await {
                tracing::debug!(%error, "a connection of operations ended early");
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?.0, place))
}

/// Source: Prometheus text exposition format.
const PAGE_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const CONNECTIONS_MAX: usize = 16;
const HEADERS_WAIT_MAX: Duration = Duration::from_secs(10);
const HEADERS_BYTES_MAX: usize = 16 << 10;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;
    use crate::domain::organisation::Caller;
    use crate::doors::health::{Check, State as CheckState};

    async fn ask(doors: Router, path: &str, caller: Option<Caller>) -> (u16, String) {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        let address = ([127, 0, 0, 1], 1).into();
        request.extensions_mut().insert(Peer { caller: caller.map(Arc::new), address });
        let response = doors.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
    }

    fn caller(role: Role, code: &str) -> Caller {
        let (region, organisation) = ("520000".parse().unwrap(), code.parse().unwrap());
        Caller { region, role, organisation, name: String::new(), serial: None }
    }

    #[tokio::test]
    async fn the_reason_is_told_to_those_who_run_it_and_one_word_to_others() {
        let health = Health::default();
        let page: WritePage = Arc::new(|| "up 1\n".to_owned());
        let (own, others) = (router(health.clone(), page), public(health.clone()).into_router());
        assert_eq!(ask(own.clone(), "/readyz", None).await, (503, r#"{"status":"starting","checks":[]}"#.to_owned()));
        health.found(vec![Check::of("disk", CheckState::Failed, Some("7 MiB are left".to_owned()))]);
        let (status, body) = ask(own.clone(), "/readyz", None).await;
        assert!(status == 503 && body.contains("7 MiB are left"), "{body}");
        assert_eq!(ask(others.clone(), "/readyz", None).await, (503, r#"{"status":"failed"}"#.to_owned()));
        assert_eq!(ask(others.clone(), "/metrics", None).await.0, 404);
        health.found(vec![Check::well("disk")]);
        assert_eq!(ask(others.clone(), "/readyz", None).await, (200, r#"{"status":"ready"}"#.to_owned()));
        assert_eq!(ask(others, "/healthz", None).await, (200, r#"{"status":"live"}"#.to_owned()));
        assert_eq!(ask(own, "/metrics", None).await, (200, "up 1\n".to_owned()));
    }

    #[tokio::test]
    async fn elsewhere_only_the_operator_and_the_own_organisation_may_ask() {
        const OWN: &str = "91350100M000100Y43";
        const OTHER: &str = "91110000600037341L";
        let doors = guarded(router(Health::default(), Arc::new(String::new)), Some(OWN.parse().unwrap()));
        let table = [
            (None, 401),
            (Some(caller(Role::Hospital, OWN)), 200),
            (Some(caller(Role::Hospital, OTHER)), 403),
            (Some(caller(Role::Regulator, OTHER)), 403),
            (Some(caller(Role::Operator, OTHER)), 200),
        ];
        for (caller, expected) in table {
            assert_eq!(ask(doors.clone(), "/metrics", caller.clone()).await.0, expected, "{caller:?}");
        }
    }
}
