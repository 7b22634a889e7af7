//! What patients allow and what follows from it, over a real journal: prompts, lists, openings, fetches and the history.

use std::sync::Arc;

use super::*;
use crate::domain::consent::Passcode;
use crate::domain::entry::{Entry, Sensitivity};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::ResultId;
use crate::domain::log::Sequence;
use crate::domain::organisation::Role;
use crate::service::hub::access::Access;
use crate::service::hub::audience::Basis;
use crate::service::hub::projector::Projector;
use crate::service::hub::testing::{HOSPITAL, OTHER_HOSPITAL, PATIENT, World, caller, code, gateway, terms};
use crate::service::hub::tests::{check_request, qualify};
use crate::store::hub::{Figure, FigureKey, HubState, HubView};
use crate::store::index::MemoryIndex;
use crate::wire::entry::tests::potassium;
use pb::AccessKind as Kind;

/// A potassium result that the other hospital published a day ago.
fn result(world: &World, name: u8) -> Entry {
    let mut entry = potassium();
    (entry.publisher, entry.laboratory) = (code(OTHER_HOSPITAL), code(OTHER_HOSPITAL));
    (entry.patient, entry.result) = (PATIENT, ResultId::new([name; 16]));
    entry.times.collected = world.hub.now().plus_hours(-24);
    entry.times.reported = entry.times.collected;
    entry.times.ordered = None;
    entry
}

fn doctor() -> Caller {
    caller(HOSPITAL, Role::Hospital)
}

/// A world in which the other hospital, qualified, has published a result.
async fn world_with(change: impl FnOnce(&mut Entry)) -> World {
    let world = World::new().await;
    qualify(&world, OTHER_HOSPITAL).await;
    let mut entry = result(&world, 1);
    change(&mut entry);
    world.publish(1, &[entry]).await;
    world.clock.advance(1_000);
    world
}

async fn grant(world: &World, key: &str, terms: pb::ConsentTerms) -> Result<pb::Consent, HubError> {
    let sent = pb::GrantConsentRequest { consent_key: key.into(), terms: Some(terms), ..Default::default() };
    let granted = world.hub.grant_consent(&gateway(), Acting::oneself(PATIENT), &sent).await?;
    Ok(granted.consent.unwrap())
}

fn sensitive(world: &World, organisation: &str) -> pb::ConsentTerms {
    let extent = Some(pb::Extent { all: true, sensitive: true, ..Default::default() });
    pb::ConsentTerms { extent, ..terms(world, organisation) }
}

async fn revoke(world: &World, consent: &pb::Consent) {
    let id = ConsentId::try_from(consent.consent_id.as_ref()).unwrap();
    world.hub.revoke_consent(&gateway(), Acting::oneself(PATIENT), id).await.unwrap();
}

async fn opt(world: &World, out: bool) {
    world.clock.advance(1_000);
    world.hub.set_sharing(&gateway(), Acting::oneself(PATIENT), out).await.unwrap();
    world.clock.advance(1_000);
}

async fn prompts(world: &World, who: &Caller, key: &str) -> Vec<pb::Prompt> {
    let answer = world.check(who, check_request(key, "L01001")).await.unwrap();
    answer.lines.into_iter().flat_map(|line| line.prompts).collect()
}

async fn listed(world: &World, who: &Caller) -> usize {
    let check = check_request("x", "L01001");
    let sent = pb::RecentResultsRequest {
        patient: check.patient,
        actor: check.actor,
        visit: check.visit,
        ..Default::default()
    };
    world.hub.recent_results(who, &sent).await.unwrap().results.len()
}

fn opening(key: &str, basis: pb::open_request::Basis) -> pb::OpenRequest {
    let check = check_request("x", "L01001");
    pb::OpenRequest {
        open_key: key.into(),
        patient: check.patient,
        actor: check.actor,
        visit: check.visit,
        basis: Some(basis),
        ..Default::default()
    }
}

fn by_consent() -> pb::open_request::Basis {
    pb::open_request::Basis::ConsentId(Bytes::new())
}

fn glass(reason: &str) -> pb::open_request::Basis {
    pb::open_request::Basis::BreakGlass(reason.into())
}

