//! Own results: the list by day, one result with how it went, and its originals.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::fault::Fault;
use crate::doors::http::pages::shown;
use crate::doors::http::patient::api::{brought, cursor_read, cursor_written};
use crate::doors::http::patient::login::Logins;
use crate::doors::http::patient::me::texts as say;
use crate::doors::http::patient::me::trend::trend;
use crate::doors::http::patient::me::{Queried, Tab, Who, failed, on_to, page, refused};
use crate::service::hub::own::OwnFilter;
use crate::service::viewing::Opening;
use crate::wire::patient::result_name;
use crate::wire::pb::{self, Language};
use pb::result_summary::Content;

/// Which page of the list, and of what kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listed {
    cursor: String,
    class: String,
}

/// Lists the results, newest day first.
pub async fn list(State(logins): State<Arc<Logins>>, Extension(visitor): Who, listed: Queried<Listed>) -> Response {
    let (session, gate) = (&visitor.session, logins.gate());
    let language = session.language;
    let listed = listed.map(|Query(listed)| listed).unwrap_or_default();
    let classes = match listed.class.as_str() {
        "laboratory" => [crate::domain::consent::ResultClass::Laboratory].into(),
        "imaging" => [crate::domain::consent::ResultClass::Imaging].into(),
        _ => std::collections::BTreeSet::new(),
    };
    let cursor = cursor_read(&listed.cursor);
    let filter = OwnFilter { classes, cursor, limit: PAGE_RESULTS, ..OwnFilter::default() };
    let own = match gate.hub().own_results(gate.gateway(), session.acting(), &filter, language).await {
        Ok(own) => own,
        Err(error) => return failed(language, &error),
    };
    let kinds = [("", say::ALL), ("laboratory", say::LABORATORY), ("imaging", say::IMAGING)];
    let content = html! {
        div class="kinds" {
            @for (class, name) in kinds {
                a href={ "/me?class=" (class) } aria-current=[(class == listed.class).then_some("true")] {
                    (name.to(language))
                }
            }
            a class="button primary" href="/me/share" { (say::SHARE.to(language)) }
        }
        @if own.results.is_empty() {
            section class="sheet empty" { p { (say::NO_RESULTS.to(language)) } }
        }
        @for day in own.results.chunk_by(|left, right| day(left) == day(right)) {
            h2 class="day" { (day.first().map(self::day).unwrap_or_default()) }
            section class="sheet list" { @for result in day { (row(result, language)) } }
        }
        @if let Some(next) = own.next {
            p class="more" {
                a class="button" href={ "/me?class=" (listed.class) "&cursor=" (cursor_written(next)) } {
                    (say::OLDER.to(language))
                }
            }
        }
    };
    page(&logins, &visitor, Tab::Results, say::TITLE, content)
}

/// Shows one result.
pub async fn one(State(logins): State<Arc<Logins>>, Extension(visitor): Who, Path(name): Path<String>) -> Response {
    let (session, gate) = (&visitor.session, logins.gate());
    let (language, acting) = (session.language, session.acting());
    let Ok(id) = result_name(&name) else { return refused(language, Fault::Missing) };
    let own = match gate.hub().own_result(gate.gateway(), acting, id, language).await {
        Ok(own) => own,
        Err(error) => return failed(language, &error),
    };
    let result = own.result;
    let item = result.items.first().and_then(|item| item.parse().ok());
    let earlier = match (item, &result.content) {
        (Some(item), Some(Content::LaboratoryResult(_))) => {
            gate.hub().own_trend(gate.gateway(), acting, item, language).await
        }
        _ => Ok(Vec::new()),
    };
    let earlier = match earlier {
        Ok(earlier) => earlier,
        Err(error) => return failed(language, &error),
    };
    let content = html! {
        p class="back" { a href="/me" { "‹ " (say::RESULTS.to(language)) } }
        (whole(&result, language))
        (trend(&earlier, &result, language))
        p class="row" {
            a class="button" href={ "/me/results/" (name) "/report" } {
                @match &result.content {
                    Some(Content::ImagingStudy(_)) => (say::OPEN_IMAGES.to(language)),
                    _ => (say::OPEN_REPORT.to(language)),
                }
            }
            a class="button primary" href={ "/me/share?result=" (name) } { (say::SHARE_THIS.to(language)) }
        }
        (originals(&result, &name, language))
    };
    page(&logins, &visitor, Tab::Results, say::RESULT, content)
}

