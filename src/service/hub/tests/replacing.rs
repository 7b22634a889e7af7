//! Decisions that replace earlier ones, declines without a reason, prompts that nobody answers, and the budget of a
//! visit.

use std::collections::BTreeSet;

use super::*;
use crate::wire::follow_up::FollowUpsQuery;
use crate::wire::oversight::StatisticsQuery;
use pb::decision::Outcome;

const MINUTE_MS: i64 = 60_000;

/// A report of what the doctor did `minutes` after the start of the test.
fn reported(world: &World, prompt: &pb::Prompt, minutes: i64, outcome: Outcome) -> pb::DecideRequest {
    let at = Moment::new(world.clock.now().unix_ms() + minutes * MINUTE_MS, 0).unwrap();
    let key = format!("{minutes}/{outcome:?}");
    pb::DecideRequest { decided_at: Some(at.into()), replaces: true, ..decide_request(&key, prompt, outcome) }
}

fn declined(reason: &str) -> Outcome {
    Outcome::Decline(pb::Decline { reason: reason.into(), ..Default::default() })
}

fn unexplained() -> Outcome {
    Outcome::Unexplained(pb::Unexplained::default())
}

fn revoke_request(key: &str, prompt: &pb::Prompt) -> pb::RevokeRequest {
    pb::RevokeRequest {
        decision_key: key.into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        prompt_id: prompt.prompt_id.clone(),
        text: String::new(),
    }
}

/// The prompts that wait, as `reader` is told.
async fn waiting(world: &World, reader: &Caller, kind: pb::FollowUpKind) -> Vec<pb::FollowUp> {
    figure(world, Figure::Checks).await;
    let query = FollowUpsQuery::read(&pb::FollowUpsRequest { kind: kind.into(), ..Default::default() }).unwrap();
    world.hub.follow_ups(reader, &query).unwrap().follow_ups
}

async fn row(world: &World) -> pb::StatisticsRow {
    figure(world, Figure::Checks).await;
    let query = StatisticsQuery::read(&pb::StatisticsRequest::default()).unwrap();
    world.hub.statistics(&doctor(), &query).unwrap().rows.remove(0)
}

async fn counted(world: &World) -> (u64, u64, u64, u64, u64) {
    let row = row(world).await;
    (row.accepted, row.declined, row.declined_counted, row.declined_unexplained, row.reports_recognised)
}

#[tokio::test]
async fn the_latest_decision_counts_in_whatever_order_they_arrive() {
    // 1: declined without a reason, 2: declined for R02, 3: accepted.
    let orders: [[usize; 6]; 4] = [[0, 1, 2, 2, 1, 0], [2, 1, 0, 0, 1, 2], [1, 0, 2, 0, 1, 2], [1, 2, 0, 2, 0, 1]];
    for order in orders {
        let (world, _, prompt) = prompted_world().await;
        let reports = [
            reported(&world, &prompt, -3, unexplained()),
            reported(&world, &prompt, -2, declined("R02")),
            reported(&world, &prompt, -1, Outcome::Accept(pb::Accept {})),
        ];
        for (place, report) in order.iter().enumerate() {
            let answer = world.hub.decide(&doctor(), reports[*report].clone()).await.unwrap();
            let stands = order[..=place].contains(&2);
            let opens = answer.outcomes[0].grant.is_some();
            assert_eq!(opens, *report == 2 && stands, "{order:?} at {place}");
        }
        assert_eq!(counted(&world).await, (1, 0, 0, 0, 1), "{order:?}");
    }
}

#[tokio::test]
async fn a_decline_without_a_reason_is_followed_up_until_a_reason_comes() {
    let (world, _, prompt) = prompted_world().await;
    world.hub.decide(&doctor(), reported(&world, &prompt, -3, unexplained())).await.unwrap();
    assert_eq!(counted(&world).await, (0, 1, 0, 1, 0));
    let (regulator, reason) = (caller(OTHER_HOSPITAL, Role::Regulator), pb::FollowUpKind::Reason);
    let [told] = &waiting(&world, &doctor(), reason).await[..] else { panic!("one waits") };
    assert_eq!((&told.prompt_id, told.items[0].as_str(), told.encounter.as_str()), (&prompt.prompt_id, "L01001", "V1"));
    let [overseen] = &waiting(&world, &regulator, reason).await[..] else { panic!("one waits") };
    assert_eq!(
        (&overseen.prompt_id, overseen.encounter.as_str()),
        (&prompt.prompt_id, ""),
        "the visit is the hospital's"
    );
    let stranger = caller(OTHER_HOSPITAL, Role::Hospital);
    assert!(waiting(&world, &stranger, reason).await.is_empty());
    world.hub.decide(&doctor(), reported(&world, &prompt, -2, declined("R02"))).await.unwrap();
    assert_eq!(counted(&world).await, (0, 1, 1, 0, 0));
    assert!(waiting(&world, &doctor(), reason).await.is_empty());
    assert!(row(&world).await.reasons.iter().any(|reason| (reason.reason.as_str(), reason.count) == ("R02", 1)));
}

