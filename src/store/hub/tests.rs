//! What the hub keeps comes back, by its whole key, and nothing of a change that failed.

use super::*;
use crate::domain::id::{Digest, PromptId, Pseudonym, ReportId, ResultId};
use crate::domain::log::{BatchNumber, LogPlace, Position};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;

fn hospital() -> OrganisationCode {
    organisation("1252000042980061")
}

/// Completes the first 16 characters to a valid code by trying the last two.
fn organisation(start: &str) -> OrganisationCode {
    let last = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    last.chars().find_map(|end| format!("{start}0{end}").parse().ok()).unwrap()
}

fn other() -> OrganisationCode {
    organisation("1252000042980062")
}

fn place(sequence: u64) -> LogPlace {
    LogPlace { sequence: Sequence(sequence), position: Position(sequence * 1_000) }
}

#[test]
fn a_batch_moves_the_chain_and_is_found_again() {
    let hub = HubState::in_memory().unwrap();
    let taken = BatchPlace { header: Digest::new([7; 32]), place: place(4) };
    hub.write(Sequence(5), |change| change.take_batch(hospital(), BatchNumber(1), taken)).unwrap();
    let view = hub.read().unwrap();
    let head = ChainHead { batch: BatchNumber(1), header: taken.header, sequence: Sequence(4) };
    assert_eq!(view.chain_head(hospital()).unwrap(), Some(head));
    assert_eq!(view.chain_head(other()).unwrap(), None);
    assert_eq!(view.batch(hospital(), BatchNumber(1)).unwrap(), Some(taken));
    assert_eq!(view.batch(hospital(), BatchNumber(2)).unwrap(), None);
    assert_eq!(view.position(Sequence(4)).unwrap(), Some(Position(4_000)));
    assert_eq!(hub.applied().unwrap(), Sequence(5));
}

#[test]
fn a_failed_or_repeated_change_leaves_no_trace() {
    let hub = HubState::in_memory().unwrap();
    let key = FigureKey { day: -3, organisation: hospital(), item: None, figure: Figure::Checks };
    hub.write(Sequence(1), |change| change.add(&key, 2)).unwrap();
    let again = hub.write(Sequence(1), |change| change.add(&key, 2));
    assert!(matches!(again, Err(ProjectionError::AlreadyApplied { applied: Sequence(1), next: Sequence(1) })));
    let failed: Result<(), _> = hub.write(Sequence(2), |change| {
        change.add(&key, 5)?;
        assert_eq!(change.figure(&key)?, 7, "a change sees its own writes");
        Err(ProjectionError::Damaged)
    });
    assert!(failed.is_err());
    assert_eq!(hub.applied().unwrap(), Sequence(1));
    assert_eq!(hub.read().unwrap().figure(&key).unwrap(), 2);
}

#[test]
fn figures_come_by_day_and_keep_their_names() {
    let hub = HubState::in_memory().unwrap();
    let item = Some("L01001".parse().unwrap());
    let keys: Vec<_> = (-1..3)
        .flat_map(|day| {
            [Figure::ReportsExisting, Figure::DeclinedFor("R01".into()), Figure::DeclinedFor("R011".into())]
                .map(|figure| FigureKey { day, organisation: hospital(), item, figure })
        })
        .collect();
    hub.write(Sequence(1), |change| keys.iter().try_for_each(|key| change.add(key, 1))).unwrap();
    hub.write(Sequence(2), |change| change.add(&keys[0], -9)).unwrap();
    let mut found = Vec::new();
    hub.read().unwrap().figures(-1, 1, |key, count| found.push((key, count))).unwrap();
    let mut expected: Vec<_> = keys[..9].iter().cloned().map(|key| (key, 1)).collect();
    expected[0].1 = 0;
    assert_eq!(found, expected);
}

#[test]
fn a_thing_is_marked_once_in_a_day_and_organisation() {
    let hub = HubState::in_memory().unwrap();
    let marks = hub
        .write(Sequence(1), |change| {
            let mark = |day, organisation| change.mark(Marked::ReportRecognised, b"report", day, organisation);
            Ok([mark(1, hospital())?, mark(1, hospital())?, mark(2, hospital())?, mark(1, other())?])
        })
        .unwrap();
    assert_eq!(marks, [true, false, true, true]);
    let unmark = |next| {
        hub.write(Sequence(next), |change| change.unmark(Marked::ReportRecognised, b"report", 1, hospital())).unwrap()
    };
    assert!(unmark(2));
    assert!(!unmark(3));
}

#[test]
fn a_patients_reports_are_marked_once_in_a_day_and_organisation() {
    let hub = HubState::in_memory().unwrap();
    let (one, two) = (Pseudonym::new([1; 16]), Pseudonym::new([2; 16]));
    let fresh = hub.write(Sequence(1), |change| {
        let mark = |patient, reports: &[&str], day, organisation| {
            change.mark_existing(patient, reports.iter().map(|report| report.as_bytes()), day, organisation)
        };
        Ok([
            mark(one, &[], 1, hospital())?,
            mark(one, &["a", "b", "a"], 1, hospital())?,
            mark(one, &["c", "b"], 1, hospital())?,
            mark(one, &["a", "b", "c"], 1, hospital())?,
            mark(one, &["a"], 2, hospital())?,
            mark(one, &["a"], 1, other())?,
            mark(two, &["a"], 1, hospital())?,
        ])
    });
    assert_eq!(fresh.unwrap(), [0, 2, 1, 0, 1, 1, 1]);
}

