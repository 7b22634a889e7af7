//! Drafts to entries: compares what is said with what was said before, and gives versions. The same content again is
//! nothing new; what is older than the latest version, or contradicts whose it is, waits.

use std::collections::{BTreeMap, BTreeSet};

use super::core::Core;
use super::error::NodeError;
use super::names::{content_digest, is_older};
use super::sheet::{Change, Draft, Held, Reason, Truth};
use crate::domain::entry::{Content, Entry, Original, ResultStatus};
use crate::domain::id::{Pseudonym, ResultId};
use crate::domain::time::Moment;

/// Entries in the making, each the latest version of its result.
pub(super) struct Versions<'c> {
    core: &'c Core,
    latest: BTreeMap<ResultId, Entry>,
    entries: Vec<Entry>,
}

impl<'c> Versions<'c> {
    /// Begins without entries.
    pub fn new(core: &'c Core) -> Self {
        Self { core, latest: BTreeMap::new(), entries: Vec::new() }
    }

    /// Gives the entries made, in order.
    pub fn finish(self) -> Vec<Entry> {
        self.entries
    }

    /// Takes the changes of one sheet, and returns what of it waits. A withdrawal needs no patient: it takes the result
    /// out of use whoever it was said of, for a wrong patient is the usual reason.
    pub fn take(&mut self, patient: Result<Pseudonym, Held>, changes: Vec<Change>) -> Result<Vec<Held>, NodeError> {
        let mut held = Vec::new();
        for change in last_of_each(changes) {
            let waits = match (change, &patient) {
                (Change::Withdraw(result, reported, truth), _) => self.withdraw(result, reported, truth)?,
                (Change::WithdrawReport(report, reported), _) => {
                    let results = self.core.state.results_of(report)?;
                    if results.is_empty() {
                        held.push(Held::new(Reason::NothingBefore, "OBR-25"));
                    }
                    for result in results {
                        held.extend(self.withdraw(result, reported, Truth::Was)?);
                    }
                    None
                }
                (_, Err(why)) if held.contains(why) => None,
                (_, Err(why)) => Some(why.clone()),
                (Change::Say(draft), Ok(patient)) => self.say(*draft, *patient)?,
                (Change::Confirm(result, reported), Ok(patient)) => self.confirm(result, reported, *patient)?,
                (Change::Attach(result, original, _), Ok(patient)) => {
                    // One line for the report, however many documents it has.
                    self.attach(result, original, *patient)?.filter(|why| !held.contains(why))
                }
            };
            held.extend(waits);
        }
        Ok(held)
    }

    /// Says whether a result was ever said.
    pub fn knows(&self, result: ResultId) -> Result<bool, NodeError> {
        Ok(self.latest(result)?.is_some())
    }

    fn say(&mut self, mut draft: Draft, patient: Pseudonym) -> Result<Option<Held>, NodeError> {
        let publisher = self.core.settings.publisher;
        let Some(known) = self.latest(draft.result)? else {
            self.push(draft.entry(publisher, patient, 1));
            return Ok(None);
        };
        let is_study = is_study(&draft.content);
        if is_study {
            let prose = known.originals.iter().filter(|original| original.instance_uid.is_empty());
            draft.originals.extend(prose.cloned());
            draft.times.reported = later(draft.times.reported, known.times.reported);
        }
        let is_withdrawn = known.status == ResultStatus::Withdrawn;
        let reported = draft.times.reported;
        let entry = draft.entry(publisher, patient, known.version.saturating_add(1));
        if content_digest(&entry) == content_digest(&known) {
            return Ok(None);
        }
        if known.patient != patient && !is_withdrawn {
            return Ok(Some(Held::new(Reason::PatientDiffers, "PID-3")));
        }
        let takes_back = entry.status == ResultStatus::Preliminary && known.is_reportable();
        let revives = is_withdrawn && !is_older(known.times.reported, reported);
        let is_stale = is_older(reported, known.times.reported) || takes_back || revives;
        if is_stale && !is_study {
            return Ok(Some(Held::new(Reason::Stale, "OBR-22")));
        }
        self.push(entry);
        Ok(None)
    }

