//! Who is let in where, and what the interface answers, held against its description.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{OPENAPI, routes};
use crate::domain::entry::{Entry, Sensitivity};
use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId};
use crate::domain::organisation::Role;
use crate::doors::http::paths::Served;
use crate::doors::http::patient::doors;
use crate::doors::http::patient::gate::{ClaimNames, Gate, LoginRules};
use crate::merkle::hash::leaf_hash;
use crate::merkle::tree::root_of;
use crate::peer::issuer::{Issuer, IssuerSettings};
use crate::pki::signing::SigningDomain;
use crate::pki::token::{IssuingKey, KeySet};
use crate::ports::clock::Clock;
use crate::service::hub::exchange::HubExchange;
use crate::service::hub::testing::{CENTRE, HOSPITAL, START_MS, World, caller, code};
use crate::service::viewing::Viewing;
use crate::wire::batch::{Batch, Header, SIGNED_AS};
use crate::wire::entry::tests::potassium;
use crate::wire::pb;

const ISSUER: &str = "https://id.example.cn";
const AUDIENCE: &str = "https://hub.example.cn/patient/v1";
const NUMBER: &str = "11010519491231002X";
const CHILD: &str = "529900200111110057";

/// A hub with its patients' doors, and the issuer's key.
struct Region {
    world: World,
    key: IssuingKey,
    doors: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Region {
    async fn new() -> Self {
        let (world, key) = (World::new().await, IssuingKey::generate("one").unwrap());
        let keys = KeySet::parse(key.key_set().to_string().as_bytes()).unwrap();
        let settings = IssuerSettings {
            issuer: ISSUER.to_owned(),
            authority_pem: None,
            client_id: "hub".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
        };
        let claims = ClaimNames {
            identifier_type: "identifier_type".to_owned(),
            identifier: "identifier".to_owned(),
            sex: "gender".to_owned(),
            birth_date: "birthdate".to_owned(),
            usual_type: "CN-ID".parse().unwrap(),
        };
        let rules = LoginRules {
            audience: AUDIENCE.to_owned(),
            assurance_claim: "acr".to_owned(),
            assurances: vec!["face".to_owned()],
            claims,
        };
        let gateway = caller(CENTRE, Role::PatientGateway);
        let gate = Arc::new(Gate::new(Arc::clone(&world.hub), Issuer::known(settings, keys), rules, gateway));
        let exchange = HubExchange::new(Arc::clone(&world.hub), Duration::from_secs(1));
        let viewing = Arc::new(Viewing::new(exchange, crate::sys::random::bytes::<32>));
        let doors = doors(&gate, &viewing, "https://hub.example.cn", crate::sys::random::bytes::<32>);
        let doors = doors.into_router();
        Self { world, key, doors }
    }

    /// Signs a token for the patient with a number, changed as the test needs.
    fn token(&self, number: &str, change: impl FnOnce(&mut Value)) -> String {
        let now = START_MS / 1_000;
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "s", "iat": now, "exp": now + 600, "acr": "face",
            "identifier": number,
        });
        change(&mut claims);
        self.key.sign(&claims).unwrap()
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response: Response =
            self.doors.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Asks as a patient, and holds the answer against the description.
    async fn patient(&self, number: &str, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token(number, |_| {}));
        let headers = [&[("authorization", bearer.as_str())], more].concat();
        let answer = self.ask(method, path, &headers, body).await;
        let value: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        described(method, path, answer.status, &value);
        (answer.status.as_u16(), value)
    }

    async fn pseudonym(&self, number: &str) -> Pseudonym {
        let identifier = pb::Identifier { r#type: "CN-ID".into(), value: number.into(), ..Default::default() };
        let person = crate::wire::person::person(&[identifier], pb::Sex::Unspecified, "").unwrap();
        self.world.hub.patient_of(&person).await.unwrap()
    }

    /// Has the hospital publish results.
    async fn publish(&self, entries: &[Entry]) {
        let signer = self.world.signer(HOSPITAL, Role::Hospital, 70);
        let entries: Vec<bytes::Bytes> = entries.iter().map(crate::wire::entry::encode).collect();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let header = Header {
            organisation: code(HOSPITAL),
            key_id: signer.key.record().key_id.0,
            sequence: 1,
            previous: Digest::new([0; 32]),
            root: Digest::new(*root_of(&leaves).as_bytes()),
            size: entries.len(),
            sealed_at: self.world.clock.now(),
        };
        let header_bytes = header.encode();
        let signature = signer.key.sign(SigningDomain(SIGNED_AS), &header_bytes);
        let batch = Batch { header, header_bytes, signature, entries };
        let certificate = bytes::Bytes::from(signer.certificate_der.clone());
        let hospital = caller(HOSPITAL, Role::Hospital);
        self.world.hub.take_batch(&hospital, batch.encode(), &certificate).await.unwrap();
    }

    /// A potassium result of a patient, collected so many hours ago.
    async fn result(&self, number: &str, name: u8, hours_ago: i64) -> Entry {
        let mut entry = potassium();
        (entry.publisher, entry.laboratory) = (code(HOSPITAL), code(HOSPITAL));
        entry.patient = self.pseudonym(number).await;
        (entry.result, entry.report) = (ResultId::new([name; 16]), ReportId::new([name; 16]));
        entry.times.collected = self.world.clock.now().plus_hours(-hours_ago);
        (entry.times.reported, entry.times.ordered) = (entry.times.collected, None);
        entry
    }
}

