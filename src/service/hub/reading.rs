//! Results read one by one or as lists, outside of an order: which of them a reader may see, and by what right. Every
//! use is asked anew, and is recorded by the door before anything is shown.

use std::collections::BTreeSet;

use crate::domain::entry::ResultStatus;
use crate::domain::id::{PromptId, Pseudonym, ResultId, ResultLocator};
use crate::domain::limits::CANDIDATES_MAX;
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::ports::index::{EntryKind, IndexEntry};
use crate::service::hub::Hub;
use crate::service::hub::answer::Speaker;
use crate::service::hub::audience::{Audience, Basis, sensitive};
use crate::service::hub::candidates::Found;
use crate::service::hub::error::HubError;
use crate::service::hub::fold::{regional, report_tag};
use crate::store::hub::{HubView, KeptPrompt, PromptState};
use crate::store::projection::ProjectionError;
use crate::wire::batch::Batch;
use crate::wire::field::{fixed, moment, parsed};
use crate::wire::pb;
use crate::wire::record::Record;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// An organisation, for its patients.
    Organisation(OrganisationCode),
    /// The patient, or who acts for the patient.
    Patient(Pseudonym),
    /// Who oversees the exchange: what is signed and recorded, and no value of a patient.
    Overseer,
}

/// A result that may be read.
#[derive(Debug, Clone)]
pub struct Readable {
    /// The result.
    pub found: Found,
    /// As a doctor reads it.
    pub summary: pb::ResultSummary,
    /// Its name in the region.
    pub name: ResultId,
    /// Whether a later version took its place.
    pub superseded: bool,
    /// By what right it is read; nothing where it is overseen.
    pub basis: Option<Basis>,
}

/// What became of a result that was asked for by its locator.
#[derive(Debug, Clone)]
pub enum Located {
    /// There is none.
    Missing,
    /// The reader may not see it; this is whose it is.
    Denied(Pseudonym),
    /// Its publisher took it out of use.
    Withdrawn,
    /// It may be read.
    Readable(Box<Readable>),
}

/// An order line that was checked and prompted.
#[derive(Debug, Clone)]
pub struct CheckedLine {
    /// The record of the check.
    pub sequence: Sequence,
    /// The check.
    pub check: pb::CheckRecord,
    /// Place of the line in the check.
    pub line: usize,
    /// When it was checked.
    pub at: Moment,
    /// The patient.
    pub patient: Pseudonym,
    /// Codes of the reasons for which prompts of the line were declined.
    pub declined: Vec<String>,
    /// Whether any was declined, with a reason or without.
    pub is_declined: bool,
    /// Whether prompts answer all of the line, and all were accepted.
    pub answered: bool,
}

/// A decision that stands.
#[derive(Debug, Clone)]
pub struct StandingDecision {
    /// The prompt.
    pub prompt: PromptId,
    /// What is kept of the prompt.
    pub kept: KeptPrompt,
    /// What the result that it offered is found by.
    pub result: ResultLocator,
    /// The decision.
    pub decision: pb::Decision,
    /// The record that holds it.
    pub record: pb::DecisionRecord,
    /// When it was recorded.
    pub at: Moment,
    /// Place of the line in its check.
    pub line: usize,
}

impl Hub {
    /// Lists a patient's results that a reader may see, in their latest versions, newest first; withdrawn ones not.
    /// One scan of the index, from `not_before` on where that is given. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`]; nothing may be shown.
    pub fn readable(
        &self,
        viewer: Viewer,
        patient: Pseudonym,
        not_before: Option<Moment>,
    ) -> Result<Vec<Readable>, HubError> {
        let mut indexed = self.all_of(patient, not_before)?;
        indexed.retain(|entry| !entry.superseded && entry.status != ResultStatus::Withdrawn);
        let mut readable = self.permitted(viewer, patient, &indexed)?;
        readable.retain(|readable| !readable.superseded);
        Ok(readable)
    }

