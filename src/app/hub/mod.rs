//! `concord hub`: the process that serves a region.

pub mod config;
pub mod patients;
pub mod region;
pub mod secrets;
pub mod serve;
mod services;
mod standing;
pub mod storage;
mod web;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::hub::config::HubConfig;
use crate::app::hub::secrets::{Secrets, SecretsError};
use crate::app::hub::serve::{HubListeners, HubRunError};
use crate::app::process;
use crate::app::settings::SettingsError;
use crate::ports::clock::Clock;
use clap::{Args, Subcommand};
use serde_json::json;

/// Runs a region's hub.
#[derive(Debug, Args)]
pub struct HubArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: HubCommand,
}

/// What `concord hub` can do.
#[derive(Debug, Subcommand)]
pub enum HubCommand {
    /// Makes the hub's secrets: identity.key, grant.key and log.key. Back them up apart from the data.
    #[command(after_help = "Example:\n  concord hub init --config /etc/concord/hub.toml")]
    Init {
        /// The configuration; see deploy/hub.example.toml.
        #[arg(long, default_value = "hub.toml", env = "CONCORD_HUB_CONFIG")]
        config: PathBuf,
        /// Writes JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Serves the region until SIGTERM or Ctrl-C.
    #[command(after_help = "Example:\n  concord hub run --config /etc/concord/hub.toml\n\n\
        New TLS files, revocation lists and policy versions are taken up without a restart.")]
    Run {
        /// The configuration; see deploy/hub.example.toml.
        #[arg(long, default_value = "hub.toml", env = "CONCORD_HUB_CONFIG")]
        config: PathBuf,
    },
}

/// Why `concord hub` did not do it; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum HubCommandError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The hub.
    #[error(transparent)]
    Run(#[from] HubRunError),
    /// Signals cannot be received, or the answer not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// [`HubCommandError`], whose text says what to do next.
pub fn run(args: &HubArgs, clock: Arc<dyn Clock>, out: &mut dyn Write) -> Result<(), HubCommandError> {
    match &args.command {
        HubCommand::Init { config, json } => {
            let config = HubConfig::read(config)?;
            Secrets::create(&config.secrets)?;
            let log_key = Secrets::read(&config.secrets)?.log_key(&config.log_name).to_string();
            match json {
                true => writeln!(out, "{}", json!({ "secrets": config.secrets, "log_key": log_key }))?,
                false => writeln!(out, "made the secrets in {}; the log's key is {log_key}", config.secrets.display())?,
            }
            Ok(())
        }
        HubCommand::Run { config } => {
            let config = HubConfig::read(config)?;
            process::runtime()?.block_on(async {
                let listeners = HubListeners::bind(&config).await?;
                Ok(serve::run(&config, clock, listeners, process::stop_signal()?).await?)
            })
        }
    }
}
