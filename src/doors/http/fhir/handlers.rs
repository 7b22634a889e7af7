//! The requests of the read API, each from who may ask to the recorded answer.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::domain::fault::Fault;
use crate::domain::id::Pseudonym;
use crate::domain::person::Person;
use crate::doors::http::fhir::answer::{Refusal, json, versioned};
use crate::doors::http::fhir::reader::Reader;
use crate::doors::http::fhir::results::{self, Gathered};
use crate::doors::http::fhir::{FhirDoor, audit, negotiate, records};
use crate::wire::fhir::capability::capability_statement;
use crate::wire::fhir::people;
use crate::wire::fhir::search::page::{Candidate, Cursor};
use crate::wire::fhir::search::parameters::{Searchable, searchable};
use crate::wire::fhir::search::{Manner, Search, Test, is_id, pairs};
use crate::wire::pb;

type Door = State<Arc<FhirDoor>>;
type Parameters = Vec<(String, String)>;

/// `GET /metadata`.
pub async fn metadata(State(door): Door) -> Response {
    json(StatusCode::OK, &capability_statement(&door.context(), env!("CARGO_PKG_VERSION"), door.since))
}

/// `GET /{kind}?..`.
pub async fn search_by_get(
    State(door): Door,
    Extension(reader): Extension<Reader>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let searchable = allowed(&reader, &kind)?;
    let sent = pairs(query.as_deref().unwrap_or_default().as_bytes());
    let by_number = |name: &str| name.split(['.', ':']).next() == Some("identifier") || name.contains(".identifier");
    if searchable.kind == "Patient" && sent.iter().any(|(name, _)| by_number(name)) {
        let text = "search by identifier with POST Patient/_search: a number in a URL would stand in logs";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "not-supported", text));
    }
    search(&door, &reader, searchable, sent, &headers).await
}

/// `POST /{kind}/_search`, parameters in the body, and in the query where they name nobody.
pub async fn search_by_post(
    State(door): Door,
    Extension(reader): Extension<Reader>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, Refusal> {
    let searchable = allowed(&reader, &kind)?;
    negotiate::must_be_form(&headers)?;
    let mut sent = pairs(query.as_deref().unwrap_or_default().as_bytes());
    if searchable.kind == "Patient" && sent.iter().any(|(name, _)| name.starts_with("identifier")) {
        let text = "send the identifier in the body: a number in a URL would stand in logs";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "not-supported", text));
    }
    sent.extend(pairs(&body));
    search(&door, &reader, searchable, sent, &headers).await
}

/// `GET /{kind}/{id}`.
pub async fn read(
    State(door): Door,
    Extension(reader): Extension<Reader>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let searchable = allowed(&reader, &kind)?;
    read_one(&door, &reader, searchable, &id, None, &headers).await
}

/// `GET /{kind}/{id}/_history/{version}`.
pub async fn read_version(
    State(door): Door,
    Extension(reader): Extension<Reader>,
    Path((kind, id, version)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let searchable = allowed(&reader, &kind)?;
    let version = version.parse().ok().filter(|_| searchable.versions).ok_or_else(Refusal::missing)?;
    read_one(&door, &reader, searchable, &id, Some(version), &headers).await
}

/// Finds a kind of resource, and settles whether the reader may ask for it at all.
fn allowed(reader: &Reader, kind: &str) -> Result<&'static Searchable, Refusal> {
    let text = "no such kind of resource here; the capability statement lists them";
    let known = searchable(kind).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "not-supported", text))?;
    if reader.may_ask_for(kind) {
        return Ok(known);
    }
    Err(Refusal::of(Fault::Denied, "this role may not ask for this kind of resource"))
}

