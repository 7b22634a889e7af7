//! Checks that were answered ahead of the tables, and who waits for them.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn a_check_waits_for_an_earlier_one_in_its_visit_that_the_tables_lack_and_for_no_other() {
    let (world, _publisher, _) = prompted_world().await;
    world.answered_ahead("V1");
    let mut other = check_request("c2", "L01001");
    other.visit.as_mut().unwrap().encounter = "V2".into();
    let doctor = doctor();
    world.hub.check(&doctor, other).await.unwrap();
    let mut same = pin!(world.hub.check(&doctor, check_request("c3", "L01001")));
    let mut settled = pin!(world.hub.settled());
    let (checked, others) = tokio::join!(timeout(A_WHILE, &mut same), timeout(A_WHILE, &mut settled));
    assert!(checked.is_err() && others.is_err(), "the tables lack what it could repeat");
    world.repeat_policy().await;
    same.await.unwrap();
    settled.await.unwrap();
}

#[tokio::test]
async fn a_decision_right_after_a_check_finds_what_it_prompted() {
    let (world, _publisher, _) = prompted_world().await;
    for number in 0..32 {
        let mut asked = check_request(&format!("own {number}"), "L01001");
        asked.visit.as_mut().unwrap().encounter = format!("own {number}");
        let answer = world.hub.check(&doctor(), asked).await.unwrap();
        let declined = pb::decision::Outcome::Decline(pb::Decline { reason: "R02".into(), ..Default::default() });
        let sent = decide_request(&format!("d{number}"), &answer.lines[0].prompts[0], declined);
        world.hub.decide(&doctor(), sent).await.unwrap();
    }
}

#[tokio::test]
async fn a_check_whose_caller_goes_away_is_known_to_who_asks_again() {
    let (world, _publisher, _) = prompted_world().await;
    let (doctor, ledger, mut left) = (doctor(), &world.hub.parts.ledger, 0);
    for round in 0..32 {
        let mut asked = check_request(&format!("left {round}"), "L01001");
        asked.visit.as_mut().unwrap().encounter = format!("left {round}");
        let (before, mut check) = (ledger.records(), Box::pin(world.hub.check(&doctor, asked)));
        // Polled until it has begun to record, and dropped before it hears that the record is durable.
        let mut polled = Poll::Pending;
        while ledger.records() == before && polled.is_pending() {
            polled = std::future::poll_fn(|context| Poll::Ready(check.as_mut().poll(context))).await;
            tokio::task::yield_now().await;
        }
        drop(check);
        left += usize::from(polled.is_pending());
        let known = async {
            while world.hub.ahead.all().0 < ledger.records() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), known).await.unwrap();
    }
    assert!(left > 0, "every caller stayed");
}

/// Long enough for a check that waits for nothing.
const A_WHILE: Duration = Duration::from_millis(200);
