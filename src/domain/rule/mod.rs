//! The rule of recognition: a pure function of one result, one wanted item, the visit, the policy and what is known of
//! the laboratory. No clock and no texts.
//!
//! Every fact against a result is found, not only the first, so that a quiet answer explains itself.

mod age;
mod answer;
mod comparison;
mod coverage;
mod visit;

use std::collections::BTreeSet;

pub use answer::{Answered, LineAnswer, LineCoverage, QuietResult, answer_line, latest_versions};
pub use coverage::{Atom, atoms_of, atoms_shown};

use super::catalogue::{Catalogue, ImagingItem, Item};
use super::entry::{Content, Entry, ResultStatus};
use super::order::{OrderContext, WantedItem};
use super::policy::Policy;
use super::qualification::{Qualifications, Question, Standing};
use super::time::Moment;
use super::verdict::{Answers, Caution, Evidence, Mark, Refusal, Verdict};

/// A result with what is known of it beside its content.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The result.
    pub entry: &'a Entry,
    /// Whether its signature held and its key was valid when it was received.
    pub key_valid: bool,
    /// Whether somebody declined it as another person's result.
    pub link_disputed: bool,
    /// The newest version known of the result.
    pub latest_version: u32,
}

/// What the rule judges by.
#[derive(Debug, Clone, Copy)]
pub struct Rulebook<'a> {
    /// The catalogue.
    pub catalogue: &'a Catalogue,
    /// The policy.
    pub policy: &'a Policy,
    /// What is known of the laboratories.
    pub qualifications: &'a Qualifications,
}

/// Says what is to be made of a result for a wanted item, at the instant of the order.
pub fn assess(
    wanted: &WantedItem,
    candidate: &Candidate<'_>,
    context: &OrderContext,
    rulebook: &Rulebook<'_>,
    at: Moment,
) -> Verdict {
    match judge(wanted, candidate, context, rulebook, at) {
        Ok((evidence, _)) => Verdict::Prompt(Box::new(evidence)),
        Err(refusals) if refusals.iter().any(Refusal::is_silent) => Verdict::None,
        Err(refusals) => Verdict::Quiet(refusals),
    }
}

/// Finds the evidence for a result and the atoms of the wanted item it answers, or every fact against it, silent ones
/// too. For audit; a doctor sees [`assess`].
///
/// # Errors
/// The refusals, at least one.
pub fn judge(
    wanted: &WantedItem,
    candidate: &Candidate<'_>,
    context: &OrderContext,
    rulebook: &Rulebook<'_>,
    at: Moment,
) -> Result<(Evidence, BTreeSet<Atom>), Vec<Refusal>> {
    let entry = candidate.entry;
    let Some(item) = rulebook.catalogue.item(wanted.code) else { return Err(vec![Refusal::NotCovered]) };
    if entry.patient != context.patient {
        return Err(vec![Refusal::OtherPatient]);
    }
    let mut refusals = Vec::new();
    let shown = match coverage::shown(wanted, item, entry, rulebook.catalogue) {
        Ok(atoms) => atoms,
        Err(Refusal::NotCovered) => return Err(vec![Refusal::NotCovered]),
        Err(refusal) => {
            refusals.push(refusal);
            BTreeSet::new()
        }
    };
    refusals.extend(record_refusals(candidate));
    visit::refuse(wanted, item, entry, context, rulebook.policy, &mut refusals);
    comparison::refuse(item, entry, context, rulebook.catalogue, &mut refusals);
    age::refuse(item.code, entry, context, rulebook.policy, at, &mut refusals);
    let mark = match standing(item, entry, rulebook, at) {
        Ok(marks) => match marks.iter().find(|mark| rulebook.policy.areas.covers(&mark.scope, context.region)) {
            Some(mark) => Some(mark.clone()),
            None => {
                refusals.extend(marks.into_iter().next().map(|mark| Refusal::OutOfScope { widest: mark.scope }));
                None
            }
        },
        Err(refusal) => {
            refusals.push(refusal);
            None
        }
    };
    match mark {
        Some(mark) if refusals.is_empty() => {
            let all = atoms_of(wanted, rulebook.catalogue);
            let answers = if shown.is_superset(&all) { Answers::Full } else { Answers::Partial };
            Ok((evidence(item, entry, context, rulebook, at, answers, mark), shown))
        }
        _ => Err(refusals),
    }
}

/// Facts of the record itself: patient link, version, status, key.
fn record_refusals(candidate: &Candidate<'_>) -> impl Iterator<Item = Refusal> {
    let entry = candidate.entry;
    let outdated = entry.version < candidate.latest_version;
    [
        candidate.link_disputed.then_some(Refusal::LinkDisputed),
        outdated.then_some(Refusal::NotLatest { latest: candidate.latest_version }),
        Option::from(entry.status),
        (!candidate.key_valid).then_some(Refusal::KeyNotValid),
        (entry.times.reported.unix_ms() < age::start(entry.times.collected).unix_ms())
            .then_some(Refusal::TimesContradict),
    ]
    .into_iter()
    .flatten()
}

/// Finds the marks of the laboratory; a collection known to the day must have been qualified all that day.
fn standing(item: &Item, entry: &Entry, rulebook: &Rulebook<'_>, at: Moment) -> Result<Vec<Mark>, Refusal> {
    let collected = entry.times.collected;
    let ask = |collected_at: Moment| {
        let question = Question {
            laboratory: entry.laboratory,
            item: item.code,
            modality: item.imaging().and_then(|imaging| modality_of(entry, imaging)),
            method: method_of(entry),
            collected_at,
            known_at: at,
        };
        match rulebook.qualifications.at(&question) {
            Standing::Qualified(marks) => Ok(marks),
            Standing::Not(fact) => Err(Refusal::NotQualified(fact)),
        }
    };
    let marks = ask(age::start(collected))?;
    if collected.is_date_only() {
        let evening = ask(age::end(collected))?;
        return Ok(marks.into_iter().filter(|mark| evening.iter().any(|other| other.scope == mark.scope)).collect());
    }
    Ok(marks)
}

fn evidence(
    item: &Item,
    entry: &Entry,
    context: &OrderContext,
    rulebook: &Rulebook<'_>,
    at: Moment,
    answers: Answers,
    mark: Mark,
) -> Evidence {
    let laboratory = item.laboratory();
    let cautions = [
        laboratory.is_some_and(|item| item.fasting).then_some(Caution::Fasting),
        laboratory.is_some_and(|item| item.cycle_day).then_some(Caution::CycleDay),
        (entry.status == ResultStatus::Corrected).then_some(Caution::Corrected),
    ];
    Evidence {
        policy_version: rulebook.policy.version.clone(),
        item: item.code,
        window: rulebook.policy.window(item.code, context.setting),
        age_ms: at.ms_since(age::start(rulebook.policy.anchor(&entry.times))),
        answers,
        mark: rulebook.policy.areas.mark(&mark.scope),
        qualification: mark,
        cautions: cautions.into_iter().flatten().collect(),
    }
}

fn method_of(entry: &Entry) -> Option<&str> {
    match &entry.content {
        Content::Laboratory(result) => result.method.as_deref(),
        Content::Imaging(_) => None,
    }
}

/// The modality of the part of a study that the item is about; a PET/CT has parts of two.
fn modality_of<'a>(entry: &'a Entry, item: &ImagingItem) -> Option<&'a str> {
    match &entry.content {
        Content::Imaging(study) => {
            study.coverage.iter().map(|part| part.modality.as_str()).find(|modality| item.makes(modality))
        }
        Content::Laboratory(_) => None,
    }
}

#[cfg(test)]
mod tests;
