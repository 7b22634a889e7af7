//! A result of one hospital answers an order at another.

use concord::wire::pb;
use tonic::Code;

use crate::doctor::{Doctor, POTASSIUM, refusals, value};
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::region::{A, B, Region};

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_elsewhere_is_shown_the_value_accepts_it_and_opens_the_message_itself() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let message = Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message();
    report(region.mllp(A), &message).await;
    doctor.wait_for(&patient, 1).await;

    let line = doctor.order("order-1", &patient, POTASSIUM).await;
    assert_eq!(line.coverage(), pb::LineCoverage::Full);
    let [prompt] = line.prompts.as_slice() else { panic!("{line:?}") };
    assert_eq!(value(prompt), ("4.1".to_owned(), "mmol/L".to_owned()));
    assert_eq!(prompt.evidence.as_ref().unwrap().mark, "全国HR");

    let (result, grant) = doctor.accept("decision-1", prompt).await;
    assert_eq!(result.organisation, A.code);
    let [original] = result.originals.as_slice() else { panic!("{result:?}") };
    assert_eq!(doctor.open(&grant, original).await.unwrap(), message);

    let forged = pb::Grant { token: format!("{}A", grant.token), ..grant };
    let refused = doctor.open(&forged, original).await.unwrap_err();
    assert!(matches!(refused.code(), Code::PermissionDenied | Code::InvalidArgument | Code::Unauthenticated));

    let again = doctor.order("order-2", &patient, POTASSIUM).await;
    assert_eq!((again.prompts.len(), refusals(&again)), (0, vec!["ALREADY_DECIDED"]));
    until("the figures", async || {
        let row = region.figures(B).await?;
        let counted = (row.checks, row.order_lines, row.prompts, row.accepted, row.reports_recognised);
        if counted == (2, 2, 1, 1, 1) { Ok(()) } else { Err(format!("{row:?}")) }
    })
    .await;
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_not_offered_to_the_hospital_that_made_it() {
    let region = Region::open().await;
    let (patient, own, other) = (people::canary(), Doctor::at(&region, A), Doctor::at(&region, B));
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    other.wait_for(&patient, 1).await;
    let line = own.order("order-1", &patient, POTASSIUM).await;
    assert_eq!((line.prompts.len(), refusals(&line)), (0, vec!["OWN_RESULT"]));
    region.end().await;
}
