//! The node as a witness of the hub's log: what it has seen once, the hub may only extend. It says so under the hub's
//! checkpoints, and loudly says when it cannot.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::core::{Core, blocking};
use super::error::NodeError;
use super::receipt::ReceiptError;
use crate::domain::time::Moment;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::Hash;
use crate::merkle::note::{Cosignature, KeyName, Note, VerifierKey, WitnessKey};
use crate::merkle::proof::{TreeHead, verify_consistency};
use crate::ports::hub::{HubError, HubLink};
use crate::store::seen::SeenCheckpoints;

/// What the node knows of the hub's log.
pub(super) struct Watch {
    /// The largest tree that was believed. Whoever compares with it holds it until it has decided.
    seen: tokio::sync::Mutex<Option<TreeHead>>,
    told: Mutex<Told>,
}

/// What people are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogView {
    /// Entries of the log that were seen.
    pub size: u64,
    /// When the hub last showed a log that extends what was seen.
    pub seen_at: Option<Moment>,
    /// Why the hub's log is not believed; empty where it is.
    pub refused: String,
    /// The verifier key of this node's cosignatures.
    pub witness_key: String,
}

#[derive(Debug, Default)]
struct Told {
    size: u64,
    seen_at: Option<Moment>,
    refused: String,
}

impl Watch {
    /// Takes up what was seen before the start.
    ///
    /// # Errors
    /// [`NodeError::Seen`] when the file of the last checkpoint cannot be read.
    pub fn open(kept: &SeenCheckpoints, log: &KeyName, keys: &[VerifierKey]) -> Result<Self, NodeError> {
        let believed = kept.believed().map_err(NodeError::Seen)?;
        // A checkpoint of another log, or under a key that counts no more, says nothing about this one.
        let seen = believed.and_then(|note| Checkpoint::open(note.as_bytes(), log, keys).ok()).map(|it| it.head());
        let refused = kept.refused().map_err(NodeError::Seen)?;
        let refused = refused.and_then(|note| Checkpoint::open(note.as_bytes(), log, keys).ok());
        let refused = refused.map_or_else(String::new, |it| {
            format!("a checkpoint over {} entries was refused before; see checkpoint.refused", it.head().size)
        });
        let told = Told { size: seen.map_or(0, |head| head.size), seen_at: None, refused };
        Ok(Self { seen: tokio::sync::Mutex::new(seen), told: Mutex::new(told) })
    }

