//! A doctor whose order screen can do no more than open a browser.

use reqwest::StatusCode;

use crate::browser::{Browser, attribute, location};
use crate::doctor::{Doctor, POTASSIUM};
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::region::{A, B, Region};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_prompts_takes_the_decision_and_brings_the_message_byte_for_byte() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let message = Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message();
    report(region.mllp(A), &message).await;
    doctor.wait_for(&patient, 1).await;
    let (screen, browser) = (Browser::order_screen(&region, B, B.folder), Browser::at(&region, B));

    assert_eq!(browser.ticket(&patient, &[POTASSIUM]).await.0, StatusCode::UNAUTHORIZED, "no certificate");
    let stranger = Browser::order_screen(&region, B, A.folder);
    assert_eq!(stranger.ticket(&patient, &[POTASSIUM]).await.0, StatusCode::FORBIDDEN, "another hospital's");
    let (status, ticket) = screen.ticket(&patient, &[POTASSIUM]).await;
    assert_eq!(status, StatusCode::CREATED, "{ticket}");
    let url = ticket["url"].as_str().unwrap();
    assert!(!url.contains(&patient.number), "{url}");

    let entered = browser.visit(url).await;
    assert_eq!(entered.headers()["cache-control"], "no-store");
    let session = location(&entered);
    assert_eq!(browser.visit(url).await.status(), StatusCode::GONE);
    let page = browser.visit(&session).await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.ends_with("frame-ancestors https://emr.example.cn"), "{policy}");
    let page = page.text().await.unwrap();
    for shown in ["Potassium", "4.1", "mmol/L", "全国HR", "site evaluation"] {
        assert!(page.contains(shown), "{shown} is missing from {page}");
    }
    for asset in [attribute(&page, "rel=\"stylesheet\" href=\""), attribute(&page, "<script src=\"")] {
        assert_eq!(browser.visit(&asset).await.status(), StatusCode::OK, "{asset}");
    }

    let prompt = attribute(&page, "name=\"prompt\" value=\"");
    let form = [("line", "0"), ("prompt", prompt.as_str()), ("act", "accept")];
    for _ in 0..2 {
        location(&browser.press(&attribute(&page, "action=\""), &form).await);
    }
    until("one decision", async || {
        let row = region.figures(B).await?;
        if (row.prompts, row.accepted) == (1, 1) { Ok(()) } else { Err(format!("{row:?}")) }
    })
    .await;
    let after = browser.visit(&session).await.text().await.unwrap();
    assert!(after.contains("&quot;outcome&quot;:&quot;decided&quot;"), "{after}");

    let view = attribute(&after, "href=\"/view/");
    let report_page = browser.visit(&format!("/view/{view}")).await.text().await.unwrap();
    assert!(report_page.contains("4.1") && report_page.contains("HL7 v2 message"), "{report_page}");
    let original = attribute(&report_page, &format!("href=\"/view/{view}/originals/"));
    let original = browser.visit(&format!("/view/{view}/originals/{original}")).await;
    assert_eq!(original.headers()["content-type"], "x-application/hl7-v2+er7");
    assert_eq!(original.bytes().await.unwrap(), message);
    region.end().await;
}
