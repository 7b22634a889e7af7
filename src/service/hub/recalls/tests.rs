//! Who is told what, over a real journal and its projections: corrections and withdrawals in any order, a result of
//! another patient, and a laboratory that is suspended with effect on past dates.

use std::sync::Arc;

use prost::Message;

use super::*;
use crate::domain::entry::{Content, Entry, ResultStatus};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::value::{Comparator, Quantity, Value};
use crate::pki::signing::SigningDomain;
use crate::service::hub::projector::Projector;
use crate::service::hub::registry::Registry;
use crate::service::hub::testing::{CENTRE, HOSPITAL, OTHER_HOSPITAL, World, caller, code};
use crate::service::hub::tests::{Publisher, check_request, decide_request, doctor, prompted_world, qualify, result};
use crate::store::hub::HubState;
use crate::store::index::MemoryIndex;
use crate::wire::field::fixed;
use crate::wire::statement::SIGNED_AS;
use pb::decision::Outcome;

fn accept() -> Outcome {
    Outcome::Accept(pb::Accept {})
}

fn version(world: &World, number: u32, status: ResultStatus, value: i64) -> Entry {
    let mut entry = result(world, 1, 24);
    (entry.version, entry.status) = (number, status);
    let Content::Laboratory(found) = &mut entry.content else { panic!("a laboratory's") };
    let (comparator, unit) = (Comparator::Equal, "mmol/L".to_owned());
    found.value = Value::Quantity(Quantity { comparator, number: value.into(), unit, as_sent: None });
    entry
}

fn corrected(world: &World, number: u32, value: i64) -> Entry {
    version(world, number, ResultStatus::Corrected, value)
}

async fn accepted(world: &World, prompt: &pb::Prompt) {
    world.hub.decide(&doctor(), decide_request("d1", prompt, accept())).await.unwrap();
}

fn value(summary: &Option<pb::ResultSummary>) -> String {
    use pb::result_summary::Content::LaboratoryResult;
    let Some(LaboratoryResult(result)) = summary.clone().unwrap().content else { panic!("a laboratory's") };
    let Some(pb::laboratory_result::Value::Quantity(quantity)) = result.value else { panic!("a number") };
    quantity.number
}

async fn ask(world: &World, organisation: &str, practitioner: &str, key: &str) -> pb::CheckResponse {
    let mut sent = check_request(key, "L01001");
    sent.actor = Some(pb::Actor { practitioner: practitioner.into(), ..Default::default() });
    world.check(&caller(organisation, Role::Hospital), sent).await.unwrap()
}

/// What is told a doctor: cause, relation, versions before and after.
fn open(world: &World, practitioner: &str) -> Vec<(pb::RecallCause, pb::RecallRelation, u32, u32)> {
    let open = world.hub.open_recalls(code(HOSPITAL), practitioner, None).unwrap();
    open.iter().map(|it| (it.cause(), it.relation(), it.old_version, it.new_version)).collect()
}

