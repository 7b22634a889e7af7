//! `node.toml`: what a node must be told. Every key is explained in `deploy/node.example.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::app::credentials::TlsFiles;
use crate::app::https::HttpsPart;
use crate::app::journal::JournalPart;
use crate::app::operations::traces::TracesPart;
use crate::app::operations::{HealthPart, MetricsPart};
use crate::app::settings::{self, SettingsError, beside, parsed, parsed_list};
use crate::domain::adcode::Adcode;
use crate::domain::identifier::IdentifierType;
use crate::domain::limits::MLLP_CONNECTIONS_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::doors::mllp::MllpSettings;
use crate::merkle::note::{KeyName, VerifierKey};
use crate::peer::channel::HubAddress;
use crate::service::node::NodeSettings;
use crate::service::node::forward::ForwardSettings;
use crate::wire::hl7::SourceSettings;
use crate::wire::hl7::charset::Charset;
use crate::wire::known_as::{IdentifierRow, IdentifierTable};

/// A node's configuration; its paths are relative to the process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The region.
    #[serde(deserialize_with = "parsed")]
    pub region: Adcode,
    /// The hospital.
    #[serde(deserialize_with = "parsed")]
    pub organisation: OrganisationCode,
    /// Journal, originals and projections.
    pub data: PathBuf,
    /// The hospital's table of local codes.
    pub mapping: Option<PathBuf>,
    /// Where the hospital's own systems and people call.
    pub listen: SocketAddr,
    /// Offset of clocks that do not say theirs, in minutes east of UTC, -840 to 840.
    #[serde(default = "china_minutes")]
    pub offset_minutes: i16,
    /// Identifier types that tell a person alone, strongest first, as the hub has them.
    #[serde(deserialize_with = "parsed_list")]
    pub strong_identifiers: Vec<IdentifierType>,
    /// The hub.
    pub hub: HubPart,
    /// The TLS files.
    pub tls: TlsPart,
    /// The door for order screens and viewers; there is none where it is left out.
    pub https: Option<HttpsPart>,
    /// The key under which batches are signed.
    pub signing: SigningPart,
    /// Listeners for HL7 messages.
    #[serde(default)]
    pub mllp: Vec<MllpPart>,
    /// The listener for images.
    pub dicom: Option<DicomPart>,
    /// What the hospital's systems call the region's identifier types.
    #[serde(default)]
    pub identifiers: Vec<IdentifierPart>,
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
    pub timing: Timing,
}

/// Where the hub is, and what is believed of its log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubPart {
    /// The hub's instances.
    pub instances: Vec<InstancePart>,
    /// The log's public keys, as `concord hub init` shows them.
    #[serde(deserialize_with = "parsed_list")]
    pub log_keys: Vec<VerifierKey>,
    /// The log's name.
    #[serde(deserialize_with = "parsed")]
    pub log_name: KeyName,
}

/// One instance of the hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstancePart {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The name in its certificate; the host where it is left out.
    pub server_name: Option<String>,
}

/// The four PEM files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsPart {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The authority's revocation list.
    pub revocation_list: PathBuf,
    /// The node's certificate.
    pub certificate: PathBuf,
    /// The node's private key.
    pub key: PathBuf,
}

/// The signing key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningPart {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A listener for HL7 messages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpPart {
    /// Address and port.
    pub listen: SocketAddr,
    /// The name of the source; results are named after it, so it must never change.
    pub source: String,
    /// Character set of messages that do not declare one, as GB18030.
    pub charset: Option<String>,
    /// Whether `charset` holds whatever the messages declare.
    #[serde(default)]
    pub charset_forced: bool,
    /// Offset of the source's clock, in minutes; the node's where it is left out.
    pub offset_minutes: Option<i16>,
    /// Most open connections, 1 to 65,536.
    #[serde(default = "mllp_connections")]
    pub connections_max: usize,
}

/// The listener for images.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DicomPart {
    /// Address and port.
    pub listen: SocketAddr,
    /// The AE title that callers must call.
    pub ae_title: String,
    /// The AE titles of the callers let in; all where it is left out.
    pub calling_ae_titles: Option<Vec<String>>,
    /// Most associations at once.
    #[serde(default = "associations")]
    pub associations_max: usize,
}

