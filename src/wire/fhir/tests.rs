//! Each kind of resource as it is written, held to what every FHIR resource keeps to.

use std::path::Path;

use serde_json::Value;

use super::audit::audit_event;
use super::basic::{Decided, decision, qualification};
use super::capability::capability_statement;
use super::consent::consent;
use super::document::document_reference;
use super::imaging::imaging_study;
use super::observation::observation;
use super::outcome::operation_outcome;
use super::provenance::provenance;
use super::report::diagnostic_report;
use super::request::{Asked, service_request};
use super::{Context, Json, Told, people};
use crate::domain::entry::{Content, Entry, ResultStatus};
use crate::domain::id::{Digest, PromptId, Pseudonym, ResultId};
use crate::domain::organisation::{Organisation, Role};
use crate::domain::time::Moment;
use crate::domain::value::{Comparability, Comparator, Incomparable, Value as Finding};
use crate::wire::batch::{Batch, Header};
use crate::wire::entry::tests::{chest_ct, potassium};
use crate::wire::pb;

const PATIENT: Pseudonym = Pseudonym::new([2; 16]);
const CONTEXT: fn() -> Context<'static> =
    || Context { region: "520000".parse().unwrap(), base: "https://hub.example.cn/fhir/r4" };

fn at(hours: i64) -> Moment {
    Moment::new(1_780_000_000_000, 480).unwrap().plus_hours(hours)
}

fn summary(entry: &Entry) -> pb::ResultSummary {
    let sent = pb::Entry::from(entry);
    pb::ResultSummary {
        result_id: sent.result_id,
        version: sent.version,
        status: sent.status,
        organisation: sent.publisher,
        organisation_name_zh: "甲医院".into(),
        items: sent.items,
        item_name_zh: "钾".into(),
        collected_at: sent.collected_at,
        reported_at: sent.reported_at,
        report_id: sent.report_id,
        laboratory: sent.laboratory,
        sensitivity: sent.sensitivity,
        originals: sent.originals,
        log_index: 7,
        entry: 3,
        content: sent.content.map(|content| match content {
            pb::entry::Content::LaboratoryResult(result) => pb::result_summary::Content::LaboratoryResult(result),
            pb::entry::Content::ImagingStudy(study) => pb::result_summary::Content::ImagingStudy(study),
        }),
        ..Default::default()
    }
}

/// Keeps to the shape, and gives the resource as a golden file shows it.
fn shown(resource: &Json) -> String {
    let read: Value = serde_json::from_str(&resource.to_string()).unwrap();
    keeps_the_shape(&read);
    serde_json::to_string_pretty(&read).unwrap()
}

fn laboratory(change: impl FnOnce(&mut crate::domain::entry::LaboratoryResult)) -> Value {
    let mut entry = potassium();
    if let Content::Laboratory(result) = &mut entry.content {
        change(result);
    }
    let summary = summary(&entry);
    let written = observation(&Told::new(&summary, PATIENT).unwrap());
    shown(&written);
    serde_json::from_str(&written.to_string()).unwrap()
}

#[test]
fn results_are_written() {
    let mut corrected = Entry { version: 2, status: ResultStatus::Corrected, ..potassium() };
    corrected.laboratory = "91110000600037341L".parse().unwrap();
    let (potassium, ct) = (summary(&corrected), summary(&chest_ct()));
    let told = Told { superseded: true, updated: Some(at(3)), ..Told::new(&potassium, PATIENT).unwrap() };
    insta::assert_snapshot!("observation", shown(&observation(&told)));
    insta::assert_snapshot!("document", shown(&document_reference(&told, 0)));
    insta::assert_snapshot!("report", shown(&diagnostic_report(&[told])));
    let told = Told::new(&ct, PATIENT).unwrap();
    insta::assert_snapshot!("study", shown(&imaging_study(&told, Some("https://hub.example.cn/view/x"))));
    insta::assert_snapshot!("image", shown(&document_reference(&told, 0)));
    assert!(document_reference(&told, 1).is_empty());
}

#[test]
fn values_are_written_as_what_they_are() {
    let bound = laboratory(|result| {
        if let Finding::Quantity(quantity) = &mut result.value {
            quantity.comparator = Comparator::GreaterOrEqual;
            quantity.number = "4.10".parse().unwrap();
        }
    });
    assert_eq!(
        (&bound["valueQuantity"]["comparator"], &bound["valueQuantity"]["code"]),
        (&">=".into(), &"mmol/L".into())
    );
    let unknown = laboratory(|result| result.comparability = Comparability::NotComparable(Incomparable::UnitUnknown));
    assert_eq!((unknown["valueQuantity"].get("code"), unknown["note"].is_array()), (None, true));
    let text = laboratory(|result| result.value = Finding::Text("1:160".into()));
    assert_eq!(text["valueString"], "1:160");
    let coded =
        |system: &str| Finding::Coded { code: "10828004".into(), display: "阳性".into(), system: system.into() };
    let known = laboratory(|result| result.value = coded("SCT"));
    assert_eq!(known["valueCodeableConcept"]["coding"][0]["system"], "http://snomed.info/sct");
    let own = laboratory(|result| result.value = coded("科室 1"));
    let system = own["valueCodeableConcept"]["coding"][0]["system"].as_str().unwrap();
    assert!(system.starts_with("urn:concord:local:91350100M000100Y43:%E7"), "{system}");
    let absent = laboratory(|result| result.value = Finding::InOriginal);
    assert_eq!(absent["dataAbsentReason"]["coding"][0]["code"], "unknown");
    let odd = laboratory(|result| result.flag = Some("偏高".into()));
    assert_eq!((&odd["interpretation"][0]["text"], odd["interpretation"][0].get("coding")), (&"偏高".into(), None));
}