    /// Finds a result by its locator: the version that stands, or an earlier one. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`]; nothing may be shown.
    pub fn located(&self, viewer: Viewer, result: ResultLocator, version: Option<u32>) -> Result<Located, HubError> {
        let Some(latest) = self.parts.index.latest(result)? else { return Ok(Located::Missing) };
        let patient = latest.patient;
        let entry = match version {
            None => Some(latest),
            Some(version) => {
                let all = self.all_of(patient, None)?;
                // Of equal versions the later in the log stands.
                let is = |entry: &&IndexEntry| entry.locator() == result && entry.version == version;
                all.iter().filter(is).max_by_key(|entry| (entry.sequence, entry.place)).cloned()
            }
        };
        let Some(entry) = entry else { return Ok(Located::Missing) };
        let permitted = self.permitted(viewer, patient, std::slice::from_ref(&entry))?.pop();
        Ok(match permitted {
            None => Located::Denied(patient),
            Some(_) if entry.status == ResultStatus::Withdrawn => Located::Withdrawn,
            Some(readable) => Located::Readable(Box::new(readable)),
        })
    }

    /// Says whether the region has any result of a patient.
    ///
    /// # Errors
    /// [`HubError::Index`] when the index is damaged.
    pub fn knows(&self, patient: Pseudonym) -> Result<bool, HubError> {
        Ok(!self.parts.index.scan(patient, oldest(), 1)?.is_empty())
    }

    /// Says whether a result is a study of images.
    ///
    /// # Errors
    /// [`HubError::Index`] when the index is damaged.
    pub fn is_imaging(&self, result: ResultLocator) -> Result<bool, HubError> {
        Ok(self.parts.index.latest(result)?.is_some_and(|entry| entry.kind == EntryKind::Imaging))
    }

    /// Reads the batch that brought a result, and when the hub took it. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`] when the journal is damaged.
    pub fn signed_batch(&self, found: &Found) -> Result<(Batch, Moment), HubError> {
        let Record::Batch(record) = self.parts.ledger.read(found.batch)? else {
            return Err(ProjectionError::Damaged.into());
        };
        let received_at = moment("received_at", record.received_at.as_ref())?;
        Ok((Batch::decode(record.batch)?, received_at))
    }

    /// Lists the order lines of a patient that were checked and prompted: an organisation's own, the patient's all.
    ///
    /// # Errors
    /// [`HubError`]; nothing may be shown.
    pub fn checked_lines(&self, viewer: Viewer, patient: Pseudonym) -> Result<Vec<CheckedLine>, HubError> {
        let view = self.parts.state.read()?;
        let mut lines = Vec::new();
        for place in view.accesses(patient, Sequence(u64::MAX), ACTS_MAX)? {
            if let Record::Check(check) = self.parts.ledger.read(place)? {
                lines.extend(lines_of(viewer, place, &check, &view, self)?);
            }
        }
        Ok(lines)
    }

    /// Finds such an order line by the record of its check and its place in it.
    ///
    /// # Errors
    /// [`HubError`]; nothing may be shown.
    pub fn checked_line(&self, viewer: Viewer, check: Sequence, line: usize) -> Result<Option<CheckedLine>, HubError> {
        let view = self.parts.state.read()?;
        let Some(position) = view.position(check)? else { return Ok(None) };
        let place = LogPlace { sequence: check, position };
        let Record::Check(record) = self.parts.ledger.read(place)? else { return Ok(None) };
        let lines = lines_of(viewer, place, &record, &view, self)?;
        Ok(lines.into_iter().find(|found| found.line == line))
    }

    /// Lists the decisions on a patient's prompts that stand: an organisation's own, the patient's all.
    ///
    /// # Errors
    /// [`HubError`]; nothing may be shown.
    pub fn standing_decisions(&self, viewer: Viewer, patient: Pseudonym) -> Result<Vec<StandingDecision>, HubError> {
        let view = self.parts.state.read()?;
        let mut prompts = BTreeSet::new();
        for place in view.accesses(patient, Sequence(u64::MAX), ACTS_MAX)? {
            if let Record::Decision(record) = self.parts.ledger.read(place)? {
                for decision in &record.decisions {
                    prompts.insert(fixed::<PromptId>("prompt_id", &decision.prompt_id)?);
                }
            }
        }
        let mut standing = Vec::new();
        for prompt in prompts {
            let decision = self.standing_decision(viewer, prompt)?;
            standing.extend(decision.filter(|decision| decision.kept.patient == patient));
        }
        Ok(standing)
    }

