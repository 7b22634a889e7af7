//! SMART Health Links: whoever holds a link, and its passcode where it has one, reads what the patient opened with it.
//! Nobody logs in here; the address is the secret, and the files are encrypted under a key that only the link carries.
//!
//! Source: SMART Health Links 1.0.0.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tower_http::cors::{Any, CorsLayer};

use crate::domain::consent::Passcode;
use crate::domain::fault::Fault;
use crate::doors::http::answer::Problem;
use crate::doors::http::paths::Paths;
use crate::service::hub::Hub;
use crate::service::hub::link::{CONTENT_TYPE, LinkError, LinkRequest, Told};

/// Gives the paths under `/shl`. Viewers are pages of others, so that any origin may ask.
pub fn router(hub: Arc<Hub>) -> Paths {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
        .max_age(PREFLIGHT_AGE);
    Paths::new()
        .post("/shl/{address}", manifest)
        .get("/shl/{address}", direct)
        .get("/shl/{address}/file/{name}", file)
        .with(|router| router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).layer(cors).with_state(hub))
}

/// A request for the manifest. Members that the specification may add are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestRequest {
    recipient: String,
    passcode: Option<String>,
    embedded_length_max: Option<usize>,
}

#[derive(Deserialize)]
struct DirectRequest {
    #[serde(default)]
    recipient: String,
}

async fn manifest(State(hub): State<Arc<Hub>>, Path(address): Path<String>, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<ManifestRequest>(&body) else {
        return Problem::new(Fault::BadInput, "send JSON with a recipient").into_response();
    };
    let request = LinkRequest {
        recipient: asked.recipient,
        passcode: asked.passcode.filter(|passcode| !passcode.is_empty()).map(Passcode::new),
        embedded_max: asked.embedded_length_max,
    };
    match hub.open_link(&address, request).await {
        Ok(told) => {
            let (member, content) = match told {
                Told::Embedded(file) => ("embedded", file),
                Told::Location(url) => ("location", url),
            };
            Json(json!({ "files": [{ "contentType": CONTENT_TYPE, member: content }] })).into_response()
        }
        Err(error) => refused(&error),
    }
}

async fn direct(
    State(hub): State<Arc<Hub>>,
    Path(address): Path<String>,
    Query(asked): Query<DirectRequest>,
) -> Response {
    match hub.open_link_directly(&address, &asked.recipient).await {
        Ok(file) => jose(file),
        Err(error) => refused(&error),
    }
}

async fn file(State(hub): State<Arc<Hub>>, Path((address, name)): Path<(String, String)>) -> Response {
    match hub.link_file(&address, &name).await {
        Ok(file) => jose(file),
        Err(error) => refused(&error),
    }
}

fn jose(file: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/jose"))], file).into_response()
}

fn refused(error: &LinkError) -> Response {
    match error {
        LinkError::Missing => Problem::new(Fault::Missing, error.to_string()).into_response(),
        LinkError::Passcode { left } => {
            (StatusCode::UNAUTHORIZED, Json(json!({ "remainingAttempts": left }))).into_response()
        }
        LinkError::TooOften => {
            let mut response = Problem::new(Fault::Limited, error.to_string()).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        LinkError::Hub(error) => Problem::of(error).into_response(),
    }
}

const BODY_BYTES_MAX: usize = 16 << 10;
const PREFLIGHT_AGE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests;
