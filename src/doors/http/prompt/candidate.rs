//! One result on offer: the value first, then whatever lets a doctor rely on it.

use maud::{Markup, html};

use crate::doors::http::pages::{facts, shown};
use crate::doors::http::prompt::line::Line;
use crate::doors::http::prompt::texts;
use crate::wire::pb::{self, Language};
use pb::result_summary::Content;

/// Shows a result on its own, with all that is said of it.
pub fn alone(line: &Line<'_>, prompt: &pb::Prompt) -> Markup {
    let language = line.language();
    let Some(result) = &prompt.result else { return html! {} };
    let age_ms = prompt.evidence.as_ref().map(|evidence| evidence.age_ms);
    html! {
        article class="candidate" {
            input type="hidden" name="prompt" value=(hex::encode(&prompt.prompt_id));
            div class="top" {
                @if shown::item_name(result, language) != line.title() {
                    span class="what" { (shown::item_name(result, language)) }
                }
                (finding(result, language))
                span class="grow" {}
                (mark(prompt)) (original(line, prompt, true))
            }
            (facts::of_result(result, age_ms, language))
            @if let Some(evidence) = &prompt.evidence { (facts::why(evidence, result, language, false)) }
        }
    }
}

/// Shows one of several results in two rows, to be chosen or not; the rest is behind a fold.
pub fn one_of(line: &Line<'_>, prompt: &pb::Prompt, chosen: bool, first: bool) -> Markup {
    let language = line.language();
    let Some(result) = &prompt.result else { return html! {} };
    let id = format!("p-{}-{}", line.place, hex::encode(&prompt.prompt_id));
    let age_ms = prompt.evidence.as_ref().map(|evidence| evidence.age_ms);
    html! {
        article class="candidate several" {
            div class="top" {
                input type="checkbox" name="prompt" value=(hex::encode(&prompt.prompt_id)) id=(id) checked[chosen];
                label for=(id) class="what" { (shown::item_name(result, language)) }
                span class="found" { (finding(result, language)) }
                span class="soft ranged" { @if let Some(range) = range(result) { (facts::RANGE.to(language)) " " (range) } }
                span class="grow" {}
                (mark(prompt)) (original(line, prompt, first))
            }
            details class="why" {
                summary {
                    @if let Some(age_ms) = age_ms { strong { (shown::age(age_ms, language)) } " · " }
                    (shown::hospital(result, language)) " " (result.organisation_level)
                    @if let Some(evidence) = &prompt.evidence { " · " (facts::WHY.to(language)) " " (evidence.programme) }
                }
                (facts::of_result(result, age_ms, language))
                @if let Some(evidence) = &prompt.evidence { (facts::reliance(evidence, result, language)) }
            }
        }
    }
}

fn range(result: &pb::ResultSummary) -> Option<&str> {
    let Some(Content::LaboratoryResult(found)) = &result.content else { return None };
    Some(found.reference_range.as_str()).filter(|range| !range.is_empty())
}

fn mark(prompt: &pb::Prompt) -> Markup {
    let mark = prompt.evidence.as_ref().map_or("", |evidence| &evidence.mark);
    html! { @if !mark.is_empty() { span class="pill mark" { (mark) } } }
}

/// Shows the link under which the original is viewed; the first of a line has a key.
pub fn original(line: &Line<'_>, prompt: &pb::Prompt, first: bool) -> Markup {
    html! {
        @if let Some(link) = line.session.links.get(&prompt.prompt_id) {
            a class="button quiet" href={ "/view/" (link) } target="_blank" rel="noopener noreferrer" data-original[first] {
                @if first { kbd { "O" } } (texts::ORIGINAL.to(line.language()))
            }
        }
    }
}

fn finding(result: &pb::ResultSummary, language: Language) -> Markup {
    html! {
        @match &result.content {
            Some(Content::LaboratoryResult(found)) => { (shown::reading(found, language)) }
            Some(Content::ImagingStudy(study)) => { (images(study, language)) }
            None => {}
        }
        @if result.status() == pb::ResultStatus::Corrected {
            " " span class="flag flag-abnormal" { (facts::CORRECTED.to(language)) " v" (result.version) }
        }
    }
}

/// Says in a few words what a study holds.
fn images(study: &pb::ImagingStudy, language: Language) -> Markup {
    let instances: u64 = study.series.iter().map(|series| u64::from(series.instances)).sum();
    html! {
        span class="reading long" { span class="value" {
            @for coverage in &study.coverage { (coverage.modality) " " (coverage.body_part) " " }
        } }
        span class="soft" {
            @if language == Language::En { (study.series.len()) " series, " (instances) " images" }
            @else { (study.series.len()) " 个序列，" (instances) " 幅图像" }
        }
    }
}
