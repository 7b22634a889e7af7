//! The region that is measured: made in a folder and filled once, its processes started and watched.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prost::Message;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::app::bench::data::Shape;
use crate::app::bench::usage::{Usage, disk_bytes};
use crate::app::bench::{BenchArgs, BenchError, fill, publisher, report};
use crate::app::sample::authority::ORDER_ENTRY;
use crate::app::sample::cast::{HOSPITALS, NATIONAL_CENTRE};
use crate::app::sample::layout::{Layout, Settled};
use crate::app::sample::make;
use crate::app::sample::processes::Process;
use crate::domain::organisation::Role;
use crate::domain::time::Moment;
use crate::pki::signing::{SigningDomain, SigningError, SigningKey};
use crate::ports::clock::Clock;
use crate::service::hub::registry::ORGANISATIONS;
use crate::sys::files;
use crate::wire::pb::qualifications_client::QualificationsClient;
use crate::wire::statement::SIGNED_AS;
use crate::wire::{pb, region};

/// A region in a folder, with those of its processes that were started.
pub struct Region {
    /// Where everything lies.
    pub layout: Layout,
    /// Its addresses.
    pub settled: Settled,
    /// What it is filled with.
    pub shape: Shape,
    hub: Option<Process>,
    nodes: Vec<Process>,
    /// Dropped after the processes.
    _folder: Folder,
}

/// What a folder was filled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Filled {
    entries: u64,
    seed: u64,
    began_unix_ms: i64,
}

/// A folder that goes away with the bench, unless it is to be kept.
struct Folder(Option<PathBuf>);

