//! Calls read, with one thing wrong at a time, and cards written.

use serde_json::{Value, json};

use super::*;
use crate::wire::pb;
use card::card;
use words::Words;

const ZH: Words = Words(pb::Language::Zh);
const EN: Words = Words(pb::Language::En);

fn call() -> Value {
    json!({
        "hook": "order-sign",
        "hookInstance": "7d6f0c0e-6a5e-4f0f-9f0e-0a7a3c2b1d11",
        "context": {
            "userId": "Practitioner/d7", "patientId": "p1", "encounterId": "e9",
            "draftOrders": { "resourceType": "Bundle", "type": "collection", "entry": [
                { "resource": {
                    "resourceType": "ServiceRequest", "id": "o1", "status": "draft", "intent": "order",
                    "code": { "coding": [
                        { "system": "http://loinc.org", "code": "2823-3" },
                        { "system": "urn:his", "code": "K", "display": "钾" },
                        { "code": "no system" },
                    ] },
                    "subject": { "reference": "Patient/p1" },
                } },
                { "resource": { "resourceType": "MedicationRequest", "id": "m1", "status": "draft" } },
            ] },
        },
        "prefetch": { "other": null, "patient": {
            "resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1949-12-31",
            "identifier": [
                { "system": "urn:oid:2.16.156.10011.1.3", "value": "11010519491231002X" },
                { "type": { "coding": [{ "code": "MR" }] }, "value": "another hospital's" },
                { "use": "old", "type": { "coding": [{ "code": "PPN" }] }, "value": "E1" },
            ],
        } },
    })
}

fn read(call: &Value) -> Result<HookRequest, String> {
    HookRequest::read(call.to_string().as_bytes(), &IdentifierNames::default(), 20_000)
        .map_err(|error| error.to_string())
}

fn patient(request: &HookRequest) -> &pb::Patient {
    let Prefetched::Patient(patient) = &request.patient else { panic!("a patient was sent") };
    patient
}

