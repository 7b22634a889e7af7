//! CDS Hooks 2.0: the services that order screens call. The client is admitted before anything of its call is read; what
//! is asked goes to the exchange, in whose deadline the answer comes or stays empty.

mod orders;
mod recalls;
mod session;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower_http::cors::{Any, CorsLayer};

use self::session::Sessions;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::RecallId;
use crate::domain::organisation::Caller;
use crate::doors::http::answer::Problem;
use crate::doors::http::client::ClientGate;
use crate::doors::http::paths::Paths;
use crate::doors::tls::Peer;
use crate::service::exchange::{Exchange, Refused};
use crate::service::viewing::Viewing;
use crate::wire::cds::{
    Hook, HookRequest, IdentifierNames, NOBODY, ORDERS, Prefetched, RECENT, Words, discovery, feedback,
};
use crate::wire::pb;

/// The services, over an exchange.
pub struct Cds<E> {
    gate: Arc<ClientGate>,
    viewing: Arc<Viewing<E>>,
    names: IdentifierNames,
    sessions: Sessions,
    /// Words to the exchange for which no order screen waits.
    beside: TaskTracker,
}

/// Why a call has no cards.
enum Empty {
    /// The patient was neither sent nor is there a server to fetch it from.
    PatientMissing,
    /// It cannot be taken.
    Refused(Problem),
}

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    quiet: bool,
    #[serde(default)]
    proofs: bool,
}

impl<E: Exchange> Cds<E> {
    /// Makes the services. Links are opened by `viewing`; whatever is told beside an answer runs in `beside`.
    pub fn new(gate: Arc<ClientGate>, viewing: Arc<Viewing<E>>, names: IdentifierNames, beside: TaskTracker) -> Self {
        Self { gate, viewing, names, sessions: Sessions::default(), beside }
    }

    /// Gives the services with their paths.
    pub fn router(self: Arc<Self>) -> Paths {
        let methods = [axum::http::Method::GET, axum::http::Method::POST];
        let headers = [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT_LANGUAGE];
        let across = CorsLayer::new().allow_origin(Any).allow_methods(methods).allow_headers(headers);
        let paths = Paths::new()
            .get("/cds-services", discover)
            .post("/cds-services/{id}", call::<E>)
            .post("/cds-services/{id}/feedback", told::<E>);
        let admitted = middleware::from_fn_with_state(Arc::clone(&self), admitted::<E>);
        paths.with(|router| router.route_layer(admitted).layer(across).with_state(self))
    }

    async fn answer(
        &self,
        caller: &Caller,
        id: &str,
        body: &[u8],
        words: Words,
        wish: &Wish,
        arrived: Instant,
    ) -> Result<String, Empty> {
        let today = self.gate.clock().now().local_day();
        let read = HookRequest::read(body, &self.names, today);
        let mut request = read.map_err(|error| Empty::Refused(Problem::of(&error)))?;
        request.quiet |= wish.quiet;
        request.proofs |= wish.proofs;
        let own = match request.hook {
            Hook::PatientView => RECENT,
            Hook::OrderSelect | Hook::OrderSign => ORDERS,
        };
        if own != id {
            let text = "hook: is not one of this service; see the discovery document";
            return Err(Empty::Refused(Problem::new(Fault::BadInput, text)));
        }
        // Orders of medicines alone need no patient.
        let asks = request.hook == Hook::PatientView || !request.orders.is_empty();
        match &request.patient {
            Prefetched::Nowhere if asks => return Err(Empty::PatientMissing),
            Prefetched::Nowhere | Prefetched::Elsewhere | Prefetched::Patient(_) => {}
        }
        let recalls = self.recalls(caller, &request, words, arrived).await;
        let answered = match request.hook {
            Hook::PatientView => self.recent(caller, &request, words, arrived, recalls).await,
            Hook::OrderSelect | Hook::OrderSign => self.orders(caller, &request, words, arrived, recalls).await,
        };
        answered.map_err(|refused| Empty::Refused(problem(&refused)))
    }

    /// Records what became of cards.
    async fn told(&self, caller: &Caller, body: &[u8]) -> Result<(), Problem> {
        let entries = feedback(body).map_err(|error| Problem::of(&error))?;
        let mut unknown = 0_u32;
        for entry in &entries {
            let practitioner = self.sessions.decided(caller.organisation, &entry.card);
            let practitioner = practitioner.as_deref().unwrap_or(NOBODY);
            let exchange = self.viewing.exchange();
            let actor = pb::Actor { practitioner: practitioner.to_owned(), ..Default::default() };
            let noted = exchange.note_recall(caller, RecallId::new(entry.card), actor).await;
            if noted.map_err(|refused| problem(&refused))? {
                continue;
            }
            let mut decided = exchange.decide(caller, entry.decision(practitioner)).await.map(drop);
            let lacking = decided.as_ref().is_err_and(|refused| refused.fault == Fault::BadInput);
            if let (true, Some(unexplained)) = (lacking, entry.unexplained(practitioner)) {
                decided = exchange.decide(caller, unexplained).await.map(drop);
            }
            match decided {
                Ok(()) => {}
                Err(refused) if matches!(refused.fault, Fault::Missing | Fault::Conflict) => unknown += 1,
                Err(refused) => return Err(problem(&refused)),
            }
        }
        if unknown > 0 {
            tracing::warn!(organisation = %caller.organisation, unknown, "feedback on cards that are not known");
        }
        Ok(())
    }
}

/// Admits the client before anything of its call is read.
async fn admitted<E: Exchange>(State(cds): State<Arc<Cds<E>>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    match cds.gate.admit(peer, request.headers(), request.uri().path()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn discover(headers: HeaderMap) -> Response {
    written(discovery(words(&headers)).to_string())
}

async fn call<E: Exchange>(
    State(cds): State<Arc<Cds<E>>>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let arrived = Instant::now();
    let (true, Ok(body)) = (known(&id), body.as_ref()) else { return unread(&id, body) };
    match cds.answer(&caller, &id, body, words(&headers), &wish, arrived).await {
        Ok(cards) => written(cards),
        Err(Empty::Refused(problem)) => problem.into_response(),
        Err(Empty::PatientMissing) => patient_missing(),
    }
}

async fn told<E: Exchange>(
    State(cds): State<Arc<Cds<E>>>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (true, Ok(body)) = (known(&id), body.as_ref()) else { return unread(&id, body) };
    match cds.told(&caller, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn known(id: &str) -> bool {
    [ORDERS, RECENT].contains(&id)
}

/// Answers a call of an unknown service, or one whose body is too large or broke off.
fn unread(id: &str, body: Result<Bytes, BytesRejection>) -> Response {
    if !known(id) {
        return Problem::new(Fault::Missing, "no such service; see the discovery document").into_response();
    }
    body.err().map_or(StatusCode::BAD_REQUEST.into_response(), IntoResponse::into_response)
}

/// Source: CDS Hooks 2.0, Prefetch: 412 when what is needed can be had in no way.
fn patient_missing() -> Response {
    let detail = "prefetch.patient: is missing; send the Patient resource";
    let body = json!({ "status": 412, "title": "PATIENT_NOT_PREFETCHED", "detail": detail });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::PRECONDITION_FAILED, kind, Json(body).into_response().into_body()).into_response()
}

fn written(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn words(headers: &HeaderMap) -> Words {
    Words::accepted(headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

fn problem(refused: &Refused) -> Problem {
    Problem::new(refused.fault(), refused.text.clone())
}

#[cfg(test)]
mod tests;