/// What the page of metrics says of open recalls: the values of its samples, each with its organisation.
fn shown(world: &World) -> Vec<String> {
    let mut page = crate::sys::meter::page::Page::default();
    world.hub.write_recalls(&mut page).unwrap();
    page.finish().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn figures(world: &World) -> (u64, u64, u64, u64) {
    let regulator = caller(CENTRE, Role::Regulator);
    let answer = world.hub.recall_figures(&regulator, &pb::RecallsRequest::default()).unwrap();
    (answer.made, answer.delivered, answer.acknowledged, answer.open)
}

/// Feeds the journal to tables that know nothing, and gives the recalls and cases that they then hold.
fn rebuilt(world: &World) -> (Vec<KeptRecall>, Vec<crate::store::hub::KeptCase>) {
    let (_, trust) = tokio::sync::watch::channel(world.hub.parts.registry.trust());
    let state = Arc::new(HubState::in_memory().unwrap());
    let (index, registry) = (Arc::new(MemoryIndex::default()), Arc::new(Registry::new(trust)));
    let mut projector = Projector::new(world.journal.reader(), index, Arc::clone(&state), registry).unwrap();
    projector.catch_up().unwrap();
    all(&state)
}

fn all(state: &HubState) -> (Vec<KeptRecall>, Vec<crate::store::hub::KeptCase>) {
    let (mut recalls, mut cases) = (Vec::new(), Vec::new());
    let view = state.read().unwrap();
    view.recalls(|recall| {
        recalls.push(recall);
        ControlFlow::Continue(())
    })
    .unwrap();
    view.cases(|case| {
        cases.push(case);
        ControlFlow::Continue(())
    })
    .unwrap();
    (recalls, cases)
}

#[tokio::test]
async fn whoever_accepted_an_earlier_version_is_told_until_somebody_takes_note() {
    let (world, mut publisher, prompt) = prompted_world().await;
    accepted(&world, &prompt).await;
    assert_eq!(figures(&world), (0, 0, 0, 0));
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    // The same again, in a batch of its own, is nothing new.
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;

    let (told, _) = world.hub.next_recalls(code(HOSPITAL), None).await.unwrap();
    let [recall] = told.as_slice() else { panic!("{} recalls", told.len()) };
    assert_eq!((recall.cause(), recall.relation()), (pb::RecallCause::Corrected, pb::RecallRelation::Accepted));
    assert_eq!((recall.practitioner.as_str(), recall.encounter.as_str(), recall.urgent), ("D7", "V1", false));
    assert_eq!((recall.old_version, recall.new_version), (1, 2));
    assert_eq!(recall.text_en, "Recall: Potassium of Second was corrected; you had accepted it");
    assert!(recall.text_zh.starts_with("召回：乙医院的"));
    assert_eq!((value(&recall.old), value(&recall.new)), ("4.1".into(), "5".into()));
    assert_eq!(figures(&world), (1, 0, 0, 1));
    world.clock.advance(90_000);
    let of = format!("{{organisation=\"{HOSPITAL}\"}}");
    let gauges = [format!("concord_recalls_open{of} 1"), format!("concord_recalls_open_age_seconds{of} 90")];
    assert_eq!(shown(&world), gauges);

    let received = pb::ReceiveRecallsRequest { recall_ids: vec![recall.recall_id.clone()] };
    let stranger = caller(OTHER_HOSPITAL, Role::Hospital);
    let refused = world.hub.receive_recalls(&stranger, &received).await.unwrap_err();
    assert_eq!(refused.fault(), Fault::Missing, "another hospital's recalls do not exist for it");
    for _ in 0..2 {
        world.hub.receive_recalls(&doctor(), &received).await.unwrap();
    }
    assert_eq!(figures(&world), (1, 1, 0, 1));
    let waiting = world.hub.next_recalls(code(HOSPITAL), None);
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err(), "it is told once it is confirmed");

    let noted = pb::AcknowledgeRecallRequest {
        recall_id: recall.recall_id.clone(),
        actor: Some(pb::Actor { practitioner: "D7".into(), ..Default::default() }),
    };
    assert_eq!(world.hub.acknowledge_recall(&stranger, &noted).await.unwrap_err().fault(), Fault::Missing);
    for _ in 0..2 {
        world.hub.acknowledge_recall(&doctor(), &noted).await.unwrap();
    }
    assert_eq!((open(&world, "D7"), figures(&world)), (Vec::new(), (1, 1, 1, 0)));
    assert_eq!(shown(&world), [""; 0]);
    assert_eq!(rebuilt(&world), all(&world.hub.parts.state));
}

