//! What intake, pipeline and outbox share: the journal with its projections, the originals, the hospital's settings. All
//! calls here block on the disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::apply;
use super::error::NodeError;
use super::figures::Figures;
use super::ledger::{self, NodeRecord};
use super::terms::Terms;
use super::witness::Watch;
use crate::domain::entry::Entry;
use crate::domain::id::{Digest, ResultId};
use crate::domain::identifier::IdentifierType;
use crate::domain::limits::RECORD_BYTES_MAX;
use crate::domain::log::BatchNumber;
use crate::domain::organisation::OrganisationCode;
use crate::merkle::note::{KeyName, VerifierKey, WitnessKey};
use crate::ports::clock::Clock;
use crate::ports::trace::Tracer;
use crate::store::journal::{Journal, Position, Scan};
use crate::store::node::{KnownResult, NodeState, OriginalPlace};
use crate::store::originals::Originals;
use crate::store::seen::SeenCheckpoints;
use crate::wire::batch::Batch;
use crate::wire::hl7::SourceSettings;
use crate::wire::known_as::IdentifierTable;
use crate::wire::{self, pb};

/// How a node works.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// The hospital.
    pub publisher: OrganisationCode,
    /// What the hospital's systems call the region's identifier types.
    pub identifiers: IdentifierTable,
    /// Types that the region calls strong, strongest first.
    pub strong: Vec<IdentifierType>,
    /// How each source writes, by its name; others write as usual in China.
    pub sources: BTreeMap<String, SourceSettings>,
    /// Offset of clocks that do not say theirs, in minutes east of UTC, -840 to 840.
    pub offset_minutes: i16,
    /// Silence after which a batch is sealed though it is not full.
    pub batch_quiet: Duration,
    /// Silence after which a study counts as complete.
    pub study_quiet: Duration,
    /// How long a pseudonym is believed without asking the hub again, in hours.
    pub pseudonym_hours: u32,
    /// Name of the hub's log, and the key of its checkpoints.
    pub hub_log: KeyName,
    /// The keys under which the hub's checkpoints are believed.
    pub hub_keys: Vec<VerifierKey>,
}

/// The private half of the hospital's signing key, wherever it is kept.
#[derive(Clone)]
pub struct BatchSigner {
    /// First 8 bytes of SHA-256 over the public key.
    pub key_id: [u8; 8],
    /// Signs the bytes of a batch header, as something of the domain `wire::batch::SIGNED_AS`.
    pub sign: Arc<SignHeader>,
    /// Signs what the node says of a checkpoint, as it is.
    pub cosign: Arc<SignHeader>,
    /// The raw public key.
    pub public_key: [u8; 32],
}

/// Gives the key under which batches are sealed now; a hospital may renew its key while the node runs.
pub type CurrentSigner = dyn Fn() -> BatchSigner + Send + Sync;

/// Signs bytes, with whatever stands before them.
pub type SignHeader = dyn Fn(&[u8]) -> [u8; 64] + Send + Sync;

/// What a node is made of.
pub struct NodeParts {
    /// Settings.
    pub settings: NodeSettings,
    /// The journal, open.
    pub journal: Journal,
    /// The projections, open against this journal.
    pub state: NodeState,
    /// The originals.
    pub originals: Originals,
    /// What was seen of the hub's log.
    pub seen: SeenCheckpoints,
    /// Catalogue and mapping, replaced while the node runs.
    pub terms: watch::Receiver<Arc<Terms>>,
    /// Gives who signs batches.
    pub signer: Arc<CurrentSigner>,
    /// Key of the digests under which pseudonyms are remembered.
    pub cache_key: [u8; 32],
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

pub(super) struct Core {
    pub settings: NodeSettings,
    pub journal: Journal,
    pub state: NodeState,
    pub originals: Originals,
    pub terms: watch::Receiver<Arc<Terms>>,
    pub signer: Arc<CurrentSigner>,
    pub cache_key: ring::hmac::Key,
    pub clock: Arc<dyn Clock>,
    pub figures: Figures,
    /// Traces the sending of batches, where somebody asked for it.
    pub tracer: OnceLock<Tracer>,
    pub seen: SeenCheckpoints,
    /// The hub's log, as this node has seen it.
    pub watch: Watch,
    /// What the projections are fed next; one writer at a time, so that their position never runs ahead of a change.
    applying: Mutex<Scan>,
    /// Sequence of the first record that the projections do not show yet.
    applied: AtomicU64,
    /// The turn to bring the projections up: whoever waits for it mostly finds it done.
    turn_to_apply: tokio::sync::Mutex<()>,
    /// Turns of those who take in the same thing at the same time.
    turns: [tokio::sync::Mutex<()>; TURNS],
    /// Where the pipeline reads.
    pub reading: Mutex<Scan>,
}

impl Core {
    /// Takes the parts, and applies what the journal holds beyond the projections.
    pub fn open(parts: NodeParts) -> Result<Self, NodeError> {
        let reading = Mutex::new(parts.journal.scan(parts.state.read_to()?.0));
        let applied = parts.state.applied()?.0;
        let applying = Mutex::new(parts.journal.scan(applied));
        let core = Self {
            watch: Watch::open(&parts.seen, &parts.settings.hub_log, &parts.settings.hub_keys)?,
            seen: parts.seen,
            settings: parts.settings,
            journal: parts.journal,
            state: parts.state,
            originals: parts.originals,
            terms: parts.terms,
            signer: parts.signer,
            cache_key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &parts.cache_key),
            clock: parts.clock,
            figures: Figures::default(),
            tracer: OnceLock::new(),
            applying,
            applied: AtomicU64::new(applied),
            turn_to_apply: tokio::sync::Mutex::default(),
            turns: [const { tokio::sync::Mutex::const_new(()) }; TURNS],
            reading,
        };
        core.catch_up()?;
        Ok(core)
    }