#[test]
fn a_report_stands_as_its_results_do() {
    use ResultStatus::{Corrected, Final, Preliminary, Withdrawn};
    let table: [(&[ResultStatus], &str); 6] = [
        (&[Final, Final], "final"),
        (&[Final, Corrected, Withdrawn], "corrected"),
        (&[Final, Preliminary], "partial"),
        (&[Preliminary], "preliminary"),
        (&[Withdrawn], "entered-in-error"),
        (&[Final, Withdrawn], "final"),
    ];
    for (statuses, expected) in table {
        let results: Vec<_> =
            statuses.iter().map(|status| summary(&Entry { status: *status, ..potassium() })).collect();
        let told: Vec<_> = results.iter().map(|result| Told::new(result, PATIENT).unwrap()).collect();
        assert_eq!(super::report::status(&told), expected, "{statuses:?}");
    }
}

#[test]
fn what_stands_beside_results_is_written() {
    let result = summary(&potassium());
    let told = Told::new(&result, PATIENT).unwrap();
    let header = Header {
        organisation: "91350100M000100Y43".parse().unwrap(),
        key_id: [7; 8],
        sequence: 1,
        previous: Digest::new([0; 32]),
        root: Digest::new([1; 32]),
        size: 1,
        sealed_at: at(2),
    };
    let batch = Batch { header_bytes: header.encode(), header, signature: [2; 64], entries: Vec::new() };
    insta::assert_snapshot!("provenance", shown(&provenance(&told, &batch, at(3))));
    let organisation = Organisation {
        code: "91350100M000100Y43".parse().unwrap(),
        role: Role::Hospital,
        name_zh: "甲医院".into(),
        name_en: "First".into(),
        region: "520100".parse().unwrap(),
        level: "3A".into(),
    };
    insta::assert_snapshot!("organization", shown(&people::organisation(&organisation)));
    insta::assert_snapshot!("patient", shown(&people::patient(&CONTEXT(), PATIENT)));
    insta::assert_snapshot!("outcome", shown(&operation_outcome("not-found", "no such resource")));
    insta::assert_snapshot!("statement", shown(&capability_statement(&CONTEXT(), "0.1.0", at(0))));
}

#[test]
fn orders_decisions_and_qualifications_are_written() {
    let code = |system: &str, code: &str| pb::Code { system: system.into(), code: code.into(), display: String::new() };
    let line = pb::OrderLine {
        line_id: "1".into(),
        codes: vec![code("catalogue", "L01001"), code("loinc", "2823-3"), code("LIS", "K")],
        imaging: Vec::new(),
    };
    let organisation = "91350100M000100Y43".to_owned();
    let check = pb::CheckRecord { organisation: organisation.clone(), check_key: "c1".into(), ..Default::default() };
    let declined = ["R01".to_owned()];
    let asked = Asked {
        id: "9-0",
        check: &check,
        line: &line,
        at: at(0),
        patient: PATIENT,
        declined: &declined,
        is_declined: true,
        answered: false,
    };
    insta::assert_snapshot!("request", shown(&service_request(&asked)));
    let decline = pb::Decline { reason: "R01".into(), text: "病情变化".into(), choice: String::new() };
    let declined = pb::Decision { outcome: Some(pb::decision::Outcome::Decline(decline)), ..Default::default() };
    let record = pb::DecisionRecord { organisation, ..Default::default() };
    let name = ResultId::new([5; 16]).to_string();
    let decided = Decided {
        decision: &declined,
        record: &record,
        at: at(1),
        prompt: PromptId::new([6; 16]),
        patient: PATIENT,
        offered: ("Observation", &name),
        request: "9-0",
    };
    insta::assert_snapshot!("decision", shown(&decision(&decided)));
    let standing = pb::Standing {
        laboratory: "91350100M000100Y43".into(),
        subject: "L01001".into(),
        state: "QUALIFIED".into(),
        mark: "贵州省HR".into(),
        programme: "NCCL-C-01".into(),
        issuer: "12100000400000624D".into(),
        valid_from: Some(at(0).into()),
        valid_to: Some(at(24).into()),
        rounds: vec!["2026-1 100%".into()],
    };
    insta::assert_snapshot!("qualification", shown(&qualification(&standing).unwrap()));
}

