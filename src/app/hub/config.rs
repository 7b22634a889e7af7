//! `hub.toml`: what a hub must be told. Every key is explained in `deploy/hub.example.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::app::credentials::TlsFiles;
use crate::app::https::HttpsPart;
use crate::app::hub::patients::PatientsPart;
use crate::app::journal::JournalPart;
use crate::app::operations::traces::TracesPart;
use crate::app::operations::{HealthPart, MetricsPart};
use crate::app::settings::{self, SettingsError, beside, parsed, parsed_list};
use crate::domain::adcode::Adcode;
use crate::domain::identifier::IdentifierType;
use crate::doors::shares::ShareSettings;
use crate::merkle::note::KeyName;

/// A hub's configuration; its paths are relative to the process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// The region that is served.
    #[serde(deserialize_with = "parsed")]
    pub region: Adcode,
    /// Where callers are taken.
    pub listen: SocketAddr,
    /// Journal, public log and projections.
    pub data: PathBuf,
    /// The region's files, `organisations.csv` among them.
    pub region_data: PathBuf,
    /// The three secrets.
    pub secrets: PathBuf,
    /// The public log's name.
    #[serde(deserialize_with = "parsed")]
    pub log_name: KeyName,
    /// Identifier types that tell a person alone, strongest first.
    #[serde(deserialize_with = "parsed_list")]
    pub strong_identifiers: Vec<IdentifierType>,
    /// The TLS files.
    pub tls: TlsPaths,
    /// The door for order screens, viewers and patients; there is none where it is left out.
    pub https: Option<HttpsPart>,
    /// How patients log in; they have no door where it is left out.
    pub patients: Option<PatientsPart>,
    /// Where metrics and health are shown; nowhere where it is left out.
    pub metrics: Option<MetricsPart>,
    /// When the process is not ready.
    #[serde(default)]
    pub health: HealthPart,
    /// Where spans go; nowhere where it is left out.
    pub traces: Option<TracesPart>,
    /// How the journal is kept.
    #[serde(default)]
    pub journal: JournalPart,
    /// What may be left out.
    #[serde(default)]
    pub limits: HubLimits,
}

/// The four PEM files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsPaths {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The authority's revocation list.
    pub revocation_list: PathBuf,
    /// The hub's certificate.
    pub certificate: PathBuf,
    /// The hub's private key.
    pub key: PathBuf,
}

/// How much a hub takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubLimits {
    /// Most connections at one time.
    pub connections_max: usize,
    /// Most connections of one organisation at one time.
    pub organisation_connections_max: usize,
    /// Most requests under way on one connection.
    pub connection_requests_max: u32,
    /// Most requests under way in all, over both doors; one caller never holds more than half of them, and no more than an
    /// equal share once half are taken.
    pub requests_max: usize,
    /// Most requests of one caller a second in the long run; twice as many at once.
    pub requests_per_s: u32,
    /// Memory of the index, in MiB.
    pub index_cache_mib: u16,
    /// Memory of the other tables, in MiB.
    pub tables_cache_mib: u16,
    /// How often changed files are looked for, in seconds.
    pub watch_interval_s: u16,
    /// How long requests may go on after a stop, in seconds.
    pub stop_grace_s: u16,
}

impl HubConfig {
    /// Reads `hub.toml`.
    ///
    /// # Errors
    /// [`SettingsError`] naming line and key.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let mut config: Self = settings::read(path)?;
        let tls = &mut config.tls;
        let paths = [&mut config.data, &mut config.region_data, &mut config.secrets];
        let files = [&mut tls.authority, &mut tls.revocation_list, &mut tls.certificate, &mut tls.key];
        for place in paths.into_iter().chain(files) {
            *place = beside(path, place);
        }
        if let Some(https) = &mut config.https {
            https.place_beside(path);
        }
        if let Some(patients) = &mut config.patients {
            patients.place_beside(path);
        }
        Ok(config)
    }

    /// Gives the TLS files as the watchers take them.
    pub fn tls_files(&self) -> TlsFiles {
        let TlsPaths { authority, revocation_list, certificate, key } = self.tls.clone();
        TlsFiles { authority, list: revocation_list, certificate, key }
    }
}

impl HubLimits {
    /// Gives the interval at which changed files are looked for.
    pub fn watch_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.watch_interval_s.max(1)))
    }

    /// Gives what callers share.
    pub fn shares(&self) -> ShareSettings {
        ShareSettings { requests_max: self.requests_max, requests_per_s: self.requests_per_s }
    }

    /// Gives the time that requests have left after a stop.
    pub fn stop_grace(&self) -> Duration {
        Duration::from_secs(u64::from(self.stop_grace_s))
    }
}

impl Default for HubLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            organisation_connections_max: 256,
            connection_requests_max: 1_024,
            requests_max: 2_048,
            requests_per_s: 50_000,
            index_cache_mib: 128,
            tables_cache_mib: 64,
            watch_interval_s: 2,
            stop_grace_s: 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/hub.example.toml");

    #[test]
    fn the_example_is_read_and_shows_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.toml");
        std::fs::write(&path, EXAMPLE).unwrap();
        let config = HubConfig::read(&path).unwrap();
        assert_eq!((config.limits, config.journal), (HubLimits::default(), JournalPart::default()));
        assert_eq!(config.data, folder.path().join("data"));
        assert_eq!(config.tls.key, folder.path().join("tls/tls.key"));
    }

    #[test]
    fn a_wrong_or_unknown_key_is_named() {
        let refused = |text: &str| toml::from_str::<HubConfig>(text).unwrap_err().to_string();
        assert!(refused(&EXAMPLE.replace("520000", "52000")).contains("region"));
        assert!(refused(&EXAMPLE.replace("stop_grace_s", "stop_grace")).contains("stop_grace"));
        assert!(refused(&EXAMPLE.replace("secrets =", "secret =")).contains("secret"));
    }
}
