//! A patient logs in with a browser, reads, shares by a link, takes it back, and sees who looked. The issuer is the
//! demo's own, as a process.

use std::collections::BTreeMap;

use concord::app::demo::issuer::{STRONG, WEAK};
use concord::wire::shl::{Payload, open};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode, Url};
use serde_json::{Value, json};

use crate::laboratory::{Report, report};
use crate::patience::{ANSWER_WAIT_MAX, until};
use crate::people;
use crate::region::{A, Region};

/// A browser: it keeps cookies, and follows nothing by itself.
pub struct Browser {
    client: Client,
    hub: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Opens a browser at the hub.
    pub fn new(region: &Region) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Certificate::from_pem(&std::fs::read(region.path("ca/ca.pem")).unwrap()).unwrap();
        let client = Client::builder()
            .timeout(ANSWER_WAIT_MAX)
            .tls_certs_only([authority])
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { client, hub: region.hub_https(), cookies: BTreeMap::new() }
    }

    fn at(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.hub) } else { path.to_owned() }
    }

    /// Goes to a path.
    pub async fn get(&mut self, path: &str) -> Response {
        let request = self.client.get(self.at(path));
        self.send(request).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let form = Url::parse_with_params("https://form/", fields).unwrap();
        let request = self.client.post(self.at(path)).body(form.query().unwrap().to_owned());
        self.send(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// Gives what it sends along as `Cookie`.
    pub fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let answer = request.header(COOKIE, self.cookie()).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(attribute), "{cookie}");
            }
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Logs in at the issuer, and gives what the hub says of it.
    pub async fn log_in(&mut self, subject: &str, acr: &str) -> Response {
        let issuer = location(&self.get("/me/login?lang=en").await);
        assert!(self.client.get(&issuer).send().await.unwrap().text().await.unwrap().contains("demonstration"));
        let asked = Url::parse(&issuer).unwrap();
        let mut fields: Vec<(String, String)> = asked.query_pairs().into_owned().collect();
        fields.extend([("subject".to_owned(), subject.to_owned()), ("acr".to_owned(), acr.to_owned())]);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut address = asked;
        address.set_query(None);
        let form = Url::parse_with_params("https://form/", &fields).unwrap();
        let request = self.client.post(address).header("content-type", "application/x-www-form-urlencoded");
        let back = request.body(form.query().unwrap().to_owned()).send().await.unwrap();
        self.get(&location(&back)).await
    }
}

fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    answer.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// Gives what stands between two texts of a page.
fn between<'p>(page: &'p str, before: &str, after: &str) -> &'p str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_logs_in_shares_by_a_link_takes_it_back_and_sees_who_looked() {
    let mut region = Region::open().await;
    let patient = people::canary();
    region.start_issuer(&[("canary", &patient)]);
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    let mut browser = Browser::new(&region);
    until("the issuer", async || {
        let answer = browser.client.get(browser.at("/me/login")).send().await.map_err(|error| error.to_string())?;
        if answer.status() == StatusCode::SEE_OTHER { Ok(()) } else { Err(answer.status().to_string()) }
    })
    .await;

    let weak = browser.log_in("canary", WEAK).await;
    assert_eq!(weak.status(), StatusCode::FORBIDDEN);
    assert!(weak.text().await.unwrap().contains("stronger login"));
    assert_eq!(browser.get("/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(location(&browser.log_in("canary", STRONG).await), "/me");

    let list = until("the result", async || {
        let page = browser.get("/me").await.text().await.map_err(|error| error.to_string())?;
        if page.contains("4.1") { Ok(page) } else { Err(page) }
    })
    .await;
    let result = between(&list, "/me/results/", "\"").to_owned();
    let one = browser.get(&format!("/me/results/{result}")).await.text().await.unwrap();
    let original = format!("/me/results/{result}/originals/{}", between(&one, "/originals/", "\""));
    let report = location(&browser.get(&format!("/me/results/{result}/report")).await);
    let report = browser.get(&report).await.text().await.unwrap();
    assert!(report.contains("4.1") && !report.contains(&patient.number), "{report}");
    let message = browser.get(&original).await.text().await.unwrap();
    assert!(message.starts_with("MSH|") && message.contains("2823-3"), "{message}");

    let form = browser.get(&format!("/me/share?result={result}")).await.text().await.unwrap();
    let shown_at = between(&form, "name=\"shown_at\" value=\"", "\"").to_owned();
    let token = between(&form, "name=\"token\" value=\"", "\"").to_owned();
    let key = between(&form, "name=\"key\" value=\"", "\"").to_owned();
    let mut fields = vec![("key", key.as_str()), ("what", "result"), ("result", &result), ("whom", "link")];
    fields.extend([("hours", "1"), ("shown_at", &shown_at), ("purpose", "treatment"), ("passcode", "red-kite-7")]);
    assert_eq!(browser.post("/me/share", &fields).await.status(), StatusCode::FORBIDDEN, "without the form's token");
    fields.push(("token", &token));
    let share = location(&browser.post("/me/share", &fields).await);
    assert_eq!(location(&browser.post("/me/share", &fields).await), share, "sent twice, shared once");

    let page = browser.get(&share).await.text().await.unwrap();
    assert!(page.contains("<svg"));
    let link = Payload::decode(&format!("shlink:/{}", between(&page, "shlink:/", "<").trim())).unwrap();
    let viewer = browser.client.clone();
    let ask = async |passcode: &str| {
        let sent = json!({ "recipient": "Dr. Elsewhere", "passcode": passcode, "embeddedLengthMax": 1_000_000 });
        let request = viewer.post(&link.url).header("content-type", "application/json");
        request.body(sent.to_string()).send().await.unwrap()
    };
    assert_eq!(ask("red-kite-8").await.status(), StatusCode::UNAUTHORIZED);
    let manifest: Value = serde_json::from_str(&ask("red-kite-7").await.text().await.unwrap()).unwrap();
    let (_, file) = open(&link.key, manifest["files"][0]["embedded"].as_str().unwrap(), 1 << 20).unwrap();
    assert!(String::from_utf8_lossy(&file).contains("4.1"));

    let revoked = browser.post(&format!("{share}/revoke"), &[("token", &token)]).await;
    assert_eq!(location(&revoked), "/me/shares");
    assert_eq!(ask("red-kite-7").await.status(), StatusCode::NOT_FOUND);

    let looked = browser.get("/me/accesses").await.text().await.unwrap();
    for said in ["Dr. Elsewhere", "wrong passcode", "shared results", "took a share back", "downloaded an original"] {
        assert!(looked.contains(said), "{said} is not in {looked}");
    }
    let out = browser.post("/me/logout", &[("token", &token)]).await;
    assert_eq!((out.status(), browser.get("/me").await.status()), (StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED));
    region.end().await;
}
