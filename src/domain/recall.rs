//! Who must be told what when a result that doctors know is no longer what they were told: corrected, withdrawn, made by
//! a laboratory whose qualification was suspended, or said to be another patient's.
//!
//! What a doctor last knew of a result is a [`Sight`]. It only grows: it takes the strongest relation and the latest
//! version, so that the order in which checks, decisions and versions arrive does not matter, and a fact that arrives
//! twice changes nothing.

use super::entry::{Content, Entry, ResultStatus};
use super::id::{Digest, PromptId, Pseudonym, RecallId, ResultId};
use super::organisation::OrganisationCode;
use super::time::Moment;

/// What a doctor did with a result, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// It was offered.
    Prompted,
    /// It was opened.
    Viewed,
    /// It was accepted in place of an examination.
    Accepted,
    /// It was quoted into the record.
    Quoted,
}

/// Why a doctor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A later version says something else.
    Corrected,
    /// Its publisher took it out of use.
    Withdrawn,
    /// Its publisher took it out of use because it was never true, as one of another patient (HL7 status W).
    EnteredInError,
    /// The laboratory's qualification was suspended with effect on the date of the specimen.
    QualificationSuspended,
    /// Another doctor says that it is not this patient's.
    NotThisPatient,
}

/// A doctor of an organisation, as the organisation asserts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Doctor {
    /// The organisation.
    pub organisation: OrganisationCode,
    /// The doctor's number there.
    pub practitioner: String,
}

/// What a doctor last knew of a result. `P` is where that version lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight<P> {
    /// The strongest thing that the doctor did with any version.
    pub relation: Relation,
    /// The latest version that the doctor saw or was told of.
    pub version: u32,
    /// Where that version lies.
    pub place: P,
}

/// What has to be done about a doctor when a version of a result stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// The doctor knows it, or a later one.
    Nothing,
    /// It says nothing else: the doctor counts as knowing it, and is not told.
    Silence,
    /// The doctor is told.
    Recall(Cause),
}

/// A recall: one doctor is told one thing about one result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall<P> {
    /// Names it; the same fact gives the same name.
    pub id: RecallId,
    /// Who is told.
    pub doctor: Doctor,
    /// The patient.
    pub patient: Pseudonym,
    /// The result, by its name in the region.
    pub result: ResultId,
    /// Why.
    pub cause: Cause,
    /// What the doctor had done with it.
    pub relation: Relation,
    /// The version that the doctor knew.
    pub old: (u32, P),
    /// The version that stands now; none where no version was the cause.
    pub new: Option<(u32, P)>,
    /// The prompt by which the doctor came to know it; none where it was opened without an order.
    pub prompt: Option<PromptId>,
    /// The QC centre's statement, where that is the cause.
    pub statement: Option<Digest>,
    /// When the cause was recorded.
    pub made_at: Moment,
}

impl Cause {
    /// Says whether the doctor must act before anything else: the result was never this patient's, or never true.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::EnteredInError | Self::NotThisPatient)
    }

    /// Says why a doctor who knew `old` has to be told that `new` stands; nothing where it says the same.
    pub fn between(old: &Entry, new: &Entry) -> Option<Self> {
        let withdrawn = |entry: &Entry| entry.status == ResultStatus::Withdrawn;
        if withdrawn(new) {
            let told_before = withdrawn(old) && (old.entered_in_error || !new.entered_in_error);
            let cause = if new.entered_in_error { Self::EnteredInError } else { Self::Withdrawn };
            return (!told_before).then_some(cause);
        }
        let is_corrected = new.status == ResultStatus::Corrected && old.status != ResultStatus::Corrected;
        let falls_back = old.is_reportable() && !new.is_reportable();
        (withdrawn(old) || is_corrected || falls_back || says_otherwise(old, new)).then_some(Self::Corrected)
    }
}

