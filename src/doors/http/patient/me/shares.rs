//! What a patient shares: the list, one share with its link, and its end.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use crate::domain::fault::Fault;
use crate::doors::http::pages::shown;
use crate::doors::http::patient::api::drawn;
use crate::doors::http::patient::login::{Logins, Visitor};
use crate::doors::http::patient::me::texts as say;
use crate::doors::http::patient::me::{Tab, Who, failed, hidden, not_ours, on_to, page, refused};
use crate::wire::patient::consent_name;
use crate::wire::pb::{self, Language};
use pb::consent::State as Stands;
use pb::consent_terms::Grantee;

/// A share is ended.
#[derive(Debug, Deserialize)]
pub struct RevokeForm {
    token: String,
}

/// Lists shares, newest first.
pub async fn list(State(logins): State<Arc<Logins>>, Extension(visitor): Who) -> Response {
    let language = visitor.session.language;
    let consents = match consents(&logins, &visitor).await {
        Ok(consents) => consents,
        Err(refusal) => return refusal,
    };
    let (current, past): (Vec<_>, Vec<_>) = consents.iter().partition(|consent| is_open(consent));
    let content = html! {
        p class="row" { a class="button primary wide" href="/me/share" { (say::SHARE_NEW.to(language)) } }
        @if consents.is_empty() { section class="sheet empty" { p { (say::NO_SHARES.to(language)) } } }
        @for consent in current { (card(&logins, &visitor, consent, true)) }
        @if !past.is_empty() {
            details class="past" {
                summary { (say::PAST_SHARES.to(language)) " (" (past.len()) ")" }
                @for consent in past { (card(&logins, &visitor, consent, true)) }
            }
        }
    };
    page(&logins, &visitor, Tab::Shares, say::SHARES, content)
}

/// Shows a share; its link as a picture for a camera, and as text.
pub async fn one(State(logins): State<Arc<Logins>>, Extension(visitor): Who, Path(name): Path<String>) -> Response {
    let language = visitor.session.language;
    let consents = match consents(&logins, &visitor).await {
        Ok(consents) => consents,
        Err(refusal) => return refusal,
    };
    let id = consent_name(&name).ok();
    let found = consents.iter().find(|it| id.is_some_and(|id| it.consent_id == id.as_bytes().as_slice()));
    let Some(consent) = found else { return refused(language, Fault::Missing) };
    let open = is_open(consent) && !consent.shlink.is_empty();
    let content = html! {
        p class="back" { a href="/me/shares" { "‹ " (say::SHARES.to(language)) } }
        @if open {
            section class="sheet qr" {
                div class="body" {
                    h2 { (say::LINK_READY.to(language)) }
                    @if let Some(picture) = drawn(&consent.shlink) {
                        div class="picture" role="img" aria-label="QR" { (PreEscaped(picture)) }
                    }
                    p { (say::LINK_HOW.to(language)) }
                    @if consent.has_passcode { p class="banner warn" { (say::PASSCODE_HOW.to(language)) } }
                    textarea id="link" class="mono" readonly rows="4" aria-label=(say::LINK.to(language)) {
                        (consent.shlink)
                    }
                    p { button type="button" data-copy="link" data-done=(say::COPIED.to(language)) hidden {
                        (say::COPY.to(language))
                    } }
                }
            }
        }
        (card(&logins, &visitor, consent, false))
    };
    page(&logins, &visitor, Tab::Shares, say::SHARE_ONE, content)
}

/// Ends a share.
pub async fn revoke(
    State(logins): State<Arc<Logins>>,
    Extension(visitor): Who,
    Path(name): Path<String>,
    Form(form): Form<RevokeForm>,
) -> Result<Response, Response> {
    if !logins.wrote(&visitor, &form.token) {
        return Err(not_ours(&visitor));
    }
    let (gate, language) = (logins.gate(), visitor.session.language);
    let id = consent_name(&name).map_err(|_| refused(language, Fault::Missing))?;
    let ended = gate.hub().revoke_consent(gate.gateway(), visitor.session.acting(), id).await;
    ended.map_err(|error| failed(language, &error))?;
    Ok(on_to("/me/shares"))
}

