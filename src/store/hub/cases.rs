//! Cases: results of which a doctor says that they are not the patient's, until somebody has looked into it.

use std::ops::ControlFlow;

use super::{HubChange, HubTables};
use crate::domain::id::{CaseId, PromptId, ReportId, ResultId};
use crate::domain::log::LogPlace;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker, Unsealed};
use crate::store::projection::{ProjectionError, Rows, Table};

/// A case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptCase {
    /// Names it.
    pub id: CaseId,
    /// The prompt on which it was said.
    pub prompt: PromptId,
    /// The result, by its name in the region.
    pub result: ResultId,
    /// The report that holds it, by its publisher's name.
    pub report: ReportId,
    /// Version of the result that was prompted.
    pub version: u32,
    /// Who published the result.
    pub publisher: OrganisationCode,
    /// Whose doctor said it.
    pub opened_by: OrganisationCode,
    /// When it was recorded.
    pub opened_at: Moment,
    /// The decision's record.
    pub opened: LogPlace,
    /// When it was closed, and the record that closed it.
    pub closed: Option<(Moment, LogPlace)>,
}

pub(super) const TABLES: &[Table] = &[CASES, CASE_ORDER, CASE_PROMPTS];

impl<R: Rows> HubTables<R> {
    /// Gives a case.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn case(&self, id: CaseId) -> Result<Option<KeptCase>, ProjectionError> {
        Ok(self.row(CASES, id.as_bytes())?.map(|found| unpacked(id, &found)).transpose()?)
    }

    /// Gives the last case that was opened on a prompt.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn case_on(&self, prompt: PromptId) -> Result<Option<KeptCase>, ProjectionError> {
        let Some(found) = self.row(CASE_PROMPTS, prompt.as_bytes())? else { return Ok(None) };
        self.case(CaseId::new(Unpacker::new(&found).bytes()?))
    }

    /// Visits the cases, the newest first, until told to stop.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn cases(&self, mut visitor: impl FnMut(KeptCase) -> ControlFlow<()>) -> Result<(), ProjectionError> {
        self.0.visit(CASE_ORDER, &[], &[u8::MAX; 25], &mut |key, _| {
            let id = key.last_chunk().copied().map(CaseId::new).ok_or(Unsealed)?;
            Ok(visitor(self.case(id)?.ok_or(ProjectionError::Damaged)?))
        })
    }
}

impl HubChange<'_> {
    /// Keeps a case, or how it was closed.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_case(&self, kept: &KeptCase) -> Result<(), ProjectionError> {
        let (closed_at, closed) = kept.closed.unwrap_or((kept.opened_at, kept.opened));
        let value = Packer::default()
            .bytes(kept.prompt.as_bytes())
            .bytes(kept.result.as_bytes())
            .bytes(kept.report.as_bytes())
            .word(kept.version)
            .bytes(kept.publisher.as_str().as_bytes())
            .bytes(kept.opened_by.as_str().as_bytes())
            .moment(kept.opened_at)
            .place(kept.opened)
            .byte(u8::from(kept.closed.is_some()))
            .moment(closed_at)
            .place(closed);
        self.put(CASES, kept.id.as_bytes(), &value.finish())?;
        let order = Packer::default().long(u64::MAX - kept.opened.sequence.0).bytes(kept.id.as_bytes());
        self.put(CASE_ORDER, &order.finish(), &[])?;
        self.put(CASE_PROMPTS, kept.prompt.as_bytes(), kept.id.as_bytes())
    }
}

fn unpacked(id: CaseId, value: &[u8]) -> Result<KeptCase, Unsealed> {
    let mut value = Unpacker::new(value);
    let (prompt, result) = (PromptId::new(value.bytes()?), ResultId::new(value.bytes()?));
    let (report, version) = (ReportId::new(value.bytes()?), value.word()?);
    let (publisher, opened_by) = (organisation(&mut value)?, organisation(&mut value)?);
    let (opened_at, opened) = (value.moment()?, value.place()?);
    let closed = (value.byte()? != 0, value.moment()?, value.place()?);
    let closed = closed.0.then_some((closed.1, closed.2));
    Ok(KeptCase { id, prompt, result, report, version, publisher, opened_by, opened_at, opened, closed })
}

fn organisation(value: &mut Unpacker<'_>) -> Result<OrganisationCode, Unsealed> {
    let code: [u8; ORGANISATION_BYTES] = value.bytes()?;
    std::str::from_utf8(&code).ok().and_then(|code| code.parse().ok()).ok_or(Unsealed)
}

const ORGANISATION_BYTES: usize = 18;
const CASES: Table = Table::new("cases");
const CASE_ORDER: Table = Table::new("case order");
const CASE_PROMPTS: Table = Table::new("case prompts");
