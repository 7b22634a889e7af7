//! The reasons to decline: one key each. Those that need nothing more are buttons; the others open a field beside them.

use maud::{Markup, html};

use crate::doors::http::prompt::form::{Field, chosen_of, text_of};
use crate::doors::http::prompt::line::Line;
use crate::doors::http::prompt::texts;
use crate::wire::pb;

/// Shows the reasons of a line, closed until they are wanted.
pub fn panel(line: &Line<'_>) -> Markup {
    let language = line.language();
    let reasons = common(line);
    let wrong = line.draft.filter(|draft| draft.field.is_some());
    html! {
        @if !reasons.is_empty() {
            details class="decline" open[wrong.is_some()] {
                summary class="button danger" data-key="D" { kbd { "D" } (texts::DECLINE.to(language)) }
                fieldset {
                    legend class="hidden" { (texts::REASON.to(language)) }
                    div class="reasons" {
                        @for (reason, key) in reasons.iter().zip(KEYS.chars()) { (one(line, reason, key)) }
                    }
                }
            }
        }
    }
}

/// Gives the words of a reason.
pub fn words(prompt: &pb::Prompt, code: &str) -> String {
    let reason = prompt.decline_reasons.iter().find(|reason| reason.code == code);
    reason.map_or_else(|| code.to_owned(), |reason| reason.text.clone())
}

/// Gives the reasons that fit every open prompt of the line.
pub fn common<'l>(line: &'l Line<'_>) -> Vec<&'l pb::DeclineReason> {
    let mut prompts = line.open();
    let Some(first) = prompts.next() else { return Vec::new() };
    let others: Vec<_> = prompts.collect();
    let fits = |reason: &&pb::DeclineReason| {
        others.iter().all(|prompt| prompt.decline_reasons.iter().any(|other| other.code == reason.code))
    };
    first.decline_reasons.iter().filter(fits).take(KEYS.len()).collect()
}

fn one(line: &Line<'_>, reason: &pb::DeclineReason, key: char) -> Markup {
    let act = format!("decline {}", reason.code);
    let plain = !reason.needs_text && reason.choices.is_empty();
    html! {
        @if plain {
            button type="submit" name="act" value=(act) data-reason=(key) class="reason" { kbd { (key) } (reason.text) }
        } @else {
            (more(line, reason, key, &act))
        }
    }
}

/// A reason that needs more: its choices are buttons of their own, a text has a field.
fn more(line: &Line<'_>, reason: &pb::DeclineReason, key: char, act: &str) -> Markup {
    let language = line.language();
    let draft = line.draft.filter(|draft| draft.reason == reason.code);
    let error = draft.and_then(|draft| draft.field);
    let (text, choice) = (draft.map_or("", |draft| &draft.text), draft.map_or("", |draft| &draft.choice));
    let (text_name, choice_name) = (text_of(&reason.code), chosen_of(&reason.code));
    html! {
        details class="reason" data-reason=(key) open[error.is_some()] {
            summary class="button" { kbd { (key) } (reason.text) " …" }
            div class={ "field" @if error.is_some() { " wrong" } } {
                @if reason.needs_text {
                    @if !reason.choices.is_empty() {
                        @for option in &reason.choices {
                            label class="choice" {
                                input type="radio" name=(choice_name) value=(option) checked[option == choice]; (option)
                            }
                        }
                    }
                    label for={ (text_name) "-" (line.place) } { (texts::EXPLAIN.to(language)) }
                    textarea id={ (text_name) "-" (line.place) } name=(text_name) rows="2" maxlength="1300"
                        data-needed=(texts::TEXT_NEEDED.to(language)) { (text) }
                    (wrong(error, language))
                    button type="submit" name="act" value=(act) { kbd { "↵" } (texts::SUBMIT.to(language)) }
                } @else {
                    @for (number, option) in (1..).zip(&reason.choices) {
                        button type="submit" name="act" value={ (act) " " (number) } data-choice=(number) {
                            kbd { (number) } (option)
                        }
                    }
                    (wrong(error, language))
                }
            }
        }
    }
}

fn wrong(field: Option<Field>, language: pb::Language) -> Markup {
    html! {
        @if let Some(field) = field { p class="error" role="alert" { (field.text().to(language)) } }
    }
}

/// Keys of reasons, in order; none of them is a key of the page.
const KEYS: &str = "1234567890BCEFGHIJKLMNPQSTUVWXYZ";
