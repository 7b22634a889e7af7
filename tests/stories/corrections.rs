//! What a laboratory corrects or withdraws.

use concord::wire::pb::ResultStatus;

use crate::doctor::{Doctor, POTASSIUM, shown, value};
use crate::laboratory::{Report, report};
use crate::people;
use crate::region::{A, B, Region};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_correction_the_new_value_is_prompted_and_after_a_withdrawal_nothing() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let first = Report::potassium("K1", &patient, region.began.plus_hours(-5), "7.9");
    report(region.mllp(A), &first.message()).await;
    doctor.wait_for(&patient, 1).await;
    let line = doctor.order("order-1", &patient, POTASSIUM).await;
    assert_eq!(value(&line.prompts[0]).0, "7.9");

    let corrected = Report { status: "C", ..Report::potassium("K1", &patient, first.collected, "4.9") };
    report(region.mllp(A), &corrected.message()).await;
    let is_corrected = |shows: Option<(String, String)>| shows.is_some_and(|(number, _)| number == "4.9");
    doctor.wait_until(&patient, |found| found.len() == 1 && is_corrected(shown(&found[0]))).await;
    let line = doctor.order("order-2", &patient, POTASSIUM).await;
    let [prompt] = line.prompts.as_slice() else { panic!("{line:?}") };
    assert_eq!(value(prompt).0, "4.9");
    let result = prompt.result.as_ref().unwrap();
    assert_eq!((result.status(), result.version), (ResultStatus::Corrected, 2));

    let withdrawn = Report { status: "W", ..corrected };
    report(region.mllp(A), &withdrawn.message()).await;
    let is_gone = |status: ResultStatus| status == ResultStatus::Withdrawn;
    doctor.wait_until(&patient, |found| found.iter().all(|result| is_gone(result.status()))).await;
    let line = doctor.order("order-3", &patient, POTASSIUM).await;
    assert_eq!(line.prompts, Vec::new());
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preliminary_result_is_not_prompted_until_it_is_final() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let preliminary = Report { status: "P", ..Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.0") };
    report(region.mllp(A), &preliminary.message()).await;
    doctor.wait_for(&patient, 1).await;
    assert_eq!(doctor.order("order-1", &patient, POTASSIUM).await.prompts, Vec::new());

    report(region.mllp(A), &Report { status: "F", ..preliminary }.message()).await;
    let is_final = |status: ResultStatus| status == ResultStatus::Final;
    doctor.wait_until(&patient, |found| found.len() == 1 && is_final(found[0].status())).await;
    assert_eq!(value(&doctor.order("order-2", &patient, POTASSIUM).await.prompts[0]).0, "4.0");
    region.end().await;
}
