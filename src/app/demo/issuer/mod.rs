//! `concord demo-issuer`: an issuer of patients' logins for demonstrations and tests. It asks for no proof of anything:
//! whoever presses a button is that sample patient. It listens where the demo tells it to, and never beside real data.
//!
//! Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 7636.

mod pages;
mod provider;
mod routes;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::credentials::{CredentialsError, TlsFiles};
use crate::app::demo::issuer::provider::Provider;
use crate::app::https::{HttpsDoor, HttpsPart};
use crate::app::process;
use crate::app::sample::cast::REGION;
use crate::app::settings::{self, SettingsError, beside};
use crate::doors::tls::AcceptSettings;
use crate::pki::token::IssueError;
use crate::ports::clock::Clock;

/// Serves logins of sample patients, for demonstrations alone.
#[derive(Debug, Args)]
pub struct DemoIssuerArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DemoIssuerCommand,
}

/// What `concord demo-issuer` can do.
#[derive(Debug, Subcommand)]
pub enum DemoIssuerCommand {
    /// Serves until SIGTERM or Ctrl-C.
    Run {
        /// The configuration, as the demo writes it.
        #[arg(long, default_value = "issuer.toml")]
        config: PathBuf,
    },
}

/// The issuer's configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Where callers are taken; its `base_url` is the issuer's name.
    pub https: IssuerAddress,
    /// The region's authority, its list, and the issuer's certificate and key.
    pub tls: IssuerTls,
    /// The one client whose browsers log in.
    pub client: ClientPart,
    /// What the tokens of programs are for.
    pub audience: String,
    /// Whoever can log in.
    pub patients: Vec<SamplePatient>,
}

/// Where the issuer is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerAddress {
    /// Address and port.
    pub listen: std::net::SocketAddr,
    /// The issuer's name, by which it is called.
    pub base_url: String,
}

/// The issuer's four PEM files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerTls {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The authority's revocation list.
    pub revocation_list: PathBuf,
    /// The issuer's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The client whose browsers log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPart {
    /// Its name.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The one address that browsers are sent back to.
    pub redirect_uri: String,
}

/// A sample patient.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplePatient {
    /// What tokens call the patient; says nothing.
    pub subject: String,
    /// A made-up name, for the login page alone.
    pub name: String,
    /// What the patient is for, in words.
    pub part: String,
    /// Type of the identifier.
    pub identifier_type: String,
    /// The identifier.
    pub identifier: String,
    /// `male` or `female`.
    pub sex: String,
    /// YYYY-MM-DD.
    pub birth_date: String,
}

/// The issuer could not serve; the text says what to correct.
#[derive(Debug, thiserror::Error)]
pub enum DemoIssuerError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The TLS files.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No key can be made.
    #[error(transparent)]
    Key(#[from] IssueError),
    /// The address, or signals.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Level of assurance of a login by face or card, as the demo's tokens spell it.
pub const STRONG: &str = "urn:concord:assurance:substantial";
/// Level of assurance of a name and a number alone.
pub const WEAK: &str = "urn:concord:assurance:low";
/// Grant type by which a program gets a token for a sample patient at once.
pub const DIRECT_GRANT: &str = "urn:concord:demo";

/// Runs the command.
///
/// # Errors
/// [`DemoIssuerError`], whose text says what to do next.
pub fn run(args: &DemoIssuerArgs, clock: Arc<dyn Clock>) -> Result<(), DemoIssuerError> {
    let DemoIssuerCommand::Run { config } = &args.command;
    let config = IssuerConfig::read(config)?;
    process::runtime()?.block_on(serve(config, clock, process::stop_signal))
}

async fn serve(
    config: IssuerConfig,
    clock: Arc<dyn Clock>,
    stop: fn() -> io::Result<CancellationToken>,
) -> Result<(), DemoIssuerError> {
    let (stop, behind) = (stop()?, TaskTracker::new());
    let IssuerTls { authority, revocation_list, certificate, key } = config.tls.clone();
    let files = TlsFiles { authority, list: revocation_list, certificate, key };
    let IssuerAddress { listen, base_url } = config.https.clone();
    let part = HttpsPart {
        listen,
        base_url: Some(base_url),
        certificate: None,
        key: None,
        clients: Vec::new(),
        identifiers: Vec::new(),
    };
    let tls = part.tls(files, WATCH_INTERVAL, &behind, stop.clone())?;
    let region = REGION.parse().unwrap_or_else(|error| unreachable!("the cast is checked: {error}"));
    let accepting = AcceptSettings::new(region);
    let door = HttpsDoor { listener: part.bind().await?, tls, accepting, shares: None, grace: GRACE, operations: None };
    let provider = Arc::new(Provider::new(config, clock)?);
    tracing::info!(address = %part.listen, "issuer for demonstrations serving");
    door.serve(routes::routes(provider), stop).await;
    behind.close();
    behind.wait().await;
    Ok(())
}

impl IssuerConfig {
    fn read(path: &Path) -> Result<Self, SettingsError> {
        let mut config: Self = settings::read(path)?;
        let tls = &mut config.tls;
        for place in [&mut tls.authority, &mut tls.revocation_list, &mut tls.certificate, &mut tls.key] {
            *place = beside(path, place);
        }
        Ok(config)
    }
}

const WATCH_INTERVAL: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(2);
