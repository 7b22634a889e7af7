//! The page of one result: what it says, whether it still stands, what it compares with, and its originals.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use crate::domain::catalogue::Catalogue;
use crate::doors::http::pages::facts::{self, fact};
use crate::doors::http::pages::texts::Text;
use crate::doors::http::pages::{Framing, Page, shown};
use crate::doors::http::view::{siblings, texts, trend};
use crate::service::viewing::Opening;
use crate::wire::pb::{self, Language};
use pb::result_summary::Content;

/// A result with all that its page needs.
pub struct Report<'a> {
    /// What the link opens; the view is recorded.
    pub opened: &'a Opening,
    /// The link's capability.
    pub capability: &'a str,
    /// Other results of the patient, where they could be had.
    pub others: Option<Vec<pb::ResultSummary>>,
    /// The catalogue.
    pub catalogue: &'a Catalogue,
    /// The time, milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: i64,
}

/// Shows the page.
pub fn show(report: &Report<'_>) -> Response {
    let (result, language) = (&report.opened.result, report.opened.language);
    let page = Page { title: texts::TITLE.to(language), language, scripts: &[], framing: Framing::Nobody };
    let content = html! {
        (standing(report))
        section class="sheet" {
            div class="head" {
                h2 { (shown::item_name(result, language)) }
                @if let Some(evidence) = &report.opened.evidence {
                    @if !evidence.mark.is_empty() { span class="pill mark" { (evidence.mark) } }
                }
                " " span class="pill" { (texts::VERSION.to(language)) " " (result.version) }
            }
            div class="body" {
                @match &result.content {
                    Some(Content::LaboratoryResult(found)) => { p class="headline" { (shown::reading(found, language)) } }
                    Some(Content::ImagingStudy(study)) => { (study_of(report, study)) }
                    None => {}
                }
                (facts::of_result(result, age(report), language))
                (details(result, language))
                @if let Some(evidence) = &report.opened.evidence { (facts::why(evidence, result, language, false)) }
            }
        }
        @if matches!(result.content, Some(Content::LaboratoryResult(_))) { (same_report(report)) (history(report)) }
        (originals(report))
    };
    page.answer(StatusCode::OK, content)
}

fn age(report: &Report<'_>) -> Option<i64> {
    report.opened.result.collected_at.as_ref().map(|at| report.now_ms.saturating_sub(at.unix_ms))
}

/// Says loudly what a reader must know before the value.
fn standing(report: &Report<'_>) -> Markup {
    let (result, language) = (&report.opened.result, report.opened.language);
    let banner = |class: &str, title: Text, advice: Text| {
        html! { section class={ "banner " (class) } role="alert" { strong { (title.to(language)) } (advice.to(language)) } }
    };
    let others = report.others.as_deref().unwrap_or_default();
    // What is prompted is listed too, while it stands and is younger than a year.
    let listed = others.iter().any(|other| siblings::is_same(result, other));
    let young = age(report).is_some_and(|age_ms| age_ms < LISTED_MS);
    let expected = report.others.is_some() && !report.opened.prompt_id.is_empty() && young && others.len() < LIST_MAX;
    let superseded = report.opened.standing.filter(|(version, _)| *version > result.version);
    let withdrawn_since = superseded.is_some_and(|(_, status)| status == pb::ResultStatus::Withdrawn);
    html! {
        @match result.status() {
            _ if withdrawn_since => (banner("loud", texts::WITHDRAWN, texts::WITHDRAWN_ADVICE)),
            pb::ResultStatus::Withdrawn => (banner("loud", texts::WITHDRAWN, texts::WITHDRAWN_ADVICE)),
            pb::ResultStatus::Corrected => (banner("warn", facts::CORRECTED, texts::CORRECTED_ADVICE)),
            pb::ResultStatus::Preliminary => (banner("loud", texts::PRELIMINARY, texts::PRELIMINARY_ADVICE)),
            pb::ResultStatus::Final | pb::ResultStatus::Unspecified => {}
        }
        @if let Some(newer) = siblings::newer(result, others) {
            section class="banner loud" role="alert" {
                strong { (texts::NEWER.to(language)) } (texts::NEWER_ADVICE.to(language)) " "
                @if let Some(Content::LaboratoryResult(found)) = &newer.content { (shown::reading(found, language)) }
                " " (shown::moment(newer.reported_at.as_ref()))
            }
        } @else if superseded.is_some() && !withdrawn_since {
            (banner("loud", texts::NEWER, texts::SUPERSEDED_ADVICE))
        } @else if expected && !listed && !withdrawn_since {
            (banner("warn", texts::UNLISTED, texts::UNLISTED_ADVICE))
        }
    }
}

fn details(result: &pb::ResultSummary, language: Language) -> Markup {
    html! {
        dl class="facts more" {
            @if let Some(Content::LaboratoryResult(found)) = &result.content {
                (fact(texts::INSTRUMENT, language, facts::text(&found.instrument)))
                (fact(texts::LOINC, language, facts::text(&found.loinc)))
                @if let Some(local) = &found.local {
                    (fact(texts::LOCAL, language, html! { (local.code) " " span class="soft" { (local.display) } }))
                }
            }
            (fact(texts::LOG, language, html! { span class="mono" { (result.log_index) " / " (result.entry) } }))
        }
    }
}

