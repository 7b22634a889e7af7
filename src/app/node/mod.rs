//! `concord node`: the process that stands in a hospital, and the tools of its engineers.

pub mod config;
mod import;
pub mod parts;
pub mod serve;
mod services;
mod standing;
pub mod terms;
pub mod tools;
mod web;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::app::node::config::NodeConfig;
use crate::app::node::serve::{NodeListeners, NodeRunError};
use crate::app::node::tools::{NodeAddress, ToolError};
use crate::app::process;
use crate::app::settings::SettingsError;
use crate::ports::clock::Clock;
use crate::wire::pb;

/// Runs a hospital's node, and looks after it.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// What `concord node` can do.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Serves the hospital until SIGTERM or Ctrl-C.
    #[command(after_help = "Example:\n  concord node run --config /etc/concord/node.toml\n\n\
        New TLS files, revocation lists, mapping tables and policy versions are taken up without a restart.")]
    Run {
        /// The configuration; see deploy/node.example.toml.
        #[arg(long, default_value = "node.toml", env = "CONCORD_NODE_CONFIG")]
        config: PathBuf,
        /// Journal, originals and projections, in place of the configuration's `data`.
        #[arg(long, env = "CONCORD_NODE_DATA")]
        data: Option<PathBuf>,
    },
    /// Sends DICOM files, or folders of them, to the node; each is told when it is durable.
    #[command(after_help = "Examples:\n  concord node import --config node.toml /media/disc\n  \
        concord node import --config node.toml --json archive/2025 archive/2026")]
    Import {
        /// Which node.
        #[command(flatten)]
        node: NodeAddress,
        /// Files and folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Shows what was taken, published and held, and whether the hub is there.
    #[command(after_help = "Example:\n  concord node status --config /etc/concord/node.toml")]
    Status {
        /// Which node.
        #[command(flatten)]
        node: NodeAddress,
    },
    /// Lists what waits for somebody: by the sender's reference, never by the patient.
    #[command(after_help = "Example:\n  concord node held --limit 20 --json")]
    Held {
        /// Which node.
        #[command(flatten)]
        node: NodeAddress,
        /// At most this many, 1 to 1,000.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Has what is held or unmapped read again, after the table or the settings were corrected.
    #[command(after_help = "Example:\n  concord node reprocess")]
    Reprocess {
        /// Which node.
        #[command(flatten)]
        node: NodeAddress,
    },
    /// Takes a study that was deleted in the archive out of use; whoever relied on it is told.
    #[command(
        after_help = "Example:\n  concord node withdraw-study 1.2.840.113619.2.1.1 --reason \"deleted in the archive\"\n\n\
        Images of the study that arrive later are published again."
    )]
    WithdrawStudy {
        /// Which node.
        #[command(flatten)]
        node: NodeAddress,
        /// Study Instance UID.
        study: String,
        /// Why; must not name the patient.
        #[arg(long)]
        reason: String,
        /// The images were never this patient's: whoever relied on them is told urgently.
        #[arg(long)]
        entered_in_error: bool,
    },
}

/// Why `concord node` did not do it; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum NodeCommandError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The node.
    #[error(transparent)]
    Run(#[from] NodeRunError),
    /// A tool.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Signals cannot be received, or the answer not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`NodeCommandError`], whose text says what to do next.
pub fn run(args: &NodeArgs, clock: Arc<dyn Clock>, out: &mut dyn Write) -> Result<(), NodeCommandError> {
    let tool = match &args.command {
        NodeCommand::Run { config, data } => {
            let mut config = NodeConfig::read(config)?;
            if let Some(data) = data {
                config.data.clone_from(data);
            }
            return process::runtime()?.block_on(async {
                let listeners = NodeListeners::bind(&config).await?;
                let addresses = listeners.addresses()?;
                tracing::info!(grpc = %addresses.grpc, mllp = ?addresses.mllp, dicom = ?addresses.dicom, "listening");
                Ok(serve::run(&config, clock, listeners, process::stop_signal()?).await?)
            });
        }
        NodeCommand::Import { node, paths } => process::runtime()?.block_on(import::import(node, paths, out)),
        NodeCommand::Status { node } => process::runtime()?.block_on(tools::status(node, out)),
        NodeCommand::Held { node, limit } => process::runtime()?.block_on(tools::held(node, *limit, out)),
        NodeCommand::WithdrawStudy { node, study, reason, entered_in_error } => {
            let sent = pb::WithdrawStudyRequest {
                study_uid: study.clone(),
                reason: reason.clone(),
                entered_in_error: *entered_in_error,
            };
            process::runtime()?.block_on(tools::withdraw_study(node, sent, out))
        }
        NodeCommand::Reprocess { node } => process::runtime()?.block_on(tools::reprocess(node, out)),
    };
    Ok(tool?)
}