/// Fills the names in a path with such as nobody has.
fn filled(path: &str) -> String {
    let (short, long) = ("0a".repeat(16), "0a".repeat(32));
    path.replace("{result}", &short).replace("{consent}", &short).replace("{digest}", &long)
}

#[tokio::test]
async fn a_wrong_token_opens_no_path_and_a_weak_login_is_told_so() {
    let region = Region::new().await;
    let stranger = IssuingKey::generate("one").unwrap();
    let now = START_MS / 1_000;
    let forged = stranger.sign(&json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, "acr": "face" }));
    let unsigned = {
        let signed = region.token(NUMBER, |_| {});
        let (rest, _) = signed.rsplit_once('.').unwrap();
        format!("{rest}.")
    };
    let wrong = |change: fn(&mut Value)| region.token(NUMBER, change);
    let unproven = [
        None,
        Some(format!("Basic {}", wrong(|_| {}))),
        Some("Bearer x".to_owned()),
        Some(format!("Bearer {unsigned}")),
        Some(format!("Bearer {}", forged.unwrap())),
        Some(format!("Bearer {}", wrong(|claims| claims["exp"] = json!(START_MS / 1_000 - 61)))),
        Some(format!("Bearer {}", wrong(|claims| claims["iss"] = json!("https://other.example.cn")))),
        Some(format!("Bearer {}", wrong(|claims| claims["aud"] = json!("hub")))),
        Some(format!("Bearer {}", wrong(|claims| claims["exp"] = json!(START_MS / 1_000 + 90_000)))),
    ];
    let denied = [
        wrong(|claims| claims["acr"] = json!("name-and-number")),
        wrong(|claims| claims["acr"] = json!(["face"])),
        wrong(|claims| claims["acr"] = Value::Null),
        wrong(|claims| claims["identifier"] = json!("110105194912310021")),
        wrong(|claims| claims["identifier_type"] = json!("MRN")),
        wrong(|claims| claims["gender"] = json!("male")),
    ];
    for Served { path, method } in routes().served() {
        let path = filled(path);
        for token in &unproven {
            let headers: Vec<(&str, &str)> = token.iter().map(|token| ("authorization", token.as_str())).collect();
            let answer = region.ask(method, &path, &headers, "{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {token:?}");
            assert!(answer.text.contains("prove who you are") && !answer.text.contains("token"), "{}", answer.text);
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
        }
        for token in &denied {
            let bearer = format!("Bearer {token}");
            let answer = region.ask(method, &path, &[("authorization", &bearer)], "{}").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
            assert!(!answer.text.contains(NUMBER));
        }
    }
    let bearer = format!("Bearer {}", denied[0]);
    let weak = region.ask("GET", "/patient/v1/results", &[("authorization", &bearer)], "").await;
    assert!(weak.text.contains("stronger login"), "{}", weak.text);
    let challenge = weak.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains("insufficient_user_authentication") && challenge.contains("face"), "{challenge}");
}

