//! Links over a real journal: what opens them, how often, and who is told.

use super::*;
use crate::service::hub::consent::Acting;
use crate::service::hub::testing::{PATIENT, Shared, World, gateway, shared};

fn address(shared: &Shared) -> String {
    let link = Payload::decode(&shared.consent.shlink).unwrap_or_else(|error| panic!("{error}"));
    link.url.rsplit('/').next().unwrap().to_owned()
}

fn asking(passcode: &str) -> LinkRequest {
    let passcode = (!passcode.is_empty()).then(|| Passcode::new(passcode.to_owned()));
    LinkRequest { recipient: "Dr Who".into(), passcode, embedded_max: None }
}

/// Asks as many times at once as there are passcodes.
async fn all_at_once(world: &World, address: &str, passcodes: Vec<String>) -> Vec<Result<Told, LinkError>> {
    let tasks = passcodes.into_iter().map(|passcode| {
        let (hub, address) = (Arc::clone(&world.hub), address.to_owned());
        tokio::spawn(async move { hub.open_link(&address, asking(&passcode)).await })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_guesses_at_once_are_compared_ten_times_and_then_the_right_one_opens_nothing() {
    let world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "letmein", 0).await;
    let address = address(&shared);
    let guesses = (0..50).map(|guess| format!("guess {guess}")).collect();
    let outcomes = all_at_once(&world, &address, guesses).await;
    let mut left: Vec<u32> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Err(LinkError::Passcode { left }) => Some(*left),
            Err(LinkError::Missing) => None,
            other => panic!("{other:?}"),
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<_>>(), "each of the ten was counted once");
    assert!(matches!(world.hub.open_link(&address, asking("letmein")).await, Err(LinkError::Missing)));
    let consents = world.hub.consents(Acting::oneself(PATIENT)).unwrap();
    assert_eq!((consents[0].state(), consents[0].attempts_left), (pb::consent::State::Locked, 0));
    let (told, _) = world.hub.access_history(PATIENT, None, 100).unwrap();
    let wrong = told.iter().filter(|access| access.outcome() == pb::AccessOutcome::WrongPasscode);
    assert_eq!(wrong.count(), 10, "the patient sees every guess that was compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_passcode_costs_no_attempt() {
    let world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "letmein", 0).await;
    let address = address(&shared);
    for _ in 0..12 {
        world.hub.open_link(&address, asking("letmein")).await.unwrap();
    }
    let refused = world.hub.open_link(&address, asking("wrong one")).await;
    assert!(matches!(refused, Err(LinkError::Passcode { left: 9 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_three_uses_opens_three_times_however_many_ask_at_once() {
    let world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "", 3).await;
    let outcomes = all_at_once(&world, &address(&shared), vec![String::new(); 20]).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    let others = outcomes.iter().filter(|outcome| outcome.is_err());
    assert!(others.clone().all(|outcome| matches!(outcome, Err(LinkError::Missing))));
    let consents = world.hub.consents(Acting::oneself(PATIENT)).unwrap();
    assert_eq!((consents[0].state(), consents[0].uses), (pb::consent::State::UsedUp, 3));
}

#[tokio::test]
async fn a_link_ends_with_its_time_and_with_its_consent_and_its_files_with_it() {
    let world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "", 0).await;
    let address = address(&shared);
    let long = LinkRequest { embedded_max: Some(1), ..asking("") };
    let Told::Location(url) = world.hub.open_link(&address, long).await.unwrap() else { panic!("it is too long") };
    let name = url.rsplit('/').next().unwrap();
    let consent = ConsentId::try_from(shared.consent.consent_id.as_ref()).unwrap();
    world.clock.advance(1_000);
    world.hub.revoke_consent(&gateway(), Acting::oneself(PATIENT), consent).await.unwrap();
    assert!(matches!(world.hub.open_link(&address, asking("")).await, Err(LinkError::Missing)));
    assert!(matches!(world.hub.link_file(&address, name).await, Err(LinkError::Missing)));

    let world = World::new().await;
    let address = self::address(&super::super::testing::shared(&world, pb::LinkTerms::default(), "", 0).await);
    world.clock.advance(24 * 3_600_000 - 1);
    assert!(world.hub.open_link(&address, asking("")).await.is_ok());
    world.clock.advance(1);
    assert!(matches!(world.hub.open_link(&address, asking("")).await, Err(LinkError::Missing)));
}

#[tokio::test]
async fn the_patient_reads_who_used_a_link() {
    let world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "", 0).await;
    world.hub.open_link(&address(&shared), asking("")).await.unwrap();
    let (told, _) = world.hub.access_history(PATIENT, None, 100).unwrap();
    let kinds: Vec<_> = told.iter().map(|access| access.kind()).collect();
    assert_eq!(kinds, [pb::AccessKind::LinkUsed, pb::AccessKind::ConsentGranted]);
    let used = &told[0];
    assert_eq!((used.recipient.as_str(), used.consent_id.clone()), ("Dr Who", shared.consent.consent_id));
    assert_eq!((used.results.len(), used.organisation.as_str(), used.purpose.as_str()), (1, "", "treatment"));
}

#[tokio::test]
async fn a_use_that_cannot_be_recorded_is_refused() {
    let mut world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "", 0).await;
    world.fail().await;
    let refused = world.hub.open_link(&address(&shared), asking("")).await;
    assert!(matches!(refused, Err(LinkError::Hub(HubError::Behind))));
}

#[test]
fn nothing_that_opens_a_link_is_kept() {
    let links = Links::new(&[3; 32], "https://hub.example.cn/", "520000".parse().unwrap());
    let consent = ConsentId::new([4; 16]);
    let (first, second) = (links.secrets(consent, "letmein"), links.secrets(consent, "letmein"));
    assert_eq!(first.id_hash, second.id_hash);
    assert_ne!(first.passcode_hash, second.passcode_hash, "the salt differs");
    let record = pb::ConsentRecord { link: Some(first), ..Default::default() };
    assert!(links.matches(&record, "letmein") && !links.matches(&record, "letmeout") && !links.matches(&record, ""));
    let other = Links::new(&[5; 32], "", "520000".parse().unwrap());
    assert!(!other.matches(&record, "letmein") && other.address(consent) != links.address(consent));
    assert!(matches!(other.check(""), Err(HubError::NoLinks)));
    assert!(links.check("12345").is_err() && links.check("123456").is_ok());
}