    /// Applies every committed record that the projections do not show yet, in order. Whoever asks them whether
    /// something is in the journal, and writes it where it is not, does this first: what could not be applied when it
    /// was written is there all the same.
    pub fn catch_up(&self) -> Result<(), NodeError> {
        if self.applied.load(Ordering::Acquire) >= self.journal.reader().next_sequence() {
            return Ok(());
        }
        let mut scan = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = scan.by_ref().try_for_each(|record| {
            let record = record?;
            apply::apply(&self.state, record.position, &NodeRecord::decode(&record)?)?;
            self.applied.store(record.sequence() + 1, Ordering::Release);
            Ok(())
        });
        if applied.is_err() {
            *scan = self.journal.scan(self.state.applied()?.0);
        }
        applied
    }

    /// Records something; returns once it is durable and the projections show it. Of those whose records became durable
    /// together one applies them all.
    pub async fn record(self: &Arc<Self>, record: &NodeRecord) -> Result<(), NodeError> {
        let (kind, payload) = record.encode();
        let position = self.journal.append(kind, payload).await?;
        let is_applied = || self.applied.load(Ordering::Acquire) > position.sequence();
        let _turn = self.turn_to_apply.lock().await;
        if is_applied() { Ok(()) } else { blocking(self, Self::catch_up).await }
    }

    /// Waits until nobody else takes in what has this digest.
    pub async fn turn(&self, digest: &[u8; 32]) -> tokio::sync::MutexGuard<'_, ()> {
        let [first, ..] = digest;
        self.turns[usize::from(*first) % TURNS].lock().await
    }

    /// Gives a sealed batch.
    pub fn batch(&self, number: BatchNumber) -> Result<Option<Batch>, NodeError> {
        let Some(sealed) = self.state.outbox_batch(number)? else { return Ok(None) };
        let position = ledger::unpacked(sealed.position);
        let damaged = || NodeError::Record { sequence: position.sequence() };
        let NodeRecord::Sealed(record) = NodeRecord::decode(&self.journal.read(position)?)? else {
            return Err(damaged());
        };
        Batch::decode(record.batch).map(Some).map_err(|_| damaged())
    }

    /// Gives the latest version of a result.
    pub fn latest(&self, result: ResultId) -> Result<Option<(KnownResult, Entry)>, NodeError> {
        let Some(known) = self.state.result(result)? else { return Ok(None) };
        let Some(batch) = self.batch(known.batch)? else { return Ok(None) };
        let bytes = batch.entries.get(usize::from(known.place));
        Ok(bytes.and_then(|bytes| wire::entry::decode(bytes).ok()).map(|entry| (known, entry)))
    }

    /// Gives the bytes of a message that was taken.
    pub fn message_bytes(&self, record: &pb::MessageIntake) -> Result<Bytes, NodeError> {
        if !record.message.is_empty() {
            return Ok(record.message.clone());
        }
        let digest = wire::field::fixed("digest", &record.digest).map_err(|_| NodeError::Record { sequence: 0 })?;
        Ok(self.originals.read_all(digest, RECORD_BYTES_MAX as u64)?.into())
    }

    /// Gives the key under which the node cosigns now, and what signs with it; nothing where the log's name is too long.
    pub fn witness(&self) -> Option<(WitnessKey, BatchSigner)> {
        let signer = (self.signer)();
        let key = ed25519_dalek::VerifyingKey::from_bytes(&signer.public_key).ok()?;
        let who = self.settings.publisher.to_string();
        Some((WitnessKey::under(&self.settings.hub_log, &who, key).ok()?, signer))
    }

    /// Gives the least size of the hub's log that receipts have shown; 0 where they were another log's.
    pub fn known_size(&self) -> Result<u64, NodeError> {
        let believed = self.seen.believed().map_err(NodeError::Seen)?;
        let is_another = believed.is_some_and(|note| note.lines().next() != Some(self.settings.hub_log.as_str()));
        if is_another { Ok(0) } else { Ok(self.state.tree_size()?) }
    }

    /// Gives an original of at most `bytes_max` bytes, checked against its digest where it is a file.
    pub fn original_bytes(&self, digest: Digest, bytes_max: u64) -> Result<Bytes, NodeError> {
        match self.state.original(digest)? {
            Some(OriginalPlace::InJournal { position, .. }) => self.original_at(ledger::unpacked(position)),
            Some(OriginalPlace::File) | None => Ok(self.originals.read_all(digest, bytes_max)?.into()),
        }
    }

    /// Gives the original that lies in an intake record of the journal.
    pub fn original_at(&self, position: Position) -> Result<Bytes, NodeError> {
        match NodeRecord::decode(&self.journal.read(position)?)? {
            NodeRecord::Message(intake) => Ok(intake.message),
            NodeRecord::Instance(intake) => Ok(intake.instance),
            _ => Err(NodeError::Record { sequence: position.sequence() }),
        }
    }
}

/// Runs work that blocks, away from the tasks that must not.
pub(super) async fn blocking<T: Send + 'static>(
    core: &Arc<Core>,
    work: impl FnOnce(&Core) -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let core = Arc::clone(core);
    tokio::task::spawn_blocking(move || work(&core)).await.map_err(|_| NodeError::Stopping)?
}

const TURNS: usize = 64;
