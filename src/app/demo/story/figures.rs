//! What the health authority sees at the end, and what the public log says of itself.

use std::io;

use serde_json::json;

use crate::app::demo::links::World;
use crate::app::demo::step::{Found, StepError, text};
use crate::app::demo::tell::Teller;
use crate::app::sample::cast::{HOSPITALS, REGULATOR};
use crate::wire::pb;
use crate::wire::pb::oversight_client::OversightClient;

/// Tells the chapter.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    let title = text("监管部门查看统计", "The health authority reads the figures");
    teller.step("figures", title, figures(world)).await
}

async fn figures(world: &World) -> Result<Found, StepError> {
    let asked = pb::StatisticsRequest { by_organisation: true, ..pb::StatisticsRequest::default() };
    let call = OversightClient::new(world.hub(REGULATOR.folder)?).statistics(asked).await;
    let figures = call.map_err(StepError::refused("Oversight.Statistics"))?.into_inner();
    let sum = |figure: fn(&pb::StatisticsRow) -> u64| figures.rows.iter().map(figure).sum::<u64>();
    // Others may have used the demo's ports before a second start: no fewer than the story's own.
    for (what, least, found) in [
        ("checks", 7, sum(|row| row.checks)),
        ("prompts", 4, sum(|row| row.prompts)),
        ("accepted", 2, sum(|row| row.accepted)),
        ("declined", 1, sum(|row| row.declined)),
    ] {
        if found < least {
            return Err(StepError::unexpected(what, format!("at least {least}"), found));
        }
    }
    let mut found = Found::default();
    for row in &figures.rows {
        let hospital = HOSPITALS.iter().find(|hospital| hospital.code == row.organisation);
        let (zh, en) = hospital.map_or(("", ""), |hospital| (hospital.name_zh, hospital.name_en));
        let (checks, prompts, accepted, declined) = (row.checks, row.prompts, row.accepted, row.declined);
        let rate = &row.recognition_rate_percent;
        found = found.line(
            format!("{zh}：检查 {checks}，提示 {prompts}，采纳 {accepted}，不采纳 {declined}，互认率 {rate}%"),
            format!("{en}: {checks} checks, {prompts} prompts, {accepted} accepted, {declined} declined, {rate} %"),
        );
    }
    let rows = figures.rows.iter().map(|row| {
        json!({
            "organisation": row.organisation, "checks": row.checks, "prompts": row.prompts,
            "accepted": row.accepted, "declined": row.declined,
            "recognition_rate_percent": row.recognition_rate_percent,
        })
    });
    Ok(found.fact("rows", rows.collect::<serde_json::Value>()).fact("log_size", figures.log_size))
}
