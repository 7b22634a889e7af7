//! `concord recalls`: what no longer holds, in figures for whoever oversees the exchange, and for a doctor until somebody
//! takes note.

mod told;

use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, Subcommand};
use tonic::transport::Channel;

use crate::app::client::{ClientError, Endpoint, HubArguments, endpoint, spinner};
use crate::app::patient_file::{self, PatientFileError};
use crate::app::process;
use crate::domain::organisation::OrganisationCode;
use crate::wire::cds::Words;
use crate::wire::pb;
use crate::wire::pb::oversight_client::OversightClient;
use crate::wire::pb::recalls_client::RecallsClient;

/// Shows recalls: results that doctors relied on and that no longer hold.
#[derive(Debug, Args)]
pub struct RecallsArgs {
    /// Writes JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Texts in English.
    #[arg(long, global = true)]
    english: bool,
    /// What to do.
    #[command(subcommand)]
    command: RecallsCommand,
}

/// What `concord recalls` can do.
#[derive(Debug, Subcommand)]
pub enum RecallsCommand {
    /// Counts recalls at the hub and lists the newest, without patient and doctor. A hospital sees its own.
    #[command(after_help = "Examples:\n  concord recalls list --hub hub.example.cn:7443 --open\n  \
        concord recalls list --hub hub.example.cn:7443 --org 12520300DEMXX00228 --json")]
    List(ListArguments),
    /// Lists what a doctor has not taken note of, with what was told and what stands now.
    #[command(after_help = "Examples:\n  concord recalls open --node 127.0.0.1:7444 --server-name localhost \\\n    \
        --practitioner D0001 --patient patient.json\n\n\
        `concord order check --help` shows patient.json.")]
    Open(OpenArguments),
    /// Shows one recall that a doctor has not taken note of.
    #[command(after_help = "Example:\n  concord recalls show 0a1b.. --node 127.0.0.1:7444 --practitioner D0001 --json")]
    Show {
        /// The recall, 32 hexadecimal digits.
        #[arg(value_parser = name)]
        recall: Bytes,
        /// Whose recalls.
        #[command(flatten)]
        asked: OpenArguments,
    },
    /// Writes what nobody of the hospital has taken note of, and then recalls as they come, until Ctrl-C.
    #[command(after_help = "Example:\n  concord recalls watch --node 127.0.0.1:7444 --json")]
    Watch {
        /// One doctor's alone.
        #[arg(long, default_value = "")]
        practitioner: String,
        /// Whom to ask.
        #[command(flatten)]
        desk: Desk,
    },
    /// Takes note of a recall, for its doctor or whoever stands in. Earlier ones of the doctor about the same result are
    /// covered.
    #[command(after_help = "Example:\n  \
        concord recalls acknowledge 0a1b.. --node 127.0.0.1:7444 --practitioner D0001 --department 内科门诊")]
    Acknowledge {
        /// The recall, 32 hexadecimal digits.
        #[arg(value_parser = name)]
        recall: Bytes,
        /// Who takes note: the number at the hospital.
        #[arg(long)]
        practitioner: String,
        /// The department.
        #[arg(long, default_value = "")]
        department: String,
        /// Whom to ask.
        #[command(flatten)]
        desk: Desk,
    },
}

/// Which recalls are listed.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only this organisation.
    #[arg(long)]
    org: Option<OrganisationCode>,
    /// Only recalls that nobody has taken note of.
    #[arg(long)]
    open: bool,
    /// At most this many, 1 to 1,000.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    #[command(flatten)]
    hub: HubArguments,
}

/// Whose recalls.
#[derive(Debug, Args)]
pub struct OpenArguments {
    /// The doctor's number at the hospital.
    #[arg(long)]
    practitioner: String,
    /// Only those about the patient whom this file names, `-` for standard input.
    #[arg(long)]
    patient: Option<PathBuf>,
    #[command(flatten)]
    desk: Desk,
}

/// Whom to ask.
#[derive(Debug, Args)]
pub struct Desk {
    /// The hospital's own node, host:port; without it the hub is asked.
    #[arg(long, env = "CONCORD_NODE", value_parser = endpoint)]
    node: Option<Endpoint>,
    #[command(flatten)]
    hub: HubArguments,
}

