//! A study of images as an ImagingStudy.

use crate::wire::fhir::element::{BODY_PARTS, DICOM, DICOM_UID, SNOMED, coding, identifier, patient, words};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::observation::{items, result_identifier};
use crate::wire::fhir::told::Told;
use crate::wire::fhir::when::date_time;
use crate::wire::pb;

/// Writes an ImagingStudy; nothing for a result of the laboratory. `wado` is the address under which the images can be
/// fetched by DICOMweb, where they can.
pub fn imaging_study(told: &Told<'_>, wado: Option<&str>) -> Json {
    let Some(pb::result_summary::Content::ImagingStudy(study)) = &told.result.content else {
        return Json::Nothing;
    };
    let uid = identifier(DICOM_UID, &format!("urn:oid:{}", study.study_uid));
    let mut modalities: Vec<&str> = study.series.iter().map(|series| series.modality.as_str()).collect();
    modalities.extend(study.coverage.iter().map(|coverage| coverage.modality.as_str()));
    modalities.retain(|modality| !modality.is_empty());
    modalities.sort_unstable();
    modalities.dedup();
    let instances: u64 = study.series.iter().map(|series| u64::from(series.instances)).sum();
    let series_count = u64::try_from(study.series.len()).unwrap_or(u64::MAX);
    let endpoint_reference = wado.map(|_| object([("reference", "#wado".into())]));
    object([
        ("resourceType", "ImagingStudy".into()),
        ("id", told.id().into()),
        ("meta", told.meta()),
        ("contained", array(wado.map(endpoint))),
        ("identifier", array([uid, result_identifier(told)])),
        ("status", status(told.result.status()).into()),
        ("modality", array(modalities.into_iter().map(|modality| coding(DICOM, modality, "")))),
        ("subject", patient(told.patient)),
        ("started", date_time(told.collected)),
        ("endpoint", array(endpoint_reference)),
        ("numberOfSeries", series_count.into()),
        ("numberOfInstances", instances.into()),
        ("procedureCode", procedures(told)),
        ("description", told.result.item_name_zh.as_str().into()),
        ("series", array(study.series.iter().map(|one| series(study, one)))),
    ])
}

/// Gives the status of an ImagingStudy.
pub fn status(status: pb::ResultStatus) -> &'static str {
    match status {
        pb::ResultStatus::Preliminary => "registered",
        pb::ResultStatus::Final | pb::ResultStatus::Corrected => "available",
        pb::ResultStatus::Withdrawn => "entered-in-error",
        pb::ResultStatus::Unspecified => "unknown",
    }
}

fn procedures(told: &Told<'_>) -> Json {
    let codings = items(told.result);
    array((!codings.is_empty()).then(|| object([("coding", array(codings))])))
}

/// Writes a series. The body part stands in it where the study shows one with its modality.
fn series(study: &pb::ImagingStudy, series: &pb::Series) -> Json {
    let shown = |coverage: &&pb::Coverage| series.modality.is_empty() || coverage.modality == series.modality;
    let mut covering = study.coverage.iter().filter(shown);
    let coverage = covering.next().filter(|_| covering.next().is_none());
    let modality = match series.modality.as_str() {
        "" => coverage.map_or("OT", |coverage| coverage.modality.as_str()),
        modality => modality,
    };
    let body_part = coverage.map(|coverage| coverage.body_part.as_str()).filter(|part| !part.is_empty());
    object([
        ("uid", series.series_uid.as_str().into()),
        ("modality", coding(DICOM, modality, "")),
        ("description", series.description.as_str().into()),
        ("numberOfInstances", u64::from(series.instances).into()),
        ("bodySite", body_part.map(|part| coding(BODY_PARTS, part, "")).into()),
        ("laterality", coverage.map(|coverage| laterality(coverage.laterality())).into()),
    ])
}

fn laterality(side: pb::Laterality) -> Json {
    match side {
        pb::Laterality::Left => coding(SNOMED, "7771000", "Left"),
        pb::Laterality::Right => coding(SNOMED, "24028007", "Right"),
        pb::Laterality::Both => coding(SNOMED, "51440002", "Right and left"),
        pb::Laterality::Unpaired | pb::Laterality::Unspecified => Json::Nothing,
    }
}

fn endpoint(address: &str) -> Json {
    let connection = coding("http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "dicom-wado-rs", "");
    object([
        ("resourceType", "Endpoint".into()),
        ("id", "wado".into()),
        ("status", "active".into()),
        ("connectionType", connection),
        ("payloadType", array([words("DICOM")])),
        ("payloadMimeType", array(["application/dicom".into()])),
        ("address", address.into()),
    ])
}
