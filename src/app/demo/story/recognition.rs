//! A recent, qualified result: prompted with its value, accepted and opened, covering a panel in part, and declined.

use std::io;

use serde_json::json;
use tonic::Code;

use crate::app::demo::doctor::{Doctor, only_prompt};
use crate::app::demo::links::World;
use crate::app::demo::reports::FRESH_REPORT;
use crate::app::demo::step::{Found, StepError, same, text};
use crate::app::demo::tell::Teller;
use crate::app::sample::cast::{FRESH, GUIYANG};
use crate::wire::pb;

/// Tells the chapter.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    let mut prompted = None;
    let title = text(
        "遵义的医生开血钾：提示贵阳的结果及数值",
        "A doctor in Zunyi orders potassium: the result is prompted with its value",
    );
    teller.step("prompt", title, prompt(world, &mut prompted)).await?;
    let title = text("医生采纳并打开原始报告", "The doctor accepts and opens the original");
    teller.step("accept", title, accept(world, prompted)).await?;
    let mut partial = Vec::new();
    let title =
        text("电解质七项：四项已有结果，只开其余三项", "A panel of seven: four are covered, order only the rest");
    teller.step("partial", title, partly(world, &mut partial)).await?;
    let title = text("医生说明理由后不采纳", "The doctor declines with a reason");
    teller.step("decline", title, decline(world, partial)).await
}

async fn prompt(world: &World, prompted: &mut Option<pb::Prompt>) -> Result<Found, StepError> {
    let doctor = Doctor::at(world, 1)?;
    doctor.wait_for(&FRESH, 4).await?;
    let line = doctor.order("prompt", &FRESH, ("catalogue", "L01001")).await?;
    same("coverage", pb::LineCoverage::Full, line.coverage())?;
    let prompt = only_prompt(&line)?;
    let result = prompt.result.clone().unwrap_or_default();
    let evidence = prompt.evidence.clone().unwrap_or_default();
    same("laboratory", GUIYANG.code, result.organisation.as_str())?;
    same("value", FRESH_REPORT.potassium.0.to_owned(), number(&result))?;
    same("mark", "全国HR", evidence.mark.as_str())?;
    *prompted = Some(prompt.clone());
    let (value, mark) = (number(&result), &evidence.mark);
    let found =
        Found::default().line(prompt.text.clone(), format!("potassium {value} mmol/L, {mark}: {}", prompt.text));
    let found = found.fact("value", value).fact("mark", mark.clone()).fact("text", prompt.text.clone());
    let found = found.fact("policy_version", evidence.policy_version).fact("qualification", evidence.qualification_id);
    Ok(found.fact("prompt_id", hex::encode(&prompt.prompt_id)))
}

async fn accept(world: &World, prompted: Option<pb::Prompt>) -> Result<Found, StepError> {
    let prompt = prompted.ok_or(StepError::Unfounded)?;
    let doctor = Doctor::at(world, 1)?;
    let (result, grant, log_index) = doctor.accept("accept", &prompt).await?;
    let original = result.originals.first().ok_or_else(|| StepError::unexpected("originals", "one", "none"))?;
    let bytes = doctor.open(&grant, original).await?;
    if *bytes != *FRESH_REPORT.message(world.began) {
        return Err(StepError::unexpected("the original", "the message that was sent", "other bytes"));
    }
    let (digest, size) = (hex::encode(&original.digest), bytes.len());
    Ok(Found::default()
        .line(
            format!("原始 HL7 报文 {size} 字节，与医院签名摘要一致；决定记入日志第 {log_index} 条"),
            format!("the HL7 message, {size} bytes, matches what its hospital signed; decision {log_index} of the log"),
        )
        .fact("log_index", log_index)
        .fact("digest", digest)
        .fact("size_bytes", size)
        .fact("media_type", original.media_type.clone()))
}

async fn partly(world: &World, partial: &mut Vec<pb::Prompt>) -> Result<Found, StepError> {
    let doctor = Doctor::at(world, 2)?;
    doctor.wait_for(&FRESH, 4).await?;
    let line = doctor.order("partial", &FRESH, ("panel", "ELECTROLYTES_7")).await?;
    same("coverage", pb::LineCoverage::Partial, line.coverage())?;
    let rest: Vec<&str> = line.remaining_items.iter().map(String::as_str).collect();
    same("items that remain", vec!["L01005", "L01006", "L01032"], rest)?;
    partial.clone_from(&line.prompts);
    let rest = line.remaining_items.join(", ");
    Ok(Found::default()
        .line(format!("只需再开：{rest}"), format!("order only {rest}"))
        .fact("remaining_items", json!(line.remaining_items))
        .fact("prompts", line.prompts.len()))
}

/// Declines one prompt with a reason; for another a reason without its text is refused, so that one stays open.
async fn decline(world: &World, partial: Vec<pb::Prompt>) -> Result<Found, StepError> {
    let [prompt, open, ..] = partial.as_slice() else { return Err(StepError::Unfounded) };
    let doctor = Doctor::at(world, 2)?;
    let decline = |text: &str| {
        let (reason, text) = ("R07".to_owned(), text.to_owned());
        pb::decision::Outcome::Decline(pb::Decline { reason, text, choice: String::new() })
    };
    match doctor.decide("decline-bare", open, decline("")).await {
        Err(StepError::Refused { status, .. }) if status.code() == Code::InvalidArgument => {}
        Err(error) => return Err(error),
        Ok(_) => return Err(StepError::unexpected("a decline without its text", "INVALID_ARGUMENT", "recorded")),
    }
    let answer = doctor.decide("decline", prompt, decline("补钾治疗后复查")).await?;
    Ok(Found::default()
        .line(
            format!("理由 R07 诊治医师认为有必要复查；无说明的不采纳被拒绝；日志第 {} 条", answer.log_index),
            format!(
                "R07, the treating doctor finds it necessary; without a text it is refused; entry {}",
                answer.log_index
            ),
        )
        .fact("reason", "R07")
        .fact("log_index", answer.log_index))
}

/// Gives the number of a laboratory result as it is shown.
fn number(result: &pb::ResultSummary) -> String {
    match &result.content {
        Some(pb::result_summary::Content::LaboratoryResult(result)) => match &result.value {
            Some(pb::laboratory_result::Value::Quantity(quantity)) => quantity.number.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}
