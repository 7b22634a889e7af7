//! What the hub records beside results, as resources: ServiceRequest, Basic, Organization, AuditEvent and Consent.

use axum::http::StatusCode;

use crate::domain::eqa::Subject;
use crate::domain::id::{PromptId, Pseudonym};
use crate::domain::log::Sequence;
use crate::domain::organisation::OrganisationCode;
use crate::doors::grpc::qualifications::written;
use crate::doors::http::fhir::FhirDoor;
use crate::doors::http::fhir::answer::Refusal;
use crate::doors::http::fhir::handlers::pseudonym;
use crate::doors::http::fhir::reader::Reader;
use crate::doors::http::fhir::results::{Gathered, One};
use crate::service::hub::consent::Acting;
use crate::service::hub::reading::{CheckedLine, StandingDecision, Viewer};
use crate::wire::fhir::audit::audit_event;
use crate::wire::fhir::basic::{Decided, decision, qualification};
use crate::wire::fhir::consent::consent;
use crate::wire::fhir::request::{Asked, service_request};
use crate::wire::fhir::search::page::{Candidate, Cursor};
use crate::wire::fhir::search::{Search, Test};
use crate::wire::fhir::{Json, people};
use crate::wire::field::moment;
use crate::wire::pb;
use crate::wire::statement::subject as subject_of;

/// Resources, each with the instant by which it is sorted, in milliseconds since 1970.
type Dated = Vec<(i64, Json)>;

/// Searches records of a kind; `patient` is the one that the search names, where the kind is of one patient.
///
/// # Errors
/// [`Refusal`]; nothing may be shown.
pub fn search(
    door: &FhirDoor,
    reader: &Reader,
    kind: &str,
    search: &Search,
    patient: Option<Pseudonym>,
) -> Result<Gathered, Refusal> {
    let (resources, patient) = match kind {
        "Organization" => (organisations(door)?, None),
        "Basic" => basics(door, reader, search)?,
        _ => {
            let Some(patient) = patient else { return Ok(Gathered::nothing(search)) };
            let resources = match kind {
                "ServiceRequest" => requests(door, reader.viewer(), patient)?,
                "AuditEvent" => audit_events(door, reader, patient)?,
                _ => consents(door, reader, patient)?,
            };
            (resources, Some(patient))
        }
    };
    let candidates = resources.into_iter().map(|(unix_ms, resource)| {
        let id = resource.member("id").and_then(Json::text).unwrap_or_default();
        Candidate { place: Cursor::new(unix_ms, id), resource }
    });
    let page = search.page(candidates.collect());
    // Nothing but the patient comes along with a record.
    let wanted = !search.includes.is_empty() && !page.matches.is_empty();
    let included = patient.filter(|_| wanted).map(|patient| people::patient(&door.context(), patient));
    Ok(Gathered { page, included: included.into_iter().collect(), patient, touched: Vec::new() })
}

/// Reads one record by its id.
///
/// # Errors
/// [`Refusal`]; missing, or our own fault.
pub fn read(door: &FhirDoor, reader: &Reader, kind: &str, id: &str) -> Result<One, Refusal> {
    match kind {
        "Organization" => {
            let rules = door.hub.registry().rules(door.hub.now())?;
            let code: OrganisationCode = id.parse().map_err(|_| Refusal::missing())?;
            let listed = rules.organisation(code).ok().filter(|listed| listed.code.as_str() == id);
            Ok(One::of_nobody(people::organisation(listed.ok_or_else(Refusal::missing)?)))
        }
        "Basic" => read_basic(door, reader, id),
        "ServiceRequest" => {
            let (check, line) = read_request_id(id).ok_or_else(Refusal::missing)?;
            let found = door.hub.checked_line(reader.viewer(), check, line)?.ok_or_else(Refusal::missing)?;
            let resource = request(&found);
            same(resource, id, found.patient)
        }
        "AuditEvent" => {
            let patient =
                id.split_once('.').and_then(|(patient, _)| pseudonym(patient)).ok_or_else(Refusal::missing)?;
            find(audit_events(door, reader, patient)?, id, patient)
        }
        _ => {
            let patient = id.get(..32).and_then(pseudonym).ok_or_else(Refusal::missing)?;
            find(consents(door, reader, patient)?, id, patient)
        }
    }
}