#[tokio::test]
async fn only_those_are_told_who_knew_the_earlier_version() {
    let (world, mut publisher, _) = prompted_world().await;
    ask(&world, HOSPITAL, "D8", "c8").await;
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    ask(&world, HOSPITAL, "D9", "c9").await;
    let prompted = (pb::RecallCause::Corrected, pb::RecallRelation::Prompted, 1, 2);
    assert_eq!((open(&world, "D7"), open(&world, "D8")), (vec![prompted], vec![prompted]));
    assert_eq!(open(&world, "D9"), Vec::new(), "she was prompted with the correction");

    publisher.publish(&world, &[version(&world, 3, ResultStatus::Withdrawn, 5)]).await;
    assert_eq!(open(&world, "D9"), [(pb::RecallCause::Withdrawn, pb::RecallRelation::Prompted, 2, 3)]);
    assert_eq!(open(&world, "D7").len(), 2);
    let last = world.hub.open_recalls(code(HOSPITAL), "D7", None).unwrap().pop().unwrap();
    let noted = pb::AcknowledgeRecallRequest {
        recall_id: last.recall_id,
        actor: Some(pb::Actor { practitioner: "D7".into(), ..Default::default() }),
    };
    world.hub.acknowledge_recall(&doctor(), &noted).await.unwrap();
    assert_eq!(open(&world, "D7"), Vec::new(), "the last word on a result covers the earlier ones");
    assert_eq!(rebuilt(&world), all(&world.hub.parts.state));
}

#[tokio::test]
async fn of_two_versions_that_come_together_the_last_is_told() {
    let (world, mut publisher, _) = prompted_world().await;
    publisher.publish(&world, &[corrected(&world, 3, 6), corrected(&world, 2, 5)]).await;
    let told = world.hub.open_recalls(code(HOSPITAL), "D7", None).unwrap();
    let [recall] = told.as_slice() else { panic!("{} recalls", told.len()) };
    assert_eq!((recall.old_version, recall.new_version, value(&recall.new)), (1, 3, "6".into()));
    publisher.publish(&world, &[corrected(&world, 4, 7)]).await;
    let last = world.hub.open_recalls(code(HOSPITAL), "D7", None).unwrap().pop().unwrap();
    assert_eq!((last.old_version, last.new_version, value(&last.old)), (3, 4, "6".into()));
}

#[tokio::test]
async fn a_check_that_was_judged_before_the_correction_and_recorded_after_it_is_told_too() {
    let (world, mut publisher, _) = prompted_world().await;
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    let (first, ..) = all(&world.hub.parts.state);
    let kept = world.hub.parts.state.read().unwrap().prompt(first[0].recall.prompt.unwrap()).unwrap().unwrap();
    let Record::Check(mut late) = world.hub.parts.ledger.read(kept.check).unwrap() else { panic!("a check") };
    late.check_key = "late".into();
    late.actor = Some(pb::Actor { practitioner: "D9".into(), ..Default::default() });
    late.prompts[0].prompt_id = vec![9; 16].into();
    world.record(Record::Check(late)).await;
    assert_eq!(open(&world, "D9"), [(pb::RecallCause::Corrected, pb::RecallRelation::Prompted, 1, 2)]);
    // What she does with the old version afterwards is added to what she is told.
    let quoted = Record::Event(pb::EventRecord {
        organisation: HOSPITAL.into(),
        event_key: "e1".into(),
        actor: Some(pb::Actor { practitioner: "D9".into(), ..Default::default() }),
        prompt_id: vec![9; 16].into(),
        event: pb::acknowledge_request::Event::Quoted.into(),
        at: Some(world.hub.now().into()),
        ..Default::default()
    });
    world.record(quoted).await;
    assert_eq!(open(&world, "D9"), [(pb::RecallCause::Corrected, pb::RecallRelation::Quoted, 1, 2)]);
    assert_eq!(rebuilt(&world), all(&world.hub.parts.state));
}

#[tokio::test]
async fn a_correction_before_the_original_concerns_nobody_and_an_error_is_urgent() {
    let world = World::new().await;
    qualify(&world, OTHER_HOSPITAL).await;
    let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    publisher.publish(&world, &[version(&world, 1, ResultStatus::Final, 4)]).await;
    ask(&world, HOSPITAL, "D7", "c1").await;
    assert_eq!(open(&world, "D7"), Vec::new());
    let wrong = Entry { entered_in_error: true, ..version(&world, 3, ResultStatus::Withdrawn, 5) };
    publisher.publish(&world, &[wrong]).await;
    let told = world.hub.open_recalls(code(HOSPITAL), "D7", None).unwrap();
    assert_eq!((told[0].cause(), told[0].urgent), (pb::RecallCause::EnteredInError, true));
}

