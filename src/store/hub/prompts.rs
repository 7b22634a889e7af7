//! Prompts that were raised, what became of them, and which results were decided in a visit.

use super::{HubChange, HubTables, hashed};
use crate::domain::id::{PromptId, Pseudonym, ReportId, ResultId};
use crate::domain::item::ItemCode;
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::OrganisationCode;
use crate::store::packing::{Packer, Unpacker, Unsealed};
use crate::store::projection::{ProjectionError, Rows, Table};

/// A prompt that was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptPrompt {
    /// The organisation to which it was raised.
    pub organisation: OrganisationCode,
    /// The record of its check.
    pub check: LogPlace,
    /// Its place among the prompts of the check, from 0.
    pub ordinal: u16,
    /// The patient.
    pub patient: Pseudonym,
    /// The result that it offers.
    pub result: ResultId,
    /// The version that was offered.
    pub version: u32,
    /// The report that holds the result.
    pub report: ReportId,
    /// What became of it.
    pub state: PromptState,
}

/// What became of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptState {
    /// Nobody has decided, or the decision was taken back.
    Open,
    /// Accepted by the decision in this record.
    Accepted(Sequence),
    /// Declined by the decision in this record.
    Declined(Sequence),
}

pub(super) const TABLES: &[Table] = &[PROMPTS, DECIDED, DISPUTED, PROMPTED];

impl<R: Rows> HubTables<R> {
    /// Gives a prompt.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn prompt(&self, prompt: PromptId) -> Result<Option<KeptPrompt>, ProjectionError> {
        let Some(found) = self.row(PROMPTS, prompt.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let code: [u8; ORGANISATION_BYTES] = found.bytes()?;
        let organisation = std::str::from_utf8(&code).ok().and_then(|code| code.parse().ok()).ok_or(Unsealed)?;
        Ok(Some(KeptPrompt {
            organisation,
            check: found.place()?,
            ordinal: found.half()?,
            patient: Pseudonym::new(found.bytes()?),
            result: ResultId::new(found.bytes()?),
            version: found.word()?,
            report: ReportId::new(found.bytes()?),
            state: match (found.byte()?, Sequence(found.long()?)) {
                (OPEN, Sequence(0)) => PromptState::Open,
                (ACCEPTED, decision) => PromptState::Accepted(decision),
                (DECLINED, decision) => PromptState::Declined(decision),
                _ => return Err(ProjectionError::Damaged),
            },
        }))
    }

    /// Gives the prompt by which a result was decided in a visit; it is not raised again there.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn decided(
        &self,
        organisation: OrganisationCode,
        encounter: &str,
        result: ResultId,
    ) -> Result<Option<PromptId>, ProjectionError> {
        let found = self.row(DECIDED, &visit_key(organisation, encounter, result))?;
        Ok(found.map(|found| Unpacker::new(&found).bytes().map(PromptId::new)).transpose()?)
    }
}

impl<R: Rows> HubTables<R> {
    /// Gives how many prompts were raised for an item in a visit.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn prompted(
        &self,
        organisation: OrganisationCode,
        encounter: &str,
        item: ItemCode,
    ) -> Result<u32, ProjectionError> {
        let found = self.row(PROMPTED, &visit_item_key(organisation, encounter, item))?;
        Ok(found.map_or(Ok(0), |found| Unpacker::new(&found).word())?)
    }

    /// Says whether a doctor has said of a result that it is not the patient's.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn disputed(&self, result: ResultId) -> Result<bool, ProjectionError> {
        Ok(self.row(DISPUTED, result.as_bytes())?.is_some())
    }
}

impl HubChange<'_> {
    /// Counts a prompt that was raised for an item in a visit.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn count_prompted(
        &self,
        organisation: OrganisationCode,
        encounter: &str,
        item: ItemCode,
    ) -> Result<(), ProjectionError> {
        let prompted = self.prompted(organisation, encounter, item)?.saturating_add(1);
        self.put(PROMPTED, &visit_item_key(organisation, encounter, item), &prompted.to_be_bytes())
    }

    /// Notes that a result is said not to be the patient's, by the prompt that was declined so.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_disputed(&self, result: ResultId, prompt: PromptId) -> Result<(), ProjectionError> {
        self.put(DISPUTED, result.as_bytes(), prompt.as_bytes())
    }

    /// Takes the note of [`HubChange::put_disputed`] back, if it was this prompt's.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove_disputed(&self, result: ResultId, prompt: PromptId) -> Result<(), ProjectionError> {
        let noted = self.row(DISPUTED, result.as_bytes())?;
        if noted.is_some_and(|noted| noted == prompt.as_bytes()) {
            self.remove(DISPUTED, result.as_bytes())
        } else {
            Ok(())
        }
    }

    /// Keeps a prompt, or what became of it.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_prompt(&self, prompt: PromptId, kept: &KeptPrompt) -> Result<(), ProjectionError> {
        let (state, decision) = match kept.state {
            PromptState::Open => (OPEN, Sequence(0)),
            PromptState::Accepted(decision) => (ACCEPTED, decision),
            PromptState::Declined(decision) => (DECLINED, decision),
        };
        let value = Packer::default()
            .bytes(kept.organisation.as_str().as_bytes())
            .place(kept.check)
            .half(kept.ordinal)
            .bytes(kept.patient.as_bytes())
            .bytes(kept.result.as_bytes())
            .word(kept.version)
            .bytes(kept.report.as_bytes())
            .byte(state)
            .long(decision.0);
        self.put(PROMPTS, prompt.as_bytes(), &value.finish())
    }

    /// Changes what became of a prompt; false when there is no such prompt.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn set_prompt_state(&self, prompt: PromptId, state: PromptState) -> Result<bool, ProjectionError> {
        let Some(kept) = self.prompt(prompt)? else { return Ok(false) };
        self.put_prompt(prompt, &KeptPrompt { state, ..kept })?;
        Ok(true)
    }

    /// Notes that a result was decided in a visit.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_decided(
        &self,
        organisation: OrganisationCode,
        encounter: &str,
        result: ResultId,
        prompt: PromptId,
    ) -> Result<(), ProjectionError> {
        self.put(DECIDED, &visit_key(organisation, encounter, result), prompt.as_bytes())
    }

    /// Forgets that a result was decided in a visit, when the decision is taken back.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove_decided(
        &self,
        organisation: OrganisationCode,
        encounter: &str,
        result: ResultId,
    ) -> Result<(), ProjectionError> {
        self.remove(DECIDED, &visit_key(organisation, encounter, result))
    }
}

/// The visit's number is the hospital's own and is kept only hashed.
fn visit_key(organisation: OrganisationCode, encounter: &str, result: ResultId) -> Vec<u8> {
    let visit = Packer::default().bytes(organisation.as_str().as_bytes()).bytes(encounter.as_bytes()).finish();
    Packer::default().bytes(&hashed(&visit)).bytes(result.as_bytes()).finish()
}

fn visit_item_key(organisation: OrganisationCode, encounter: &str, item: ItemCode) -> Vec<u8> {
    let visit = Packer::default().bytes(organisation.as_str().as_bytes()).bytes(encounter.as_bytes()).finish();
    Packer::default().bytes(&hashed(&visit)).word(item.packed()).finish()
}

const PROMPTS: Table = Table::new("prompts");
const DECIDED: Table = Table::new("decided");
const DISPUTED: Table = Table::new("disputed");
const PROMPTED: Table = Table::new("prompted");
const ORGANISATION_BYTES: usize = 18;
const OPEN: u8 = 0;
const ACCEPTED: u8 = 1;
const DECLINED: u8 = 2;
