//! Makes a region in a folder: certificates, the region's data, secrets, and a configuration for every process.

use std::net::SocketAddr;
use std::path::Path;

use crate::app::hub::config::HubConfig;
use crate::app::hub::secrets::Secrets;
use crate::app::sample::SampleError;
use crate::app::sample::authority;
use crate::app::sample::cast::{HOSPITALS, Hospital, NATIONAL_CENTRE, OFFICES, REGION};
use crate::app::sample::layout::{Layout, NodePorts, Settled};
use crate::app::sample::login;
use crate::ports::clock::Clock;
use crate::service::hub::registry::ORGANISATIONS;
use crate::sys::files;

/// Makes the region, or takes up the one that an earlier start made.
///
/// # Errors
/// [`SampleError`]; give another folder.
pub fn region(layout: &Layout, clock: &dyn Clock) -> Result<Settled, SampleError> {
    if let Some(settled) = layout.settled()? {
        authority::renew(layout, clock)?;
        return Ok(settled);
    }
    authority::make(layout, clock)?;
    let settled = Settled::choose(clock.now()).map_err(SampleError::Ports)?;
    write_region(&layout.region())?;
    let hub = layout.hub();
    login::write(layout, &settled)?;
    let path = hub.join("hub.toml");
    files::write(&path, hub_configuration(&settled).as_bytes())?;
    let config = HubConfig::read(&path)?;
    Secrets::create(&config.secrets)?;
    let log_key = Secrets::read(&config.secrets)?.log_key(&config.log_name).to_string();
    for (place, (hospital, ports)) in HOSPITALS.iter().zip(&settled.nodes).enumerate() {
        let text = node_configuration((hospital, ports), settled.metrics.get(1 + place), &settled, &log_key);
        files::write(&layout.node(hospital).join("node.toml"), text.as_bytes())?;
    }
    layout.settle(&settled)?;
    Ok(settled)
}

/// Writes the project's own catalogue and policy, with the demo's organisations.
fn write_region(folder: &Path) -> Result<(), SampleError> {
    let failed = |source| SampleError::Folder { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    for (name, text) in REGION_FILES {
        files::write(&folder.join(name), text.as_bytes())?;
    }
    let national = format!("[issuers]\n\"{}\" = \"national\"\n", NATIONAL_CENTRE.code);
    files::write(&folder.join("policy.toml"), POLICY.replace("[issuers]\n", &national).as_bytes())?;
    let hospitals = HOSPITALS.iter().map(|it| (it.code, "hospital", it.name_zh, it.name_en, it.region, "3A"));
    let offices = OFFICES.iter().map(|it| (it.code, it.role, it.name_zh, it.name_en, it.region, ""));
    let rows = hospitals
        .chain(offices)
        .map(|(code, role, zh, en, region, level)| format!("{code},{role},{zh},{en},{region},{level}\n"));
    let table = std::iter::once(format!("{ORGANISATION_COLUMNS}\n")).chain(rows).collect::<String>();
    Ok(files::write(&folder.join(ORGANISATIONS), table.as_bytes())?)
}

fn hub_configuration(settled: &Settled) -> String {
    format!(
        r#"region = "{REGION}"
listen = "{listen}"
data = "data"
region_data = "../region"
secrets = "secrets"
log_name = "{LOG_NAME}"
strong_identifiers = ["CN-ID", "HEALTH-CARD", "PASSPORT"]

[tls]
authority = "../ca/ca.pem"
revocation_list = "../ca/crl.pem"
certificate = "tls/tls.pem"
key = "tls/tls.key"

[https]
listen = "{https}"
base_url = "https://localhost:{https_port}"

{patients}
{operations}
[limits]
watch_interval_s = 1
"#,
        operations = operations(settled.metrics.first()),
        patients = login::hub_part(settled),
        listen = settled.hub,
        https = settled.hub_https,
        https_port = settled.hub_https.port(),
    )
}

/// Writes where a process shows metrics and health; a demo ends at once, and takes what room there is.
fn operations(metrics: Option<&SocketAddr>) -> String {
    let listen = metrics.map(|listen| format!("[metrics]\nlisten = \"{listen}\"\n\n")).unwrap_or_default();
    format!("{listen}[health]\ndisk_floor_mib = 16\ndrain_s = 0\n")
}

fn node_configuration(
    (hospital, ports): (&Hospital, &NodePorts),
    metrics: Option<&SocketAddr>,
    settled: &Settled,
    log_key: &str,
) -> String {
    format!(
        r#"region = "{REGION}"
organisation = "{organisation}"
data = "data"
listen = "{grpc}"
strong_identifiers = ["CN-ID", "HEALTH-CARD", "PASSPORT"]

[hub]
log_name = "{LOG_NAME}"
log_keys = ["{log_key}"]

[[hub.instances]]
host = "{host}"
port = {port}
server_name = "localhost"

[tls]
authority = "../ca/ca.pem"
revocation_list = "../ca/crl.pem"
certificate = "tls/tls.pem"
key = "tls/tls.key"

[https]
listen = "{https}"
base_url = "https://localhost:{https_port}"

[signing]
certificate = "tls/signing.pem"
key = "tls/signing.key"

[[mllp]]
listen = "{mllp}"
source = "LIS"

[dicom]
listen = "{dicom}"
ae_title = "{ae_title}"

{operations}
[timing]
study_quiet_ms = 2000
batch_quiet_ms = 100
watch_interval_s = 1
"#,
        operations = operations(metrics),
        organisation = hospital.code,
        grpc = ports.grpc,
        host = settled.hub.ip(),
        port = settled.hub.port(),
        mllp = ports.mllp,
        dicom = ports.dicom,
        ae_title = hospital.ae_title,
        https = ports.https,
        https_port = ports.https.port(),
    )
}

/// Name of the demo's public log.
const LOG_NAME: &str = "demo.concord.example/520000";
const ORGANISATION_COLUMNS: &str = "code,role,name_zh,name_en,region,level";
const POLICY: &str = include_str!("../../../deploy/region/policy.toml");
const REGION_FILES: [(&str, &str); 6] = [
    ("catalogue.csv", include_str!("../../../deploy/region/catalogue.csv")),
    ("units.csv", include_str!("../../../deploy/region/units.csv")),
    ("conversions.csv", include_str!("../../../deploy/region/conversions.csv")),
    ("panels.csv", include_str!("../../../deploy/region/panels.csv")),
    ("body_parts.csv", include_str!("../../../deploy/region/body_parts.csv")),
    ("reasons.csv", include_str!("../../../deploy/region/reasons.csv")),
];
