//! Checks that were answered ahead of the tables, and who waits for them.

use std::pin::pin;
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
async fn what_a_check_prompted_is_known_to_all_that_is_asked_once_it_is_settled() {
    let (world, _publisher, _) = prompted_world().await;
    for number in 0..32 {
        let answer = world.hub.check(&doctor(), check_request(&format!("c{number}"), "L01001")).await.unwrap();
        let Some(prompt) = answer.lines[0].prompts.first() else { continue };
        world.hub.settled().await.unwrap();
        let declined = pb::decision::Outcome::Decline(pb::Decline { reason: "R02".into(), ..Default::default() });
        world.hub.decide(&doctor(), decide_request(&format!("d{number}"), prompt, declined)).await.unwrap();
    }
}

/// Long enough for a check that waits for nothing.
const A_WHILE: Duration = Duration::from_millis(200);