impl<P: Copy> Sight<P> {
    /// Adds what else the doctor did or saw: the strongest relation and the latest version stay.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let later = if other.version > self.version { other } else { self };
        Self { relation: self.relation.max(other.relation), ..later }
    }

    /// Says what the doctor is owed now that `stands` is a version of the result; `cause` compares it with the one that
    /// the doctor knew.
    pub fn owed(&self, stands: u32, cause: impl FnOnce() -> Option<Cause>) -> Owed {
        if stands <= self.version {
            return Owed::Nothing;
        }
        cause().map_or(Owed::Silence, Owed::Recall)
    }
}

/// Compares what two versions say of the patient: images that are added say nothing against those that were there.
fn says_otherwise(old: &Entry, new: &Entry) -> bool {
    let same_about = old.patient == new.patient
        && old.laboratory == new.laboratory
        && old.times.collected.unix_ms() == new.times.collected.unix_ms();
    let same_content = match (&old.content, &new.content) {
        (Content::Laboratory(old_result), Content::Laboratory(new_result)) => {
            old_result == new_result && old.items == new.items
        }
        (Content::Imaging(old_study), Content::Imaging(new_study)) => {
            old_study.study_uid == new_study.study_uid && keeps_images(old, new)
        }
        (Content::Laboratory(_), Content::Imaging(_)) | (Content::Imaging(_), Content::Laboratory(_)) => false,
    };
    !(same_about && same_content)
}