    /// Finds the decision on a prompt, if one stands that the reader may see.
    ///
    /// # Errors
    /// [`HubError`]; nothing may be shown.
    pub fn standing_decision(&self, viewer: Viewer, prompt: PromptId) -> Result<Option<StandingDecision>, HubError> {
        let view = self.parts.state.read()?;
        let Some(kept) = view.prompt(prompt)? else { return Ok(None) };
        if !viewer.may_see(kept.organisation, kept.patient) {
            return Ok(None);
        }
        let Some((decision, record)) = self.decision_on(&view, prompt, &kept)? else { return Ok(None) };
        let at = moment("at", record.at.as_ref())?;
        let Record::Check(check) = self.parts.ledger.read(kept.check)? else {
            return Err(ProjectionError::Damaged.into());
        };
        let offered = check.prompts.get(usize::from(kept.ordinal)).ok_or(ProjectionError::Damaged)?;
        let line = check.lines.iter().position(|line| line.line_id == offered.line_id).unwrap_or_default();
        let publisher = parsed("publisher", &offered.publisher, "organisation code")?;
        let result = ResultLocator::of(report_tag(publisher, kept.report), kept.result);
        Ok(Some(StandingDecision { prompt, kept, result, decision, record, at, line }))
    }

    /// Reads the decision that stands on a prompt, and the record that holds it.
    pub(super) fn decision_on(
        &self,
        view: &HubView,
        prompt: PromptId,
        kept: &KeptPrompt,
    ) -> Result<Option<(pb::Decision, pb::DecisionRecord)>, HubError> {
        let sequence = match kept.state {
            PromptState::Open => return Ok(None),
            PromptState::Accepted(sequence) | PromptState::Declined(sequence) => sequence,
        };
        let position = view.position(sequence)?.ok_or(ProjectionError::Damaged)?;
        let Record::Decision(record) = self.parts.ledger.read(LogPlace { sequence, position })? else {
            return Err(ProjectionError::Damaged.into());
        };
        let is = |decision: &&pb::Decision| decision.prompt_id.as_ref() == prompt.as_bytes();
        let decision = record.decisions.iter().find(is).cloned().ok_or(ProjectionError::Damaged)?;
        Ok(Some((decision, record)))
    }

    pub(super) fn all_of(&self, patient: Pseudonym, not_before: Option<Moment>) -> Result<Vec<IndexEntry>, HubError> {
        Ok(self.parts.index.scan(patient, not_before.unwrap_or_else(oldest), CANDIDATES_MAX)?)
    }

    /// Reads entries of a patient, and keeps those that the reader may see.
    fn permitted(&self, viewer: Viewer, patient: Pseudonym, indexed: &[IndexEntry]) -> Result<Vec<Readable>, HubError> {
        let now = self.now();
        let version = self.registry().rules(now)?.version;
        let speaker = Speaker { version: &version, language: pb::Language::Zh };
        let rights = self.rights(viewer, patient, now)?;
        let mut readable = Vec::new();
        let view = self.parts.state.read()?;
        for (found, entry) in self.entries(indexed)?.into_iter().zip(indexed) {
            let right = rights.of(&found).filter(|_| found.key_valid && found.entry.patient == patient);
            // What a doctor calls another person's is shown to its publisher alone.
            if right.is_some_and(|basis| basis != Some(Basis::Own)) && view.disputed(entry.result)? {
                continue;
            }
            if right == Some(None) && sensitive(&version, &found.entry) {
                continue;
            }
            let later = found.outdated(&view)?;
            readable.extend(right.map(|basis| Readable {
                summary: speaker.result(&found),
                name: entry.result,
                superseded: entry.superseded || later,
                basis,
                found,
            }));
        }
        Ok(readable)
    }
}

impl Hub {
    fn rights(&self, viewer: Viewer, patient: Pseudonym, now: Moment) -> Result<Rights, HubError> {
        Ok(match viewer {
            Viewer::Patient(own) => Rights::Patient(own),
            Viewer::Overseer => Rights::Overseer,
            Viewer::Organisation(organisation) => Rights::Organisation {
                organisation,
                audience: Box::new(self.audience(organisation, patient, now)?),
                accepted: self.accepted_by(organisation, patient)?,
                glass_open: self.glass_open(organisation, patient, now)?,
            },
        })
    }

    /// Gathers the results of a patient that an organisation accepted, by their names in the region.
    fn accepted_by(&self, organisation: OrganisationCode, patient: Pseudonym) -> Result<BTreeSet<ResultId>, HubError> {
        let standing = self.standing_decisions(Viewer::Organisation(organisation), patient)?;
        let accepted = standing.into_iter().filter(|decision| matches!(decision.kept.state, PromptState::Accepted(_)));
        Ok(accepted.map(|decision| decision.kept.result).collect())
    }
}

