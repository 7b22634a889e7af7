//! `concord stats`: the figures of a region, as the health authority or a hospital may see them.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::app::client::{ClientError, HubArguments, spinner};
use crate::app::process;
use crate::domain::item::ItemCode;
use crate::domain::organisation::OrganisationCode;
use crate::wire::pb;
use crate::wire::pb::oversight_client::OversightClient;

/// Shows how often results were prompted, accepted and declined. A hospital sees its own figures.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  concord stats --hub hub.example.cn:7443 --by organisation\n  \
    concord stats --hub hub.example.cn:7443 --from 2026-10-01 --to 2026-10-31 --by item --json")]
pub struct StatsArgs {
    /// First day, YYYY-MM-DD.
    #[arg(long, default_value = "")]
    from: String,
    /// Last day, YYYY-MM-DD.
    #[arg(long, default_value = "")]
    to: String,
    /// Only this organisation.
    #[arg(long)]
    org: Option<OrganisationCode>,
    /// Only this catalogue item.
    #[arg(long)]
    item: Option<ItemCode>,
    /// What to keep apart; may be repeated.
    #[arg(long, value_enum)]
    by: Vec<Dimension>,
    /// Writes JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    hub: HubArguments,
}

/// What figures can be kept apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dimension {
    /// Ordering organisation.
    Organisation,
    /// Catalogue item.
    Item,
    /// Day.
    Day,
}

/// Asks the hub and writes the figures to `out`.
///
/// # Errors
/// [`ClientError`], whose text says what to do next.
pub fn run(args: &StatsArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let by = |dimension| args.by.contains(&dimension);
    let asked = pb::StatisticsRequest {
        from_day: args.from.clone(),
        to_day: args.to.clone(),
        organisation: args.org.map(|code| code.to_string()).unwrap_or_default(),
        item: args.item.map(|item| item.to_string()).unwrap_or_default(),
        by_organisation: by(Dimension::Organisation),
        by_item: by(Dimension::Item),
        by_day: by(Dimension::Day),
    };
    let waiting = spinner("asking the hub", args.json);
    let answer = process::runtime()?.block_on(async {
        let answer = OversightClient::new(args.hub.channel()?).statistics(asked).await?;
        Ok::<_, ClientError>(answer.into_inner())
    });
    waiting.finish_and_clear();
    Ok(write(&answer?, args.json, out)?)
}

fn write(answer: &pb::StatisticsResponse, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        let rows = answer.rows.iter().map(object).collect::<Value>();
        return writeln!(out, "{}", json!({ "log_size": answer.log_size, "rows": rows }));
    }
    for row in &answer.rows {
        let names = [&row.organisation, &row.item, &row.day].map(String::as_str);
        let named = names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
        let named = if named.is_empty() { "all".to_owned() } else { named };
        writeln!(out, "{named}")?;
        writeln!(out, "  checks {}, misses {}, prompts {}", row.checks, row.misses, row.prompts)?;
        writeln!(out, "  accepted {}, declined {}, revoked {}", row.accepted, row.declined, row.revoked)?;
        if !row.recognition_rate_percent.is_empty() {
            let (recognised, existing) = (row.reports_recognised, row.reports_existing);
            writeln!(out, "  recognised {recognised} of {existing} reports, {} %", row.recognition_rate_percent)?;
        }
        for reason in &row.reasons {
            writeln!(out, "  {} {}", reason.reason, reason.count)?;
        }
    }
    writeln!(out, "from {} records of the log", answer.log_size)
}

fn object(row: &pb::StatisticsRow) -> Value {
    let reasons = row.reasons.iter().map(|reason| (reason.reason.clone(), Value::from(reason.count)));
    json!({
        "organisation": row.organisation, "item": row.item, "day": row.day, "checks": row.checks,
        "order_lines": row.order_lines, "prompts": row.prompts, "shown": row.shown, "viewed": row.viewed,
        "accepted": row.accepted, "declined": row.declined, "declined_counted": row.declined_counted,
        "revoked": row.revoked, "quoted": row.quoted, "misses": row.misses,
        "reasons": reasons.collect::<serde_json::Map<_, _>>(),
        "reports_recognised": row.reports_recognised, "reports_existing": row.reports_existing,
        "recognition_rate_percent": row.recognition_rate_percent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people_and_for_programs() {
        let row = pb::StatisticsRow {
            organisation: "91350100M000100Y43".into(),
            checks: 3,
            reports_existing: 3,
            reports_recognised: 2,
            recognition_rate_percent: "66.67".into(),
            reasons: vec![pb::ReasonCount { reason: "R07".into(), count: 1 }],
            ..Default::default()
        };
        let answer = pb::StatisticsResponse { rows: vec![row], log_size: 9 };
        let written = |json| {
            let mut out = Vec::new();
            write(&answer, json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(written(false).contains("recognised 2 of 3 reports, 66.67 %\n  R07 1\nfrom 9 records"));
        let object: Value = serde_json::from_str(&written(true)).unwrap();
        assert_eq!((&object["rows"][0]["reasons"]["R07"], &object["log_size"]), (&json!(1), &json!(9)));
    }
}