fn keeps_images(old: &Entry, new: &Entry) -> bool {
    let kept: std::collections::BTreeSet<&[u8; 32]> =
        new.originals.iter().map(|original| original.digest.as_bytes()).collect();
    let images = old.originals.iter().filter(|original| !original.instance_uid.is_empty());
    images.into_iter().all(|image| kept.contains(image.digest.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::domain::entry::{LaboratoryResult, LocalCode, Original, Sensitivity, Times};
    use crate::domain::id::ReportId;
    use crate::domain::value::{Comparability, Value};

    fn potassium(number: i64, status: ResultStatus) -> Entry {
        let (hospital, at) = ("91350100M000100Y43".parse().unwrap(), Moment::new(1_780_000_000_000, 480).unwrap());
        Entry {
            result: ResultId::new([1; 16]),
            version: 1,
            status,
            entered_in_error: false,
            publisher: hospital,
            laboratory: hospital,
            patient: Pseudonym::new([2; 16]),
            report: ReportId::new([3; 16]),
            items: vec!["L01001".parse().unwrap()],
            times: Times { ordered: None, collected: at, reported: at },
            sensitivity: Sensitivity::Normal,
            claimed_mark: None,
            content: Content::Laboratory(LaboratoryResult {
                loinc: None,
                local: LocalCode { code: "K".into(), name: String::new(), system: String::new() },
                specimen: None,
                value: Value::Text(number.to_string()),
                reference_range: None,
                flag: None,
                method: None,
                instrument: None,
                comparability: Comparability::Comparable,
            }),
            originals: vec![Original {
                digest: Digest::new([1; 32]),
                size_bytes: 1,
                media_type: String::new(),
                instance_uid: String::new(),
            }],
        }
    }

    fn in_error(entry: &Entry) -> Entry {
        Entry { status: ResultStatus::Withdrawn, entered_in_error: true, ..entry.clone() }
    }

    #[test]
    fn a_doctor_is_told_what_changed_and_of_nothing_else() {
        use ResultStatus::{Corrected, Final, Preliminary, Withdrawn};
        let first = potassium(4, Final);
        let withdrawn = Entry { status: Withdrawn, ..first.clone() };
        let image = Original { digest: Digest::new([9; 32]), ..first.originals[0].clone() };
        let more = Entry { originals: [first.originals.clone(), vec![image]].concat(), ..first.clone() };
        for (old, new, cause) in [
            (&first, &potassium(5, Corrected), Some(Cause::Corrected)),
            (&first, &potassium(5, Final), Some(Cause::Corrected)),
            (&first, &potassium(4, Corrected), Some(Cause::Corrected)),
            (&potassium(4, Corrected), &potassium(4, Corrected), None),
            (&first, &more, None),
            (&first, &potassium(4, Preliminary), Some(Cause::Corrected)),
            (&potassium(4, Preliminary), &first, None),
            (&first, &withdrawn, Some(Cause::Withdrawn)),
            (&first, &in_error(&first), Some(Cause::EnteredInError)),
            (&withdrawn, &in_error(&first), Some(Cause::EnteredInError)),
            (&in_error(&first), &withdrawn, None),
            (&withdrawn, &first, Some(Cause::Corrected)),
        ] {
            assert_eq!(Cause::between(old, new), cause, "{old:?} to {new:?}");
        }
        assert!(Cause::EnteredInError.is_urgent() && !Cause::Withdrawn.is_urgent());
    }

    /// A fact of the journal: a version stands, or a doctor did something with one.
    #[derive(Debug, Clone, Copy)]
    enum Fact {
        Said(u32),
        Did(u8, Relation, u32),
    }

    fn fact() -> impl Strategy<Value = Fact> {
        let relation =
            prop::sample::select(vec![Relation::Prompted, Relation::Viewed, Relation::Accepted, Relation::Quoted]);
        prop_oneof![
            (1..5_u32).prop_map(Fact::Said),
            (0..3_u8, relation, 1..5_u32).prop_map(|(doctor, relation, version)| Fact::Did(doctor, relation, version)),
        ]
    }

    /// Every version of the model says something else.
    #[derive(Default)]
    struct Model {
        stands: u32,
        sights: BTreeMap<u8, Sight<()>>,
        recalls: Vec<(u8, u32, u32)>,
    }

    impl Model {
        fn apply(&mut self, fact: Fact) {
            match fact {
                Fact::Said(version) => self.stands = self.stands.max(version),
                Fact::Did(doctor, relation, version) => {
                    let sight = Sight { relation, version, place: () };
                    let known = self.sights.get(&doctor).map_or(sight, |known| known.and(sight));
                    self.sights.insert(doctor, known);
                }
            }
            for (doctor, sight) in &mut self.sights {
                if let Owed::Recall(_) = sight.owed(self.stands, || Some(Cause::Corrected)) {
                    self.recalls.push((*doctor, sight.version, self.stands));
                    sight.version = self.stands;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_knew_an_earlier_version_learns_of_the_last_once_in_any_order(
            facts in prop::collection::vec(fact(), 0..12),
            order in any::<prop::sample::Index>(),
        ) {
            let mut turned = facts.clone();
            turned.rotate_left(if facts.is_empty() { 0 } else { order.index(facts.len()) });
            let mut model = Model::default();
            for fact in turned.iter().chain(&turned) {
                model.apply(*fact);
            }
            let latest = facts.iter().filter_map(|fact| match fact { Fact::Said(version) => Some(*version), _ => None });
            let latest = latest.max().unwrap_or(0);
            let told: BTreeSet<_> = model.recalls.iter().map(|(doctor, _, new)| (*doctor, *new)).collect();
            prop_assert_eq!(told.len(), model.recalls.len(), "nobody is told the same twice");
            for doctor in 0..3_u8 {
                let did = facts.iter().filter_map(|fact| match fact {
                    Fact::Did(who, relation, version) if *who == doctor => Some((*version, *relation)),
                    _ => None,
                });
                let did: Vec<_> = did.collect();
                match did.iter().map(|(version, _)| *version).max() {
                    None => prop_assert!(told.iter().all(|(who, _)| *who != doctor), "who saw nothing is told nothing"),
                    Some(seen) => {
                        prop_assert!(seen >= latest || told.contains(&(doctor, latest)));
                        let strongest = did.iter().map(|(_, relation)| *relation).max();
                        prop_assert_eq!(model.sights.get(&doctor).map(|sight| sight.relation), strongest);
                    }
                }
            }
            prop_assert!(model.recalls.iter().all(|(_, old, new)| old < new));
        }
    }
}