#[tokio::test]
async fn a_value_that_the_patient_has_closed_since_is_not_told_again() {
    let (world, mut publisher, prompt) = prompted_world().await;
    accepted(&world, &prompt).await;
    let sharing = pb::SharingRecord {
        patient: vec![2; 16].into(),
        opted_out: true,
        organisation: CENTRE.into(),
        at: Some(world.hub.now().into()),
        ..Default::default()
    };
    world.record(Record::Sharing(sharing)).await;
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    let told = world.hub.open_recalls(code(HOSPITAL), "D7", None).unwrap();
    assert_eq!((told.len(), told[0].new.as_ref()), (1, None), "the doctor is told, and not the value");
    assert_eq!(told[0].old.as_ref().unwrap().content, None);
}

#[tokio::test]
async fn a_result_of_another_patient_is_told_to_everybody_else_and_is_a_case_until_it_is_closed() {
    let (world, _publisher, prompt) = prompted_world().await;
    let other = caller("91110000600037341L", Role::Hospital);
    ask(&world, HOSPITAL, "D8", "c8").await;
    let decline =
        Outcome::Decline(pb::Decline { reason: "P22".into(), text: "another person".into(), ..Default::default() });
    world.hub.decide(&doctor(), decide_request("d1", &prompt, decline)).await.unwrap();
    assert_eq!(open(&world, "D8"), [(pb::RecallCause::NotThisPatient, pb::RecallRelation::Prompted, 1, 0)]);
    assert_eq!(open(&world, "D7"), Vec::new(), "whoever says it knows it");
    assert_eq!(ask(&world, HOSPITAL, "D8", "c9").await.lines[0].prompts, Vec::new());

    let regulator = caller(CENTRE, Role::Regulator);
    let listed = |who: &Caller, closed_too: bool| {
        world.hub.cases(who, &pb::CasesRequest { closed_too, limit: 0 }).unwrap().cases
    };
    let [case] = listed(&regulator, false).try_into().unwrap();
    assert_eq!((case.publisher.as_str(), case.opened_by.as_str()), (OTHER_HOSPITAL, HOSPITAL));
    assert_eq!(listed(&other, false), std::slice::from_ref(&case), "its publisher sees it");
    assert_eq!(listed(&caller(CENTRE, Role::Hospital), true), []);
    let close = pb::CloseCaseRequest {
        case_id: case.case_id.clone(),
        finding: pb::CaseFinding::LinkRight.into(),
        reason: "looked into".into(),
    };
    let refused = world.hub.close_case(&doctor(), &close).await.unwrap_err();
    assert_eq!(refused.fault(), Fault::Missing, "whoever opened it does not close it");
    for _ in 0..2 {
        world.hub.close_case(&other, &close).await.unwrap();
    }
    assert_eq!(listed(&regulator, false), []);
    let [closed] = listed(&regulator, true).try_into().unwrap();
    assert_eq!((closed.finding(), closed.reason.as_str()), (pb::CaseFinding::LinkRight, "looked into"));
    let mut elsewhere = check_request("c10", "L01001");
    elsewhere.visit = Some(pb::Visit { encounter: "V2".into(), ..elsewhere.visit.unwrap_or_default() });
    let asked = world.check(&doctor(), elsewhere).await.unwrap();
    assert_eq!(asked.lines[0].prompts.len(), 1, "it is offered again, in a visit where it was not decided");
    assert_eq!(rebuilt(&world), all(&world.hub.parts.state));
}

