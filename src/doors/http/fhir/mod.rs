//! The read API: FHIR R4 over HTTPS at the hub, JSON only. Who asks is settled before anything of a request is read;
//! what may be shown is settled by the hub; and every access is recorded before it is answered.

mod answer;
mod audit;
mod handlers;
mod negotiate;
mod reader;
mod records;
mod results;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;

pub use self::reader::{Reader, Readers};
use crate::domain::adcode::Adcode;
use crate::domain::time::Moment;
use crate::doors::http::fhir::answer::Refusal;
use crate::doors::http::paths::Paths;
use crate::doors::tls::Peer;
use crate::service::hub::Hub;
use crate::wire::fhir::Context;

/// The read API over a hub.
pub struct FhirDoor {
    hub: Arc<Hub>,
    readers: Readers,
    region: Adcode,
    base: String,
    since: Moment,
}

impl FhirDoor {
    /// Opens the API of a region's hub, which callers reach at `base_url` (without a slash at its end).
    pub fn new(hub: Arc<Hub>, readers: Readers, region: Adcode, base_url: &str) -> Self {
        let since = hub.now();
        Self { hub, readers, region, base: format!("{base_url}{PREFIX}"), since }
    }

    fn context(&self) -> Context<'_> {
        Context { region: self.region, base: &self.base }
    }
}

/// Gives the paths of the API.
pub fn router(door: FhirDoor) -> Paths {
    let door = Arc::new(door);
    let inside = Paths::new()
        .get("/metadata", handlers::metadata)
        .get("/{kind}", handlers::search_by_get)
        .post("/{kind}/_search", handlers::search_by_post)
        .get("/{kind}/{id}", handlers::read)
        .get("/{kind}/{id}/_history/{version}", handlers::read_version);
    let guarded = inside.with(|router| {
        router
            .fallback(unknown)
            .method_not_allowed_fallback(not_allowed)
            .layer(middleware::from_fn_with_state(Arc::clone(&door), admit))
            .with_state(door)
    });
    guarded.under(PREFIX)
}

/// Settles who asks, and that the answer will be JSON, before a handler sees the request.
async fn admit(State(door): State<Arc<FhirDoor>>, mut request: Request, next: Next) -> Result<Response, Refusal> {
    // The statement of what works tells nothing of anybody.
    if !(request.method() == Method::GET && request.uri().path() == "/metadata") {
        let peer = request.extensions().get::<Peer>().cloned();
        let path = format!("{PREFIX}{}", request.uri().path());
        let reader = door.readers.reader(request.headers(), peer, &path).await?;
        request.extensions_mut().insert(reader);
    }
    negotiate::must_be_json(request.headers(), request.uri().query())?;
    Ok(next.run(request).await)
}

async fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path")
}

async fn not_allowed() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "not-supported",
        "this server is for reading: GET, and POST to _search",
    )
}

const PREFIX: &str = "/fhir/r4";