/// How an identifier is marked at the hospital, and what it is in the region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentifierPart {
    /// CX-5; empty for images, and for systems that send none.
    #[serde(default)]
    pub code: String,
    /// CX-4, or Issuer of Patient ID; any where it is left out.
    pub authority: Option<String>,
    /// The region's type.
    #[serde(rename = "type", deserialize_with = "parsed")]
    pub kind: IdentifierType,
    /// The authority that the region knows it under, where the type needs one.
    #[serde(default)]
    pub known_authority: String,
}

/// Waits and intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// Silence after which a study counts as complete, in milliseconds.
    pub study_quiet_ms: u64,
    /// Silence after which a batch is sealed though it is not full, in milliseconds.
    pub batch_quiet_ms: u64,
    /// Longest wait of a check, in milliseconds; then the answer is empty.
    pub check_wait_ms: u64,
    /// Longest wait of a decision, in milliseconds.
    pub decide_wait_ms: u64,
    /// How long a pseudonym is believed without asking the hub again, in hours.
    pub pseudonym_hours: u32,
    /// How often the hub is asked for its catalogue, in seconds.
    pub catalogue_interval_s: u16,
    /// How often changed files are looked for, in seconds.
    pub watch_interval_s: u16,
    /// How long requests may go on after a stop, in seconds.
    pub stop_grace_s: u16,
}

impl NodeConfig {
    /// Reads `node.toml`.
    ///
    /// # Errors
    /// [`SettingsError`] naming file and key.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let mut config: Self = settings::read(path)?;
        let (tls, signing) = (&mut config.tls, &mut config.signing);
        let files = [&mut tls.authority, &mut tls.revocation_list, &mut tls.certificate, &mut tls.key];
        let files = files.into_iter().chain([&mut signing.certificate, &mut signing.key, &mut config.data]);
        for place in files.chain(config.mapping.as_mut()) {
            *place = beside(path, place);
        }
        if let Some(https) = &mut config.https {
            https.place_beside(path);
        }
        let wrong = |reason: String| SettingsError::Content { path: path.to_owned(), reason };
        config.check().map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.hub.instances.is_empty() {
            return Err("hub.instances: name at least one".to_owned());
        }
        let names: BTreeSet<&str> = self.mllp.iter().map(|part| part.source.as_str()).collect();
        if names.len() != self.mllp.len() || names.contains("") {
            return Err("mllp.source: each listener needs a name of its own".to_owned());
        }
        let offsets = self.mllp.iter().filter_map(|part| part.offset_minutes).chain([self.offset_minutes]);
        if offsets.into_iter().any(|offset| !(-840..=840).contains(&offset)) {
            return Err("offset_minutes: -840 to 840".to_owned());
        }
        if self.mllp.iter().any(|part| !(1..=MLLP_CONNECTIONS_OF_PORT_MAX).contains(&part.connections_max)) {
            return Err(format!("mllp.connections_max: 1 to {MLLP_CONNECTIONS_OF_PORT_MAX}"));
        }
        let unknown = self.mllp.iter().filter_map(|part| part.charset.as_deref());
        match unknown.into_iter().find(|label| Charset::from_label(label).is_none()) {
            Some(label) => Err(format!("mllp.charset: {label} is not known")),
            None => Ok(()),
        }
    }

    /// Gives the TLS files as the watchers take them.
    pub fn tls_files(&self) -> TlsFiles {
        let TlsPart { authority, revocation_list, certificate, key } = self.tls.clone();
        TlsFiles { authority, list: revocation_list, certificate, key }
    }

    /// Gives the addresses of the hub's instances.
    pub fn hub_addresses(&self) -> Vec<HubAddress> {
        let address = |part: &InstancePart| HubAddress {
            host: part.host.clone(),
            port: part.port,
            server_name: part.server_name.clone().unwrap_or_else(|| part.host.clone()),
        };
        self.hub.instances.iter().map(address).collect()
    }

    /// Gives how a listener treats its source.
    pub fn mllp_settings(&self, part: &MllpPart) -> MllpSettings {
        let source = self.source_settings(part);
        MllpSettings { source, connections_max: part.connections_max, ..MllpSettings::default() }
    }

    /// Gives how the source of a listener writes.
    pub fn source_settings(&self, part: &MllpPart) -> SourceSettings {
        let charset = part.charset.as_deref().and_then(Charset::from_label);
        SourceSettings {
            charset_forced: charset.filter(|_| part.charset_forced),
            charset_usual: charset,
            offset_minutes: part.offset_minutes.unwrap_or(self.offset_minutes),
            ..SourceSettings::default()
        }
    }

    /// Gives the settings of the node's work.
    pub fn node_settings(&self) -> NodeSettings {
        let identifier = |part: &IdentifierPart| IdentifierRow {
            code: part.code.clone(),
            authority: part.authority.clone(),
            kind: part.kind.clone(),
            known_authority: part.known_authority.clone(),
        };
        let source = |part: &MllpPart| (part.source.clone(), self.source_settings(part));
        NodeSettings {
            publisher: self.organisation,
            identifiers: IdentifierTable::new(self.identifiers.iter().map(identifier).collect()),
            strong: self.strong_identifiers.clone(),
            sources: self.mllp.iter().map(source).collect::<BTreeMap<_, _>>(),
            offset_minutes: self.offset_minutes,
            batch_quiet: Duration::from_millis(self.timing.batch_quiet_ms),
            study_quiet: Duration::from_millis(self.timing.study_quiet_ms),
            pseudonym_hours: self.timing.pseudonym_hours,
            hub_log: self.hub.log_name.clone(),
            hub_keys: self.hub.log_keys.clone(),
        }
    }
}

