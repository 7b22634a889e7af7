//! What searches find, and what they refuse.

use proptest::prelude::*;

use super::page::{Candidate, Cursor};
use super::parameters::{SEARCHABLE, searchable};
use super::*;
use crate::wire::fhir::Context;
use crate::wire::fhir::element::{coding, concept, identifier, patient};
use crate::wire::fhir::json::{Json, array, object};

const BASE: &str = "https://hub.example.cn/fhir/r4";

fn read(kind: &str, query: &[(&str, &str)], strict: bool) -> Result<Search, SearchError> {
    let sent: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let now = Moment::new(1_780_000_000_000, 480).unwrap();
    Search::read(searchable(kind).unwrap(), &sent, Manner { strict, base: BASE, now })
}

fn observation(id: &str, code: &str, at: &str) -> Json {
    object([
        ("resourceType", "Observation".into()),
        ("id", id.into()),
        ("status", "final".into()),
        ("identifier", array([identifier("urn:a|b", "1,2")])),
        ("code", concept("http://loinc.org", code, "")),
        ("valueCodeableConcept", object([("coding", array([coding("", "POS", "")]))])),
        ("subject", patient(crate::domain::id::Pseudonym::new([9; 16]))),
        ("effectiveDateTime", at.into()),
    ])
}

fn matches(query: &[(&str, &str)]) -> bool {
    let search = read("Observation", query, true).unwrap();
    search.matches(&observation("o1", "2823-3", "2026-05-14T08:00:00+08:00"))
}

#[test]
fn each_kind_of_parameter_matches_what_it_names_and_nothing_else() {
    let patient = "09".repeat(16);
    let yes: &[&[(&str, &str)]] = &[
        &[("code", "2823-3")],
        &[("code", "http://loinc.org|2823-3")],
        &[("code", "http://loinc.org|")],
        &[("code", "718-7,http://loinc.org|2823-3")],
        &[("status", "final,corrected,amended")],
        &[("status", "http://hl7.org/fhir/observation-status|final")],
        &[("value-concept", "|POS")],
        &[("identifier", "urn:a\\|b|1\\,2")],
        &[("date", "ge2026-05-14"), ("date", "lt2026-05-15")],
        &[("date", "2026-04,2026-05")],
        &[("patient", &patient)],
        &[("patient", &format!("Patient/{patient}"))],
        &[("subject", &format!("{BASE}/Patient/{patient}"))],
        &[("subject:Patient", &patient)],
        &[("_id", "o1")],
        &[("code", "")],
    ];
    let no: &[&[(&str, &str)]] = &[
        &[("code", "2823")],
        &[("code", "http://snomed.info/sct|2823-3")],
        &[("code", "|2823-3")],
        &[("status", "preliminary")],
        &[("identifier", "urn:a\\|b|1")],
        &[("date", "ge2026-05-14"), ("date", "lt2026-05-14")],
        &[("patient", "Group/x")],
        &[("patient", "other")],
        &[("_id", "o2")],
        &[("code", "2823-3"), ("code", "718-7")],
    ];
    yes.iter().for_each(|query| assert!(matches(query), "{query:?}"));
    no.iter().for_each(|query| assert!(!matches(query), "{query:?}"));
}

#[test]
fn what_is_not_supported_is_refused_or_told() {
    assert_eq!(read("Observation", &[("colour", "red")], true), Err(SearchError::Unknown("colour".into())));
    assert_eq!(read("Observation", &[("_sort", "code")], true), Err(SearchError::Unknown("_sort".into())));
    assert_eq!(read("Observation", &[("code:not", "x")], false), Err(SearchError::Modifier("code".into())));
    assert!(matches!(read("Observation", &[("date", "yesterday")], false), Err(SearchError::Form(_, "date"))));
    assert!(matches!(read("Observation", &[("_count", "-1")], false), Err(SearchError::Form(..))));
    assert!(matches!(read("Observation", &[("code", "|")], false), Err(SearchError::Form(..))));
    let lenient =
        read("Observation", &[("colour", "red"), ("_include", "Patient:link"), ("code", "x")], false).unwrap();
    assert_eq!(lenient.ignored, ["colour", "_include"]);
    assert_eq!(lenient.used, [("code".to_owned(), "x".to_owned())]);
    let odd = read("Observation", &[("11010519491231002X", "x")], true).unwrap_err();
    assert!(!odd.to_string().contains("1101"), "an unknown name may be a number");
}

