//! The node: from an acknowledged message or image to a receipted batch at the hub. Doors and channels are elsewhere.

mod apply;
mod core;
pub mod error;
mod exchange;
pub mod figures;
pub mod forward;
mod intake;
pub mod ledger;
mod links;
mod miss;
pub mod names;
mod outbox;
mod people;
mod pipeline;
mod rebuild;
mod recalls;
pub mod receipt;
pub mod report;
mod seal;
pub mod sheet;
pub mod standing;
mod study;
pub mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub mod tunnel;
mod versions;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

pub use self::core::{BatchSigner, CurrentSigner, NodeParts, NodeSettings, SignHeader};
use self::core::{Core, blocking};
use self::error::NodeError;
use self::figures::Figures;
pub use self::intake::{InstanceBytes, Taken};
use self::ledger::NodeRecord;
use self::pipeline::Pipeline;
pub use self::pipeline::Step;
pub use self::rebuild::rebuild;
use self::sheet::Held;
use self::terms::Terms;
pub use self::witness::LogView;
use crate::domain::id::{Digest, Pseudonym};
use crate::domain::organisation::OrganisationCode;
use crate::domain::person::Person;
use crate::ports::hub::{HubError, HubLink};
use crate::store::node::{HeldEntry, HeldPlace, OriginalPlace, StudyUid, UnmappedCount};
use crate::store::originals::OpenOriginal;
use crate::sys::random;
use crate::wire::pb;

/// A hospital's node; a cheap handle.
pub struct Node<L> {
    core: Arc<Core>,
    pipeline: Arc<Pipeline>,
    link: Arc<L>,
    /// Streams of recalls end with it.
    recalls_closed: CancellationToken,
}

/// The bytes of an original.
#[derive(Debug)]
pub enum OriginalBytes {
    /// All of them: a message that lies in the journal.
    Whole(Bytes),
    /// A file, open at its first byte.
    File(OpenOriginal),
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStatus {
    /// Batches without a receipt.
    pub outbox_batches: u64,
    /// Age of the oldest of them, in seconds.
    pub outbox_age_s: u64,
    /// Things that wait for somebody.
    pub held: u64,
    /// Whether the tunnel to the hub, or to one of its instances, is open now.
    pub hub_connected: bool,
    /// Record that the pipeline reads next.
    pub pipeline_position: u64,
    /// Records of the journal.
    pub journal_size: u64,
}

impl<L> Clone for Node<L> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            pipeline: Arc::clone(&self.pipeline),
            link: Arc::clone(&self.link),
            recalls_closed: self.recalls_closed.clone(),
        }
    }
}

impl<L: HubLink> Node<L> {
    /// Opens a node, and applies what its journal holds beyond the projections before anything is accepted. Blocks.
    ///
    /// # Errors
    /// [`NodeError`] when journal or projections cannot be read; the process must not start.
    pub fn open(parts: NodeParts, link: Arc<L>) -> Result<Self, NodeError> {
        let core = Arc::new(Core::open(parts)?);
        let pipeline = Arc::new(Pipeline::open(Arc::clone(&core))?);
        Ok(Self { core, pipeline, link, recalls_closed: CancellationToken::new() })
    }