/// Finds for whom an order line was, by its id; nobody where there is none that may be seen.
///
/// # Errors
/// [`Refusal`]; nothing may be shown.
pub fn ordered_for(door: &FhirDoor, viewer: Viewer, id: &str) -> Result<Option<Pseudonym>, Refusal> {
    let Some((check, line)) = read_request_id(id) else { return Ok(None) };
    Ok(door.hub.checked_line(viewer, check, line)?.map(|found| found.patient))
}

fn organisations(door: &FhirDoor) -> Result<Dated, Refusal> {
    let rules = door.hub.registry().rules(door.hub.now())?;
    Ok(rules.version.organisations.values().map(|organisation| (0, people::organisation(organisation))).collect())
}

/// Gives decisions of a patient, or qualifications of a laboratory, as the search names one or the other.
fn basics(door: &FhirDoor, reader: &Reader, search: &Search) -> Result<(Dated, Option<Pseudonym>), Refusal> {
    let named = search.filters.iter().filter(|filter| matches!(filter.parameter.name, "patient" | "subject"));
    let ids: Vec<&str> = named
        .flat_map(|filter| &filter.any)
        .filter_map(|test| match test {
            Test::Reference(_, id) => Some(id.as_str()),
            Test::Token(_) | Test::Date(_) => None,
        })
        .collect();
    let [id] = ids.as_slice() else {
        let text = "name one patient (decisions) or one laboratory as subject (qualifications)";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "required", text));
    };
    if let Ok(laboratory) = id.parse::<OrganisationCode>() {
        return Ok((qualifications(door, laboratory, None)?, None));
    }
    let Some(patient) = pseudonym(id) else { return Ok((Vec::new(), None)) };
    let standing = door.hub.standing_decisions(reader.viewer(), patient)?;
    let written = standing.iter().map(|decision| Ok((decision.at.unix_ms(), decided(door, decision)?)));
    Ok((written.collect::<Result<_, Refusal>>()?, Some(patient)))
}

fn read_basic(door: &FhirDoor, reader: &Reader, id: &str) -> Result<One, Refusal> {
    if let Some((laboratory, subject)) = id.split_once('.') {
        let laboratory = laboratory.parse().map_err(|_| Refusal::missing())?;
        let subject = subject_of("subject", subject).map_err(|_| Refusal::missing())?;
        let known = door.hub.registry().qualifications().subjects(laboratory).contains(&subject);
        let found = if known { qualifications(door, laboratory, Some(&subject))? } else { Vec::new() };
        let (_, resource) = found.into_iter().next().ok_or_else(Refusal::missing)?;
        return Ok(One::of_nobody(resource));
    }
    let bytes = hex::decode(id).map_err(|_| Refusal::missing())?;
    let prompt = PromptId::try_from(bytes.as_slice()).map_err(|_| Refusal::missing())?;
    let found = door.hub.standing_decision(reader.viewer(), prompt)?.ok_or_else(Refusal::missing)?;
    same(decided(door, &found)?, id, found.kept.patient)
}

fn qualifications(door: &FhirDoor, laboratory: OrganisationCode, subject: Option<&Subject>) -> Result<Dated, Refusal> {
    let standings = door.hub.standings(laboratory, subject)?;
    standings.into_iter().map(|stood| Ok((0, qualification(&written(stood))?))).collect()
}

