//! `/me`: what patients see in a browser. It works without scripts; a script only copies a link.

mod history;
mod results;
mod session;
mod share;
mod shares;
mod sharing;
mod texts;
mod trend;

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use crate::domain::fault::{Fault, Faulty};
use crate::doors::fault::http_status;
use crate::doors::http::pages::texts::{Text, of_fault};
use crate::doors::http::pages::{Framing, Page, assets};
use crate::doors::http::paths::Paths;
use crate::doors::http::patient::gate::GateError;
use crate::doors::http::patient::login::{BACK, Logins, Visitor};
use crate::doors::http::patient::me::texts as say;
use crate::wire::pb::Language;

/// Gives the pages.
pub fn router(logins: Arc<Logins>) -> Paths {
    let guarded = Paths::new()
        .get("/me", results::list)
        .get("/me/results/{result}", results::one)
        .get("/me/results/{result}/report", results::report)
        .get("/me/results/{result}/originals/{digest}", results::original)
        .get("/me/share", share::form)
        .post("/me/share", share::give)
        .get("/me/shares", shares::list)
        .get("/me/shares/{consent}", shares::one)
        .post("/me/shares/{consent}/revoke", shares::revoke)
        .get("/me/accesses", history::list)
        .get("/me/sharing", sharing::page)
        .post("/me/sharing", sharing::set)
        .post("/me/for", sharing::act_for)
        .post("/me/language", session::language)
        .post("/me/logout", session::logout);
    let guard = middleware::from_fn_with_state(Arc::clone(&logins), guard);
    let guarded = guarded.with(|router| router.route_layer(guard));
    let open = Paths::new().get("/me/login", session::login).get(BACK, session::back);
    guarded.merge(open).with(|router| router.with_state(logins))
}

/// Lets a browser with a session through with its [`Visitor`]; whoever has none is shown where to log in.
async fn guard(State(logins): State<Arc<Logins>>, mut request: Request, next: Next) -> Response {
    match logins.visitor(request.headers()) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(GateError::Unproven) => session::welcome(request.headers(), request.uri().query()),
        Err(error) => refused(language_of(request.headers(), None), error.fault()),
    }
}

/// A tab of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Results,
    Shares,
    Accesses,
    Sharing,
}

impl Tab {
    const ALL: [(Tab, &'static str, Text); 4] = [
        (Tab::Results, "/me", say::RESULTS),
        (Tab::Shares, "/me/shares", say::SHARES),
        (Tab::Accesses, "/me/accesses", say::ACCESSES),
        (Tab::Sharing, "/me/sharing", say::SETTINGS),
    ];
}

/// Writes a page of a session: the tabs, for whom the patient acts, the content, and the way out.
fn page(logins: &Logins, visitor: &Visitor, tab: Tab, title: Text, content: Markup) -> Response {
    let language = visitor.session.language;
    let token = logins.form_token(visitor);
    let (other, tongue) = if language == Language::En { ("zh", "中文") } else { ("en", "English") };
    let whole = html! {
        link rel="stylesheet" href=(assets::path("me.css"));
        nav class="tabs" aria-label=(say::PARTS.to(language)) {
            @for (known, path, name) in Tab::ALL {
                a href=(path) aria-current=[(known == tab).then_some("page")] { (name.to(language)) }
            }
        }
        @if visitor.session.ward.is_some() {
            form class="banner warn ward" method="post" action="/me/for" {
                (hidden(&token))
                span { (say::ACTING.to(language)) }
                button name="relation" value="" { (say::ACT_FOR_MYSELF.to(language)) }
            }
        }
        (content)
        footer class="foot" {
            form method="post" action="/me/language" {
                (hidden(&token)) button class="plain" name="to" value=(other) lang=(other) { (tongue) }
            }
            form method="post" action="/me/logout" {
                (hidden(&token)) button class="plain" { (say::LOG_OUT.to(language)) }
            }
        }
    };
    framed(language, StatusCode::OK, title, &["me.js"], whole)
}

fn framed(language: Language, status: StatusCode, title: Text, scripts: &[&str], content: Markup) -> Response {
    Page { title: title.to(language), language, scripts, framing: Framing::Nobody }.answer(status, content)
}

/// Writes the token that shows a form to be ours.
fn hidden(token: &str) -> Markup {
    html! { input type="hidden" name="token" value=(token); }
}

/// Shows a refusal; our own faults are logged here, once.
fn failed(language: Language, error: &impl Faulty) -> Response {
    if error.fault() == Fault::Broken {
        tracing::error!(%error, "a page failed");
    }
    refused(language, error.fault())
}

fn refused(language: Language, fault: Fault) -> Response {
    let (title, advice) = match fault {
        Fault::Missing => (say::GONE, say::GONE_ADVICE),
        Fault::Busy => (say::AWAY, say::AWAY_ADVICE),
        Fault::Broken => (say::BROKEN, say::BROKEN_ADVICE),
        other => of_fault(other),
    };
    dead_end(language, fault, (title, advice), ("/me", say::HOME))
}

/// Writes a page that has nothing to show, and leads back.
fn dead_end(language: Language, fault: Fault, (title, advice): (Text, Text), (path, way): (&str, Text)) -> Response {
    let content = html! {
        link rel="stylesheet" href=(assets::path("me.css"));
        section class="notice" {
            h2 { (title.to(language)) }
            p { (advice.to(language)) }
            a class="button primary" href=(path) { (way.to(language)) }
        }
    };
    framed(language, http_status(fault), title, &[], content)
}

/// Sends the browser on to a page, with a request that changes nothing.
fn on_to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// Refuses a form that was not written for the session.
fn not_ours(visitor: &Visitor) -> Response {
    refused(visitor.session.language, Fault::Denied)
}

/// Chooses the language of a page outside any session: as its address says, or as the browser prefers.
fn language_of(headers: &HeaderMap, query: Option<&str>) -> Language {
    match query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("lang="))) {
        Some("en") => Language::En,
        Some("zh") => Language::Zh,
        _ => crate::doors::http::pages::preferred(headers),
    }
}

type Who = Extension<Visitor>;
/// A query; one that cannot be read asks for nothing in particular.
type Queried<T> = Result<Query<T>, QueryRejection>;
