//! `concord order`: what an EMR plug-in does, by hand: checks an order, decides on a prompt, lists recent results.

pub(super) mod told;

use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use tonic::transport::Channel;

use crate::app::client::{ClientError, Endpoint, HubArguments, endpoint};
use crate::app::patient_file::{self, PatientFileError};
use crate::app::process;
use crate::ports::clock::Clock;
use crate::sys::random;
use crate::wire::pb;
use crate::wire::pb::orders_client::OrdersClient;

/// Checks orders against recent results, and records what the doctor does about them.
#[derive(Debug, Args)]
pub struct OrderArgs {
    /// Writes JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Texts in English.
    #[arg(long, global = true)]
    pub english: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: OrderCommand,
}

/// What `concord order` can do.
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Asks whether recent, qualified results answer an order.
    #[command(after_help = "Examples:\n  concord order check --node 127.0.0.1:7444 --server-name localhost \\\n    \
        --patient patient.json --encounter V1 --code catalogue=L01001 --code panel=ELECTROLYTES_7\n\n\
        patient.json: {\"identifiers\": [{\"type\": \"CN-ID\", \"value\": \"..\"}], \"sex\": \"SEX_FEMALE\", \
        \"birth_date\": \"1949-12-31\"}; at the hub {\"pseudonym\": \"..\"}")]
    Check(CheckArguments),
    /// Accepts a prompt, or declines it with a reason of the policy.
    #[command(after_help = "Examples:\n  concord order decide --node 127.0.0.1:7444 --prompt 0a1b.. --accept\n  \
        concord order decide --node 127.0.0.1:7444 --prompt 0a1b.. --decline R07 --text 'after treatment'")]
    Decide(DecideArguments),
    /// Lists a patient's recent results of other hospitals.
    #[command(after_help = "Example:\n  concord order recent --node 127.0.0.1:7444 --patient patient.json --hours 168")]
    Recent(RecentArguments),
}

/// Whom to ask, and who asks.
#[derive(Debug, Args)]
pub struct Desk {
    /// The hospital's own node, host:port; without it the hub is asked.
    #[arg(long, env = "CONCORD_NODE", value_parser = endpoint)]
    node: Option<Endpoint>,
    /// The doctor's number at the hospital.
    #[arg(long, default_value = "command-line")]
    practitioner: String,
    /// The department.
    #[arg(long, default_value = "")]
    department: String,
    #[command(flatten)]
    hub: HubArguments,
}

/// Whose results, and in which visit.
#[derive(Debug, Args)]
pub struct VisitArguments {
    /// A file that names the patient, `-` for standard input: a number on the command line could be read by others.
    #[arg(long)]
    patient: PathBuf,
    /// Number of the visit at the hospital.
    #[arg(long, default_value = "command-line")]
    encounter: String,
    /// Where the patient is treated.
    #[arg(long, value_enum, default_value_t = Setting::Outpatient)]
    setting: Setting,
}

/// What is to be ordered.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// One line of the order, system=code: catalogue=L01001, panel=LIVER, loinc=2823-3, or a local system of the node.
    #[arg(long = "code", required = true, value_parser = code)]
    codes: Vec<pb::Code>,
    /// Key of the check; the same key gives the same prompts again.
    #[arg(long)]
    check_key: Option<String>,
    #[command(flatten)]
    visit: VisitArguments,
    #[command(flatten)]
    desk: Desk,
}

/// What the doctor decided.
#[derive(Debug, Args)]
pub struct DecideArguments {
    /// The prompt, 32 hexadecimal digits.
    #[arg(long, value_parser = prompt)]
    prompt: Bytes,
    #[command(flatten)]
    outcome: Outcome,
    /// What the reason asks for besides.
    #[arg(long, default_value = "", requires = "decline")]
    text: String,
    /// One of the reason's choices.
    #[arg(long, default_value = "", requires = "decline")]
    choice: String,
    /// Key of the decision; the same key records nothing twice.
    #[arg(long)]
    decision_key: Option<String>,
    #[command(flatten)]
    desk: Desk,
}

/// Accept or decline.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Outcome {
    /// The result is relied on.
    #[arg(long)]
    accept: bool,
    /// Code of a reason, as R07.
    #[arg(long)]
    decline: Option<String>,
}

/// How far to look back.
#[derive(Debug, Args)]
pub struct RecentArguments {
    /// Hours, 1 to 8,760.
    #[arg(long, default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    hours: u32,
    /// Most results, 1 to 500.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    #[command(flatten)]
    visit: VisitArguments,
    #[command(flatten)]
    desk: Desk,
}

/// Where a patient is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Setting {
    /// Outpatient.
    Outpatient,
    /// Inpatient.
    Inpatient,
    /// Emergency.
    Emergency,
}

