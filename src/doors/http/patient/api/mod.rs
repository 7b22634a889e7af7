//! `/patient/v1`: what programs of patients may ask. The table of routes is the whole of it; `openapi.json` describes the
//! same to others, and a test holds the two together.

mod consents;
mod results;
#[cfg(test)]
mod tests;

pub use self::consents::drawn;
pub use self::results::{brought, cursor_read, cursor_written};

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, middleware};
use serde::de::DeserializeOwned;

use crate::domain::fault::Fault;
use crate::domain::limits::HTTP_BODY_BYTES_MAX;
use crate::doors::http::answer::Problem;
use crate::doors::http::paths::Paths;
use crate::doors::http::patient::gate::{Gate, Patient, guard};
use crate::service::hub::consent::Acting;
use crate::wire::patient::patient_name;

/// Gives the interface for programs.
pub fn router(gate: &Arc<Gate>) -> Paths {
    let guard = middleware::from_fn_with_state(Arc::clone(gate), guard);
    let guarded = routes().with(|router| router.route_layer(guard));
    let open = Paths::new().get("/patient/v1/openapi.json", describe);
    let all = guarded.merge(open);
    all.with(|router| router.method_not_allowed_fallback(no_such_method).with_state(Arc::clone(gate)))
}

/// Gives the paths that a patient's token opens.
fn routes() -> Paths<Arc<Gate>> {
    Paths::new()
        .get("/patient/v1/results", results::list)
        .get("/patient/v1/results/{result}", results::one)
        .get("/patient/v1/results/{result}/originals/{digest}", results::original)
        .get("/patient/v1/trend", results::trend)
        .get("/patient/v1/accesses", results::accesses)
        .get("/patient/v1/consents", consents::list)
        .post("/patient/v1/consents", consents::grant)
        .get("/patient/v1/consents/{consent}", consents::one)
        .delete("/patient/v1/consents/{consent}", consents::revoke)
        .get("/patient/v1/consents/{consent}/qr.svg", consents::qr)
        .get("/patient/v1/sharing", consents::sharing)
        .put("/patient/v1/sharing", consents::set_sharing)
        .get("/patient/v1/relations", consents::relations)
}

/// For whom a request is made: the patient of the token, or one for whom a registered relation lets that patient act.
struct For(Acting);

impl<S: Sync> FromRequestParts<S> for For {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let patient = parts.extensions.get::<Patient>().map(|patient| patient.pseudonym);
        let patient = patient.ok_or_else(|| Problem::new(Fault::Unproven, ""))?;
        let Some(relation) = single(&parts.headers, ON_BEHALF_OF)? else { return Ok(Self(Acting::oneself(patient))) };
        let ward = patient_name(relation).map_err(|error| Problem::of(&error))?;
        Ok(Self(Acting { patient: ward, guardian: Some(patient) }))
    }
}

/// Gives a header that may stand once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| Problem::new(Fault::BadInput, format!("{name} cannot be read")));
            text.map(Some)
        }
        (Some(_), Some(_)) => Err(Problem::new(Fault::BadInput, format!("{name} stands twice"))),
    }
}

/// Reads a body of JSON. What is wrong with it is told by its place, never by its content.
async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let bytes = axum::body::to_bytes(request.into_body(), HTTP_BODY_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| Problem::new(Fault::BadInput, "the body cannot be read, or is too long"))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::new(
            Fault::BadInput,
            format!("the body is not what the interface describes: line {line}, column {column}"),
        )
    })
}

async fn describe() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], OPENAPI).into_response()
}

async fn no_such_method() -> Response {
    let problem = serde_json::json!({ "status": 405, "title": "BAD_INPUT", "detail": "this path has no such method" });
    let mut response = (axum::http::StatusCode::METHOD_NOT_ALLOWED, Json(problem)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// The interface as OpenAPI 3.1 describes it.
const OPENAPI: &str = include_str!("openapi.json");
const ON_BEHALF_OF: &str = "x-on-behalf-of";
