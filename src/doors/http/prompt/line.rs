//! One order line: its results on offer, what remains to be ordered, and the buttons; or how it was decided.

use maud::{Markup, html};

use crate::doors::http::pages::shown;
use crate::doors::http::prompt::candidate;
use crate::doors::http::prompt::form::Draft;
use crate::doors::http::prompt::session::{Decided, Said, Session, Standing, ToOrder};
use crate::doors::http::prompt::{names, reasons, texts};
use crate::wire::pb::{self, Language};

/// A line with all that its sheet needs.
pub struct Line<'a> {
    /// The session.
    pub session: &'a Session,
    /// The session's capability, for the form.
    pub capability: &'a str,
    /// Place of the line, from 0.
    pub place: usize,
    /// What the exchange knows of it.
    pub answer: &'a pb::LineAnswer,
    /// What was decided.
    pub decided: &'a Decided,
    /// What was sent for this line and could not be taken.
    pub draft: Option<&'a Draft>,
}

impl Line<'_> {
    /// Gives the language of the page.
    pub fn language(&self) -> Language {
        self.session.language()
    }

    /// Names the line.
    pub fn title(&self) -> String {
        let (asked, catalogue) = (&self.session.asked, &self.session.catalogue);
        let asked = asked.lines.iter().find(|asked| asked.line_id == self.answer.line_id);
        asked.map_or_else(|| self.answer.line_id.clone(), |asked| names::of_line(catalogue, asked, self.language()))
    }

    /// Gives the prompts that wait for a decision.
    pub fn open(&self) -> impl Iterator<Item = &pb::Prompt> {
        self.answer.prompts.iter().filter(|prompt| !self.decided.prompts.contains_key(&prompt.prompt_id))
    }
}

/// Shows the sheet of a line.
pub fn sheet(line: &Line<'_>) -> Markup {
    let standing = line.decided.standing(line.answer);
    let open = standing == Standing::Open;
    html! {
        section class={ "sheet line" @if !open { " settled" } } id={ "line-" (line.place + 1) }
            data-line=(line.place + 1) data-open[open] aria-label=(line.title()) {
            div class="head" {
                kbd class="number" { (line.place + 1) }
                h2 { (line.title()) }
                (badge(line, standing))
            }
            div class="body" {
                @if open { (form(line)) } @else { (settled(line)) }
                (quiet(line))
            }
        }
    }
}

fn badge(line: &Line<'_>, standing: Standing) -> Markup {
    let language = line.language();
    let (class, text) = match (standing, line.answer.coverage()) {
        (Standing::Accepted, _) => ("done", texts::ACCEPTED),
        (Standing::Declined, _) => ("declined", texts::DECLINED),
        (Standing::Mixed, _) => ("done", texts::MIXED),
        (Standing::Open, pb::LineCoverage::Full) => ("full", texts::FULL),
        (Standing::Open, _) => ("partial", texts::PARTIAL),
        (Standing::None, _) => ("none", texts::NONE),
    };
    html! { span class={ "pill " (class) } { (text.to(language)) } }
}

/// Everything of an open line is one form, so that a choice of results goes with whichever button is pressed.
fn form(line: &Line<'_>) -> Markup {
    let language = line.language();
    let open: Vec<_> = line.open().collect();
    let several = open.len() > 1;
    let chosen = |prompt: &pb::Prompt| line.draft.is_none_or(|draft| draft.prompts.contains(&prompt.prompt_id));
    html! {
        form method="post" action={ "/prompt/session/" (line.capability) "/decide" } autocomplete="off" {
            // The first button is what Enter presses in a field: it must decide nothing.
            button type="submit" disabled hidden {}
            input type="hidden" name="line" value=(line.place);
            @if let Some(error) = line.draft.and_then(|draft| draft.error_of_line()) {
                p class="banner loud" role="alert" { (error.to(language)) }
            }
            @for (place, prompt) in open.iter().enumerate() {
                @if several { (candidate::one_of(line, prompt, chosen(prompt), place == 0)) }
                @else { (candidate::alone(line, prompt)) }
            }
            (rest(line))
            div class="row acts" {
                (act("accept", "A", texts::ACCEPT.to(language), line.answer.remaining_items.is_empty()))
                @if !line.answer.remaining_items.is_empty() {
                    (act("rest", "R", texts::ACCEPT_REST.to(language), true))
                }
            }
            (reasons::panel(line))
        }
    }
}

