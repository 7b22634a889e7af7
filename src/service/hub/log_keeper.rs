//! Keeps the public log: follows the journal, extends the tree, and signs its head once the tiles are on disk.
//!
//! It runs beside the projector, so that nobody but a publisher, who wants a proof, waits for tiles and signatures.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::log::Sequence;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::note::{Note, VerifierKey};
use crate::service::hub::error::HubError;
use crate::service::hub::follow::follow;
use crate::store::journal::{JournalReader, Scan};
use crate::store::tiles::TileStore;

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
}

impl LogKeeper {
    /// Starts where the tiles stand.
    pub fn new(journal: JournalReader, tiles: TileStore, signer: CheckpointSigner) -> Self {
        let (published, _) = watch::channel(Sequence(0));
        let scan = journal.scan(tiles.size());
        Self { journal, scan, tiles, signer, published }
    }

    /// Gives word of how many records the last checkpoint covers.
    pub fn published(&self) -> watch::Receiver<Sequence> {
        self.published.subscribe()
    }

    /// Follows the journal until `stop`. When it returns early no receipt is given any more.
    pub async fn run(self, stop: CancellationToken) {
        let committed = self.journal.committed();
        follow(self, Self::catch_up, committed, ("public log", PACE), stop).await;
    }

    /// Appends every durable record to the log and publishes a checkpoint that covers them.
    ///
    /// # Errors
    /// [`HubError`]; what was published before stays.
    pub fn catch_up(&mut self) -> Result<(), HubError> {
        loop {
            let mut entries = Vec::new();
            while entries.len() < GROUP_RECORDS_MAX {
                let Some(record) = self.scan.next().transpose()? else { break };
                entries.push(record.digest());
            }
            if entries.is_empty() {
                break;
            }
            self.tiles.append(&entries)?;
        }
        let size = Sequence(self.tiles.size());
        if size > *self.published.borrow() {
            self.publish()?;
            self.published.send_replace(size);
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), HubError> {
        self.tiles.save()?;
        let text = Checkpoint::new(self.signer.key.name(), self.tiles.head()).to_string();
        match Note::sign(text, &self.signer.key, |bytes| (self.signer.sign)(bytes)) {
            Ok(note) => Ok(self.tiles.publish_checkpoint(&note.to_string())?),
            Err(error) => unreachable!("a checkpoint is a well-formed note: {error}"),
        }
    }
}

const GROUP_RECORDS_MAX: usize = 4_096;
/// Least time from one checkpoint to the next: each costs several syncs, and covers all that came meanwhile.
const PACE: Duration = Duration::from_millis(20);
