//! Originals fetched by another hospital: from the node's disk through its tunnel and the hub to the caller; beside the
//! same bytes on the same way with nothing but TLS: a file, two connections, and a relay between them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::app::bench::load::{Run, flat_out};
use crate::app::bench::region::Region;
use crate::app::bench::report::{Report, Yardstick, progress, rounded};
use crate::app::bench::{BenchArgs, BenchError};
use crate::app::sample::authority::ORDER_ENTRY;
use crate::app::sample::cast::{GUIYANG, SCANNED};
use crate::app::sample::scan::{self, Plan};
use crate::domain::organisation::Role;
use crate::domain::time::Moment;
use crate::pki::tls::{self, Material};
use crate::ports::clock::Clock;
use crate::sys::files;
use crate::wire::pb;
use crate::wire::pb::identity_client::IdentityClient;
use crate::wire::pb::orders_client::OrdersClient;
use crate::wire::pb::retrieval_client::RetrievalClient;

/// Measures fetches.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub async fn run(args: &BenchArgs, region: &mut Region, clock: &Arc<dyn Clock>) -> Result<Report, BenchError> {
    region.start_hub().await?;
    region.start_node(0).await?;
    let slices = scan::chest(&SCANNED, clock.now().plus_hours(-48), PLAN)?;
    scan::send(region.settled.nodes[0].dicom, GUIYANG.ae_title, &slices, |_| ()).await?;
    let opened = opened(region, clock.now()).await?;
    let size = opened.original.size_bytes;
    let clients = args.clients.clamp(1, FETCHES_MAX);
    let relay = Relay::start(region, slices[0].data_set.clone().into()).await?;
    let bar = progress(args, "measuring, steps", 5);
    let numbers = AtomicU64::new(0);
    let fetch = || {
        let (opened, channel) = (Arc::clone(&opened), region.hub(ORDER_ENTRY[1]));
        channel.map(|channel| move |_, _| fetched(RetrievalClient::new(channel.clone()), Arc::clone(&opened)))
    };
    let raw = || {
        let relay = Arc::clone(&relay);
        move |_, _| Arc::clone(&relay).read()
    };
    flat_out(clients, args.seconds / 8.0, &numbers, fetch()?).await?;
    let (mut fetches, mut raws) = (Run::default(), Run::default());
    let before = region.usage();
    for _ in 0..2 {
        raws = raws.and(&flat_out(clients, args.seconds / 4.0, &numbers, raw()).await?);
        bar.inc(1);
        fetches = fetches.and(&flat_out(clients, args.seconds / 2.0, &numbers, fetch()?).await?);
        bar.inc(1);
    }
    let after = region.usage();
    raws = raws.and(&flat_out(clients, args.seconds / 4.0, &numbers, raw()).await?);
    bar.finish_and_clear();
    let mut report = Report::new("fetch", args);
    report.tell("original_bytes", size);
    report.tell("fetches_at_once", clients);
    let name = "the same bytes over as many TLS connections, with a relay in between".to_owned();
    report.tell_run("originals/s", &fetches, &Yardstick { name, per_second: raws.per_second() });
    report.tell("megabytes_per_second", rounded(fetches.per_second() * size as f64 / 1e6));
    report.tell("yardstick_megabytes_per_second", rounded(raws.per_second() * size as f64 / 1e6));
    report.tell_usage(before, after, fetches.latencies.total());
    Ok(report)
}

/// An original that may be fetched.
struct Opened {
    grant: String,
    original: pb::Original,
}

/// Orders the same examination at another hospital, and accepts what is prompted.
async fn opened(region: &Region, now: Moment) -> Result<Arc<Opened>, BenchError> {
    let channel = region.hub(ORDER_ENTRY[1])?;
    let person = pb::Person {
        identifiers: vec![pb::Identifier {
            r#type: "CN-ID".to_owned(),
            authority: String::new(),
            value: SCANNED.number.to_owned(),
        }],
        sex: pb::Sex::Female.into(),
        birth_date: SCANNED.birth_date.to_owned(),
    };
    let call = IdentityClient::new(channel.clone()).resolve(pb::ResolveRequest { persons: vec![person] }).await;
    let resolved = call.map_err(BenchError::refused("Identity.Resolve"))?.into_inner();
    let pseudonym = resolved.resolutions.into_iter().next().map(|resolution| resolution.pseudonym);
    let pseudonym = pseudonym.ok_or(BenchError::Unexpected { what: "Identity.Resolve", found: "nobody".into() })?;
    let mut orders = OrdersClient::new(channel);
    for turn in 0..PATIENCE {
        let key = format!("bench-fetch-{}-{turn}", now.unix_ms());
        let request = order(key.clone(), pseudonym.clone());
        let answer = orders.check(request).await.map_err(BenchError::refused("Orders.Check"))?.into_inner();
        let Some(prompt) = answer.lines.into_iter().flat_map(|line| line.prompts).next() else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let decision = pb::Decision {
            prompt_id: prompt.prompt_id,
            outcome: Some(pb::decision::Outcome::Accept(pb::Accept {})),
            ..Default::default()
        };
        let decide =
            pb::DecideRequest { decision_key: key, actor: actor(), decisions: vec![decision], ..Default::default() };
        let decided = orders.decide(decide).await.map_err(BenchError::refused("Orders.Decide"))?.into_inner();
        let outcome = decided.outcomes.into_iter().next().unwrap_or_default();
        let original = outcome.result.and_then(|result| result.originals.into_iter().next());
        let grant = outcome.grant.map(|grant| grant.token);
        if let (Some(original), Some(grant)) = (original, grant) {
            return Ok(Arc::new(Opened { grant, original }));
        }
    }
    Err(BenchError::Unexpected { what: "the study that was stored", found: "is not prompted".to_owned() })
}

