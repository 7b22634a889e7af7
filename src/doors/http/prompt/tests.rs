//! The prompt page as browsers and order screens see it.

use axum::Router;
use axum::body::Body;
use tower::ServiceExt;

use super::*;
use crate::domain::time::Moment;
use crate::doors::http::pages::testing::{Fake, caller, result};
use crate::sys::clock::ManualClock;
use crate::sys::random;

fn door(fake: &Fake) -> Router {
    let gate: Gate = Arc::new(|request| {
        let known = request.headers().contains_key("x-known");
        if known { Ok(Arc::new(caller())) } else { Err(Problem::new(Fault::Unproven, "")) }
    });
    let clock = Arc::new(ManualClock::new(Moment::new(1_780_000_000_000, 480).unwrap()));
    let viewing = Arc::new(Viewing::new(fake.clone(), random::bytes));
    let base_url = "https://node.example.cn".to_owned();
    router(PromptParts { viewing, gate, base_url, clock, random: random::bytes }).into_router()
}

/// A line with two results on offer, and one item that remains; and a line with nothing.
fn answer() -> pb::CheckResponse {
    let reason = |code: &str, needs_text, choices: &[&str]| pb::DeclineReason {
        code: code.into(),
        text: format!("reason {code}"),
        needs_text,
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        counts: true,
    };
    let prompt = |id: u8, item: &str, value: &str| pb::Prompt {
        prompt_id: vec![id; 16].into(),
        items: vec![item.into()],
        result: Some(result(item, value)),
        evidence: Some(pb::Evidence { mark: "全国HR".into(), programme: "NCCL-C-01".into(), ..Default::default() }),
        text: String::new(),
        decline_reasons: vec![
            reason("R01", true, &[]),
            reason("R02", false, &[]),
            reason("R03", false, &["operation", "other"]),
        ],
        proof: String::new(),
    };
    let refusal = pb::Refusal { code: "WINDOW_EXPIRED".into(), text: "too old".into() };
    let quiet = pb::QuietResult { items: vec!["L01005".into()], refusals: vec![refusal], ..Default::default() };
    let first = pb::LineAnswer {
        line_id: "one".into(),
        coverage: pb::LineCoverage::Partial.into(),
        prompts: vec![prompt(1, "L01001", "5.9"), prompt(2, "L01002", "<script>alert(1)</script>")],
        remaining_items: vec!["L01005".into()],
        quiet: vec![quiet],
        ..Default::default()
    };
    let second =
        pb::LineAnswer { line_id: "two".into(), coverage: pb::LineCoverage::None.into(), ..Default::default() };
    pb::CheckResponse { lines: vec![first, second], ..Default::default() }
}

fn order(language: &str) -> String {
    json!({
        "patient": {"identifiers": [{"type": "CN-ID", "value": "11010519491231002X"}], "sex": "SEX_FEMALE",
                    "birth_date": "1949-12-31"},
        "actor": {"practitioner": "D0001"},
        "visit": {"encounter": "E1", "setting": "SETTING_OUTPATIENT"},
        "lines": [{"line_id": "one", "codes": [{"system": "panel", "code": "ELECTROLYTES_7"}]},
                  {"line_id": "two", "codes": [{"system": "his", "code": "9", "display": "<i>own</i>"}]}],
        "language": language, "origin": "https://emr.example.cn",
    })
    .to_string()
}