async fn consents(logins: &Logins, visitor: &Visitor) -> Result<Vec<pb::Consent>, Response> {
    let gate = logins.gate();
    let found = gate.hub().own_consents(gate.gateway(), visitor.session.acting()).await;
    found.map_err(|error| failed(visitor.session.language, &error))
}

fn is_open(consent: &pb::Consent) -> bool {
    matches!(consent.state(), Stands::Active | Stands::Pending | Stands::Suspended)
}

/// Shows a share, and how it is ended; in a list with the way to its link.
fn card(logins: &Logins, visitor: &Visitor, consent: &pb::Consent, listed: bool) -> Markup {
    let language = visitor.session.language;
    let name = hex::encode(&consent.consent_id);
    let terms = consent.terms.clone().unwrap_or_default();
    let (class, state) = state(consent.state());
    let uses = match terms.uses_max {
        0 => consent.uses.to_string(),
        most => format!("{} / {most}", consent.uses),
    };
    html! {
        section class="sheet share" {
            div class="head" {
                h2 { (grantee(logins, &terms, language)) }
                span class={ "flag flag-" (class) } { (state.to(language)) }
            }
            div class="body" {
                p { (extent(&terms.extent.clone().unwrap_or_default(), language)) }
                dl class="facts" {
                    div { dt { (say::UNTIL.to(language)) } dd { (shown::moment(terms.to.as_ref())) } }
                    div { dt { (say::FOR_WHAT.to(language)) } dd { (say::purpose(terms.purpose()).to(language)) } }
                    div { dt { (say::USED.to(language)) } dd { (uses) } }
                }
                @if is_open(consent) {
                    form class="row" method="post" action={ "/me/shares/" (name) "/revoke" } {
                        (hidden(&logins.form_token(visitor)))
                        @if listed && !consent.shlink.is_empty() {
                            a class="button" href={ "/me/shares/" (name) } { (say::SHOW_LINK.to(language)) }
                        }
                        button class="danger" { (say::REVOKE.to(language)) }
                    }
                }
            }
        }
    }
}

fn grantee(logins: &Logins, terms: &pb::ConsentTerms, language: Language) -> String {
    match &terms.grantee {
        Some(Grantee::Organisation(code)) => organisation(logins, code, language),
        Some(Grantee::Link(_)) | None => say::BY_LINK.to(language).to_owned(),
    }
}

/// Gives the name of an organisation, or its code where the region does not list it.
pub fn organisation(logins: &Logins, code: &str, language: Language) -> String {
    let hub = logins.gate().hub();
    let listed = hub.registry().rules(hub.now()).ok().and_then(|rules| {
        let organisation = rules.organisation(code.parse().ok()?).ok()?;
        let name = if language == Language::En { &organisation.name_en } else { &organisation.name_zh };
        Some(name.clone()).filter(|name| !name.is_empty())
    });
    listed.unwrap_or_else(|| code.to_owned())
}

fn extent(extent: &pb::Extent, language: Language) -> String {
    let mut parts: Vec<String> = Vec::new();
    if extent.all {
        parts.push(say::EVERYTHING.to(language).to_owned());
    }
    parts.extend(extent.classes().map(|class| say::class(class).to(language).to_owned()));
    if !extent.items.is_empty() {
        parts.push(say::count(extent.items.len(), say::ITEMS, language));
    }
    if !extent.results.is_empty() {
        let things = if extent.results.len() == 1 { say::SINGLE_RESULT } else { say::SINGLE_RESULTS };
        parts.push(say::count(extent.results.len(), things, language));
    }
    let sensitive = if extent.sensitive { say::WITH_SENSITIVE } else { say::WITHOUT_SENSITIVE };
    let joint = if language == Language::En { ", " } else { "、" };
    format!("{}{}", parts.join(joint), sensitive.to(language))
}

fn state(state: Stands) -> (&'static str, crate::doors::http::pages::texts::Text) {
    match state {
        Stands::Active => ("normal", say::ACTIVE),
        Stands::Pending => ("abnormal", say::PENDING),
        Stands::Suspended => ("abnormal", say::SUSPENDED),
        Stands::Expired | Stands::Unspecified => ("other", say::EXPIRED),
        Stands::Revoked => ("other", say::REVOKED),
        Stands::UsedUp => ("other", say::USED_UP),
        Stands::Locked => ("high", say::LOCKED),
    }
}
