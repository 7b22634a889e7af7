//! The exchange's TLS over loopback, from `concord ca` to a gRPC call: who gets in, who does not, and how soon a change
//! of the files is felt.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use concord::app::ca::{self, CaArgs};
use concord::app::credentials::{self, TlsFiles};
use concord::domain::organisation::Role;
use concord::domain::time::Moment;
use concord::doors::auth::{AccessTable, AuthLayer};
use concord::doors::shares::{ShareSettings, Shares};
use concord::doors::tls::{AcceptSettings, accept};
use concord::peer::channel::{HubAddress, HubChannel};
use concord::pki::reload::Reloading;
use concord::pki::tls::ServerTls;
use concord::ports::clock::Clock;
use concord::sys::clock::{ManualClock, SystemClock};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

const HOSPITAL: &str = "91350100M000100Y43";
const OPERATOR: &str = "12100000400000624D";
const LOOK: Duration = Duration::from_millis(5);
const ACCESS: &[(&str, &[Role])] = &[("/grpc.health.v1.Health/Check", &[Role::Hospital])];

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: CaArgs,
}

/// A region's authority in a folder of its own, with a hub's and a hospital's certificates.
struct Region {
    folder: tempfile::TempDir,
}

/// A running hub that answers health checks.
struct Hub {
    address: SocketAddr,
    tls: Reloading<ServerTls>,
    _stop: DropGuard,
    _tasks: JoinSet<()>,
}

impl Region {
    fn new() -> Self {
        let region = Self { folder: tempfile::tempdir().unwrap() };
        region.ca("init --region 520000");
        region.issue(OPERATOR, "operator", "hub");
        region.issue(HOSPITAL, "hospital", "node");
        region
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ca(&self, line: &str) {
        self.ca_at(line, &SystemClock::new(480).unwrap());
    }

    fn ca_at(&self, line: &str, clock: &dyn Clock) {
        let words = format!("ca {line} --dir {}", self.path("ca").display());
        let line = Line::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        ca::run(&line.args, clock, &mut Vec::new()).unwrap();
    }

    fn issue(&self, org: &str, role: &str, name: &str) {
        let out = self.path(name);
        self.ca(&format!("issue --org {org} --role {role} --name {name} --out {}", out.display()));
    }

    fn files(&self, name: &str) -> TlsFiles {
        TlsFiles {
            authority: self.path("ca/ca.pem"),
            list: self.path("ca/crl.pem"),
            certificate: self.path(name).join("tls.pem"),
            key: self.path(name).join("tls.key"),
        }
    }

    /// Starts a hub under the certificate of `name`.
    async fn hub(&self, name: &str, change: impl FnOnce(&mut AcceptSettings)) -> Hub {
        self.sharing_hub(name, change, ShareSettings { requests_max: 100, requests_per_s: 1_000 }).await
    }

    async fn sharing_hub(&self, name: &str, change: impl FnOnce(&mut AcceptSettings), shares: ShareSettings) -> Hub {
        let (tls, watcher) = credentials::server(self.files(name), LOOK).unwrap();
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = AcceptSettings::new("520000".parse().unwrap());
        change(&mut settings);
        let (acceptor, incoming) = accept(listener, tls.clone(), settings);
        let (_, health) = tonic_health::server::health_reporter();
        let server = tonic::transport::Server::builder()
            .layer(AuthLayer::new(AccessTable::new(ACCESS), tls.clone()).shared(Shares::new(shares)))
            .add_service(health)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(watcher.run(stop.clone()));
        tasks.spawn(acceptor.run(stop.clone()));
        tasks.spawn(async { server.await.unwrap() });
        Hub { address, tls, _stop: stop.drop_guard(), _tasks: tasks }
    }

    /// Makes the channel of the certificate of `name`, whose files are not looked at again.
    fn channel(&self, name: &str, hub: &Hub) -> HubChannel {
        let region = "520000".parse().unwrap();
        let (tls, _) = credentials::client(self.files(name), region, Role::Operator, LOOK).unwrap();
        HubChannel::new(&hub.named(), tls.subscribe()).unwrap()
    }
}

impl Hub {
    fn named(&self) -> HubAddress {
        let host = self.address.ip().to_string();
        HubAddress { host, port: self.address.port(), server_name: "localhost".to_owned() }
    }

    /// Waits until the hub has read its files anew after `change`.
    async fn after(&self, change: impl FnOnce()) {
        let mut changes = self.tls.subscribe();
        changes.mark_unchanged();
        change();
        changes.changed().await.unwrap();
    }

    /// Says whether the hub takes a connection under these client settings, and under which certificate it stands.
    async fn takes(&self, config: ClientConfig) -> Result<Vec<u8>, std::io::Error> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect("localhost".try_into().unwrap(), tcp).await?;
        // In TLS 1.3 the caller learns of a refusal only from its first read; a server that stays speaks first.
        if stream.read(&mut [0; 1]).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    }
}

