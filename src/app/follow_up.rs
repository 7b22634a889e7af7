//! `concord follow-up`: the prompts that wait for somebody, for a hospital's medical office or the health authority.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::app::client::{ClientError, HubArguments, local, spinner};
use crate::app::process;
use crate::domain::organisation::OrganisationCode;
use crate::wire::pb;
use crate::wire::pb::oversight_client::OversightClient;

/// Lists declines without the reason that the policy demands, or prompts that nobody answered. A hospital sees its own.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  concord follow-up reason --hub hub.example.cn:7443\n  \
    concord follow-up answer --hub hub.example.cn:7443 --from 2026-10-01 --to 2026-10-31 --json")]
pub struct FollowUpArgs {
    /// What the prompts wait for.
    #[arg(value_enum)]
    kind: Kind,
    /// First day of the decline, or of the prompt that has no answer, YYYY-MM-DD.
    #[arg(long, default_value = "")]
    from: String,
    /// Last day, YYYY-MM-DD.
    #[arg(long, default_value = "")]
    to: String,
    /// Only this organisation.
    #[arg(long)]
    org: Option<OrganisationCode>,
    /// Writes a JSON object for each prompt instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    hub: HubArguments,
}

/// What prompts can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The reason of a decline.
    Reason,
    /// Any answer, longer than the policy waits.
    Answer,
}

/// Asks the hub, page by page, and writes what it says to `out`.
///
/// # Errors
/// [`ClientError`], whose text says what to do next.
pub fn run(args: &FollowUpArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let kind = match args.kind {
        Kind::Reason => pb::FollowUpKind::Reason,
        Kind::Answer => pb::FollowUpKind::Answer,
    };
    let mut asked = pb::FollowUpsRequest {
        kind: kind.into(),
        from_day: args.from.clone(),
        to_day: args.to.clone(),
        organisation: args.org.map(|code| code.to_string()).unwrap_or_default(),
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    let runtime = process::runtime()?;
    let mut client = runtime.block_on(async { args.hub.channel().map(OversightClient::new) })?;
    let (mut found, waiting) = (0, spinner("asking the hub", args.json));
    loop {
        let page = runtime.block_on(client.follow_ups(asked.clone()))?.into_inner();
        found += page.follow_ups.len();
        waiting.suspend(|| page.follow_ups.iter().try_for_each(|one| write(one, args.json, out)))?;
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    waiting.finish_and_clear();
    if found == 0 && !args.json {
        writeln!(out, "nothing waits")?;
    }
    Ok(())
}

fn write(one: &pb::FollowUp, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let actor = one.actor.clone().unwrap_or_default();
    let (raised, declined) = (one.raised_at.as_ref().and_then(local), one.declined_at.as_ref().and_then(local));
    if json {
        let object = json!({
            "prompt": hex::encode(&one.prompt_id), "organisation": one.organisation,
            "practitioner": actor.practitioner, "department": actor.department, "items": one.items,
            "raised_at": raised, "declined_at": declined,
            "encounter": one.encounter, "text": one.text,
        });
        let Value::Object(fields) = object else { return Ok(()) };
        let told: serde_json::Map<_, _> =
            fields.into_iter().filter(|(_, value)| !value.is_null() && *value != json!("")).collect();
        return writeln!(out, "{}", Value::Object(told));
    }
    let since = declined.or(raised).unwrap_or_default();
    let items = one.items.join("+");
    let who = [&actor.practitioner, &actor.department].map(String::as_str).join(" ");
    write!(out, "{since}  {}  {items}  {}", one.organisation, who.trim_end())?;
    if !one.encounter.is_empty() {
        write!(out, "  visit {}", one.encounter)?;
    }
    writeln!(out)
}

const PAGE_SIZE: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_decline_is_written_for_people_and_for_programs() {
        let at = |unix_ms| Some(pb::Moment { unix_ms, offset_minutes: 480, ..Default::default() });
        let one = pb::FollowUp {
            prompt_id: vec![7; 16].into(),
            organisation: "91350100M000100Y43".into(),
            actor: Some(pb::Actor { practitioner: "D7".into(), department: String::new() }),
            items: vec!["L01001".into()],
            raised_at: at(1_790_000_000_000),
            declined_at: at(1_790_000_060_000),
            encounter: "V1".into(),
            text: String::new(),
        };
        let written = |json| {
            let mut out = Vec::new();
            write(&one, json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(false), "2026-09-21T22:14:20+08:00  91350100M000100Y43  L01001  D7  visit V1\n");
        let object: Value = serde_json::from_str(&written(true)).unwrap();
        assert_eq!((&object["raised_at"], object.get("text")), (&json!("2026-09-21T22:13:20+08:00"), None));
    }
}
