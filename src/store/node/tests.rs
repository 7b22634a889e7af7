//! A node's projections come back after any stop, or are put aside and rebuilt to the same state.

use super::*;
use crate::domain::entry::ResultStatus;
use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId};
use crate::domain::log::{BatchNumber, Position};

const END: Sequence = Sequence(1_000_000);

fn at(unix_ms: i64) -> Moment {
    Moment::new(unix_ms, 480).unwrap()
}

fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest::new(bytes)
}

fn open(folder: &Path) -> NodeState {
    let opened = NodeState::open(folder, END, at(1)).unwrap();
    assert_eq!(opened.quarantined, None);
    opened.state
}

fn study() -> StudyUid {
    StudyUid("1.2.3".into())
}

fn instance(number: u64) -> InstanceUid {
    InstanceUid(format!("1.2.3.{number}"))
}

fn kept(number: u64) -> KeptInstance {
    KeptInstance { digest: digest(number), study: Some(study()) }
}

/// Record `number` of a journal that is made up: each kind of change, some of which meet earlier ones.
fn apply(state: &NodeState, number: u64) {
    let (record, position) = (Sequence(number), Position(number * 10));
    state
        .write(record.next(), |change| {
            change.put_message(digest(number % 50), record)?;
            change.put_original(digest(number), OriginalPlace::InJournal { position, offset: 7, length: 9 })?;
            change.put_instance(&instance(number % 40), &kept(number % 40), at(1_000), record)?;
            let version = u32::try_from(number).unwrap();
            let known = KnownResult {
                version,
                content: digest(number),
                reported: at(5),
                status: ResultStatus::Withdrawn,
                patient: Pseudonym::new([7; 16]),
                batch: BatchNumber(number),
                place: 3,
            };
            change.put_read_to(record)?;
            change.put_of_report(ReportId::new([1; 16]), ResultId::new([u8::try_from(number % 5).unwrap(); 16]))?;
            change.put_wanting(record, !number.is_multiple_of(4))?;
            if number == 60 {
                change.put_again(record)?;
            }
            change.put_result(ResultId::new([u8::try_from(number % 5).unwrap(); 16]), known)?;
            change.put_sealed(BatchNumber(number), position, digest(number))?;
            if number.is_multiple_of(3) {
                assert!(change.put_receipted(BatchNumber(number))?);
            }
            let held = HeldEntry { reference: format!("{number}"), reason: "UNIT".into(), field: "OBX-6".into() };
            change.put_held(HeldPlace { intake: record, place: 1 }, &held)?;
            change.count_unmapped("GLU", "L", "mg", "Glucose", record)
        })
        .unwrap();
}

/// Everything that can be read, so that two states can be compared.
fn everything(state: &NodeState) -> impl PartialEq + std::fmt::Debug + use<> {
    let each = 0..200;
    (
        state.applied().unwrap(),
        each.clone().map(|number| state.message(digest(number)).unwrap()).collect::<Vec<_>>(),
        each.clone().map(|number| state.original(digest(number)).unwrap()).collect::<Vec<_>>(),
        each.map(|number| state.outbox_batch(BatchNumber(number)).unwrap()).collect::<Vec<_>>(),
        (state.study_instances(&study()).unwrap(), state.dirty_studies().unwrap()),
        (0..6).map(|id| state.result(ResultId::new([id; 16])).unwrap()).collect::<Vec<_>>(),
        (state.waiting_batches(1_000).unwrap(), state.chain_head().unwrap()),
        (state.held(None, 1_000).unwrap(), state.unmapped().unwrap()),
        (state.read_to().unwrap(), state.again(1_000).unwrap(), state.results_of(ReportId::new([1; 16])).unwrap()),
    )
}

#[test]
fn everything_survives_closing_and_applying_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state");
    let state = open(&folder);
    (0..120).for_each(|number| apply(&state, number));
    let before = everything(&state);
    state.close().unwrap();
    let state = open(&folder);
    assert_eq!(everything(&state), before);
    (0..120).for_each(|number| apply(&state, number));
    assert_eq!(everything(&state), before);
}

#[test]
fn after_an_unclean_stop_old_records_are_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    apply(&state, 20);
    let far = Sequence(REAPPLIED_RECORDS + 50);
    state.write(far, |_| Ok(())).unwrap();
    state.flush().unwrap();
    drop(state);
    assert_eq!(open(folder.path()).applied().unwrap(), Sequence(50));
}

#[test]
fn a_torn_or_scrambled_file_ends_in_the_same_state() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, torn) = (folder.path().join("sound"), folder.path().join("torn"));
    let state = open(&sound);
    (0..150).for_each(|number| apply(&state, number));
    assert_eq!(state.waiting_batch_count().unwrap(), 100);
    assert_eq!(state.waiting_batches(3).unwrap().len(), 3);
    let expected = everything(&state);
    state.close().unwrap();
    let whole = std::fs::read(sound.join("db")).unwrap();
    let scrambled = {
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle / 2..middle].fill(0x5a);
        bytes
    };
    let torn_files = [1, 2, 4, 8].map(|part| whole[..whole.len() / part / 2].to_vec());
    for (number, bytes) in torn_files.into_iter().chain([scrambled, Vec::new()]).enumerate() {
        let torn = torn.join(number.to_string());
        std::fs::create_dir_all(&torn).unwrap();
        for file in std::fs::read_dir(&sound).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), torn.join(file.file_name())).unwrap();
        }
        std::fs::write(torn.join("db"), bytes).unwrap();
        let state = NodeState::open(&torn, Sequence(150), at(9)).unwrap().state;
        let applied = state.applied().unwrap().0;
        (applied..150).for_each(|number| apply(&state, number));
        assert_eq!(everything(&state), expected, "case {number}");
    }
}