    fn withdraw(&mut self, result: ResultId, reported: Moment, truth: Truth) -> Result<Option<Held>, NodeError> {
        self.restate(result, reported, ResultStatus::Withdrawn, truth)
    }

    fn confirm(&mut self, result: ResultId, reported: Moment, patient: Pseudonym) -> Result<Option<Held>, NodeError> {
        match self.latest(result)? {
            Some(known) if known.patient != patient => Ok(Some(Held::new(Reason::PatientDiffers, "PID-3"))),
            Some(known) if known.is_reportable() => Ok(None),
            Some(known) if known.status == ResultStatus::Withdrawn => Ok(Some(Held::new(Reason::Stale, "OBX-11"))),
            _ => self.restate(result, reported, ResultStatus::Final, Truth::Was),
        }
    }

    /// Says the latest version again under another status.
    fn restate(
        &mut self,
        result: ResultId,
        reported: Moment,
        status: ResultStatus,
        truth: Truth,
    ) -> Result<Option<Held>, NodeError> {
        let Some(known) = self.latest(result)? else {
            return Ok(Some(Held::new(Reason::NothingBefore, "OBX-11")));
        };
        let entered_in_error = truth == Truth::NeverWas;
        if known.status == status && (known.entered_in_error || !entered_in_error) {
            return Ok(None);
        }
        let reported = if is_study(&known.content) { later(reported, known.times.reported) } else { reported };
        if is_older(reported, known.times.reported) {
            return Ok(Some(Held::new(Reason::Stale, "OBX-11")));
        }
        let mut entry = Entry { version: known.version.saturating_add(1), status, entered_in_error, ..known };
        entry.times.reported = reported;
        self.push(entry);
        Ok(None)
    }

    fn attach(&mut self, result: ResultId, original: Original, patient: Pseudonym) -> Result<Option<Held>, NodeError> {
        let Some(known) = self.latest(result)? else {
            return Ok(Some(Held::new(Reason::AwaitsStudy, "StudyInstanceUID")));
        };
        if known.patient != patient {
            return Ok(Some(Held::new(Reason::PatientDiffers, "PID-3")));
        }
        if known.originals.iter().any(|have| have.digest == original.digest) {
            return Ok(None);
        }
        let mut entry = Entry { version: known.version.saturating_add(1), ..known };
        entry.originals.push(original);
        self.push(entry);
        Ok(None)
    }

    fn latest(&self, result: ResultId) -> Result<Option<Entry>, NodeError> {
        if let Some(fresh) = self.latest.get(&result) {
            return Ok(Some(fresh.clone()));
        }
        Ok(self.core.latest(result)?.map(|(_, entry)| entry))
    }

    fn push(&mut self, entry: Entry) {
        self.latest.insert(entry.result, entry.clone());
        self.entries.push(entry);
    }
}

/// Says whether something is read whole and in the order of the journal: what is read now is the latest then, also where
/// a clock that was ahead has dated an earlier version later.
fn is_study(content: &Content) -> bool {
    matches!(content, Content::Imaging(_))
}

fn later(one: Moment, other: Moment) -> Moment {
    if is_older(one, other) { other } else { one }
}

/// Keeps the last word on each result: a report that says two things of one result means the later.
fn last_of_each(changes: Vec<Change>) -> Vec<Change> {
    let mut seen = BTreeSet::new();
    let mut kept: Vec<Change> = changes
        .into_iter()
        .rev()
        .filter(|change| match change {
            Change::Say(draft) => seen.insert(draft.result),
            Change::Confirm(result, _) | Change::Withdraw(result, ..) => seen.insert(*result),
            Change::WithdrawReport(..) | Change::Attach(..) => true,
        })
        .collect();
    kept.reverse();
    kept
}
