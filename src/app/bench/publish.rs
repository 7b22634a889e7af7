//! Batches of a thousand entries from many hospitals at once, until each has its receipt: durable, indexed, and proven to
//! be in the public log. Batches are signed before the clock runs, as the rows of the yardsticks are written before.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use crate::app::bench::data::Shape;
use crate::app::bench::histogram::Histogram;
use crate::app::bench::load::Run;
use crate::app::bench::postgres::Postgres;
use crate::app::bench::publisher::{self, PUBLISHERS, Publisher};
use crate::app::bench::region::Region;
use crate::app::bench::report::{Report, Yardstick, progress, rounded};
use crate::app::bench::{BenchArgs, BenchError, fill};
use crate::domain::entry::Entry;
use crate::domain::id::Digest;
use crate::domain::organisation::OrganisationCode;
use crate::ports::clock::Clock;
use crate::wire::pb;
use crate::wire::pb::publication_client::PublicationClient;

/// Measures publishing.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub async fn run(args: &BenchArgs, region: &mut Region, clock: &Arc<dyn Clock>) -> Result<Report, BenchError> {
    region.start_hub().await?;
    let hospitals = args.clients.clamp(1, PUBLISHERS);
    let each = ((args.seconds * BATCHES_PER_SECOND) as usize / hospitals).clamp(4, 400);
    let bar = progress(args, "signing, batches", (each * hospitals) as u64);
    let fresh = region.shape.again(clock.now().unix_ms().unsigned_abs());
    let mut lots = Vec::with_capacity(hospitals);
    let (mut sealing, mut entries, mut entry_bytes) = (Duration::ZERO, 0_u64, 0_u64);
    for place in 0..hospitals {
        let mut lot = Lot::new(region, place).await?;
        for number in 0..each {
            let rows = fresh.thousand((place * each + number) as u64, lot.publisher.code);
            let began = Instant::now();
            let batch = lot.publisher.seal(&rows, clock.now());
            sealing += began.elapsed();
            entries += batch.entries.len() as u64;
            entry_bytes += batch.entries.iter().map(|entry| entry.len() as u64).sum::<u64>();
            lot.batches.push_back(batch.encode());
            bar.inc(1);
        }
        lots.push(lot);
    }
    bar.finish_and_clear();
    let disk = || written_per_second(&region.layout.path("yardstick"), &lots);
    let before = disk()?;
    let postgres = args.postgres.as_deref().map(Postgres::new);
    let copy = |first: u64| match &postgres {
        Some(postgres) => postgres.copies_per_second(&fresh, hospitals, each / 2, first).map(Some),
        None => Ok(None),
    };
    if let Some(postgres) = &postgres {
        postgres.load(&region.shape, args)?;
    }
    let copied = copy(0)?;
    let disk_bytes = |region: &Region| region.disk().map(|(_, bytes)| bytes);
    let (used, room) = (region.usage(), disk_bytes(region));
    let lots_disk = written_per_second(&region.layout.path("yardstick"), &lots)?;
    let run = publish(region, lots, args.seconds).await?;
    let after = region.usage();
    let copied_after = copy((hospitals * each) as u64)?;

    let mut report = Report::new("publish", args);
    let name = "the same bytes written and synced, batch by batch, entries/s".to_owned();
    let yardstick = Yardstick { name, per_second: (before + lots_disk) / 2.0 };
    let done = run.latencies.total() * ROWS;
    let per_second = done as f64 / run.seconds;
    report.tell("throughput", rounded(per_second));
    report.tell("unit", "entries/s");
    report.tell_latencies("", &run);
    report.tell("yardstick", rounded(yardstick.per_second));
    report.tell("yardstick_name", yardstick.name);
    report.tell("ratio", rounded(per_second / yardstick.per_second));
    report.tell("hospitals", hospitals);
    report.tell("signing_us_per_entry", rounded(sealing.as_secs_f64() * 1e6 / entries.max(1) as f64));
    report.tell("entry_bytes", rounded(entry_bytes as f64 / entries.max(1) as f64));
    report.tell_usage(used, after, done);
    for ((name, now), then) in region.disk().into_iter().zip(room) {
        let grown = now.saturating_sub(then) as f64 / done.max(1) as f64;
        report.tell(&format!("disk_{name}_bytes_per_entry"), rounded(grown));
    }
    if let (Some(one), Some(other)) = (copied, copied_after) {
        let copies = (one + other) / 2.0;
        report.tell("postgres_copied_per_second", rounded(copies));
        report.tell("postgres_ratio", rounded(per_second / copies));
    }
    Ok(report)
}