#[test]
fn accesses_and_consents_are_written() {
    let access = pb::Access {
        log_index: 12,
        kind: pb::AccessKind::FhirRead.into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: "心内科".into() }),
        organisation: "91350100M000100Y43".into(),
        organisation_name_zh: "甲医院".into(),
        client: "EMR".into(),
        purpose: "treatment".into(),
        basis: pb::AccessBasis::Consent.into(),
        results: vec![vec![5; 16].into()],
        outcome: pb::AccessOutcome::Given.into(),
        reason: "Observation?patient&code=2823-3".into(),
        ..Default::default()
    };
    insta::assert_snapshot!("audit", shown(&audit_event(PATIENT, &access, 0, at(0))));
    let link = pb::Access { organisation: String::new(), actor: None, client: String::new(), ..access };
    shown(&audit_event(PATIENT, &link, 1, at(0)));
    let terms = pb::ConsentTerms {
        grantee: Some(pb::consent_terms::Grantee::Organisation("91350100M000100Y43".into())),
        extent: Some(pb::Extent {
            classes: vec![pb::ResultClass::Laboratory.into(), pb::ResultClass::Imaging.into()],
            items: vec!["L01001".into()],
            sensitive: true,
            ..Default::default()
        }),
        purpose: pb::ConsentPurpose::Treatment.into(),
        from: Some(at(0).into()),
        to: Some(at(24).into()),
        uses_max: 0,
    };
    let given = pb::Consent {
        consent_id: vec![4; 16].into(),
        terms: Some(terms),
        granted_at: Some(at(0).into()),
        state: pb::consent::State::Active.into(),
        ..Default::default()
    };
    insta::assert_snapshot!("consent", shown(&consent(PATIENT, &given).unwrap()));
}

/// HL7's own examples keep to the same shape, so that the test is no stricter than FHIR.
#[test]
fn the_examples_keep_the_same_shape() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible/fhir"));
    if !folder.is_dir() {
        println!("skipped: the sample collection is not beside the sources");
        return;
    }
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            keeps_the_shape(&serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
            seen += 1;
        }
    }
    assert!(seen > 30, "the examples were not found");
}

#[test]
fn what_breaks_the_shape_is_found() {
    let broken = [
        r#"{"resourceType":"Patient","id":""}"#,
        r#"{"resourceType":"Patient","name":[]}"#,
        r#"{"resourceType":"Patient","active":null}"#,
        r#"{"resourceType":"Patient","id":"a b"}"#,
        r#"{"resourceType":"Observation","effectiveDateTime":"2026-05-29T04:26:40"}"#,
        r#"{"resourceType":"Observation","issued":"2026-05-29"}"#,
        r#"{"resourceType":"Observation","code":{"coding":[{"system":"LIS","code":"K"}]}}"#,
        r#"{"id":"a"}"#,
    ];
    for text in broken {
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(std::panic::catch_unwind(|| keeps_the_shape(&value)).is_err(), "{text}");
    }
}

/// Checks what holds in every resource of FHIR R4: 2.6.2 (JSON) and 2.24 (data types).
fn keeps_the_shape(resource: &Value) {
    assert!(resource["resourceType"].is_string(), "a resource names its type");
    walk("", resource);
}

fn walk(name: &str, value: &Value) {
    match value {
        Value::Null => panic!("{name} is null"),
        Value::String(text) => {
            assert!(!text.is_empty() && !text.trim().is_empty(), "{name} is empty");
            well_formed(name, text);
        }
        Value::Array(elements) => {
            assert!(!elements.is_empty(), "{name} is empty");
            // An array of primitives may stand beside one of extensions, with null where either has nothing.
            elements.iter().filter(|element| !element.is_null()).for_each(|element| walk(name, element));
        }
        Value::Object(members) => {
            assert!(!members.is_empty(), "{name} is empty");
            members.iter().for_each(|(name, value)| walk(name, value));
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

fn well_formed(name: &str, text: &str) {
    match name {
        "id" | "versionId" => assert!(super::search::is_id(text), "{name}: {text}"),
        "system" if !matches!(text, "phone" | "email" | "fax" | "url" | "sms" | "pager" | "other") => {
            assert!(text.contains(':') && !text.contains(' '), "{name}: {text}");
        }
        "issued" | "lastUpdated" | "recorded" => {
            let zoned = text.ends_with('Z') || text.get(text.len() - 6..).is_some_and(|end| end.contains(['+', '-']));
            assert!(text.contains('T') && zoned, "{name}: {text}");
            assert!(super::search::date::span_of(text, 0).is_some(), "{name}: {text}");
        }
        name if name.ends_with("DateTime") && !name.starts_with("_") => {
            let zoned = !text.contains('T') || text.ends_with('Z') || text.len() > 19;
            assert!(zoned && super::search::date::span_of(text, 0).is_some(), "{name}: {text}");
        }
        _ => {}
    }
}
