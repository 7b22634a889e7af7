//! `concord node`: the process that stands in a hospital, and the tools of its engineers.

pub mod config;
pub mod parts;
pub mod serve;
mod services;
pub mod terms;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::app::node::config::NodeConfig;
use crate::app::node::serve::{NodeListeners, NodeRunError};
use crate::app::process;
use crate::app::settings::SettingsError;
use crate::ports::clock::Clock;

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
    /// Signals cannot be received, or the answer not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the command.
///
/// # Errors
/// [`NodeCommandError`], whose text says what to do next.
pub fn run(args: &NodeArgs, clock: Arc<dyn Clock>) -> Result<(), NodeCommandError> {
    match &args.command {
        NodeCommand::Run { config, data } => {
            let mut config = NodeConfig::read(config)?;
            if let Some(data) = data {
                config.data.clone_from(data);
            }
            process::runtime()?.block_on(async {
                let listeners = NodeListeners::bind(&config).await?;
                let addresses = listeners.addresses()?;
                tracing::info!(grpc = %addresses.grpc, mllp = ?addresses.mllp, dicom = ?addresses.dicom, "listening");
                Ok(serve::run(&config, clock, listeners, process::stop_signal()?).await?)
            })
        }
    }
}
