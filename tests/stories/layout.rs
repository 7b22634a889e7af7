//! What a region is made of: its organisations, its ports, and the files that hub and nodes are told by.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use concord::app::demo::issuer::{ClientPart, IssuerAddress, IssuerConfig, IssuerTls, STRONG, SamplePatient};

use crate::people::Patient;

/// An organisation of the region.
#[derive(Debug, Clone, Copy)]
pub struct Organisation {
    /// Folder of its certificates.
    pub folder: &'static str,
    /// Unified social credit code.
    pub code: &'static str,
    /// Role, as certificates spell it.
    pub role: &'static str,
    /// Division it lies in.
    pub division: &'static str,
}

/// The hospital whose laboratory and scanner work in the stories.
pub const A: Organisation =
    Organisation { folder: "a", code: "12520103DEMXX0014E", role: "hospital", division: "520103" };
/// The hospital whose doctors order.
pub const B: Organisation =
    Organisation { folder: "b", code: "12520300DEMXX00228", role: "hospital", division: "520300" };
/// Whoever runs the hub.
pub const OPERATOR: Organisation =
    Organisation { folder: "hub", code: "12520000DEMXX3012D", role: "operator", division: "520000" };
/// A QC centre whose word counts nationally.
pub const CENTRE: Organisation =
    Organisation { folder: "centre", code: "12100000DEMXX1017B", role: "qc-centre", division: "110000" };
/// The patients' entrance.
pub const GATEWAY: Organisation =
    Organisation { folder: "issuer", code: "12520000DEMXX5011Q", role: "patient-gateway", division: "520000" };
/// The health authority.
pub const REGULATOR: Organisation =
    Organisation { folder: "regulator", code: "11520000DEMXX201XW", role: "regulator", division: "520000" };

/// Where everything listens.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The hub.
    pub hub: SocketAddr,
    /// The hub's HTTPS.
    pub hub_https: SocketAddr,
    /// The hub's metrics and health.
    pub hub_metrics: SocketAddr,
    /// Where patients log in, in stories that have an issuer.
    pub issuer: SocketAddr,
    /// The nodes of A and B.
    pub nodes: Vec<NodePorts>,
}

/// Where one node listens.
#[derive(Debug, Clone, Copy)]
pub struct NodePorts {
    /// gRPC.
    pub grpc: SocketAddr,
    /// HL7 v2 over MLLP.
    pub mllp: SocketAddr,
    /// DICOM.
    pub dicom: SocketAddr,
    /// HTTPS.
    pub https: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
}

impl Ports {
    /// Chooses ports below those that the system gives to whoever calls out: a process that is started again finds its
    /// own. Neighbouring processes begin far from each other.
    pub fn choose() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = u16::try_from(std::process::id() * STEP % u32::from(PORTS)).unwrap();
        let mut free = std::iter::repeat_with(|| PORT_MIN + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS)
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .filter(|address| TcpListener::bind(address).is_ok());
        let mut next = || free.next().unwrap();
        let (hub, hub_https, hub_metrics, issuer) = (next(), next(), next(), next());
        let mut node = || NodePorts { grpc: next(), mllp: next(), dicom: next(), https: next(), metrics: next() };
        let nodes = vec![node(), node()];
        Self { hub, hub_https, hub_metrics, issuer, nodes }
    }
}

/// Writes the project's own catalogue and policy, with the stories' organisations.
pub fn write_region(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/region");
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let national = format!("[issuers]\n\"{}\" = \"national\"\n", CENTRE.code);
    let policy = std::fs::read_to_string(to.join("policy.toml")).unwrap().replace("[issuers]\n", &national);
    std::fs::write(to.join("policy.toml"), policy).unwrap();
    let row = |it: &Organisation| {
        format!("{},{},示例{},Sample {},{},\n", it.code, it.role, it.folder, it.folder, it.division)
    };
    let rows = [A, B, OPERATOR, CENTRE, REGULATOR].iter().map(row).collect::<String>();
    let table = format!("code,role,name_zh,name_en,region,level\n{rows}");
    std::fs::write(to.join("organisations.csv"), table).unwrap();
}

