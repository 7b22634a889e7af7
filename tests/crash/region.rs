//! A region in a folder: made once, then copied for each round, so that rounds do not wait for certificates.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use concord::app::ca::{self, CaArgs};
use concord::app::credentials::{self, TlsFiles};
use concord::domain::organisation::Role;
use concord::domain::time::Moment;
use concord::peer::channel::{HubAddress, HubChannel};
use concord::ports::clock::Clock;
use concord::sys::clock::SystemClock;
use concord::wire::pb;
use concord::wire::pb::node_client::NodeClient;
use concord::wire::pb::oversight_client::OversightClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::dice::Dice;
use crate::layout::{self, Ports, REGION};
pub use crate::layout::{A, B, CENTRE, OPERATOR, Organisation, REGULATOR};
use crate::patience::until;
use crate::points::Who;
use crate::process::Process;
use crate::proxy::Proxy;

/// What every round begins with.
#[derive(Debug, Clone)]
pub struct Template {
    folder: PathBuf,
    /// When it was made.
    pub began: Moment,
    log_key: String,
    /// The library that stands under each process.
    pub shim: PathBuf,
}

/// A region of one round.
#[derive(Debug)]
pub struct Region {
    folder: PathBuf,
    /// When the template was made.
    pub began: Moment,
    ports: Ports,
    /// Ways from the nodes of A and B to the hub, and from the laboratory to A.
    pub ways: [Proxy; 3],
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: CaArgs,
}

impl Template {
    /// Makes a region whose laboratory is qualified for potassium and CT, and stops it again.
    pub async fn make(folder: &Path, shim: PathBuf) -> Self {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        let began = SystemClock::new(480).unwrap().now();
        authority(folder, "init --region 520000");
        for organisation in [OPERATOR, A, B, CENTRE, REGULATOR] {
            let Organisation { folder: name, code, role, .. } = organisation;
            let out = folder.join(name);
            authority(folder, &format!("issue --org {code} --role {role} --name {name} --out {}", out.display()));
        }
        layout::write_region(&folder.join("region"));
        let mut template = Self { folder: folder.to_owned(), began, log_key: String::new(), shim };
        let ports = Ports::choose();
        write_hub(folder, &ports);
        let made = concord(&["hub", "init", "--json", "--config", folder.join("hub/hub.toml").to_str().unwrap()]);
        let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
        made["log_key"].as_str().unwrap().clone_into(&mut template.log_key);

        let region = Region::around(folder.to_owned(), &template, ports, Dice::new(0)).await;
        let mut processes = region.processes(&template);
        processes.iter_mut().for_each(|process| process.start(""));
        region.serving().await;
        region.qualify();
        for process in processes.iter_mut().rev() {
            assert!(process.stop().await.success(), "{}", process.last_words());
        }
        template
    }

    /// Copies the region into a folder of its own.
    pub async fn copy(&self, to: &Path, dice: Dice) -> Region {
        let _ = fs::remove_dir_all(to);
        copy(&self.folder, to);
        Region::around(to.to_owned(), self, Ports::choose(), dice).await
    }
}

impl Region {
    async fn around(folder: PathBuf, template: &Template, ports: Ports, mut dice: Dice) -> Self {
        let ways = [
            Proxy::open(ports.hub, dice.fork()).await,
            Proxy::open(ports.hub, dice.fork()).await,
            Proxy::open(ports.nodes[0].mllp, dice.fork()).await,
        ];
        write_hub(&folder, &ports);
        for ((hospital, own), way) in [A, B].iter().zip(&ports.nodes).zip(&ways) {
            let text = layout::node_configuration(hospital, own, way.address, &template.log_key);
            fs::write(folder.join(hospital.folder).join("node.toml"), text + JOURNAL).unwrap();
        }
        Self { folder, began: template.began, ports, ways }
    }

    /// Names the hub and the nodes of A and B; none is started.
    pub fn processes(&self, template: &Template) -> [Process; 3] {
        [(Who::Hub, OPERATOR), (Who::A, A), (Who::B, B)].map(|(who, organisation)| {
            let state = self.folder.join("shim").join(organisation.folder);
            Process::new(who, &self.folder.join(organisation.folder), &state, &template.shim)
        })
    }

    /// Gives a file or folder of the region.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Waits until hub and nodes answer.
    pub async fn serving(&self) {
        for who in [Who::Hub, Who::A, Who::B] {
            until("health", async || match self.health(who).await {
                Some(ServingStatus::Serving) => Ok(()),
                other => Err(format!("{who:?} {other:?}")),
            })
            .await;
        }
    }

    /// Asks a process how it is; nothing where it does not answer.
    pub async fn health(&self, who: Who) -> Option<ServingStatus> {
        let channel = match who {
            Who::Hub => self.hub(REGULATOR),
            Who::A => self.node(A, A.folder),
            Who::B => self.node(B, B.folder),
        };
        let asked = async { HealthClient::new(channel).check(HealthCheckRequest::default()).await };
        let answer = tokio::time::timeout(ANSWER_WAIT, asked).await.ok()?.ok()?;
        Some(answer.into_inner().status())
    }

