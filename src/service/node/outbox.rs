//! The outbox: streams batches that have no receipt to the hub, in order, and believes no receipt that does not hold.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::core::{Core, blocking};
use super::error::NodeError;
use super::ledger::NodeRecord;
use super::names::MESSAGE_MEDIA_TYPE;
use super::receipt::{self, Receipt};
use super::sheet::Reason;
use super::witness;
use crate::domain::entry::{Content, Entry};
use crate::domain::limits::{BATCH_ENTRIES_MAX, RECORD_BYTES_MAX};
use crate::domain::log::BatchNumber;
use crate::domain::trace::Outcome;
use crate::ports::hub::{HubError, HubLink};
use crate::ports::trace::SpanKind;
use crate::store::node::OutboxBatch;
use crate::wire::hl7::SourceSettings;
use crate::wire::hl7::header::Header;
use crate::wire::{self, pb};

/// Sends what waits, up to a group of batches, and records their receipts. Gives the number of receipts recorded.
///
/// # Errors
/// [`NodeError`] when the hub is away, breaks off, or answers what cannot be believed; wait, then do it again.
pub(super) async fn send<L: HubLink>(core: &Arc<Core>, link: &L) -> Result<usize, NodeError> {
    let waiting = blocking(core, |core| {
        core.catch_up()?;
        Ok(core.state.waiting_batches(1)?)
    });
    let waiting = waiting.await?;
    let Some(first) = waiting.first().map(|batch| batch.batch.0) else { return Ok(0) };
    let Some(tracer) = core.tracer.get() else { return publish(core, link, first).await };
    let work = tracer.begin("publish", SpanKind::Internal, None);
    work.is_for(core.settings.publisher);
    let span = tracing::info_span!("publish", trace = %work.context().trace);
    let sent = work.within(publish(core, link, first)).instrument(span).await;
    match &sent {
        Ok(_) => work.end("OK", Outcome::Done),
        Err(_) => work.end("FAILED", Outcome::Failed),
    };
    sent
}

/// Sends from a batch that waits on, as [`send`] does.
async fn publish<L: HubLink>(core: &Arc<Core>, link: &L, first: u64) -> Result<usize, NodeError> {
    let position = link.position().await?;
    let group = blocking(core, move |core| group(core, first, position.sequence)).await?;
    if let Some(last) = group.known
        && last.header != position.header
    {
        tracing::error!(batch = position.sequence, "the hub holds another batch under this number");
        return Err(HubError::Answer.into());
    }
    let (batches, to_hub) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
    let (from_hub, receipts) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
    let sent = group.batches.clone();
    let (published, fed, recorded) = tokio::join!(
        link.publish(to_hub, from_hub),
        feed(core, sent, batches),
        record(core, link, group.batches, receipts)
    );
    // What the receipts say comes first: a receipt that cannot be believed is worse than a stream that broke.
    let recorded = recorded?;
    fed?;
    published?;
    Ok(recorded)
}

struct Group {
    batches: Vec<OutboxBatch>,
    /// The batch that the hub says it took last, as this node knows it.
    known: Option<OutboxBatch>,
}

/// Begins at the first batch without a receipt, or earlier where the hub has lost some.
fn group(core: &Core, first: u64, hub_has: u64) -> Result<Group, NodeError> {
    let from = first.min(hub_has.saturating_add(1)).max(1);
    let mut batches = Vec::new();
    for number in (from..).take(GROUP_BATCHES_MAX) {
        match core.state.outbox_batch(BatchNumber(number))? {
            Some(batch) => batches.push(batch),
            None => break,
        }
    }
    Ok(Group { batches, known: core.state.outbox_batch(BatchNumber(hub_has))? })
}

async fn feed(core: &Arc<Core>, sent: Vec<OutboxBatch>, batches: mpsc::Sender<Bytes>) -> Result<(), NodeError> {
    for next in sent {
        let batch = blocking(core, move |core| core.batch(next.batch)).await?;
        let batch = batch.ok_or(NodeError::Record { sequence: next.position.0 })?;
        if batches.send(batch.encode()).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn record<L: HubLink>(
    core: &Arc<Core>,
    link: &L,
    expected: Vec<OutboxBatch>,
    mut receipts: mpsc::Receiver<Bytes>,
) -> Result<usize, NodeError> {
    let mut recorded = 0;
    for batch in expected {
        let Some(bytes) = receipts.recv().await else { break };
        let believed = believe(core, link, &batch, bytes).await?;
        if batch.receipted {
            continue;
        }
        let Receipt { bytes, message, .. } = believed;
        let rejected = blocking(core, move |core| rejected(core, batch.batch, &message.rejections)).await?;
        core.record(&NodeRecord::Receipt(pb::ReceiptRecord { receipt: bytes, rejected })).await?;
        core.figures.receipts.add(1);
        recorded += 1;
    }
    Ok(recorded)
}

/// Names entries that the hub did not index as their senders know them: by item, and by MSH-10 or the study.
fn rejected(core: &Core, number: BatchNumber, rejections: &[pb::Rejection]) -> Result<Vec<pb::HeldItem>, NodeError> {
    if rejections.is_empty() {
        return Ok(Vec::new());
    }
    let batch = core.batch(number)?;
    let entry = |rejection: &pb::Rejection| {
        let bytes = batch.as_ref()?.entries.get(usize::try_from(rejection.entry).ok()?)?;
        wire::entry::decode(bytes).ok()
    };
    let told = rejections.iter().take(BATCH_ENTRIES_MAX).map(|rejection| {
        let reason = Reason::RejectedByHub.to_string();
        let Some(entry) = entry(rejection) else {
            let reference = format!("batch {} entry {}", number.0, rejection.entry);
            return Ok(pb::HeldItem { reference, reason, field: format!("{} {}", rejection.field, rejection.reason) });
        };
        let item = entry.items.first().map(ToString::to_string).unwrap_or_default();
        let field = format!("{item} {} {}", rejection.field, rejection.reason).trim_start().to_owned();
        Ok(pb::HeldItem { reference: reference(core, &entry)?, reason, field })
    });
    told.collect()
}

fn reference(core: &Core, entry: &Entry) -> Result<String, NodeError> {
    if let Content::Imaging(study) = &entry.content {
        return Ok(study.study_uid.clone());
    }
    let message = entry.originals.iter().find(|original| original.media_type == MESSAGE_MEDIA_TYPE);
    let Some(digest) = message.map(|message| message.digest) else { return Ok(String::new()) };
    let bytes = core.original_bytes(digest, RECORD_BYTES_MAX as u64)?;
    Ok(Header::of_bytes(&bytes, &SourceSettings::default()).control_id().to_owned())
}

/// Verifies a receipt, and that its checkpoint extends what the hub has shown before.
async fn believe<L: HubLink>(
    core: &Arc<Core>,
    link: &L,
    batch: &OutboxBatch,
    bytes: Bytes,
) -> Result<Receipt, NodeError> {
    let settings = &core.settings;
    let verified = receipt::verify(bytes, batch.batch.0, batch.header, &settings.hub_log, &settings.hub_keys);
    let verified = match verified {
        Ok(receipt) => {
            let observed = witness::observe(core, link, &receipt.message.checkpoint).await;
            observed.map(|_| receipt)
        }
        Err(error) => Err(error.into()),
    };
    if let Err(NodeError::Receipt(error)) = &verified {
        core.figures.receipts_refused.add(1);
        tracing::error!(batch = batch.batch.0, %error, "a receipt of the hub is not believed");
    }
    verified
}

const GROUP_BATCHES_MAX: usize = 256;
const BATCHES_IN_FLIGHT_MAX: usize = 4;
