//! A page for order screens that can do no more than open a browser: a ticket, obtained with the order, opens a page once;
//! the page shows what answers the order, takes the doctor's decisions and tells the screen that embeds it.

mod candidate;
mod form;
mod line;
mod names;
mod outcome;
mod page;
mod reasons;
mod session;
mod texts;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Form, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use crate::domain::fault::Fault;
use crate::domain::limits::HTTP_BODY_BYTES_MAX;
use crate::domain::organisation::Caller;
use crate::doors::http::answer::Problem;
use crate::doors::http::pages;
use crate::doors::http::paths::Paths;
use crate::doors::http::prompt::form::Sent;
use crate::doors::http::prompt::session::Session;
use crate::ports::clock::Clock;
use crate::service::capability::Capabilities;
use crate::service::exchange::{Exchange, Refused, degraded};
use crate::service::viewing::{Opening, Viewing};
use crate::wire::pb;
use crate::wire::ticket::Ticket;
use pb::acknowledge_request::Event;
use pb::degraded::Cause;

/// Says who sends a request, before its body is read.
pub type Gate = Arc<dyn Fn(&Request) -> Result<Arc<Caller>, Problem> + Send + Sync>;

/// What the prompt page leans on.
pub struct PromptParts<E> {
    /// The exchange, and the links under which originals are viewed.
    pub viewing: Arc<Viewing<E>>,
    /// Who may have tickets.
    pub gate: Gate,
    /// How browsers reach the door, without a slash at the end.
    pub base_url: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Secrets of tickets and sessions.
    pub random: fn() -> [u8; 32],
}

struct Door<E> {
    parts: PromptParts<E>,
    tickets: Capabilities<Once>,
    sessions: Capabilities<Arc<Session>>,
}

/// A ticket that is there until it is used; its name is known a little longer, to say so.
type Once = Arc<Mutex<Option<Asking>>>;

/// What a ticket asks.
struct Asking {
    caller: Arc<Caller>,
    ticket: Ticket,
}

/// Serves `/prompt`.
pub fn router<E: Exchange>(parts: PromptParts<E>) -> Paths {
    let door = Door {
        parts,
        tickets: Capabilities::new(TICKET_LIFETIME, TICKETS_MAX),
        sessions: Capabilities::new(SESSION_LIFETIME, SESSIONS_MAX),
    };
    Paths::new()
        .post("/prompt/tickets", issue::<E>)
        .get("/prompt/{ticket}", enter::<E>)
        // A link that is only looked at must not be used up.
        .head("/prompt/{ticket}", StatusCode::NO_CONTENT)
        .get("/prompt/session/{capability}", show::<E>)
        .post("/prompt/session/{capability}/decide", decide::<E>)
        .with(|router| router.with_state(Arc::new(door)))
}

/// Gives a ticket for an order.
async fn issue<E: Exchange>(State(door): State<Arc<Door<E>>>, request: Request) -> Result<Response, Problem> {
    let caller = (door.parts.gate)(&request)?;
    let body = axum::body::to_bytes(request.into_body(), HTTP_BODY_BYTES_MAX).await;
    let body = body.map_err(|_| Problem::new(Fault::BadInput, "the body does not arrive or is too large"))?;
    let spare_key = format!("prompt/{}", name_of((door.parts.random)()));
    let ticket = Ticket::read(&body, &spare_key).map_err(|error| Problem::of(&error))?;
    let until = door.parts.clock.now().unix_ms() + TICKET_LIFETIME.as_millis() as i64;
    let once = Arc::new(Mutex::new(Some(Asking { caller, ticket })));
    let name = door.tickets.put((door.parts.random)(), once);
    let url = format!("{}/prompt/{name}", door.parts.base_url);
    Ok((StatusCode::CREATED, Json(json!({ "url": url, "expires_at": rfc3339(until) }))).into_response())
}

/// Uses a ticket up: asks the exchange and opens a session.
async fn enter<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
) -> Response {
    let language = pages::preferred(&headers);
    let Some(once) = door.tickets.find(&ticket) else {
        let advice = texts::TICKET_UNKNOWN_ADVICE.to(language);
        return pages::notice(language, Fault::Missing, texts::TICKET_UNKNOWN, advice);
    };
    // Of two who ask at once, one finds it.
    let Some(asking) = once.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        let advice = texts::TICKET_USED_ADVICE.to(language);
        return pages::plain_notice(language, StatusCode::GONE, texts::TICKET_USED, advice);
    };
    let session = door.open(asking).await;
    let capability = door.sessions.put((door.parts.random)(), Arc::new(session));
    Redirect::to(&format!("/prompt/session/{capability}")).into_response()
}

/// Shows a session, as often as it is asked for.
async fn show<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(capability): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(session) = door.sessions.find(&capability) else { return session_ended(&headers) };
    door.acknowledge(&session).await;
    let decided = session.decided.lock().await;
    page::show(&session, &capability, &decided, None)
}