/// Writes `hub.toml`.
pub fn hub_configuration(ports: &Ports) -> String {
    let https_port = ports.hub_https.port();
    format!(
        r#"region = "{REGION}"
listen = "{}"
data = "data"
region_data = "../region"
secrets = "secrets"
log_name = "{LOG_NAME}"
strong_identifiers = ["CN-ID"]

[tls]
{TLS}
[https]
listen = "{}"
base_url = "https://localhost:{https_port}"

[patients]
issuer = "https://localhost:{}"
authority = "../ca/ca.pem"
client_id = "{CLIENT}"
audience = "{AUDIENCE}"

[patients.assurance]
values = ["{STRONG}"]

[metrics]
listen = "{}"

{HEALTH}
[limits]
watch_interval_s = 1
"#,
        ports.hub,
        ports.hub_https,
        ports.issuer.port(),
        ports.hub_metrics,
    )
}

/// Gives the configuration of an issuer at which patients log in; each has a subject.
pub fn issuer_configuration(ports: &Ports, patients: &[(&str, &Patient)]) -> IssuerConfig {
    let sample = |(subject, patient): &(&str, &Patient)| SamplePatient {
        subject: (*subject).to_owned(),
        name: patient.name.clone(),
        part: "story".to_owned(),
        identifier_type: "CN-ID".to_owned(),
        identifier: patient.number.clone(),
        sex: if patient.sex == "M" { "male" } else { "female" }.to_owned(),
        birth_date: patient.birth_date.clone(),
    };
    let redirect_uri = format!("https://localhost:{}/me/login/back", ports.hub_https.port());
    IssuerConfig {
        https: IssuerAddress { listen: ports.issuer, base_url: format!("https://localhost:{}", ports.issuer.port()) },
        tls: IssuerTls {
            authority: "../ca/ca.pem".into(),
            revocation_list: "../ca/crl.pem".into(),
            certificate: "tls.pem".into(),
            key: "tls.key".into(),
        },
        client: ClientPart { id: CLIENT.to_owned(), secret: String::new(), redirect_uri },
        audience: AUDIENCE.to_owned(),
        patients: patients.iter().map(sample).collect(),
    }
}

/// Writes `node.toml` of a hospital. A check waits longer than it should, for machines that do something else meanwhile.
pub fn node_configuration(hospital: &Organisation, ports: &NodePorts, hub: SocketAddr, log_key: &str) -> String {
    let (code, hub) = (hospital.code, hub.port());
    let NodePorts { grpc, mllp, dicom, https, metrics } = ports;
    let https_port = https.port();
    format!(
        r#"region = "{REGION}"
organisation = "{code}"
data = "data"
listen = "{grpc}"
strong_identifiers = ["CN-ID"]

[hub]
log_name = "{LOG_NAME}"
log_keys = ["{log_key}"]

[[hub.instances]]
host = "127.0.0.1"
port = {hub}
server_name = "localhost"

[tls]
{TLS}
[https]
listen = "{https}"
base_url = "https://localhost:{https_port}"

[signing]
certificate = "signing.pem"
key = "signing.key"

[[mllp]]
listen = "{mllp}"
source = "LIS"

[dicom]
listen = "{dicom}"
ae_title = "CONCORD"

[[identifiers]]
code = "NI"
type = "CN-ID"

[[identifiers]]
authority = "GA"
type = "CN-ID"

[metrics]
listen = "{metrics}"

{HEALTH}
[timing]
study_quiet_ms = 1000
batch_quiet_ms = 50
watch_interval_s = 1
catalogue_interval_s = 1
check_wait_ms = 3000
"#
    )
}

/// The region's division.
pub const REGION: &str = "520000";
const CLIENT: &str = "hub";
const AUDIENCE: &str = "stories/patient/v1";
/// A story ends at once, and takes what room there is.
const HEALTH: &str = "[health]\ndisk_floor_mib = 16\ndrain_s = 0\n";
const LOG_NAME: &str = "stories.concord.example/520000";
const TLS: &str = r#"authority = "../ca/ca.pem"
revocation_list = "../ca/crl.pem"
certificate = "tls.pem"
key = "tls.key"
"#;

const PORT_MIN: u16 = 14_000;
const PORTS: u16 = 18_000;
/// Prime, and more than the ports of all stories of one process.
const STEP: u32 = 1_009;