/// What one hospital publishes.
struct Lot {
    place: usize,
    publisher: Publisher,
    batches: VecDeque<Bytes>,
}

impl Lot {
    /// Takes up a hospital's chain where the hub has it.
    async fn new(region: &Region, place: usize) -> Result<Self, BenchError> {
        let mut publisher = Publisher::load(&region.layout, place, &fill::trust(&region.layout)?)?;
        let mut client = PublicationClient::new(region.hub(&publisher::folder(place))?);
        let call = client.position(pb::PositionRequest {}).await;
        let position = call.map_err(BenchError::refused("Publication.Position"))?.into_inner();
        let previous = Digest::try_from(position.header_digest.as_ref());
        let previous =
            previous.map_err(|_| BenchError::Unexpected { what: "the position", found: "no digest".into() })?;
        publisher.go_on(position.sequence, previous);
        Ok(Self { place, publisher, batches: VecDeque::new() })
    }
}

async fn publish(region: &Region, lots: Vec<Lot>, seconds: f64) -> Result<Run, BenchError> {
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    let mut running = JoinSet::new();
    for lot in lots {
        let channel = region.hub(&publisher::folder(lot.place))?;
        running.spawn(stream(PublicationClient::new(channel), lot, end));
    }
    let mut run = Run::default();
    while let Some(ended) = running.join_next().await {
        run.latencies.add(&ended.map_err(|_| BenchError::Client)??);
    }
    run.seconds = began.elapsed().as_secs_f64();
    Ok(run)
}

/// Streams one hospital's batches, a few ahead of their receipts as nodes do.
async fn stream(
    mut client: PublicationClient<tonic::transport::Channel>,
    mut lot: Lot,
    end: Instant,
) -> Result<Histogram, BenchError> {
    let (to_hub, batches) = mpsc::channel(AHEAD);
    let call = client.publish(ReceiverStream::new(batches)).await;
    let mut receipts = call.map_err(BenchError::refused("Publication.Publish"))?.into_inner();
    let (mut latencies, mut sent) = (Histogram::default(), VecDeque::new());
    loop {
        while sent.len() < AHEAD && Instant::now() < end {
            let Some(batch) = lot.batches.pop_front() else { break };
            let request = pb::PublishRequest { batch, signing_certificate: lot.publisher.certificate.clone() };
            sent.push_back(Instant::now());
            to_hub.send(request).await.map_err(|_| BenchError::Client)?;
        }
        let Some(at) = sent.pop_front() else { return Ok(latencies) };
        let receipt = receipts.message().await.map_err(BenchError::refused("Publication.Publish"))?;
        let receipt = receipt.ok_or(BenchError::Client)?;
        if let Some(rejection) = receipt.rejections.first() {
            let found = format!("{} {}", rejection.field, rejection.reason);
            return Err(BenchError::Unexpected { what: "an entry was rejected", found });
        }
        latencies.count(at.elapsed());
    }
}

/// Writes some of the batches to a file, each synced by itself, and gives the entries of a second.
fn written_per_second(path: &Path, lots: &[Lot]) -> Result<f64, BenchError> {
    let failed = BenchError::io("write the yardstick's file");
    let write = || {
        let mut file = std::fs::File::create(path)?;
        let batches = lots.iter().flat_map(|lot| &lot.batches).take(YARDSTICK_BATCHES);
        let began = Instant::now();
        let mut count = 0;
        for batch in batches {
            file.write_all(batch)?;
            file.sync_data()?;
            count += ROWS;
        }
        Ok(count as f64 / began.elapsed().as_secs_f64())
    };
    let written = write().map_err(failed);
    let _ = std::fs::remove_file(path);
    written
}

impl Shape {
    /// Gives a thousand new entries of one publisher, numbered `lot` among such thousands.
    pub fn thousand(&self, lot: u64, publisher: OrganisationCode) -> Vec<Entry> {
        let visits = (lot * 2 * ROWS..).map(|number| self.recent_visit(number));
        let entries = visits.flat_map(|visit| self.entries_of(&visit));
        let own = entries.map(|entry| Entry { publisher, laboratory: publisher, ..entry });
        own.take(ROWS as usize).collect()
    }
}

/// Entries of a batch.
pub const ROWS: u64 = 1_000;
/// Batches signed beforehand for each second of measuring; when they are used up, the run ends early.
const BATCHES_PER_SECOND: f64 = 80.0;
const AHEAD: usize = 2;
const YARDSTICK_BATCHES: usize = 200;
