//! What came out: figures by category and in total, and every case in which label and rule differ, with both reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::domain::catalogue::Catalogue;
use crate::domain::item::ItemCode;
use crate::domain::policy::Policy;
use crate::domain::qualification::Qualifications;
use crate::domain::rule::{Candidate, LineCoverage, Rulebook, answer_line, judge, latest_versions};
use crate::domain::verdict::Refusal;
use crate::wire::accuracy::{Answer, Case, FoundResult};

/// Figures of all cases judged.
#[derive(Debug, Default)]
pub struct Score {
    /// Of all cases.
    pub total: Tally,
    categories: BTreeMap<String, Tally>,
    disagreements: Vec<Disagreement>,
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Cases.
    pub cases: u64,
    /// Prompts that the labels demand.
    pub demanded: u64,
    /// Prompts that the rule made.
    pub made: u64,
    /// Prompts made that the labels demand.
    pub right: u64,
    /// Prompts made that the labels do not even allow.
    pub illegal: u64,
    /// Cases in which the line's coverage, or what remains to be ordered, differs.
    pub wrong_coverage: u64,
}

/// One case in which label and rule differ.
#[derive(Debug)]
struct Disagreement {
    id: String,
    label: String,
    because: String,
    rule: String,
    reasons: Vec<String>,
}

impl Tally {
    /// Gives the share of prompts made that the labels demand.
    pub fn precision(&self) -> f64 {
        share(self.right, self.made)
    }

    /// Gives the share of prompts demanded that were made.
    pub fn recall(&self) -> f64 {
        share(self.right, self.demanded)
    }

    /// Gives the share of prompts made that the labels allow.
    pub fn legality(&self) -> f64 {
        share(self.made - self.illegal, self.made)
    }

    fn add(&mut self, other: &Tally) {
        self.cases += other.cases;
        self.demanded += other.demanded;
        self.made += other.made;
        self.right += other.right;
        self.illegal += other.illegal;
        self.wrong_coverage += other.wrong_coverage;
    }

    fn json(&self) -> Value {
        json!({
            "cases": self.cases, "demanded": self.demanded, "made": self.made, "precision": self.precision(),
            "recall": self.recall(), "legality": self.legality(), "illegal": self.illegal,
            "wrong_coverage": self.wrong_coverage,
        })
    }
}

impl Score {
    /// Judges one case by the rule and counts what came out.
    pub fn judge(&mut self, case: &Case, catalogue: &Catalogue, policy: &Policy) {
        let quality = case.quality.clone();
        let rules = policy.qualification.clone();
        let qualifications = Qualifications::derive(quality.rounds, quality.credentials, quality.sanctions, rules);
        let rulebook = Rulebook { catalogue, policy, qualifications: &qualifications };
        let candidates = candidates(case);
        let answer = answer_line(&case.line, &candidates, &case.context, &rulebook, case.at);
        let name = |place: usize| case.results.get(place).map_or_else(String::new, |found| found.name.clone());
        let made: BTreeSet<Answer> =
            answer.prompts.iter().map(|prompt| (name(prompt.candidate), prompt.item)).collect();
        let remaining: BTreeSet<ItemCode> = answer.remaining.into_iter().collect();
        let label = &case.label;
        let wrong_coverage = answer.coverage != label.coverage || remaining != label.remaining;
        let count = |found: usize| u64::try_from(found).unwrap_or(u64::MAX);
        let tally = Tally {
            cases: 1,
            demanded: count(label.prompts.len()),
            made: count(made.len()),
            right: count(made.intersection(&label.prompts).count()),
            illegal: count(made.difference(&label.legal).count()),
            wrong_coverage: wrong_coverage.into(),
        };
        self.total.add(&tally);
        self.categories.entry(case.category.clone()).or_default().add(&tally);
        if wrong_coverage || made != label.prompts {
            self.disagreements.push(Disagreement {
                id: case.id.clone(),
                label: said(label.coverage, &label.prompts, &label.remaining),
                because: label.because.clone(),
                rule: said(answer.coverage, &made, &remaining),
                reasons: reasons(case, &candidates, &rulebook),
            });
        }
    }