async fn read_one(
    door: &Arc<FhirDoor>,
    reader: &Reader,
    searchable: &'static Searchable,
    id: &str,
    version: Option<u32>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    if !is_id(id) {
        return Err(Refusal::missing());
    }
    let kind = searchable.kind;
    let found = match kind {
        "Patient" => return read_patient(door, reader, id).await,
        "Observation" | "DiagnosticReport" | "ImagingStudy" | "DocumentReference" | "Provenance" => {
            let (door, viewer, id) = (Arc::clone(door), reader.viewer(), id.to_owned());
            blocking(move || results::read(&door, viewer, kind, &id, version)).await
        }
        _ => {
            let (door, reader, id) = (Arc::clone(door), reader.clone(), id.to_owned());
            blocking(move || records::read(&door, &reader, kind, &id)).await
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(refusal) => {
            if let Some(patient) = refusal.patient() {
                audit::record_refusal(&door.hub, reader, patient, &format!("GET {kind}")).await?;
            }
            return Err(refusal);
        }
    };
    if let Some(patient) = found.patient {
        let asked = format!("GET {kind}");
        audit::record(&door.hub, reader, patient, &asked, found.touched).await?;
    }
    Ok(match found.version {
        Some(version) => versioned(&found.resource, &version, found.updated, headers),
        None => json(StatusCode::OK, &found.resource),
    })
}

async fn read_patient(door: &Arc<FhirDoor>, reader: &Reader, id: &str) -> Result<Response, Refusal> {
    let patient = pseudonym(id).filter(|patient| own(reader, *patient)).ok_or_else(Refusal::missing)?;
    let hub = Arc::clone(&door.hub);
    if !blocking(move || Ok(hub.knows(patient)?)).await? {
        return Err(Refusal::missing());
    }
    audit::record(&door.hub, reader, patient, "GET Patient", []).await?;
    Ok(json(StatusCode::OK, &people::patient(&door.context(), patient)))
}

async fn search(
    door: &Arc<FhirDoor>,
    reader: &Reader,
    searchable: &'static Searchable,
    sent: Parameters,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let strict = negotiate::is_strict(headers);
    let manner = Manner { strict, base: &door.base, now: door.hub.now() };
    let mut search = Search::read(searchable, &sent, manner)?;
    let kind = searchable.kind;
    if kind == "Patient" {
        // The number that somebody was searched by stands in no link.
        search.used.retain(|(name, _)| name != "identifier");
    }
    let gathered = match kind {
        "Patient" => search_patient(door, reader, &search).await?,
        _ if searchable.of_patient => {
            let patient = patient_of(door, reader, kind, &search).await?;
            let patient = patient.filter(|patient| own(reader, *patient));
            gather(door, reader, kind, &search, patient).await?
        }
        _ => gather(door, reader, kind, &search, None).await?,
    };
    if let Some(patient) = gathered.patient {
        audit::record(&door.hub, reader, patient, &asked(kind, &search), gathered.touched).await?;
    }
    let bundle = search.bundle(&door.context(), kind, gathered.page, gathered.included);
    Ok(json(StatusCode::OK, &bundle))
}

async fn gather(
    door: &Arc<FhirDoor>,
    reader: &Reader,
    kind: &'static str,
    search: &Search,
    patient: Option<Pseudonym>,
) -> Result<Gathered, Refusal> {
    let (door, reader, search) = (Arc::clone(door), reader.clone(), search.clone());
    blocking(move || match kind {
        "Observation" | "DiagnosticReport" | "ImagingStudy" | "DocumentReference" => {
            let Some(patient) = patient else { return Ok(Gathered::nothing(&search)) };
            results::search(&door, reader.viewer(), kind, &search, patient)
        }
        "Provenance" => results::search_provenance(&door, reader.viewer(), &search),
        _ => records::search(&door, &reader, kind, &search, patient),
    })
    .await
}

/// Finds patients by an identifier, exactly, or by pseudonym. Whoever has no result here is not found.
async fn search_patient(door: &Arc<FhirDoor>, reader: &Reader, search: &Search) -> Result<Gathered, Refusal> {
    let mut filters = search.filters.iter();
    let (Some(filter), None) = (filters.next(), filters.next()) else {
        let text = "name one identifier, by POST, or one _id";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "required", text));
    };
    let [Test::Token(token)] = filter.any.as_slice() else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid", "name one identifier, not several"));
    };
    let (system, code) = (token.system.as_deref().unwrap_or_default(), token.code.as_deref().unwrap_or_default());
    let patient = if filter.parameter.name == "_id" || system == door.context().pseudonyms() {
        pseudonym(code)
    } else {
        resolved(door, system, code).await?
    };
    let Some(patient) = patient.filter(|patient| own(reader, *patient)) else {
        return Ok(Gathered::nothing(search));
    };
    let hub = Arc::clone(&door.hub);
    if !blocking(move || Ok(hub.knows(patient)?)).await? {
        return Ok(Gathered::nothing(search));
    }
    let resource = people::patient(&door.context(), patient);
    let candidate = Candidate { place: Cursor::new(0, &patient.to_string()), resource };
    // The search was by the identifier, which the resource does not carry.
    let search = Search { filters: Vec::new(), ..search.clone() };
    let page = search.page(vec![candidate]);
    Ok(Gathered { page, included: Vec::new(), patient: Some(patient), touched: Vec::new() })
}