fn decided(door: &FhirDoor, standing: &StandingDecision) -> Result<Json, Refusal> {
    let kind = if door.hub.is_imaging(standing.result)? { "ImagingStudy" } else { "Observation" };
    let (id, request) = (standing.result.to_string(), request_id(standing.kept.check.sequence, standing.line));
    Ok(decision(&Decided {
        decision: &standing.decision,
        record: &standing.record,
        at: standing.at,
        prompt: standing.prompt,
        patient: standing.kept.patient,
        offered: (kind, &id),
        request: &request,
    }))
}

fn requests(door: &FhirDoor, viewer: Viewer, patient: Pseudonym) -> Result<Dated, Refusal> {
    let lines = door.hub.checked_lines(viewer, patient)?;
    Ok(lines.iter().map(|line| (line.at.unix_ms(), request(line))).collect())
}

fn request(found: &CheckedLine) -> Json {
    let Some(line) = found.check.lines.get(found.line) else { return Json::Nothing };
    service_request(&Asked {
        id: &request_id(found.sequence, found.line),
        check: &found.check,
        line,
        at: found.at,
        patient: found.patient,
        declined: &found.declined,
        is_declined: found.is_declined,
        answered: found.answered,
    })
}

fn request_id(check: Sequence, line: usize) -> String {
    format!("{check}-{line}")
}

fn read_request_id(id: &str) -> Option<(Sequence, usize)> {
    let (check, line) = id.split_once('-')?;
    Some((Sequence(check.parse().ok()?), line.parse().ok()?))
}

/// Writes the accesses that a reader may see: the patient and who oversees all, an organisation its own.
fn audit_events(door: &FhirDoor, reader: &Reader, patient: Pseudonym) -> Result<Dated, Refusal> {
    let (accesses, _) = door.hub.access_history(patient, None, ACCESSES_MAX)?;
    let mut written = Vec::new();
    let (mut record, mut number) = (None, 0);
    for access in &accesses {
        number = if record == Some(access.log_index) { number + 1 } else { 0 };
        record = Some(access.log_index);
        let visible = match reader.viewer() {
            Viewer::Organisation(own) => access.organisation == own.as_str(),
            Viewer::Patient(own) => own == patient,
            Viewer::Overseer => true,
        };
        if visible {
            let at = moment("at", access.at.as_ref())?;
            written.push((at.unix_ms(), audit_event(patient, access, number, at)));
        }
    }
    Ok(written)
}

/// Writes the consents that a reader may see: the patient all, an organisation those that are given to it.
fn consents(door: &FhirDoor, reader: &Reader, patient: Pseudonym) -> Result<Dated, Refusal> {
    use pb::consent_terms::Grantee;
    let mut written = Vec::new();
    for given in door.hub.consents(Acting::oneself(patient))? {
        let grantee = given.terms.as_ref().and_then(|terms| terms.grantee.as_ref());
        let visible = match reader.viewer() {
            Viewer::Organisation(own) => {
                matches!(grantee, Some(Grantee::Organisation(code)) if code.as_str() == own.as_str())
            }
            Viewer::Patient(own) => own == patient,
            Viewer::Overseer => false,
        };
        if visible {
            let at = moment("granted_at", given.granted_at.as_ref())?;
            written.push((at.unix_ms(), consent(patient, &given)?));
        }
    }
    Ok(written)
}

fn find(resources: Dated, id: &str, patient: Pseudonym) -> Result<One, Refusal> {
    let is = |resource: &Json| resource.member("id").and_then(Json::text) == Some(id);
    let found = resources.into_iter().map(|(_, resource)| resource).find(is).ok_or_else(Refusal::missing)?;
    same(found, id, patient)
}

/// Gives a resource whose id is spelt as it was asked for.
fn same(resource: Json, id: &str, patient: Pseudonym) -> Result<One, Refusal> {
    if resource.member("id").and_then(Json::text) != Some(id) {
        return Err(Refusal::missing());
    }
    Ok(One { patient: Some(patient), ..One::of_nobody(resource) })
}

/// Most accesses of a patient that are looked at, the newest first.
const ACCESSES_MAX: usize = 500;