async fn send(door: &Router, request: Request) -> (StatusCode, HeaderMap, String) {
    let response = door.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn visit(door: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    send(door, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn ticket(door: &Router, language: &str) -> String {
    let request = Request::post("/prompt/tickets").header("x-known", "1").body(Body::from(order(language))).unwrap();
    let (status, _, body) = send(door, request).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["expires_at"], "2026-05-28T20:28:40Z");
    body["url"].as_str().unwrap().strip_prefix("https://node.example.cn").unwrap().to_owned()
}

/// Opens a session and gives its path.
async fn session(door: &Router, language: &str) -> String {
    let (status, headers, _) = visit(door, &ticket(door, language).await).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    headers["location"].to_str().unwrap().to_owned()
}

async fn press(door: &Router, session: &str, form: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::post(format!("{session}/decide"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    send(door, request).await
}

fn offering() -> Fake {
    let fake = Fake::default();
    fake.with(|state| state.answer = Some(answer()));
    fake
}

/// What the page tells the order screen.
fn told(page: &str) -> serde_json::Value {
    let start = page.split("data-outcome=\"").nth(1).unwrap();
    let written = start.split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&");
    serde_json::from_str(&written).unwrap()
}

const FIRST: &str = "01010101010101010101010101010101";
const SECOND: &str = "02020202020202020202020202020202";

#[tokio::test]
async fn a_ticket_needs_a_caller_and_an_order() {
    let door = door(&offering());
    let nobody = Request::post("/prompt/tickets").body(Body::from("not even JSON")).unwrap();
    assert_eq!(send(&door, nobody).await.0, StatusCode::UNAUTHORIZED);
    let broken = order("LANGUAGE_ZH").replace("SETTING_OUTPATIENT", "MARY");
    let broken = Request::post("/prompt/tickets").header("x-known", "1").body(Body::from(broken)).unwrap();
    let (status, _, body) = send(&door, broken).await;
    assert!(status == StatusCode::BAD_REQUEST && body.contains("visit.setting") && !body.contains("MARY"), "{body}");
}

#[tokio::test]
async fn of_many_who_use_a_ticket_at_once_one_gets_the_page() {
    let fake = offering();
    let door = door(&fake);
    let path = ticket(&door, "LANGUAGE_ZH").await;
    assert!(!path.contains("11010519491231002X") && !path.contains("E1/"), "{path}");
    let looked = send(&door, Request::head(path.as_str()).body(Body::empty()).unwrap()).await;
    assert_eq!(looked.0, StatusCode::NO_CONTENT, "a link that is only looked at is not used up");
    let all = join_all((0..8).map(|_| visit(&door, &path))).await;
    let mut statuses: Vec<u16> = all.iter().map(|(status, ..)| status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410, 410, 410, 410, 410, 410, 410]);
    assert_eq!(fake.with(|state| state.checks.len()), 1);
    assert_eq!(visit(&door, "/prompt/unknown").await.0, StatusCode::NOT_FOUND);
    assert_eq!(visit(&door, "/prompt/session/unknown").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_page_shows_what_answers_the_order_in_the_language_asked() {
    let fake = offering();
    let door = door(&fake);
    for (language, tag, words) in [
        ("LANGUAGE_ZH", "zh-CN", ["电解质七项", "↑ 偏高", "甲医院", "只需再开", "互认，并只开其余项目", "可部分互认"]),
        ("LANGUAGE_EN", "en", ["First Hospital", "↑ High", "Order only", "Accept and order the rest", "3A", "too old"]),
    ] {
        let path = session(&door, language).await;
        let (status, headers, page) = visit(&door, &path).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains(&format!("<html lang=\"{tag}\">")), "{page}");
        for word in words.iter().chain(&["全国HR", "NCCL-C-01", "5.9", "3.5-5.3"]) {
            assert!(page.contains(word), "{language}: {word} is missing from {page}");
        }
        assert!(!page.contains("<script>") && !page.contains("<i>own") && !page.contains(" style="), "{page}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.ends_with("frame-ancestors https://emr.example.cn"), "{policy}");
        for secret in ["11010519491231002X", "1949-12-31"] {
            assert!(!page.contains(secret), "the page repeats who the patient is");
        }
        let known = fake.with(|state| state.events.len());
        let again = visit(&door, &path).await;
        assert_eq!((again.0, fake.with(|state| state.events.len())), (StatusCode::OK, known), "shown is told once");
    }
    let events = fake.with(|state| state.events.clone());
    assert!(events.len() == 4 && events.iter().all(|event| event.event() == Event::Shown), "{events:?}");
}

#[tokio::test]
async fn accepting_twice_records_once_and_tells_the_order_screen_what_remains() {
    let fake = offering();
    let door = door(&fake);
    let path = session(&door, "LANGUAGE_EN").await;
    let form = format!("line=0&prompt={FIRST}&prompt={SECOND}&act=rest");
    let both = join_all([press(&door, &path, &form), press(&door, &path, &form)]).await;
    for (status, headers, _) in both {
        assert_eq!(
            (status, headers["location"].to_str().unwrap()),
            (StatusCode::SEE_OTHER, &*format!("{path}#line-1"))
        );
    }
    let decisions = fake.with(|state| state.decisions.clone());
    let [decided] = decisions.as_slice() else { panic!("{} decisions", decisions.len()) };
    assert_eq!(decided.decisions.len(), 2);
    assert!(decided.decision_key.len() <= crate::domain::limits::KEY_BYTES_MAX, "{}", decided.decision_key);
    let told = told(&visit(&door, &path).await.2);
    assert_eq!((&told["type"], &told["outcome"]), (&json!("concord.prompt"), &json!("decided")));
    assert_eq!(told["lines"][0]["outcome"], "accepted");
    assert_eq!(told["lines"][0]["order"], "remaining");
    assert_eq!(told["lines"][0]["remaining_items"], json!(["L01005"]));
    assert_eq!((&told["lines"][1]["outcome"], &told["lines"][1]["order"]), (&json!("none"), &json!("all")));
}

#[tokio::test]
async fn a_reason_that_needs_more_is_asked_for_in_place_and_nothing_is_lost() {
    let fake = offering();
    let door = door(&fake);
    let path = session(&door, "LANGUAGE_EN").await;
    let (status, _, page) = press(&door, &path, &format!("line=0&prompt={SECOND}&act=decline+R01&text-R01=+")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("This reason needs a text.") && page.contains("class=\"field wrong\""), "{page}");
    let box_of =
        |id: &str| page.split("<input").skip(1).find(|input| input.contains(id)).unwrap().split('>').next().unwrap();
    assert!(box_of(SECOND).contains("checked") && !box_of(FIRST).contains("checked"), "the choice of results is lost");
    let (status, _, page) = press(&door, &path, &format!("line=0&prompt={FIRST}&act=decline+R03")).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("Choose one of these."), "{page}");
    assert_eq!(press(&door, &path, "line=0&act=accept").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(fake.with(|state| state.decisions.len()), 0);

    let said = format!("line=0&prompt={FIRST}&act=decline+R01&text-R01=worse+%3Cb%3E");
    assert_eq!(press(&door, &path, &said).await.0, StatusCode::SEE_OTHER);
    assert_eq!(
        press(&door, &path, &format!("line=0&prompt={SECOND}&act=decline+R03+2")).await.0,
        StatusCode::SEE_OTHER
    );
    let declines: Vec<_> = fake.with(|state| {
        state.decisions.iter().flat_map(|sent| &sent.decisions).filter_map(|one| one.outcome.clone()).collect()
    });
    let decline = |reason: &str, text: &str, choice: &str| {
        pb::decision::Outcome::Decline(pb::Decline { reason: reason.into(), text: text.into(), choice: choice.into() })
    };
    assert_eq!(declines, [decline("R01", "worse <b>", ""), decline("R03", "", "other")]);
    let told = told(&visit(&door, &path).await.2);
    assert_eq!((&told["lines"][0]["outcome"], &told["lines"][0]["order"]), (&json!("declined"), &json!("all")));
    assert_eq!(told["lines"][0]["prompts"][0]["reason"], "R01");
}

#[tokio::test]
async fn a_decision_that_is_not_recorded_is_not_shown_as_made() {
    let fake = offering();
    let door = door(&fake);
    let path = session(&door, "LANGUAGE_EN").await;
    fake.with(|state| state.refuses = Some(Fault::Busy));
    let form = format!("line=0&prompt={FIRST}&act=accept");
    let (status, _, page) = press(&door, &path, &form).await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && page.contains("Not recorded"), "{page}");
    assert_eq!(told(&page)["outcome"], "open");
    fake.with(|state| state.refuses = None);
    assert_eq!(press(&door, &path, &form).await.0, StatusCode::SEE_OTHER);
    for foreign in ["", "line=9&act=accept", "line=0&prompt=ff&act=accept", "line=0&prompt=zz&act=accept"] {
        assert_eq!(press(&door, &path, foreign).await.0, StatusCode::BAD_REQUEST, "{foreign}");
    }
}

#[tokio::test]
async fn whatever_fails_ordering_goes_on() {
    let door = door(&Fake::default());
    let path = session(&door, "LANGUAGE_EN").await;
    let (status, _, page) = visit(&door, &path).await;
    assert!(status == StatusCode::OK && page.contains("Order as usual"), "{page}");
    assert_eq!(told(&page)["outcome"], "degraded");
}