#[test]
fn prompts_change_their_state_and_visits_are_remembered() {
    let hub = HubState::in_memory().unwrap();
    let id = PromptId::new([1; 16]);
    let prompt = KeptPrompt {
        organisation: hospital(),
        check: place(3),
        ordinal: 2,
        patient: Pseudonym::new([2; 16]),
        result: ResultId::new([3; 16]),
        version: 9,
        report: ReportId::new([4; 16]),
        state: PromptState::Open,
    };
    let known = hub
        .write(Sequence(4), |change| {
            change.put_prompt(id, &prompt)?;
            change.put_decided(hospital(), "visit", prompt.result, id)?;
            change.set_prompt_state(PromptId::new([9; 16]), PromptState::Open)
        })
        .unwrap();
    assert!(!known);
    let before = hub.read().unwrap();
    hub.write(Sequence(5), |change| {
        assert!(change.set_prompt_state(id, PromptState::Declined(Sequence(4)))?);
        change.remove_decided(hospital(), "visit", prompt.result)
    })
    .unwrap();
    assert_eq!(before.prompt(id).unwrap(), Some(prompt));
    assert_eq!(before.decided(hospital(), "visit", prompt.result).unwrap(), Some(id));
    assert_eq!(before.decided(hospital(), "visit 2", prompt.result).unwrap(), None);
    let after = hub.read().unwrap();
    let declined = KeptPrompt { state: PromptState::Declined(Sequence(4)), ..prompt };
    assert_eq!(after.prompt(id).unwrap(), Some(declined));
    assert_eq!(after.decided(hospital(), "visit", prompt.result).unwrap(), None);
}

#[test]
fn policies_decide_from_their_day_on_and_statements_keep_their_order() {
    let hub = HubState::in_memory().unwrap();
    let at = |hours: i64| Moment::new(hours * 3_600_000, 480).unwrap();
    let policy = |version: &str, hours, sequence| KeptPolicy {
        effective_from: at(hours),
        version: version.into(),
        place: place(sequence),
    };
    hub.write(Sequence(9), |change| {
        change.put_policy(&policy("2", 10, 1))?;
        change.put_policy(&policy("1", -5, 2))?;
        change.put_policy(&policy("2a", 10, 3))?;
        change.put_statement(Digest::new([8; 32]), place(5))?;
        change.put_statement(Digest::new([1; 32]), place(6))?;
        change.put_statement(Digest::new([8; 32]), place(7))?;
        change.put_key(SigningKeyId([1; 8]), place(7))?;
        change.put_key(SigningKeyId([1; 8]), place(8))
    })
    .unwrap();
    let view = hub.read().unwrap();
    assert_eq!(view.policy_at(at(-6)).unwrap(), None);
    assert_eq!(view.policy_at(at(9)).unwrap(), Some(policy("1", -5, 2)));
    assert_eq!(view.policy_at(at(10)).unwrap(), Some(policy("2a", 10, 3)), "the later record stands");
    let kept: Vec<String> = view.policies().unwrap().into_iter().map(|policy| policy.version).collect();
    assert_eq!(kept, ["1", "2", "2a"], "what the earlier of two decided is told by it");
    let statements = vec![(Digest::new([8; 32]), place(5)), (Digest::new([1; 32]), place(6))];
    assert_eq!(view.statements().unwrap(), statements);
    assert_eq!(view.key(SigningKeyId([1; 8])).unwrap(), Some(place(8)));
    assert_eq!(view.key(SigningKeyId([2; 8])).unwrap(), None);
}

#[test]
fn requests_and_persons_are_found_by_their_whole_key() {
    let hub = HubState::in_memory().unwrap();
    let person = KnownPerson { pseudonym: Pseudonym::new([5; 16]), sex: None, birth_date: Some(KeyedDigest([6; 16])) };
    hub.write(Sequence(2), |change| {
        change.put_request(hospital(), RequestKind::Check, "key", place(1))?;
        change.put_person(KeyedDigest([1; 16]), person)
    })
    .unwrap();
    let view = hub.read().unwrap();
    assert_eq!(view.request(hospital(), RequestKind::Check, "key").unwrap(), Some(place(1)));
    assert_eq!(view.request(hospital(), RequestKind::Decision, "key").unwrap(), None);
    assert_eq!(view.request(other(), RequestKind::Check, "key").unwrap(), None);
    assert_eq!(view.request(hospital(), RequestKind::Check, "key ").unwrap(), None);
    assert_eq!(view.person(KeyedDigest([1; 16])).unwrap(), Some(person));
    assert_eq!(view.person(KeyedDigest([2; 16])).unwrap(), None);
}

#[test]
fn what_was_flushed_survives_and_another_form_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.redb");
    {
        let hub = HubState::open(&path, 1 << 20).unwrap();
        hub.write(Sequence(7), |change| change.note_position(place(6))).unwrap();
        hub.flush().unwrap();
        assert!(matches!(HubState::open(&path, 1 << 20), Err(ProjectionError::InUse)));
    }
    let hub = HubState::open(&path, 1 << 20).unwrap();
    assert_eq!(hub.applied().unwrap(), Sequence(7));
    assert_eq!(hub.read().unwrap().position(Sequence(6)).unwrap(), Some(Position(6_000)));
    drop(hub);
    let other_form = Projection::open(&path, FORM + 1, 1 << 20, &tables());
    assert!(matches!(other_form, Err(ProjectionError::NeedsRebuild(_))), "an older form is built anew");
    let newer = Projection::open(&path, FORM - 1, 1 << 20, &tables());
    assert!(matches!(newer, Err(ProjectionError::Newer { found: FORM, .. })), "a newer one is refused");
    let aside = crate::store::projection::quarantine(&path, 1_700_000_000_000).unwrap();
    assert_eq!(aside, folder.path().join("hub.redb.quarantine-1700000000000"));
    assert_eq!(HubState::open(&path, 1 << 20).unwrap().applied().unwrap(), Sequence(0));
}