fn study_of(report: &Report<'_>, study: &pb::ImagingStudy) -> Markup {
    let language = report.opened.language;
    html! {
        p class="headline" {
            span class="reading long" { span class="value" {
                @for coverage in &study.coverage { (coverage.modality) " " (coverage.body_part) " " }
            } } " "
            a class="button primary" href={ "/view/" (report.capability) "/images" } { (texts::IMAGES.to(language)) }
        }
        table {
            thead { tr {
                th { (texts::SERIES.to(language)) } th { (texts::MODALITY.to(language)) }
                th { (texts::DESCRIPTION.to(language)) } th class="number" { (texts::SLICE.to(language)) }
                th class="number" { (texts::INSTANCES.to(language)) }
            } }
            tbody {
                @for (number, series) in (1..).zip(&study.series) {
                    tr {
                        td { (number) } td { (series.modality) } td { (facts::text(&series.description)) }
                        td class="number" { (facts::text(&series.slice_thickness_mm)) }
                        td class="number" { (series.instances) }
                    }
                }
            }
        }
    }
}

fn same_report(report: &Report<'_>) -> Markup {
    let (result, language) = (&report.opened.result, report.opened.language);
    let all = siblings::report(result, report.others.as_deref().unwrap_or_default());
    html! {
        @if all.len() > 1 {
            section class="sheet" {
                div class="head" { h2 { (texts::SAME_REPORT.to(language)) } span class="soft" { (all.len()) } }
                div class="body" { table {
                    thead { tr {
                        th { (texts::ITEM.to(language)) } th class="number" { (texts::VALUE.to(language)) }
                        th { (texts::FLAG.to(language)) } th { (facts::RANGE.to(language)) }
                        th { (facts::METHOD.to(language)) }
                    } }
                    tbody {
                        @for one in all {
                            @if let Some(Content::LaboratoryResult(found)) = &one.content {
                                tr class=[siblings::is_same(one, result).then_some("current")] {
                                    td { (shown::item_name(one, language)) }
                                    td class="number" { (shown::value(found)) " " span class="soft" { (shown::unit(found)) } }
                                    td { (shown::flag_badge(&found.flag, language)) }
                                    td { (facts::text(&found.reference_range)) }
                                    td { (facts::text(&found.method)) }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn history(report: &Report<'_>) -> Markup {
    let (result, language) = (&report.opened.result, report.opened.language);
    html! {
        section class="sheet" {
            div class="head" { h2 { (texts::TREND.to(language)) } }
            div class="body" {
                @match &report.others {
                    None => p class="soft" { (texts::TREND_AWAY.to(language)) },
                    Some(others) => {
                        @let all = trend::comparable(result, others, report.catalogue);
                        @if all.len() > 1 { (trend::show(result, &all, language)) }
                        @else { p class="soft" { (texts::NO_TREND.to(language)) } }
                    }
                }
            }
        }
    }
}

fn originals(report: &Report<'_>) -> Markup {
    let (result, language) = (&report.opened.result, report.opened.language);
    let files = result.originals.iter().filter(|original| original.media_type != INSTANCE);
    let files: Vec<_> = files.take(FILES_MAX).collect();
    let path =
        |original: &pb::Original| format!("/view/{}/originals/{}", report.capability, hex::encode(&original.digest));
    let shows = |original: &pb::Original| matches!(original.media_type.as_str(), "application/pdf" | "text/plain");
    html! {
        @if !files.is_empty() {
            section class="sheet" {
                div class="head" { h2 { (texts::ORIGINALS.to(language)) } }
                div class="body" {
                    p class="soft small" { (texts::ORIGINALS_ADVICE.to(language)) }
                    table class="originals" { tbody {
                        @for original in &files {
                            tr {
                                td { strong { (shown::media(&original.media_type, language)) } }
                                td class="soft" { (shown::size(original.size_bytes)) }
                                td class="mono soft break" { "SHA-256 " (hex::encode(&original.digest)) }
                                td class="number" {
                                    @if shows(original) {
                                        a class="button" target="_blank" rel="noopener noreferrer"
                                            href={ (path(original)) "?shown=true" } { (texts::SHOW.to(language)) }
                                    }
                                    a class="button" href=(path(original)) download { (texts::DOWNLOAD.to(language)) }
                                }
                            }
                        }
                    } }
                    @for original in files.iter().filter(|original| shows(original)).take(FRAMES_MAX) {
                        iframe class="original" title=(shown::media(&original.media_type, language)) loading="lazy"
                            src={ (path(original)) "?shown=true" } {}
                    }
                }
            }
        }
    }
}

const INSTANCE: &str = "application/dicom";
const FILES_MAX: usize = 50;
/// Each frame brings an original from its hospital.
const FRAMES_MAX: usize = 2;
const LISTED_MS: i64 = 8_700 * 3_600_000;
const LIST_MAX: usize = 500;
