//! `concord eqa`: a QC centre's tables, suspensions and restorations to the hub, and what the hub makes of them.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use prost::Message;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic_types::StatusExt;

use crate::app::client::{ClientError, HubArguments, SigningArguments, spinner};
use crate::app::process;
use crate::domain::item::ItemCode;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::pki::signing::SigningDomain;
use crate::ports::clock::Clock;
use crate::sys::files::{self, FileError};
use crate::wire::eqa::{Table, TableError, TableKind, read};
use crate::wire::field::FieldError;
use crate::wire::pb::qualifications_client::QualificationsClient;
use crate::wire::pb::statement::Content;
use crate::wire::statement::{SIGNED_AS, Statement, subject};
use crate::wire::{day, pb};

/// Sends EQA rounds, credentials, suspensions and restorations to the hub, and asks where laboratories stand.
#[derive(Debug, Args)]
pub struct EqaArgs {
    /// Writes JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: EqaCommand,
}

/// What `concord eqa` can do.
#[derive(Debug, Subcommand)]
pub enum EqaCommand {
    /// Signs and sends a table of rounds or credentials, CSV or XLSX; all of it or nothing.
    #[command(after_help = "Columns of rounds: programme, year, round, laboratory, item, method, samples \
        (reported/acceptable, as 5/4) or score_percent, status, sampled_on, published_on.\n\
        Columns of credentials: laboratory, subject, valid_from, valid_to, basis.\n\
        Chinese names (计划, 年度, 轮次, 实验室, 项目编码, 方法, 成绩, 检测日期, 发布日期) do as well.\n\n\
        Example:\n  concord eqa import 2026-1.xlsx --kind rounds --hub hub.example.cn:7443")]
    Import(ImportArguments),
    /// Suspends a laboratory, for an item, a modality or altogether.
    #[command(after_help = "Example:\n  concord eqa suspend --lab 91350100M000100Y43 --subject L01001 \
        --effective 2026-05-04 --reason 'calibration lost' --hub hub.example.cn:7443")]
    Suspend(SanctionArguments),
    /// Ends a suspension, or what a failed round began.
    #[command(after_help = "Example:\n  concord eqa restore --lab 91350100M000100Y43 --subject L01001 \
        --effective 2026-06-01 --reason 'passed the repeat round' --hub hub.example.cn:7443")]
    Restore(SanctionArguments),
    /// Explains where a laboratory stands, or stood, for an item.
    #[command(after_help = "Example:\n  concord eqa status --lab 91350100M000100Y43 --item L01001 --at 2026-05-04 \
        --hub hub.example.cn:7443")]
    Status(StatusArguments),
    /// Lists what is known of a laboratory.
    #[command(after_help = "Example:\n  concord eqa list --lab 91350100M000100Y43 --hub hub.example.cn:7443")]
    List {
        /// The laboratory, unified social credit code.
        #[arg(long)]
        lab: OrganisationCode,
        /// Only this item or modality.
        #[arg(long, default_value = "")]
        subject: String,
        /// Where the hub is.
        #[command(flatten)]
        hub: HubArguments,
    },
}

/// Which table to send.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The table.
    file: PathBuf,
    /// What it holds.
    #[arg(long, value_enum)]
    kind: Kind,
    /// Only reads the table and says what is wrong with it.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    hub: HubArguments,
    #[command(flatten)]
    signing: SigningArguments,
}

/// Whom to suspend or restore.
#[derive(Debug, Args)]
pub struct SanctionArguments {
    /// The laboratory, unified social credit code.
    #[arg(long)]
    lab: OrganisationCode,
    /// Item or modality; everything if it is not given.
    #[arg(long, default_value = "")]
    subject: String,
    /// From when on, as 2026-05-04 or 2026-05-04T08:00:00+08:00; it may lie in the past.
    #[arg(long)]
    effective: String,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    hub: HubArguments,
    #[command(flatten)]
    signing: SigningArguments,
}

