//! Results as resources: Observation, ImagingStudy, DiagnosticReport, DocumentReference and Provenance.

use std::collections::BTreeMap;

use crate::domain::id::{Pseudonym, ResultLocator};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::doors::http::fhir::FhirDoor;
use crate::doors::http::fhir::answer::Refusal;
use crate::doors::http::fhir::audit::Touched;
use crate::doors::http::fhir::handlers::pseudonym;
use crate::service::hub::reading::{Located, Readable, Viewer};
use crate::wire::fhir::bundle::result;
use crate::wire::fhir::document::{document_id, document_reference, read_document_id};
use crate::wire::fhir::people;
use crate::wire::fhir::provenance::provenance;
use crate::wire::fhir::report::{diagnostic_report, version as report_version};
use crate::wire::fhir::search::page::{Candidate, Cursor, Page};
use crate::wire::fhir::search::parameters::Kind;
use crate::wire::fhir::search::{Search, Test};
use crate::wire::fhir::{Json, Told};

/// What a search found, with what must be recorded before it is shown.
pub struct Gathered {
    /// The page.
    pub page: Page,
    /// What comes along.
    pub included: Vec<Json>,
    /// Whose it is; nobody's where it names no patient.
    pub patient: Option<Pseudonym>,
    /// The results that are shown.
    pub touched: Vec<Touched>,
}

/// One resource, with what must be recorded before it is shown.
pub struct One {
    /// The resource.
    pub resource: Json,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// When the hub took it, where that is known.
    pub updated: Option<Moment>,
    /// Whose it is; nobody's where it names no patient.
    pub patient: Option<Pseudonym>,
    /// The results that are shown.
    pub touched: Vec<Touched>,
}

/// A candidate with the results that it shows.
struct Row<'a> {
    candidate: Candidate,
    told: Vec<(Told<'a>, &'a Readable)>,
}

impl Gathered {
    /// Gives an empty page.
    pub fn nothing(search: &Search) -> Self {
        Self { page: search.page(Vec::new()), included: Vec::new(), patient: None, touched: Vec::new() }
    }
}

impl One {
    /// Makes a resource that names no patient.
    pub fn of_nobody(resource: Json) -> Self {
        Self { resource, version: None, updated: None, patient: None, touched: Vec::new() }
    }
}