/// Why an order was not checked or decided; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Hub or node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The patient's file.
    #[error(transparent)]
    Patient(#[from] PatientFileError),
    /// The terminal.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`OrderError`], whose text says what to do next.
pub fn run(args: &OrderArgs, clock: &dyn Clock, out: &mut dyn Write) -> Result<(), OrderError> {
    let language = if args.english { pb::Language::En } else { pb::Language::Zh };
    let fresh = |given: &Option<String>| given.clone().unwrap_or_else(|| random::uuid_v7(clock.now()).to_string());
    match &args.command {
        OrderCommand::Check(check) => {
            let request = pb::CheckRequest {
                check_key: fresh(&check.check_key),
                patient: Some(patient_file::read(&check.visit.patient)?),
                actor: Some(check.desk.actor()),
                visit: Some(check.visit.visit()),
                lines: lines(&check.codes),
                language: language.into(),
                proofs: false,
            };
            let answer = check.desk.call(async |mut orders| orders.check(request).await)?;
            Ok(told::check(&answer, args.json, out)?)
        }
        OrderCommand::Decide(decide) => {
            let request = pb::DecideRequest {
                decision_key: fresh(&decide.decision_key),
                actor: Some(decide.desk.actor()),
                decisions: vec![decide.decision()],
                language: language.into(),
                ..Default::default()
            };
            let answer = decide.desk.call(async |mut orders| orders.decide(request).await)?;
            Ok(told::decision(&answer, args.json, out)?)
        }
        OrderCommand::Recent(recent) => {
            let request = pb::RecentResultsRequest {
                patient: Some(patient_file::read(&recent.visit.patient)?),
                actor: Some(recent.desk.actor()),
                visit: Some(recent.visit.visit()),
                hours: recent.hours,
                limit: recent.limit,
                language: language.into(),
            };
            let answer = recent.desk.call(async |mut orders| orders.recent_results(request).await)?;
            Ok(told::recent(&answer, language, args.json, out)?)
        }
    }
}

impl Desk {
    fn actor(&self) -> pb::Actor {
        pb::Actor { practitioner: self.practitioner.clone(), department: self.department.clone() }
    }

    fn call<T>(
        &self,
        ask: impl AsyncFnOnce(OrdersClient<Channel>) -> Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, ClientError> {
        process::runtime()?.block_on(async {
            let orders = OrdersClient::new(self.hub.channel_by(self.node.as_ref())?);
            Ok(ask(orders).await?.into_inner())
        })
    }
}

impl VisitArguments {
    fn visit(&self) -> pb::Visit {
        let setting = match self.setting {
            Setting::Outpatient => pb::Setting::Outpatient,
            Setting::Inpatient => pb::Setting::Inpatient,
            Setting::Emergency => pb::Setting::Emergency,
        };
        pb::Visit { encounter: self.encounter.clone(), setting: setting.into(), ..pb::Visit::default() }
    }
}

impl DecideArguments {
    fn decision(&self) -> pb::Decision {
        let outcome = match &self.outcome.decline {
            Some(reason) => pb::decision::Outcome::Decline(pb::Decline {
                reason: reason.clone(),
                text: self.text.clone(),
                choice: self.choice.clone(),
            }),
            None => pb::decision::Outcome::Accept(pb::Accept {}),
        };
        pb::Decision { prompt_id: self.prompt.clone(), outcome: Some(outcome), ..Default::default() }
    }
}

/// One line of the order for each code, named after it.
fn lines(codes: &[pb::Code]) -> Vec<pb::OrderLine> {
    let line = |(place, code): (usize, &pb::Code)| pb::OrderLine {
        line_id: format!("{} {}", place + 1, code.code).chars().take(LINE_NAME_CHARS).collect(),
        codes: vec![code.clone()],
        imaging: Vec::new(),
    };
    codes.iter().enumerate().map(line).collect()
}

fn code(text: &str) -> Result<pb::Code, String> {
    let (system, code) = text.split_once('=').ok_or("write system=code, such as catalogue=L01001")?;
    Ok(pb::Code { system: system.to_owned(), code: code.to_owned(), display: String::new() })
}

fn prompt(text: &str) -> Result<Bytes, String> {
    let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 16);
    bytes.map(Bytes::from).ok_or_else(|| "write the 32 hexadecimal digits that `concord order check` shows".to_owned())
}

const LINE_NAME_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_prompts_are_read_whole() {
        assert_eq!(code("catalogue=L01001").unwrap().code, "L01001");
        assert!(code("L01001").is_err());
        assert!(prompt("00").is_err());
        assert_eq!(lines(&[code("panel=LIVER").unwrap()])[0].line_id, "1 LIVER");
    }
}
