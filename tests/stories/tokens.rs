//! Tokens with one thing wrong, at every door that takes tokens: 401, and not a word of what is wrong.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concord::app::demo::issuer::WEAK;
use concord::pki::token::IssuingKey;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::callers::{Callers, claims, client, door_of, granted};
use crate::people;
use crate::region::Region;

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_token_opens_one_door_once_and_a_wrong_one_none() {
    let mut region = Region::unqualified().await;
    let callers = Callers::come(&mut region).await;
    let doors = [
        ("hub", Method::GET, "/fhir/r4/Organization", 200),
        ("hub", Method::GET, "/cds-services", 200),
        ("hub", Method::POST, "/prompt/tickets", 201),
        ("node", Method::GET, "/cds-services", 200),
        ("node", Method::POST, "/prompt/tickets", 201),
    ];
    for (door, method, path, good) in doors {
        let address = format!("{}{path}", door_of(&region, door));
        let ask = async |token: &str| {
            let request = client(&region, None).request(method.clone(), &address).json(&ticket());
            request.header(AUTHORIZATION, format!("Bearer {token}")).send().await.unwrap()
        };
        let token = callers.signed(&address, &[]);
        assert_eq!(ask(&token).await.status(), good, "{door} {path}");
        let replayed = untold(ask(&token).await).await;
        assert!(!replayed.is_empty());
        for (what, token) in wrong(&callers, &address) {
            assert_eq!(untold(ask(&token).await).await, replayed, "{what} at {door} {path}");
        }
        let after = callers.signed(&address, &[]);
        assert_eq!(ask(&after).await.status(), good, "{door} {path} is as open as before");
    }
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patients_token_must_be_the_issuers_for_this_interface_and_in_time() {
    let mut region = Region::unqualified().await;
    let callers = Callers::come(&mut region).await;
    let hub = region.hub_https();
    let ask = async |path: &str, token: &str| {
        let request = client(&region, None).get(format!("{hub}{path}"));
        request.header(AUTHORIZATION, format!("Bearer {token}")).send().await.unwrap()
    };
    let good = granted(&region, "").await;
    for path in ["/patient/v1/results", "/fhir/r4/Organization"] {
        assert_eq!(ask(path, &good).await.status(), 200, "{path}");
        let forged = IssuingKey::generate("other").unwrap().sign(&claims(&hub, &[])).unwrap();
        let told = untold(ask(path, &forged).await).await;
        for change in ["&expires_in=-120", "&audience=https%3A%2F%2Fother.example.cn", "&issuer=https%3A%2F%2Fother"] {
            let token = granted(&region, change).await;
            assert_eq!(untold(ask(path, &token).await).await, told, "{change} at {path}");
        }
        assert_eq!(untold(ask(path, &unsigned(&good)).await).await, told, "alg none at {path}");
        assert_eq!(untold(ask(path, &flipped(&good)).await).await, told, "a changed signature at {path}");
        let program = callers.signed(&format!("{hub}/cds-services"), &[]);
        assert_eq!(untold(ask(path, &program).await).await, told, "a program's token for another door at {path}");
    }
    let weak = granted(&region, &format!("&acr={}", WEAK.replace(':', "%3A"))).await;
    assert_eq!(ask("/patient/v1/results", &weak).await.status(), 403, "a stronger login is needed, and said so");
    region.end().await;
}

/// Gives tokens for an address, each with one thing wrong.
fn wrong(callers: &Callers, address: &str) -> Vec<(&'static str, String)> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let with = |changes: &[(&str, Value)]| callers.signed(address, changes);
    let good = with(&[]);
    let foreign = IssuingKey::generate("program").unwrap().sign(&claims(address, &[])).unwrap();
    vec![
        ("expired", with(&[("iat", json!(now - 400)), ("exp", json!(now - 100))])),
        ("not begun", with(&[("iat", json!(now + 200)), ("exp", json!(now + 400))])),
        ("long-lived", with(&[("exp", json!(now + 3_600))])),
        ("another audience", with(&[("aud", json!(format!("{address}/more")))])),
        ("another host", with(&[("aud", json!("https://other.example.cn/cds-services"))])),
        ("another issuer", with(&[("iss", json!("https://other.example.cn"))])),
        ("without a name", with(&[("jti", json!(""))])),
        ("another key of the same name", foreign),
        ("alg none", unsigned(&good)),
        ("a changed signature", flipped(&good)),
        ("nonsense", "a.b.c".to_owned()),
        ("nothing", String::new()),
    ]
}

/// Gives a token as it is, with an algorithm that needs no signature, and none.
fn unsigned(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": "program", "typ": "JWT" }).to_string());
    format!("{header}.{}.", token.split('.').nth(1).unwrap())
}

/// Changes one bit of a token's signature.
fn flipped(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Insists on a refusal that says nothing of what is wrong, and gives its text.
async fn untold(answer: Response) -> String {
    assert_eq!(answer.status(), 401);
    let text = answer.text().await.unwrap();
    for word in ["expire", "audience", "issuer", "signature", "replay", "jti", "alg", "key"] {
        assert!(!text.contains(word), "{text}");
    }
    text
}

/// An order that a prompt page is asked for.
fn ticket() -> Value {
    let patient = people::canary();
    json!({
        "patient": {
            "identifiers": [{ "type": "CN-ID", "value": patient.number }],
            "sex": "SEX_MALE", "birth_date": patient.birth_date,
        },
        "actor": { "practitioner": "D0001", "department": "内科门诊" },
        "visit": { "encounter": "E0001", "setting": "SETTING_OUTPATIENT" },
        "lines": [{ "line_id": "1", "codes": [{ "system": "http://loinc.org", "code": "2823-3" }] }],
        "language": "LANGUAGE_EN",
    })
}
