//! The prompt page: a sheet for each order line. It works as plain forms; the script adds keys and tells the order screen.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use crate::doors::http::pages::texts::Text;
use crate::doors::http::pages::{Framing, Page};
use crate::doors::http::prompt::form::Draft;
use crate::doors::http::prompt::line::{self, Line};
use crate::doors::http::prompt::session::{Decided, Session, Standing};
use crate::doors::http::prompt::{outcome, texts};

/// Shows a session. A draft is what a doctor sent and what is wrong with it; it is shown where it was written.
pub fn show(session: &Session, capability: &str, decided: &Decided, draft: Option<&Draft>) -> Response {
    let language = session.language();
    let message = outcome::message(session, decided);
    let open = session.answer.lines.iter().any(|line| decided.standing(line) == Standing::Open);
    let framing = session.origin.as_ref().map_or(Framing::Nobody, |origin| Framing::Origin(origin.to_string()));
    let page = Page { title: texts::TITLE.to(language), language, scripts: &["prompt.js"], framing };
    let content = html! {
        div id="outcome" hidden data-outcome=(message.to_string()) data-origin=[session.origin.as_ref()] {}
        (state(session, open))
        @if open { (hints(session)) }
        @for (place, answer) in session.answer.lines.iter().enumerate() {
            (line::sheet(&Line {
                session,
                capability,
                place,
                answer,
                decided,
                draft: draft.filter(|draft| draft.line == place),
            }))
        }
    };
    page.answer(draft.map_or(StatusCode::OK, |draft| draft.status), content)
}

/// Says above everything that ordering goes on, or that all is done.
fn state(session: &Session, open: bool) -> Markup {
    let language = session.language();
    let offered = session.answer.lines.iter().any(|line| !line.prompts.is_empty());
    html! {
        @if let Some(degraded) = &session.answer.degraded {
            section class="banner warn" role="status" {
                strong { (texts::DEGRADED.to(language)) } (degraded.text)
            }
        } @else if !offered {
            section class="banner" role="status" { (texts::NOTHING.to(language)) }
        } @else if !open {
            section class="banner good" role="status" { strong { "✓" } (texts::ALL_DECIDED.to(language)) }
        }
    }
}

fn hints(session: &Session) -> Markup {
    let language = session.language();
    let several = session.answer.lines.len() > 1;
    let lines = match session.answer.lines.len() {
        count @ 0..10 => format!("1–{count}"),
        _ => "1–9 ↑ ↓".to_owned(),
    };
    let partial = session.answer.lines.iter().any(|line| !line.remaining_items.is_empty());
    let hint = |key: &str, text: Text| html! { span { kbd { (key) } " " (text.to(language)) } };
    html! {
        p class="hints" {
            @if several { (hint(&lines, texts::KEY_LINE)) }
            (hint("A", texts::KEY_ACCEPT))
            @if partial { (hint("R", texts::KEY_REST)) }
            (hint("D", texts::KEY_DECLINE))
            (hint("O", texts::KEY_ORIGINAL))
            (hint("Esc", texts::KEY_BACK))
        }
    }
}