    /// Works until told to stop, or until the journal fails: drafts and seals what has arrived, and sends what is sealed.
    /// What is cut short is done at the next start.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.poisoned() => {}
            ((), (), (), ()) = async { tokio::join!(self.keep_reading(), self.keep_rereading(), self.keep_sending(), self.keep_looking()) } => {}
        }
    }

    /// Reads and seals what has arrived, once.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is lost, call it again.
    pub async fn step(&self) -> Result<Step, NodeError> {
        self.pipeline.step(self.link.as_ref()).await
    }

    /// Sends batches that wait, once, and gives the number of receipts recorded.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is lost, call it again.
    pub async fn send(&self) -> Result<usize, NodeError> {
        outbox::send(&self.core, self.link.as_ref()).await
    }

    /// Looks at the hub's log, once, and cosigns it if it only grew.
    ///
    /// # Errors
    /// [`NodeError::Receipt`] when it is not believed.
    pub async fn look(&self) -> Result<(), NodeError> {
        witness::look(&self.core, self.link.as_ref()).await
    }

    /// Gives what is known of the hub's log.
    pub fn log_view(&self) -> LogView {
        self.core.watch.view(self.core.witness().map(|(key, _)| key))
    }

    /// Gives the pseudonym of a person, or why there is none.
    ///
    /// # Errors
    /// [`NodeError::Hub`] when it is not remembered and the hub does not answer.
    pub async fn resolve(&self, person: Person) -> Result<Result<Pseudonym, Held>, NodeError> {
        let mut whose = people::resolve(&self.core, self.link.as_ref(), &[person]).await?;
        whose.pop().ok_or(NodeError::Hub(HubError::Answer))
    }

    /// Opens an original by its digest; nothing where this node has none. Whoever reads a file checks its digest.
    ///
    /// # Errors
    /// [`NodeError`] when the disk fails.
    pub async fn original(&self, digest: Digest, size_bytes: u64) -> Result<Option<OriginalBytes>, NodeError> {
        blocking(&self.core, move |core| match core.state.original(digest)? {
            Some(OriginalPlace::InJournal { position, .. }) => {
                core.original_at(ledger::unpacked(position)).map(OriginalBytes::Whole).map(Some)
            }
            Some(OriginalPlace::File) => {
                Ok(Some(OriginalBytes::File(core.originals.open_original(digest, size_bytes)?)))
            }
            // Documents inside a message are files of their own that no record names.
            None if core.originals.has(digest, size_bytes)? => {
                Ok(Some(OriginalBytes::File(core.originals.open_original(digest, size_bytes)?)))
            }
            None => Ok(None),
        })
        .await
    }

    /// Says where the node stands.
    ///
    /// # Errors
    /// [`NodeError`] when the disk fails.
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        let pipeline_position = self.pipeline.position();
        blocking(&self.core, move |core| {
            let oldest = core.state.waiting_batches(1)?.first().map(|batch| core.batch(batch.batch)).transpose()?;
            let age_ms = oldest.flatten().map_or(0, |batch| core.clock.now().ms_since(batch.header.sealed_at));
            Ok(NodeStatus {
                outbox_batches: core.state.waiting_batch_count()? as u64,
                outbox_age_s: u64::try_from(age_ms / 1_000).unwrap_or(0),
                held: core.state.held_count()? as u64,
                hub_connected: core.figures.tunnels().values().any(|is_open| *is_open),
                pipeline_position,
                journal_size: core.journal.reader().next_sequence(),
            })
        })
        .await
    }

    /// Says whether the journal has failed: nothing is acknowledged until the node is started anew.
    pub fn is_poisoned(&self) -> bool {
        self.core.journal.is_poisoned()
    }

    /// Returns once [`Node::is_poisoned`].
    pub async fn poisoned(&self) {
        self.core.journal.poisoned().await;
    }

    /// Gives the hospital.
    pub fn publisher(&self) -> OrganisationCode {
        self.core.settings.publisher
    }

    /// Gives what was counted since the start.
    pub fn figures(&self) -> &Figures {
        &self.core.figures
    }

    /// Gives catalogue and mapping as they are now.
    pub fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.core.terms.borrow())
    }

    /// Lists the codes that map to nothing, the most frequent first.
    ///
    /// # Errors
    /// [`NodeError`] when the projections fail.
    pub async fn unmapped(&self, limit: usize) -> Result<Vec<UnmappedCount>, NodeError> {
        blocking(&self.core, move |core| {
            let mut codes = core.state.unmapped()?;
            codes.sort_by(|one, other| other.records.cmp(&one.records).then_with(|| one.code.cmp(&other.code)));
            codes.truncate(limit);
            Ok(codes)
        })
        .await
    }

    /// Lists what waits for somebody, in the order of intake.
    ///
    /// # Errors
    /// [`NodeError`] when the projections fail.
    pub async fn held(&self, limit: usize) -> Result<Vec<(HeldPlace, HeldEntry)>, NodeError> {
        blocking(&self.core, move |core| Ok(core.state.held(None, limit)?)).await
    }

    /// Has every record read again of which something waits or maps to nothing, and gives their number.
    ///
    /// # Errors
    /// [`NodeError`] when the journal fails.
    pub async fn reprocess(&self) -> Result<usize, NodeError> {
        let below = self.core.journal.reader().next_sequence();
        let (kind, payload) = NodeRecord::Reprocess(pb::ReprocessMark { below }).encode();
        self.core.journal.append(kind, payload).await?;
        blocking(&self.core, |core| {
            core.catch_up()?;
            Ok(core.state.wanting_count())
        })
        .await
    }

    /// Takes a study that was deleted in the archive out of use; durable when this returns, and published soon. Gives
    /// false where no image of the study ever came.
    ///
    /// # Errors
    /// [`NodeError`] when the journal fails.
    pub async fn withdraw_study(&self, sent: pb::WithdrawStudyRequest) -> Result<bool, NodeError> {
        let study = StudyUid(sent.study_uid.clone());
        if blocking(&self.core, move |core| Ok(core.state.study(&study)?)).await?.is_none() {
            return Ok(false);
        }
        let at = Some(self.core.clock.now().into());
        let pb::WithdrawStudyRequest { study_uid, reason, entered_in_error } = sent;
        let withdrawal = pb::StudyWithdrawal { study_uid, reason, entered_in_error, at };
        self.append(NodeRecord::StudyWithdrawal(withdrawal)).await?;
        Ok(true)
    }

    async fn keep_reading(&self) {
        let mut committed = self.core.journal.committed();
        let mut failures = 0;
        loop {
            match self.step().await {
                // A large step has left more behind it.
                Ok(step) if step.read >= LARGE_STEP => failures = 0,
                Ok(_) => {
                    failures = 0;
                    self.wait_for_quiet(&mut committed).await;
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "reading what has arrived failed, and is tried again");
                    tokio::time::sleep(backoff(failures)).await;
                }
            }
        }
    }

    /// Has what waits read again whenever the hospital's table or the catalogue has changed: it may be what was missing.
    async fn keep_rereading(&self) {
        let mut terms = self.core.terms.clone();
        terms.mark_unchanged();
        while terms.changed().await.is_ok() {
            let mut failures = 0;
            while let Err(error) = self.reread().await {
                failures += 1;
                tracing::warn!(%error, failures, "what waits could not be read again, and is tried again");
                tokio::time::sleep(backoff(failures)).await;
            }
        }
        // Whoever keeps the terms has ended: so will this, by being dropped.
        std::future::pending().await
    }

    async fn reread(&self) -> Result<(), NodeError> {
        if blocking(&self.core, |core| Ok(core.state.wanting_count())).await? > 0 {
            self.reprocess().await?;
        }
        Ok(())
    }

    /// Waits for a record, then until nothing more has come for a while or enough has; a study may become due without any.
    async fn wait_for_quiet(&self, committed: &mut tokio::sync::watch::Receiver<u64>) {
        let settings = &self.core.settings;
        let due = settings.study_quiet.clamp(WAIT_MIN, WAIT_MAX);
        if tokio::time::timeout(due, committed.changed()).await.is_err() {
            return;
        }
        let until = tokio::time::Instant::now() + settings.batch_quiet * QUIETS_MAX;
        while tokio::time::Instant::now() < until {
            let is_full = committed.borrow_and_update().saturating_sub(self.pipeline.position()) >= FULL_RECORDS;
            if is_full || tokio::time::timeout(settings.batch_quiet, committed.changed()).await.is_err() {
                return;
            }
        }
    }

    async fn keep_looking(&self) {
        witness::keep_looking(&self.core, self.link.as_ref()).await;
    }

    async fn keep_sending(&self) {
        let mut committed = self.core.journal.committed();
        let mut failures = 0;
        loop {
            match self.send().await {
                Ok(0) => {
                    failures = 0;
                    // A hub that answers nothing more without an error is asked again after a while.
                    let _ = tokio::time::timeout(WAIT_MAX, committed.changed()).await;
                }
                Ok(_) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "sending batches failed, and is tried again");
                    tokio::time::sleep(backoff(failures)).await;
                }
            }
        }
    }
}

/// Gives a wait drawn from zero to a bound that doubles with each failure, so that nodes do not return all at once.
fn backoff(failures: u32) -> Duration {
    let bound_ms = (BACKOFF_FIRST_MS << failures.min(16)).min(BACKOFF_MS_MAX);
    Duration::from_millis(u64::from_be_bytes(random::bytes()) % bound_ms + 1)
}

const BACKOFF_FIRST_MS: u64 = 100;
const BACKOFF_MS_MAX: u64 = 30_000;
/// Records that fill a batch.
const FULL_RECORDS: u64 = 1_000;
/// Records of a step after which the next one does not wait.
const LARGE_STEP: usize = 200;
/// A batch waits no longer than this many silences for more.
const QUIETS_MAX: u32 = 5;
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(1);