/// What to explain.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// The laboratory, unified social credit code.
    #[arg(long)]
    lab: OrganisationCode,
    /// The catalogue item.
    #[arg(long)]
    item: ItemCode,
    /// The method group, if the laboratory named one.
    #[arg(long, default_value = "")]
    method: String,
    /// When the specimen was collected, as 2026-05-04 or RFC 3339; now if it is not given.
    #[arg(long)]
    at: Option<String>,
    /// Explains in English.
    #[arg(long)]
    english: bool,
    #[command(flatten)]
    hub: HubArguments,
}

/// What a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// EQA rounds.
    Rounds,
    /// Direct credentials.
    Credentials,
}

/// Why `concord eqa` did not do it; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum EqaError {
    /// The table could not be read from the disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// The table is wrong; the wrong cells were written out.
    #[error("{0}; correct the table, nothing was sent")]
    Table(#[from] TableError),
    /// The statement cannot be made of what was given.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A time is not written as it must be.
    #[error("{0} is a day such as 2026-05-04, or a time such as 2026-05-04T08:00:00+08:00")]
    Time(&'static str),
    /// The hub was not reached, or did not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer could not be written out.
    #[error("write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`EqaError`], whose text says what to do next.
pub fn run(args: &EqaArgs, clock: &dyn Clock, out: &mut dyn Write) -> Result<(), EqaError> {
    let now = clock.now();
    match &args.command {
        EqaCommand::Import(arguments) => import(arguments, now, args.json, out),
        EqaCommand::Suspend(arguments) => sanction(arguments, true, now, args.json, out),
        EqaCommand::Restore(arguments) => sanction(arguments, false, now, args.json, out),
        EqaCommand::Status(arguments) => status(arguments, now, args.json, out),
        EqaCommand::List { lab, subject, hub } => list(*lab, subject, hub, args.json, out),
    }
}

fn import(arguments: &ImportArguments, now: Moment, json: bool, out: &mut dyn Write) -> Result<(), EqaError> {
    let kind = match arguments.kind {
        Kind::Rounds => TableKind::Rounds,
        Kind::Credentials => TableKind::Credentials,
    };
    let reading = spinner("reading the table", json);
    let content = files::read(&arguments.file).map(|bytes| read(&bytes, kind, now.offset_minutes()));
    reading.finish_and_clear();
    let Table { content, lines } = match content? {
        Ok(table) => table,
        Err(error) => {
            if let TableError::Cells(cells) = &error {
                for cell in cells {
                    blame(cell.line, &cell.column, &cell.problem.to_string(), json, out)?;
                }
            }
            return Err(error.into());
        }
    };
    let rows = match &content {
        Content::Rounds(rounds) => rounds.results.len(),
        Content::Credentials(credentials) => credentials.credentials.len(),
        Content::Suspension(_) | Content::Restoration(_) => 1,
    };
    if arguments.check {
        return answer(json, out, &json!({ "rows": rows }), &format!("{rows} rows, nothing wrong; nothing was sent"));
    }
    let submitted = submit(content, &arguments.hub, &arguments.signing, now, json, out);
    if let Err(EqaError::Client(ClientError::Refused(status))) = &submitted {
        for violation in status.get_details_bad_request().iter().flat_map(|request| &request.field_violations) {
            if let Some((line, column)) = cell_of(&violation.field, &lines) {
                blame(line, column, &violation.description, json, out)?;
            }
        }
    }
    submitted
}

/// Names a wrong cell of the table.
fn blame(line: u64, column: &str, problem: &str, json: bool, out: &mut dyn Write) -> Result<(), EqaError> {
    let record = json!({ "line": line, "column": column, "problem": problem });
    answer(json, out, &record, &format!("line {line}, {column}: {problem}"))
}

/// Finds the cell of the table that a field of the statement came from, as `rounds.results[3].item`.
fn cell_of<'f>(field: &'f str, lines: &[u64]) -> Option<(u64, &'f str)> {
    let (row, column) = field.split_once('[')?.1.split_once("].")?;
    Some((*lines.get(row.parse::<usize>().ok()?)?, column))
}

fn sanction(
    arguments: &SanctionArguments,
    suspends: bool,
    now: Moment,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), EqaError> {
    if !arguments.subject.is_empty() {
        subject("--subject", &arguments.subject)?;
    }
    let effective_at = Some(moment("--effective", &arguments.effective, now)?.into());
    let (laboratory, subject) = (arguments.lab.to_string(), arguments.subject.clone());
    let reason = arguments.reason.clone();
    let content = if suspends {
        Content::Suspension(pb::Suspension { laboratory, subject, effective_at, reason })
    } else {
        Content::Restoration(pb::Restoration { laboratory, subject, effective_at, reason })
    };
    submit(content, &arguments.hub, &arguments.signing, now, json, out)
}

/// Signs and sends a statement.
fn submit(
    content: Content,
    hub: &HubArguments,
    signing: &SigningArguments,
    now: Moment,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), EqaError> {
    let signing = hub.signing(signing)?;
    let issuer = signing.key.record().organisation.to_string();
    let (suspends, restores) = (matches!(content, Content::Suspension(_)), matches!(content, Content::Restoration(_)));
    let statement = pb::Statement { issuer, issued_at: Some(now.into()), content: Some(content) }.encode_to_vec();
    Statement::decode(&statement)?;
    let request = pb::StatementRequest {
        signature: signing.key.sign(SigningDomain(SIGNED_AS), &statement).to_vec().into(),
        statement: statement.into(),
        signing_certificate: signing.certificate.into(),
    };
    let sending = spinner("sending the statement", json);
    let taken = calling(hub, async |mut client| {
        let sent = if suspends {
            client.suspend(request).await
        } else if restores {
            client.restore(request).await
        } else {
            client.submit(request).await
        };
        Ok(sent?.into_inner())
    });
    sending.finish_and_clear();
    let taken = taken?;
    let digest = hex::encode(&taken.digest);
    let record = json!({ "log_index": taken.log_index, "digest": digest, "applied": taken.applied });
    let text = format!("{} rows count from now on; record {} of the log, {digest}", taken.applied, taken.log_index);
    answer(json, out, &record, &text)
}

fn status(arguments: &StatusArguments, now: Moment, json: bool, out: &mut dyn Write) -> Result<(), EqaError> {
    let at = arguments.at.as_deref().map(|text| moment("--at", text, now)).transpose()?;
    let request = pb::ExplainRequest {
        laboratory: arguments.lab.to_string(),
        item: arguments.item.to_string(),
        method: arguments.method.clone(),
        at: at.map(Into::into),
        language: if arguments.english { pb::Language::En } else { pb::Language::Zh }.into(),
    };
    let explained = calling(&arguments.hub, async |mut client| Ok(client.explain(request).await?.into_inner()))?;
    let standing = explained.standing.unwrap_or_default();
    if json {
        let record = json!({ "standing": written(&standing), "steps": explained.steps });
        return answer(json, out, &record, "");
    }
    writeln!(out, "{}", line(&standing))?;
    for step in explained.steps {
        writeln!(out, "  {step}")?;
    }
    Ok(())
}

fn list(
    lab: OrganisationCode,
    subject: &str,
    hub: &HubArguments,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), EqaError> {
    let request = pb::ListQualificationsRequest { laboratory: lab.to_string(), subject: subject.to_owned() };
    let listed = calling(hub, async |mut client| Ok(client.list(request).await?.into_inner()))?;
    for standing in &listed.standings {
        answer(json, out, &written(standing), &line(standing))?;
    }
    Ok(())
}

/// Makes one call to the hub.
fn calling<T>(
    hub: &HubArguments,
    call: impl AsyncFnOnce(QualificationsClient<tonic::transport::Channel>) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    process::runtime()?.block_on(async {
        let client = QualificationsClient::new(hub.channel()?);
        call(client.max_encoding_message_size(crate::domain::limits::MESSAGE_BYTES_MAX)).await
    })
}

/// Reads a day at the place's offset, or a time.
fn moment(option: &'static str, text: &str, now: Moment) -> Result<Moment, EqaError> {
    if let Ok(start) = day::start(option, text, now.offset_minutes()) {
        return Ok(start);
    }
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| EqaError::Time(option))?;
    let offset = at.offset().whole_minutes();
    Moment::new(at.unix_timestamp().saturating_mul(1_000), offset).map_err(|_| EqaError::Time(option))
}

