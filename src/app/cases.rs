//! `concord cases`: results of which a doctor says that they are not the patient's, for whoever looks into it.

use std::io::{self, Write};

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::client::{ClientError, HubArguments, local, spinner};
use crate::app::process;
use crate::app::recalls::name;
use crate::wire::cds::Words;
use crate::wire::pb;
use crate::wire::pb::oversight_client::OversightClient;

/// Lists and closes cases: a doctor said that a result is not the patient's.
#[derive(Debug, Args)]
pub struct CasesArgs {
    /// Writes JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Texts in English.
    #[arg(long, global = true)]
    english: bool,
    /// What to do.
    #[command(subcommand)]
    command: CasesCommand,
}

/// What `concord cases` can do.
#[derive(Debug, Subcommand)]
pub enum CasesCommand {
    /// Lists cases, the newest first, without patient and doctor. A hospital sees those of its results and its doctors.
    #[command(after_help = "Examples:\n  concord cases list --hub hub.example.cn:7443\n  \
        concord cases list --hub hub.example.cn:7443 --closed --json")]
    List {
        /// Closed ones too.
        #[arg(long)]
        closed: bool,
        /// At most this many, 1 to 1,000.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// The hub.
        #[command(flatten)]
        hub: HubArguments,
    },
    /// Closes a case with what was found; for the publisher of the result and for regulators.
    #[command(after_help = "Examples:\n  \
        concord cases close 0a1b.. --hub hub.example.cn:7443 --link-wrong --reason 'two people, one number'\n  \
        concord cases close 0a1b.. --hub hub.example.cn:7443 --link-right --reason 'the card was read again'")]
    Close {
        /// The case, 32 hexadecimal digits.
        #[arg(value_parser = name)]
        case: Bytes,
        /// What was found.
        #[command(flatten)]
        finding: Finding,
        /// Why; must not name the patient.
        #[arg(long)]
        reason: String,
        /// The hub.
        #[command(flatten)]
        hub: HubArguments,
    },
}

/// Whose the result is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Finding {
    /// The result is the patient's: it is offered again.
    #[arg(long)]
    link_right: bool,
    /// The result is not the patient's: it stays out of use, and its publisher withdraws it.
    #[arg(long)]
    link_wrong: bool,
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`ClientError`], whose text says what to do next.
pub fn run(args: &CasesArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let words = Words(if args.english { pb::Language::En } else { pb::Language::Zh });
    let waiting = spinner("asking the hub", args.json);
    match &args.command {
        CasesCommand::List { closed, limit, hub } => {
            let asked = pb::CasesRequest { closed_too: *closed, limit: *limit };
            let answer = process::runtime()?.block_on(async {
                let answer = OversightClient::new(hub.channel()?).cases(asked).await?;
                Ok::<_, ClientError>(answer.into_inner())
            });
            waiting.finish_and_clear();
            Ok(write(&answer?, args.json, words, out)?)
        }
        CasesCommand::Close { case, finding, reason, hub } => {
            let finding = match finding.link_right {
                true => pb::CaseFinding::LinkRight,
                false => pb::CaseFinding::LinkWrong,
            };
            let sent = pb::CloseCaseRequest { case_id: case.clone(), finding: finding.into(), reason: reason.clone() };
            let answer = process::runtime()?.block_on(async {
                OversightClient::new(hub.channel()?).close_case(sent).await?;
                Ok::<_, ClientError>(())
            });
            waiting.finish_and_clear();
            answer?;
            match args.json {
                true => writeln!(out, "{}", json!({ "case": hex::encode(case), "finding": finding.as_str_name() }))?,
                false => writeln!(out, "{}", words.say("已结案，已记录", "closed, and recorded"))?,
            }
            Ok(())
        }
    }
}

fn write(answer: &pb::CasesResponse, json: bool, words: Words, out: &mut dyn Write) -> io::Result<()> {
    if json {
        let cases = answer.cases.iter().map(object).collect::<Value>();
        return writeln!(out, "{}", json!({ "cases": cases, "truncated": answer.truncated }));
    }
    for case in &answer.cases {
        let opened = case.opened_at.as_ref().and_then(local).unwrap_or_default();
        let (publisher, by) = (&case.publisher, &case.opened_by);
        writeln!(out, "{}  {opened}  {publisher}  {by}  {}", hex::encode(&case.case_id), finding(case, words))?;
        let (report, version) = (hex::encode(&case.report_id), case.version);
        writeln!(out, "  {} {report}, {} {version}", words.say("报告", "report"), words.say("版本", "version"))?;
        if !case.reason.is_empty() {
            writeln!(out, "  {}", case.reason)?;
        }
    }
    if answer.cases.is_empty() {
        writeln!(out, "{}", words.say("没有待查的个案", "no case is open"))?;
    }
    if answer.truncated {
        writeln!(out, "{}", words.say("还有更多，请提高 --limit", "there are more; raise --limit"))?;
    }
    Ok(())
}

fn finding(case: &pb::Case, words: Words) -> String {
    let (zh, en) = match case.finding() {
        pb::CaseFinding::Unspecified => ("待查", "open"),
        pb::CaseFinding::LinkRight => ("属于该患者", "the patient's"),
        pb::CaseFinding::LinkWrong => ("不属于该患者", "not the patient's"),
        pb::CaseFinding::TakenBack => ("医生已收回", "taken back by the doctor"),
    };
    words.say(zh, en)
}

fn object(case: &pb::Case) -> Value {
    json!({
        "case": hex::encode(&case.case_id), "result_name": hex::encode(&case.result_name),
        "report_id": hex::encode(&case.report_id), "version": case.version, "publisher": case.publisher,
        "opened_by": case.opened_by, "opened_at": case.opened_at.as_ref().and_then(local),
        "log_index": case.log_index, "closed_at": case.closed_at.as_ref().and_then(local),
        "finding": case.finding().as_str_name(), "reason": case.reason, "closed_by": case.closed_by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_written_for_people_in_both_languages_and_for_programs() {
        let case = pb::Case {
            case_id: vec![7; 16].into(),
            report_id: vec![8; 16].into(),
            version: 1,
            publisher: "91350100M000100Y43".into(),
            opened_by: "12520300DEMXX00228".into(),
            finding: pb::CaseFinding::LinkWrong.into(),
            reason: "two people, one number".into(),
            ..Default::default()
        };
        let answer = pb::CasesResponse { cases: vec![case], truncated: true };
        let written = |answer: &pb::CasesResponse, json, language| {
            let mut out = Vec::new();
            write(answer, json, Words(language), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let en = written(&answer, false, pb::Language::En);
        assert!(en.contains("12520300DEMXX00228  not the patient's\n") && en.contains("\n  two people, one number\n"));
        assert!(en.ends_with("there are more; raise --limit\n"), "{en}");
        assert!(written(&answer, false, pb::Language::Zh).contains("  不属于该患者\n"));
        let object: Value = serde_json::from_str(&written(&answer, true, pb::Language::Zh)).unwrap();
        assert_eq!(object["cases"][0]["finding"], "CASE_FINDING_LINK_WRONG");
        assert_eq!(object["cases"][0]["closed_at"], Value::Null);
        assert_eq!(written(&pb::CasesResponse::default(), false, pb::Language::En), "no case is open\n");
    }
}
