//! Patients' consents as Consents.

use crate::domain::id::Pseudonym;
use crate::wire::fhir::element::{CATALOGUE, LOINC, coding, concept, identifier, organisation, patient};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::when::date_time;
use crate::wire::field::{FieldError, optional_moment};
use crate::wire::pb;
use pb::consent::State;
use pb::consent_terms::Grantee;

/// Gives the id of a consent: patient and consent, one behind the other.
pub fn consent_id(pseudonym: Pseudonym, consent: &pb::Consent) -> String {
    format!("{pseudonym}{}", hex::encode(&consent.consent_id))
}

/// Writes a consent. The secrets of a link are not in it.
///
/// # Errors
/// [`FieldError`] when a time is out of range, which none of the hub's is.
pub fn consent(pseudonym: Pseudonym, consent: &pb::Consent) -> Result<Json, FieldError> {
    let terms = consent.terms.clone().unwrap_or_default();
    let extent = terms.extent.clone().unwrap_or_default();
    let time = |field: &str, sent: Option<&pb::Moment>| {
        Ok::<Json, FieldError>(optional_moment(field, sent)?.map_or(Json::Nothing, date_time))
    };
    let period = object([("start", time("from", terms.from.as_ref())?), ("end", time("to", terms.to.as_ref())?)]);
    let actor = match &terms.grantee {
        Some(Grantee::Organisation(code)) => organisation(code, ""),
        Some(Grantee::Link(_)) => object([("display", "持有链接者 whoever holds the link".into())]),
        None => Json::Nothing,
    };
    let receiver = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "");
    let actors = array((!actor.is_empty()).then(|| object([("role", receiver), ("reference", actor)])));
    let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    let restricted = extent.sensitive.then(|| coding(confidentiality, "R", "restricted"));
    let items = extent.items.iter().map(|item| concept(CATALOGUE, item, ""));
    let data = extent.results.iter().map(|name| {
        let result = object([("identifier", identifier("urn:concord:result", &hex::encode(name)))]);
        object([("meaning", "instance".into()), ("reference", result)])
    });
    let provision = object([
        ("type", "permit".into()),
        ("period", period),
        ("actor", actors),
        ("securityLabel", array(restricted)),
        ("purpose", array([purpose(terms.purpose())])),
        ("class", classes(&extent)),
        ("code", array(items)),
        ("data", array(data)),
    ]);
    Ok(object([
        ("resourceType", "Consent".into()),
        ("id", consent_id(pseudonym, consent).into()),
        ("identifier", array([identifier("urn:concord:consent", &hex::encode(&consent.consent_id))])),
        ("status", status(consent.state()).into()),
        ("scope", concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent")),
        ("category", array([concept(LOINC, "59284-0", "Consent Document")])),
        ("patient", patient(pseudonym)),
        ("dateTime", time("granted_at", consent.granted_at.as_ref())?),
        ("performer", array([patient(pseudonym)])),
        ("policyRule", concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN", "opt-in")),
        ("provision", provision),
    ]))
}

fn status(state: State) -> &'static str {
    match state {
        State::Active | State::Pending => "active",
        State::Expired | State::Revoked | State::UsedUp | State::Locked | State::Suspended | State::Unspecified => {
            "inactive"
        }
    }
}

fn purpose(purpose: pb::ConsentPurpose) -> Json {
    let code = match purpose {
        pb::ConsentPurpose::Treatment | pb::ConsentPurpose::SecondOpinion => "TREAT",
        pb::ConsentPurpose::Insurance => "HPAYMT",
        pb::ConsentPurpose::Employment => "HLEGAL",
        pb::ConsentPurpose::Personal => "PATRQT",
        pb::ConsentPurpose::Unspecified => return Json::Nothing,
    };
    coding("http://terminology.hl7.org/CodeSystem/v3-ActReason", code, "")
}

fn classes(extent: &pb::Extent) -> Json {
    let kinds = extent.classes().flat_map(|class| match class {
        pb::ResultClass::Laboratory => ["Observation", "DiagnosticReport"].as_slice(),
        pb::ResultClass::Imaging => ["ImagingStudy", "DiagnosticReport"].as_slice(),
        pb::ResultClass::Unspecified => [].as_slice(),
    });
    let mut kinds: Vec<&str> = kinds.copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    array(kinds.into_iter().map(|kind| coding("http://hl7.org/fhir/resource-types", kind, "")))
}
