//! A region in a folder of its own: an authority, a hub, two hospitals with their nodes, a QC centre and a regulator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use concord::app::ca::{self, CaArgs};
use concord::app::credentials::{self, TlsFiles};
use concord::domain::organisation::Role;
use concord::domain::time::Moment;
use concord::peer::channel::{HubAddress, HubChannel};
use concord::ports::clock::Clock;
use concord::store::journal::JournalReader;
use concord::sys::clock::SystemClock;
use concord::wire::pb;
use concord::wire::pb::node_client::NodeClient;
use concord::wire::pb::oversight_client::OversightClient;
use concord::wire::record::Record;
use encoding_rs::GB18030;
use prost::Message;
use time::OffsetDateTime;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::layout::{self, NodePorts, Ports, REGION};
pub use crate::layout::{A, B, CENTRE, GATEWAY, OPERATOR, Organisation, REGULATOR};
use crate::patience::until;
use crate::people::{Patient, canaries};
use crate::process::{self, Process, concord};

/// A region.
#[derive(Debug)]
pub struct Region {
    folder: tempfile::TempDir,
    /// When the story began.
    pub began: Moment,
    ports: Ports,
    hub: Option<Process>,
    nodes: Vec<Process>,
    issuer: Option<Process>,
    log_format: &'static str,
}

/// A batch as the hub recorded it.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The header, as signed.
    pub header_bytes: Bytes,
    /// What it says.
    pub header: pb::BatchHeader,
    /// The entries.
    pub entries: Vec<pb::Entry>,
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: CaArgs,
}

impl Region {
    /// Makes a region, starts it, and has hospital A qualified for what the stories order.
    pub async fn open() -> Self {
        Self::unqualified().await.qualified()
    }

    /// Makes and starts a region whose processes log in JSON and give their spans to a collector, and has hospital A
    /// qualified.
    pub async fn observed(collector: SocketAddr) -> Self {
        let mut region = Self::made();
        region.log_format = "json";
        for file in ["hub/hub.toml", "a/node.toml", "b/node.toml"] {
            let text = std::fs::read_to_string(region.path(file)).unwrap();
            let text = format!("{text}\n[traces]\nendpoint = \"http://{collector}\"\n");
            std::fs::write(region.path(file), text).unwrap();
        }
        region.start_all().await;
        region.qualified()
    }

    fn qualified(self) -> Self {
        let region = self;
        let table = region.credentials(&QUALIFIED);
        let output = region.import(&table, "credentials");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        region
    }

    /// Makes a region and starts it; no laboratory is qualified.
    pub async fn unqualified() -> Self {
        let mut region = Self::made();
        region.start_all().await;
        region
    }

    /// Starts hub and nodes, and waits until they answer.
    pub async fn start_all(&mut self) {
        self.start_hub();
        let start = |it: &Organisation| Process::start("node", &self.path(it.folder), self.log_format);
        self.nodes = [A, B].iter().map(start).collect();
        self.serving().await;
    }