#[tokio::test]
async fn no_page_opens_without_a_session() {
    let region = Region::new().await;
    let bearer = format!("Bearer {}", region.token(NUMBER, |_| {}));
    let name = "0a".repeat(16);
    let pages = ["/me", "/me/share", "/me/shares", "/me/accesses", "/me/sharing"].map(str::to_owned);
    let named = [
        format!("/me/results/{name}"),
        format!("/me/shares/{name}"),
        format!("/me/results/{name}/report"),
        format!("/me/results/{name}/originals/{name}{name}"),
    ];
    let forms = ["/me/share", "/me/sharing", "/me/for", "/me/language", "/me/logout"].map(str::to_owned);
    let forms = forms.into_iter().chain([format!("/me/shares/{name}/revoke")]).map(|path| ("POST", path));
    let asked = pages.into_iter().chain(named).map(|path| ("GET", path)).chain(forms);
    for (method, path) in asked {
        for headers in [
            &[][..],
            &[("authorization", bearer.as_str())],
            &[("cookie", "__Host-concord-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")],
        ] {
            let answer = region.ask(method, &path, headers, "token=x").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert!(answer.text.contains("/me/login"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_login_that_this_browser_did_not_begin_leads_nowhere() {
    let region = Region::new().await;
    for cookie in ["", "__Host-concord-login=AAAA.zh"] {
        let answer = region.ask("GET", "/me/login/back?code=c&state=AAAA", &[("cookie", cookie)], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
    }
}

#[tokio::test]
async fn results_are_listed_page_by_page_and_none_of_one_instant_is_lost() {
    let region = Region::new().await;
    let mut entries = Vec::new();
    for (name, hours) in [(1, 1), (2, 5), (3, 5), (4, 5), (5, 48)] {
        entries.push(region.result(NUMBER, name, hours).await);
    }
    entries[4].sensitivity = Sensitivity::Sensitive;
    entries.push(region.result(CHILD, 9, 3).await);
    region.publish(&entries).await;
    let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
    for pages in 1.. {
        let (status, page) =
            region.patient(NUMBER, "GET", &format!("/patient/v1/results?limit=2{cursor}"), &[], "").await;
        assert_eq!(status, 200, "{page}");
        let ids = page["results"].as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        let Some(next) = page["next"].as_str() else {
            assert_eq!(pages, 3);
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 5, "own results, the sensitive one too, and nobody else's");
    let first = seen.first().unwrap();
    let (status, one) = region.patient(NUMBER, "GET", &format!("/patient/v1/results/{first}"), &[], "").await;
    assert_eq!((status, &one["laboratory"]["value"]["number"]), (200, &json!("4.1")));
    let (status, _) = region.patient(CHILD, "GET", &format!("/patient/v1/results/{first}"), &[], "").await;
    assert_eq!(status, 404, "another patient's result does not exist");
    let (_, trend) = region.patient(NUMBER, "GET", "/patient/v1/trend?item=L01001", &[], "").await;
    assert_eq!(trend["results"].as_array().unwrap().len(), 5);
    let (_, none) = region.patient(NUMBER, "GET", "/patient/v1/results?class=imaging", &[], "").await;
    assert_eq!(none, json!({ "results": [] }));
    let (_, history) = region.patient(NUMBER, "GET", "/patient/v1/accesses", &[], "").await;
    let reads = history["accesses"].as_array().unwrap().iter().filter(|access| access["kind"] == "patient-read");
    assert_eq!(reads.count(), 6, "three pages, one result, a trend, an empty list; each recorded");
}

fn link(until: &str) -> String {
    json!({
        "to": { "link": { "passcode": "red-kite-7" } }, "what": { "classes": ["laboratory"] },
        "purpose": "second-opinion", "until": until, "uses_max": 3,
    })
    .to_string()
}

#[tokio::test]
async fn a_consent_is_given_once_by_its_key_shown_drawn_and_ended() {
    let region = Region::new().await;
    let (key, until) = ([("idempotency-key", "k1")], "2026-06-05T00:00:00+08:00");
    let post = "/patient/v1/consents";
    let (status, given) = region.patient(NUMBER, "POST", post, &key, &link(until)).await;
    assert_eq!((status, &given["state"]), (201, &json!("active")), "{given}");
    assert!(given["to"]["link"]["shlink"].as_str().unwrap().starts_with("shlink:/"));
    let (_, again) = region.patient(NUMBER, "POST", post, &key, &link(until)).await;
    assert_eq!(again["id"], given["id"]);
    let (status, _) = region.patient(NUMBER, "POST", post, &key, &link("2026-06-06T00:00:00+08:00")).await;
    assert_eq!(status, 409);
    let (status, _) = region.patient(NUMBER, "POST", post, &[], &link(until)).await;
    assert_eq!(status, 400, "a key must be given");
    let own = format!("{post}/{}", given["id"].as_str().unwrap());
    let (status, _) = region.patient(CHILD, "DELETE", &own, &[], "").await;
    assert_eq!(status, 404, "another patient's consent does not exist");
    let bearer = format!("Bearer {}", region.token(NUMBER, |_| {}));
    let drawn = region.ask("GET", &format!("{own}/qr.svg"), &[("authorization", &bearer)], "").await;
    assert!(drawn.status == StatusCode::OK && drawn.text.contains("<svg"), "{}", drawn.text);
    for _ in 0..2 {
        let (status, ended) = region.patient(NUMBER, "DELETE", &own, &[], "").await;
        assert_eq!((status, &ended["state"]), (200, &json!("revoked")));
    }
    let (_, listed) = region.patient(NUMBER, "GET", post, &[], "").await;
    assert_eq!(listed["consents"].as_array().unwrap().len(), 1);
    let (_, history) = region.patient(NUMBER, "GET", "/patient/v1/accesses", &[], "").await;
    let kinds: Vec<&str> =
        history["accesses"].as_array().unwrap().iter().filter_map(|access| access["kind"].as_str()).collect();
    for kind in ["consent-granted", "consent-revoked"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[tokio::test]
async fn a_body_is_refused_by_its_place_and_never_repeated() {
    let region = Region::new().await;
    let key = [("idempotency-key", "k1")];
    let bodies = ["", "[]", "{\"to\": {}, \"CANARY-NAME\": 1}", "{\"to\": \"CANARY-NAME\"}", &link("CANARY-NAME")];
    for body in bodies {
        let (status, refused) = region.patient(NUMBER, "POST", "/patient/v1/consents", &key, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(!refused.to_string().contains("CANARY"), "{refused}");
    }
}

#[tokio::test]
async fn sharing_is_chosen_and_a_child_is_acted_for_by_a_relation_alone() {
    let region = Region::new().await;
    let sharing = "/patient/v1/sharing";
    let (status, set) = region.patient(NUMBER, "PUT", sharing, &[], "{\"opted_out\": true}").await;
    assert_eq!((status, set), (200, json!({ "opted_out": true })));
    assert_eq!(region.patient(NUMBER, "GET", sharing, &[], "").await.1, json!({ "opted_out": true }));
    assert_eq!(region.patient(CHILD, "GET", sharing, &[], "").await.1, json!({ "opted_out": false }));

    let (parent, child) = (region.pseudonym(NUMBER).await, region.pseudonym(CHILD).await);
    let named = child.to_string();
    let behalf = [("x-on-behalf-of", named.as_str())];
    for Served { path, .. } in routes().served().filter(|served| served.method == "GET") {
        let (status, _) = region.patient(NUMBER, "GET", &with_item(&filled(path)), &behalf, "").await;
        assert_eq!(status, 403, "{path}");
    }
    let until = region.world.clock.now().plus_hours(24 * 365);
    let gateway = caller(CENTRE, Role::PatientGateway);
    region.world.hub.relate(&gateway, (parent, child), until, "register").await.unwrap();
    region.publish(&[region.result(CHILD, 9, 3).await]).await;
    let (_, relations) = region.patient(NUMBER, "GET", "/patient/v1/relations", &[], "").await;
    assert_eq!(relations["relations"][0]["id"], json!(named));
    let (status, listed) = region.patient(NUMBER, "GET", "/patient/v1/results", &behalf, "").await;
    assert_eq!((status, listed["results"].as_array().map(Vec::len)), (200, Some(1)));
    let (_, history) = region.patient(CHILD, "GET", "/patient/v1/accesses", &[], "").await;
    assert_eq!(history["accesses"][0]["by_guardian"], json!(true), "the child sees who read");
}

fn with_item(path: &str) -> String {
    if path.ends_with("/trend") { format!("{path}?item=L01001") } else { path.to_owned() }
}

#[tokio::test]
async fn one_patient_who_asks_without_end_is_slowed_down() {
    let region = Region::new().await;
    let bearer = format!("Bearer {}", region.token(NUMBER, |_| {}));
    let mut last = None;
    for _ in 0..400 {
        let answer = region.ask("GET", "/patient/v1/sharing", &[("authorization", &bearer)], "").await;
        last = Some(answer.status);
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.headers[header::RETRY_AFTER], "60");
            break;
        }
    }
    assert_eq!(last, Some(StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test]
async fn the_description_names_every_operation_and_no_other() {
    let region = Region::new().await;
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        described.extend(operations.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())));
    }
    let ours = routes();
    let served: BTreeSet<_> = ours.served().map(|it| (it.path.clone(), it.method.to_owned())).collect();
    assert_eq!(described, served);
    let bearer = format!("Bearer {}", region.token(NUMBER, |_| {}));
    for Served { path, .. } in ours.served() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = region.ask(method, &filled(path), &[("authorization", &bearer)], "").await;
            let known = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(known, served.contains(&(path.clone(), method.to_owned())), "{method} {path}");
        }
    }
    let served = region.ask("GET", "/patient/v1/openapi.json", &[], "").await;
    assert_eq!((served.status, served.text.as_str()), (StatusCode::OK, OPENAPI));
}

/// Holds an answer against the description.
fn described(method: &str, path: &str, status: StatusCode, answer: &Value) {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let path = path.split('?').next().unwrap();
    let fits = |pattern: &str| {
        let (known, asked): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
        known.len() == asked.len() && known.iter().zip(&asked).all(|(part, of)| part.starts_with('{') || part == of)
    };
    let paths = document["paths"].as_object().unwrap();
    let (_, operations) = paths.iter().find(|(pattern, _)| fits(pattern)).unwrap();
    let responses = &operations[method.to_lowercase()]["responses"];
    let response = resolved(&document, &responses[status.as_str()]);
    assert!(response.is_object(), "{method} {path} may not answer {status}: {answer}");
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    if let Some(schema) = response["content"][kind].get("schema") {
        valid(&document, schema, answer, path);
    }
}

/// Validates as much of JSON Schema as the description uses.
fn valid(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolved(document, schema);
    match schema["type"].as_str().unwrap() {
        "object" => {
            let members = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
            for required in schema["required"].as_array().unwrap() {
                assert!(members.contains_key(required.as_str().unwrap()), "{at} lacks {required}: {value}");
            }
            for (name, member) in members {
                let known = &schema["properties"][name];
                assert!(known.is_object(), "{at}/{name} is not described");
                valid(document, known, member, &format!("{at}/{name}"));
            }
        }
        "array" => {
            for (place, element) in value.as_array().unwrap_or_else(|| panic!("{at}: {value}")).iter().enumerate() {
                valid(document, &schema["items"], element, &format!("{at}/{place}"));
            }
        }
        "string" => {
            let text = value.as_str().unwrap_or_else(|| panic!("{at}: {value}"));
            assert!(!text.is_empty(), "{at} is empty");
            let allowed = schema["enum"].as_array();
            assert!(allowed.is_none_or(|allowed| allowed.iter().any(|one| one == text)), "{at}: {text}");
        }
        "integer" => assert!(value.is_i64() || value.is_u64(), "{at}: {value}"),
        "boolean" => assert!(value.is_boolean(), "{at}: {value}"),
        other => panic!("{at}: the test knows no {other}"),
    }
}

fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}
