//! Who is admitted: certificates and tokens, each with one thing wrong.

use std::convert::Infallible;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::domain::time::Moment;
use crate::pki::reload::reloading;
use crate::pki::token::IssuingKey;
use crate::sys::clock::ManualClock;

pub const HOSPITAL: &str = "91350100M000100Y43";
pub const OTHER_HOSPITAL: &str = "91110000600037341L";
pub const ISSUER: &str = "https://emr.example/issuer";
pub const BASE: &str = "https://node.example:8443";
const PATH: &str = "/cds-services/mutual-recognition";
const KEYS_URL: &str = "https://emr.example/jwks.json";

/// A gate with one client, its key and the time.
pub struct Desk {
    pub gate: ClientGate,
    pub key: IssuingKey,
    pub clock: Arc<ManualClock>,
}

impl Desk {
    pub fn new(own: Option<&str>, clock: Arc<ManualClock>) -> Self {
        let key = IssuingKey::generate("k1").unwrap();
        let set = key.key_set().to_string();
        let load = move || Ok::<_, Infallible>(KeySet::parse(set.as_bytes()).unwrap());
        let (keys, _) = reloading(Vec::new(), Duration::from_secs(1), load).unwrap();
        let client = TokenClient {
            issuer: ISSUER.into(),
            keys,
            organisation: HOSPITAL.parse().unwrap(),
            key_set_urls: vec![KEYS_URL.into()],
        };
        let settings = GateSettings {
            region: "520000".parse().unwrap(),
            own: own.map(|own| own.parse().unwrap()),
            base_url: BASE.into(),
            revoked: Box::new(|caller| caller.name == "revoked"),
            clients: vec![client],
        };
        Self { gate: ClientGate::new(settings, clock.clone()), key, clock }
    }

    pub fn claims(&self, path: &str, id: &str) -> Value {
        let now = self.clock.now().unix_ms() / 1_000;
        json!({ "iss": ISSUER, "aud": format!("{BASE}{path}"), "iat": now, "exp": now + 300, "jti": id })
    }

    fn admits(&self, token: &str) -> Result<Arc<Caller>, Problem> {
        self.gate.admit(None, &bearer(token), PATH)
    }
}

pub fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

fn desk() -> Desk {
    Desk::new(Some(HOSPITAL), Arc::new(ManualClock::new(Moment::new(1_780_000_000_000, 480).unwrap())))
}

fn peer(organisation: &str, role: Role, name: &str) -> Peer {
    let caller = Caller {
        region: "520000".parse().unwrap(),
        role,
        organisation: organisation.parse().unwrap(),
        name: name.into(),
        serial: None,
    };
    Peer { caller: Some(Arc::new(caller)), address: ([127, 0, 0, 1], 1).into() }
}

#[test]
fn a_certificate_admits_a_hospital_of_its_own_door() {
    let none = HeaderMap::new();
    let table = [
        (Some(HOSPITAL), HOSPITAL, Role::Hospital, "", Ok(())),
        (Some(HOSPITAL), OTHER_HOSPITAL, Role::Hospital, "", Err(Fault::Denied)),
        (None, OTHER_HOSPITAL, Role::Hospital, "", Ok(())),
        (None, HOSPITAL, Role::Hospital, "revoked", Err(Fault::Unproven)),
        (None, HOSPITAL, Role::QcCentre, "", Err(Fault::Denied)),
        (None, HOSPITAL, Role::Regulator, "", Err(Fault::Denied)),
        (None, HOSPITAL, Role::PatientGateway, "", Err(Fault::Denied)),
        (None, HOSPITAL, Role::Operator, "", Err(Fault::Denied)),
    ];
    for (own, organisation, role, name, expected) in table {
        let gate = Desk::new(own, desk().clock).gate;
        let admitted = gate.admit(Some(&peer(organisation, role, name)), &none, PATH);
        assert_eq!(admitted.map(drop).map_err(|problem| problem.fault), expected, "{role:?} {name} at {own:?}");
    }
    assert_eq!(desk().gate.admit(None, &none, PATH).unwrap_err().fault, Fault::Unproven);
}

#[test]
fn a_token_opens_the_door_it_was_made_for_once() {
    let desk = desk();
    let token = desk.key.sign(&desk.claims(PATH, "one")).unwrap();
    let caller = desk.admits(&token).unwrap();
    assert_eq!((caller.organisation.as_str(), caller.role, &caller.serial), (HOSPITAL, Role::Hospital, &None));
    assert_eq!(desk.admits(&token).unwrap_err().fault, Fault::Unproven, "replayed");
    desk.clock.advance(359_000);
    assert!(desk.admits(&token).is_err(), "replayed as long as it holds");
    let again = desk.key.sign(&desk.claims(PATH, "one")).unwrap();
    desk.clock.advance(2_000);
    assert!(desk.admits(&again).is_ok(), "the name is free when nothing of that name holds any more");
}

#[test]
fn whatever_is_wrong_with_a_token_nobody_is_told() {
    let desk = desk();
    let with = |member: &str, value: Value| {
        let mut claims = desk.claims(PATH, "x");
        claims[member] = value;
        desk.key.sign(&claims).unwrap()
    };
    let now = desk.clock.now().unix_ms() / 1_000;
    let foreign = IssuingKey::generate("k1").unwrap().sign(&desk.claims(PATH, "x")).unwrap();
    let good = with("sub", json!("d1"));
    let (_, rest) = good.split_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{}.", rest.split_once('.').unwrap().0);
    let table = [
        ("another key", foreign),
        ("no signature", none),
        ("expired", with("exp", json!(now - 61))),
        ("an hour", with("exp", json!(now + 3_600))),
        ("not begun", with("iat", json!(now + 300))),
        ("another issuer", with("iss", json!("https://other.example"))),
        ("another path", with("aud", json!(format!("{BASE}/cds-services")))),
        ("another host", with("aud", json!(format!("https://other.example{PATH}")))),
        ("no name", with("jti", json!(""))),
        ("a name that is no text", with("jti", json!(5))),
        ("nonsense", "a.b.c".to_owned()),
        ("nothing", String::new()),
    ];
    let told = Problem::new(Fault::Unproven, "");
    for (what, token) in table {
        assert_eq!(desk.admits(&token).unwrap_err(), told, "{what}");
        // A certificate beside it does not make it good.
        let certified = peer(HOSPITAL, Role::Hospital, "");
        assert_eq!(desk.gate.admit(Some(&certified), &bearer(&token), PATH).unwrap_err(), told, "{what}");
    }
    assert!(desk.admits(&good).is_ok(), "nothing that was refused has used up the name");
}

#[test]
fn only_one_bearer_token_is_taken() {
    let desk = desk();
    let token = desk.key.sign(&desk.claims(PATH, "one")).unwrap();
    let mut twice = bearer(&token);
    twice.append(header::AUTHORIZATION, "Bearer x".parse().unwrap());
    assert!(desk.gate.admit(None, &twice, PATH).is_err());
    let basic = HeaderMap::from_iter([(header::AUTHORIZATION, format!("Basic {token}").parse().unwrap())]);
    assert!(desk.gate.admit(None, &basic, PATH).is_err());
}
