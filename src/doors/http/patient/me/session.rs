//! Logging in and out, and the language.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use crate::domain::fault::Faulty;
use crate::doors::http::pages::assets;
use crate::doors::http::patient::gate::GateError;
use crate::doors::http::patient::login::{LoginError, Logins, Session, cookie_header};
use crate::doors::http::patient::me::texts as say;
use crate::doors::http::patient::me::{Queried, Who, dead_end, failed, framed, language_of, not_ours, on_to};
use crate::wire::pb::Language;

/// What the issuer sends back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    code: String,
    state: String,
}

/// A choice of language.
#[derive(Debug, Deserialize)]
pub struct LanguageForm {
    token: String,
    to: String,
}

/// A form that says nothing but that it is ours.
#[derive(Debug, Deserialize)]
pub struct BareForm {
    token: String,
}

/// Shows whoever is not logged in what this is, and where to log in.
pub fn welcome(headers: &HeaderMap, query: Option<&str>) -> Response {
    let language = language_of(headers, query);
    let (tongue, other, name) = if language == Language::En { ("en", "zh", "中文") } else { ("zh", "en", "English") };
    let points = [say::POINT_RESULTS, say::POINT_SHARE, say::POINT_WATCH];
    let content = html! {
        link rel="stylesheet" href=(assets::path("me.css"));
        section class="sheet welcome" {
            h2 { (say::WELCOME.to(language)) }
            ul { @for point in points { li { (point.to(language)) } } }
            a class="button primary wide" href={ "/me/login?lang=" (tongue) } { (say::LOG_IN.to(language)) }
            p class="small soft" { (say::LOG_IN_HOW.to(language)) }
        }
        footer class="foot" { a href={ "/me?lang=" (other) } lang=(other) { (name) } }
    };
    framed(language, StatusCode::UNAUTHORIZED, say::TITLE, &[], content)
}

/// Sends the browser to the issuer.
pub async fn login(State(logins): State<Arc<Logins>>, headers: HeaderMap, uri: axum::http::Uri) -> Response {
    let language = language_of(&headers, uri.query());
    match logins.begin(language).await {
        Ok(departure) => with_cookie(Redirect::to(&departure.location).into_response(), &departure.cookie),
        Err(error) => failed(language, &error),
    }
}

/// Takes the browser back from the issuer.
pub async fn back(State(logins): State<Arc<Logins>>, headers: HeaderMap, answer: Queried<Answer>) -> Response {
    let answer = answer.map(|Query(answer)| answer).unwrap_or_default();
    match logins.end(&headers, &answer.code, &answer.state).await {
        Ok(cookie) => with_cookie(on_to("/me"), &cookie),
        Err(error) => {
            let language = logins.began_in(&headers).unwrap_or_else(|| language_of(&headers, None));
            not_logged_in(language, &error)
        }
    }
}

/// Changes the language.
pub async fn language(
    State(logins): State<Arc<Logins>>,
    Extension(visitor): Who,
    Form(form): Form<LanguageForm>,
) -> Result<Response, Response> {
    if !logins.wrote(&visitor, &form.token) {
        return Err(not_ours(&visitor));
    }
    let language = if form.to == "en" { Language::En } else { Language::Zh };
    logins.change(&visitor, Session { language, ..visitor.session.clone() });
    Ok(on_to("/me"))
}

/// Logs out.
pub async fn logout(
    State(logins): State<Arc<Logins>>,
    Extension(visitor): Who,
    Form(form): Form<BareForm>,
) -> Result<Response, Response> {
    if !logins.wrote(&visitor, &form.token) {
        return Err(not_ours(&visitor));
    }
    Ok(with_cookie(on_to("/me"), &logins.forget(&visitor)))
}

fn not_logged_in(language: Language, error: &LoginError) -> Response {
    let (title, advice) = match error {
        LoginError::Gate(GateError::TooWeak) => (say::TOO_WEAK, say::TOO_WEAK_ADVICE),
        LoginError::Gate(GateError::Nobody) => (say::NOBODY, say::NOBODY_ADVICE),
        LoginError::Gate(GateError::Unproven | GateError::Pace) | LoginError::Astray => {
            (say::NOT_LOGGED_IN, say::NOT_LOGGED_IN_ADVICE)
        }
        LoginError::Gate(GateError::Busy) => (say::AWAY, say::AWAY_ADVICE),
        LoginError::Issuer(issuer) => return failed(language, issuer),
    };
    dead_end(language, error.fault(), (title, advice), ("/me", say::AGAIN))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    cookie_header(cookie).and_then(|cookie| response.headers_mut().insert(header::SET_COOKIE, cookie));
    response
}
