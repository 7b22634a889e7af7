//! What records do to cases: a decline that says "not this patient" opens one, and whoever looked into it closes it.

use super::AskedAbout;
use super::recalls::Telling;
use crate::domain::id::{CaseId, PromptId};
use crate::service::hub::error::HubError;
use crate::store::hub::{KeptCase, KeptPrompt};
use crate::wire::field::fixed;
use crate::wire::pb;
use crate::wire::recall::case_id;

/// Opens the case of a prompt.
pub(super) fn open(id: PromptId, kept: &KeptPrompt, asked: &AskedAbout, telling: &Telling<'_>) -> Result<(), HubError> {
    let case = KeptCase {
        id: case_id(id, telling.place.sequence),
        prompt: id,
        result: kept.result,
        report: kept.report,
        version: kept.version,
        publisher: asked.publisher,
        opened_by: kept.organisation,
        opened_at: telling.at,
        opened: telling.place,
        closed: None,
    };
    Ok(telling.change.put_case(&case)?)
}

/// Closes the case of a prompt whose decision was taken back or replaced.
pub(super) fn take_back(id: PromptId, telling: &Telling<'_>) -> Result<(), HubError> {
    let Some(case) = telling.change.case_on(id)?.filter(|case| case.closed.is_none()) else { return Ok(()) };
    Ok(telling.change.put_case(&KeptCase { closed: Some((telling.at, telling.place)), ..case })?)
}

/// Closes a case with what was found; a right link is offered again.
pub(super) fn close(record: &pb::CaseClosedRecord, telling: &Telling<'_>) -> Result<(), HubError> {
    let id: CaseId = fixed("case_id", &record.case_id)?;
    let Some(case) = telling.change.case(id)?.filter(|case| case.closed.is_none()) else { return Ok(()) };
    if record.finding() == pb::CaseFinding::LinkRight {
        telling.change.remove_disputed(case.result, case.prompt)?;
    }
    Ok(telling.change.put_case(&KeptCase { closed: Some((telling.at, telling.place)), ..case })?)
}
