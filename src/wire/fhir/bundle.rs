//! Bundles: a collection of one patient's results.

use std::collections::BTreeMap;

use crate::domain::id::Pseudonym;
use crate::domain::time::Moment;
use crate::wire::fhir::element::{Context, USCC, identifier, name_of};
use crate::wire::fhir::imaging::imaging_study;
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::observation::observation;
use crate::wire::fhir::people::patient;
use crate::wire::fhir::report::diagnostic_report;
use crate::wire::fhir::told::Told;
use crate::wire::fhir::when::instant;
use crate::wire::field::FieldError;
use crate::wire::pb;

/// Writes results of one patient as a collection: the patient by pseudonym, the hospitals, the reports, the results.
///
/// # Errors
/// [`FieldError`] when a result carries a malformed name, which no result of the hub does.
pub fn bundle_of(
    context: &Context<'_>,
    pseudonym: Pseudonym,
    results: &[pb::ResultSummary],
    at: Moment,
) -> Result<Json, FieldError> {
    let told: Vec<Told<'_>> = results.iter().map(|result| Told::new(result, pseudonym)).collect::<Result<_, _>>()?;
    let mut reports: BTreeMap<String, Vec<Told<'_>>> = BTreeMap::new();
    told.iter().for_each(|one| reports.entry(one.report_id()).or_default().push(*one));
    let mut hospitals: BTreeMap<&str, Json> = BTreeMap::new();
    told.iter().for_each(|one| drop(hospitals.insert(&one.result.organisation, hospital(one))));
    let resources = std::iter::once(patient(context, pseudonym))
        .chain(hospitals.into_values())
        .chain(reports.values().map(|results| diagnostic_report(results)))
        .chain(told.iter().map(result));
    Ok(object([
        ("resourceType", "Bundle".into()),
        ("type", "collection".into()),
        ("timestamp", instant(at)),
        ("entry", array(resources.map(|resource| entry(context, resource)))),
    ]))
}

/// Writes a result as the resource that it is.
pub fn result(told: &Told<'_>) -> Json {
    match told.kind() {
        "ImagingStudy" => imaging_study(told, None),
        _ => observation(told),
    }
}

/// Puts a resource under its own address.
pub fn entry(context: &Context<'_>, resource: Json) -> Json {
    let part = |name: &str| resource.member(name).and_then(Json::text).unwrap_or_default();
    let url = context.url(part("resourceType"), part("id"));
    object([("fullUrl", url.into()), ("resource", resource)])
}

/// Writes what a result says of the hospital that publishes it.
fn hospital(told: &Told<'_>) -> Json {
    let code = told.result.organisation.as_str();
    object([
        ("resourceType", "Organization".into()),
        ("id", code.into()),
        ("identifier", array([identifier(USCC, code)])),
        ("name", name_of(told.result).into()),
        ("alias", array([told.result.organisation_name_en.as_str().into()])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Moment {
        Moment::new(1_780_000_000_000, 480).unwrap().plus_hours(hours)
    }

    fn summary(number: u8, content: pb::result_summary::Content) -> pb::ResultSummary {
        pb::ResultSummary {
            result_id: vec![number; 16].into(),
            version: 1,
            status: pb::ResultStatus::Final.into(),
            organisation: "91350100M000100Y43".into(),
            organisation_name_zh: "甲医院".into(),
            organisation_name_en: "First".into(),
            items: vec!["L01001".into()],
            item_name_zh: "钾".into(),
            item_name_en: "Potassium".into(),
            collected_at: Some(at(0).into()),
            reported_at: Some(at(2).into()),
            report_id: vec![7; 16].into(),
            laboratory: "91350100M000100Y43".into(),
            sensitivity: pb::Sensitivity::Normal.into(),
            content: Some(content),
            ..Default::default()
        }
    }

    fn potassium() -> pb::result_summary::Content {
        pb::result_summary::Content::LaboratoryResult(pb::LaboratoryResult {
            loinc: "2823-3".into(),
            local: Some(pb::Code { system: "LIS 1".into(), code: "K".into(), display: "钾".into() }),
            specimen: "SER".into(),
            value: Some(pb::laboratory_result::Value::Quantity(pb::Quantity {
                number: "4.10".into(),
                unit: "mmol/L".into(),
                ..Default::default()
            })),
            reference_range: "3.5-5.3".into(),
            flag: "N".into(),
            method: "ISE".into(),
            instrument: "AU5800".into(),
            comparability: pb::Comparability::Comparable.into(),
        })
    }

    #[test]
    fn a_collection_holds_patient_hospital_report_and_result() {
        let context = Context { region: "520000".parse().unwrap(), base: "https://hub.example.cn/fhir/r4" };
        let results = [summary(1, potassium())];
        let bundle = bundle_of(&context, Pseudonym::new([9; 16]), &results, at(3)).unwrap().to_string();
        let read: serde_json::Value = serde_json::from_str(&bundle).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&read).unwrap());
        assert!(bundle.contains(r#""value":4.10"#));
    }
}