#[tokio::test]
async fn what_its_publisher_found_to_be_another_persons_stays_out_of_use_whatever_the_doctor_says_later() {
    let (world, _publisher, prompt) = prompted_world().await;
    let decline = Outcome::Decline(pb::Decline { reason: "P22".into(), text: "another".into(), ..Default::default() });
    world.hub.decide(&doctor(), decide_request("d1", &prompt, decline.clone())).await.unwrap();
    let [case] = all(&world.hub.parts.state).1.try_into().unwrap();
    let close = pb::CloseCaseRequest {
        case_id: Bytes::copy_from_slice(case.id.as_bytes()),
        finding: pb::CaseFinding::LinkWrong.into(),
        reason: "two people, one number".into(),
    };
    world.hub.close_case(&caller(OTHER_HOSPITAL, Role::Hospital), &close).await.unwrap();
    let revoke = pb::RevokeRequest {
        decision_key: "r1".into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        prompt_id: prompt.prompt_id.clone(),
        text: String::new(),
    };
    world.hub.revoke(&doctor(), revoke).await.unwrap();
    assert_eq!(ask(&world, HOSPITAL, "D8", "c8").await.lines[0].prompts, Vec::new(), "it is offered to nobody");
    let cases = all(&world.hub.parts.state).1;
    assert_eq!((cases.len(), cases[0].id), (1, case.id));
    assert_eq!(rebuilt(&world), all(&world.hub.parts.state));
}

#[tokio::test]
async fn a_case_is_closed_when_the_doctor_takes_the_word_back() {
    let (world, _publisher, prompt) = prompted_world().await;
    let decline = Outcome::Decline(pb::Decline { reason: "P22".into(), text: "another".into(), ..Default::default() });
    world.hub.decide(&doctor(), decide_request("d1", &prompt, decline)).await.unwrap();
    let listed = || all(&world.hub.parts.state).1;
    let is_case = listed().len() == 1;
    let revoke = pb::RevokeRequest {
        decision_key: "r1".into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        prompt_id: prompt.prompt_id.clone(),
        text: String::new(),
    };
    world.hub.revoke(&doctor(), revoke).await.unwrap();
    assert!(is_case && listed()[0].closed.is_some(), "{:?}", listed());
}

/// Has the QC centre say something.
pub async fn say(world: &World, content: pb::statement::Content) {
    let signer = world.signer(CENTRE, Role::QcCentre, 61);
    let issued_at = Some(world.hub.now().into());
    let statement = pb::Statement { issuer: CENTRE.into(), issued_at, content: Some(content) }.encode_to_vec();
    let signature = signer.key.sign(SigningDomain(SIGNED_AS), &statement);
    world
        .record(Record::Statement(pb::StatementRecord {
            statement: statement.into(),
            signature: signature.to_vec().into(),
            signing_certificate: signer.certificate_der.into(),
            received_at: issued_at,
        }))
        .await;
}

/// Takes potassium of the other hospital's laboratory out of qualification.
pub fn suspension(world: &World, hours: i64, reason: &str) -> pb::statement::Content {
    pb::statement::Content::Suspension(pb::Suspension {
        laboratory: OTHER_HOSPITAL.into(),
        subject: "L01001".into(),
        effective_at: Some(world.hub.now().plus_hours(hours).into()),
        reason: reason.into(),
    })
}

async fn judge_all(world: &World) -> usize {
    let mut slices = 0;
    while world.hub.requalify_slice().await.unwrap() {
        slices += 1;
    }
    slices
}

#[tokio::test]
async fn a_suspension_with_effect_on_past_dates_is_told_to_whoever_relies_on_the_laboratory() {
    let (world, _publisher, prompt) = prompted_world().await;
    ask(&world, HOSPITAL, "D8", "c8").await;
    accepted(&world, &prompt).await;
    say(&world, suspension(&world, -1, "from an hour ago")).await;
    assert_eq!((judge_all(&world).await, open(&world, "D7")), (1, Vec::new()), "collected before it");
    world.clock.advance(1);
    say(&world, suspension(&world, -48, "from two days ago")).await;
    assert_eq!(open(&world, "D7"), Vec::new(), "it is judged beside the service");
    judge_all(&world).await;
    let told = (pb::RecallCause::QualificationSuspended, pb::RecallRelation::Accepted, 1, 0);
    assert_eq!((open(&world, "D7"), open(&world, "D8")), (vec![told], Vec::new()), "those who rely on it");
    world.clock.advance(1);
    say(&world, suspension(&world, -72, "from three days ago")).await;
    judge_all(&world).await;
    assert_eq!(open(&world, "D7").len(), 1, "what was told is not told again");

    // Qualified again, and suspended again: that is another fact.
    world.clock.advance(1);
    let restoration = pb::Restoration {
        laboratory: OTHER_HOSPITAL.into(),
        subject: "L01001".into(),
        effective_at: Some(world.hub.now().plus_hours(-96).into()),
        reason: "found in order".into(),
    };
    say(&world, pb::statement::Content::Restoration(restoration)).await;
    judge_all(&world).await;
    world.clock.advance(1);
    say(&world, suspension(&world, -49, "again")).await;
    judge_all(&world).await;
    assert_eq!(open(&world, "D7").len(), 2);
    assert_eq!(rebuilt(&world), all(&world.hub.parts.state));
}

