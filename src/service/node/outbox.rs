//! The outbox: streams batches that have no receipt to the hub, in order, and believes no receipt that does not hold.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::core::{Core, blocking};
use super::error::NodeError;
use super::ledger::NodeRecord;
use super::receipt::{self, Receipt};
use crate::domain::log::BatchNumber;
use crate::ports::hub::{HubError, HubLink};
use crate::store::node::OutboxBatch;
use crate::wire::pb;

/// Sends what waits, up to a group of batches, and records their receipts. Gives the number of receipts recorded.
///
/// # Errors
/// [`NodeError`] when the hub is away, breaks off, or answers what cannot be believed; wait, then do it again.
pub(super) async fn send<L: HubLink>(core: &Arc<Core>, link: &L) -> Result<usize, NodeError> {
    let waiting = blocking(core, |core| Ok(core.state.waiting_batches(1)?)).await?;
    let Some(first) = waiting.first().map(|batch| batch.batch.0) else { return Ok(0) };
    let position = link.position().await;
    core.figures.hub_connected.store(position.is_ok(), Ordering::Relaxed);
    let position = position?;
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
    let (published, fed, recorded) =
        tokio::join!(link.publish(to_hub, from_hub), feed(core, sent, batches), record(core, group.batches, receipts));
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

async fn record(
    core: &Arc<Core>,
    expected: Vec<OutboxBatch>,
    mut receipts: mpsc::Receiver<Bytes>,
) -> Result<usize, NodeError> {
    let mut recorded = 0;
    for batch in expected {
        let Some(bytes) = receipts.recv().await else { break };
        let believed = believe(core, &batch, bytes)?;
        if batch.receipted {
            continue;
        }
        let record = NodeRecord::Receipt(pb::ReceiptRecord { receipt: believed.bytes });
        let (kind, payload) = record.encode();
        core.journal.append(kind, payload).await?;
        blocking(core, Core::catch_up).await?;
        core.figures.receipts.add(1);
        recorded += 1;
    }
    Ok(recorded)
}

fn believe(core: &Core, batch: &OutboxBatch, bytes: Bytes) -> Result<Receipt, NodeError> {
    let settings = &core.settings;
    let size_known = core.state.tree_size()?;
    let mut last = core.head.lock().unwrap_or_else(PoisonError::into_inner);
    let verified = receipt::verify(bytes, batch.batch.0, batch.header, &settings.hub_log, &settings.hub_keys)
        .and_then(|receipt| receipt::must_grow(receipt.head, *last, size_known).map(|()| receipt));
    match verified {
        Ok(receipt) => {
            *last = Some(receipt.head);
            Ok(receipt)
        }
        Err(error) => {
            core.figures.receipts_refused.add(1);
            tracing::error!(batch = batch.batch.0, %error, "a receipt of the hub is not believed");
            Err(error.into())
        }
    }
}

const GROUP_BATCHES_MAX: usize = 256;
const BATCHES_IN_FLIGHT_MAX: usize = 4;
