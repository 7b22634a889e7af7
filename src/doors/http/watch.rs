//! Stands before every door of HTTPS: begins the span of a request, and counts and logs how it was answered, by the pattern
//! of its route. What stood in the places of the pattern, and the query, go nowhere.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use tracing::Instrument;

use crate::doors::calls::Calls;
use crate::doors::tls::Peer;
use crate::doors::watch::parent;
use crate::ports::trace::SpanKind;

/// Puts the watch before doors.
pub fn watched(doors: Router, calls: Arc<Calls>) -> Router {
    doors.layer(middleware::from_fn_with_state(calls, watch))
}

/// Lets a request through, and sees how it is answered.
async fn watch(State(calls): State<Arc<Calls>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = calls.route_name(matched.unwrap_or(UNKNOWN));
    let work = calls.tracer().begin(route, SpanKind::Server, parent(request.headers()));
    let caller = request.extensions().get::<Peer>().and_then(|peer| peer.caller.as_ref());
    if let Some(caller) = caller {
        work.is_for(caller.organisation);
    }
    let method = named(request.method());
    let organisation = work.organisation().map(tracing::field::display);
    let span = tracing::info_span!("call", trace = %work.context().trace, organisation, call = route);
    let response = work.within(next.run(request)).instrument(span).await;
    calls.answered(route, method, response.status().as_u16(), began.elapsed(), work);
    response
}

fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The route of paths that lead nowhere.
const UNKNOWN: &str = "other";
