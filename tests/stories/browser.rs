//! A browser and an order screen at a hospital's HTTPS door.

use concord::wire::pb;
use reqwest::{Certificate, Client, Identity, Response, StatusCode, redirect};
use serde_json::{Value, json};

use crate::patience::ANSWER_WAIT_MAX;
use crate::people::Patient;
use crate::region::{Organisation, Region};

/// A browser, or a program with a client certificate.
#[derive(Debug, Clone)]
pub struct Browser {
    client: Client,
    door: String,
}

impl Browser {
    /// Opens a browser at a hospital; it has no certificate of its own.
    pub fn at(region: &Region, hospital: Organisation) -> Self {
        Self::made(region, hospital, None)
    }

    /// Gives the order screen of a hospital, with the certificate in a folder.
    pub fn order_screen(region: &Region, hospital: Organisation, folder: &str) -> Self {
        let read = |name: &str| std::fs::read(region.path(folder).join(name)).unwrap();
        let identity = Identity::from_pem(&[read("tls.pem"), read("tls.key")].concat()).unwrap();
        Self::made(region, hospital, Some(identity))
    }

    fn made(region: &Region, hospital: Organisation, identity: Option<Identity>) -> Self {
        // A second installation changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let authority = std::fs::read(region.path("ca/ca.pem")).unwrap();
        let builder = Client::builder()
            .timeout(ANSWER_WAIT_MAX)
            .tls_certs_only([Certificate::from_pem(&authority).unwrap()])
            .redirect(redirect::Policy::none())
            .no_proxy();
        let client =
            identity.into_iter().fold(builder, |builder, identity| builder.identity(identity)).build().unwrap();
        Self { client, door: format!("https://localhost:{}", region.https(hospital).port()) }
    }

    /// Asks for a ticket, and gives the answer.
    pub async fn ticket(&self, patient: &Patient, codes: &[(&str, &str)]) -> (StatusCode, Value) {
        let lines = codes.iter().enumerate().map(|(place, (system, code))| {
            json!({ "line_id": place.to_string(), "codes": [{ "system": system, "code": code }] })
        });
        let sex = if patient.sex == "M" { pb::Sex::Male } else { pb::Sex::Female };
        let body = json!({
            "patient": {
                "identifiers": [{ "type": "CN-ID", "value": patient.number }],
                "sex": sex.as_str_name(), "birth_date": patient.birth_date,
            },
            "actor": { "practitioner": "D0001", "department": "内科门诊" },
            "visit": { "encounter": "E0001", "setting": "SETTING_OUTPATIENT" },
            "lines": lines.collect::<Value>(), "language": "LANGUAGE_EN", "origin": "https://emr.example.cn",
        });
        let answer = self.client.post(format!("{}/prompt/tickets", self.door)).json(&body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// Calls a service with a body of JSON, and gives what it answers.
    pub async fn call(&self, place: &str, body: &Value) -> Value {
        self.client.post(self.address(place)).json(body).send().await.unwrap().json().await.unwrap()
    }

    /// Goes to an address or a path of the door.
    pub async fn visit(&self, place: &str) -> Response {
        self.client.get(self.address(place)).send().await.unwrap()
    }

    /// Sends a form, whose values need no escapes.
    pub async fn press(&self, place: &str, form: &[(&str, &str)]) -> Response {
        let fields: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.post(self.address(place)).body(fields.join("&"));
        request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap()
    }

    fn address(&self, place: &str) -> String {
        if place.starts_with("https:") { place.to_owned() } else { format!("{}{place}", self.door) }
    }
}

/// Gives where a page leads on.
pub fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// Gives the value of the first attribute of a page that begins so.
pub fn attribute(page: &str, start: &str) -> String {
    let found = page.split(start).nth(1).unwrap_or_else(|| panic!("{start} is not in {page}"));
    found.split('"').next().unwrap().to_owned()
}