/// Searches a patient's results.
///
/// # Errors
/// [`Refusal`]; nothing may be shown.
pub fn search(
    door: &FhirDoor,
    viewer: Viewer,
    kind: &str,
    search: &Search,
    patient: Pseudonym,
) -> Result<Gathered, Refusal> {
    let readables = door.hub.readable(viewer, patient, not_before(kind, search))?;
    let told: Vec<(Told<'_>, &Readable)> = readables
        .iter()
        .map(|readable| Ok((Told::new(&readable.summary, patient)?, readable)))
        .collect::<Result<_, Refusal>>()?;
    let rows = rows(kind, &told);
    let by_id: BTreeMap<String, Vec<(Told<'_>, &Readable)>> =
        rows.iter().map(|row| (id_of(&row.candidate.resource), row.told.clone())).collect();
    let page = search.page(rows.into_iter().map(|row| row.candidate).collect());
    let mut shown: Vec<(Told<'_>, &Readable)> = Vec::new();
    for found in &page.matches {
        shown.extend(by_id.get(&id_of(found)).into_iter().flatten().copied());
    }
    let included = included(door, search, &page, &shown, &told)?;
    let touched = shown.iter().map(|(told, readable)| (told.name, readable.basis)).collect();
    Ok(Gathered { page, included, patient: Some(patient), touched })
}

/// Searches the signatures of the results that a search names as its target.
///
/// # Errors
/// [`Refusal`]; nothing may be shown.
pub fn search_provenance(door: &FhirDoor, viewer: Viewer, search: &Search) -> Result<Gathered, Refusal> {
    let Some(target) = search.only_reference(&["target"]) else {
        let text = "name one target: target=Observation/..";
        return Err(Refusal::new(axum::http::StatusCode::BAD_REQUEST, "required", text));
    };
    let readables = match locator(target) {
        Some(result) => match door.hub.located(viewer, result, None)? {
            Located::Readable(readable) => vec![*readable],
            Located::Missing | Located::Denied(_) | Located::Withdrawn => Vec::new(),
        },
        None => report_results(door, viewer, target)?,
    };
    let patient = readables.first().map(|readable| readable.found.entry.patient);
    let mut candidates = Vec::new();
    for readable in &readables {
        let resource = signed(door, readable)?;
        let place = Cursor::new(readable.found.entry.times.collected.unix_ms(), &id_of(&resource));
        candidates.push(Candidate { place, resource });
    }
    let touched = readables.iter().map(|readable| (readable.name, readable.basis)).collect();
    Ok(Gathered { page: search.page(candidates), included: Vec::new(), patient, touched })
}

/// Reads one resource; `version` is given for an Observation or ImagingStudy alone.
///
/// # Errors
/// [`Refusal`]: missing, gone, or our own fault.
pub fn read(door: &FhirDoor, viewer: Viewer, kind: &str, id: &str, version: Option<u32>) -> Result<One, Refusal> {
    match kind {
        "DiagnosticReport" => read_report(door, viewer, id),
        "DocumentReference" => {
            let (result, version, place) = read_document_id(id).ok_or_else(Refusal::missing)?;
            let readable = located(door, viewer, result, Some(version))?;
            let told = Told { superseded: readable.superseded, ..told(&readable)? };
            let resource = document_reference(&told, place);
            if resource.is_empty() || document_id(&told, place) != id {
                return Err(Refusal::missing());
            }
            Ok(One { version: Some(version.to_string()), ..one(resource, &readable, None) })
        }
        "Provenance" => {
            let (result, version) = id.rsplit_once('-').ok_or_else(Refusal::missing)?;
            let version = version.parse().map_err(|_| Refusal::missing())?;
            let readable = located(door, viewer, result, Some(version))?;
            let resource = signed(door, &readable)?;
            if id_of(&resource) == id { Ok(one(resource, &readable, None)) } else { Err(Refusal::missing()) }
        }
        _ => {
            let readable = located(door, viewer, id, version)?;
            let (_, received_at) = door.hub.signed_batch(&readable.found)?;
            let told = Told { superseded: readable.superseded, updated: Some(received_at), ..told(&readable)? };
            if told.kind() != kind {
                return Err(Refusal::missing());
            }
            let version = told.result.version.to_string();
            let resource = result(&told);
            Ok(One { version: Some(version), updated: Some(received_at), ..one(resource, &readable, None) })
        }
    }
}

fn read_report(door: &FhirDoor, viewer: Viewer, id: &str) -> Result<One, Refusal> {
    let readables = report_results(door, viewer, id)?;
    let Some(first) = readables.first() else {
        return Err(Refusal::missing());
    };
    let told: Vec<Told<'_>> = readables.iter().map(told).collect::<Result<_, _>>()?;
    let touched = readables.iter().map(|readable| (readable.name, readable.basis)).collect();
    let version = Some(report_version(&told).to_string());
    Ok(One { touched, version, ..one(diagnostic_report(&told), first, None) })
}

/// Reads the results of a report by its id, which names the patient.
fn report_results(door: &FhirDoor, viewer: Viewer, id: &str) -> Result<Vec<Readable>, Refusal> {
    let Some(patient) = id.split_once('.').and_then(|(patient, _)| pseudonym(patient)) else { return Ok(Vec::new()) };
    let mut readables = door.hub.readable(viewer, patient, None)?;
    readables.retain(|readable| told(readable).is_ok_and(|told| told.report_id() == id));
    Ok(readables)
}

fn one(resource: Json, readable: &Readable, updated: Option<Moment>) -> One {
    let touched = vec![(readable.name, readable.basis)];
    One { resource, version: None, updated, patient: Some(readable.found.entry.patient), touched }
}

/// Finds whose a result or its original is, by the id. Also that of a result which may not be seen is told, so that who
/// asked for it is recorded; nothing of it is found afterwards.
///
/// # Errors
/// [`Refusal`]; nothing may be shown.
pub fn owner(door: &FhirDoor, viewer: Viewer, id: &str) -> Result<Option<Pseudonym>, Refusal> {
    let result = read_document_id(id).map_or(id, |(result, _, _)| result);
    let Some(result) = locator(result) else { return Ok(None) };
    Ok(match door.hub.located(viewer, result, None)? {
        Located::Readable(readable) => Some(readable.found.entry.patient),
        Located::Denied(patient) => Some(patient),
        Located::Missing | Located::Withdrawn => None,
    })
}

fn located(door: &FhirDoor, viewer: Viewer, id: &str, version: Option<u32>) -> Result<Readable, Refusal> {
    let result = locator(id).ok_or_else(Refusal::missing)?;
    match door.hub.located(viewer, result, version)? {
        Located::Missing => Err(Refusal::missing()),
        Located::Denied(patient) => Err(Refusal::missing().about(patient)),
        Located::Withdrawn => Err(Refusal::gone()),
        Located::Readable(readable) => Ok(*readable),
    }
}

fn told(readable: &Readable) -> Result<Told<'_>, Refusal> {
    Ok(Told::new(&readable.summary, readable.found.entry.patient)?)
}

fn signed(door: &FhirDoor, readable: &Readable) -> Result<Json, Refusal> {
    let (batch, received_at) = door.hub.signed_batch(&readable.found)?;
    Ok(provenance(&told(readable)?, &batch, received_at))
}

/// Writes every resource of a kind.
fn rows<'a>(kind: &str, told: &[(Told<'a>, &'a Readable)]) -> Vec<Row<'a>> {
    let place = |told: &Told<'_>, id: &str| Cursor::new(told.collected.unix_ms(), id);
    match kind {
        "DiagnosticReport" => reports(told),
        "DocumentReference" => {
            let originals =
                told.iter().flat_map(|one| (0..one.0.result.originals.len()).map(move |place| (*one, place)));
            let written = originals.map(|(one, number)| Row {
                candidate: Candidate {
                    place: place(&one.0, &document_id(&one.0, number)),
                    resource: document_reference(&one.0, number),
                },
                told: vec![one],
            });
            written.collect()
        }
        _ => {
            let of_kind = told.iter().filter(|(told, _)| told.kind() == kind);
            let written = of_kind.map(|one| Row {
                candidate: Candidate { place: place(&one.0, &one.0.id()), resource: result(&one.0) },
                told: vec![*one],
            });
            written.collect()
        }
    }
}

/// Writes the reports that hold results.
fn reports<'a>(told: &[(Told<'a>, &'a Readable)]) -> Vec<Row<'a>> {
    let mut reports: BTreeMap<String, Vec<(Told<'a>, &'a Readable)>> = BTreeMap::new();
    told.iter().for_each(|one| reports.entry(one.0.report_id()).or_default().push(*one));
    let written = reports.into_iter().map(|(id, held)| {
        let newest = held.iter().map(|(told, _)| told.collected.unix_ms()).max().unwrap_or_default();
        let results: Vec<Told<'_>> = held.iter().map(|(told, _)| *told).collect();
        let candidate = Candidate { place: Cursor::new(newest, &id), resource: diagnostic_report(&results) };
        Row { candidate, told: held }
    });
    written.collect()
}

/// Writes what a search wants brought along, each once.
fn included(
    door: &FhirDoor,
    search: &Search,
    page: &Page,
    shown: &[(Told<'_>, &Readable)],
    all: &[(Told<'_>, &Readable)],
) -> Result<Vec<Json>, Refusal> {
    let mut included: BTreeMap<String, Json> = BTreeMap::new();
    let mut add = |resource: Json| {
        let kind = resource.member("resourceType").and_then(Json::text).unwrap_or_default();
        drop(included.insert(format!("{kind}/{}", id_of(&resource)), resource));
    };
    for wanted in search.includes.iter().chain(&search.reverse_includes) {
        match *wanted {
            "Provenance:target" => {
                shown.iter().try_for_each(|(_, readable)| signed(door, readable).map(&mut add))?;
            }
            "DiagnosticReport:result" if page_kind(page) == Some("DiagnosticReport") => {
                shown.iter().for_each(|(told, _)| add(result(told)));
            }
            "DiagnosticReport:result" => {
                let holds = |row: &Row<'_>| {
                    row.told.iter().any(|(told, _)| shown.iter().any(|(other, _)| other.name == told.name))
                };
                reports(all).into_iter().filter(holds).for_each(|row| add(row.candidate.resource));
            }
            other if other.ends_with(":patient") || other.ends_with(":subject") => {
                shown.iter().for_each(|(told, _)| add(people::patient(&door.context(), told.patient)));
            }
            _ => {
                let codes = shown.iter().flat_map(|(told, _)| [&told.result.organisation, &told.result.laboratory]);
                let codes = codes.filter_map(|code| code.parse::<OrganisationCode>().ok());
                let rules = door.hub.registry().rules(door.hub.now())?;
                codes.filter_map(|code| rules.organisation(code).ok()).for_each(|it| add(people::organisation(it)));
            }
        }
    }
    Ok(included.into_values().filter(|resource| !resource.is_empty()).collect())
}

fn page_kind(page: &Page) -> Option<&str> {
    page.matches.first()?.member("resourceType")?.text()
}

/// Gives how far back the index must be read: a report is written whole, so that all of it must be.
fn not_before(kind: &str, search: &Search) -> Option<Moment> {
    if !matches!(kind, "Observation" | "ImagingStudy") {
        return None;
    }
    let dates = search.filters.iter().filter(|filter| filter.parameter.kind == Kind::Date);
    let earliest = dates.filter_map(|filter| {
        let tests = filter.any.iter().map(|test| match test {
            Test::Date(date) => date.earliest(),
            Test::Token(_) | Test::Reference(..) => None,
        });
        tests.collect::<Option<Vec<i64>>>()?.into_iter().min()
    });
    earliest.max().and_then(|unix_ms| Moment::new(unix_ms, 0).ok())
}

fn locator(id: &str) -> Option<ResultLocator> {
    let bytes = hex::decode(id).ok()?;
    ResultLocator::try_from(bytes.as_slice()).ok().filter(|locator| locator.to_string() == id)
}

fn id_of(resource: &Json) -> String {
    resource.member("id").and_then(Json::text).unwrap_or_default().to_owned()
}