    /// Says what people are told.
    pub fn view(&self, witness_key: Option<WitnessKey>) -> LogView {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        LogView {
            size: told.size,
            seen_at: told.seen_at,
            refused: told.refused.clone(),
            witness_key: witness_key.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// Compares a checkpoint that the hub shows with what was seen before, and remembers it durably where it extends that.
/// `known` is what receipts of before have shown, where no checkpoint was kept yet.
///
/// # Errors
/// [`NodeError::Receipt`] when the log was rewritten or is another: it is kept as evidence, and nothing under it may be
/// believed. [`NodeError::Hub`] when the hub does not prove it now; ask again.
pub(super) async fn observe<L: HubLink>(core: &Arc<Core>, link: &L, note: &str) -> Result<TreeHead, NodeError> {
    let mut seen = core.watch.seen.lock().await;
    let settings = &core.settings;
    let judged = match Checkpoint::open(note.as_bytes(), &settings.hub_log, &settings.hub_keys) {
        Ok(checkpoint) => judge(core, link, *seen, checkpoint.head()).await,
        Err(error) => Err(NodeError::Receipt(error.into())),
    };
    match judged {
        Ok(head) => {
            if seen.is_none_or(|seen| seen.size < head.size) {
                let note = note.to_owned();
                blocking(core, move |core| core.seen.believe(&note).map_err(NodeError::Seen)).await?;
                *seen = Some(head);
            }
            let has_evidence = blocking(core, |core| core.seen.refused().map_err(NodeError::Seen)).await?.is_some();
            let mut told = core.watch.told.lock().unwrap_or_else(PoisonError::into_inner);
            (told.size, told.seen_at) = (seen.map_or(0, |seen| seen.size), Some(core.clock.now()));
            if !has_evidence {
                told.refused.clear();
            }
            Ok(head)
        }
        Err(NodeError::Receipt(error)) => {
            refuse(core, seen.map_or(0, |seen| seen.size), note, error).await;
            Err(error.into())
        }
        Err(error) => Err(error),
    }
}

/// Asks the hub for a checkpoint, compares it, and cosigns it if it is the largest that was seen.
///
/// # Errors
/// As for [`observe`].
pub(super) async fn look<L: HubLink>(core: &Arc<Core>, link: &L) -> Result<(), NodeError> {
    let known = core.watch.seen.lock().await.map_or(0, |seen| seen.size);
    let note = link.checkpoint(known).await?;
    let head = observe(core, link, &note).await?;
    let Some((key, signer)) = core.witness() else { return Ok(()) };
    // A receipt may have shown a larger one meanwhile: then this one is no more the largest.
    if *core.watch.seen.lock().await != Some(head) {
        return Ok(());
    }
    let text = Note::parse(note.as_bytes()).and_then(|note| note.verify(&core.settings.hub_keys).map(str::to_owned));
    let text = text.map_err(|error| ReceiptError::Checkpoint(error.into()))?;
    let at_unix_s = u64::try_from(core.clock.now().unix_ms() / 1_000).unwrap_or(0);
    let cosignature = Cosignature::sign(&text, at_unix_s, &key, |message| (signer.cosign)(message));
    link.cosign(note, cosignature.to_string()).await?;
    core.figures.cosignatures.add(1);
    Ok(())
}

/// Looks at the hub's log for as long as the node works.
pub(super) async fn keep_looking<L: HubLink>(core: &Arc<Core>, link: &L) {
    loop {
        match look(core, link).await {
            // What is refused has been said where it was refused.
            Ok(()) | Err(NodeError::Receipt(_)) => {}
            Err(error) => tracing::debug!(%error, "the hub's log was not looked at, and is looked at again"),
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn judge<L: HubLink>(
    core: &Arc<Core>,
    link: &L,
    seen: Option<TreeHead>,
    head: TreeHead,
) -> Result<TreeHead, NodeError> {
    let Some(seen) = seen else {
        // Receipts of before a checkpoint was kept have told at least how large the log was.
        let known = blocking(core, |core| core.known_size()).await?;
        let grown = head.size >= known;
        return if grown { Ok(head) } else { Err(ReceiptError::Rewritten { size: head.size, known }.into()) };
    };
    let rewritten = || NodeError::from(ReceiptError::Rewritten { size: head.size, known: seen.size });
    let (old, new) = if head.size < seen.size { (head, seen) } else { (seen, head) };
    if old.size == new.size {
        return if old == new { Ok(head) } else { Err(rewritten()) };
    }
    let proof = match link.consistency(old.size, new.size).await {
        Ok(proof) => proof.into_iter().map(Hash::from).collect::<Vec<Hash>>(),
        Err(HubError::Unreachable) => return Err(HubError::Unreachable.into()),
        // A log that is shorter than what was seen has no such proof.
        Err(_) if head.size < seen.size => return Err(rewritten()),
        Err(error) => return Err(error.into()),
    };
    verify_consistency(&old, &new, &proof).map_err(|_| rewritten())?;
    Ok(head)
}

/// Says loudly, and durably, that the hub's log is not what it was. Whoever is told finds the evidence.
async fn refuse(core: &Arc<Core>, known: u64, note: &str, error: ReceiptError) {
    core.figures.log_refused.add(1);
    // What the hub did not sign is no evidence against it.
    if matches!(error, ReceiptError::Rewritten { .. }) {
        let note = note.to_owned();
        let kept = blocking(core, move |core| core.seen.refuse(&note).map_err(NodeError::Seen)).await;
        if let Err(error) = kept {
            tracing::error!(%error, "the refused checkpoint could not be kept");
        }
    }
    let text = error.to_string();
    let before = {
        let mut told = core.watch.told.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut told.refused, text.clone())
    };
    if before == text {
        tracing::warn!(known, %error, "the hub's log is still not believed");
    } else {
        tracing::error!(known, %error, "THE HUB'S LOG IS NOT BELIEVED: it lost records, was rewritten, or is another");
    }
}

/// How often the node looks at the hub's log though nothing is published.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
