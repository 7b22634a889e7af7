//! Where a laboratory stood for an item when a specimen was collected, as far as it was known at a given time.
//!
//! Each centre's rounds for one method form a track; a track that failed speaks against the item whoever else passed
//! it. A restoration is the same centre's word, and ends what that centre's failed round or suspension began.

use std::collections::{BTreeMap, BTreeSet};

use super::eqa::{Credential, EqaOutcome, EqaRound, Sanction, SanctionAct, Subject};
use super::item::ItemCode;
use super::organisation::OrganisationCode;
use super::policy::QualificationRules;
use super::time::Moment;
use super::verdict::{Mark, RoundSummary};

/// All quality records of a region, by laboratory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Qualifications {
    rules: QualificationRules,
    laboratories: BTreeMap<OrganisationCode, Records>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Records {
    rounds: BTreeMap<ItemCode, BTreeSet<EqaRound>>,
    credentials: BTreeMap<Subject, BTreeSet<Credential>>,
    sanctions: BTreeSet<Sanction>,
}

/// What is asked of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The laboratory that made the result.
    pub laboratory: OrganisationCode,
    /// The item.
    pub item: ItemCode,
    /// The modality, for imaging.
    pub modality: Option<&'a str>,
    /// The method group of the result, if known.
    pub method: Option<&'a str>,
    /// When the specimen was collected or the image acquired.
    pub collected_at: Moment,
    /// Records learned later than this do not exist for the answer.
    pub known_at: Moment,
}

/// Where a laboratory stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Qualified, by at least one mark; the widest scope first.
    Qualified(Vec<Mark>),
    /// Not qualified.
    Not(Unqualified),
}

/// Why a laboratory was not qualified. The order is from the weakest fact to the gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unqualified {
    /// Nobody ever evaluated it for this.
    NoRecord,
    /// Its qualification is for other methods.
    MethodDiffers,
    /// Its first qualification is later.
    NotYet {
        /// When that began.
        from: Moment,
    },
    /// Its qualification had ended.
    Expired {
        /// The last instant at which it counted.
        valid_to: Moment,
    },
    /// Collected between the samples of a failed round and its publication.
    InDoubt {
        /// When the failed round's samples were tested.
        sampled_at: Moment,
        /// When the failure was published.
        published_at: Moment,
    },
    /// Its last round was not satisfactory.
    Suspended {
        /// When that was published.
        since: Moment,
    },
    /// Too many of its latest rounds were not satisfactory.
    Withdrawn {
        /// When the last of them was published.
        since: Moment,
    },
    /// A centre suspended it.
    Sanctioned {
        /// From when its results do not count.
        effective_at: Moment,
    },
}

/// One step of the history behind a standing, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it took effect.
    pub at: Moment,
    /// Whose word it is.
    pub issuer: OrganisationCode,
    /// What happened.
    pub event: StepEvent,
}

/// What happened in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepEvent {
    /// A round was published.
    Round {
        /// Programme.
        programme: String,
        /// The round.
        summary: RoundSummary,
    },
    /// A direct credential began to count.
    Credential {
        /// The evaluation it rests on.
        basis: String,
        /// Last instant at which it counts.
        valid_to: Moment,
    },
    /// A suspension or its end.
    Sanction(SanctionAct),
}

impl Qualifications {
    /// Makes an empty set of records under a policy's rules.
    pub fn new(rules: QualificationRules) -> Self {
        Self { rules, laboratories: BTreeMap::new() }
    }

    /// Makes the set of all given records.
    pub fn derive(
        rounds: impl IntoIterator<Item = EqaRound>,
        credentials: impl IntoIterator<Item = Credential>,
        sanctions: impl IntoIterator<Item = Sanction>,
        rules: QualificationRules,
    ) -> Self {
        let mut all = Self::new(rules);
        rounds.into_iter().for_each(|round| all.add_round(round));
        credentials.into_iter().for_each(|credential| all.add_credential(credential));
        sanctions.into_iter().for_each(|sanction| all.add_sanction(sanction));
        all
    }

    /// Replaces the rules when a policy takes effect; the records stay.
    pub fn set_rules(&mut self, rules: QualificationRules) {
        self.rules = rules;
    }

