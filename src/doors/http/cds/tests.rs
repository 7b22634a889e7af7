//! The services over a hub in memory: the same verdicts as over gRPC, asked once, shown once, decided once.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::doors::http::client::tests::{BASE, Desk};
use crate::doors::http::prompt::{self, PromptParts};
use crate::merkle::log_proof::LogProof;
use crate::service::hub::exchange::HubExchange;
use crate::service::hub::testing::{HOSPITAL, OTHER_HOSPITAL, World};
use crate::service::hub::tests::{PATIENT, Publisher, check_request, doctor, figure, qualify, result};
use crate::store::hub::Figure;
use crate::sys::random;
use crate::wire::pb;

const ORDERS_PATH: &str = "/cds-services/mutual-recognition";
const CITIZEN: &str = "11010519491231002X";

/// A door at a hub where the other hospital has published two qualified potassium results of a citizen.
struct Door {
    world: World,
    desk: Arc<Desk>,
    router: Router,
    beside: TaskTracker,
    patient: crate::domain::id::Pseudonym,
    tokens: std::sync::atomic::AtomicU32,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Door {
    async fn open() -> Self {
        Self::open_within(Duration::from_secs(20)).await
    }

    async fn open_within(wait: Duration) -> Self {
        let world = World::new().await;
        let person = crate::wire::person::person(
            &[pb::Identifier { r#type: "CN-ID".into(), value: CITIZEN.into(), ..Default::default() }],
            pb::Sex::Female,
            "1949-12-31",
        );
        let resolved = world.hub.resolve(&[person.unwrap()]).await.unwrap();
        let pseudonym = resolved[0].pseudonym.as_ref().try_into().unwrap();
        qualify(&world, OTHER_HOSPITAL).await;
        let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
        let mut entry = result(&world, 1, 24);
        entry.patient = pseudonym;
        publisher.publish(&world, &[entry]).await;
        let exchange = HubExchange::new(Arc::clone(&world.hub), wait);
        let beside = TaskTracker::new();
        let gate = Desk::new(None, world.clock.clone());
        let viewing = Arc::new(Viewing::new(exchange, random::bytes));
        let page = prompt::router(PromptParts {
            viewing: Arc::clone(&viewing),
            gate: Arc::new(|_| Ok(Arc::new(doctor()))),
            base_url: BASE.to_owned(),
            clock: world.clock.clone(),
            random: random::bytes,
        });
        let cds = Cds::new(Arc::new(gate.gate), viewing, IdentifierNames::default(), beside.clone());
        let desk = Arc::new(Desk { gate: Desk::new(None, world.clock.clone()).gate, key: gate.key, clock: gate.clock });
        Self {
            world,
            desk,
            router: Arc::new(cds).router().merge(page).into_router(),
            beside,
            patient: pseudonym,
            tokens: 0.into(),
        }
    }

    fn token(&self, path: &str) -> String {
        let number = self.tokens.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = path.split('?').next().unwrap();
        self.desk.key.sign(&self.desk.claims(path, &format!("t{number}"))).unwrap()
    }

    /// Sends a request; the tables have what was answered when this returns.
    async fn send(&self, method: Method, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("accept-language", "en").body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        self.world.hub.settled().await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, headers, body }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(&self.token(path)), body).await
    }

    async fn cards(&self, body: &Value) -> Vec<Value> {
        let answer = self.post(ORDERS_PATH, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body["cards"].as_array().unwrap().clone()
    }

    async fn decided(&self, card: &Value, minute: u32, outcome: Value) -> StatusCode {
        let mut entry = outcome;
        entry["card"] = card["uuid"].clone();
        entry["outcomeTimestamp"] = json!(format!("2026-05-28T20:{minute:02}:00Z"));
        let path = format!("{ORDERS_PATH}/feedback");
        self.post(&path, &json!({ "feedback": [entry] })).await.status
    }

    /// Asks about one line by a ticket, and gives the page that it opens.
    async fn page(&self, encounter: &str, line: Value) -> String {
        let order = json!({
            "patient": { "identifiers": [{ "type": "CN-ID", "value": CITIZEN }],
                "sex": "SEX_FEMALE", "birth_date": "1949-12-31" },
            "actor": { "practitioner": "D7" }, "language": "LANGUAGE_EN",
            "visit": { "encounter": encounter, "setting": line["setting"], "transfusion": line["transfusion"] },
            "lines": [{ "line_id": "1", "codes": [{ "system": line["system"], "code": line["code"] }] }],
        });
        let ticket = self.send(Method::POST, "/prompt/tickets", None, &order).await;
        assert_eq!(ticket.status, StatusCode::CREATED, "{}", ticket.body);
        let opened = self.visited(ticket.body["url"].as_str().unwrap().strip_prefix(BASE).unwrap()).await;
        let page = self.visited(opened.headers()["location"].to_str().unwrap()).await;
        String::from_utf8(to_bytes(page.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    async fn visited(&self, path: &str) -> Response {
        let request = axum::http::Request::get(path).header("accept-language", "en").body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn figure(&self, wanted: Figure) -> u64 {
        figure(&self.world, wanted).await
    }
}

/// Holds a prompt page to what the exchange answered over gRPC.
fn assert_page_says(page: &str, line: &pb::LineAnswer) {
    let offered = line.prompts.iter().map(|prompt| hex::encode(&prompt.prompt_id));
    let shown = page.split("name=\"prompt\" value=\"").skip(1).map(|rest| rest[..32].to_owned());
    assert_eq!(shown.count(), offered.count(), "{page}");
    for prompt in &line.prompts {
        assert!(page.contains(&prompt.evidence.as_ref().unwrap().mark), "{page}");
    }
    let pill = match line.coverage() {
        _ if line.prompts.is_empty() => "pill none",
        pb::LineCoverage::Full => "pill full",
        _ => "pill partial",
    };
    assert!(page.contains(pill), "{pill}: {page}");
    let refusals = line.quiet.iter().flat_map(|quiet| &quiet.refusals);
    assert!(refusals.into_iter().all(|refusal| page.contains(&refusal.text)), "{:?}: {page}", line.quiet);
}

fn order(id: &str, code: &str) -> Value {
    json!({ "resource": {
        "resourceType": "ServiceRequest", "id": id, "status": "draft", "intent": "order",
        "code": { "coding": [{ "system": "urn:concord:catalogue", "code": code }] },
        "subject": { "reference": "Patient/p1" },
    } })
}

fn call(hook: &str, instance: &str, orders: &[Value]) -> Value {
    let mut call = json!({
        "hook": hook, "hookInstance": instance,
        "context": {
            "userId": "Practitioner/D7", "patientId": "p1", "encounterId": "V1",
            "draftOrders": { "resourceType": "Bundle", "type": "collection", "entry": orders },
        },
        "prefetch": { "patient": {
            "resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1949-12-31",
            "identifier": [{ "system": "urn:oid:2.16.156.10011.1.3", "value": CITIZEN }],
        } },
    });
    if hook == "order-select" {
        let ids = orders.iter().map(|order| format!("ServiceRequest/{}", order["resource"]["id"].as_str().unwrap()));
        call["context"]["selections"] = ids.collect();
    }
    call
}

fn overridden(reason: Option<&str>) -> Value {
    match reason {
        None => json!({ "outcome": "overridden" }),
        Some(code) => json!({ "outcome": "overridden", "overrideReason": {
            "reason": { "system": "urn:concord:decline-reason", "code": code },
        } }),
    }
}

#[tokio::test]
async fn a_card_answers_an_order_and_its_feedback_decides_it() {
    let door = Door::open().await;
    let cards = door.cards(&call("order-sign", "h1", &[order("o1", "L01001"), order("o2", "L01002")])).await;
    assert_eq!(cards.len(), 1);
    let card = &cards[0];
    assert!(card["summary"].as_str().unwrap().starts_with("Potassium"), "{card}");
    assert_eq!(card["suggestions"][0]["actions"][0]["resourceId"], "ServiceRequest/o1");
    assert!(card["links"][0]["url"].as_str().unwrap().starts_with(&format!("{BASE}/view/")));
    assert!(!card.to_string().contains(CITIZEN));
    let accepted = json!({ "outcome": "accepted", "acceptedSuggestions": [{ "id": card["suggestions"][0]["uuid"] }] });
    assert_eq!(door.decided(card, 1, accepted).await, StatusCode::OK);
    assert_eq!(door.figure(Figure::Accepted).await, 1);
    door.beside.close();
    door.beside.wait().await;
    assert_eq!(door.figure(Figure::Shown).await, 1);
    let again = door.cards(&call("order-sign", "h2", &[order("o1", "L01001")])).await;
    assert!(again.is_empty(), "it is decided in this visit");
}

#[tokio::test]
async fn what_was_answered_while_choosing_is_not_asked_again_when_signing() {
    let door = Door::open().await;
    let chosen = door.cards(&call("order-select", "h1", &[order("o1", "L01001")])).await;
    let signed = door.cards(&call("order-sign", "h2", &[order("o1", "L01001")])).await;
    assert_eq!(chosen, signed);
    assert_eq!((door.figure(Figure::Checks).await, door.figure(Figure::Prompts).await), (1, 1));
    let more = door.cards(&call("order-sign", "h3", &[order("o1", "L01001"), order("o2", "L01002")])).await;
    assert_eq!(more, signed, "one set of cards for the session");
    assert_eq!((door.figure(Figure::Checks).await, door.figure(Figure::OrderLines).await), (2, 2));
    let mut unchosen = call("order-select", "h4", &[order("o1", "L01001")]);
    unchosen["context"]["selections"] = json!([]);
    assert!(door.cards(&unchosen).await.is_empty(), "what was not just chosen is not shown again");
}

#[tokio::test]
async fn a_card_carries_its_proof_where_it_is_asked_for_and_nothing_is_counted_twice() {
    let door = Door::open().await;
    let orders = [order("o1", "L01001")];
    let without = door.cards(&call("order-select", "h1", &orders)).await;
    assert!(without[0].get("extension").is_none(), "{}", without[0]);
    let mut asked = call("order-sign", "h2", &orders);
    asked["extension"] = json!({ "com.concord.proofs": true });
    let (mut with, mut extension) = (Vec::new(), None);
    // A loaded machine may leave the proof out.
    for _ in 0..100 {
        with = door.cards(&asked).await;
        extension = with[0].as_object_mut().unwrap().remove("extension");
        if extension.is_some() {
            break;
        }
    }
    let extension = extension.unwrap();
    assert_eq!(with, without, "and nothing else");
    let [proof] = extension["com.concord.proofs"].as_array().unwrap().as_slice() else { panic!("{extension}") };
    assert_eq!((&proof["result"], &proof["version"]), (&json!("01".repeat(16)), &json!(1)));
    let proved: LogProof = proof["proof"].as_str().unwrap().parse().unwrap();
    let extra: pb::ResultProof = prost::Message::decode(proved.extra.as_slice()).unwrap();
    let entry: pb::Entry = prost::Message::decode(extra.entry).unwrap();
    assert_eq!(entry.result_id, [1; 16].as_slice());
    let again = door.post(&format!("{ORDERS_PATH}?proofs=true"), &call("order-sign", "h3", &orders)).await.body;
    assert!(again["cards"][0]["extension"]["com.concord.proofs"][0]["proof"].is_string(), "{again}");
    assert_eq!((door.figure(Figure::Checks).await, door.figure(Figure::Prompts).await), (1, 1));
}

#[tokio::test]
async fn the_same_firing_gives_the_same_cards_even_when_nothing_is_remembered() {
    let door = Door::open().await;
    let first = door.cards(&call("order-sign", "h1", &[order("o1", "L01001")])).await;
    let other = Door { router: Router::new(), ..door };
    let exchange = HubExchange::new(Arc::clone(&other.world.hub), Duration::from_secs(20));
    let gate = Desk::new(None, other.world.clock.clone());
    let viewing = Arc::new(Viewing::new(exchange, random::bytes));
    let cds = Cds::new(Arc::new(gate.gate), viewing, IdentifierNames::default(), TaskTracker::new());
    let desk = Desk { gate: Desk::new(None, other.world.clock.clone()).gate, key: gate.key, clock: gate.clock };
    let door = Door { router: Arc::new(cds).router().into_router(), desk: Arc::new(desk), ..other };
    let again = door.cards(&call("order-sign", "h1", &[order("o1", "L01001")])).await;
    assert_eq!((&first[0]["uuid"], &first[0]["detail"]), (&again[0]["uuid"], &again[0]["detail"]));
    assert_eq!(first[0]["suggestions"], again[0]["suggestions"]);
    assert_eq!(door.figure(Figure::Prompts).await, 1);
}

#[tokio::test]
async fn every_door_gives_the_same_verdict() {
    let door = Door::open().await;
    let pseudonym = {
        let person = crate::wire::person::person(
            &[pb::Identifier { r#type: "CN-ID".into(), value: CITIZEN.into(), ..Default::default() }],
            pb::Sex::Female,
            "1949-12-31",
        );
        door.world.hub.resolve(&[person.unwrap()]).await.unwrap()[0].pseudonym.clone()
    };
    assert_ne!(pseudonym, PATIENT.as_slice());
    type Change = fn(&mut pb::Visit);
    let visits: [(&str, Change, Value); 4] = [
        ("outpatient", |_| {}, json!({})),
        ("inpatient", |visit| visit.set_setting(pb::Setting::Inpatient), json!({ "class": "IMP" })),
        ("emergency", |visit| visit.set_setting(pb::Setting::Emergency), json!({ "class": "EMER" })),
        ("transfusion", |visit| visit.transfusion = true, json!({ "transfusion": true })),
    ];
    let codes = [
        ("catalogue", "urn:concord:catalogue", "L01001"),
        ("loinc", "http://loinc.org", "2823-3"),
        ("loinc", "http://loinc.org", "24326-1"),
        ("catalogue", "urn:concord:catalogue", "L01002"),
        ("urn:his", "urn:his", "K"),
    ];
    for (place, (name, change, extension)) in visits.into_iter().enumerate() {
        for (other, (system, url, code)) in codes.into_iter().enumerate() {
            let key = format!("g{place}{other}");
            let mut asked = check_request(&key, code);
            asked.lines[0].codes[0].system = system.into();
            asked.patient = Some(pb::Patient { pseudonym: pseudonym.clone(), ..Default::default() });
            let visit = asked.visit.as_mut().unwrap();
            visit.encounter = format!("g{place}{other}");
            change(visit);
            let asked_page = json!({ "system": system, "code": code, "setting": visit.setting().as_str_name(),
                "transfusion": visit.transfusion });
            let line = door.world.check(&doctor(), asked).await.unwrap().lines.remove(0);
            let mut sent = call("order-sign", &format!("c{place}{other}"), &[order("1", code)]);
            sent["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]["system"] = json!(url);
            sent["context"]["encounterId"] = json!(format!("c{place}{other}"));
            sent["extension"] = json!({ "com.concord.visit": extension, "com.concord.quiet": true });
            let answer = door.post(ORDERS_PATH, &sent).await.body;
            let cards = answer["cards"].as_array().unwrap();
            assert_eq!(cards.len(), usize::from(!line.prompts.is_empty()), "{name} {code}: {answer}");
            for (card, prompt) in cards.iter().zip(&line.prompts) {
                assert_eq!(card["summary"], prompt.text.as_str());
                let full = line.coverage() == pb::LineCoverage::Full;
                let actions = card["suggestions"][0]["actions"].as_array().unwrap();
                assert_eq!(actions.len(), if full { 1 } else { 1 + line.remaining_items.len() });
            }
            let quiet = answer["extension"]["com.concord.quiet"].as_array().cloned().unwrap_or_default();
            let told: Vec<_> = quiet.iter().map(|quiet| quiet["code"].as_str().unwrap().to_owned()).collect();
            let refusals = line.quiet.iter().flat_map(|quiet| &quiet.refusals);
            let expected: Vec<_> = refusals.map(|refusal| refusal.code.clone()).collect();
            assert_eq!(told, expected, "{name} {code}");
            let page = door.page(&format!("p{place}{other}"), asked_page).await;
            assert_page_says(&page, &line);
        }
    }
}

#[tokio::test]
async fn feedback_in_any_order_and_again_leaves_what_the_doctor_did_last() {
    let door = Door::open().await;
    let card = door.cards(&call("order-sign", "h1", &[order("o1", "L01001")])).await.remove(0);
    let accepted = || json!({ "outcome": "accepted" });
    for (minute, outcome) in
        [(2, overridden(Some("R02"))), (1, accepted()), (2, overridden(Some("R02"))), (3, accepted())]
    {
        assert_eq!(door.decided(&card, minute, outcome).await, StatusCode::OK);
    }
    assert_eq!(door.decided(&card, 1, overridden(None)).await, StatusCode::OK);
    assert_eq!((door.figure(Figure::Accepted).await, door.figure(Figure::Declined).await), (1, 0));
    assert_eq!(door.decided(&card, 4, overridden(None)).await, StatusCode::OK);
    assert_eq!((door.figure(Figure::Accepted).await, door.figure(Figure::DeclinedUnexplained).await), (0, 1));
    // R07 wants a text, and R03 one of its choices: without them a reason is none.
    for (minute, reason) in [(5, "R07"), (6, "R03"), (7, "X99")] {
        assert_eq!(door.decided(&card, minute, overridden(Some(reason))).await, StatusCode::OK, "{reason}");
        assert_eq!(door.figure(Figure::DeclinedUnexplained).await, 1, "{reason}");
    }
    assert_eq!(door.decided(&card, 8, overridden(Some("R03:手术"))).await, StatusCode::OK);
    assert_eq!(door.figure(Figure::DeclinedFor("R03".into())).await, 1);
    assert_eq!(door.figure(Figure::DeclinedUnexplained).await, 0);
}

#[tokio::test]
async fn feedback_on_others_cards_decides_nothing() {
    let door = Door::open().await;
    let unknown = json!({ "uuid": "4e0a3a1e-3283-4575-ab82-028d55fe2719" });
    assert_eq!(door.decided(&unknown, 1, json!({ "outcome": "accepted" })).await, StatusCode::OK);
    assert_eq!(door.figure(Figure::Accepted).await, 0);
    let path = format!("{ORDERS_PATH}/feedback");
    let refused = door.post(&path, &json!({ "feedback": [{ "outcome": "accepted" }] })).await;
    assert_eq!(
        (refused.status, &refused.body["detail"]),
        (StatusCode::BAD_REQUEST, &json!("feedback[0].card: is missing"))
    );
}

#[tokio::test]
async fn every_path_wants_a_token_of_its_own() {
    let door = Door::open().await;
    let feedback = format!("{ORDERS_PATH}/feedback");
    let body = call("order-sign", "h1", &[]);
    for (method, path) in
        [(Method::GET, "/cds-services"), (Method::POST, ORDERS_PATH), (Method::POST, feedback.as_str())]
    {
        let foreign = Desk::new(Some(HOSPITAL), door.world.clock.clone());
        let foreign = foreign.key.sign(&foreign.claims(path, "f")).unwrap();
        let used = door.token(path);
        door.send(method.clone(), path, Some(&used), &body).await;
        let elsewhere = door.token("/cds-services/other");
        for (what, token) in [
            ("none", None),
            ("foreign", Some(foreign.as_str())),
            ("used", Some(used.as_str())),
            ("for another path", Some(elsewhere.as_str())),
        ] {
            let refused = door.send(method.clone(), path, token, &body).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{what} at {path}");
            assert_eq!(refused.body["detail"], "prove who you are", "{what} at {path}");
        }
        let request = axum::http::Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "https://sandbox.example")
            .header("access-control-request-method", method.as_str())
            .header("access-control-request-headers", "authorization, content-type");
        let response = door.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.status().is_success(), "preflight of {path}");
        let allowed = response.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
    }
}

#[tokio::test]
async fn calls_that_cannot_be_answered_say_what_to_send() {
    let door = Door::open().await;
    let mut without = call("order-sign", "h1", &[order("o1", "L01001")]);
    without["prefetch"]["patient"] = Value::Null;
    let refused = door.post(ORDERS_PATH, &without).await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let mut medicine = call("order-sign", "h2", &[]);
    medicine["prefetch"] = json!({});
    assert!(door.cards(&medicine).await.is_empty(), "medicines need no patient");
    let mut nameless = call("order-sign", "h3", &[order("o1", "L01001")]);
    nameless["prefetch"]["patient"]["identifier"] = json!([]);
    assert!(door.cards(&nameless).await.is_empty());
    let quiet = door.post(&format!("{ORDERS_PATH}?quiet=true"), &nameless).await.body;
    assert_eq!(quiet["extension"]["com.concord.quiet"][0]["code"], "PATIENT_NOT_IDENTIFIED");
    let wrong = door.post("/cds-services/outside-results", &call("order-sign", "h4", &[])).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(door.post("/cds-services/other", &call("order-sign", "h5", &[])).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_opened_record_tells_of_recent_results() {
    let door = Door::open().await;
    let answer = door.post("/cds-services/outside-results", &call("patient-view", "h1", &[])).await;
    let cards = answer.body["cards"].as_array().unwrap();
    assert_eq!((answer.status, cards.len()), (StatusCode::OK, 1), "{}", answer.body);
    assert_eq!(cards[0]["indicator"], "info");
    assert!(cards[0]["summary"].as_str().unwrap().starts_with("1 recent outside results, newest: Potassium"));
}

#[tokio::test]
async fn an_answer_that_is_late_is_empty_and_counted() {
    let door = Door::open_within(Duration::ZERO).await;
    let answer =
        door.post(&format!("{ORDERS_PATH}?quiet=true"), &call("order-sign", "h1", &[order("o1", "L01001")])).await;
    assert_eq!((answer.status, &answer.body["cards"]), (StatusCode::OK, &json!([])));
    assert_eq!(answer.body["extension"]["com.concord.quiet"][0]["code"], "CAUSE_TIMEOUT");
    while door.figure(Figure::Misses).await == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_corpus_is_answered_as_it_expects() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/visible/cdshooks");
    let Ok(table) = std::fs::read_to_string(folder.join("PROVENANCE.tsv")) else {
        eprintln!("skipped: no corpus at {}", folder.display());
        return;
    };
    let door = Door::open().await;
    for row in table.lines().skip(1) {
        let (file, expected) = (row.split('\t').next().unwrap(), row.split('\t').next_back().unwrap());
        let body: Value = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        if file == "spec_discovery.json" {
            let ours = door.send(Method::GET, "/cds-services", Some(&door.token("/cds-services")), &Value::Null).await;
            let services = ours.body["services"].as_array().unwrap();
            assert!(services.iter().all(|service| service["hook"].is_string() && service["description"].is_string()));
        } else if expected.contains("/feedback") || file.starts_with("spec_feedback") {
            let answer = door.post(&format!("{ORDERS_PATH}/feedback"), &body).await;
            assert_eq!(answer.status, StatusCode::OK, "{file}: {}", answer.body);
        } else if body.get("hook").is_some() {
            let path = match body["hook"].as_str().unwrap() {
                "patient-view" => "/cds-services/outside-results",
                _ => ORDERS_PATH,
            };
            let answer = door.post(path, &body).await;
            if expected.starts_with("400") {
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{file}");
                assert!(answer.body["detail"].as_str().unwrap().starts_with("context.draftOrders:"), "{}", answer.body);
            } else {
                assert_eq!(answer.status, StatusCode::OK, "{file}: {}", answer.body);
                assert!(answer.body["cards"].is_array(), "{file}");
            }
        }
    }
}

#[tokio::test]
async fn an_urgent_recall_is_shown_before_a_later_one_about_the_same_result_that_is_not() {
    use crate::service::hub::recalls::tests::{say, suspension};
    let door = Door::open().await;
    let card = door.cards(&call("order-sign", "i1", &[order("o1", "L01001")])).await.remove(0);
    let accepted = json!({ "outcome": "accepted", "acceptedSuggestions": [{ "id": "s" }] });
    assert_eq!(door.decided(&card, 1, accepted).await, StatusCode::OK);
    let mut entry = result(&door.world, 1, 24);
    (entry.patient, entry.version) = (door.patient, 2);
    (entry.status, entry.entered_in_error) = (crate::domain::entry::ResultStatus::Withdrawn, true);
    door.world.publish(2, &[entry]).await;
    say(&door.world, suspension(&door.world, -48, "from two days ago")).await;
    while door.world.hub.requalify_slice().await.unwrap() {}

    let cards = door.cards(&call("order-sign", "i2", &[order("o2", "L01002")])).await;
    let said: Vec<&str> = cards.iter().map(|card| card["summary"].as_str().unwrap()).collect();
    let [error, suspended] = said.as_slice() else { panic!("{said:?}") };
    assert!(error.contains("was entered in error") && suspended.contains("qualification was suspended"), "{said:?}");
}

#[tokio::test]
async fn a_recall_is_the_first_card_of_its_doctor_and_patient_until_feedback_takes_note_of_it() {
    let door = Door::open().await;
    let card = door.cards(&call("order-sign", "i1", &[order("o1", "L01001")])).await.remove(0);
    let accepted = || json!({ "outcome": "accepted", "acceptedSuggestions": [{ "id": "s" }] });
    assert_eq!(door.decided(&card, 1, accepted()).await, StatusCode::OK);
    let mut entry = result(&door.world, 1, 24);
    entry.patient = door.patient;
    (entry.version, entry.status) = (2, crate::domain::entry::ResultStatus::Corrected);
    door.world.publish(2, &[entry]).await;

    // Whatever is ordered next, and by patient-view too.
    let next = |instance: &str| call("order-sign", instance, &[order("o2", "L01002")]);
    let cards = door.cards(&next("i2")).await;
    assert_eq!((cards.len(), &cards[0]["indicator"]), (1, &json!("critical")), "{cards:?}");
    assert_eq!(cards[0]["summary"], "Recall: Potassium of Second was corrected; you had accepted it");
    let viewed = door.post("/cds-services/outside-results", &call("patient-view", "i3", &[])).await;
    assert_eq!(viewed.body["cards"][0]["uuid"], cards[0]["uuid"], "{}", viewed.body);
    let mut other = next("i4");
    other["context"]["userId"] = json!("Practitioner/D8");
    assert_eq!(door.cards(&other).await, Vec::<Value>::new(), "another doctor was not told the old version");

    for _ in 0..2 {
        assert_eq!(door.decided(&cards[0], 2, overridden(None)).await, StatusCode::OK);
    }
    assert_eq!(door.cards(&next("i5")).await, Vec::<Value>::new());
    assert_eq!(door.figure(Figure::RecallsAcknowledged).await, 1);
    assert_eq!(door.figure(Figure::Declined).await, 0, "taking note is no decision");
}
