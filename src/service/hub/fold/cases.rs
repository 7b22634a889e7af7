//! What records do to cases: a decline that says "not this patient" opens one, and whoever looked into it closes it.

use super::AskedAbout;
use super::recalls::Telling;
use crate::domain::id::{CaseId, PromptId, ResultId};
use crate::service::hub::error::HubError;
use crate::store::hub::{KeptCase, KeptPrompt};
use crate::wire::field::fixed;
use crate::wire::pb;
use crate::wire::recall::case_id;
use crate::wire::record::Record;

/// Opens the case of a prompt, unless one was closed because the result is not the patient's.
pub(super) fn open(
    id: PromptId,
    kept: &KeptPrompt,
    asked: &AskedAbout,
    telling: &Telling<'_, '_>,
) -> Result<(), HubError> {
    if found_wrong(telling.change.case_on(id)?.as_ref(), telling)? {
        return Ok(());
    }
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

/// Closes the case of a prompt whose decision was taken back or replaced, and has the result offered again; not where it
/// was found that the result is not the patient's.
pub(super) fn take_back(id: PromptId, result: ResultId, telling: &Telling<'_, '_>) -> Result<(), HubError> {
    let case = telling.change.case_on(id)?;
    if found_wrong(case.as_ref(), telling)? {
        return Ok(());
    }
    if let Some(case) = case.filter(|case| case.closed.is_none()) {
        telling.change.put_case(&KeptCase { closed: Some((telling.at, telling.place)), ..case })?;
    }
    Ok(telling.change.remove_disputed(result, id)?)
}

/// Closes a case with what was found; a right link is offered again.
pub(super) fn close(record: &pb::CaseClosedRecord, telling: &Telling<'_, '_>) -> Result<(), HubError> {
    let id: CaseId = fixed("case_id", &record.case_id)?;
    let Some(case) = telling.change.case(id)?.filter(|case| case.closed.is_none()) else { return Ok(()) };
    if record.finding() == pb::CaseFinding::LinkRight {
        telling.change.remove_disputed(case.result, case.prompt)?;
    }
    Ok(telling.change.put_case(&KeptCase { closed: Some((telling.at, telling.place)), ..case })?)
}

/// Says whether a case was closed because the result is not the patient's.
fn found_wrong(case: Option<&KeptCase>, telling: &Telling<'_, '_>) -> Result<bool, HubError> {
    let Some((_, closed)) = case.and_then(|case| case.closed) else { return Ok(false) };
    match (telling.read_back)(closed)? {
        Record::CaseClosed(closed) => Ok(closed.finding() == pb::CaseFinding::LinkWrong),
        _ => Ok(false),
    }
}