/// What a reader may see of one patient.
enum Rights {
    /// Everything of one's own.
    Patient(Pseudonym),
    /// What is signed.
    Overseer,
    /// What an organisation published, what the patient opened to it, what it accepted, and in an emergency the rest.
    Organisation {
        organisation: OrganisationCode,
        audience: Box<Audience>,
        accepted: BTreeSet<ResultId>,
        glass_open: bool,
    },
}

impl Rights {
    /// Gives the right to see a result, and what it rests on; nothing where there is none.
    fn of(&self, found: &Found) -> Option<Option<Basis>> {
        let entry = &found.entry;
        match self {
            Self::Patient(own) => (entry.patient == *own).then_some(Some(Basis::Patient)),
            Self::Overseer => Some(None),
            Self::Organisation { organisation, audience, accepted, glass_open } => {
                if entry.publisher == *organisation {
                    return Some(Some(Basis::Own));
                }
                if let Some(consent) = audience.consented(entry) {
                    return Some(Some(Basis::Consent(consent)));
                }
                if audience.is_sensitive(entry) {
                    return None;
                }
                let name = regional(entry.publisher, entry.result);
                let without = glass_open.then_some(Basis::BreakGlass);
                if accepted.contains(&name) { Some(Some(Basis::Care)) } else { without.map(Some) }
            }
        }
    }
}

impl Viewer {
    /// Says whether what an organisation did for a patient is this reader's to see.
    fn may_see(self, organisation: OrganisationCode, patient: Pseudonym) -> bool {
        match self {
            Self::Organisation(own) => own == organisation,
            Self::Patient(own) => own == patient,
            Self::Overseer => false,
        }
    }
}

/// Gives the lines of a check that were prompted, where the reader may see them.
fn lines_of(
    viewer: Viewer,
    place: LogPlace,
    check: &pb::CheckRecord,
    view: &HubView,
    hub: &Hub,
) -> Result<Vec<CheckedLine>, HubError> {
    let organisation = parsed("organisation", &check.organisation, "organisation code")?;
    let patient: Pseudonym = fixed("patient", &check.patient)?;
    if !viewer.may_see(organisation, patient) {
        return Ok(Vec::new());
    }
    let at = moment("at", check.at.as_ref())?;
    let mut lines = Vec::new();
    for (number, line) in check.lines.iter().enumerate() {
        let (mut prompts, mut accepted, mut declined, mut is_declined) = (0_usize, 0_usize, Vec::new(), false);
        for prompt in check.prompts.iter().filter(|prompt| prompt.line_id == line.line_id) {
            let id: PromptId = fixed("prompt_id", &prompt.prompt_id)?;
            let Some(kept) = view.prompt(id)? else { continue };
            prompts += 1;
            match kept.state {
                PromptState::Open => {}
                PromptState::Accepted(_) => accepted += 1,
                PromptState::Declined(_) => {
                    is_declined = true;
                    declined.extend(hub.standing_decision(viewer, id)?.and_then(reason_of));
                }
            }
        }
        if prompts == 0 {
            continue;
        }
        let answer = check.answers.iter().find(|answer| answer.line_id == line.line_id);
        let full = answer.is_some_and(|answer| answer.coverage() == pb::LineCoverage::Full);
        lines.push(CheckedLine {
            sequence: place.sequence,
            check: check.clone(),
            line: number,
            at,
            patient,
            declined,
            is_declined,
            answered: full && accepted == prompts,
        });
    }
    Ok(lines)
}

fn reason_of(decision: StandingDecision) -> Option<String> {
    match decision.decision.outcome {
        Some(pb::decision::Outcome::Decline(decline)) => Some(decline.reason),
        Some(pb::decision::Outcome::Accept(_) | pb::decision::Outcome::Unexplained(_)) | None => None,
    }
}

/// Gives an instant before every result.
fn oldest() -> Moment {
    Moment::new(OLDEST_UNIX_MS, 0).unwrap_or_else(|_| unreachable!("1900 is a year of the exchange"))
}

/// 1900-01-01T00:00:00Z.
const OLDEST_UNIX_MS: i64 = -2_208_988_800_000;
/// Most of a patient's checks and decisions that are looked at.
const ACTS_MAX: usize = 500;
