//! The capability statement: what the tables of searches say, and nothing else.

use crate::domain::time::Moment;
use crate::wire::fhir::element::Context;
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::search::parameters::{SEARCHABLE, Searchable};
use crate::wire::fhir::when::date_time;

/// Writes the statement of a server that was started at `since`.
pub fn capability_statement(context: &Context<'_>, version: &str, since: Moment) -> Json {
    let security = object([("cors", false.into()), ("description", SECURITY.into())]);
    let rest = object([
        ("mode", "server".into()),
        ("security", security),
        ("resource", array(SEARCHABLE.iter().map(resource))),
    ]);
    let software = object([("name", "Concord".into()), ("version", version.into())]);
    let implementation = object([
        ("description", "区域检查检验结果互认平台 Regional exchange of exam and lab results".into()),
        ("url", context.base.into()),
    ]);
    object([
        ("resourceType", "CapabilityStatement".into()),
        ("status", "active".into()),
        ("date", date_time(since)),
        ("kind", "instance".into()),
        ("software", software),
        ("implementation", implementation),
        ("fhirVersion", "4.0.1".into()),
        ("format", array(["application/fhir+json".into(), "json".into()])),
        ("rest", array([rest])),
    ])
}

fn resource(searchable: &Searchable) -> Json {
    let interactions = ["read", "search-type"].into_iter().chain(searchable.versions.then_some("vread"));
    let parameters = searchable
        .parameters
        .iter()
        .map(|parameter| object([("name", parameter.name.into()), ("type", parameter.kind.as_str().into())]));
    let texts = |known: &'static [&'static str]| array(known.iter().map(|text| Json::from(*text)));
    object([
        ("type", searchable.kind.into()),
        ("documentation", searchable.documentation.into()),
        ("interaction", array(interactions.map(|code| object([("code", code.into())])))),
        ("versioning", if searchable.versions { "versioned" } else { "no-version" }.into()),
        ("searchInclude", texts(searchable.includes)),
        ("searchRevInclude", texts(searchable.reverse_includes)),
        ("searchParam", array(parameters)),
    ])
}

const SECURITY: &str = "A client certificate of the region, or a bearer token of a client that the hub lists. A hospital \
                        reads what it published, and another's with the patient's consent, in an emergency, or what \
                        it accepted. Every access is recorded and shown to the patient.";