    /// Adds a round; the same round again changes nothing.
    pub fn add_round(&mut self, round: EqaRound) {
        let records = self.laboratories.entry(round.laboratory).or_default();
        records.rounds.entry(round.item).or_default().insert(round);
    }

    /// Adds a direct credential; the same again changes nothing.
    pub fn add_credential(&mut self, credential: Credential) {
        let records = self.laboratories.entry(credential.laboratory).or_default();
        records.credentials.entry(credential.subject.clone()).or_default().insert(credential);
    }

    /// Adds a suspension or restoration; the same again changes nothing.
    pub fn add_sanction(&mut self, sanction: Sanction) {
        self.laboratories.entry(sanction.laboratory).or_default().sanctions.insert(sanction);
    }

    /// Gives the subjects on record for a laboratory, sorted.
    pub fn subjects(&self, laboratory: OrganisationCode) -> BTreeSet<Subject> {
        let Some(records) = self.laboratories.get(&laboratory) else { return BTreeSet::new() };
        records.rounds.keys().copied().map(Subject::Item).chain(records.credentials.keys().cloned()).collect()
    }

    /// Says where a laboratory stood.
    pub fn at(&self, question: &Question<'_>) -> Standing {
        let Some(records) = self.laboratories.get(&question.laboratory) else {
            return Standing::Not(Unqualified::NoRecord);
        };
        let mut marks = Vec::new();
        let mut against: BTreeSet<Unqualified> = records.sanction_against(question).into_iter().collect();
        let mut failed = against.clone();
        for (issuer, rounds) in records.tracks(question) {
            match self.track(&rounds, issuer, records, question) {
                Ok(mark) => marks.push(mark),
                Err(fact) => {
                    failed.extend(Some(fact).filter(Unqualified::is_failure));
                    against.insert(fact);
                }
            }
        }
        for credential in records.credentials_for(question) {
            match credential_mark(credential, question.collected_at) {
                Ok(mark) => marks.push(mark),
                Err(fact) => drop(against.insert(fact)),
            }
        }
        if let Some(gravest) = failed.last() {
            return Standing::Not(*gravest);
        }
        if marks.is_empty() {
            let other_method = against.is_empty() && records.knows(question);
            let bare = if other_method { Unqualified::MethodDiffers } else { Unqualified::NoRecord };
            return Standing::Not(against.last().copied().unwrap_or(bare));
        }
        marks.sort();
        Standing::Qualified(marks)
    }

    /// Lists what is known of a laboratory for a subject, in order of effect.
    pub fn history(&self, question: &Question<'_>) -> Vec<Step> {
        let Some(records) = self.laboratories.get(&question.laboratory) else { return Vec::new() };
        let rounds = records.known_rounds(question).map(|round| Step {
            at: round.published_at,
            issuer: round.provenance.issuer,
            event: StepEvent::Round { programme: round.programme.clone(), summary: self.summary(round) },
        });
        let credentials = records.credentials_for(question).map(|credential| Step {
            at: credential.valid_from,
            issuer: credential.provenance.issuer,
            event: StepEvent::Credential { basis: credential.basis.clone(), valid_to: credential.valid_to },
        });
        let sanctions = records.sanctions_on(question).map(|sanction| Step {
            at: sanction.effective_at,
            issuer: sanction.provenance.issuer,
            event: StepEvent::Sanction(sanction.act),
        });
        let mut steps: Vec<Step> = rounds.chain(credentials).chain(sanctions).collect();
        steps.sort_by_key(|step| (step.at.unix_ms(), step.issuer));
        steps
    }