#[tokio::test]
async fn a_prompt_that_is_accepted_after_the_suspension_is_found_too() {
    let (world, _publisher, prompt) = prompted_world().await;
    say(&world, suspension(&world, -48, "from two days ago")).await;
    judge_all(&world).await;
    accepted(&world, &prompt).await;
    judge_all(&world).await;
    assert_eq!(open(&world, "D7").len(), 1);
}

#[tokio::test]
async fn both_results_that_one_decision_accepts_after_the_suspension_are_found() {
    let (world, mut publisher, first) = prompted_world().await;
    publisher.publish(&world, &[result(&world, 2, 30)]).await;
    let decline = Outcome::Decline(pb::Decline { reason: "P22".into(), text: "another".into(), ..Default::default() });
    // The newer result hides the older one, until somebody says that it is another person's.
    world.hub.decide(&doctor(), decide_request("d0", &first, decline)).await.unwrap();
    let second = ask(&world, HOSPITAL, "D7", "c2").await.lines[0].prompts[0].clone();
    say(&world, suspension(&world, -48, "from two days ago")).await;
    judge_all(&world).await;
    let accepting = |prompt: &pb::Prompt| decide_request("d1", prompt, accept()).decisions.remove(0);
    world
        .record(Record::Decision(pb::DecisionRecord {
            organisation: HOSPITAL.into(),
            decision_key: "d1".into(),
            actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
            decisions: vec![accepting(&first), accepting(&second)],
            at: Some(world.hub.now().into()),
            ..Default::default()
        }))
        .await;
    judge_all(&world).await;
    assert_eq!(open(&world, "D7").len(), 2);
    assert_eq!(rebuilt(&world), all(&world.hub.parts.state));
}

async fn note(world: &World, recall: &pb::Recall) {
    let actor = Some(pb::Actor { practitioner: "D7".into(), ..Default::default() });
    let noted = pb::AcknowledgeRecallRequest { recall_id: recall.recall_id.clone(), actor };
    world.hub.acknowledge_recall(&doctor(), &noted).await.unwrap();
}

#[tokio::test]
async fn figures_and_rows_are_those_that_were_asked_for_and_a_hospitals_are_its_own() {
    let (world, mut publisher, _) = prompted_world().await;
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    world.clock.advance(60_000);
    publisher.publish(&world, &[corrected(&world, 3, 6)]).await;
    let asked = |who: &Caller, open_only: bool, limit: u32| {
        let sent = pb::RecallsRequest { open_only, limit, ..Default::default() };
        world.hub.recall_figures(who, &sent).unwrap()
    };
    let (regulator, other) = (caller(CENTRE, Role::Regulator), caller(OTHER_HOSPITAL, Role::Hospital));
    let first = asked(&regulator, false, 1);
    assert_eq!((first.recalls.len(), first.truncated, first.recalls[0].new_version), (1, true, 3), "the newest");
    assert!(!asked(&regulator, false, 2).truncated);
    assert_eq!(asked(&doctor(), false, 0).oldest_open_age_s, 60);
    let none = asked(&other, false, 0);
    assert_eq!((none.made, none.oldest_open_age_s, none.recalls.len()), (0, 0, 0), "those are another hospital's");
    let told = world.hub.open_recalls(code(HOSPITAL), "D7", None).unwrap();
    note(&world, &told[0]).await;
    let open: Vec<u32> = asked(&doctor(), true, 0).recalls.iter().map(|row| row.new_version).collect();
    assert_eq!((open, asked(&doctor(), false, 0).recalls.len()), (vec![3], 2));
}