impl Region {
    /// Makes the region of the arguments, or takes up the one that an earlier run left, and fills it.
    ///
    /// # Errors
    /// [`BenchError`]; give another folder.
    pub async fn make(args: &BenchArgs, clock: &Arc<dyn Clock>) -> Result<Self, BenchError> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let own = std::env::temp_dir().join(format!("concord-bench-{}-{number}", std::process::id()));
        let root = args.dir.clone().unwrap_or(own);
        let fresh = !root.exists();
        let layout = Layout::new(&root)?;
        let folder = Folder((fresh && !args.keep).then(|| root.clone()));
        let known = layout.settled()?.is_some();
        let settled = make::region(&layout, &**clock)?;
        if !known {
            publisher::issue(&layout, &**clock)?;
            list_publishers(&layout)?;
        }
        let filled = filled(&layout, args, clock.now())?;
        let (catalogue, policy) = region::load_region(&region::sample())
            .map_err(|error| BenchError::Unexpected { what: "the sample region", found: error.to_string() })?;
        let began = Moment::new(filled.began_unix_ms, clock.now().offset_minutes()).unwrap_or(clock.now());
        let shape = Shape::new(filled.seed, filled.entries, began, publisher::codes(), (&catalogue, &policy));
        let mut region = Self { layout, settled, shape, hub: None, nodes: Vec::new(), _folder: folder };
        if !region.layout.path(FILLED).exists() {
            let progress = report::progress(args, "filling, visits", region.shape.visits());
            fill::fill(&region.layout, &region.shape, began, &progress).await?;
            progress.finish_and_clear();
            region.start_hub().await?;
            region.qualify(began).await?;
            let text = serde_json::to_vec(&filled).unwrap_or_else(|error| unreachable!("plain data: {error}"));
            files::write(&region.layout.path(FILLED), &text)?;
        }
        Ok(region)
    }

    /// Starts the hub, unless one answers at its address already, and waits until it serves. Gives the time it took.
    ///
    /// # Errors
    /// [`BenchError`] when it does not come up.
    pub async fn start_hub(&mut self) -> Result<Duration, BenchError> {
        let began = Instant::now();
        if self.hub.is_none() && !self.answers(self.settled.hub).await {
            self.hub = Some(Process::start("hub", self.layout.hub(), "hub.toml")?);
        }
        let channel = || self.layout.channel(ORDER_ENTRY[0], self.settled.hub, Role::Operator);
        serving(self.hub.as_mut(), channel).await?;
        Ok(began.elapsed())
    }

    /// Starts the node of a hospital of the cast, unless one answers at its address already, and waits until it serves.
    ///
    /// # Errors
    /// [`BenchError`] when it does not come up.
    pub async fn start_node(&mut self, hospital: usize) -> Result<(), BenchError> {
        let address = self.settled.nodes[hospital].grpc;
        let mut started = None;
        if !self.answers(address).await {
            started = Some(Process::start("node", self.layout.node(&HOSPITALS[hospital]), "node.toml")?);
        }
        let channel = || self.layout.channel(ORDER_ENTRY[hospital], address, Role::Hospital);
        serving(started.as_mut(), channel).await?;
        self.nodes.extend(started);
        Ok(())
    }

    /// Ends the hub: with `kill -9`, or in an orderly way.
    pub fn end_hub(&mut self, orderly: bool) {
        if let Some(hub) = self.hub.take().filter(|_| orderly) {
            hub.end();
        }
    }

    /// Gives the hub's channel for a client whose certificate lies in a folder.
    ///
    /// # Errors
    /// [`BenchError`] when the certificate cannot be used.
    pub fn hub(&self, client: &str) -> Result<Channel, BenchError> {
        Ok(self.layout.channel(client, self.settled.hub, Role::Operator)?)
    }

    /// Says what the processes that were started here have used.
    pub fn usage(&self) -> Usage {
        let processes = self.hub.iter().chain(&self.nodes);
        processes.map(|process| Usage::of(process.id())).fold(Usage::default(), Usage::and)
    }

    /// Gives the bytes on disk of the hub's journal, index, other tables and public log.
    pub fn disk(&self) -> [(&'static str, u64); 4] {
        let data = self.layout.hub().join("data");
        [("journal", "entries"), ("index", "index.redb"), ("tables", "tables.redb"), ("log", "tile")]
            .map(|(name, file)| (name, disk_bytes(&data.join(file))))
    }

    async fn answers(&self, address: SocketAddr) -> bool {
        tokio::net::TcpStream::connect(address).await.is_ok()
    }

    /// Hands in credentials of every publisher for everything that can be ordered.
    async fn qualify(&self, began: Moment) -> Result<(), BenchError> {
        let folder = self.layout.client(NATIONAL_CENTRE.folder);
        let pem = files::read(&folder.join("signing.pem"))?;
        let trust = fill::trust(&self.layout)?;
        let key = SigningKey::load(&files::read_secret(&folder.join("signing.key"))?, &pem, &trust)?;
        let der = CertificateDer::from_pem_slice(&pem).map_err(|_| SigningError::Certificate)?;
        let laboratories = publisher::codes().into_iter().chain(HOSPITALS.iter().filter_map(|it| it.code.parse().ok()));
        let subjects = self.shape.subjects();
        let credentials = laboratories.flat_map(|laboratory| {
            subjects.iter().map(move |subject| pb::Credential {
                laboratory: laboratory.to_string(),
                subject: subject.clone(),
                valid_from: Some(began.plus_hours(-2 * YEAR_HOURS).into()),
                valid_to: Some(began.plus_hours(YEAR_HOURS).into()),
                basis: "SAMPLE-EVALUATION".to_owned(),
            })
        });
        let content = pb::statement::Content::Credentials(pb::Credentials { credentials: credentials.collect() });
        let issuer = NATIONAL_CENTRE.code.to_owned();
        let statement = pb::Statement { issuer, issued_at: Some(began.into()), content: Some(content) }.encode_to_vec();
        let request = pb::StatementRequest {
            signature: key.sign(SigningDomain(SIGNED_AS), &statement).to_vec().into(),
            statement: statement.into(),
            signing_certificate: der.to_vec().into(),
        };
        let mut client = QualificationsClient::new(self.hub(NATIONAL_CENTRE.folder)?);
        client.submit(request).await.map(drop).map_err(BenchError::refused("Qualifications.Submit"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Waits until a process serves; it is asked anew every few milliseconds.
async fn serving<E: Into<BenchError>>(
    mut process: Option<&mut Process>,
    channel: impl Fn() -> Result<Channel, E>,
) -> Result<(), BenchError> {
    let last = Instant::now() + START_TIME_MAX;
    loop {
        let asked = HealthClient::new(channel().map_err(Into::into)?).check(HealthCheckRequest::default()).await;
        if asked.is_ok_and(|answer| answer.into_inner().status == ServingStatus::Serving as i32) {
            return Ok(());
        }
        if let Some(process) = process.as_mut()
            && process.has_ended()
        {
            return Err(BenchError::Unexpected { what: "a server ended", found: process.log.display().to_string() });
        }
        if Instant::now() > last {
            return Err(BenchError::Unexpected {
                what: "a server does not serve",
                found: format!("{START_TIME_MAX:?}"),
            });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads what the folder is filled with, or says what it shall be filled with.
fn filled(layout: &Layout, args: &BenchArgs, now: Moment) -> Result<Filled, BenchError> {
    let asked = Filled { entries: args.entries, seed: args.seed, began_unix_ms: now.unix_ms() };
    let path = layout.path(FILLED);
    if !path.exists() {
        return Ok(asked);
    }
    let found: Filled = serde_json::from_slice(&files::read(&path)?)
        .map_err(|error| BenchError::Unexpected { what: FILLED, found: error.to_string() })?;
    if (found.entries, found.seed) != (asked.entries, asked.seed) {
        let found = format!("{} entries of seed {}; give another --dir", found.entries, found.seed);
        return Err(BenchError::Unexpected { what: "the folder is filled already", found });
    }
    Ok(found)
}

fn list_publishers(layout: &Layout) -> Result<(), BenchError> {
    let path: &Path = &layout.region().join(ORGANISATIONS);
    let mut table = String::from_utf8_lossy(&files::read(path)?).into_owned();
    for (place, code) in publisher::codes().into_iter().enumerate() {
        let division = publisher::DIVISION;
        table += &format!("{code},hospital,示例医院{place},Sample Hospital {place},{division},3A\n");
    }
    Ok(files::write(path, table.as_bytes())?)
}

/// Folders of this process so far.
static FOLDERS: AtomicU64 = AtomicU64::new(0);
/// Says what the folder is filled with, once it is.
const FILLED: &str = "bench.json";
const START_TIME_MAX: Duration = Duration::from_secs(600);
const YEAR_HOURS: i64 = 365 * 24;