/// Records what a doctor decided on a line, and shows the session again.
async fn decide<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(capability): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let Some(session) = door.sessions.find(&capability) else { return session_ended(&headers) };
    // Held until the decision is recorded: a second click waits, and finds it made.
    let mut decided = session.decided.lock().await;
    let sent = match form::read(&session, &fields) {
        Ok(Ok(sent)) => sent,
        Ok(Err(draft)) => return page::show(&session, &capability, &decided, Some(draft.as_ref())),
        Err(form::Foreign) => {
            let language = session.language();
            let refused = Refused { fault: Fault::BadInput, field: None, text: String::new() };
            return pages::refused(language, &refused);
        }
    };
    let Sent { draft, act } = sent;
    let line = draft.line;
    let open = draft.prompts.iter().filter(|prompt| !decided.prompts.contains_key(*prompt));
    let open: Vec<Bytes> = open.cloned().collect();
    if !open.is_empty() {
        let request = session.request(line, &open, &act);
        if let Err(refused) = door.parts.viewing.exchange().decide(&session.caller, request).await {
            let draft = draft.refused(advice(&refused), crate::doors::fault::http_status(refused.fault));
            return page::show(&session, &capability, &decided, Some(&draft));
        }
        decided.note(line, &open, &act);
    }
    Redirect::to(&format!("/prompt/session/{capability}#line-{}", line + 1)).into_response()
}

impl<E: Exchange> Door<E> {
    /// Asks the exchange. Whatever goes wrong, ordering goes on: the page then says so.
    async fn open(&self, asking: Asking) -> Session {
        let Asking { caller, ticket: Ticket { check: asked, origin } } = asking;
        let exchange = self.parts.viewing.exchange();
        let answer = exchange.check(&caller, asked.clone(), Instant::now()).await.unwrap_or_else(|refused| {
            tracing::warn!(fault = ?refused.fault, "a prompt page's check was refused");
            let degraded = Some(degraded(Cause::Refused, asked.language()));
            pb::CheckResponse { degraded, ..Default::default() }
        });
        let links = answer.lines.iter().flat_map(|line| &line.prompts);
        let links = links.filter_map(|prompt| self.link(&caller, &asked, prompt)).collect();
        Session {
            id: name_of((self.parts.random)()),
            caller: (*caller).clone(),
            catalogue: exchange.catalogue(),
            asked,
            answer,
            origin,
            links,
            shown: Default::default(),
            decided: Default::default(),
        }
    }

    fn link(&self, caller: &Caller, asked: &pb::CheckRequest, prompt: &pb::Prompt) -> Option<(Bytes, String)> {
        let opening = Opening {
            caller: caller.clone(),
            actor: asked.actor.clone()?,
            patient: asked.patient.clone()?,
            visit: asked.visit.clone()?,
            result: prompt.result.clone()?,
            evidence: prompt.evidence.clone(),
            prompt_id: prompt.prompt_id.clone(),
            grant: None,
            standing: None,
            language: asked.language(),
        };
        Some((prompt.prompt_id.clone(), self.parts.viewing.link(opening)))
    }

    /// Tells the exchange, once, that the prompts are on the screen. The doctor does not wait long for it; a reload tells
    /// it again, under the same keys.
    async fn acknowledge(&self, session: &Session) {
        let prompts: BTreeMap<_, _> =
            session.answer.lines.iter().flat_map(|line| &line.prompts).map(|prompt| (&prompt.prompt_id, ())).collect();
        if session.shown.load(Ordering::Relaxed) || prompts.is_empty() {
            return;
        }
        let events = prompts.into_keys().map(|prompt| {
            let event = pb::AcknowledgeRequest {
                event_key: format!("shown/{}/{}", session.id, hex::encode(prompt)),
                actor: session.asked.actor.clone(),
                prompt_id: prompt.clone(),
                event: Event::Shown.into(),
            };
            self.parts.viewing.exchange().acknowledge(&session.caller, event)
        });
        match tokio::time::timeout(SHOWN_WAIT_MAX, join_all(events)).await {
            Ok(told) if told.iter().all(Result::is_ok) => session.shown.store(true, Ordering::Relaxed),
            _ => tracing::warn!("not every prompt of a page is recorded as shown"),
        }
    }
}

fn session_ended(headers: &HeaderMap) -> Response {
    let language = pages::preferred(headers);
    pages::notice(language, Fault::Missing, texts::SESSION_ENDED, texts::SESSION_ENDED_ADVICE.to(language))
}

/// Says on the line what to do about a decision that was not recorded.
fn advice(refused: &Refused) -> pages::texts::Text {
    match refused.fault {
        Fault::Busy | Fault::Limited => texts::NOT_RECORDED,
        Fault::Conflict => texts::DECIDED_ELSEWHERE,
        Fault::BadInput | Fault::Unproven | Fault::Denied | Fault::Missing => texts::NOT_TAKEN,
        Fault::Broken => {
            tracing::error!(error = %refused, "a decision was not recorded");
            texts::NOT_RECORDED
        }
    }
}

/// Names something by a secret of its own.
fn name_of(secret: [u8; 32]) -> String {
    secret.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn rfc3339(unix_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1_000)).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

const TICKET_LIFETIME: Duration = Duration::from_secs(120);
const TICKETS_MAX: usize = 10_000;
const SESSION_LIFETIME: Duration = Duration::from_secs(1_800);
const SESSIONS_MAX: usize = 10_000;
const SHOWN_WAIT_MAX: Duration = Duration::from_secs(1);
const NAME_BYTES: usize = 16;