async fn check(channel: &HubChannel) -> Result<(), Status> {
    HealthClient::new(channel.channel()).check(HealthCheckRequest::default()).await.map(drop)
}

/// Makes client settings that believe `authority` and show `shown`, by rustls alone.
fn plain(authority: &Path, shown: Option<&TlsFiles>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = vec![CertificateDer::from_pem_file(&files.certificate).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

#[tokio::test]
async fn a_call_needs_a_role_that_may_make_it() {
    let region = Region::new();
    region.issue(HOSPITAL, "regulator", "regulator");
    let hub = region.hub("hub", |_| ()).await;
    let node = region.channel("node", &hub);
    check(&node).await.unwrap();
    let regulator = region.channel("regulator", &hub);
    assert_eq!(check(&regulator).await.unwrap_err().code(), Code::PermissionDenied);
    let unlisted = HealthClient::new(node.channel()).watch(HealthCheckRequest::default()).await;
    assert_eq!(unlisted.unwrap_err().code(), Code::PermissionDenied, "what is not in the table is nobody's");
}

#[tokio::test]
async fn strangers_are_refused() {
    let (region, other) = (Region::new(), Region::new());
    let past = ManualClock::new(Moment::new(1_577_836_800_000, 480).unwrap());
    let expired = region.path("expired");
    let issue = format!("issue --org {HOSPITAL} --role hospital --name old --days 1 --out {}", expired.display());
    region.ca_at(&issue, &past);
    region.ca(&format!(
        "issue --org {HOSPITAL} --role hospital --name s --kind server --out {}",
        region.path("s").display()
    ));
    let hub = region.hub("hub", |_| ()).await;
    let authority = region.path("ca/ca.pem");

    hub.takes(plain(&authority, Some(&region.files("node")))).await.unwrap();
    assert!(hub.takes(plain(&authority, None)).await.is_err(), "no certificate");
    assert!(hub.takes(plain(&authority, Some(&other.files("node")))).await.is_err(), "another authority");
    assert!(hub.takes(plain(&authority, Some(&region.files("expired")))).await.is_err(), "expired");
    assert!(hub.takes(plain(&authority, Some(&region.files("s")))).await.is_err(), "for servers only");
    let signing = TlsFiles {
        certificate: region.path("node/signing.pem"),
        key: region.path("node/signing.key"),
        ..region.files("node")
    };
    assert!(hub.takes(plain(&authority, Some(&signing))).await.is_err(), "a signing key");
}

#[tokio::test]
async fn a_certificate_of_another_region_is_refused() {
    let region = Region::new();
    let hub = region.hub("hub", |settings| settings.region = "530000".parse().unwrap()).await;
    let node = plain(&region.path("ca/ca.pem"), Some(&region.files("node")));
    assert!(hub.takes(node).await.is_err());
}

#[tokio::test]
async fn revocation_bites_on_live_and_on_new_connections() {
    let region = Region::new();
    region.issue(HOSPITAL, "hospital", "second");
    let hub = region.hub("hub", |_| ()).await;
    let (node, second) = (region.channel("node", &hub), region.channel("second", &hub));
    check(&node).await.unwrap();
    hub.after(|| region.ca(&format!("revoke --file {}", region.path("node/tls.pem").display()))).await;
    assert_eq!(check(&node).await.unwrap_err().code(), Code::Unauthenticated, "the live connection");
    let again = plain(&region.path("ca/ca.pem"), Some(&region.files("node")));
    assert!(hub.takes(again).await.is_err(), "a new connection");
    check(&second).await.expect("the other certificate of the same organisation");
}

#[tokio::test]
async fn a_renewed_server_certificate_is_shown_without_a_restart() {
    let region = Region::new();
    let hub = region.hub("hub", |_| ()).await;
    let shown = async || {
        let node = plain(&region.path("ca/ca.pem"), Some(&region.files("node")));
        hub.takes(node).await.unwrap()
    };
    let before = shown().await;
    hub.after(|| region.issue(OPERATOR, "operator", "hub")).await;
    let after = shown().await;
    assert_ne!(before, after);
    assert_eq!(after, CertificateDer::from_pem_file(region.path("hub/tls.pem")).unwrap().to_vec());
}

#[tokio::test]
async fn a_renewed_client_certificate_is_shown_by_the_next_call() {
    let region = Region::new();
    let hub = region.hub("hub", |_| ()).await;
    let files = region.files("node");
    let (tls, watcher) = credentials::client(files, "520000".parse().unwrap(), Role::Operator, LOOK).unwrap();
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watcher.run(stop.clone()));
    let node = HubChannel::new(&hub.named(), tls.subscribe()).unwrap();
    check(&node).await.unwrap();
    let old = region.path("old.pem");
    std::fs::copy(region.path("node/tls.pem"), &old).unwrap();

    let mut changes = tls.subscribe();
    changes.mark_unchanged();
    region.issue(HOSPITAL, "hospital", "node");
    changes.changed().await.unwrap();
    hub.after(|| region.ca(&format!("revoke --file {}", old.display()))).await;
    check(&node).await.expect("the new certificate is in use");
    stop.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn a_hospital_cannot_pose_as_the_hub() {
    let region = Region::new();
    let false_hub = region.hub("node", |_| ()).await;
    let error = check(&region.channel("node", &false_hub)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "the caller refuses a server that is no operator");
}

#[tokio::test]
async fn one_organisation_cannot_take_every_place() {
    let region = Region::new();
    region.issue(OPERATOR, "hospital", "other");
    let hub = region.hub("hub", |settings| settings.organisation_connections_max = 1).await;
    let node = region.channel("node", &hub);
    check(&node).await.unwrap();
    let second = plain(&region.path("ca/ca.pem"), Some(&region.files("node")));
    assert!(hub.takes(second).await.is_err());
    check(&region.channel("other", &hub)).await.expect("another organisation still gets in");
}

#[tokio::test]
async fn a_connection_beyond_all_places_is_closed_and_those_that_stand_are_served() {
    let region = Region::new();
    region.issue(OPERATOR, "hospital", "other");
    let hub = region.hub("hub", |settings| settings.connections_max = 2).await;
    let (node, other) = (region.channel("node", &hub), region.channel("other", &hub));
    check(&node).await.unwrap();
    check(&other).await.unwrap();
    let one_more = || plain(&region.path("ca/ca.pem"), Some(&region.files("node")));
    assert!(hub.takes(one_more()).await.is_err());
    check(&node).await.expect("who is connected does not notice");
    check(&other).await.expect("nor does the neighbour");
    drop(other);
    // Its place is free once the hub has seen the end of the connection.
    while hub.takes(one_more()).await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn a_flood_of_handshakes_keeps_nobody_out() {
    let region = Region::new();
    let change = |settings: &mut AcceptSettings| {
        (settings.handshakes_max, settings.handshake_timeout) = (4, Duration::from_secs(600));
    };
    let hub = region.hub("hub", change).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(hub.address).await.unwrap());
    }
    check(&region.channel("node", &hub)).await.expect("whoever shakes hands gets in");
    assert_eq!(silent.len(), 20);
}

#[tokio::test]
async fn one_organisation_that_asks_too_fast_is_told_to_wait_and_its_neighbour_is_served() {
    let region = Region::new();
    region.issue(OPERATOR, "hospital", "other");
    let hub = region.sharing_hub("hub", |_| (), ShareSettings { requests_max: 100, requests_per_s: 5 }).await;
    let (greedy, neighbour) = (region.channel("node", &hub), region.channel("other", &hub));
    let refused = loop {
        if let Err(status) = check(&greedy).await {
            break status;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.get_error_details().retry_info().unwrap().retry_delay.is_some());
    check(&neighbour).await.expect("another organisation is served");
}

#[tokio::test]
async fn tls_1_2_is_refused_with_a_protocol_version_alert() {
    let region = Region::new();
    let hub = region.hub("hub", |_| ()).await;
    let mut tcp = TcpStream::connect(hub.address).await.unwrap();
    tcp.write_all(&hello_1_2()).await.unwrap();
    let mut alert = Vec::new();
    tcp.read_to_end(&mut alert).await.unwrap();
    // An alert record of two bytes: fatal (2), protocol_version (70). Source: RFC 8446, 6.
    assert_eq!((alert.first(), alert.get(5..)), (Some(&21), Some(&[2, 70][..])));
}

#[test]
fn a_key_that_others_can_read_starts_no_server() {
    use std::os::unix::fs::PermissionsExt;
    let region = Region::new();
    std::fs::set_permissions(region.path("hub/tls.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = credentials::server(region.files("hub"), LOOK).err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

/// Writes the first message of a client that knows TLS 1.2 and nothing later. Source: RFC 5246, 7.4.1.2.
fn hello_1_2() -> Vec<u8> {
    let suites = [0xc0, 0x2b, 0xc0, 0x2f]; // ECDHE with AES-128-GCM
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 23],      // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],             // ec_point_formats: uncompressed
        &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4], // signature_algorithms
        &[0, 23, 0, 0],                   // extended_master_secret
    ];
    let extensions = extensions.concat();
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(length(suites.len()));
    body.extend(suites);
    body.extend([1, 0]);
    body.extend(length(extensions.len()));
    body.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend(length(body.len() + 4));
    record.extend([1, 0]);
    record.extend(length(body.len()));
    record.extend(body);
    record
}