    /// Makes a region whose hub is told something else than usual; nothing is started.
    pub fn made_with(changes: &[(&str, &str)]) -> Self {
        let region = Self::made();
        let path = region.path("hub/hub.toml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        std::fs::write(path, text).unwrap();
        region
    }

    fn made() -> Self {
        let began = SystemClock::new(480).unwrap().now();
        let folder = tempfile::tempdir().unwrap();
        let region = Self {
            folder,
            began,
            ports: Ports::choose(),
            hub: None,
            nodes: Vec::new(),
            issuer: None,
            log_format: "text",
        };
        region.ca("init --region 520000");
        for organisation in [OPERATOR, A, B, CENTRE, REGULATOR, GATEWAY] {
            region.issue(organisation, organisation.folder, "");
        }
        layout::write_region(&region.path("region"));
        std::fs::write(region.path("hub/hub.toml"), layout::hub_configuration(&region.ports)).unwrap();
        let hub = region.path("hub/hub.toml");
        let made = concord(&["hub", "init", "--json", "--config", hub.to_str().unwrap()]);
        assert!(made.status.success(), "{made:?}");
        let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        let log_key = made["log_key"].as_str().unwrap();
        for (hospital, ports) in [A, B].iter().zip(&region.ports.nodes) {
            let text = layout::node_configuration(hospital, ports, region.ports.hub, log_key);
            std::fs::write(region.path(hospital.folder).join("node.toml"), text).unwrap();
        }
        region
    }

    /// Gives a file or folder of the region.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the region's authority.
    pub fn ca(&self, line: &str) {
        self.authority("ca", line, &SystemClock::new(480).unwrap());
    }

    /// Runs a command of an authority, at a time.
    pub fn authority(&self, folder: &str, line: &str, clock: &dyn Clock) {
        let words = format!("ca {line} --dir {}", self.path(folder).display());
        let line = Line::try_parse_from(words.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
        ca::run(&line.args, clock, &mut Vec::new()).unwrap();
    }

    /// Issues certificates into a folder.
    pub fn issue(&self, organisation: Organisation, folder: &str, more: &str) {
        self.ca(&self.issuing(organisation, folder, more));
    }

    /// Gives the line that issues certificates into a folder.
    pub fn issuing(&self, organisation: Organisation, folder: &str, more: &str) -> String {
        let Organisation { code, role, .. } = organisation;
        format!("issue --org {code} --role {role} --name {folder} --out {} {more}", self.path(folder).display())
    }

    /// Starts the hub, or starts it again.
    pub fn start_hub(&mut self) {
        self.hub = Some(Process::start("hub", &self.path("hub"), self.log_format));
    }

    /// Starts an issuer at which these patients log in, each by a subject.
    pub fn start_issuer(&mut self, patients: &[(&str, &Patient)]) {
        let config = layout::issuer_configuration(&self.ports, patients);
        let folder = self.path(GATEWAY.folder);
        std::fs::write(folder.join("demo-issuer.toml"), toml::to_string(&config).unwrap()).unwrap();
        self.issuer = Some(Process::start("demo-issuer", &folder, self.log_format));
    }

    /// Gives the address of the hub's HTTPS door.
    pub fn hub_https(&self) -> String {
        format!("https://localhost:{}", self.ports.hub_https.port())
    }

    /// Gives where the hub's HTTPS door listens.
    pub fn hub_https_address(&self) -> SocketAddr {
        self.ports.hub_https
    }

    /// Gives the address of the issuer of patients' logins.
    pub fn issuer(&self) -> String {
        format!("https://localhost:{}", self.ports.issuer.port())
    }

    /// Asks the hub to stop.
    pub fn ask_hub_to_stop(&self) {
        self.hub.as_ref().unwrap().ask_to_stop();
    }

    /// Asks a hospital's node to stop; the future ends when it has.
    pub fn ask_node_to_stop(&mut self, hospital: Organisation) -> impl Future<Output = ()> + use<> {
        let node = self.nodes.remove(usize::from(hospital.folder == B.folder));
        node.ask_to_stop();
        node.stop()
    }

    /// Kills the hub.
    pub fn kill_hub(&mut self) {
        self.hub.as_mut().unwrap().kill();
    }

    /// Kills the node of hospital A and starts it again.
    pub fn restart_node_a(&mut self) {
        self.nodes[0].restart();
    }

    /// Kills a hospital's node and starts it again.
    pub fn restart_node(&mut self, hospital: Organisation) {
        self.nodes[usize::from(hospital.folder == B.folder)].restart();
    }

    /// Waits until hub and nodes answer.
    pub async fn serving(&self) {
        let places = [(REGULATOR.folder, self.ports.hub, Role::Operator)];
        let nodes = [A, B].iter().zip(&self.ports.nodes);
        let nodes = nodes.map(|(hospital, ports)| (hospital.folder, ports.grpc, Role::Hospital));
        for (folder, address, role) in places.into_iter().chain(nodes) {
            until("health", async || {
                let mut client = HealthClient::new(self.channel(folder, address, role));
                client.check(HealthCheckRequest::default()).await.map_err(|status| self.blamed(&status.to_string()))
            })
            .await;
        }
    }

    /// Gives a channel to the hub under the certificate in a folder.
    pub fn hub(&self, folder: &str) -> Channel {
        self.channel(folder, self.ports.hub, Role::Operator)
    }

    /// Gives a channel to a hospital's node under the certificate in a folder.
    pub fn node(&self, hospital: Organisation, folder: &str) -> Channel {
        self.channel(folder, self.node_ports(hospital).grpc, Role::Hospital)
    }

    /// Gives the hub's address.
    pub fn hub_address(&self) -> SocketAddr {
        self.ports.hub
    }

    /// Gives the address for a hospital's own systems.
    pub fn grpc(&self, hospital: Organisation) -> SocketAddr {
        self.node_ports(hospital).grpc
    }

    /// Gives the address for HL7 messages.
    pub fn mllp(&self, hospital: Organisation) -> SocketAddr {
        self.node_ports(hospital).mllp
    }

    /// Gives the address for browsers.
    pub fn https(&self, hospital: Organisation) -> SocketAddr {
        self.node_ports(hospital).https
    }

    /// Gives the address for images.
    pub fn dicom(&self, hospital: Organisation) -> SocketAddr {
        self.node_ports(hospital).dicom
    }

    /// Gives where the hub shows metrics and health.
    pub fn hub_metrics(&self) -> SocketAddr {
        self.ports.hub_metrics
    }

    /// Gives where a hospital's node shows metrics and health.
    pub fn metrics(&self, hospital: Organisation) -> SocketAddr {
        self.node_ports(hospital).metrics
    }

    /// Asks a hospital's node how it stands.
    pub async fn status(&self, hospital: Organisation) -> Result<pb::StatusResponse, String> {
        let mut client = NodeClient::new(self.node(hospital, hospital.folder));
        let answer = client.status(pb::StatusRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status.to_string())
    }

    /// Gives the figures of a hospital's orders, as the regulator reads them.
    pub async fn figures(&self, hospital: Organisation) -> Result<pb::StatisticsRow, String> {
        let mut client = OversightClient::new(self.hub(REGULATOR.folder));
        let request = pb::StatisticsRequest { organisation: hospital.code.to_owned(), ..Default::default() };
        let answer = client.statistics(request).await.map_err(|status| status.to_string())?;
        Ok(answer.into_inner().rows.into_iter().next().unwrap_or_default())
    }

    /// Writes the day that lies so many days before the story, `2026-11-22`.
    pub fn day(&self, days_before: i64) -> String {
        let at = self.began.plus_hours(-24 * days_before);
        OffsetDateTime::from_unix_timestamp(at.unix_ms() / 1_000).unwrap().date().to_string()
    }

    /// Writes a QC centre's table of direct credentials for hospital A.
    pub fn credentials(&self, subjects: &[&str]) -> String {
        let row = |subject: &&str| format!("{},{subject},2020-01-01,2099-12-31,site evaluation\n", A.code);
        std::iter::once("laboratory,subject,valid_from,valid_to,basis\n".to_owned())
            .chain(subjects.iter().map(row))
            .collect()
    }

    /// Has the QC centre import a table.
    pub fn import(&self, table: &str, kind: &str) -> Output {
        let path = self.path("table.csv");
        std::fs::write(&path, table).unwrap();
        self.eqa(CENTRE, &["import", path.to_str().unwrap(), "--kind", kind])
    }

    /// Runs `concord eqa` under an organisation's certificates.
    pub fn eqa(&self, organisation: Organisation, arguments: &[&str]) -> Output {
        let own = |name: &str| self.path(organisation.folder).join(name).to_str().unwrap().to_owned();
        let (key, certificate) = (own("signing.key"), own("signing.pem"));
        let signing = ["--signing-key", &key, "--signing-cert", &certificate];
        self.connected(organisation, &[&["eqa"], arguments, &signing].concat())
    }

    /// Runs a command that calls the hub, under an organisation's certificate.
    pub fn connected(&self, organisation: Organisation, arguments: &[&str]) -> Output {
        let hub = self.ports.hub.to_string();
        let file = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let own = |name: &str| file(&format!("{}/{name}", organisation.folder));
        let options = [
            ("--hub", hub),
            ("--server-name", "localhost".to_owned()),
            ("--ca", file("ca/ca.pem")),
            ("--crl", file("ca/crl.pem")),
            ("--cert", own("tls.pem")),
            ("--key", own("tls.key")),
        ];
        let options = options.iter().flat_map(|(option, value)| [*option, value.as_str()]);
        concord(&arguments.iter().copied().chain(options).collect::<Vec<_>>())
    }

    /// Reads the batches of a hospital in the hub's journal, in the order of the log.
    pub fn batches(&self, publisher: Organisation) -> Vec<Batch> {
        let journal = JournalReader::open(&self.path("hub/data/entries")).unwrap();
        let records = journal.scan(0).map(|record| record.unwrap());
        let batches = records.filter_map(|record| match Record::decode(record.kind, record.payload).unwrap() {
            Record::Batch(batch) => Some(Batch::read(&batch)),
            _ => None,
        });
        batches.filter(|batch| batch.header.organisation == publisher.code).collect()
    }

    /// Ends the story: everything stops when it is asked to, nothing of a patient is in any log or in any file of the
    /// hub, and the hub's log is sound.
    pub async fn end(mut self) {
        for process in self.nodes.drain(..).chain(self.hub.take()).chain(self.issuer.take()) {
            process.stop().await;
        }
        for folder in [OPERATOR.folder, A.folder, B.folder, GATEWAY.folder] {
            assert_no_canary(folder, &process::log(&self.path(folder)));
        }
        assert_no_canary_below(&self.path("hub"));
        let data = self.path("hub/data");
        let verified = concord(&["verify", "--data", data.to_str().unwrap()]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }

    fn channel(&self, folder: &str, address: SocketAddr, server: Role) -> Channel {
        let (tls, _) = credentials::client(self.files(folder), REGION.parse().unwrap(), server, Duration::MAX).unwrap();
        let address =
            HubAddress { host: address.ip().to_string(), port: address.port(), server_name: "localhost".to_owned() };
        HubChannel::new(&address, tls.subscribe()).unwrap().channel()
    }

    fn files(&self, folder: &str) -> TlsFiles {
        TlsFiles {
            authority: self.path("ca/ca.pem"),
            list: self.path("ca/crl.pem"),
            certificate: self.path(folder).join("tls.pem"),
            key: self.path(folder).join("tls.key"),
        }
    }

    fn node_ports(&self, hospital: Organisation) -> NodePorts {
        self.ports.nodes[usize::from(hospital.folder == B.folder)]
    }

    /// Puts the ends of the logs behind a complaint.
    fn blamed(&self, complaint: &str) -> String {
        let tail = |log: Vec<u8>| {
            let text = String::from_utf8_lossy(&log).into_owned();
            text.lines().rev().take(3).map(|line| format!("\n  {line}")).collect::<String>()
        };
        let logs = [OPERATOR, A, B].iter().map(|it| tail(process::log(&self.path(it.folder))));
        std::iter::once(complaint.to_owned()).chain(logs).collect()
    }
}

impl Batch {
    fn read(record: &pb::BatchRecord) -> Self {
        let signed = pb::SignedBatch::decode(record.batch.clone()).unwrap();
        assert_eq!(record.rejections, Vec::new());
        let entries = signed.entries.iter().map(|entry| pb::Entry::decode(entry.clone()).unwrap());
        Self {
            header: pb::BatchHeader::decode(signed.header.clone()).unwrap(),
            entries: entries.collect(),
            header_bytes: signed.header,
        }
    }
}

/// Insists that a text names no patient.
pub fn assert_no_canary(what: &str, bytes: &[u8]) {
    for canary in canaries() {
        let national = GB18030.encode(&canary).0.into_owned();
        for form in [canary.as_bytes(), &national] {
            assert!(!bytes.windows(form.len()).any(|window| window == form), "{what} holds {canary}");
        }
    }
}

fn assert_no_canary_below(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => assert_no_canary_below(&path),
            false => assert_no_canary(&path.display().to_string(), &std::fs::read(&path).unwrap()),
        }
    }
}

/// Electrolytes, blood counts and CT.
const QUALIFIED: [&str; 8] = ["L01001", "L01002", "L01003", "L01004", "L03001", "L03002", "L03003", "CT"];
