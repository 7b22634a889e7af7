//! The other doors: an order screen over CDS Hooks and with a page, and the patient with a telephone.

use std::io;

use serde_json::{Value, json};

use crate::app::demo::doctor::person;
use crate::app::demo::issuer::{DIRECT_GRANT, WEAK};
use crate::app::demo::links::World;
use crate::app::demo::reports::FRESH_REPORT;
use crate::app::demo::step::{Found, StepError, patiently, same, text};
use crate::app::demo::tell::Teller;
use crate::app::demo::web::{Answer, Web};
use crate::app::sample::cast::{CHILD, FRESH, GATEWAY, Patient};
use crate::app::sample::login::subject;
use crate::domain::time::Moment;
use crate::sys::random;
use crate::wire::pb;
use crate::wire::pb::consents_client::ConsentsClient;
use crate::wire::shl::Payload;

/// Tells the chapter.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    let title = text(
        "同一结果经 CDS Hooks 提示，反馈即为决定",
        "CDS Hooks: the same result as a card, the feedback a decision",
    );
    teller.step("cds", title, cards(world)).await?;
    let title =
        text("只会打开浏览器的医嘱系统：一次性提示页", "An order screen that can only open a browser: a page, once");
    teller.step("page", title, page(world)).await?;
    let title =
        text("患者登录、查看、用二维码分享并收回", "The patient logs in, reads, shares by a code and takes it back");
    teller.step("patient", title, patient(world)).await
}

async fn cards(world: &World) -> Result<Found, StepError> {
    let screen = world.node_web(1)?;
    let services = screen.find("/cds-services", None).await?.json("discovery")?;
    let hooks = services["services"].as_array().map_or(0, Vec::len);
    // A busy machine may miss the deadline; the answer is then empty, and ordering would go on.
    let card = patiently(async || {
        let answer = screen.send("/cds-services/mutual-recognition", &hook(world), None).await?.json("order-sign")?;
        let cards = answer["cards"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [card] = cards else { return Err(StepError::unexpected("cards", 1, cards.len())) };
        Ok(card.clone())
    });
    let card = card.await?;
    let summary = card["summary"].as_str().unwrap_or_default();
    same("the card tells the value", true, summary.contains(FRESH_REPORT.potassium.0))?;
    let feedback = json!({ "feedback": [{
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{ "id": card["suggestions"][0]["uuid"] }],
        "outcomeTimestamp": moment(world.began.unix_ms() + 60_000),
    }]});
    screen.send("/cds-services/mutual-recognition/feedback", &feedback, None).await?.is("feedback", 200)?;
    let link = card["links"][0]["url"].as_str().unwrap_or_default();
    let report = screen.find(link, None).await?.is("the original's page", 200)?;
    same("the page tells the value", true, report.body.contains(FRESH_REPORT.potassium.0))?;
    Ok(Found::default()
        .line(format!("{hooks} 个钩子；卡片：{summary}"), format!("{hooks} hooks; the card: {summary}"))
        .line(screen.url("/cds-services"), screen.url("/cds-services"))
        .fact("summary", summary)
        .fact("url", screen.url("/cds-services")))
}

/// Writes the firing of a hook; the same at every start, so that nothing is recorded twice.
fn hook(world: &World) -> Value {
    let began = world.began.unix_ms().unsigned_abs() & 0xffff_ffff_ffff;
    // A card is asked for in one language; in another it is a new question, and in the same visit it is decided already.
    let encounter = world.key(&format!("cds-{}", world.language.as_str_name()));
    let order = json!({ "resourceType": "ServiceRequest", "id": "o1", "status": "draft", "intent": "order",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "2823-3" }] },
        "subject": { "reference": "Patient/p1" } });
    json!({
        "hook": "order-sign",
        "hookInstance": format!("c0c0c0c0-0000-4000-8000-{began:012x}"),
        "context": {
            "userId": "Practitioner/D0001", "patientId": "p1", "encounterId": encounter,
            "draftOrders": { "resourceType": "Bundle", "type": "collection", "entry": [{ "resource": order }] },
        },
        "prefetch": { "patient": {
            "resourceType": "Patient", "id": "p1", "gender": if FRESH.sex == "M" { "male" } else { "female" },
            "birthDate": FRESH.birth_date,
            "identifier": [{ "system": "urn:oid:2.16.156.10011.1.3", "value": FRESH.number }],
        }},
    })
}

async fn page(world: &World) -> Result<Found, StepError> {
    let screen = world.node_web(2)?;
    let order = json!({
        "check_key": world.key("page"),
        "patient": { "identifiers": [{ "type": "CN-ID", "value": FRESH.number }],
            "sex": if FRESH.sex == "M" { "SEX_MALE" } else { "SEX_FEMALE" }, "birth_date": FRESH.birth_date },
        "actor": { "practitioner": "D0001", "department": "内科门诊" },
        "visit": { "encounter": world.key("page"), "setting": "SETTING_OUTPATIENT" },
        "lines": [{ "line_id": "1", "codes": [{ "system": "panel", "code": "ELECTROLYTES_7" }] }],
        "language": world.language.as_str_name(),
    });
    let (url, page) = patiently(async || {
        let ticket = screen.send("/prompt/tickets", &order, None).await?.json("a ticket")?;
        let url = ticket["url"].as_str().unwrap_or_default().to_owned();
        let page = screen.find(&url, None).await?.is("the page", 200)?;
        same("the page tells the value", true, page.body.contains(FRESH_REPORT.potassium.0))?;
        Ok((url, page))
    })
    .await?;
    same("the page names nobody", false, page.body.contains(FRESH.number))?;
    screen.find(&url, None).await?.is("the ticket a second time", 410)?;
    Ok(Found::default()
        .line(
            "页面显示数值与依据；同一票据第二次打开：410",
            "the page tells value and evidence; the ticket opened again: 410",
        )
        .line(screen.url("/prompt/tickets"), screen.url("/prompt/tickets"))
        .fact("url", screen.url("/prompt/tickets")))
}