#[test]
fn a_store_that_knows_more_than_the_journal_shows_that_acknowledged_records_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state");
    let state = open(&folder);
    apply(&state, 20);
    state.close().unwrap();
    let ahead = |error| matches!(error, ProjectionError::Ahead { applied: Sequence(21), held: Sequence(20) });
    for _ in 0..2 {
        assert!(
            ahead(NodeState::open(&folder, Sequence(20), at(77)).unwrap_err()),
            "it stays until somebody has looked"
        );
    }
    assert!(!folder.with_file_name("state.quarantine-77").exists());
    let opened = NodeState::open(&folder, Sequence(21), at(77)).unwrap();
    assert_eq!(opened.state.message(digest(20)).unwrap(), Some(Sequence(20)));
}

#[test]
fn another_form_is_put_aside_and_a_store_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state");
    let state = open(&folder);
    assert!(matches!(NodeState::open(&folder, END, at(1)), Err(ProjectionError::InUse)));
    state.put(&state.trees.meta, FORM, &[FORM_NUMBER + 1]).unwrap();
    state.close().unwrap();
    let opened = NodeState::open(&folder, END, at(1)).unwrap();
    assert!(opened.quarantined.is_some_and(|aside| aside.exists()));
}

#[test]
fn a_value_under_another_key_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    apply(&state, 3);
    let stolen = state.trees.messages.get(digest(3).as_bytes()).unwrap().unwrap();
    state.trees.messages.insert(digest(4).as_bytes(), stolen).unwrap();
    assert!(matches!(state.message(digest(4)), Err(ProjectionError::Damaged)));
    assert_eq!(state.message(digest(3)).unwrap(), Some(Sequence(3)));
}

#[test]
fn a_study_is_dirty_until_a_version_shows_all_that_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let arrive = |number, record| {
        state
            .write(Sequence(record + 1), |change| {
                change.put_instance(&instance(number), &kept(number), at(100), Sequence(record))
            })
            .unwrap();
        state.dirty_studies().unwrap().len()
    };
    let publish = |version, read_to| {
        state.write(Sequence(90), |change| change.put_published(&study(), version, Sequence(read_to))).unwrap();
        state.dirty_studies().unwrap().len()
    };
    assert_eq!(arrive(1, 0), 1);
    assert_eq!(arrive(2, 1), 1);
    assert_eq!(publish(1, 1), 1, "the second instance came later");
    assert_eq!(publish(2, 2), 0);
    assert_eq!(arrive(2, 5), 0, "the same bytes again");
    assert_eq!(arrive(3, 6), 1);
    assert_eq!(state.study(&study()).unwrap().unwrap().published_version, 2);
    assert_eq!(state.study_instances(&study()).unwrap().len(), 3);
    assert_eq!(state.study_instances(&StudyUid("1.2".into())).unwrap(), [], "a UID is no prefix of another");
}

#[test]
fn pseudonyms_expire() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let (identifier, pseudonym) = (IdentifierDigest([1; 32]), Pseudonym::new([2; 16]));
    state.remember_pseudonym(identifier, pseudonym, at(100)).unwrap();
    assert_eq!(state.pseudonym(identifier, at(99)).unwrap(), Some(pseudonym));
    assert_eq!(state.pseudonym(identifier, at(100)).unwrap(), None);
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let text = "检".repeat(2_000);
    let place = HeldPlace { intake: Sequence(1), place: 0 };
    let held = HeldEntry { reference: text.clone(), reason: text.clone(), field: text };
    state.write(Sequence(2), |change| change.put_held(place, &held)).unwrap();
    let found = state.held(None, 10).unwrap();
    assert_eq!(found[0].1.reference, "检".repeat(341));
    assert_eq!(state.held(Some(place), 10).unwrap(), []);
    state.write(Sequence(3), |change| change.remove_held(place)).unwrap();
    assert_eq!(state.held_count().unwrap(), 0);
}

#[test]
fn a_local_number_stands_for_one_person_or_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let local = IdentifierDigest([1; 32]);
    let person = |number| LinkedPerson { pseudonym: Pseudonym::new([number; 16]), sex: None, birth_date: None };
    let put = |seen| {
        state.write(Sequence(9), |change| change.put_link(local, seen)).unwrap();
        state.link(local).unwrap().unwrap()
    };
    state.write(Sequence(9), |change| change.put_awaiting(&local.0, Sequence(5))).unwrap();
    state.write(Sequence(9), |change| change.put_awaiting(&[2; 32], Sequence(6))).unwrap();
    assert_eq!(put(person(1)), Link::Person(person(1)));
    assert_eq!(state.again(10).unwrap(), [Sequence(5)], "what waits for it is read again, and nothing else");
    let born = LinkedPerson { birth_date: Some([3; 32]), ..person(1) };
    assert_eq!(put(born), Link::Person(born), "what is known later is added");
    assert_eq!(put(person(1)), Link::Person(born), "and stays");
    assert_eq!(put(LinkedPerson { birth_date: Some([4; 32]), ..person(1) }), Link::Ambiguous);
    assert_eq!(put(born), Link::Ambiguous);
    assert_eq!(Link::Person(person(1)).and(person(2)), Link::Ambiguous);
}