/// Resolves an identifier as the region does: `urn:concord:identifier:CN-ID`, or `CN-ID`, names its type.
async fn resolved(door: &Arc<FhirDoor>, system: &str, value: &str) -> Result<Option<Pseudonym>, Refusal> {
    let kind = system.strip_prefix(IDENTIFIERS).unwrap_or(system);
    let identifier = pb::Identifier { r#type: kind.to_owned(), value: value.to_owned(), ..Default::default() };
    let person = pb::Person { identifiers: vec![identifier], ..Default::default() };
    // What is no identifier of the region is nobody's.
    let Ok(person) = Person::try_from(&person) else { return Ok(None) };
    let resolved = door.hub.resolve(&[person]).await?;
    let named = resolved.into_iter().map(|resolution| resolution.pseudonym).find(|name| !name.is_empty());
    Ok(named.and_then(|name| Pseudonym::try_from(name.as_ref()).ok()))
}

/// Gives the patient that a search names, or whose the one resource is that it names; nobody's matches nothing.
async fn patient_of(
    door: &Arc<FhirDoor>,
    reader: &Reader,
    kind: &'static str,
    search: &Search,
) -> Result<Option<Pseudonym>, Refusal> {
    if let Some(named) = search.only_reference(&["patient", "subject"]) {
        return Ok(pseudonym(named));
    }
    let Some(id) = search.only_id() else {
        let text = "name one patient: patient=.., or one _id; listings without either are not given";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "required", text));
    };
    let (door, viewer, id) = (Arc::clone(door), reader.viewer(), id.to_owned());
    blocking(move || match kind {
        "Observation" | "ImagingStudy" | "DocumentReference" => results::owner(&door, viewer, &id),
        "ServiceRequest" => records::ordered_for(&door, viewer, &id),
        // The ids of the other kinds begin with the patient's.
        _ => Ok(id.get(..PSEUDONYM_DIGITS).and_then(pseudonym)),
    })
    .await
}

/// Says whether a reader may ask about a patient: one who reads for oneself, about oneself alone.
fn own(reader: &Reader, patient: Pseudonym) -> bool {
    match reader {
        Reader::Organisation { .. } => true,
        Reader::Patient { patient: own, .. } => *own == patient,
    }
}

/// Gives what was asked, by the names of the parameters and the values that can name nobody.
fn asked(kind: &str, search: &Search) -> String {
    const SAFE: [&str; 8] = ["code", "category", "status", "date", "started", "modality", "_count", "_sort"];
    let parts = search.used.iter().map(|(name, value)| match SAFE.contains(&name.as_str()) {
        true if value.len() <= 256 => format!("{name}={value}"),
        _ => name.clone(),
    });
    let mut text = format!("{kind}?{}", parts.collect::<Vec<_>>().join("&"));
    text.truncate(text.floor_char_boundary(ASKED_BYTES_MAX));
    text
}

/// Reads a pseudonym out of an id.
pub fn pseudonym(id: &str) -> Option<Pseudonym> {
    let bytes = hex::decode(id).ok()?;
    // One spelling only: an id is compared as text elsewhere.
    Pseudonym::try_from(bytes.as_slice()).ok().filter(|read| read.to_string() == id)
}

/// Runs what reads the disk beside what serves.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::of(Fault::Broken, "")))
}

const PSEUDONYM_DIGITS: usize = 32;
const IDENTIFIERS: &str = "urn:concord:identifier:";
const ASKED_BYTES_MAX: usize = 1_024;