/// Opens the report, or the images, on a page of their own: by a link that lasts an hour and names nobody.
pub async fn report(State(logins): State<Arc<Logins>>, Extension(visitor): Who, Path(name): Path<String>) -> Response {
    let (session, gate) = (&visitor.session, logins.gate());
    let (language, acting) = (session.language, session.acting());
    let Ok(id) = result_name(&name) else { return refused(language, Fault::Missing) };
    let own = match gate.hub().own_result(gate.gateway(), acting, id, language).await {
        Ok(own) => own,
        Err(error) => return failed(language, &error),
    };
    let pseudonym = acting.patient.as_bytes().to_vec().into();
    let link = logins.viewing().link(Opening {
        caller: gate.gateway().clone(),
        actor: pb::Actor::default(),
        patient: pb::Patient { pseudonym, ..Default::default() },
        visit: pb::Visit::default(),
        result: own.result,
        evidence: None,
        prompt_id: bytes::Bytes::new(),
        grant: Some(own.grant),
        standing: None,
        language,
    });
    on_to(&format!("/view/{link}"))
}

/// Brings an original as a file.
pub async fn original(
    State(logins): State<Arc<Logins>>,
    Extension(visitor): Who,
    Path((name, digest)): Path<(String, String)>,
) -> Response {
    match brought(logins.gate(), visitor.session.acting(), &name, &digest).await {
        Ok(response) => response.into_response(),
        Err(problem) => refused(visitor.session.language, problem.fault),
    }
}

fn row(result: &pb::ResultSummary, language: Language) -> Markup {
    html! {
        a class="result" href={ "/me/results/" (hex::encode(&result.name)) } {
            span class="what" {
                strong { (shown::item_name(result, language)) }
                span class="soft small" { (shown::hospital(result, language)) (status(result, language)) }
            }
            span class="found" { (found(result, language)) }
        }
    }
}

fn found(result: &pb::ResultSummary, language: Language) -> Markup {
    html! {
        @match &result.content {
            Some(Content::LaboratoryResult(found)) => (shown::reading(found, language)),
            Some(Content::ImagingStudy(study)) => span class="pill" { (images(study, language)) },
            None => {},
        }
    }
}

fn images(study: &pb::ImagingStudy, language: Language) -> String {
    let count: u32 = study.series.iter().map(|series| series.instances).sum();
    let modality = study.series.first().map(|series| series.modality.as_str()).unwrap_or_default();
    match language {
        Language::En => format!("{modality} · {count} images"),
        Language::Zh | Language::Unspecified => format!("{modality} · {count} 幅影像"),
    }
}

fn status(result: &pb::ResultSummary, language: Language) -> Markup {
    let said = match result.status() {
        pb::ResultStatus::Preliminary => Some(say::PRELIMINARY),
        pb::ResultStatus::Corrected => Some(say::CORRECTED),
        pb::ResultStatus::Withdrawn => Some(say::WITHDRAWN),
        pb::ResultStatus::Final | pb::ResultStatus::Unspecified => None,
    };
    html! { @if let Some(said) = said { " " span class="flag flag-abnormal" { (said.to(language)) } } }
}

fn whole(result: &pb::ResultSummary, language: Language) -> Markup {
    let found = match &result.content {
        Some(Content::LaboratoryResult(found)) => Some(found),
        _ => None,
    };
    let facts = [
        (say::REFERENCE, found.map(|found| found.reference_range.clone())),
        (say::HOSPITAL, Some(shown::hospital(result, language).to_owned())),
        (say::COLLECTED, Some(shown::moment(result.collected_at.as_ref()))),
        (say::REPORTED, Some(shown::moment(result.reported_at.as_ref()))),
        (say::METHOD, found.map(|found| found.method.clone())),
        (say::AS_SENT, found.and_then(shown::as_sent)),
    ];
    html! {
        section class="sheet" {
            div class="body" {
                h2 { (shown::item_name(result, language)) (status(result, language)) }
                p class="large" { (self::found(result, language)) }
                dl class="facts" {
                    @for (name, fact) in facts {
                        @if let Some(fact) = fact.filter(|fact| !fact.is_empty()) {
                            div { dt { (name.to(language)) } dd { (fact) } }
                        }
                    }
                }
            }
        }
    }
}

fn originals(result: &pb::ResultSummary, name: &str, language: Language) -> Markup {
    let shown_count = result.originals.len().min(ORIGINALS_SHOWN);
    html! {
        section class="sheet" {
            div class="head" { h2 { (say::ORIGINALS.to(language)) } }
            div class="body" {
                ul class="files" {
                    @for original in &result.originals[..shown_count] {
                        li {
                            a href={ "/me/results/" (name) "/originals/" (hex::encode(&original.digest)) } {
                                (shown::media(&original.media_type, language))
                            }
                            " " span class="faint small" { (shown::size(original.size_bytes)) }
                        }
                    }
                }
                p class="small soft" { (say::ORIGINALS_HOW.to(language)) }
            }
        }
    }
}

/// Gives the day on which something was collected, as it is written.
fn day(result: &pb::ResultSummary) -> String {
    shown::moment(result.collected_at.as_ref()).chars().take(DAY_CHARACTERS).collect()
}

const DAY_CHARACTERS: usize = 10;
const PAGE_RESULTS: usize = 60;
const ORIGINALS_SHOWN: usize = 100;