fn order(key: String, pseudonym: Bytes) -> pb::CheckRequest {
    pb::CheckRequest {
        patient: Some(pb::Patient { pseudonym, ..Default::default() }),
        actor: actor(),
        visit: Some(pb::Visit {
            encounter: key.clone(),
            setting: pb::Setting::Outpatient.into(),
            ..Default::default()
        }),
        check_key: key,
        lines: vec![pb::OrderLine {
            line_id: "1".to_owned(),
            codes: vec![pb::Code { system: "catalogue".to_owned(), code: "E02003".to_owned(), display: String::new() }],
            imaging: Vec::new(),
        }],
        language: pb::Language::Zh.into(),
        proofs: false,
    }
}

fn actor() -> Option<pb::Actor> {
    Some(pb::Actor { practitioner: "D0001".to_owned(), department: "内科门诊".to_owned() })
}

async fn fetched(
    mut client: RetrievalClient<tonic::transport::Channel>,
    opened: Arc<Opened>,
) -> Result<(), BenchError> {
    let request = pb::FetchRequest { grant: opened.grant.clone(), digest: opened.original.digest.clone(), offset: 0 };
    let call = client.fetch(request).await;
    let mut chunks = call.map_err(BenchError::refused("Retrieval.Fetch"))?.into_inner();
    let mut bytes = 0;
    while let Some(chunk) = chunks.message().await.map_err(BenchError::refused("Retrieval.Fetch"))? {
        bytes += chunk.data.len() as u64;
    }
    if bytes == opened.original.size_bytes {
        return Ok(());
    }
    Err(BenchError::Unexpected { what: "bytes fetched", found: bytes.to_string() })
}

/// The way of the yardstick: whoever connects to the front gets the bytes from the back, which reads them from a file.
struct Relay {
    front: std::net::SocketAddr,
    client: TlsConnector,
}

impl Relay {
    async fn start(region: &Region, bytes: Bytes) -> Result<Arc<Self>, BenchError> {
        let failed = || BenchError::io("start the yardstick");
        let path = region.layout.path("yardstick");
        std::fs::write(&path, &bytes).map_err(failed())?;
        let (server, client) = both_ends(region)?;
        let (back, front) = (listener().await?, listener().await?);
        let (behind, before) = (back.local_addr().map_err(failed())?, front.local_addr().map_err(failed())?);
        let accept = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = back.accept().await {
                let (accept, path) = (accept.clone(), path.clone());
                tokio::spawn(async move {
                    let mut stream = accept.accept(stream).await?;
                    let mut file = tokio::fs::File::open(path).await?;
                    copy(&mut file, &mut stream).await
                });
            }
        });
        let connect = client.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = front.accept().await {
                let (accept, connect) = (server.clone(), connect.clone());
                tokio::spawn(async move {
                    let mut caller = accept.accept(stream).await?;
                    let mut origin = connected(&connect, behind).await?;
                    copy(&mut origin, &mut caller).await
                });
            }
        });
        Ok(Arc::new(Self { front: before, client }))
    }

    async fn read(self: Arc<Self>) -> Result<(), BenchError> {
        let read = async {
            let mut stream = connected(&self.client, self.front).await?;
            copy(&mut stream, &mut tokio::io::sink()).await
        };
        read.await.map_err(BenchError::io("read the yardstick"))
    }
}

/// Reads the TLS settings of the hub, for a server, and of a hospital, for a client.
fn both_ends(region: &Region) -> Result<(TlsAcceptor, TlsConnector), BenchError> {
    let authority = region.layout.authority();
    let material = |folder: std::path::PathBuf| {
        Ok::<_, BenchError>(Material {
            authority_pem: files::read(&authority.join("ca.pem"))?,
            list_pem: files::read(&authority.join("crl.pem"))?,
            certificate_pem: files::read(&folder.join("tls.pem"))?,
            key_pem: files::read_secret(&folder.join("tls.key"))?,
        })
    };
    let wrong =
        |error: tls::TlsError| BenchError::Unexpected { what: "the region's certificates", found: error.to_string() };
    let server = tls::server(&material(region.layout.hub().join("tls"))?).map_err(wrong)?;
    let own = crate::app::sample::cast::REGION.parse().map_err(|_| BenchError::Client)?;
    let client: ClientConfig =
        tls::client(&material(region.layout.client(ORDER_ENTRY[1]))?, own, Role::Operator).map_err(wrong)?;
    Ok((TlsAcceptor::from(server.config), TlsConnector::from(Arc::new(client))))
}

async fn listener() -> Result<TcpListener, BenchError> {
    TcpListener::bind(("127.0.0.1", 0)).await.map_err(BenchError::io("start the yardstick"))
}

async fn connected(
    connector: &TlsConnector,
    address: std::net::SocketAddr,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
    connector.connect(name, TcpStream::connect(address).await?).await
}

async fn copy(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin)) -> std::io::Result<()> {
    let mut chunk = vec![0; crate::domain::limits::CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..count]).await?;
    }
}

/// One instance of 8 MB.
const PLAN: Plan = Plan { slices: 1, side: 2_048 };
const FETCHES_MAX: usize = 4;
const PATIENCE: usize = 600;
