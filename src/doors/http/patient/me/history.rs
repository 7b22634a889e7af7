//! Who looked, in words.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::log::Sequence;
use crate::doors::http::pages::shown;
use crate::doors::http::patient::login::Logins;
use crate::doors::http::patient::me::texts as say;
use crate::doors::http::patient::me::{Queried, Tab, Who, failed, page};
use crate::wire::pb::{self, Language};
use pb::{AccessBasis, AccessKind, AccessOutcome};

/// Which part, and whether the patient's own reading is told too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    before: Option<u64>,
    own: Option<String>,
}

/// Lists who looked, newest first.
pub async fn list(State(logins): State<Arc<Logins>>, Extension(visitor): Who, asked: Queried<Asked>) -> Response {
    let Asked { before, own } = asked.map(|Query(asked)| asked).unwrap_or_default();
    let (gate, language) = (logins.gate(), visitor.session.language);
    let (mut shown, mut before, acting) = (Vec::new(), before.map(Sequence), visitor.session.acting());
    for turn in 0..PAGES_READ_MAX {
        let history = match turn {
            // The reading is recorded once, however many pages it takes to find others'.
            0 => gate.hub().own_history(gate.gateway(), acting, before, PAGE_ACCESSES).await,
            _ => gate.hub().access_history(acting.patient, before, PAGE_ACCESSES),
        };
        let (accesses, next) = match history {
            Ok(history) => history,
            Err(error) => return failed(language, &error),
        };
        shown.extend(accesses.into_iter().filter(|access| own.is_some() || access.kind() != AccessKind::PatientRead));
        before = next;
        if next.is_none() || shown.len() >= PAGE_SHOWN_MIN {
            break;
        }
    }
    let suffix = if own.is_some() { "&own=1" } else { "" };
    let content = html! {
        p class="hints" { (say::ACCESSES_HOW.to(language)) }
        p class="kinds" {
            a href="/me/accesses" aria-current=[own.is_none().then_some("true")] { (say::OTHERS_ONLY.to(language)) }
            a href="/me/accesses?own=1" aria-current=[own.is_some().then_some("true")] { (say::OWN_TOO.to(language)) }
        }
        @if shown.is_empty() { section class="sheet empty" { p { (say::NOBODY_LOOKED.to(language)) } } }
        @if !shown.is_empty() {
            ol class="sheet accesses" {
                @for same in shown.chunk_by(alike) { (row(&logins, same, language)) }
            }
        }
        @if let Some(next) = before {
            p class="more" {
                a class="button" href={ "/me/accesses?before=" (next.0) (suffix) } { (say::OLDER.to(language)) }
            }
        }
    };
    page(&logins, &visitor, Tab::Accesses, say::ACCESSES, content)
}

/// Says whether two accesses differ in nothing but their time.
fn alike(left: &pb::Access, right: &pb::Access) -> bool {
    let plain = |access: &pb::Access| pb::Access { log_index: 0, at: None, ..access.clone() };
    plain(left) == plain(right)
}

/// Tells accesses that differ in nothing but their time, newest first, as one.
fn row(logins: &Logins, same: &[pb::Access], language: Language) -> Markup {
    let Some(access) = same.first() else { return html! {} };
    let count = access.result_count.max(u32::try_from(access.results.len()).unwrap_or(u32::MAX));
    let loud = access.basis() == AccessBasis::BreakGlass;
    let actor = access.actor.clone().unwrap_or_default();
    html! {
        li class=[loud.then_some("loud")] {
            p class="when faint small" { (shown::moment(access.at.as_ref())) }
            p class="who" {
                strong { (who(access, language)) } " " (did(access.kind()).to(language)) (many(count, language))
                @if same.len() > 1 { span class="times" { "×" (same.len()) } }
            }
            p class="small soft" {
                @if let Some(why) = why(access) { span { (why.to(language)) } }
                @if !actor.practitioner.is_empty() {
                    span { (say::STAFF.to(language)) " " (actor.practitioner) " " (actor.department) }
                }
                @if !access.reason.is_empty() { span class="break" { (say::REASON.to(language)) (reason(logins, access, language)) } }
            }
            @match access.outcome() {
                AccessOutcome::Refused => span class="flag flag-other" { (say::REFUSED.to(language)) },
                AccessOutcome::WrongPasscode => span class="flag flag-high" { (say::WRONG_PASSCODE.to(language)) },
                AccessOutcome::Given | AccessOutcome::Unspecified => {},
            }
            @if loud { span class="flag flag-critical" { (say::EMERGENCY.to(language)) } }
        }
    }
}