#[test]
fn a_page_links_to_itself_and_to_the_next() {
    let context = Context { region: "520000".parse().unwrap(), base: BASE };
    let search = read("Observation", &[("patient", "x"), ("_count", "1"), ("code", "a|b c"), ("odd", "1")], false);
    let search = Search { filters: Vec::new(), ..search.unwrap() };
    let page = search.page(candidates(&[3, 1, 2]));
    assert_eq!((page.total, page.matches.len()), (3, 1));
    let bundle = search.bundle(&context, "Observation", page, Vec::new()).to_string();
    let read: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    assert_eq!(read["link"][0]["url"], format!("{BASE}/Observation?patient=x&_count=1&code=a%7Cb%20c"));
    assert_eq!(read["link"][1]["relation"], "next");
    assert!(read.get("total").is_none(), "nobody asked for it");
    assert_eq!(read["entry"][1]["search"]["mode"], "outcome");
}

#[test]
fn every_parameter_stands_once_in_its_table() {
    for searchable in SEARCHABLE {
        let mut names: Vec<_> = searchable.parameters.iter().map(|parameter| parameter.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}", searchable.kind);
        assert!(searchable.sort.is_none_or(|sort| names.contains(&sort)), "{}", searchable.kind);
    }
}

fn candidates(times: &[i64]) -> Vec<Candidate> {
    let one = |(number, at): (usize, &i64)| {
        let id = format!("o{number}");
        Candidate { place: Cursor::new(*at, &id), resource: observation(&id, "c", "2026") }
    };
    times.iter().enumerate().map(one).collect()
}

/// Follows the links from page to page; what `late` gives comes in after the first.
fn walk(count: usize, oldest_first: bool, times: &[i64], late: &[i64]) -> Vec<String> {
    let all = || candidates(&[times, late].concat());
    let mut search = Search { count, oldest_first, ..read("Observation", &[], true).unwrap() };
    let mut page = search.page(candidates(times));
    let mut seen = Vec::new();
    loop {
        seen.extend(page.matches.iter().filter_map(|found| found.member("id")?.text().map(str::to_owned)));
        let Some(next) = page.next else { return seen };
        search.after = Some(Cursor::read(&next.written()).unwrap());
        page = search.page(all());
    }
}

proptest! {
    #[test]
    fn pages_show_everything_once_whatever_comes_in_between(
        times in prop::collection::vec(0..5i64, 0..20),
        late in prop::collection::vec(0..5i64, 0..5),
        count in 1..7usize,
        oldest_first in any::<bool>(),
    ) {
        let seen = walk(count, oldest_first, &times, &late);
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), seen.len(), "nothing twice");
        for number in 0..times.len() {
            prop_assert!(seen.contains(&format!("o{number}")), "nothing left out");
        }
    }

    #[test]
    fn any_query_is_read_or_refused(name in "[a-z_:-]{0,12}", value in "\\PC{0,40}", strict in any::<bool>()) {
        for searchable in SEARCHABLE {
            let _ = read(searchable.kind, &[(&name, &value)], strict);
            let named = searchable.parameters.iter().map(|parameter| parameter.name);
            named.for_each(|name| drop(read(searchable.kind, &[(name, &value)], strict)));
        }
    }

    #[test]
    fn escapes_are_undone(text in "[a|,\\\\]{0,12}") {
        let escaped: String =
            text.chars().flat_map(|one| ['\\', one].into_iter().skip(usize::from(one == 'a'))).collect();
        prop_assert_eq!(split(&escaped, ','), [escaped.clone()]);
        prop_assert_eq!(unescaped(&escaped), text);
    }
}