#[tokio::test]
async fn a_stream_goes_on_after_what_it_has_told_and_leaves_out_what_was_noted_here() {
    let (world, mut publisher, _) = prompted_world().await;
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    let (first, told) = world.hub.next_recalls(code(HOSPITAL), None).await.unwrap();
    publisher.publish(&world, &[corrected(&world, 3, 6)]).await;
    let (second, _) = world.hub.next_recalls(code(HOSPITAL), told).await.unwrap();
    assert_eq!((first[0].new_version, second.len(), second[0].new_version), (2, 1, 3));
    note(&world, &second[0]).await;
    let again = world.hub.next_recalls(code(HOSPITAL), None);
    assert!(tokio::time::timeout(Duration::from_millis(50), again).await.is_err(), "nobody need be told any more");
}

#[tokio::test]
async fn an_earlier_version_that_comes_late_does_not_stand_and_nobody_without_a_number_is_told() {
    let (world, mut publisher, prompt) = prompted_world().await;
    let kept = world.hub.parts.state.read().unwrap().prompt(fixed("prompt_id", &prompt.prompt_id).unwrap()).unwrap();
    let Record::Check(first) = world.hub.parts.ledger.read(kept.unwrap().check).unwrap() else { panic!("a check") };
    publisher.publish(&world, &[corrected(&world, 3, 6)]).await;
    publisher.publish(&world, &[corrected(&world, 2, 5)]).await;
    for (number, practitioner) in [(8, "D9"), (9, "")] {
        let mut late = first.clone();
        late.check_key = format!("late-{number}");
        late.actor = Some(pb::Actor { practitioner: practitioner.into(), ..Default::default() });
        late.prompts[0].prompt_id = vec![number; 16].into();
        world.record(Record::Check(late)).await;
    }
    let told = (pb::RecallCause::Corrected, pb::RecallRelation::Prompted, 1, 3);
    assert_eq!((open(&world, "D7"), open(&world, "D9"), open(&world, "")), (vec![told], vec![told], Vec::new()));
}

#[tokio::test]
async fn a_word_that_is_taken_back_and_said_again_is_one_recall() {
    let (world, _publisher, prompt) = prompted_world().await;
    ask(&world, HOSPITAL, "D8", "c8").await;
    let decline = Outcome::Decline(pb::Decline { reason: "P22".into(), text: "another".into(), ..Default::default() });
    world.hub.decide(&doctor(), decide_request("d1", &prompt, decline.clone())).await.unwrap();
    let revoke = pb::RevokeRequest {
        decision_key: "r1".into(),
        actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
        prompt_id: prompt.prompt_id.clone(),
        text: String::new(),
    };
    world.hub.revoke(&doctor(), revoke).await.unwrap();
    world.hub.decide(&doctor(), decide_request("d2", &prompt, decline)).await.unwrap();
    assert_eq!((open(&world, "D8").len(), figures(&world).0), (1, 1));
    assert_eq!(all(&world.hub.parts.state).1.len(), 2, "and two cases");
}

#[tokio::test]
async fn whoever_was_told_of_a_suspension_and_accepts_again_is_not_told_of_the_next() {
    let (world, _publisher, prompt) = prompted_world().await;
    accepted(&world, &prompt).await;
    let mut elsewhere = check_request("c2", "L01001");
    elsewhere.visit = Some(pb::Visit { encounter: "V2".into(), ..elsewhere.visit.unwrap_or_default() });
    let second = world.check(&doctor(), elsewhere).await.unwrap().lines[0].prompts[0].clone();
    say(&world, suspension(&world, -48, "from two days ago")).await;
    judge_all(&world).await;
    assert_eq!(open(&world, "D7").len(), 1);
    world.hub.decide(&doctor(), decide_request("d2", &second, accept())).await.unwrap();
    world.clock.advance(1);
    say(&world, suspension(&world, -72, "from three days ago")).await;
    judge_all(&world).await;
    assert_eq!(open(&world, "D7").len(), 1);
}
