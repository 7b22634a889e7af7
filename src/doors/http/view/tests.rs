//! Pages of results as browsers see them.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use tower::ServiceExt;

use super::*;
use crate::domain::time::Moment;
use crate::doors::http::pages::testing::{Fake, caller, result};
use crate::sys::clock::ManualClock;
use crate::sys::random;
use crate::wire::pb::Language;

struct Desk {
    door: Router,
    viewing: Arc<Viewing<Fake>>,
    clock: Arc<ManualClock>,
}

impl Desk {
    fn new(fake: &Fake) -> Self {
        let clock = Arc::new(ManualClock::new(Moment::new(1_780_000_000_000 + 5 * 3_600_000, 480).unwrap()));
        let viewing = Arc::new(Viewing::new(fake.clone(), random::bytes));
        let parts = ViewParts { viewing: Arc::clone(&viewing), clock: Arc::clone(&clock) as Arc<dyn Clock> };
        Self { door: router(parts).into_router(), viewing, clock }
    }

    fn link(&self, result: pb::ResultSummary, language: Language) -> String {
        self.link_of(result, language, &[1; 16])
    }

    fn link_of(&self, result: pb::ResultSummary, language: Language, prompt_id: &[u8]) -> String {
        let opening = Opening {
            caller: caller(),
            actor: pb::Actor::default(),
            patient: pb::Patient::default(),
            visit: pb::Visit::default(),
            result,
            evidence: Some(pb::Evidence { mark: "全国HR".into(), ..Default::default() }),
            prompt_id: Bytes::copy_from_slice(prompt_id),
            grant: None,
            standing: None,
            language,
        };
        format!("/view/{}", self.viewing.link(opening))
    }

