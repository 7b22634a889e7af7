//! The results of one report as a DiagnosticReport.

use crate::domain::time::Moment;
use crate::wire::fhir::element::{LOINC, concept, identifier, name_of, organisation, patient, reference};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::told::Told;
use crate::wire::fhir::when::{date_time, instant};
use crate::wire::pb;

/// Writes the report that holds `results`, which are of one report, each in its latest version; nothing for none.
pub fn diagnostic_report(results: &[Told<'_>]) -> Json {
    let Some(first) = results.first() else { return Json::Nothing };
    let (mut values, mut studies) = (Vec::new(), Vec::new());
    for told in results {
        let kind = told.kind();
        let into = if kind == "ImagingStudy" { &mut studies } else { &mut values };
        into.push(reference(kind, &told.id()));
    }
    let imaging = !studies.is_empty();
    let (category, category_name) = if imaging { ("RAD", "Radiology") } else { ("LAB", "Laboratory") };
    let code = if imaging {
        concept(LOINC, "18748-4", "Diagnostic imaging study").with("text", "检查报告".into())
    } else {
        concept(LOINC, "11502-2", "Laboratory report").with("text", "检验报告".into())
    };
    let issued = results.iter().filter_map(|told| told.reported).filter(|at| !at.is_date_only());
    let own = format!("urn:concord:report:{}", first.publisher);
    object([
        ("resourceType", "DiagnosticReport".into()),
        ("id", first.report_id().into()),
        ("meta", object([("versionId", version(results).to_string().into())])),
        ("identifier", array([identifier(&own, &first.report.to_string())])),
        ("status", status(results).into()),
        ("category", array([concept(CATEGORY, category, category_name)])),
        ("code", code),
        ("subject", patient(first.patient)),
    ])
    .with("effectiveDateTime", effective(results).map_or(Json::Nothing, date_time))
    .with("effectivePeriod", if effective(results).is_some() { Json::Nothing } else { period(results) })
    .with("issued", issued.max_by_key(|at| at.unix_ms()).map_or(Json::Nothing, instant))
    .with("performer", array([organisation(&first.result.organisation, name_of(first.result))]))
    .with("result", array(values))
    .with("imagingStudy", array(studies))
}

/// Gives the version of a report: it grows with every result that comes and every correction of one.
pub fn version(results: &[Told<'_>]) -> u64 {
    results.iter().map(|told| u64::from(told.result.version)).sum()
}

/// Gives the status of a report from those of its results. Source: FHIR R4, diagnostic-report-status.
pub fn status(results: &[Told<'_>]) -> &'static str {
    let is = |status: pb::ResultStatus| move |told: &&Told<'_>| told.result.status() == status;
    let standing = || results.iter().filter(|told| told.result.status() != pb::ResultStatus::Withdrawn);
    if standing().next().is_none() {
        return "entered-in-error";
    }
    let preliminary = standing().filter(is(pb::ResultStatus::Preliminary)).count();
    if preliminary == standing().count() {
        return "preliminary";
    }
    if preliminary > 0 {
        return "partial";
    }
    if standing().any(|told| is(pb::ResultStatus::Corrected)(&told)) { "corrected" } else { "final" }
}

/// Gives the one time of all results, if they have one.
fn effective(results: &[Told<'_>]) -> Option<Moment> {
    let first = results.first()?.collected;
    results.iter().all(|told| told.collected.unix_ms() == first.unix_ms()).then_some(first)
}

fn period(results: &[Told<'_>]) -> Json {
    let times = || results.iter().map(|told| told.collected);
    let bound = |at: Option<Moment>| at.map_or(Json::Nothing, date_time);
    object([
        ("start", bound(times().min_by_key(|at| at.unix_ms()))),
        ("end", bound(times().max_by_key(|at| at.unix_ms()))),
    ])
}

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";