fn act(value: &str, key: &str, text: &str, primary: bool) -> Markup {
    html! {
        button type="submit" name="act" value=(value) data-key=(key) class=[primary.then_some("primary")] {
            kbd { (key) } (text)
        }
    }
}

fn rest(line: &Line<'_>) -> Markup {
    let language = line.language();
    let items = &line.answer.remaining_items;
    html! {
        @if !items.is_empty() {
            p class="rest" {
                strong { (texts::REST.to(language)) } " "
                (names::of_items(&line.session.catalogue, items, language))
            }
        }
        (unknown(line))
    }
}

fn unknown(line: &Line<'_>) -> Markup {
    let language = line.language();
    html! {
        @if !line.answer.unknown.is_empty() {
            p class="rest" {
                strong { (texts::UNKNOWN_CODES.to(language)) } " "
                @for code in &line.answer.unknown { span class="mono" { (code.system) "=" (code.code) } " " }
            }
        }
    }
}

/// Says in a few lines how a line was decided, and what is to be ordered of it.
fn settled(line: &Line<'_>) -> Markup {
    let language = line.language();
    html! {
        ul class="said" {
            @for (place, prompt) in line.answer.prompts.iter().enumerate() {
                li {
                    @match line.decided.prompts.get(&prompt.prompt_id) {
                        Some(Said::Accepted) => { strong class="yes" { (texts::ACCEPTED.to(language)) } " " (brief(line, prompt, place == 0)) }
                        Some(Said::Declined(code)) => {
                            strong class="no" { (texts::DECLINED.to(language)) } " " (brief(line, prompt, place == 0))
                            span class="soft" { " — " (reasons::words(prompt, code)) }
                        }
                        None => {}
                    }
                }
            }
        }
        @if !line.answer.prompts.is_empty() {
            p class="rest" {
                @match line.decided.to_order(line.place, line.answer) {
                    ToOrder::Nothing => (texts::ORDER_NOTHING.to(language)),
                    ToOrder::All => (texts::ORDER_ALL.to(language)),
                    ToOrder::Items(items) => {
                        strong { (texts::REST.to(language)) } " "
                        (names::of_items(&line.session.catalogue, &items, language))
                    }
                    ToOrder::Undecided => {}
                }
            }
        } @else { (unknown(line)) }
    }
}

fn brief(line: &Line<'_>, prompt: &pb::Prompt, first: bool) -> Markup {
    let language = line.language();
    html! {
        @if let Some(result) = &prompt.result {
            (shown::item_name(result, language))
            @if let Some(pb::result_summary::Content::LaboratoryResult(found)) = &result.content {
                " " b { (shown::value(found)) " " (shown::unit(found)) } " " (shown::flag_badge(&found.flag, language))
            }
            " " (candidate::original(line, prompt, first))
        }
    }
}

fn quiet(line: &Line<'_>) -> Markup {
    let language = line.language();
    html! {
        @if !line.answer.quiet.is_empty() {
            details class="quiet" {
                summary { (texts::QUIET.to(language)) " (" (line.answer.quiet.len()) ")" }
                ul {
                    @for quiet in &line.answer.quiet {
                        li {
                            strong { (names::of_items(&line.session.catalogue, &quiet.items, language)) }
                            @for refusal in &quiet.refusals { " · " (refusal.text) }
                        }
                    }
                }
            }
        }
    }
}
