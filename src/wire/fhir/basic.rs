//! What FHIR R4 has no resource for: decisions and qualifications, as Basic.

use crate::domain::id::{PromptId, Pseudonym};
use crate::domain::time::Moment;
use crate::wire::day;
use crate::wire::fhir::element::{
    BASIC_KINDS, CATALOGUE, DICOM, REASONS, coding, concept, extension, identifier, organisation, patient, reference,
};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::when::date_time;
use crate::wire::field::{FieldError, optional_moment};
use crate::wire::pb;

/// A decision as it was recorded.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// What was decided.
    pub decision: &'a pb::Decision,
    /// The record that holds it.
    pub record: &'a pb::DecisionRecord,
    /// When it was recorded.
    pub at: Moment,
    /// The prompt.
    pub prompt: PromptId,
    /// The patient.
    pub patient: Pseudonym,
    /// The result that was offered: kind and id of its resource.
    pub offered: (&'a str, &'a str),
    /// The ServiceRequest that was answered.
    pub request: &'a str,
}

/// Writes a decision; its id is the prompt's name.
pub fn decision(decided: &Decided<'_>) -> Json {
    let (outcome, decline) = match &decided.decision.outcome {
        Some(pb::decision::Outcome::Accept(_)) => ("accepted", None),
        Some(pb::decision::Outcome::Decline(decline)) => ("declined", Some(decline)),
        Some(pb::decision::Outcome::Unexplained(_)) => ("declined-without-reason", None),
        None => return Json::Nothing,
    };
    let (kind, id) = decided.offered;
    let reason = decline.map(|decline| {
        let text = if decline.choice.is_empty() { &decline.text } else { &decline.choice };
        concept(REASONS, &decline.reason, "").with("text", text.as_str().into())
    });
    let parts = [
        own("outcome", "valueCode", outcome.into()),
        own("reason", "valueCodeableConcept", reason.into()),
        own("result", "valueReference", reference(kind, id)),
        own("request", "valueReference", reference("ServiceRequest", decided.request)),
        own("at", "valueDateTime", date_time(decided.at)),
    ];
    object([
        ("resourceType", "Basic".into()),
        ("id", decided.prompt.to_string().into()),
        ("extension", array(parts)),
        ("code", concept(BASIC_KINDS, "mutual-recognition-decision", "互认处置")),
        ("subject", patient(decided.patient)),
        ("created", day::written(decided.at.local_day()).into()),
        ("author", organisation(&decided.record.organisation, "")),
    ])
}

/// Gives the id of a laboratory's qualification for an item or modality.
pub fn qualification_id(standing: &pb::Standing) -> String {
    format!("{}.{}", standing.laboratory, standing.subject)
}

/// Writes where a laboratory stands for an item or modality.
///
/// # Errors
/// [`FieldError`] when a time is out of range, which none of the hub's is.
pub fn qualification(standing: &pb::Standing) -> Result<Json, FieldError> {
    let valid_from = optional_moment("valid_from", standing.valid_from.as_ref())?;
    let valid_to = optional_moment("valid_to", standing.valid_to.as_ref())?;
    let period = object([
        ("start", valid_from.map_or(Json::Nothing, date_time)),
        ("end", valid_to.map_or(Json::Nothing, date_time)),
    ]);
    let item = standing.subject.bytes().any(|byte| byte.is_ascii_digit());
    let subject = coding(if item { CATALOGUE } else { DICOM }, &standing.subject, "");
    let state = standing.state.to_lowercase().replace('_', "-");
    let rounds = standing.rounds.iter().map(|round| own("round", "valueString", round.as_str().into()));
    let parts = [
        own("state", "valueCode", state.into()),
        own("item", "valueCoding", subject),
        own("mark", "valueString", standing.mark.as_str().into()),
        own("programme", "valueString", standing.programme.as_str().into()),
        own("period", "valuePeriod", period),
    ];
    let author = if standing.issuer.is_empty() { Json::Nothing } else { organisation(&standing.issuer, "") };
    Ok(object([
        ("resourceType", "Basic".into()),
        ("id", qualification_id(standing).into()),
        ("extension", array(parts.into_iter().chain(rounds))),
        ("identifier", array([identifier("urn:concord:qualification", &qualification_id(standing))])),
        ("code", concept(BASIC_KINDS, "eqa-qualification", "互认资格")),
        ("subject", organisation(&standing.laboratory, "")),
        ("created", valid_from.map(|at| day::written(at.local_day())).into()),
        ("author", author),
    ]))
}

fn own(name: &str, kind: &'static str, value: Json) -> Json {
    extension(&format!("urn:concord:fhir:{name}"), kind, value)
}
