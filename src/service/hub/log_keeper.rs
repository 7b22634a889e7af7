//! Keeps the public log: follows the journal, extends the tree, and signs its head once the tiles are on disk.
//!
//! It runs beside the projector, so that nobody but a publisher, who wants a proof, waits for tiles and signatures.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::log::Sequence;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::note::{Note, VerifierKey};
use crate::service::hub::error::HubError;
use crate::service::hub::follow::{Rhythm, follow};
use crate::store::journal::{JournalReader, Scan};
use crate::store::tiles::TileStore;
use crate::wire::record::BATCH_KIND;

/// Signs the bytes of a note.
pub type SignNote = Box<dyn Fn(&[u8]) -> [u8; 64] + Send + Sync>;

/// Signs the log's checkpoints.
pub struct CheckpointSigner {
    /// The log's public key, whose name is its origin.
    pub key: VerifierKey,
    /// Signs the bytes of a note.
    pub sign: SignNote,
}

/// Brings the log up to the journal.
pub struct LogKeeper {
    journal: JournalReader,
    scan: Scan,
    tiles: TileStore,
    signer: CheckpointSigner,
    published: watch::Sender<Sequence>,
    /// When the last checkpoint was signed; nothing before the first.
    signed_at: Option<Instant>,
}

impl LogKeeper {
    /// Starts where the tiles stand.
    pub fn new(journal: JournalReader, tiles: TileStore, signer: CheckpointSigner) -> Self {
        let (published, _) = watch::channel(Sequence(0));
        let scan = journal.scan(tiles.size());
        Self { journal, scan, tiles, signer, published, signed_at: None }
    }

    /// Gives word of how many records the last checkpoint covers.
    pub fn published(&self) -> watch::Receiver<Sequence> {
        self.published.subscribe()
    }

    /// Follows the journal until `stop`. When it returns early no receipt is given any more.
    pub async fn run(self, stop: CancellationToken) {
        let committed = self.journal.committed();
        let Some(mut keeper) = follow(self, Self::catch_up, committed, ("public log", RHYTHM), stop).await else {
            return;
        };
        let last = tokio::task::spawn_blocking(move || {
            keeper.append()?;
            keeper.publish()
        });
        if let Ok(Err(error)) = last.await {
            tracing::warn!(%error, "the last records are not in the public log yet; the next start puts them there");
        }
    }

    /// Appends every durable record to the log, and publishes a checkpoint that covers them: at once where somebody waits
    /// for it, which only publishers do, and otherwise a moment later, together with what comes until then.
    ///
    /// # Errors
    /// [`HubError`]; what was published before stays.
    pub fn catch_up(&mut self) -> Result<(), HubError> {
        let is_awaited = self.append()?;
        let is_due = self.signed_at.is_none_or(|signed_at| signed_at.elapsed() >= UNASKED);
        if is_awaited || is_due { self.publish() } else { Ok(()) }
    }

    /// Appends every durable record, and says whether there was a batch among them.
    fn append(&mut self) -> Result<bool, HubError> {
        let mut has_batch = false;
        loop {
            let mut entries = Vec::new();
            while entries.len() < GROUP_RECORDS_MAX {
                let Some(record) = self.scan.next().transpose()? else { break };
                has_batch |= record.kind == BATCH_KIND;
                entries.push(record.digest());
            }
            if entries.is_empty() {
                return Ok(has_batch);
            }
            self.tiles.append(&entries)?;
        }
    }

    fn publish(&mut self) -> Result<(), HubError> {
        let size = Sequence(self.tiles.size());
        if size <= *self.published.borrow() {
            return Ok(());
        }
        self.tiles.save()?;
        let text = Checkpoint::new(self.signer.key.name(), self.tiles.head()).to_string();
        match Note::sign(text, &self.signer.key, |bytes| (self.signer.sign)(bytes)) {
            Ok(note) => self.tiles.publish_checkpoint(&note.to_string())?,
            Err(error) => unreachable!("a checkpoint is a well-formed note: {error}"),
        }
        self.signed_at = Some(Instant::now());
        self.published.send_replace(size);
        Ok(())
    }
}

const GROUP_RECORDS_MAX: usize = 4_096;
/// Each checkpoint costs several syncs, and covers all that came before it.
const RHYTHM: Rhythm = Rhythm { pace: Duration::from_millis(20), rest: UNASKED };
/// Longest time that a record for which nobody waits is without a checkpoint, while the hub keeps up.
const UNASKED: Duration = Duration::from_millis(250);