/// Tries to fetch; no node is connected, so that leave shows as the hospital being away.
async fn may_fetch(world: &World, grant: &pb::Grant) -> bool {
    let digest = Bytes::copy_from_slice(potassium().originals[0].digest.as_bytes());
    let sent = pb::FetchRequest { grant: grant.token.clone(), digest, offset: 0 };
    match world.hub.fetch(&doctor(), &sent).await {
        Err(HubError::Away) => true,
        Err(HubError::NotPermitted) => false,
        other => panic!("{:?}", other.err()),
    }
}

async fn history(world: &World) -> Vec<pb::Access> {
    world.hub.access_history(PATIENT, None, 100).unwrap().0
}

#[tokio::test]
async fn a_doctor_without_an_order_opens_by_consent_until_it_is_ended() {
    let world = world_with(|_| {}).await;
    let refused = world.hub.open(&doctor(), &opening("o1", by_consent())).await.unwrap_err();
    assert_eq!(refused.fault(), Fault::Denied);
    let consent = grant(&world, "c", terms(&world, HOSPITAL)).await.unwrap();
    let opened = world.hub.open(&doctor(), &opening("o2", by_consent())).await.unwrap();
    let [one] = opened.results.as_slice() else { panic!("{opened:?}") };
    let leave = one.grant.clone().unwrap();
    assert!(may_fetch(&world, &leave).await);
    let stranger = caller(OTHER_HOSPITAL, Role::Hospital);
    assert_eq!(world.hub.open(&stranger, &opening("o3", by_consent())).await.unwrap_err().fault(), Fault::Denied);

    world.clock.advance(1_000);
    revoke(&world, &consent).await;
    assert!(!may_fetch(&world, &leave).await, "a grant ends with the consent that it rests on");
    assert!(world.hub.open(&doctor(), &opening("o4", by_consent())).await.is_err());
    let again = world.hub.open(&doctor(), &opening("o2", by_consent())).await.unwrap();
    assert_eq!(again.results.len(), 0, "nor does the old key open it again");

    let told = history(&world).await;
    let opened = told.iter().find(|it| it.outcome() == pb::AccessOutcome::Given && it.kind() == Kind::Opened).unwrap();
    assert_eq!(opened.actor.as_ref().unwrap().practitioner, "D7");
    assert_eq!((opened.organisation.as_str(), opened.organisation_name_en.as_str()), (HOSPITAL, "First"));
    assert_eq!((opened.client.as_str(), opened.purpose.as_str()), ("caller", "treatment"));
    assert_eq!((opened.consent_id.clone(), opened.results.len()), (consent.consent_id, 1));
    let refused = told.iter().filter(|access| access.outcome() == pb::AccessOutcome::Refused);
    assert_eq!(refused.count(), 3, "the patient sees who tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_for_three_uses_opens_three_times_and_a_repeated_key_uses_nothing() {
    let world = world_with(|_| {}).await;
    grant(&world, "c", pb::ConsentTerms { uses_max: 3, ..terms(&world, HOSPITAL) }).await.unwrap();
    let tasks = (0..20).map(|number| {
        let hub = Arc::clone(&world.hub);
        tokio::spawn(async move { hub.open(&doctor(), &opening(&format!("o{number}"), by_consent())).await.is_ok() })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut opened = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        opened.extend(task.await.unwrap().then_some(number));
    }
    assert_eq!(opened.len(), 3);
    let again = opening(&format!("o{}", opened[0]), by_consent());
    assert_eq!(world.hub.open(&doctor(), &again).await.unwrap().results.len(), 1);
    assert_eq!(world.hub.consents(Acting::oneself(PATIENT)).unwrap()[0].uses, 3);
    world.clock.advance(15 * 60_000);
    assert!(matches!(world.hub.open(&doctor(), &again).await, Err(HubError::OpeningOver)));
}

#[tokio::test]
async fn who_opts_out_is_prompted_listed_and_given_to_nobody_but_by_a_later_consent() {
    let world = world_with(|_| {}).await;
    let earlier = grant(&world, "earlier", terms(&world, HOSPITAL)).await.unwrap();
    let prompted = prompts(&world, &doctor(), "before").await;
    assert_eq!((prompted.len(), listed(&world, &doctor()).await), (1, 1));
    opt(&world, true).await;
    assert_eq!((prompts(&world, &doctor(), "after").await.len(), listed(&world, &doctor()).await), (0, 0));
    assert_eq!(prompts(&world, &doctor(), "before").await.len(), 0, "nor is an old answer given again");
    assert!(world.hub.open(&doctor(), &opening("o", by_consent())).await.is_err());
    let accept = pb::DecideRequest {
        decision_key: "d".into(),
        actor: check_request("x", "L01001").actor,
        decisions: vec![pb::Decision {
            prompt_id: prompted[0].prompt_id.clone(),
            outcome: Some(pb::decision::Outcome::Accept(pb::Accept {})),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert!(matches!(world.hub.decide(&doctor(), accept.clone()).await, Err(HubError::NotPermitted)));
    let state = |consents: Vec<pb::Consent>, id: &Bytes| {
        consents.into_iter().find(|consent| consent.consent_id == *id).unwrap().state()
    };
    let consents = world.hub.consents(Acting::oneself(PATIENT)).unwrap();
    assert_eq!(state(consents, &earlier.consent_id), pb::consent::State::Suspended);

    let later = grant(&world, "later", terms(&world, HOSPITAL)).await.unwrap();
    assert_eq!((prompts(&world, &doctor(), "later").await.len(), listed(&world, &doctor()).await), (1, 1));
    world.clock.advance(1_000);
    revoke(&world, &later).await;
    assert_eq!(listed(&world, &doctor()).await, 0);
    opt(&world, false).await;
    assert_eq!(listed(&world, &doctor()).await, 1);
    assert!(world.hub.decide(&doctor(), accept).await.unwrap().outcomes[0].grant.is_some());
}

#[tokio::test]
async fn a_sensitive_result_is_for_the_hospital_that_a_consent_names_it_to() {
    let world = world_with(|entry| entry.sensitivity = Sensitivity::Sensitive).await;
    let third = caller(super::super::testing::CENTRE, Role::Hospital);
    assert_eq!((prompts(&world, &doctor(), "a").await.len(), listed(&world, &doctor()).await), (0, 0));
    grant(&world, "plain", terms(&world, HOSPITAL)).await.unwrap();
    assert_eq!((prompts(&world, &doctor(), "b").await.len(), listed(&world, &doctor()).await), (0, 0));
    let consent = grant(&world, "named", sensitive(&world, HOSPITAL)).await.unwrap();
    assert_eq!(listed(&world, &doctor()).await, 1);
    assert_eq!(prompts(&world, &doctor(), "c").await.len(), 1);
    assert_eq!((prompts(&world, &third, "d").await.len(), listed(&world, &third).await), (0, 0));
    let told = history(&world).await;
    let prompted = told.iter().find(|access| access.kind() == Kind::Prompted).unwrap();
    assert_eq!((prompted.basis(), prompted.consent_id.clone()), (pb::AccessBasis::Consent, consent.consent_id.clone()));
    world.clock.advance(1_000);
    revoke(&world, &consent).await;
    assert_eq!((prompts(&world, &doctor(), "c").await.len(), listed(&world, &doctor()).await), (0, 0));
}

#[tokio::test]
async fn what_the_region_calls_sensitive_is_not_listed_either() {
    let world = world_with(|entry| entry.items = vec!["L02027".parse().unwrap()]).await;
    assert_eq!(listed(&world, &doctor()).await, 0);
    grant(&world, "named", sensitive(&world, HOSPITAL)).await.unwrap();
    assert_eq!(listed(&world, &doctor()).await, 1);
}

#[tokio::test]
async fn a_broken_glass_opens_everything_and_is_told_and_counted() {
    let world = world_with(|entry| entry.sensitivity = Sensitivity::Sensitive).await;
    opt(&world, true).await;
    let silent = world.hub.open(&doctor(), &opening("o", glass(" ! "))).await.unwrap_err();
    assert_eq!(silent.fault(), Fault::BadInput);
    let opened = world.hub.open(&doctor(), &opening("o", glass("unconscious, bleeding"))).await.unwrap();
    assert_eq!(opened.results.len(), 1);
    assert!(may_fetch(&world, opened.results[0].grant.as_ref().unwrap()).await);
    let told = history(&world).await;
    let opening = told.iter().find(|access| access.kind() == Kind::Opened).unwrap();
    assert_eq!((opening.basis(), opening.reason.as_str()), (pb::AccessBasis::BreakGlass, "unconscious, bleeding"));
    let key = FigureKey {
        day: world.hub.now().local_day(),
        organisation: code(HOSPITAL),
        item: None,
        figure: Figure::BreakGlass,
    };
    assert_eq!(world.hub.parts.state.read().unwrap().figure(&key).unwrap(), 1);
    let name = ResultId::try_from(opening.results[0].as_ref()).unwrap();
    let found = world.hub.result_of(PATIENT, name).unwrap();
    let basis = |hours| {
        let at = world.hub.now().plus_hours(hours);
        world.hub.basis_for(code(HOSPITAL), PATIENT, &found, at).unwrap()
    };
    assert_eq!((basis(0), basis(1)), (Some(Basis::BreakGlass), None));
}

#[tokio::test]
async fn every_step_of_an_order_is_told_to_its_patient_page_by_page() {
    let world = world_with(|_| {}).await;
    let prompted = prompts(&world, &doctor(), "c").await;
    listed(&world, &doctor()).await;
    let view = |event: pb::acknowledge_request::Event| pb::AcknowledgeRequest {
        event_key: event.as_str_name().into(),
        actor: check_request("x", "L01001").actor,
        prompt_id: prompted[0].prompt_id.clone(),
        event: event.into(),
    };
    world.hub.acknowledge(&doctor(), &view(pb::acknowledge_request::Event::Shown)).await.unwrap();
    world.hub.acknowledge(&doctor(), &view(pb::acknowledge_request::Event::Viewed)).await.unwrap();
    let name = prompted[0].result.as_ref().unwrap().name.clone();
    let access = Access::given(PATIENT, Kind::FhirRead, Basis::Care);
    world.hub.record_access(&doctor(), &access).await.unwrap();
    let (mut kinds, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = world.hub.access_history(PATIENT, before, 2).unwrap();
        assert!(page.len() <= 2);
        for access in &page {
            assert!(access.log_index > 0 && access.at.is_some() && access.organisation == HOSPITAL);
            assert!(access.results.iter().all(|result| *result == name));
        }
        kinds.extend(page.iter().map(pb::Access::kind));
        match next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(kinds, [Kind::FhirRead, Kind::Viewed, Kind::Shown, Kind::Listed, Kind::Prompted]);
    assert_eq!(world.hub.access_history(Pseudonym::new([9; 16]), None, 10).unwrap(), (Vec::new(), None));
    assert!(world.hub.access_history(PATIENT, Some(Sequence(0)), 10).unwrap().0.is_empty());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_shown() {
    let mut world = world_with(|_| {}).await;
    grant(&world, "c", terms(&world, HOSPITAL)).await.unwrap();
    world.fail().await;
    let check = check_request("x", "L01001");
    assert!(matches!(world.hub.open(&doctor(), &opening("o", by_consent())).await, Err(HubError::Behind)));
    assert!(matches!(world.hub.open(&doctor(), &opening("o", glass("emergency"))).await, Err(HubError::Behind)));
    assert!(world.check(&doctor(), check.clone()).await.is_err());
    let access = Access::given(PATIENT, Kind::PatientRead, Basis::Patient);
    assert!(world.hub.record_access(&gateway(), &access).await.is_err());
    let asked = pb::RecentResultsRequest {
        patient: check.patient,
        actor: check.actor,
        visit: check.visit,
        ..Default::default()
    };
    assert!(world.hub.recent_results(&doctor(), &asked).await.is_err());
}

#[tokio::test]
async fn a_guardian_acts_for_a_child_while_the_relation_lasts() {
    let world = world_with(|_| {}).await;
    let guardian = Pseudonym::new([7; 16]);
    let acting = Acting { patient: PATIENT, guardian: Some(guardian) };
    let refused = world.hub.set_sharing(&gateway(), acting, true).await.unwrap_err();
    assert!(matches!(refused, HubError::NoRelation));
    let until = world.hub.now().plus_hours(1);
    world.hub.relate(&gateway(), (guardian, PATIENT), until, "register 12").await.unwrap();
    assert_eq!(world.hub.wards(guardian).unwrap().len(), 1);
    world.hub.set_sharing(&gateway(), acting, true).await.unwrap();
    assert_eq!(history(&world).await[0].guardian, guardian.as_bytes().as_slice());
    let backwards = Acting { patient: guardian, guardian: Some(PATIENT) };
    assert!(matches!(world.hub.consents(backwards), Err(HubError::NoRelation)));
    world.clock.advance(3_600_000);
    assert!(matches!(world.hub.consents(acting), Err(HubError::NoRelation)));
    assert!(world.hub.wards(guardian).unwrap().is_empty());
    let far = world.hub.now().plus_hours(19 * 366 * 24);
    assert!(world.hub.relate(&gateway(), (guardian, PATIENT), far, "").await.is_err());
    assert!(world.hub.relate(&gateway(), (PATIENT, PATIENT), until, "").await.is_err());
}

#[tokio::test]
async fn the_same_key_grants_once_and_another_patients_consent_does_not_exist() {
    let world = world_with(|_| {}).await;
    let first = grant(&world, "c", terms(&world, HOSPITAL)).await.unwrap();
    world.clock.advance(1_000);
    let again = grant(&world, "c", terms(&world, HOSPITAL)).await;
    assert!(matches!(again, Err(HubError::KeyReused)), "the terms end an instant later");
    let same = pb::ConsentTerms { to: first.terms.as_ref().unwrap().to, ..terms(&world, HOSPITAL) };
    assert_eq!(grant(&world, "c", same).await.unwrap().consent_id, first.consent_id);
    let stranger = Acting::oneself(Pseudonym::new([9; 16]));
    let id = ConsentId::try_from(first.consent_id.as_ref()).unwrap();
    let refused = world.hub.revoke_consent(&gateway(), stranger, id).await;
    assert!(matches!(refused, Err(HubError::NoConsent)));
    let unlisted = grant(&world, "d", terms(&world, "12520103DEMXX0014E")).await;
    assert!(matches!(unlisted, Err(HubError::Unlisted)));
    let over = pb::ConsentTerms {
        from: Some(world.hub.now().plus_hours(-2).into()),
        to: Some(world.hub.now().into()),
        ..terms(&world, HOSPITAL)
    };
    assert_eq!(grant(&world, "e", over).await.unwrap_err().fault(), Fault::BadInput);
}

#[tokio::test]
async fn tables_that_are_built_anew_say_the_same() {
    let world = world_with(|_| {}).await;
    let consent = grant(&world, "c", pb::ConsentTerms { uses_max: 3, ..terms(&world, HOSPITAL) }).await.unwrap();
    prompts(&world, &doctor(), "k").await;
    world.hub.open(&doctor(), &opening("o1", by_consent())).await.unwrap();
    world.hub.open(&doctor(), &opening("o2", glass("unconscious"))).await.unwrap();
    revoke(&world, &consent).await;
    opt(&world, true).await;
    let (index, state) = (Arc::new(MemoryIndex::default()), Arc::new(HubState::in_memory().unwrap()));
    let registry = Arc::clone(&world.hub.parts.registry);
    let projector = Projector::new(world.journal.reader(), index, Arc::clone(&state), registry);
    projector.unwrap().catch_up().unwrap();
    let (kept, anew) = (world.hub.parts.state.read().unwrap(), state.read().unwrap());
    let consents = kept.consents_of(PATIENT, 10).unwrap();
    assert_eq!((consents.len(), consents[0].uses, consents[0].ended.is_some()), (1, 1, true));
    assert_eq!(anew.consents_of(PATIENT, 10).unwrap(), consents);
    assert_eq!(anew.sharing(PATIENT).unwrap(), kept.sharing(PATIENT).unwrap());
    let places = |view: &HubView| view.accesses(PATIENT, Sequence(u64::MAX), 100).unwrap();
    assert_eq!((places(&anew).len(), places(&anew)), (6, places(&kept)));
    let hospital = code(HOSPITAL);
    assert_eq!(anew.glass_broken(hospital, PATIENT).unwrap(), kept.glass_broken(hospital, PATIENT).unwrap());
}

#[test]
fn a_passcode_is_shown_by_no_debug_output() {
    assert_eq!(format!("{:?}", Passcode::new("letmein".into())), "[passcode]");
}