async fn patient(world: &World) -> Result<Found, StepError> {
    let hub = world.hub_web(None)?;
    hub.find("/patient/v1/results", None).await?.is("results without a login", 401)?;
    let weak = token(world, &FRESH, Some(WEAK)).await?;
    hub.find("/patient/v1/results", Some(&weak)).await?.is("a weak login", 403)?;
    let token = token(world, &FRESH, None).await?;
    let token = Some(token.as_str());
    let results = hub.find("/patient/v1/results", token).await?.json("own results")?;
    let count = results["results"].as_array().map_or(0, Vec::len);
    same("own results, four or more", true, count >= 4)?;
    // Each start shares anew: what an earlier one shared was taken back.
    let key = hex::encode(random::bytes::<8>());
    let consent = json!({
        "to": { "link": { "passcode": PASSCODE } }, "what": { "all": true }, "purpose": "second-opinion",
        "until": moment(world.began.unix_ms() + CONSENT_MS),
    });
    let given = hub.send_once("/patient/v1/consents", &consent, token, &key).await?.json("a consent")?;
    let shlink = given["to"]["link"]["shlink"].as_str().unwrap_or_default().to_owned();
    let link = Payload::decode(&shlink).map_err(|error| StepError::unexpected("the link", "shlink:/..", error))?;
    let manifest = link.url;
    let ask = |passcode: &str| json!({ "recipient": "demo", "passcode": passcode });
    hub.send(&manifest, &ask("000000"), None).await?.is("a wrong passcode", 401)?;
    let files = hub.send(&manifest, &ask(PASSCODE), None).await?.json("the shared file")?;
    same("files shared", 1, files["files"].as_array().map_or(0, Vec::len))?;
    let path = format!("/patient/v1/consents/{}", given["id"].as_str().unwrap_or_default());
    same("the consent is taken back", true, hub.remove(&path, token).await?.status.is_success())?;
    hub.send(&manifest, &ask(PASSCODE), None).await?.is("the link after that", 404)?;
    relate(world).await?;
    let related = hub.find("/patient/v1/relations", token).await?.json("relations")?;
    same("children acted for", 1, related["relations"].as_array().map_or(0, Vec::len))?;
    let seen = looked(hub.find("/patient/v1/accesses", token).await?)?;
    Ok(Found::default()
        .line(
            format!("看到 {count} 份结果；密码错误被拒，收回后链接失效；查阅记录 {seen} 条；可代孩子操作"),
            format!("{count} results; a wrong passcode is refused, and after taking it back the link is gone; {seen} accesses listed; a child is acted for"),
        )
        .line(hub.url("/me"), hub.url("/me"))
        .fact("results", count)
        .fact("accesses", seen)
        .fact("url", hub.url("/me")))
}

/// Registers, as the patients' entrance, that the patient acts for a child.
async fn relate(world: &World) -> Result<(), StepError> {
    let until = Moment::new(world.began.unix_ms() + CONSENT_MS, CHINA_MINUTES);
    let relation = pb::RelateRequest {
        guardian: Some(person(&FRESH)),
        ward: Some(person(&CHILD)),
        until: until.ok().map(Into::into),
        evidence: world.key("register"),
    };
    let call = ConsentsClient::new(world.hub(GATEWAY.folder)?).relate(relation).await;
    call.map(drop).map_err(StepError::refused("Consents.Relate"))
}

/// Gets a token of the demo's issuer.
async fn token(world: &World, patient: &Patient, assurance: Option<&str>) -> Result<String, StepError> {
    let issuer: Web = world.issuer_web()?;
    let subject = subject(patient);
    let mut fields = vec![("grant_type", DIRECT_GRANT), ("subject", subject.as_str())];
    fields.extend(assurance.map(|assurance| ("acr", assurance)));
    let answer = issuer.submit("/token", &fields).await?.json("a token")?;
    Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
}

/// Counts the accesses, which must name the link's use.
fn looked(answer: Answer) -> Result<usize, StepError> {
    let accesses = answer.json("accesses")?;
    let accesses = accesses["accesses"].as_array().cloned().unwrap_or_default();
    same("the use of the link is listed", true, accesses.iter().any(|access| access["kind"] == "link-used"))?;
    Ok(accesses.len())
}

fn moment(unix_ms: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    at.ok().and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok()).unwrap_or_default()
}

const PASSCODE: &str = "314159";
const CHINA_MINUTES: i16 = 480;
/// A year: a second start may be a long time after the first.
const CONSENT_MS: i64 = 365 * 86_400_000;
