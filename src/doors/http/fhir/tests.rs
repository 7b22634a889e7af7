//! The read API from outside: who is answered what, and what is recorded of it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use prost::Message;
use serde_json::Value;
use tower::ServiceExt;

use super::{FhirDoor, Readers, router};
use crate::domain::entry::{Entry, ResultStatus, Sensitivity};
use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId, ResultLocator};
use crate::domain::organisation::{Caller, Role};
use crate::doors::tls::Peer;
use crate::merkle::hash::leaf_hash;
use crate::merkle::tree::root_of;
use crate::pki::signing::SigningDomain;
use crate::ports::clock::Clock;
use crate::service::hub::consent::Acting;
use crate::service::hub::testing::{CENTRE, HOSPITAL, OTHER_HOSPITAL, World, caller, code};
use crate::wire::batch::{Batch, Header, SIGNED_AS};
use crate::wire::entry::tests::{chest_ct, potassium};
use crate::wire::fhir::search::parameters::SEARCHABLE;
use crate::wire::record::Record;
use crate::wire::regional::{regional, report_tag};
use crate::wire::{entry, pb, statement};

const PATIENT: [u8; 16] = [2; 16];
const OWN: (&str, Role) = (OTHER_HOSPITAL, Role::Hospital);
const OTHER: (&str, Role) = (HOSPITAL, Role::Hospital);
const REGULATOR: (&str, Role) = (CENTRE, Role::Regulator);