fn who(access: &pb::Access, language: Language) -> String {
    let (first, second) = match language {
        Language::En => (&access.organisation_name_en, &access.organisation_name_zh),
        Language::Zh | Language::Unspecified => (&access.organisation_name_zh, &access.organisation_name_en),
    };
    let own = access.basis() == AccessBasis::Patient
        || matches!(
            access.kind(),
            AccessKind::ConsentGranted | AccessKind::ConsentRevoked | AccessKind::OptedOut | AccessKind::OptedIn
        );
    match access.kind() {
        AccessKind::LinkUsed if access.recipient.is_empty() => say::HOLDER.to(language).to_owned(),
        AccessKind::LinkUsed => format!("{} ({})", say::HOLDER.to(language), access.recipient),
        _ if own && access.guardian.is_empty() => say::YOU.to(language).to_owned(),
        _ if own => say::GUARDIAN.to(language).to_owned(),
        _ => {
            [first, second, &access.organisation].into_iter().find(|name| !name.is_empty()).cloned().unwrap_or_default()
        }
    }
}

/// Gives the reason as it was written, or the words of a coded one.
fn reason(logins: &Logins, access: &pb::Access, language: Language) -> String {
    let hub = logins.gate().hub();
    let coded = access.reason.parse().ok().and_then(|code| {
        let rules = hub.registry().rules(hub.now()).ok()?;
        let reason = rules.version.policy.reasons.get(&code)?;
        Some(if language == Language::En { reason.text_en.clone() } else { reason.text_zh.clone() })
    });
    coded.unwrap_or_else(|| access.reason.clone())
}

fn many(count: u32, language: Language) -> String {
    match (count, language) {
        (0, _) => String::new(),
        (1, Language::En) => " (1 result)".to_owned(),
        (count, Language::En) => format!(" ({count} results)"),
        (count, Language::Zh | Language::Unspecified) => format!("（{count} 项结果）"),
    }
}

fn did(kind: AccessKind) -> crate::doors::http::pages::texts::Text {
    match kind {
        AccessKind::Unspecified | AccessKind::Viewed => say::DID_VIEW,
        AccessKind::Prompted => say::DID_PROMPT,
        AccessKind::Listed => say::DID_LIST,
        AccessKind::Shown => say::DID_SHOW,
        AccessKind::Quoted => say::DID_QUOTE,
        AccessKind::Accepted => say::DID_ACCEPT,
        AccessKind::Declined => say::DID_DECLINE,
        AccessKind::DecisionRevoked => say::DID_TAKE_BACK,
        AccessKind::Fetched => say::DID_FETCH,
        AccessKind::Opened => say::DID_OPEN,
        AccessKind::FhirRead => say::DID_READ,
        AccessKind::PatientRead => say::DID_READ_OWN,
        AccessKind::LinkUsed => say::DID_USE_LINK,
        AccessKind::ConsentGranted => say::DID_SHARE,
        AccessKind::ConsentRevoked => say::DID_REVOKE,
        AccessKind::OptedOut => say::DID_OPT_OUT,
        AccessKind::OptedIn => say::DID_OPT_IN,
    }
}

fn why(access: &pb::Access) -> Option<crate::doors::http::pages::texts::Text> {
    match access.basis() {
        AccessBasis::Own => Some(say::BASIS_OWN),
        AccessBasis::Care => Some(say::BASIS_CARE),
        AccessBasis::Consent => Some(say::BASIS_CONSENT),
        AccessBasis::BreakGlass => Some(say::BASIS_GLASS),
        AccessBasis::Patient | AccessBasis::Unspecified => None,
    }
}

const PAGE_ACCESSES: usize = 100;
const PAGE_SHOWN_MIN: usize = 30;
const PAGES_READ_MAX: usize = 5;
