//! What doctors read beside a value: when, where, how, and why it may be relied on.

use maud::{Markup, html};

use crate::doors::http::pages::shown;
use crate::doors::http::pages::texts::Text;
use crate::wire::pb::{self, Language};
use pb::result_summary::Content;

/// Shows times, hospital, range, method and specimen of a result; with its age, where that is known.
pub fn of_result(result: &pb::ResultSummary, age_ms: Option<i64>, language: Language) -> Markup {
    let age = age_ms.map(|age_ms| shown::age(age_ms, language));
    let taken = match result.content {
        Some(Content::ImagingStudy(_)) => ACQUIRED,
        Some(Content::LaboratoryResult(_)) | None => COLLECTED,
    };
    html! {
        dl class="facts" {
            (fact(taken, language, html! {
                @if let Some(age) = age { b { (age) } " " } (shown::moment(result.collected_at.as_ref()))
            }))
            (fact(HOSPITAL, language, html! {
                (shown::hospital(result, language))
                @if !result.organisation_level.is_empty() { " " span class="pill" { (result.organisation_level) } }
            }))
            @if !result.laboratory.is_empty() && result.laboratory != result.organisation {
                (fact(LABORATORY, language, html! { span class="mono" { (result.laboratory) } }))
            }
            @if let Some(Content::LaboratoryResult(found)) = &result.content {
                (fact(RANGE, language, text(&found.reference_range)))
                (fact(METHOD, language, text(&found.method)))
                (fact(SPECIMEN, language, text(&shown::specimen(&found.specimen, language))))
                @if let Some(sent) = shown::as_sent(found) { (fact(AS_SENT, language, text(&sent))) }
            }
            (fact(REPORTED, language, text(&shown::moment(result.reported_at.as_ref()))))
        }
    }
}

/// Says why a result may be relied on: in one line, and in full when it is opened.
pub fn why(evidence: &pb::Evidence, result: &pb::ResultSummary, language: Language, open: bool) -> Markup {
    let between = if language == Language::En { "; " } else { "；" };
    html! {
        details class="why" open[open] {
            summary {
                strong { (WHY.to(language)) } " "
                (evidence.programme)
                @if !evidence.rounds.is_empty() { " · " (evidence.rounds.join(between)) }
                " · " (VALID.to(language)) " " (validity(evidence))
            }
            (reliance(evidence, result, language))
        }
    }
}

/// Shows every fact of an evidence.
pub fn reliance(evidence: &pb::Evidence, result: &pb::ResultSummary, language: Language) -> Markup {
    let (hours, between) = if language == Language::En { ("h", "; ") } else { ("小时", "；") };
    html! {
            dl class="facts" {
                (fact(PROGRAMME, language, text(&evidence.programme)))
                (fact(ROUNDS, language, text(&evidence.rounds.join(between))))
                (fact(VALID, language, text(&validity(evidence))))
                (fact(ISSUER, language, html! { span class="mono" { (evidence.issuer) } }))
                (fact(WINDOW, language, html! { (evidence.window_hours) " " (hours) }))
                (fact(POLICY, language, text(&evidence.policy_version)))
                (fact(QUALIFICATION, language, html! { span class="mono break" { (evidence.qualification_id) } }))
                (fact(LABORATORY, language, html! { span class="mono" {
                    @if result.laboratory.is_empty() { (result.organisation) } @else { (result.laboratory) }
                } }))
            }
    }
}

fn validity(evidence: &pb::Evidence) -> String {
    let day = |at: Option<&pb::Moment>| shown::moment(at).chars().take(DAY_CHARACTERS).collect::<String>();
    format!("{} – {}", day(evidence.valid_from.as_ref()), day(evidence.valid_to.as_ref()))
}

/// Shows one fact of a list of facts.
pub fn fact(term: Text, language: Language, value: Markup) -> Markup {
    html! { div { dt { (term.to(language)) } dd { (value) } } }
}

/// Shows a text, or a dash where there is none.
pub fn text(value: &str) -> Markup {
    html! { @if value.is_empty() { span class="faint" { "—" } } @else { (value) } }
}

const DAY_CHARACTERS: usize = 10;

/// The range that a value is read against.
pub const RANGE: Text = Text::new("参考区间", "Reference range");
/// How a value was measured.
pub const METHOD: Text = Text::new("方法", "Method");
/// What was measured in.
pub const SPECIMEN: Text = Text::new("标本", "Specimen");
const COLLECTED: Text = Text::new("采集时间", "Collected");
const ACQUIRED: Text = Text::new("检查时间", "Acquired");
/// When a result was reported.
pub const REPORTED: Text = Text::new("报告时间", "Reported");
const HOSPITAL: Text = Text::new("发布医院", "Hospital");
const AS_SENT: Text = Text::new("原单位结果", "As the laboratory wrote it");
/// Why it may be relied on.
pub const WHY: Text = Text::new("互认依据", "Why it may be relied on");
const PROGRAMME: Text = Text::new("室间质评/资质", "EQA programme");
const ROUNDS: Text = Text::new("历次成绩", "Rounds");
const VALID: Text = Text::new("资质有效期", "Qualified");
const ISSUER: Text = Text::new("认定机构", "Issued by");
const WINDOW: Text = Text::new("互认时限", "Window");
const POLICY: Text = Text::new("政策版本", "Policy version");
const QUALIFICATION: Text = Text::new("资质编号", "Qualification");
/// Who made a result.
pub const LABORATORY: Text = Text::new("检验机构", "Laboratory");
/// A result that replaces an earlier one.
pub const CORRECTED: Text = Text::new("更正报告", "Corrected");