    /// Follows one centre's rounds, sorted by publication, to the instant of collection.
    fn track(
        &self,
        rounds: &[&EqaRound],
        issuer: OrganisationCode,
        records: &Records,
        question: &Question<'_>,
    ) -> Result<Mark, Unqualified> {
        let collected = question.collected_at.unix_ms();
        let (past, ahead) = rounds.split_at(rounds.partition_point(|round| round.published_at.unix_ms() <= collected));
        let doubtful =
            |round: &&&EqaRound| self.satisfactory(round) == Some(false) && round.sampled_at.unix_ms() <= collected;
        if let Some(round) = ahead.iter().find(doubtful) {
            return Err(Unqualified::InDoubt { sampled_at: round.sampled_at, published_at: round.published_at });
        }
        let graded: Vec<&EqaRound> = past.iter().copied().filter(|round| self.satisfactory(round).is_some()).collect();
        let Some(last_graded) = graded.last() else {
            let first = ahead.iter().find(|round| self.satisfactory(round) == Some(true));
            return Err(first.map_or(Unqualified::NoRecord, |round| Unqualified::NotYet { from: round.published_at }));
        };
        let (_, looked_at) = graded.split_at(graded.len().saturating_sub(self.rules.rounds_looked_at));
        let failures: Vec<&&EqaRound> =
            looked_at.iter().filter(|round| self.satisfactory(round) == Some(false)).collect();
        let withdrawn = failures.len() >= self.rules.failures_withdrawing;
        let suspended = self.satisfactory(last_graded) == Some(false);
        if let Some(failure) = failures.last().filter(|_| withdrawn || suspended) {
            let since = failure.published_at;
            if !records.restored(issuer, since, question) {
                return Err(if withdrawn {
                    Unqualified::Withdrawn { since }
                } else {
                    Unqualified::Suspended { since }
                });
            }
        }
        let takes_part = |round: &&&EqaRound| round.outcome != EqaOutcome::Excused;
        let valid_to = self.valid_to(past.iter().rfind(takes_part).unwrap_or(last_graded));
        if collected > valid_to.unix_ms() {
            return Err(Unqualified::Expired { valid_to });
        }
        Ok(Mark {
            scope: last_graded.provenance.scope.clone(),
            id: last_graded.provenance.statement,
            issuer,
            programme: last_graded.programme.clone(),
            rounds: looked_at.iter().map(|round| self.summary(round)).collect(),
            valid_from: last_graded.published_at,
            valid_to,
        })
    }

    fn valid_to(&self, round: &EqaRound) -> Moment {
        let days = |days: u32| i64::from(days) * 24;
        let due = round.next_due_at.unwrap_or(round.published_at.plus_hours(days(self.rules.round_interval_days)));
        due.plus_hours(days(self.rules.grace_days))
    }

    /// Says whether a round was satisfactory; none if it says nothing.
    fn satisfactory(&self, round: &EqaRound) -> Option<bool> {
        let all = rust_decimal::Decimal::ONE_HUNDRED;
        let full = self.rules.full_score_items.contains(&round.item);
        match round.outcome {
            EqaOutcome::Scored(score) => Some(score >= if full { all } else { self.rules.pass_score_percent }),
            EqaOutcome::NotReported => Some(false),
            EqaOutcome::Excused | EqaOutcome::NotGraded => None,
        }
    }

    fn summary(&self, round: &EqaRound) -> RoundSummary {
        let score_percent = match round.outcome {
            EqaOutcome::Scored(score) => Some(score),
            EqaOutcome::NotReported => Some(rust_decimal::Decimal::ZERO),
            EqaOutcome::Excused | EqaOutcome::NotGraded => None,
        };
        RoundSummary { year: round.year, round: round.round, score_percent, satisfactory: self.satisfactory(round) }
    }
}

impl Unqualified {
    /// Says whether it speaks against the laboratory whoever else qualified it.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::InDoubt { .. } | Self::Suspended { .. } | Self::Withdrawn { .. } | Self::Sanctioned { .. })
    }
}

impl Records {
    /// Gives what was known of the item's rounds, each in the last form its centre gave it.
    fn known_rounds<'a>(&'a self, question: &Question<'_>) -> impl Iterator<Item = &'a EqaRound> {
        let known_at = question.known_at.unix_ms();
        let mut latest: BTreeMap<_, &EqaRound> = BTreeMap::new();
        for round in self.rounds.get(&question.item).into_iter().flatten() {
            let learned = |round: &EqaRound| (round.provenance.learned_at.unix_ms(), round.provenance.statement);
            if round.provenance.learned_at.unix_ms() > known_at || round.published_at.unix_ms() > known_at {
                continue;
            }
            let name = (round.provenance.issuer, &round.programme, round.year, round.round, &round.method);
            let kept = latest.entry(name).or_insert(round);
            if learned(round) > learned(kept) {
                *kept = round;
            }
        }
        latest.into_values()
    }