    /// Writes a table for people, and the disagreements.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        for different in &self.disagreements {
            writeln!(out, "{}\n  label: {}\n    {}", different.id, different.label, different.because)?;
            writeln!(out, "  rule:  {}", different.rule)?;
            different.reasons.iter().try_for_each(|reason| writeln!(out, "    {reason}"))?;
        }
        writeln!(
            out,
            "{:<18}{:>7}{:>10}{:>8}{:>11}{:>9}{:>10}{:>16}",
            "category", "cases", "demanded", "made", "precision", "recall", "legality", "wrong coverage"
        )?;
        let rows = self.categories.iter().map(|(name, tally)| (name.as_str(), tally));
        for (name, tally) in rows.chain([("total", &self.total)]) {
            writeln!(
                out,
                "{name:<18}{:>7}{:>10}{:>8}{:>11.4}{:>9.4}{:>10.4}{:>16}",
                tally.cases,
                tally.demanded,
                tally.made,
                tally.precision(),
                tally.recall(),
                tally.legality(),
                tally.wrong_coverage
            )?;
        }
        writeln!(out, "cases in which label and rule differ: {}", self.disagreements.len())
    }

    /// Writes one JSON object.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let differing = self.disagreements.iter().map(|different| {
            json!({
                "id": different.id, "label": different.label, "because": different.because,
                "rule": different.rule, "reasons": different.reasons,
            })
        });
        let mut report = self.total.json();
        report["bench"] = "accuracy".into();
        report["categories"] = self.categories.iter().map(|(name, tally)| (name.clone(), tally.json())).collect();
        report["disagreements"] = differing.collect();
        writeln!(out, "{report}")
    }
}

fn candidates(case: &Case) -> Vec<Candidate<'_>> {
    let latest = latest_versions(case.results.iter().map(|found| &found.entry));
    case.results
        .iter()
        .map(|found| {
            let name = (found.entry.publisher, found.entry.result);
            let latest_version = latest.get(&name).copied().unwrap_or(found.entry.version);
            let FoundResult { entry, key_valid, link_disputed, .. } = found;
            Candidate { entry, key_valid: *key_valid, link_disputed: *link_disputed, latest_version }
        })
        .collect()
}

/// Says what the rule finds of every result that is about the order.
fn reasons(case: &Case, candidates: &[Candidate<'_>], rulebook: &Rulebook<'_>) -> Vec<String> {
    let wanted = case.line.expand(rulebook.catalogue).items;
    let mut reasons = Vec::new();
    for wanted in &wanted {
        for (found, candidate) in case.results.iter().zip(candidates) {
            let about = format!("{} v{} {}", found.name, found.entry.version, wanted.code);
            match judge(wanted, candidate, &case.context, rulebook, case.at) {
                Ok((evidence, _)) => reasons.push(format!(
                    "{about}: {} {}, {} ms of {}, {:?}",
                    evidence.mark, evidence.qualification.programme, evidence.age_ms, evidence.window, evidence.answers
                )),
                Err(refusals) if refusals == [Refusal::NotCovered] => {}
                Err(refusals) => {
                    let texts = refusals.iter().map(|refusal| format!("{} ({})", refusal.code(), refusal.text().en));
                    reasons.push(format!("{about}: {}", texts.collect::<Vec<_>>().join(", ")));
                }
            }
        }
    }
    if reasons.is_empty() {
        reasons.push("no result is about the order".to_owned());
    }
    reasons
}

fn said(coverage: LineCoverage, prompts: &BTreeSet<Answer>, remaining: &BTreeSet<ItemCode>) -> String {
    let coverage = match coverage {
        LineCoverage::None => "none",
        LineCoverage::Partial => "partial",
        LineCoverage::Full => "full",
    };
    let prompts: Vec<String> = prompts.iter().map(|(name, item)| format!("{name} {item}")).collect();
    let remaining: Vec<String> = remaining.iter().map(ToString::to_string).collect();
    format!("{coverage}; prompts {}; remains {}", prompts.join(", "), remaining.join(", "))
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