    async fn visit(&self, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (parts, body) = self.door.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status, parts.headers, axum::body::to_bytes(body, 1 << 20).await.unwrap())
    }

    async fn page(&self, path: &str) -> (StatusCode, String) {
        let (status, _, body) = self.visit(path).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

/// Another result of the same item, `days` earlier.
fn earlier(id: u8, value: &str, days: i64) -> pb::ResultSummary {
    let mut other = result("L01001", value);
    other.result_id = vec![id; 16].into();
    other.collected_at.as_mut().unwrap().unix_ms -= days * 86_400_000;
    other
}

fn change(mut one: pb::ResultSummary, change: impl FnOnce(&mut pb::LaboratoryResult)) -> pb::ResultSummary {
    let Some(pb::result_summary::Content::LaboratoryResult(found)) = &mut one.content else { unreachable!() };
    change(found);
    one
}

#[tokio::test]
async fn a_view_is_recorded_before_anything_is_shown() {
    let fake = Fake::default();
    let desk = Desk::new(&fake);
    let path = desk.link(result("L01001", "5.9"), Language::Zh);
    fake.with(|state| state.refuses = Some(Fault::Broken));
    let (status, page) = desk.page(&path).await;
    assert!(status == StatusCode::INTERNAL_SERVER_ERROR && !page.contains("5.9"), "{page}");
    fake.with(|state| state.refuses = None);
    let (status, page) = desk.page(&path).await;
    assert!(status == StatusCode::OK && page.contains("5.9") && page.contains("暂时无法取得其他结果"), "{page}");
    let events = fake.with(|state| state.events.clone());
    assert!(events.len() == 1 && events[0].event() == pb::acknowledge_request::Event::Viewed, "{events:?}");
    assert_eq!(desk.visit("/view/unknown").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_may_no_longer_be_shown_ends_behind_a_link_that_stands_open() {
    let fake = Fake::default();
    let desk = Desk::new(&fake);
    let path = desk.link(result("L01001", "5.9"), Language::En);
    fake.with(|state| state.original = Some(Bytes::from_static(b"MSH|")));
    for _ in 0..2 {
        assert_eq!(desk.page(&path).await.0, StatusCode::OK);
    }
    assert_eq!(fake.with(|state| state.events.len()), 1, "a reload asks nobody");
    desk.clock.advance(5_000);
    assert_eq!(desk.page(&path).await.0, StatusCode::OK);
    let events = fake.with(|state| state.events.clone());
    assert!(events.len() == 2 && events[0] == events[1], "asked again, and recorded once: {events:?}");

    fake.with(|state| state.refuses = Some(Fault::Denied));
    desk.clock.advance(5_000);
    for path in [path.clone(), format!("{path}/originals/{}", hex::encode([7; 32]))] {
        let (status, page) = desk.page(&path).await;
        assert!(status == StatusCode::FORBIDDEN && !page.contains("5.9") && !page.contains("MSH"), "{page}");
    }
    fake.with(|state| state.refuses = None);
    assert_eq!(desk.page(&path).await.0, StatusCode::OK, "what is given again is shown again");
}

#[tokio::test]
async fn what_was_listed_is_shown_while_it_is_listed() {
    let fake = Fake::default();
    let desk = Desk::new(&fake);
    let path = desk.link_of(result("L01001", "5.9"), Language::En, &[]);
    for (recent, status) in [
        (None, StatusCode::FORBIDDEN),
        (Some(vec![earlier(4, "4.2", 30)]), StatusCode::NOT_FOUND),
        (Some(vec![result("L01001", "5.9")]), StatusCode::OK),
        (Some(Vec::new()), StatusCode::NOT_FOUND),
    ] {
        fake.with(|state| state.recent = recent);
        desk.clock.advance(5_000);
        let (found, page) = desk.page(&path).await;
        assert_eq!((found, page.contains("5.9")), (status, status == StatusCode::OK), "{page}");
    }
}

#[tokio::test]
async fn a_page_says_value_report_and_trend_in_both_languages_and_escapes() {
    let fake = Fake::default();
    let desk = Desk::new(&fake);
    let hostile = change(result("L01001", "5.9"), |found| found.instrument = "<script>alert(1)</script>".into());
    let others = vec![hostile.clone(), earlier(4, "4.2", 30), earlier(5, "4.6", 60)];
    fake.with(|state| state.recent = Some(others));
    for (language, words) in [
        (Language::Zh, ["↑ 偏高", "一年内可比结果", "参考区间", "甲医院", "5小时前"]),
        (Language::En, ["↑ High", "Comparable results of a year", "Reference range", "First Hospital", "5 h ago"]),
    ] {
        let (status, page) = desk.page(&desk.link(hostile.clone(), language)).await;
        assert_eq!(status, StatusCode::OK);
        for word in words.iter().chain(&["5.9", "4.2", "4.6", "<svg", "全国HR", "3A"]) {
            assert!(page.contains(word), "{word} is missing from {page}");
        }
        assert!(!page.contains("<script>") && !page.contains(" style="), "{page}");
    }
}

#[test]
fn a_trend_holds_what_compares_and_nothing_else() {
    let (catalogue, _) = crate::wire::region::load_region(&crate::wire::region::sample()).unwrap();
    let own = result("L01001", "5.9");
    let mut sensitive = earlier(5, "1", 1);
    sensitive.sensitivity = pb::Sensitivity::Sensitive.into();
    let mut preliminary = earlier(6, "2", 1);
    preliminary.status = pb::ResultStatus::Preliminary.into();
    let others = [
        earlier(4, "4.2", 30),
        sensitive,
        preliminary,
        change(earlier(7, "3", 1), |found| found.comparability = pb::Comparability::UnitUnknown.into()),
        change(earlier(8, "4", 1), |found| {
            let Some(pb::laboratory_result::Value::Quantity(quantity)) = &mut found.value else { unreachable!() };
            quantity.unit = "mg/dL".into();
        }),
        change(earlier(9, "5", 1), |found| found.method = "another".into()),
        pb::ResultSummary { items: vec!["L01002".into()], ..earlier(10, "6", 1) },
        own.clone(),
    ];
    let ids = |own: &pb::ResultSummary, catalogue: &crate::domain::catalogue::Catalogue| {
        let all = trend::comparable(own, &others, catalogue);
        all.iter().map(|one| one.result_id[0]).collect::<Vec<_>>()
    };
    assert_eq!(ids(&own, &catalogue), [4, 9, 3], "potassium compares over methods");
    assert_eq!(ids(&own, &Default::default()), [4, 3], "an item that is not known compares inside its method");
}

#[tokio::test]
async fn what_no_longer_stands_is_said_loudly() {
    let fake = Fake::default();
    let desk = Desk::new(&fake);
    let own = result("L01001", "5.9");
    let newer = pb::ResultSummary { version: 2, ..result("L01001", "4.1") };
    for (recent, status, words) in [
        (vec![newer], pb::ResultStatus::Final, "A later version exists"),
        (Vec::new(), pb::ResultStatus::Final, "may have been withdrawn"),
        (vec![own.clone()], pb::ResultStatus::Withdrawn, "Do not rely on it"),
        (vec![own.clone()], pb::ResultStatus::Corrected, "replaces an earlier one"),
    ] {
        fake.with(|state| state.recent = Some(recent));
        let shown = pb::ResultSummary { status: status.into(), ..own.clone() };
        let (_, page) = desk.page(&desk.link(shown, Language::En)).await;
        assert!(page.contains(words) && page.contains("role=\"alert\""), "{words}: {page}");
    }
}

#[tokio::test]
async fn an_original_comes_as_a_file_or_the_page_says_that_it_cannot() {
    let fake = Fake::default();
    let desk = Desk::new(&fake);
    let path = desk.link(result("L01001", "5.9"), Language::En);
    let original = format!("{path}/originals/{}", hex::encode([7; 32]));
    let (status, page) = desk.page(&original).await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && page.contains("Nothing is lost"), "{page}");
    fake.with(|state| state.original = Some(Bytes::from_static(b"MSH|")));
    let (status, headers, body) = desk.visit(&original).await;
    assert_eq!((status, &*body), (StatusCode::OK, &b"MSH|"[..]));
    assert_eq!(headers["content-type"], "x-application/hl7-v2+er7");
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
    assert_eq!(headers["content-disposition"], "attachment; filename=\"concord-070707070707.hl7\"");
    for other in [hex::encode([8; 32]), "zz".to_owned()] {
        assert_eq!(desk.visit(&format!("{path}/originals/{other}")).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_study_leads_to_its_images() {
    let desk = Desk::new(&Fake::default());
    let series = pb::Series { modality: "CT".into(), instances: 120, ..Default::default() };
    let study = pb::ImagingStudy { series: vec![series], ..Default::default() };
    let content = Some(pb::result_summary::Content::ImagingStudy(study));
    let path = desk.link(pb::ResultSummary { content, ..result("E01001", "") }, Language::En);
    let (_, page) = desk.page(&path).await;
    assert!(page.contains(&format!("href=\"{path}/images\"")) && page.contains("120"), "{page}");
}

#[tokio::test]
async fn an_earlier_version_is_shown_and_marked_by_what_stands_now() {
    for (standing, says) in [
        ((1, pb::ResultStatus::Final), None),
        ((2, pb::ResultStatus::Corrected), Some("no longer in force")),
        ((3, pb::ResultStatus::Withdrawn), Some("has withdrawn this result")),
    ] {
        let fake = Fake::default();
        fake.with(|state| state.standing = standing);
        let desk = Desk::new(&fake);
        let (status, page) = desk.page(&desk.link(result("L01001", "5.9"), Language::En)).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("5.9"), "it stays readable");
        assert_eq!(page.contains("banner loud"), says.is_some(), "{standing:?}");
        assert!(says.is_none_or(|says| page.contains(says)), "{page}");
    }
}
