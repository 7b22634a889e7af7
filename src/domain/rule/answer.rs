//! The answer to one order line: for each wanted item the best result, what remains to be ordered, and what is quiet.

use std::collections::{BTreeMap, BTreeSet};

use super::super::entry::Entry;
use super::super::id::ResultId;
use super::super::item::ItemCode;
use super::super::order::{OrderContext, OrderLine, WantedItem};
use super::super::organisation::OrganisationCode;
use super::super::time::Moment;
use super::super::verdict::{Evidence, Refusal};
use super::{Atom, Candidate, Rulebook, age, atoms_of, judge};

/// The answer to one order line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAnswer {
    /// How much of the line the prompts answer together.
    pub coverage: LineCoverage,
    /// What to offer, in order of the wanted items.
    pub prompts: Vec<Answered>,
    /// Items to order still, sorted; an item answered in part is among them.
    pub remaining: Vec<ItemCode>,
    /// Results about the line that are not offered, in order of item, newest first.
    pub quiet: Vec<QuietResult>,
    /// Wanted things that the catalogue does not know.
    pub unknown: usize,
}

/// How much of a line is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineCoverage {
    /// Nothing.
    None,
    /// Some of it; order only the rest.
    Partial,
    /// All of it.
    Full,
}

/// One item answered by one result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The wanted item.
    pub item: ItemCode,
    /// Place of the result among the candidates given.
    pub candidate: usize,
    /// Why it may be offered.
    pub evidence: Evidence,
}

/// One result that is about a wanted item and not offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietResult {
    /// The wanted item.
    pub item: ItemCode,
    /// Place of the result among the candidates given.
    pub candidate: usize,
    /// What is against it.
    pub refusals: Vec<Refusal>,
}

/// Finds the newest version of every result. A result's name is its publisher's; another publisher's same name is
/// another result.
pub fn latest_versions<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
) -> BTreeMap<(OrganisationCode, ResultId), u32> {
    let mut latest = BTreeMap::new();
    for entry in entries {
        let newest = latest.entry((entry.publisher, entry.result)).or_insert(entry.version);
        *newest = entry.version.max(*newest);
    }
    latest
}

/// Answers one line from all versions of a patient's results. The order of the candidates does not matter.
pub fn answer_line(
    line: &OrderLine,
    candidates: &[Candidate<'_>],
    context: &OrderContext,
    rulebook: &Rulebook<'_>,
    at: Moment,
) -> LineAnswer {
    let latest = latest_versions(candidates.iter().map(|candidate| candidate.entry));
    let candidates: Vec<Candidate<'_>> = candidates
        .iter()
        .map(|candidate| {
            let name = (candidate.entry.publisher, candidate.entry.result);
            let known = latest.get(&name).copied().unwrap_or_default();
            Candidate { latest_version: candidate.latest_version.max(known), ..*candidate }
        })
        .collect();
    let expanded = line.expand(rulebook.catalogue);
    let mut answer = LineAnswer {
        coverage: LineCoverage::None,
        prompts: Vec::new(),
        remaining: Vec::new(),
        quiet: Vec::new(),
        unknown: expanded.unknown,
    };
    for wanted in &expanded.items {
        answer_item(wanted, &candidates, context, rulebook, at, &mut answer);
    }
    answer.remaining.sort();
    answer.remaining.dedup();
    answer.coverage = match (answer.prompts.is_empty(), answer.remaining.is_empty() && answer.unknown == 0) {
        (true, _) => LineCoverage::None,
        (false, true) => LineCoverage::Full,
        (false, false) => LineCoverage::Partial,
    };
    answer
}

/// Picks results until nothing of the item is left or nothing more helps: each time the one that answers most of what
/// is left, and of those the newest.
fn answer_item(
    wanted: &WantedItem,
    candidates: &[Candidate<'_>],
    context: &OrderContext,
    rulebook: &Rulebook<'_>,
    at: Moment,
    answer: &mut LineAnswer,
) {
    let mut fit: Vec<(usize, Evidence, BTreeSet<Atom>)> = Vec::new();
    let mut quiet = Vec::new();
    for (place, candidate) in candidates.iter().enumerate() {
        match judge(wanted, candidate, context, rulebook, at) {
            Ok((evidence, atoms)) => fit.push((place, evidence, atoms)),
            Err(refusals) if refusals.iter().any(Refusal::is_silent) => {}
            Err(refusals) => quiet.push(QuietResult { item: wanted.code, candidate: place, refusals }),
        }
    }
    let rank = |place: usize| candidates.get(place).map(|candidate| newness(candidate.entry));
    fit.sort_by_key(|(place, ..)| std::cmp::Reverse(rank(*place)));
    quiet.sort_by_key(|result| std::cmp::Reverse(rank(result.candidate)));
    answer.quiet.extend(quiet);

    let mut left = atoms_of(wanted, rulebook.catalogue);
    let answers = |left: &BTreeSet<Atom>, atoms: &BTreeSet<Atom>| left.intersection(atoms).count();
    while !left.is_empty() {
        let most = fit.iter().map(|(.., atoms)| answers(&left, atoms)).max().unwrap_or_default();
        let Some(best) = fit.iter().position(|(.., atoms)| most > 0 && answers(&left, atoms) == most) else { break };
        let (place, evidence, atoms) = fit.remove(best);
        left.retain(|atom| !atoms.contains(atom));
        answer.prompts.push(Answered { item: wanted.code, candidate: place, evidence });
    }
    if !left.is_empty() || atoms_of(wanted, rulebook.catalogue).is_empty() {
        answer.remaining.push(wanted.code);
    }
}

/// Orders results by age, and those of one age by facts that do not depend on where they stood.
fn newness(entry: &Entry) -> (i64, i64, OrganisationCode, ResultId, u32) {
    let collected = age::start(entry.times.collected).unix_ms();
    (collected, entry.times.reported.unix_ms(), entry.publisher, entry.result, entry.version)
}