fn written(standing: &pb::Standing) -> serde_json::Value {
    let day = |moment: &Option<pb::Moment>| moment.as_ref().map(day_of);
    json!({
        "laboratory": standing.laboratory, "subject": standing.subject, "state": standing.state,
        "mark": standing.mark, "programme": standing.programme, "issuer": standing.issuer,
        "valid_from": day(&standing.valid_from), "valid_to": day(&standing.valid_to), "rounds": standing.rounds,
    })
}

fn line(standing: &pb::Standing) -> String {
    let mut line = format!("{} {:<8} {:<10}", standing.laboratory, standing.subject, standing.state);
    if !standing.mark.is_empty() {
        line.push_str(&format!(" {} {}", standing.mark, standing.programme));
    }
    if let Some(valid_to) = &standing.valid_to {
        line.push_str(&format!(" until {}", day_of(valid_to)));
    }
    line
}

fn day_of(moment: &pb::Moment) -> String {
    let local = moment.unix_ms.saturating_add(i64::from(moment.offset_minutes).saturating_mul(60_000));
    day::written(local.div_euclid(86_400_000))
}

/// Writes one line, of JSON or of text.
fn answer(json: bool, out: &mut dyn Write, record: &serde_json::Value, text: &str) -> Result<(), EqaError> {
    if json {
        writeln!(out, "{record}")?
    } else {
        writeln!(out, "{text}")?
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::sys::clock::ManualClock;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EqaArgs,
    }

    fn run_line(line: &str) -> (String, Result<(), EqaError>) {
        let args = Line::try_parse_from(line.split(' ')).unwrap().args;
        let clock = ManualClock::new(Moment::new(1_780_000_000_000, 480).unwrap());
        let mut out = Vec::new();
        let outcome = run(&args, &clock, &mut out);
        (String::from_utf8(out).unwrap(), outcome)
    }

    #[test]
    fn a_wrong_table_is_told_cell_by_cell_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.csv");
        let head = "laboratory,subject,valid_from,valid_to,basis";
        let row = "91350100M000100Y43,CT,2026-01-01,2026-12-31,site";
        std::fs::write(&path, format!("{head}\n{row}\n{}\n", row.replace("Y43,CT", "Y44,ct"))).unwrap();
        let (out, outcome) = run_line(&format!("eqa import {} --kind credentials --check", path.display()));
        assert!(matches!(outcome, Err(EqaError::Table(TableError::Cells(_)))));
        let expected = "line 3, laboratory: is not a valid organisation code\n\
                        line 3, subject: is not a valid item code or modality\n";
        assert_eq!(out, expected);

        std::fs::write(&path, format!("{head}\n{row}\n")).unwrap();
        let (out, outcome) = run_line(&format!("eqa import {} --kind credentials --check --json", path.display()));
        outcome.unwrap();
        assert_eq!(out, "{\"rows\":1}\n");
    }

    #[test]
    fn times_are_days_of_the_place_or_instants() {
        let now = Moment::new(1_780_000_000_000, 480).unwrap();
        let at = |text| moment("--at", text, now).map(|moment| (moment.unix_ms(), moment.offset_minutes()));
        assert_eq!(at("2026-05-04").unwrap(), (1_777_824_000_000, 480));
        assert_eq!(at("2026-05-04T00:00:00+08:00").unwrap(), (1_777_824_000_000, 480));
        assert!(at("yesterday").is_err());
    }
}
