//! The hub is away: hospitals go on working, and nothing is forgotten.

use crate::doctor::{Doctor, POTASSIUM, value};
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::region::{A, B, Region};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_hub_orders_get_an_empty_answer_reports_are_taken_and_both_are_told_later() {
    let mut region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let collected = region.began.plus_hours(-5);
    report(region.mllp(A), &Report::potassium("K0", &patient, collected, "4.0").message()).await;
    doctor.wait_for(&patient, 1).await;
    doctor.order("order-0", &patient, POTASSIUM).await;

    region.kill_hub();
    for missed in 0..3 {
        let answer = doctor.check(&format!("missed-{missed}"), &patient, POTASSIUM).await.unwrap();
        assert!(answer.degraded.is_some(), "{answer:?}");
        assert!(answer.lines.iter().all(|line| line.prompts.is_empty()));
    }
    let second = people::second_canary();
    for number in 1..=5 {
        let message = Report::potassium(&format!("K{number}"), &second, collected, &format!("4.{number}")).message();
        report(region.mllp(A), &message).await;
    }
    let waiting = region.status(A).await.unwrap();
    assert_eq!(waiting.messages_taken, 6);

    region.start_hub();
    region.serving().await;
    let found = doctor.wait_for(&second, 5).await;
    assert_eq!(found.len(), 5);
    until("the outbox to be empty", async || {
        let status = region.status(A).await?;
        if status.outbox_batches == 0 && status.results_published == 6 { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    until("the misses", async || {
        let row = region.figures(B).await?;
        if row.misses == 3 { Ok(()) } else { Err(format!("{row:?}")) }
    })
    .await;
    let line = doctor.order("order-1", &patient, POTASSIUM).await;
    assert_eq!(value(&line.prompts[0]).0, "4.0");
    region.end().await;
}