/// Why a recall was not shown or taken note of; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum RecallsError {
    /// Hub or node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The patient's file.
    #[error(transparent)]
    Patient(#[from] PatientFileError),
    /// The doctor has no such recall open.
    #[error("no open recall of this doctor has this name; `concord recalls open` lists them")]
    NotOpen,
    /// The terminal.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`RecallsError`], whose text says what to do next.
pub fn run(args: &RecallsArgs, out: &mut dyn Write) -> Result<(), RecallsError> {
    let words = Words(if args.english { pb::Language::En } else { pb::Language::Zh });
    match &args.command {
        RecallsCommand::List(list) => Ok(told::overview(&list.ask(args.json)?, args.json, words, out)?),
        RecallsCommand::Open(asked) => Ok(told::open(&asked.ask()?, args.json, words, out)?),
        RecallsCommand::Show { recall, asked } => {
            let found = asked.ask()?.into_iter().find(|found| found.recall_id == recall);
            Ok(told::recall(&found.ok_or(RecallsError::NotOpen)?, args.json, words, out)?)
        }
        RecallsCommand::Watch { practitioner, desk } => process::runtime()?.block_on(async {
            let asked = pb::WatchRecallsRequest { practitioner: practitioner.clone() };
            let mut told = desk.client()?.watch(asked).await.map_err(ClientError::from)?.into_inner();
            while let Some(recall) = told.message().await.map_err(ClientError::from)? {
                told::recall(&recall, args.json, words, out)?;
                out.flush()?;
            }
            Ok(())
        }),
        RecallsCommand::Acknowledge { recall, practitioner, department, desk } => {
            let actor = pb::Actor { practitioner: practitioner.clone(), department: department.clone() };
            let sent = pb::AcknowledgeRecallRequest { recall_id: recall.clone(), actor: Some(actor) };
            process::runtime()?.block_on(async {
                desk.client()?.acknowledge(sent).await.map_err(ClientError::from)?;
                Ok::<_, RecallsError>(())
            })?;
            Ok(told::noted(recall, args.json, words, out)?)
        }
    }
}

/// Reads the name of a recall or a case.
///
/// # Errors
/// A text for the command line.
pub fn name(text: &str) -> Result<Bytes, String> {
    let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 16);
    bytes.map(Bytes::from).ok_or_else(|| "write the 32 hexadecimal digits that the list shows".to_owned())
}

impl ListArguments {
    fn ask(&self, json: bool) -> Result<pb::RecallsResponse, ClientError> {
        let asked = pb::RecallsRequest {
            organisation: self.org.map(|code| code.to_string()).unwrap_or_default(),
            open_only: self.open,
            limit: self.limit,
        };
        let waiting = spinner("asking the hub", json);
        let answer = process::runtime()?.block_on(async {
            let answer = OversightClient::new(self.hub.channel()?).recalls(asked).await?;
            Ok(answer.into_inner())
        });
        waiting.finish_and_clear();
        answer
    }
}

impl OpenArguments {
    fn ask(&self) -> Result<Vec<pb::Recall>, RecallsError> {
        let patient = self.patient.as_deref().map(patient_file::read).transpose()?;
        let asked = pb::ListRecallsRequest { practitioner: self.practitioner.clone(), patient };
        process::runtime()?.block_on(async {
            let listed = self.desk.client()?.list(asked).await.map_err(ClientError::from)?;
            Ok(listed.into_inner().recalls)
        })
    }
}

impl Desk {
    fn client(&self) -> Result<RecallsClient<Channel>, ClientError> {
        self.hub.channel_by(self.node.as_ref()).map(RecallsClient::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recall_is_named_by_all_of_its_digits() {
        assert_eq!(name(&"07".repeat(16)), Ok(vec![7; 16].into()));
        for wrong in ["", "07", "CANARY"] {
            let said = name(wrong).unwrap_err();
            assert!(!said.contains("CANARY"), "{said}");
        }
    }
}