    /// Says whether a process calls itself ready at `/readyz`.
    pub async fn is_ready(&self, who: Who) -> bool {
        let address = match who {
            Who::Hub => self.ports.hub_metrics,
            Who::A => self.ports.nodes[0].metrics,
            Who::B => self.ports.nodes[1].metrics,
        };
        let asked = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
        };
        matches!(tokio::time::timeout(ANSWER_WAIT, asked).await, Ok(Ok(true)))
    }

    /// Gives a channel to the hub under an organisation's certificate.
    pub fn hub(&self, organisation: Organisation) -> Channel {
        self.channel(organisation.folder, self.ports.hub, Role::Operator)
    }

    /// Gives a channel to a hospital's node under the certificate in a folder.
    pub fn node(&self, hospital: Organisation, folder: &str) -> Channel {
        let place = usize::from(hospital.folder == B.folder);
        self.channel(folder, self.ports.nodes[place].grpc, Role::Hospital)
    }

    /// Gives the address to which the laboratory sends.
    pub fn mllp(&self) -> SocketAddr {
        self.ways[2].address
    }

    /// Gives the address to which the scanner sends.
    pub fn dicom(&self) -> SocketAddr {
        self.ports.nodes[0].dicom
    }

    /// Asks a hospital's node how it stands.
    pub async fn status(&self, hospital: Organisation) -> Result<pb::StatusResponse, String> {
        let answer = NodeClient::new(self.node(hospital, hospital.folder)).status(pb::StatusRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status.to_string())
    }

    /// Gives the figures of a hospital's orders, as the regulator reads them.
    pub async fn figures(&self, hospital: Organisation) -> Result<Vec<pb::StatisticsRow>, String> {
        let request = pb::StatisticsRequest { organisation: hospital.code.to_owned(), ..Default::default() };
        let answer = OversightClient::new(self.hub(REGULATOR)).statistics(request).await;
        answer.map(|answer| answer.into_inner().rows).map_err(|status| status.to_string())
    }

    /// Takes up another version of the region's policy: a record of more than 40 KB in the hub's journal.
    pub fn change_policy(&self, version: u64) {
        let path = self.path("region/policy.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (_, rest) = text.split_once("version = \"").unwrap();
        let (name, _) = rest.split_once('"').unwrap();
        let draft = self.path("region/policy.draft");
        fs::write(&draft, text.replacen(name, &format!("{name}-{version}"), 1)).unwrap();
        fs::rename(draft, path).unwrap();
    }

    fn qualify(&self) {
        let table = self.path("table.csv");
        let rows = ["L01001", "CT"].map(|it| format!("{},{it},2020-01-01,2099-12-31,site evaluation\n", A.code));
        fs::write(&table, format!("laboratory,subject,valid_from,valid_to,basis\n{}", rows.concat())).unwrap();
        let hub = self.ports.hub.to_string();
        let file = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let own = |name: &str| file(&format!("{}/{name}", CENTRE.folder));
        let table = file("table.csv");
        let words = ["eqa", "import", &table, "--kind", "credentials", "--hub", &hub, "--server-name", "localhost"];
        let (authority, list) = (file("ca/ca.pem"), file("ca/crl.pem"));
        let (certificate, key) = (own("tls.pem"), own("tls.key"));
        let (signing_key, signing) = (own("signing.key"), own("signing.pem"));
        let keys = ["--ca", &authority, "--crl", &list, "--cert", &certificate, "--key", &key];
        concord(&[&words[..], &keys, &["--signing-key", &signing_key, "--signing-cert", &signing]].concat());
    }

    fn channel(&self, folder: &str, address: SocketAddr, server: Role) -> Channel {
        let files = TlsFiles {
            authority: self.path("ca/ca.pem"),
            list: self.path("ca/crl.pem"),
            certificate: self.path(folder).join("tls.pem"),
            key: self.path(folder).join("tls.key"),
        };
        let (tls, _) = credentials::client(files, REGION.parse().unwrap(), server, Duration::MAX).unwrap();
        let address =
            HubAddress { host: address.ip().to_string(), port: address.port(), server_name: "localhost".to_owned() };
        HubChannel::new(&address, tls.subscribe()).unwrap().channel()
    }
}

/// Copies a folder with all below it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn write_hub(folder: &Path, ports: &Ports) {
    fs::create_dir_all(folder.join("hub")).unwrap();
    fs::write(folder.join("hub/hub.toml"), layout::hub_configuration(ports) + JOURNAL).unwrap();
}

fn authority(folder: &Path, line: &str) {
    let words = format!("ca {line} --dir {}", folder.join("ca").display());
    let line = Line::try_parse_from(words.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
    ca::run(&line.args, &SystemClock::new(480).unwrap(), &mut Vec::new()).unwrap();
}

fn concord(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_concord")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}

/// Short segments, so that a round goes through several.
const JOURNAL: &str = "\n[journal]\nsegment_kib = 64\n";
const ANSWER_WAIT: Duration = Duration::from_secs(2);
