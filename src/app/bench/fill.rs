//! Filling a hub's data folder while no hub runs: batches signed by their publishers go through the hub's own journal,
//! projector and log keeper. What is left out is the network and the verification of what was signed a moment before.

use std::sync::Arc;

use indicatif::ProgressBar;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::bench::BenchError;
use crate::app::bench::data::Shape;
use crate::app::bench::publisher::{PUBLISHERS, Publisher};
use crate::app::hub::config::HubConfig;
use crate::app::hub::secrets::Secrets;
use crate::app::hub::storage::{Storage, StorageOptions};
use crate::app::sample::SampleError;
use crate::app::sample::layout::Layout;
use crate::domain::entry::Entry;
use crate::domain::limits::BATCH_ENTRIES_MAX;
use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::pki::trust::Trust;
use crate::service::hub::ledger::Ledger;
use crate::service::hub::log_keeper::LogKeeper;
use crate::service::hub::projector::Projector;
use crate::service::hub::registry::Registry;
use crate::sys::files;
use crate::wire::pb;
use crate::wire::record::Record;

/// Writes every entry of a shape into the data folder of the region's hub, which must not be running.
///
/// # Errors
/// [`BenchError`]; the folder is of no use then.
pub async fn fill(layout: &Layout, shape: &Shape, now: Moment, progress: &ProgressBar) -> Result<(), BenchError> {
    let config = HubConfig::read(&layout.hub().join("hub.toml")).map_err(SampleError::from)?;
    let secrets = Secrets::read(&config.secrets)?;
    let options = StorageOptions { index_cache_bytes: CACHE_BYTES, tables_cache_bytes: CACHE_BYTES / 8, now };
    let storage = Storage::open(&config.data, &secrets.log_key(&config.log_name), options)?;
    let trust = trust(layout)?;
    let (_kept, trusted) = watch::channel(Arc::new(trust));
    let registry = Arc::new(Registry::new(trusted.clone()));
    let journal = storage.journal;
    let projector = Projector::new(journal.reader(), storage.index, storage.state, registry)?;
    let keeper = LogKeeper::new(journal.reader(), storage.tiles, secrets.signer(&config.log_name));
    let ledger = Ledger::new(journal, projector.reached(), keeper.published());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(projector.run(stop.clone()));
    tasks.spawn(keeper.run(stop.clone()));
    let trust = Arc::clone(&trusted.borrow());
    let written = write(layout, shape, now, &trust, &ledger, progress).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    written
}

async fn write(
    layout: &Layout,
    shape: &Shape,
    now: Moment,
    trust: &Trust,
    ledger: &Ledger,
    progress: &ProgressBar,
) -> Result<(), BenchError> {
    let mut publishers = Vec::with_capacity(PUBLISHERS);
    for place in 0..PUBLISHERS {
        let publisher = Publisher::load(layout, place, trust)?;
        let (certificate, key_id) = (publisher.certificate.clone(), publisher.key_id().to_vec().into());
        ledger.record(&[Record::Key(pb::KeyRecord { certificate, received_at: Some(now.into()), key_id })]).await?;
        publishers.push((publisher, Vec::<Entry>::with_capacity(BATCH_ENTRIES_MAX)));
    }
    let mut next = ledger.projected();
    for number in 0..shape.visits() {
        let visit = shape.visit(number);
        let (publisher, waiting) = &mut publishers[visit.publisher];
        waiting.extend(shape.entries_of(&visit));
        if waiting.len() + VISIT_ENTRIES_MAX > BATCH_ENTRIES_MAX {
            next = next.next();
            record(publisher, waiting, now, ledger, next).await?;
        }
        progress.set_position(number + 1);
    }
    for (publisher, waiting) in publishers.iter_mut().filter(|(_, waiting)| !waiting.is_empty()) {
        next = next.next();
        record(publisher, waiting, now, ledger, next).await?;
    }
    ledger.wait_for(next).await?;
    ledger.wait_for_checkpoint(next).await?;
    Ok(())
}

/// Queues one batch as the record before `next`, and waits where the projections have fallen behind.
async fn record(
    publisher: &mut Publisher,
    waiting: &mut Vec<Entry>,
    now: Moment,
    ledger: &Ledger,
    next: Sequence,
) -> Result<(), BenchError> {
    let batch = publisher.seal(waiting, now).encode();
    waiting.clear();
    let record = pb::BatchRecord { batch, received_at: Some(now.into()), rejections: Vec::new() };
    ledger.record_soon(&Record::Batch(record)).await?;
    if next.0.is_multiple_of(BEHIND_RECORDS_MAX) {
        ledger.wait_for(Sequence(next.0.saturating_sub(BEHIND_RECORDS_MAX))).await?;
    }
    Ok(())
}

/// Reads what certificates of the region are checked against.
///
/// # Errors
/// [`BenchError`] when the authority's files are damaged.
pub fn trust(layout: &Layout) -> Result<Trust, BenchError> {
    let authority = layout.authority();
    Ok(Trust::parse(&files::read(&authority.join("ca.pem"))?, &files::read(&authority.join("crl.pem"))?)?)
}

const CACHE_BYTES: usize = 512 << 20;
const VISIT_ENTRIES_MAX: usize = 40;
/// Records that may wait for the projections.
const BEHIND_RECORDS_MAX: u64 = 256;
