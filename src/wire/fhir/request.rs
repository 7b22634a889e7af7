//! Order lines that were checked and prompted, as ServiceRequests.

use crate::domain::id::Pseudonym;
use crate::domain::time::Moment;
use crate::wire::fhir::element::{
    BODY_PARTS, CATALOGUE, DICOM, LOINC, PANELS, REASONS, coding, concept, identifier, local_system, organisation,
    patient,
};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::when::date_time;
use crate::wire::pb;

/// An order line as it was checked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The id of its resource.
    pub id: &'a str,
    /// The check that held it.
    pub check: &'a pb::CheckRecord,
    /// The line.
    pub line: &'a pb::OrderLine,
    /// When it was checked.
    pub at: Moment,
    /// The patient.
    pub patient: Pseudonym,
    /// Codes of the reasons for which prompts of the line were declined.
    pub declined: &'a [String],
    /// Whether any prompt of the line was declined, with a reason or without.
    pub is_declined: bool,
    /// Whether prompts answer every item of the line and all were accepted.
    pub answered: bool,
}

/// Writes an order line. What became of the order after the decision only the hospital knows.
pub fn service_request(asked: &Asked<'_>) -> Json {
    let organisation_code = asked.check.organisation.as_str();
    let codings = asked.line.codes.iter().map(|code| {
        let system = match code.system.as_str() {
            "catalogue" => CATALOGUE.to_owned(),
            "panel" => PANELS.to_owned(),
            "loinc" | "http://loinc.org" => LOINC.to_owned(),
            own => local_system(organisation_code, own),
        };
        coding(&system, &code.code, &code.display)
    });
    let imaging = asked.line.imaging.iter().map(|coverage| coding(DICOM, &coverage.modality, ""));
    let sites = asked.line.imaging.iter().map(|coverage| concept(BODY_PARTS, &coverage.body_part, ""));
    let reasons = asked.declined.iter().map(|reason| concept(REASONS, reason, ""));
    let status = match (asked.answered, asked.is_declined) {
        (true, _) => "revoked",
        (false, true) => "active",
        (false, false) => "draft",
    };
    let key = format!("{}/{}", asked.check.check_key, asked.line.line_id);
    object([
        ("resourceType", "ServiceRequest".into()),
        ("id", asked.id.into()),
        ("identifier", array([identifier(&format!("urn:concord:order-line:{organisation_code}"), &key)])),
        ("status", status.into()),
        ("intent", "order".into()),
        ("code", object([("coding", array(codings.chain(imaging)))])),
        ("subject", patient(asked.patient)),
        ("authoredOn", date_time(asked.at)),
        ("requester", organisation(organisation_code, "")),
        ("reasonCode", array(reasons)),
        ("bodySite", array(sites)),
    ])
}
