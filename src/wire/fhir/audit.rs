//! Accesses as AuditEvents, in the shape of IHE BALP: the client, the organisation, the person, the patient, what for,
//! what was asked, and what came of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::id::Pseudonym;
use crate::domain::time::Moment;
use crate::wire::fhir::element::{coding, concept, extension, identifier, organisation, patient};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::when::instant;
use crate::wire::pb;
use pb::AccessKind;

/// Gives the id of an access: accesses are found by their patient; a record may tell of several.
pub fn audit_event_id(pseudonym: Pseudonym, access: &pb::Access, number: usize) -> String {
    format!("{pseudonym}.{}.{number}", access.log_index)
}

/// Writes an access to a patient's results that was recorded at `at`.
pub fn audit_event(pseudonym: Pseudonym, access: &pb::Access, number: usize, at: Moment) -> Json {
    let given = access.outcome() == pb::AccessOutcome::Given;
    let (interaction, action) = interaction(access.kind());
    object([
        ("resourceType", "AuditEvent".into()),
        ("id", audit_event_id(pseudonym, access, number).into()),
        ("extension", array([log_index(access), basis(access)])),
        ("type", coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation")),
        (
            "subtype",
            array([
                coding("http://hl7.org/fhir/restful-interaction", interaction, ""),
                coding("urn:concord:access", &lower(access.kind().as_str_name(), "ACCESS_KIND_"), ""),
            ]),
        ),
        ("action", action.into()),
        ("recorded", instant(at)),
        ("outcome", if given { "0" } else { "4" }.into()),
        ("outcomeDesc", lower(access.outcome().as_str_name(), "ACCESS_OUTCOME_").into()),
        ("purposeOfEvent", array([purpose(access)])),
        ("agent", agents(access)),
        ("source", object([("observer", object([("display", "Concord hub".into())]))])),
    ])
    .with("entity", entities(pseudonym, access))
}

fn log_index(access: &pb::Access) -> Json {
    extension("urn:concord:fhir:log-index", "valueString", access.log_index.to_string().into())
}

fn basis(access: &pb::Access) -> Json {
    let basis = match access.basis() {
        pb::AccessBasis::Unspecified => String::new(),
        basis => lower(basis.as_str_name(), "ACCESS_BASIS_"),
    };
    extension("urn:concord:fhir:access-basis", "valueCode", basis.into())
}

fn interaction(kind: AccessKind) -> (&'static str, &'static str) {
    match kind {
        AccessKind::Prompted | AccessKind::Listed => ("search-type", "E"),
        AccessKind::Accepted
        | AccessKind::Declined
        | AccessKind::DecisionRevoked
        | AccessKind::ConsentGranted
        | AccessKind::ConsentRevoked
        | AccessKind::OptedOut
        | AccessKind::OptedIn => ("create", "C"),
        _ => ("read", "R"),
    }
}

/// Writes what for, in the terms of v3 where there is one.
fn purpose(access: &pb::Access) -> Json {
    let code = match (access.basis(), access.purpose.as_str()) {
        (pb::AccessBasis::BreakGlass, _) => "BTG",
        (_, "order" | "treatment" | "visit" | "accepted" | "viewed") => "TREAT",
        (pb::AccessBasis::Patient, _) | (_, "patient" | "personal") => "PATRQT",
        (_, "insurance") => "HPAYMT",
        (_, "oversight") => "HOPERAT",
        _ => "",
    };
    let known = concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", code, "");
    let written = object([("text", access.purpose.as_str().into())]);
    if code.is_empty() { written } else { known.with("text", access.purpose.as_str().into()) }
}

fn agents(access: &pb::Access) -> Json {
    let role = |code: &str, name: &str| concept("http://dicom.nema.org/resources/ontology/DCM", code, name);
    let actor = access.actor.as_ref().filter(|actor| !actor.practitioner.is_empty());
    let user = actor.map(|actor| {
        let system = format!("urn:concord:practitioner:{}", access.organisation);
        let who = object([
            ("identifier", identifier(&system, &actor.practitioner)),
            ("display", actor.department.as_str().into()),
        ]);
        let kind = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "AUT", "");
        object([("type", kind), ("who", who), ("requestor", true.into())])
    });
    let program = (!access.client.is_empty()).then(|| {
        let who = object([("display", access.client.as_str().into())]);
        object([("type", role("110152", "Destination Role ID")), ("who", who), ("requestor", false.into())])
    });
    let name = if access.organisation.is_empty() {
        object([("display", if access.recipient.is_empty() { "patient" } else { &access.recipient }.into())])
    } else {
        organisation(&access.organisation, &access.organisation_name_zh)
    };
    let receiver = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "");
    let whole = object([("type", receiver), ("who", name), ("requestor", user.is_none().into())]);
    array(user.into_iter().chain(program).chain([whole]))
}

fn entities(pseudonym: Pseudonym, access: &pb::Access) -> Json {
    let kind = |code: &str, name: &str| coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", code, name);
    let role = |code: &str, name: &str| coding("http://terminology.hl7.org/CodeSystem/object-role", code, name);
    let person = object([("what", patient(pseudonym)), ("type", kind("1", "Person")), ("role", role("1", "Patient"))]);
    let results = access.results.iter().take(ENTITIES_MAX).map(|name| {
        let what = object([("identifier", identifier("urn:concord:result", &hex::encode(name)))]);
        object([("what", what), ("type", kind("2", "System Object")), ("role", role("3", "Report"))])
    });
    let asked = (access.kind() == AccessKind::FhirRead && !access.reason.is_empty()).then(|| {
        let query = STANDARD.encode(&access.reason);
        object([("type", kind("2", "System Object")), ("role", role("24", "Query")), ("query", query.into())])
    });
    array([person].into_iter().chain(asked).chain(results))
}

fn lower(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase().replace('_', "-")
}

/// Most results of one access that are named.
const ENTITIES_MAX: usize = 100;