impl Timing {
    /// Gives how long callers of the node wait.
    pub fn forward(&self) -> ForwardSettings {
        ForwardSettings {
            check_wait_max: Duration::from_millis(self.check_wait_ms),
            decide_wait_max: Duration::from_millis(self.decide_wait_ms),
        }
    }

    /// Gives the interval at which changed files are looked for.
    pub fn watch_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.watch_interval_s.max(1)))
    }

    /// Gives the interval at which the hub is asked for its catalogue.
    pub fn catalogue_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.catalogue_interval_s.max(1)))
    }

    /// Gives the time that requests have left after a stop.
    pub fn stop_grace(&self) -> Duration {
        Duration::from_secs(u64::from(self.stop_grace_s))
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            study_quiet_ms: 60_000,
            batch_quiet_ms: 200,
            check_wait_ms: 300,
            decide_wait_ms: 5_000,
            pseudonym_hours: 24,
            catalogue_interval_s: 30,
            watch_interval_s: 2,
            stop_grace_s: 10,
        }
    }
}

fn china_minutes() -> i16 {
    480
}

fn associations() -> usize {
    32
}

fn mllp_connections() -> usize {
    MLLP_CONNECTIONS_MAX
}

/// Most connections that a port may be configured for: as many files as the units let a process open.
const MLLP_CONNECTIONS_OF_PORT_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/node.example.toml");

    fn read(text: &str) -> Result<NodeConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        NodeConfig::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_read_and_shows_the_defaults() {
        let config = read(EXAMPLE).unwrap();
        assert_eq!((config.timing, config.journal), (Timing::default(), JournalPart::default()));
        let connections: Vec<usize> =
            config.mllp.iter().map(|part| config.mllp_settings(part).connections_max).collect();
        assert_eq!(connections, [MLLP_CONNECTIONS_MAX; 2], "the default stands in the example");
        let few = EXAMPLE.replace("connections_max = 256", "connections_max = 8");
        assert_eq!(read(&few).unwrap().mllp[0].connections_max, 8);
        assert!(config.tls.key.ends_with("tls/tls.key") && config.tls.key.is_absolute());
        assert_eq!(config.hub_addresses()[0].server_name, "hub.example.cn");
        let settings = config.node_settings();
        assert_eq!(settings.sources["lis"].charset_usual, Charset::from_label("GB18030"));
        assert_eq!(settings.sources["lis"].charset_forced, None);
    }

    #[test]
    fn a_wrong_or_unknown_key_is_named() {
        let refused = |from: &str, to: &str| {
            let changed = EXAMPLE.replace(from, to);
            assert_ne!(changed, EXAMPLE, "{from}");
            read(&changed).unwrap_err()
        };
        assert!(refused("91350100M000100Y43", "91350100M000100Y44").contains("organisation"));
        assert!(refused("study_quiet_ms", "study_quiet").contains("study_quiet"));
        assert!(refused("\"GB18030\"", "\"GB1803\"").contains("mllp.charset"));
        assert!(refused("source = \"pathology\"", "source = \"lis\"").contains("mllp.source"));
        assert!(refused("offset_minutes = 480", "offset_minutes = 900").contains("offset_minutes"));
        assert!(refused("connections_max = 256", "connections_max = 0").contains("mllp.connections_max"));
        assert!(refused("connections_max = 256", "connections_max = 65537").contains("mllp.connections_max"));
    }
}
