//! Checks that were answered without the hub: recorded durably, and told to the hub when it is there again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::core::blocking;
use super::error::NodeError;
use super::ledger::NodeRecord;
use super::{Node, backoff};
use crate::domain::log::Sequence;
use crate::peer::hub::HubClient;
use crate::ports::hub::{HubError, HubLink};
use crate::wire::{self, pb};

impl<L: HubLink> Node<L> {
    /// Records that a check was answered without the hub; durable when this returns. A check that is recorded already
    /// is not recorded again before the hub was told of it.
    ///
    /// # Errors
    /// [`NodeError`] when the journal fails.
    pub async fn record_miss(&self, check_key: &str, cause: pb::degraded::Cause) -> Result<(), NodeError> {
        let _one_at_a_time = self.core.turn(wire::batch::digest(check_key.as_bytes()).as_bytes()).await;
        let key = check_key.to_owned();
        if blocking(&self.core, move |core| Ok(core.state.is_missed(&key)?)).await? {
            return Ok(());
        }
        let at = Some(self.core.clock.now().into());
        let miss = pb::Miss { check_key: check_key.to_owned(), cause: cause.into(), at };
        self.append(NodeRecord::Miss(pb::MissIntake { miss: Some(miss) })).await
    }

    /// Gives checks of which the hub has still to be told, at most as many as one call takes.
    ///
    /// # Errors
    /// [`NodeError`] when the journal or the projections fail.
    pub async fn misses(&self) -> Result<Vec<pb::Miss>, NodeError> {
        blocking(&self.core, |core| {
            let read = |sequence: Sequence| {
                let damaged = || NodeError::Record { sequence: sequence.0 };
                let record = core.journal.scan(sequence.0).next().transpose()?.ok_or_else(damaged)?;
                match NodeRecord::decode(&record)? {
                    NodeRecord::Miss(pb::MissIntake { miss: Some(miss) }) => Ok(miss),
                    _ => Err(damaged()),
                }
            };
            core.state.misses(GROUP_MISSES_MAX)?.into_iter().map(read).collect()
        })
        .await
    }

    /// Tells the hub of checks that it missed until `stop`, and keeps them while it does not listen.
    pub async fn report_misses(&self, hub: &HubClient, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let wait = match stop.run_until_cancelled(self.report_misses_once(hub)).await {
                None => return,
                Some(Ok(GROUP_MISSES_MAX..)) => Duration::ZERO,
                Some(Ok(_)) => {
                    failures = 0;
                    LOOK_INTERVAL
                }
                Some(Err(error)) => {
                    failures += 1;
                    tracing::info!(%error, failures, "telling the hub of missed checks failed, and is tried again");
                    LOOK_INTERVAL + backoff(failures)
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Tells the hub of one group of missed checks, and gives their number.
    ///
    /// # Errors
    /// [`NodeError`]; they are kept, tell it again later.
    pub async fn report_misses_once(&self, hub: &HubClient) -> Result<usize, NodeError> {
        let misses = self.misses().await?;
        let check_keys: Vec<String> = misses.iter().map(|miss| miss.check_key.clone()).collect();
        let told = check_keys.len();
        if told > 0 {
            let sent = pb::ReportMissesRequest { misses };
            hub.report_misses(sent).await.map_err(HubError::from)?;
            self.append(NodeRecord::MissesReported(pb::MissesReported { check_keys })).await?;
        }
        Ok(told)
    }

    /// Records something of the node's own, and applies it.
    pub(super) async fn append(&self, record: NodeRecord) -> Result<(), NodeError> {
        self.core.record(&record).await
    }
}

/// Most checks in one call; the hub takes up to 1,000.
const GROUP_MISSES_MAX: usize = 100;
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
