//! A hub's log, checked from afar: the checkpoint's signature, every tile, and that the log only grew.

use std::fs;
use std::io;
use std::path::Path;

use indicatif::ProgressBar;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use super::VerifyError;
use super::data::with_cause;
use super::tree::{Disagreement, TreeCheck};
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::Hash;
use crate::merkle::note::VerifierKey;
use crate::merkle::proof::{TreeHead, verify_consistency};
use crate::merkle::tile::Tile;
use crate::sys::files;
use crate::wire::pb;
use crate::wire::pb::transparency_client::TransparencyClient;

/// What was found to be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The log's head.
    pub head: TreeHead,
    /// The head it was seen to extend, if one was remembered.
    pub since: Option<TreeHead>,
    /// The key that signed the checkpoint.
    pub key: String,
}

/// Fetches the log over `channel` and checks it; the checkpoint is kept in `since` for the next time.
///
/// Without a key the hub's own word for it is taken.
///
/// # Errors
/// [`VerifyError::Wrong`] with the first thing that does not agree, or why the hub did not answer.
pub fn check(
    runtime: &Runtime,
    channel: Channel,
    key: Option<VerifierKey>,
    since: Option<&Path>,
    progress: &ProgressBar,
) -> Result<Seen, VerifyError> {
    let mut client = TransparencyClient::new(channel);
    let answer = runtime.block_on(client.checkpoint(pb::CheckpointRequest::default()))?.into_inner();
    let key = match key {
        Some(key) => key,
        None => answer.verifier_key.parse().map_err(|error| Disagreement::new("verifier key", error))?,
    };
    let head = open(&answer.checkpoint, &key, "checkpoint")?;
    let since_head = match since.map(remembered).transpose()?.flatten() {
        Some(note) => Some(grown(runtime, &mut client, open(&note, &key, "remembered checkpoint")?, head)?),
        None => None,
    };

    progress.set_length(head.size);
    let mut failed = None;
    let mut tiles = |tile: Tile| {
        let asked = runtime.block_on(client.tile(pb::TileRequest { path: tile.to_string() }));
        asked.map(|answer| answer.into_inner().content.to_vec()).map_err(|status| {
            let text = status.message().to_owned();
            failed = Some(status);
            text
        })
    };
    let mut tree = TreeCheck::new(head);
    let mut checked = || -> Result<(), Disagreement> {
        while tree.size() < head.size {
            let entry = tree.served(&mut tiles)?;
            tree.push(entry, &mut tiles)?;
            progress.inc(1);
        }
        std::mem::replace(&mut tree, TreeCheck::new(head)).finish(&mut tiles)
    };
    let outcome = checked();
    if let Some(status) = failed {
        return Err(status.into());
    }
    outcome?;
    if let Some(path) = since {
        files::write(path, answer.checkpoint.as_bytes())?;
    }
    Ok(Seen { head, since: since_head, key: key.to_string() })
}

fn open(note: &str, key: &VerifierKey, what: &str) -> Result<TreeHead, Disagreement> {
    let checkpoint = Checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(key));
    Ok(checkpoint.map_err(|error| Disagreement::new(what, with_cause(&error)))?.head())
}

/// Has the hub prove that its log extends what was seen before.
fn grown(
    runtime: &Runtime,
    client: &mut TransparencyClient<Channel>,
    old: TreeHead,
    new: TreeHead,
) -> Result<TreeHead, VerifyError> {
    let wrong = |problem: &str| Disagreement::new(format!("the log since size {}", old.size), problem);
    if old.size > new.size {
        return Err(wrong("the hub shows fewer records than before").into());
    }
    let asked = pb::ConsistencyProofRequest { first: old.size, second: new.size };
    let proof = runtime.block_on(client.consistency_proof(asked))?.into_inner();
    let hashes: Result<Vec<Hash>, _> =
        proof.hashes.iter().map(|hash| <[u8; 32]>::try_from(hash.as_ref()).map(Hash::from)).collect();
    let hashes = hashes.map_err(|_| wrong("the proof is malformed"))?;
    verify_consistency(&old, &new, &hashes)
        .map_err(|_| wrong("the hub has rewritten its log; keep both checkpoints"))?;
    Ok(old)
}

fn remembered(path: &Path) -> Result<Option<String>, VerifyError> {
    match fs::read_to_string(path) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(VerifyError::Read { path: path.to_owned(), source }),
    }
}
