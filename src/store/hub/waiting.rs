//! Prompts that wait for somebody, by the day since which they wait.

use std::ops::ControlFlow;

use super::{HubChange, HubTables};
use crate::domain::follow_up::WaitsFor;
use crate::domain::id::PromptId;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker, Unsealed, sortable, unsortable};
use crate::store::projection::{ProjectionError, Rows, Table};

/// A prompt that waits; ordered as they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitingPrompt {
    /// The day of `since`, at its own offset.
    pub day: i64,
    /// The organisation to which it was raised.
    pub organisation: OrganisationCode,
    /// Which.
    pub prompt: PromptId,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub since_unix_ms: i64,
}

pub(super) const TABLES: &[Table] = &[OPEN_PROMPTS, OWED_REASONS];

impl<R: Rows> HubTables<R> {
    /// Visits the waiting prompts of day `first` to day `last`, both included, until told to stop.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn waiting(
        &self,
        what: WaitsFor,
        first: i64,
        last: i64,
        mut visitor: impl FnMut(WaitingPrompt) -> ControlFlow<()>,
    ) -> Result<(), ProjectionError> {
        let from = sortable(first).to_be_bytes();
        let to = Packer::default().long(sortable(last)).byte(u8::MAX).finish();
        self.0.visit(table(what), &from, &to, &mut |key, value| {
            let mut key = Unpacker::new(key);
            let day = unsortable(key.long()?);
            let code: [u8; ORGANISATION_BYTES] = key.bytes()?;
            let organisation = std::str::from_utf8(&code).ok().and_then(|code| code.parse().ok()).ok_or(Unsealed)?;
            let prompt = PromptId::new(key.bytes()?);
            let since_unix_ms = unsortable(Unpacker::new(value).long()?);
            Ok(visitor(WaitingPrompt { day, organisation, prompt, since_unix_ms }))
        })
    }
}

impl HubChange<'_> {
    /// Notes that a prompt waits since an instant.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_waiting(
        &self,
        what: WaitsFor,
        prompt: PromptId,
        organisation: OrganisationCode,
        since: Moment,
    ) -> Result<(), ProjectionError> {
        self.put(table(what), &key(prompt, organisation, since), &sortable(since.unix_ms()).to_be_bytes())
    }

    /// Notes that a prompt that has waited since an instant waits no more.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove_waiting(
        &self,
        what: WaitsFor,
        prompt: PromptId,
        organisation: OrganisationCode,
        since: Moment,
    ) -> Result<(), ProjectionError> {
        self.remove(table(what), &key(prompt, organisation, since))
    }
}

fn table(what: WaitsFor) -> Table {
    match what {
        WaitsFor::Answer => OPEN_PROMPTS,
        WaitsFor::Reason => OWED_REASONS,
    }
}

fn key(prompt: PromptId, organisation: OrganisationCode, since: Moment) -> Vec<u8> {
    let organisation = organisation.as_str().as_bytes();
    Packer::default().long(sortable(since.local_day())).bytes(organisation).bytes(prompt.as_bytes()).finish()
}

const OPEN_PROMPTS: Table = Table::new("open_prompts");
const OWED_REASONS: Table = Table::new("owed_reasons");
const ORGANISATION_BYTES: usize = 18;
