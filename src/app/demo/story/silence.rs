//! Results that must not be prompted: too old, of a laboratory that is suspended, with a mark that does not count here.

use std::io;

use serde_json::json;

use crate::app::demo::doctor::{Doctor, only_prompt, refusals};
use crate::app::demo::links::World;
use crate::app::demo::step::{Found, StepError, same, text};
use crate::app::demo::tell::Teller;
use crate::app::sample::cast::{DOUBTED, LOCAL, Patient, STALE};
use crate::wire::pb;

/// Tells the chapter.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    let title = text("九天前的血钾已超时限（七天），不提示", "Potassium of nine days ago has expired: no prompt");
    let expired = silent(world, "expired", 1, &STALE, 4, "WINDOW_EXPIRED");
    teller.step("expired", title, expired).await?;
    let title = text("被暂停资格的实验室，不提示", "The laboratory is suspended: no prompt");
    let unqualified = silent(world, "unqualified", 0, &DOUBTED, 1, SANCTIONED);
    teller.step("unqualified", title, unqualified).await?;
    let title = text("遵义市标识的结果在贵阳不提示", "A mark of Zunyi does not count in Guiyang: no prompt");
    let out_of_scope = silent(world, "out-of-scope", 0, &LOCAL, 1, "OUT_OF_SCOPE");
    teller.step("out-of-scope", title, out_of_scope).await?;
    let title = text("同一结果在遵义市内提示", "In Zunyi the same result is prompted");
    teller.step("in-scope", title, in_scope(world)).await
}

/// Orders potassium for a patient whose result must be kept quiet for the given reason.
async fn silent(
    world: &World,
    step: &'static str,
    hospital: usize,
    patient: &Patient,
    results: usize,
    reason: &'static str,
) -> Result<Found, StepError> {
    let doctor = Doctor::at(world, hospital)?;
    doctor.wait_for(patient, results).await?;
    let line = doctor.order(step, patient, ("catalogue", "L01001")).await?;
    same("prompts", 0, line.prompts.len())?;
    same("coverage", pb::LineCoverage::None, line.coverage())?;
    let found = refusals(&line);
    if !found.iter().any(|code| code == reason) {
        return Err(StepError::unexpected("the reason", reason, found.join(", ")));
    }
    let said = line.quiet.iter().flat_map(|quiet| &quiet.refusals).find(|refusal| refusal.code == reason);
    let said = said.map(|refusal| refusal.text.clone()).unwrap_or_default();
    Ok(Found::default().line(format!("{reason} {said}"), reason).fact("refusals", json!(found)))
}

async fn in_scope(world: &World) -> Result<Found, StepError> {
    let doctor = Doctor::at(world, 2)?;
    doctor.wait_for(&LOCAL, 1).await?;
    let line = doctor.order("in-scope", &LOCAL, ("catalogue", "L01001")).await?;
    let prompt = only_prompt(&line)?;
    let mark = prompt.evidence.clone().unwrap_or_default().mark;
    same("mark", "遵义市HR", mark.as_str())?;
    Ok(Found::default().line(prompt.text.clone(), format!("{mark}: {}", prompt.text)).fact("mark", mark))
}

const SANCTIONED: &str = "QUALIFICATION_SUSPENDED";