/// A hub in which the other hospital has published results of the patient.
struct Desk {
    world: World,
    batches: u64,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Desk {
    async fn open() -> Self {
        Self { world: World::new().await, batches: 0 }
    }

    async fn publish(&mut self, entries: &[Entry]) {
        self.batches += 1;
        let signer = self.world.signer(OTHER_HOSPITAL, Role::Hospital, 50);
        let encoded: Vec<_> = entries.iter().map(entry::encode).collect();
        let leaves: Vec<_> = encoded.iter().map(|bytes| leaf_hash(bytes)).collect();
        let header = Header {
            organisation: code(OTHER_HOSPITAL),
            key_id: signer.key.record().key_id.0,
            sequence: self.batches,
            previous: Digest::new([0; 32]),
            root: Digest::new(*root_of(&leaves).as_bytes()),
            size: entries.len(),
            sealed_at: self.world.clock.now(),
        };
        let header_bytes = header.encode();
        let signature = signer.key.sign(SigningDomain(SIGNED_AS), &header_bytes);
        let batch = Batch { header, header_bytes, signature, entries: encoded }.encode();
        let received_at = Some(self.world.clock.now().into());
        self.world.record(Record::Batch(pb::BatchRecord { batch, received_at, rejections: Vec::new() })).await;
    }

    fn result(&self, name: u8, hours_ago: i64) -> Entry {
        let mut entry = potassium();
        (entry.publisher, entry.laboratory) = (code(OTHER_HOSPITAL), code(OTHER_HOSPITAL));
        entry.patient = Pseudonym::new(PATIENT);
        (entry.result, entry.report) = (ResultId::new([name; 16]), ReportId::new([name / 10; 16]));
        (entry.version, entry.status, entry.sensitivity) = (1, ResultStatus::Final, Sensitivity::Normal);
        entry.times.collected = self.world.clock.now().plus_hours(-hours_ago);
        entry.times.reported = entry.times.collected;
        entry.times.ordered = None;
        entry
    }

    async fn ask(&self, who: Option<(&str, Role)>, request: Request<Body>) -> Answer {
        let revoked = |caller: &Caller| caller.organisation.as_str() == CENTRE && caller.role == Role::QcCentre;
        let readers = Readers::new(revoked);
        let region = "520000".parse().unwrap();
        let door = FhirDoor::new(Arc::clone(&self.world.hub), readers, region, "https://hub.example.cn");
        let caller = who.map(|(organisation, role)| Arc::new(caller(organisation, role)));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut request = request;
        request.extensions_mut().insert(Peer { caller, address });
        let response = router(door).into_router().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    async fn get(&self, who: (&str, Role), path: &str) -> Answer {
        self.ask(Some(who), Request::get(format!("/fhir/r4/{path}")).body(Body::empty()).unwrap()).await
    }

    async fn found(&self, who: (&str, Role), path: &str) -> Vec<Value> {
        let answer = self.get(who, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let entries = answer.body["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|entry| entry["resource"].clone()).collect()
    }

    async fn consent(&self, sensitive: bool) {
        let now = self.world.clock.now();
        let terms = pb::ConsentTerms {
            grantee: Some(pb::consent_terms::Grantee::Organisation(HOSPITAL.into())),
            extent: Some(pb::Extent { all: true, sensitive, ..Default::default() }),
            purpose: pb::ConsentPurpose::Treatment.into(),
            to: Some(now.plus_hours(24).into()),
            ..Default::default()
        };
        let sent = pb::GrantConsentRequest { consent_key: "c1".into(), terms: Some(terms), ..Default::default() };
        let gateway = caller(CENTRE, Role::PatientGateway);
        self.world.hub.grant_consent(&gateway, Acting::oneself(Pseudonym::new(PATIENT)), &sent).await.unwrap();
    }

    fn accesses(&self) -> Vec<pb::Access> {
        self.world.hub.access_history(Pseudonym::new(PATIENT), None, 100).unwrap().0
    }
}

fn patient() -> String {
    hex::encode(PATIENT)
}

fn id_of(name: u8) -> String {
    let publisher = code(OTHER_HOSPITAL);
    let report = report_tag(publisher, ReportId::new([name / 10; 16]));
    ResultLocator::of(report, regional(publisher, ResultId::new([name; 16]))).to_string()
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let mut desk = Desk::open().await;
    let result = desk.result(1, 10);
    desk.publish(&[result]).await;
    let paths = [format!("Observation?patient={}", patient()), format!("Observation/{}", id_of(1))];
    for path in &paths {
        assert_eq!(desk.get(OWN, path).await.status, StatusCode::OK, "{path}");
    }
    desk.world.fail().await;
    for path in &paths {
        let refused = desk.get(OWN, path).await;
        assert!(refused.status.is_server_error(), "{path}: {}", refused.status);
        assert_eq!(refused.body["resourceType"], "OperationOutcome", "{path}: {}", refused.body);
    }
}

#[tokio::test]
async fn a_hospital_reads_its_own_and_others_need_a_right() {
    let mut desk = Desk::open().await;
    let (mut hidden, seen) = (desk.result(2, 20), desk.result(1, 10));
    hidden.sensitivity = Sensitivity::Sensitive;
    desk.publish(&[seen, hidden]).await;
    let search = format!("Observation?patient={}", patient());
    assert_eq!(desk.found(OWN, &search).await.len(), 2);
    assert!(desk.found(OTHER, &search).await.is_empty());
    let one = format!("Observation/{}", id_of(1));
    assert_eq!(desk.get(OWN, &one).await.status, StatusCode::OK);
    let refused = desk.get(OTHER, &one).await;
    assert_eq!((refused.status, &refused.body["resourceType"]), (StatusCode::NOT_FOUND, &"OperationOutcome".into()));
    assert_eq!(desk.accesses()[0].outcome(), pb::AccessOutcome::Refused);

    desk.consent(false).await;
    assert_eq!(desk.found(OTHER, &search).await.len(), 1, "sensitive ones are not opened by the way");
    let told = &desk.accesses()[0];
    assert_eq!((told.kind(), told.basis()), (pb::AccessKind::FhirRead, pb::AccessBasis::Consent));
    assert_eq!((told.organisation.as_str(), told.purpose.as_str()), (HOSPITAL, "treatment"));
    assert_eq!((told.reason.as_str(), told.results.len()), ("Observation?patient", 1));

    for role in [Role::Regulator, Role::Operator, Role::PatientGateway] {
        assert_eq!(desk.get((CENTRE, role), &search).await.status, StatusCode::FORBIDDEN, "{role}");
    }
    let nobody = desk.ask(None, Request::get("/fhir/r4/Organization").body(Body::empty()).unwrap()).await;
    assert_eq!((nobody.status, &nobody.body["issue"][0]["code"]), (StatusCode::UNAUTHORIZED, &"login".into()));
    assert_eq!(desk.get((CENTRE, Role::QcCentre), "Organization").await.status, StatusCode::UNAUTHORIZED, "revoked");
}

#[tokio::test]
async fn versions_stay_readable_and_what_was_withdrawn_is_gone() {
    let mut desk = Desk::open().await;
    let (first, other) = (desk.result(1, 10), desk.result(3, 10));
    let second = Entry { version: 2, status: ResultStatus::Corrected, ..first.clone() };
    let withdrawn = Entry { version: 2, status: ResultStatus::Withdrawn, ..other.clone() };
    desk.publish(&[first, other]).await;
    desk.publish(&[second, withdrawn]).await;
    let path = format!("Observation/{}", id_of(1));
    let current = desk.get(OWN, &path).await;
    assert_eq!(
        (&current.body["status"], &current.headers[header::ETAG]),
        (&"corrected".into(), &"W/\"2\"".parse().unwrap())
    );
    assert!(current.headers.contains_key(header::LAST_MODIFIED));
    assert_eq!(current.headers[header::CONTENT_TYPE], "application/fhir+json");
    let again =
        Request::get(format!("/fhir/r4/{path}")).header("if-none-match", "W/\"2\"").body(Body::empty()).unwrap();
    assert_eq!(desk.ask(Some(OWN), again).await.status, StatusCode::NOT_MODIFIED);
    let earlier = desk.get(OWN, &format!("{path}/_history/1")).await;
    assert_eq!(
        (&earlier.body["status"], &earlier.body["meta"]["tag"][0]["code"]),
        (&"final".into(), &"superseded".into())
    );
    assert_eq!(desk.get(OWN, &format!("{path}/_history/9")).await.status, StatusCode::NOT_FOUND);
    let gone = desk.get(OWN, &format!("Observation/{}", id_of(3))).await;
    assert_eq!((gone.status, &gone.body["issue"][0]["code"]), (StatusCode::GONE, &"deleted".into()));
    assert_eq!(desk.found(OWN, &format!("Observation?patient={}", patient())).await.len(), 1);
    let documents = desk.found(OWN, &format!("DocumentReference?patient={}", patient())).await;
    assert_eq!(documents[0]["relatesTo"][0]["code"], "replaces");
    let target = documents[0]["relatesTo"][0]["target"]["reference"].as_str().unwrap();
    let earlier = desk.get(OWN, target).await;
    assert_eq!(
        (&earlier.body["status"], &earlier.headers[header::ETAG]),
        (&"superseded".into(), &"W/\"1\"".parse().unwrap())
    );
}

#[tokio::test]
async fn one_id_names_its_patient_and_only_what_may_be_seen_is_found() {
    let mut desk = Desk::open().await;
    let result = desk.result(1, 10);
    desk.publish(&[result]).await;
    for kind in ["Observation", "DiagnosticReport", "DocumentReference"] {
        let known = desk.found(OWN, &format!("{kind}?patient={}", patient())).await;
        let path = format!("{kind}?_id={}", known[0]["id"].as_str().unwrap());
        assert_eq!(desk.found(OWN, &path).await, known, "{kind}");
        assert!(desk.found(OTHER, &path).await.is_empty(), "{kind}");
        assert_eq!(desk.accesses()[0].organisation, HOSPITAL, "{kind}: who asked for what may not be seen is recorded");
    }
    let recorded = desk.accesses().len();
    for id in ["x", "a%20b", &"0".repeat(32), &patient()[..31]] {
        assert!(desk.found(OWN, &format!("Observation?_id={id}")).await.is_empty(), "{id}");
    }
    assert_eq!(desk.accesses().len(), recorded, "nobody was looked at");
}

#[tokio::test]
async fn a_report_brings_its_results_and_their_signatures() {
    let mut desk = Desk::open().await;
    let mut ct = Entry { patient: Pseudonym::new(PATIENT), ..chest_ct() };
    (ct.publisher, ct.laboratory) = (code(OTHER_HOSPITAL), code(OTHER_HOSPITAL));
    ct.sensitivity = Sensitivity::Normal;
    let entries = [desk.result(11, 10), desk.result(12, 10), ct];
    desk.publish(&entries).await;
    let path = format!("DiagnosticReport?patient={}&category=LAB", patient());
    let found =
        desk.found(OWN, &format!("{path}&_include=DiagnosticReport:result&_revinclude=Provenance:target")).await;
    let kinds: Vec<_> = found.iter().map(|one| one["resourceType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["DiagnosticReport", "Observation", "Observation", "Provenance", "Provenance"]);
    assert_eq!(found[0]["result"].as_array().unwrap().len(), 2);
    let studies = desk.found(OWN, &format!("ImagingStudy?patient={}&modality=CT", patient())).await;
    assert_eq!(studies[0]["series"].as_array().unwrap().len(), 2);

    let target = format!("Observation/{}", id_of(11));
    let signed = &desk.found(REGULATOR, &format!("Provenance?target={target}")).await[0];
    let signature = &signed["signature"][0];
    let decode = |text: &Value| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
    };
    let header = decode(&signature["extension"][0]["valueBase64Binary"]);
    let key = desk.world.signer(OTHER_HOSPITAL, Role::Hospital, 50).key;
    assert_eq!(key.sign(SigningDomain(SIGNED_AS), &header).to_vec(), decode(&signature["data"]));
    assert!(!signed.to_string().contains("mmol"), "a signature tells no value");
    let read = desk.get(OWN, &format!("DiagnosticReport/{}", found[0]["id"].as_str().unwrap())).await;
    assert_eq!(read.body, found[0]);
}

#[tokio::test]
async fn pages_lead_through_everything_once() {
    let mut desk = Desk::open().await;
    let entries: Vec<Entry> = (1..=5).map(|name| desk.result(name, i64::from(name))).collect();
    desk.publish(&entries).await;
    let mut path = format!("Observation?patient={}&_count=2&_total=accurate", patient());
    let mut seen = Vec::new();
    loop {
        let page = desk.get(OWN, &path).await.body;
        assert_eq!(page["total"], 5);
        seen.extend(page["entry"].as_array().unwrap().iter().map(|one| one["resource"]["id"].clone()));
        let links = page["link"].as_array().unwrap();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        path = next["url"].as_str().unwrap().rsplit_once("/r4/").unwrap().1.to_owned();
    }
    assert_eq!(seen, (1..=5).map(|name| Value::from(id_of(name))).collect::<Vec<_>>(), "newest first");
    let newest = format!("Observation?patient={}&date=ge2026-05-29&_sort=date&_summary=count", patient());
    assert_eq!(desk.get(OWN, &newest).await.body["total"], 4, "the fifth is of the day before");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_its_reason() {
    let desk = Desk::open().await;
    let request = |method: &str, path: &str| Request::builder().method(method).uri(format!("/fhir/r4/{path}"));
    let table = [
        (request("GET", "Observation"), StatusCode::BAD_REQUEST, "required"),
        (
            request("GET", "Observation?patient=x&colour=red").header("prefer", "handling=strict"),
            StatusCode::BAD_REQUEST,
            "not-supported",
        ),
        (request("GET", "Observation?patient=x&code:not=a"), StatusCode::BAD_REQUEST, "not-supported"),
        (request("GET", "Observation?patient=x&date=soon"), StatusCode::BAD_REQUEST, "invalid"),
        (request("GET", "Patient?identifier=CN-ID|11010519491231002X"), StatusCode::BAD_REQUEST, "not-supported"),
        (request("GET", "Patient/unknown"), StatusCode::NOT_FOUND, "not-found"),
        (request("GET", "Observation/unknown"), StatusCode::NOT_FOUND, "not-found"),
        (request("GET", "Practitioner/unknown"), StatusCode::NOT_FOUND, "not-supported"),
        (request("GET", "Observation/a/b/c"), StatusCode::NOT_FOUND, "not-found"),
        (request("POST", "Observation"), StatusCode::METHOD_NOT_ALLOWED, "not-supported"),
        (request("DELETE", "Observation/x"), StatusCode::METHOD_NOT_ALLOWED, "not-supported"),
        (request("POST", "Observation/_search"), StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported"),
        (
            request("GET", "Organization").header("accept", "application/fhir+xml"),
            StatusCode::NOT_ACCEPTABLE,
            "not-supported",
        ),
        (request("GET", "Organization?_format=xml"), StatusCode::NOT_ACCEPTABLE, "not-supported"),
    ];
    for (request, status, issue) in table {
        let request = request.body(Body::empty()).unwrap();
        let what = format!("{} {}", request.method(), request.uri());
        let answer = desk.ask(Some(OWN), request).await;
        assert_eq!((answer.status, &answer.body["issue"][0]["code"]), (status, &issue.into()), "{what}");
        assert!(!answer.body.to_string().contains("11010519491231002X"), "{what}");
    }
    assert!(desk.accesses().is_empty(), "nobody was looked at");
}

#[tokio::test]
async fn a_patient_is_found_by_an_identifier_in_a_body() {
    let mut desk = Desk::open().await;
    let body = "identifier=urn%3Aconcord%3Aidentifier%3ACN-ID%7C11010519491231002X";
    let search = || {
        let form =
            Request::post("/fhir/r4/Patient/_search").header("content-type", "application/x-www-form-urlencoded");
        form.body(Body::from(body)).unwrap()
    };
    let nothing = desk.ask(Some(OWN), search()).await;
    assert_eq!((nothing.status, nothing.body.get("entry")), (StatusCode::OK, None), "the region has no result");
    assert!(!nothing.body.to_string().contains("11010519491231002X"), "not in a link either");
    let entry = desk.result(1, 1);
    desk.publish(&[entry]).await;
    let by_name = format!("identifier=urn%3Aconcord%3Aregion%3A520000%3Apseudonym%7C{}", patient());
    let form = Request::post("/fhir/r4/Patient/_search").header("content-type", "application/x-www-form-urlencoded");
    let found = desk.ask(Some(OWN), form.body(Body::from(by_name)).unwrap()).await.body;
    assert_eq!(found["entry"][0]["resource"]["id"], patient());
    assert_eq!(found["link"][0]["url"], "https://hub.example.cn/fhir/r4/Patient");
    assert_eq!(desk.get(OWN, &format!("Patient/{}", patient())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_order_its_decision_and_the_qualification_behind_it_are_read() {
    let mut desk = Desk::open().await;
    qualify(&desk.world).await;
    let entry = desk.result(1, 24);
    desk.publish(&[entry]).await;
    let doctor = caller(HOSPITAL, Role::Hospital);
    let answer = desk.world.check(&doctor, check()).await.unwrap();
    let prompt = answer.lines[0].prompts[0].prompt_id.clone();
    let accept = pb::Decision {
        prompt_id: prompt,
        outcome: Some(pb::decision::Outcome::Accept(pb::Accept {})),
        ..Default::default()
    };
    let actor = Some(pb::Actor { practitioner: "D7".into(), department: String::new() });
    let sent = pb::DecideRequest { decision_key: "d1".into(), actor, decisions: vec![accept], ..Default::default() };
    desk.world.hub.decide(&doctor, sent).await.unwrap();

    let orders = desk.found(OTHER, &format!("ServiceRequest?patient={}", patient())).await;
    assert_eq!((&orders[0]["status"], &orders[0]["code"]["coding"][0]["code"]), (&"revoked".into(), &"L01001".into()));
    let order = format!("ServiceRequest?_id={}&_include=ServiceRequest:patient", orders[0]["id"].as_str().unwrap());
    let found = desk.found(OTHER, &order).await;
    assert_eq!((found.len(), &found[0], &found[1]["id"]), (2, &orders[0], &patient().into()));
    assert!(desk.found(OWN, &order).await.is_empty(), "whose order it is not");
    let decisions = desk.found(OTHER, &format!("Basic?code=mutual-recognition-decision&patient={}", patient())).await;
    let decision = format!("Basic/{}", decisions[0]["id"].as_str().unwrap());
    assert_eq!(desk.get(OTHER, &decision).await.body, decisions[0]);
    assert_eq!(desk.get(OWN, &decision).await.status, StatusCode::NOT_FOUND, "whose decision it is not");
    let accepted = desk.found(OTHER, &format!("Observation?patient={}", patient())).await;
    assert_eq!(accepted.len(), 1, "what was accepted may be read");

    let standings = desk.found(REGULATOR, &format!("Basic?code=eqa-qualification&subject={OTHER_HOSPITAL}")).await;
    assert_eq!(standings[0]["extension"][0]["valueCode"], "qualified");
    let one = desk.get(REGULATOR, &format!("Basic/{}", standings[0]["id"].as_str().unwrap())).await;
    assert_eq!(one.body, standings[0]);
    let events = desk.found(REGULATOR, &format!("AuditEvent?patient={}", patient())).await;
    assert!(events.len() >= 4 && events.iter().all(|event| event["agent"].as_array().unwrap().len() > 1));
    let own = desk.found(OWN, &format!("AuditEvent?patient={}", patient())).await;
    assert!(own.is_empty(), "an organisation reads its own accesses alone");
}

#[tokio::test]
async fn the_statement_lists_what_works_and_nothing_else() {
    let mut desk = Desk::open().await;
    let entry = desk.result(1, 1);
    desk.publish(&[entry]).await;
    let statement = desk.ask(None, Request::get("/fhir/r4/metadata").body(Body::empty()).unwrap()).await.body;
    assert_eq!((&statement["fhirVersion"], &statement["kind"]), (&"4.0.1".into(), &"instance".into()));
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    assert_eq!(resources.len(), SEARCHABLE.len());
    for resource in resources {
        let kind = resource["type"].as_str().unwrap();
        let listed: Vec<&str> =
            resource["interaction"].as_array().unwrap().iter().filter_map(|it| it["code"].as_str()).collect();
        let read = desk.get(OWN, &format!("{kind}/unknown")).await;
        assert_eq!(
            (read.status, &read.body["issue"][0]["code"]),
            (StatusCode::NOT_FOUND, &"not-found".into()),
            "{kind}"
        );
        let vread = desk.get(OWN, &format!("{kind}/{}/_history/1", id_of(1))).await;
        let answers = vread.status == StatusCode::OK;
        assert_eq!(answers, listed.contains(&"vread") && kind == "Observation", "{kind}");
        for parameter in resource["searchParam"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let value = match parameter["type"].as_str().unwrap() {
                "date" => "2026".to_owned(),
                _ => "x".to_owned(),
            };
            // Some searches must name somebody besides; a parameter that is not known is told from that.
            let form = format!("{name}={value}");
            let request = Request::post(format!("/fhir/r4/{kind}/_search"))
                .header("content-type", "application/x-www-form-urlencoded")
                .header("prefer", "handling=strict")
                .body(Body::from(form))
                .unwrap();
            let answer = desk.ask(Some(OWN), request).await;
            let required = answer.body["issue"][0]["code"] == "required";
            assert!(answer.status == StatusCode::OK || required, "{kind}?{name}: {}", answer.body);
        }
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        let request = Request::builder().method(method).uri("/fhir/r4/Observation/x").body(Body::empty()).unwrap();
        assert_eq!(desk.ask(Some(OWN), request).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

async fn qualify(world: &World) {
    let now = world.clock.now();
    let round = pb::EqaResult {
        programme: "NCCL-C-01".into(),
        year: 2026,
        round: 1,
        laboratory: OTHER_HOSPITAL.into(),
        item: "L01001".into(),
        status: pb::EqaStatus::Scored.into(),
        score_percent: "100".into(),
        sampled_at: Some(now.plus_hours(-24 * 60).into()),
        published_at: Some(now.plus_hours(-24 * 30).into()),
        ..Default::default()
    };
    let content = Some(pb::statement::Content::Rounds(pb::EqaRounds { results: vec![round] }));
    let said = pb::Statement { issuer: CENTRE.into(), issued_at: Some(now.into()), content }.encode_to_vec();
    let signer = world.signer(CENTRE, Role::QcCentre, 60);
    let signature = signer.key.sign(SigningDomain(statement::SIGNED_AS), &said).to_vec().into();
    let signing_certificate = signer.certificate_der.into();
    let received_at = Some(now.into());
    let record = pb::StatementRecord { statement: said.into(), signature, signing_certificate, received_at };
    world.record(Record::Statement(record)).await;
}

fn check() -> pb::CheckRequest {
    pb::CheckRequest {
        check_key: "c1".into(),
        patient: Some(pb::Patient { pseudonym: PATIENT.to_vec().into(), ..Default::default() }),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: "心内科".into() }),
        visit: Some(pb::Visit {
            encounter: "V1".into(),
            setting: pb::Setting::Outpatient.into(),
            ..Default::default()
        }),
        lines: vec![pb::OrderLine {
            line_id: "1".into(),
            codes: vec![pb::Code { system: "catalogue".into(), code: "L01001".into(), display: String::new() }],
            imaging: vec![],
        }],
        language: pb::Language::En.into(),
        proofs: false,
    }
}