#[test]
fn an_order_is_read_with_all_its_codes_and_the_person_by_known_identifiers_alone() {
    let request = read(&call()).unwrap();
    assert_eq!((request.practitioner.as_str(), request.visit.encounter.as_str()), ("d7", "e9"));
    assert_eq!((request.orders.len(), request.visit.setting()), (1, pb::Setting::Outpatient));
    let codes: Vec<_> =
        request.orders[0].line.codes.iter().map(|code| format!("{} {}", code.system, code.code)).collect();
    assert_eq!(codes, ["loinc 2823-3", "urn:his K"]);
    assert_eq!(request.orders[0].reference.as_deref(), Some("ServiceRequest/o1"));
    let patient = patient(&request);
    assert_eq!((patient.sex(), patient.birth_date.as_str()), (pb::Sex::Female, "1949-12-31"));
    assert_eq!(patient.identifiers.len(), 1, "no record number of another hospital, and no old passport");
    assert_eq!(patient.identifiers[0].r#type, "CN-ID");
}

#[test]
fn what_is_wrong_is_named_by_its_path_and_never_by_its_content() {
    let table = [
        ("/hook", Value::Null, "hook: is missing"),
        ("/hook", json!("order-dispatch"), "hook: is not a valid hook of this service"),
        ("/hookInstance", json!(5), "hookInstance: is not a valid text"),
        ("/context", Value::Null, "context: is missing"),
        ("/context/draftOrders", Value::Null, "context.draftOrders: is missing"),
        ("/context/draftOrders", json!([]), "context.draftOrders: is not a valid JSON object"),
        ("/context/draftOrders/resourceType", json!("List"), "context.draftOrders.resourceType: is not a valid Bundle"),
        ("/context/draftOrders/entry", json!("x"), "context.draftOrders.entry: is not a valid array"),
        ("/context/patientId", Value::Null, "context.patientId: is missing"),
        (
            "/context/userId",
            json!("Patient/p1"),
            "context.userId: is not a valid Practitioner/id or PractitionerRole/id",
        ),
        (
            "/context/draftOrders/entry/0/resource/subject/reference",
            json!("Patient/p2"),
            "context.draftOrders.entry[0].resource.subject: is not accepted here: it is of another patient than the context",
        ),
        (
            "/context/draftOrders/entry/0/resource/code/coding/1/code",
            json!("k".repeat(129)),
            "context.draftOrders.entry[0].resource.code.coding[1].code: has 129 where at most 128 are allowed",
        ),
        ("/prefetch/patient/resourceType", json!("Person"), "prefetch.patient.resourceType: is not a valid Patient"),
        (
            "/prefetch/patient/id",
            json!("p2"),
            "prefetch.patient.id: is not accepted here: it is another patient than the context's",
        ),
        (
            "/prefetch/patient/birthDate",
            json!("31.12.1949"),
            "prefetch.patient.birthDate: is not a valid date, YYYY-MM-DD",
        ),
    ];
    for (path, value, expected) in table {
        let mut call = call();
        *call.pointer_mut(path).unwrap() = value;
        assert_eq!(read(&call).err().as_deref(), Some(expected));
    }
    assert_eq!(read(&json!([])).err().as_deref(), Some("body: is not a valid JSON object"));
    let broken = HookRequest::read(b"{\n \"hook\":", &IdentifierNames::default(), 0).err().unwrap();
    assert_eq!(broken.to_string(), "body: is not JSON at line 2, column 8");
}

#[test]
fn any_prefix_of_a_call_is_an_error() {
    let whole = call().to_string();
    for length in (0..whole.len()).filter(|length| whole.is_char_boundary(*length)) {
        assert!(HookRequest::read(&whole.as_bytes()[..length], &IdentifierNames::default(), 0).is_err());
    }
}

#[test]
fn a_patient_that_was_not_sent_may_be_elsewhere_or_nowhere() {
    let prefetched = |patient: Option<Value>, server: bool| {
        let mut call = call();
        match patient {
            Some(patient) => call["prefetch"]["patient"] = patient,
            None => drop(call["prefetch"].as_object_mut().unwrap().remove("patient")),
        }
        if server {
            call["fhirServer"] = json!("https://his.example/fhir");
        }
        read(&call).unwrap().patient
    };
    let outcome = json!({ "resourceType": "OperationOutcome" });
    assert!(prefetched(None, false) == Prefetched::Nowhere);
    assert!(prefetched(None, true) == Prefetched::Elsewhere);
    assert!(prefetched(Some(Value::Null), true) == Prefetched::Nowhere, "the server has none");
    assert!(prefetched(Some(outcome), true) == Prefetched::Nowhere, "the server could not read it");
}

#[test]
fn the_visit_is_as_the_order_screen_says() {
    let mut call = call();
    call["prefetch"]["encounter"] = json!({ "resourceType": "Encounter", "class": { "code": "EMER" } });
    assert_eq!(read(&call).unwrap().visit.setting(), pb::Setting::Emergency);
    call["extension"] =
        json!({ "com.concord.visit": { "class": "IMP", "transfusion": true }, "com.concord.quiet": true });
    let request = read(&call).unwrap();
    assert_eq!((request.visit.setting(), request.visit.transfusion), (pb::Setting::Inpatient, true));
    assert!(request.quiet);
    call["extension"]["com.concord.visit"]["class"] = json!("XXX");
    assert_eq!(
        read(&call).err().as_deref(),
        Some("extension.com.concord.visit.class: is not a valid class of an encounter")
    );
    let newborn = |born: &str| {
        let mut call = self::call();
        call["prefetch"]["patient"]["birthDate"] = json!(born);
        read(&call).unwrap().visit.neonate
    };
    // Day 20,000 is 2024-10-04.
    assert_eq!((newborn("2024-09-06"), newborn("2024-09-05"), newborn("2024")), (true, false, false));
}

#[test]
fn images_are_ordered_by_part_side_and_modality() {
    let mut call = call();
    let order = call.pointer_mut("/context/draftOrders/entry/0/resource").unwrap();
    order["code"] = json!({ "coding": [{ "system": "urn:concord:catalogue", "code": "E01009" }] });
    order["orderDetail"] = json!([{ "coding": [
        { "system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DX" },
        { "system": "urn:concord:view", "code": "AP" },
    ] }]);
    order["bodySite"] = json!([{ "coding": [
        { "system": "urn:concord:body-part", "code": "KNEE" },
        { "system": "http://snomed.info/sct", "code": "7771000" },
    ] }]);
    let line = read(&call).unwrap().orders.remove(0).line;
    assert_eq!((line.codes[0].system.as_str(), line.imaging.len()), ("catalogue", 1));
    let coverage = &line.imaging[0];
    assert_eq!((coverage.modality.as_str(), coverage.body_part.as_str()), ("DX", "KNEE"));
    assert_eq!((coverage.laterality(), coverage.views.as_slice()), (pb::Laterality::Left, &["AP".to_owned()][..]));
}

#[test]
fn a_hospital_names_its_own_identifiers() {
    let own = IdentifierName {
        system: Some("urn:his:mrn".into()),
        code: None,
        kind: "MRN".parse().unwrap(),
        known_authority: "H1".into(),
    };
    let mut call = call();
    call["prefetch"]["patient"]["identifier"] = json!([
        { "system": "urn:his:mrn", "value": "7" },
        { "system": "urn:his:mrn:old", "value": "8" },
        { "value": "11010519491231002X" },
        { "value": "110105194912310021" },
    ]);
    let request = HookRequest::read(call.to_string().as_bytes(), &IdentifierNames::new(vec![own]), 0).ok().unwrap();
    let identifiers = &patient(&request).identifiers;
    let named: Vec<_> = identifiers.iter().map(|it| format!("{} {} {}", it.r#type, it.authority, it.value)).collect();
    assert_eq!(named, ["MRN H1 7", "CN-ID  11010519491231002X"], "a mistyped number is nobody's");
}

fn prompt(id: u8, reasons: &[(&str, &[&str])]) -> pb::Prompt {
    let laboratory = pb::LaboratoryResult {
        value: Some(pb::laboratory_result::Value::Quantity(pb::Quantity {
            number: "4.1".into(),
            unit: "mmol/L".into(),
            ..Default::default()
        })),
        reference_range: "3.5-5.3".into(),
        flag: "N".into(),
        method: "ISE [x](http://evil.example) <img>".into(),
        ..Default::default()
    };
    let reason = |(code, choices): &(&str, &[&str])| pb::DeclineReason {
        code: (*code).into(),
        text: format!("reason {code}"),
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        ..Default::default()
    };
    pb::Prompt {
        prompt_id: vec![id; 16].into(),
        items: vec!["L01001".into()],
        text: "钾 4.1 mmol/L，1天前，乙医院，贵州省HR".into(),
        result: Some(pb::ResultSummary {
            organisation_name_zh: "乙医院".into(),
            organisation_name_en: "Second".into(),
            item_name_zh: "钾".into(),
            item_name_en: "Potassium".into(),
            collected_at: Some(pb::Moment { unix_ms: 1_780_000_000_000, offset_minutes: 480, date_only: false }),
            content: Some(pb::result_summary::Content::LaboratoryResult(laboratory)),
            ..Default::default()
        }),
        evidence: Some(pb::Evidence {
            policy_version: "2026.1".into(),
            window_hours: 168,
            mark: "贵州省HR".into(),
            programme: "NCCL-C-01".into(),
            rounds: vec!["2026-1: 100 %".into()],
            ..Default::default()
        }),
        decline_reasons: reasons.iter().map(reason).collect(),
        proof: String::new(),
    }
}

fn line(coverage: pb::LineCoverage, prompts: Vec<pb::Prompt>, rest: &[(&str, &str)]) -> pb::LineAnswer {
    pb::LineAnswer {
        line_id: "o1".into(),
        coverage: coverage.into(),
        prompts,
        remaining_items: rest.iter().map(|(code, _)| (*code).to_owned()).collect(),
        remaining_names: rest.iter().map(|(_, name)| (*name).to_owned()).collect(),
        ..Default::default()
    }
}

fn written(line: &pb::LineAnswer, words: Words) -> Value {
    let order = read(&call()).unwrap().orders.remove(0);
    let links = [Link { label: "查看报告：钾".into(), url: "https://node.example/view/abc".into() }];
    let card = card(&order, line, &links, Shown { words, base_url: "https://node.example" }, true).unwrap();
    serde_json::from_str(&answer(vec![card], None)).unwrap()
}

#[test]
fn a_card_carries_the_proofs_there_are_beside_the_names_of_their_results() {
    let mut prompts = [1, 2, 3].map(|id| prompt(id, &[]));
    for (prompt, version) in prompts.iter_mut().zip(1..) {
        let result = prompt.result.as_mut().unwrap();
        (result.result_id, result.version) = (prompt.prompt_id.clone(), version);
    }
    prompts[0].proof = "c2sp.org/tlog-proof@v1\nindex 4\n".into();
    prompts[2].proof = "c2sp.org/tlog-proof@v1\nindex 6\n".into();
    let line = line(pb::LineCoverage::Full, prompts.to_vec(), &[]);
    let card = &written(&line, EN)["cards"][0];
    let proof = |id: &str, version: u32, index: u32| {
        json!({ "result": id.repeat(16), "version": version,
                "proof": format!("c2sp.org/tlog-proof@v1\nindex {index}\n") })
    };
    assert_eq!(card["extension"], json!({ "com.concord.proofs": [proof("01", 1, 4), proof("03", 3, 6)] }));

    let order = read(&call()).unwrap().orders.remove(0);
    let unasked = card::card(&order, &line, &[], Shown { words: EN, base_url: "https://node.example" }, false).unwrap();
    assert!(unasked.member("extension").is_none());
    let mut asked = call();
    assert!(!read(&asked).unwrap().proofs);
    asked["extension"] = json!({ "com.concord.proofs": true });
    assert!(read(&asked).unwrap().proofs);
    asked["extension"] = json!({ "com.concord.proofs": 1 });
    let wrong = read(&asked).err().unwrap();
    assert_eq!(wrong, "extension.com.concord.proofs: is not a valid truth value");
}

#[test]
fn the_card_of_a_line_that_is_answered_in_full() {
    let prompts = vec![prompt(1, &[("R01", &[]), ("R03", &["手术", "输血"])])];
    insta::assert_json_snapshot!(written(&line(pb::LineCoverage::Full, prompts, &[]), ZH));
}

#[test]
fn the_card_of_a_line_of_which_a_rest_is_ordered() {
    let prompts = vec![prompt(1, &[("R01", &[]), ("Q12", &[])]), prompt(2, &[("R01", &[])])];
    let rest = [("L01002", "Sodium")];
    insta::assert_json_snapshot!(written(&line(pb::LineCoverage::Partial, prompts, &rest), EN));
}

#[test]
fn nothing_empty_is_written_and_summaries_are_short() {
    let mut long = prompt(1, &[]);
    long.text = "长".repeat(300);
    long.evidence = None;
    let card = &written(&line(pb::LineCoverage::Partial, vec![long], &[]), ZH)["cards"][0];
    assert_eq!(card["summary"].as_str().unwrap().chars().count(), 139);
    for absent in ["suggestions", "selectionBehavior", "overrideReasons"] {
        assert!(card.get(absent).is_none(), "{absent}");
    }
    assert_eq!(answer(Vec::new(), Some(Vec::new())), r#"{"cards":[]}"#);
}

#[test]
fn languages_are_taken_as_they_are_wanted() {
    let table = [
        (None, "zh"),
        (Some("en"), "en"),
        (Some("en-GB,en;q=0.9"), "en"),
        (Some("zh-CN,en;q=0.5"), "zh"),
        (Some("en;q=0.5, zh;q=0.8"), "zh"),
        (Some("fr, en;q=0.1"), "en"),
        (Some("fr"), "zh"),
        (Some("en;q=0"), "zh"),
        (Some("*"), "zh"),
    ];
    for (header, expected) in table {
        assert_eq!(Words::accepted(header).say("zh", "en"), expected, "{header:?}");
    }
}

#[test]
fn feedback_becomes_decisions_of_its_own_time() {
    let sent = json!({ "feedback": [
        { "card": "01010101-0101-0101-0101-010101010101", "outcome": "accepted",
          "outcomeTimestamp": "2026-05-29T08:00:00Z" },
        { "card": "02020202-0202-0202-0202-020202020202", "outcome": "overridden",
          "outcomeTimestamp": "2026-05-29T16:00:00+08:00",
          "overrideReason": { "reason": { "system": "urn:concord:decline-reason", "code": "R03:手术" },
                              "userComment": "x" } },
        { "card": "03030303-0303-0303-0303-030303030303", "outcome": "overridden",
          "outcomeTimestamp": "2026-05-29T08:00:00Z",
          "overrideReason": { "reason": { "system": "urn:other", "code": "R03" }, "userComment": "y" } },
        { "card": "03030303-0303-0303-0303-030303030303", "outcome": "overridden",
          "outcomeTimestamp": "2026-05-29T08:00:01Z" },
    ] });
    let entries = feedback(sent.to_string().as_bytes()).ok().unwrap();
    let decisions: Vec<_> = entries.iter().map(|entry| entry.decision("d7")).collect();
    let outcomes: Vec<_> = decisions.iter().map(|sent| sent.decisions[0].outcome.clone().unwrap()).collect();
    let declined = pb::Decline { reason: "R03".into(), text: "x".into(), choice: "手术".into() };
    use pb::decision::Outcome;
    assert_eq!(outcomes[0], Outcome::Accept(pb::Accept {}));
    assert_eq!(outcomes[1], Outcome::Decline(declined));
    assert_eq!(outcomes[2], Outcome::Unexplained(pb::Unexplained { text: "y".into() }));
    assert_eq!(outcomes[3], Outcome::Unexplained(pb::Unexplained::default()));
    assert_eq!(decisions[0].decided_at.unwrap().unix_ms, decisions[1].decided_at.unwrap().unix_ms);
    assert!(decisions.iter().all(|sent| sent.replaces && sent.decisions[0].whole_line));
    assert_eq!(entries[0].decision("d7").decision_key, entries[0].decision("d8").decision_key);
    assert_ne!(decisions[2].decision_key, decisions[3].decision_key);
}

#[test]
fn feedback_that_cannot_be_taken_names_the_member() {
    let good = json!({ "card": "01010101-0101-0101-0101-010101010101", "outcome": "accepted",
                       "outcomeTimestamp": "2026-05-29T08:00:00Z" });
    let table = [
        ("card", json!("1"), "feedback[0].card: is not a valid UUID"),
        ("card", Value::Null, "feedback[0].card: is missing"),
        ("outcome", json!("ignored"), "feedback[0].outcome: is not a valid accepted or overridden"),
        ("outcomeTimestamp", json!("yesterday"), "feedback[0].outcomeTimestamp: is not a valid time with its offset"),
        ("outcomeTimestamp", Value::Null, "feedback[0].outcomeTimestamp: is missing"),
        ("acceptedSuggestions", json!("x"), "feedback[0].acceptedSuggestions: is not a valid array"),
    ];
    for (member, value, expected) in table {
        let mut entry = good.clone();
        entry[member] = value;
        let sent = json!({ "feedback": [entry] }).to_string();
        assert_eq!(feedback(sent.as_bytes()).err().map(|error| error.to_string()).as_deref(), Some(expected));
    }
    assert!(feedback(b"{\"feedback\":[]}").is_err());
}

#[test]
fn the_services_are_discovered() {
    insta::assert_json_snapshot!(serde_json::from_str::<Value>(&discovery(EN).to_string()).unwrap());
}