#[tokio::test]
async fn a_decline_that_is_taken_back_owes_no_reason() {
    let (world, _, prompt) = prompted_world().await;
    world.hub.decide(&doctor(), reported(&world, &prompt, -3, unexplained())).await.unwrap();
    world.hub.revoke(&doctor(), revoke_request("r1", &prompt)).await.unwrap();
    assert!(waiting(&world, &doctor(), pb::FollowUpKind::Reason).await.is_empty());
}

#[tokio::test]
async fn waiting_prompts_are_listed_page_by_page_each_once() {
    let (world, _, first) = prompted_world().await;
    let mut prompts = BTreeSet::from([first.prompt_id.clone()]);
    for number in 2..=5 {
        let answer = world.check(&doctor(), check_request(&format!("c{number}"), "L01001")).await.unwrap();
        prompts.insert(answer.lines[0].prompts[0].prompt_id.clone());
    }
    world.clock.advance(24 * 60 * MINUTE_MS);
    figure(&world, Figure::Checks).await;
    let kind = pb::FollowUpKind::Answer.into();
    let mut asked = pb::FollowUpsRequest { kind, page_size: 2, ..Default::default() };
    let (mut listed, mut pages) = (Vec::new(), 0);
    loop {
        let page = world.hub.follow_ups(&doctor(), &FollowUpsQuery::read(&asked).unwrap()).unwrap();
        listed.extend(page.follow_ups.into_iter().map(|one| one.prompt_id));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    assert_eq!((listed.len(), pages), (5, 3));
    assert_eq!(BTreeSet::from_iter(listed), prompts);
}

#[tokio::test]
async fn a_clock_that_is_ahead_does_not_shut_out_what_follows() {
    let (world, _, prompt) = prompted_world().await;
    world.hub.decide(&doctor(), reported(&world, &prompt, 600, declined("R02"))).await.unwrap();
    world.clock.advance(MINUTE_MS);
    world.hub.decide(&doctor(), reported(&world, &prompt, 0, Outcome::Accept(pb::Accept {}))).await.unwrap();
    assert_eq!(counted(&world).await, (1, 0, 0, 0, 1));
}

#[tokio::test]
async fn only_a_request_that_says_so_replaces_and_only_its_own_prompt() {
    let (world, _, prompt) = prompted_world().await;
    world.hub.decide(&doctor(), decide_request("d1", &prompt, declined("R02"))).await.unwrap();
    let again = decide_request("d2", &prompt, Outcome::Accept(pb::Accept {}));
    assert_eq!(world.hub.decide(&doctor(), again).await.unwrap_err().fault(), Fault::Conflict);
    let foreign = reported(&world, &prompt, 0, Outcome::Accept(pb::Accept {}));
    let stranger = caller(OTHER_HOSPITAL, Role::Hospital);
    assert_eq!(world.hub.decide(&stranger, foreign).await.unwrap_err().fault(), Fault::Missing);
}

#[tokio::test]
async fn a_prompt_that_nobody_decides_is_counted_when_its_time_is_over() {
    let (world, _, prompt) = prompted_world().await;
    assert_eq!(row(&world).await.unanswered, 0);
    world.clock.advance(24 * 60 * MINUTE_MS);
    assert_eq!(row(&world).await.unanswered, 1);
    assert_eq!(waiting(&world, &doctor(), pb::FollowUpKind::Answer).await.len(), 1);
    world.hub.decide(&doctor(), decide_request("d1", &prompt, declined("R02"))).await.unwrap();
    assert_eq!(row(&world).await.unanswered, 0);
    world.hub.revoke(&doctor(), revoke_request("r1", &prompt)).await.unwrap();
    assert_eq!(row(&world).await.unanswered, 1, "it waits again, since it was raised");
}

#[tokio::test]
async fn a_visit_is_prompted_for_an_item_as_often_as_the_policy_allows() {
    let (world, _, _) = prompted_world().await;
    for number in 2..=8 {
        let key = format!("c{number}");
        for _ in 0..2 {
            let answer = world.check(&doctor(), check_request(&key, "L01001")).await.unwrap();
            assert_eq!(answer.lines[0].prompts.len(), 1, "check {number}, asked twice, counts once");
        }
    }
    let answer = world.check(&doctor(), check_request("c9", "L01001")).await.unwrap();
    assert!(answer.lines[0].prompts.is_empty());
    assert_eq!(answer.lines[0].quiet[0].refusals[0].code, "ALERT_BUDGET");
    let mut elsewhere = check_request("c10", "L01001");
    elsewhere.visit = Some(pb::Visit { encounter: "V2".into(), ..elsewhere.visit.unwrap() });
    assert_eq!(world.check(&doctor(), elsewhere).await.unwrap().lines[0].prompts.len(), 1);
}