    /// Groups the rounds that speak of the result's method by centre and method, each sorted by publication.
    fn tracks<'a>(&'a self, question: &Question<'_>) -> Vec<(OrganisationCode, Vec<&'a EqaRound>)> {
        let mut tracks: BTreeMap<(OrganisationCode, Option<&str>), Vec<&EqaRound>> = BTreeMap::new();
        for round in self.known_rounds(question).filter(|round| speaks_of(round.method.as_deref(), question)) {
            tracks.entry((round.provenance.issuer, round.method.as_deref())).or_default().push(round);
        }
        let sorted = tracks.into_iter().map(|((issuer, _), mut rounds)| {
            rounds.sort_by_key(|round| (round.published_at.unix_ms(), round.sampled_at.unix_ms(), round.outcome));
            (issuer, rounds)
        });
        sorted.collect()
    }

    fn credentials_for<'a>(&'a self, question: &Question<'_>) -> impl Iterator<Item = &'a Credential> {
        let by_item = self.credentials.get(&Subject::Item(question.item));
        let modality = question.modality.map(|modality| Subject::Modality(modality.to_owned()));
        let by_modality = modality.and_then(|subject| self.credentials.get(&subject));
        by_item.into_iter().chain(by_modality).flatten().filter(move |credential| {
            credential.provenance.learned_at.unix_ms() <= question.known_at.unix_ms()
                && speaks_of(credential.method.as_deref(), question)
        })
    }

    fn sanctions_on<'a>(&'a self, question: &Question<'_>) -> impl Iterator<Item = &'a Sanction> {
        self.sanctions.iter().filter(move |sanction| {
            let concerned = match &sanction.subject {
                None => true,
                Some(Subject::Item(item)) => *item == question.item,
                Some(Subject::Modality(modality)) => question.modality == Some(modality.as_str()),
            };
            concerned && sanction.provenance.learned_at.unix_ms() <= question.known_at.unix_ms()
        })
    }

    /// Finds a suspension in force: of each centre's acts with effect on the date, the one decided last counts.
    fn sanction_against(&self, question: &Question<'_>) -> Option<Unqualified> {
        let mut last: BTreeMap<OrganisationCode, &Sanction> = BTreeMap::new();
        let decided = |sanction: &Sanction| (sanction.provenance.learned_at.unix_ms(), sanction.act);
        for sanction in self.sanctions_on(question) {
            if sanction.effective_at.unix_ms() > question.collected_at.unix_ms() {
                continue;
            }
            let kept = last.entry(sanction.provenance.issuer).or_insert(sanction);
            if decided(sanction) >= decided(kept) {
                *kept = sanction;
            }
        }
        let in_force = last.into_values().find(|sanction| sanction.act == SanctionAct::Suspend)?;
        Some(Unqualified::Sanctioned { effective_at: in_force.effective_at })
    }

    /// Says whether the centre lifted what its failed round began, with effect on the date.
    fn restored(&self, issuer: OrganisationCode, since: Moment, question: &Question<'_>) -> bool {
        let span = since.unix_ms()..=question.collected_at.unix_ms();
        self.sanctions_on(question).any(|sanction| {
            sanction.act == SanctionAct::Restore
                && sanction.provenance.issuer == issuer
                && span.contains(&sanction.effective_at.unix_ms())
        })
    }

    /// Says whether anything at all is on record for the item or modality, whatever the method.
    fn knows(&self, question: &Question<'_>) -> bool {
        let any_method = self.known_rounds(question).next().is_some();
        any_method || self.credentials.contains_key(&Subject::Item(question.item))
    }
}

/// Says whether a record for a method (or all) speaks of the result's method; an unknown method is spoken of by no
/// record that names one.
fn speaks_of(method: Option<&str>, question: &Question<'_>) -> bool {
    method.is_none_or(|method| question.method == Some(method))
}

fn credential_mark(credential: &Credential, collected_at: Moment) -> Result<Mark, Unqualified> {
    if collected_at.unix_ms() < credential.valid_from.unix_ms() {
        return Err(Unqualified::NotYet { from: credential.valid_from });
    }
    if collected_at.unix_ms() > credential.valid_to.unix_ms() {
        return Err(Unqualified::Expired { valid_to: credential.valid_to });
    }
    Ok(Mark {
        scope: credential.provenance.scope.clone(),
        id: credential.provenance.statement,
        issuer: credential.provenance.issuer,
        programme: credential.basis.clone(),
        rounds: Vec::new(),
        valid_from: credential.valid_from,
        valid_to: credential.valid_to,
    })
}
