//! What every command that calls a hub needs: where it is, who calls, and with which key statements are signed.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::domain::organisation::Role;
use crate::peer::channel::{HubAddress, HubAddressError, HubChannel};
use crate::pki::identity::{self, IdentityError};
use crate::pki::signing::{SigningError, SigningKey};
use crate::pki::tls::{self, Material, TlsError};
use crate::pki::trust::{Trust, TrustError};
use crate::sys::files::{self, FileError};
use crate::wire::pb;

/// Where the hub is, and who calls.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct HubArguments {
    /// The hub, host:port.
    #[arg(long, env = "CONCORD_HUB", value_parser = endpoint)]
    pub hub: Option<Endpoint>,
    /// The name its certificate bears, where that is not the host.
    #[arg(long, env = "CONCORD_HUB_NAME")]
    pub server_name: Option<String>,
    /// The authority's certificate.
    #[arg(long, default_value = "certs/ca/ca.pem", env = "CONCORD_CA")]
    pub ca: PathBuf,
    /// The authority's revocation list.
    #[arg(long, default_value = "certs/ca/crl.pem", env = "CONCORD_CRL")]
    pub crl: PathBuf,
    /// The caller's certificate.
    #[arg(long, default_value = "tls.pem", env = "CONCORD_CERT")]
    pub cert: PathBuf,
    /// The caller's private key.
    #[arg(long, default_value = "tls.key", env = "CONCORD_KEY")]
    pub key: PathBuf,
}

/// With which key statements are signed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Signature")]
pub struct SigningArguments {
    /// The signing key.
    #[arg(long, default_value = "signing.key", env = "CONCORD_SIGNING_KEY")]
    pub signing_key: PathBuf,
    /// Its certificate.
    #[arg(long, default_value = "signing.pem", env = "CONCORD_SIGNING_CERT")]
    pub signing_cert: PathBuf,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A signing key, and its certificate as the hub wants it.
pub struct Signing {
    /// The key.
    pub key: SigningKey,
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
}

/// The hub was not reached, or did not do it; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No hub was named.
    #[error("name the hub with --hub host:port")]
    NoHub,
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The caller's certificate names nobody of the exchange.
    #[error("--cert: {0}")]
    Identity(#[from] IdentityError),
    /// The files make no TLS settings.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The authority's files cannot be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] HubAddressError),
    /// The signing files cannot be used.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The operating system gave no runtime.
    #[error("start: {0}")]
    Start(#[from] io::Error),
    /// Hub or node answered with an error, or could not be spoken to.
    #[error("{}", told(.0))]
    Refused(Box<Status>),
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl HubArguments {
    /// Makes the channel to the hub, which is dialled when it is first used. It must be called in a runtime.
    ///
    /// # Errors
    /// [`ClientError`] naming the option or file to correct.
    pub fn channel(&self) -> Result<Channel, ClientError> {
        self.channel_to(self.hub.as_ref().ok_or(ClientError::NoHub)?, Role::Operator)
    }

    /// Makes the channel to a hospital's own node if one is named, or else to the hub. It must be called in a runtime.
    ///
    /// # Errors
    /// [`ClientError`] naming the option or file to correct.
    pub fn channel_by(&self, node: Option<&Endpoint>) -> Result<Channel, ClientError> {
        node.map_or_else(|| self.channel(), |node| self.channel_to(node, Role::Hospital))
    }

    fn channel_to(&self, endpoint: &Endpoint, server: Role) -> Result<Channel, ClientError> {
        let material = Material {
            authority_pem: files::read(&self.ca)?,
            list_pem: files::read(&self.crl)?,
            certificate_pem: files::read(&self.cert)?,
            key_pem: files::read_secret(&self.key)?,
        };
        let own = identity::identity_in_pem(&material.certificate_pem)?;
        let settings = tls::client(&material, own.region, server)?;
        let address = HubAddress {
            host: endpoint.host.clone(),
            port: endpoint.port,
            server_name: self.server_name.clone().unwrap_or_else(|| endpoint.host.clone()),
        };
        let (_, settings) = watch::channel(Arc::new(settings));
        Ok(HubChannel::new(&address, settings)?.channel())
    }

    /// Reads the signing key and its certificate, verified against the authority.
    ///
    /// # Errors
    /// [`ClientError`] naming the file to replace.
    pub fn signing(&self, files: &SigningArguments) -> Result<Signing, ClientError> {
        let trust = Trust::parse(&files::read(&self.ca)?, &files::read(&self.crl)?)?;
        let pem = files::read(&files.signing_cert)?;
        let key = SigningKey::load(&files::read_secret(&files.signing_key)?, &pem, &trust)?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| SigningError::Certificate)?;
        Ok(Signing { key, certificate: certificate.to_vec() })
    }
}

/// Shows that something is going on, on the terminal alone.
pub fn spinner(text: &'static str, json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(text);
    spinner.enable_steady_tick(TICK);
    spinner
}

/// Reads `host:port`; an IPv6 address stands in brackets.
///
/// # Errors
/// A text for the command line.
pub fn endpoint(text: &str) -> Result<Endpoint, String> {
    let wrong = || "write host:port, such as hub.example.cn:7443".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() || (bare.contains(':') && bare == host) {
        return Err(wrong());
    }
    Ok(Endpoint { host: bare.to_owned(), port: port.parse().map_err(|_| wrong())? })
}

/// Writes an instant at its own offset, RFC 3339; only the date where no more is known.
pub fn local(moment: &pb::Moment) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(moment.unix_ms.div_euclid(1_000)).ok()?;
    let offset = UtcOffset::from_whole_seconds(moment.offset_minutes.checked_mul(60)?).ok()?;
    let time = time.to_offset(offset);
    if moment.date_only { Some(time.date().to_string()) } else { time.format(&Rfc3339).ok() }
}

/// Says what was said, with the fields it names; or why nothing was, and where to look.
fn told(status: &Status) -> String {
    if let Some(last) = last_cause(status) {
        return format!(
            "no connection: {last}; see that it runs at this address, and that --ca, --cert and --key are of its region"
        );
    }
    let request = status.get_details_bad_request();
    let fields = request.iter().flat_map(|request| &request.field_violations);
    let fields: Vec<_> = fields.map(|violation| format!("{} {}", violation.field, violation.description)).collect();
    let said = if fields.is_empty() { status.message().to_owned() } else { fields.join("; ") };
    format!("refused ({:?}): {said}", status.code())
}

/// Gives what lies at the bottom of a status that nobody sent: what this end met.
fn last_cause(status: &Status) -> Option<&dyn Error> {
    let mut last = status.source()?;
    while let Some(cause) = last.source() {
        last = cause;
    }
    Some(last)
}

const TICK: Duration = Duration::from_millis(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_answered_is_told_from_a_refusal() {
        let refused = Status::permission_denied("this role may not call this method");
        assert_eq!(
            ClientError::from(refused).to_string(),
            "refused (PermissionDenied): this role may not call this method"
        );
        let absent = Status::from_error(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        let said = ClientError::from(absent).to_string();
        assert!(said.starts_with("no connection: connection refused; see that it runs"), "{said}");
    }

    #[test]
    fn a_hub_is_named_by_host_and_port() {
        let named = |text| endpoint(text).map(|endpoint| (endpoint.host, endpoint.port));
        assert_eq!(named("hub.example.cn:7443"), Ok(("hub.example.cn".into(), 7443)));
        assert_eq!(named("[::1]:7443"), Ok(("::1".into(), 7443)));
        for wrong in ["hub", "hub:", ":7443", "::1:7443", "hub:70000", ""] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
