//! Originals as DocumentReferences. FHIR R4's `Attachment.hash` is SHA-1; we sign SHA-256 and give that as the
//! identifier instead.

use crate::wire::fhir::element::{
    DICOM_UID, LOINC, SHA_256, concept, identifier, name_of, organisation, patient, reference,
};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::observation::performers;
use crate::wire::fhir::told::Told;
use crate::wire::fhir::when::instant;
use crate::wire::pb;

/// Gives the id of an original's DocumentReference: result, version, and the original's place.
pub fn document_id(told: &Told<'_>, place: usize) -> String {
    format!("{}-{}-{place}", told.id(), told.result.version)
}

/// Reads such an id: the result's id, the version and the place.
pub fn read_document_id(id: &str) -> Option<(&str, u32, usize)> {
    let (rest, place) = id.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name, version.parse().ok()?, place.parse().ok()?))
}

/// Writes the original of a result at a place; nothing where it has no such original.
pub fn document_reference(told: &Told<'_>, place: usize) -> Json {
    let Some(original) = told.result.originals.get(place) else { return Json::Nothing };
    let imaging = told.kind() == "ImagingStudy";
    let (code, name) = if imaging { ("18748-4", "Diagnostic imaging study") } else { ("11502-2", "Laboratory report") };
    let digest = identifier(SHA_256, &hex::encode(&original.digest));
    let instance = match original.instance_uid.as_str() {
        "" => Json::Nothing,
        uid => identifier(DICOM_UID, &format!("urn:oid:{uid}")),
    };
    let size = Some(original.size_bytes).filter(|size| *size <= UNSIGNED_INT_MAX);
    let attachment = object([("contentType", original.media_type.as_str().into()), ("size", size.into())]);
    let related = array([reference(told.kind(), &told.id()), reference("DiagnosticReport", &told.report_id())]);
    object([
        ("resourceType", "DocumentReference".into()),
        ("id", document_id(told, place).into()),
        ("meta", told.meta()),
        ("masterIdentifier", digest),
        ("identifier", array([instance])),
        ("status", status(told).into()),
        ("docStatus", doc_status(told.result.status()).into()),
        ("type", concept(LOINC, code, name)),
        ("category", array([concept(LOINC, code, name)])),
        ("subject", patient(told.patient)),
        ("date", told.reported.map_or(Json::Nothing, instant)),
        ("author", performers(told)),
    ])
    .with("custodian", organisation(&told.result.organisation, name_of(told.result)))
    .with("relatesTo", array([replaced(told)]))
    .with("content", array([object([("attachment", attachment)])]))
    .with("context", object([("related", related)]))
}

/// Names the version before, where there is one: its first original.
fn replaced(told: &Told<'_>) -> Json {
    let before = told.result.version.saturating_sub(1);
    if before == 0 {
        return Json::Nothing;
    }
    let target = reference("DocumentReference", &format!("{}-{before}-0", told.id()));
    object([("code", "replaces".into()), ("target", target)])
}

fn status(told: &Told<'_>) -> &'static str {
    match (told.superseded, told.result.status()) {
        (_, pb::ResultStatus::Withdrawn) => "entered-in-error",
        (true, _) => "superseded",
        (false, _) => "current",
    }
}

fn doc_status(status: pb::ResultStatus) -> &'static str {
    match status {
        pb::ResultStatus::Preliminary => "preliminary",
        pb::ResultStatus::Final => "final",
        pb::ResultStatus::Corrected => "amended",
        pb::ResultStatus::Withdrawn => "entered-in-error",
        pb::ResultStatus::Unspecified => "",
    }
}

/// Source: FHIR R4, data type `unsignedInt`.
const UNSIGNED_INT_MAX: u64 = 2_147_483_647;
