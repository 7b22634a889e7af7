//! Patients, by pseudonym alone, and organisations.

use crate::domain::id::Pseudonym;
use crate::domain::organisation::{Organisation, Role};
use crate::wire::fhir::element::{Context, USCC, concept, identifier};
use crate::wire::fhir::json::{Json, array, object};

/// Writes a patient: nothing but the region's pseudonym.
pub fn patient(context: &Context<'_>, pseudonym: Pseudonym) -> Json {
    let name = pseudonym.to_string();
    object([
        ("resourceType", "Patient".into()),
        ("id", name.as_str().into()),
        ("identifier", array([identifier(&context.pseudonyms(), &name)])),
    ])
}

/// Writes an organisation of the region's table.
pub fn organisation(organisation: &Organisation) -> Json {
    let code = organisation.code.as_str();
    let (kind, name) = match organisation.role {
        Role::Hospital => ("prov", "Healthcare Provider"),
        Role::Regulator => ("govt", "Government"),
        Role::QcCentre | Role::PatientGateway | Role::Operator => ("other", "Other"),
    };
    let kind = concept("http://terminology.hl7.org/CodeSystem/organization-type", kind, name);
    let role = concept("urn:concord:role", organisation.role.as_str(), "");
    object([
        ("resourceType", "Organization".into()),
        ("id", code.into()),
        ("identifier", array([identifier(USCC, code)])),
        ("active", true.into()),
        ("type", array([kind, role])),
        ("name", organisation.name_zh.as_str().into()),
        ("alias", array([organisation.name_en.as_str().into()])),
    ])
}
