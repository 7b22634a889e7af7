//! What others hold against a hub: receipts in hospitals' journals, checkpoints seen before, cosignatures. Whoever has the
//! log's key can rewrite everything in a data folder so that it agrees with itself; with these it cannot agree.

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message;

use super::data::with_cause;
use super::segments::Segments;
use super::tree::Disagreement;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::{Hash, leaf_hash};
use crate::merkle::note::VerifierKey;
use crate::merkle::proof::{TreeHead, verify_inclusion};
use crate::wire::pb;

/// Heads and entries that the log is known to have shown, each with who knows it.
#[derive(Debug, Default)]
pub struct Evidence {
    heads: BTreeMap<u64, Vec<(Hash, String)>>,
    entries: BTreeMap<u64, Vec<([u8; 32], String)>>,
    held: u64,
}

impl Evidence {
    /// Takes a signed checkpoint that `who` has seen.
    ///
    /// # Errors
    /// When it is not signed by the log's key.
    pub fn add_checkpoint(&mut self, note: &[u8], key: &VerifierKey, who: &str) -> Result<TreeHead, Disagreement> {
        let checkpoint = Checkpoint::open(note, key.name(), std::slice::from_ref(key));
        let head = checkpoint.map_err(|error| Disagreement::new(who, with_cause(&error)))?.head();
        self.heads.entry(head.size).or_default().push((head.root, who.to_owned()));
        Ok(head)
    }

    /// Takes every receipt in the journal of a node's data folder, or a copy. Gives their number.
    ///
    /// # Errors
    /// When the journal is broken, or a receipt in it does not hold.
    pub fn add_receipts(&mut self, node: &Path, key: &VerifierKey) -> Result<u64, Disagreement> {
        let folder = node.join("journal");
        let records = Segments::open(&folder).map_err(|error| Disagreement::new(folder.display(), error))?;
        let mut count = 0;
        for found in records {
            // The end of a journal that is being written may be torn.
            let Ok(found) = found else { break };
            if found.kind != RECEIPT {
                continue;
            }
            let who = format!("receipt in record {} of {}", found.sequence, folder.display());
            let wrong = |problem: &str| Disagreement::new(&who, problem);
            let record = pb::ReceiptRecord::decode(found.payload.as_slice()).map_err(|_| wrong("it is damaged"))?;
            let receipt = pb::Receipt::decode(record.receipt).map_err(|_| wrong("it is damaged"))?;
            let head = self.add_checkpoint(receipt.checkpoint.as_bytes(), key, &who)?;
            let hash = |bytes: &bytes::Bytes| <[u8; 32]>::try_from(bytes.as_ref()).map_err(|_| wrong("it is damaged"));
            let entry = hash(&receipt.log_entry)?;
            let proof =
                receipt.inclusion.iter().map(|bytes| hash(bytes).map(Hash::from)).collect::<Result<Vec<_>, _>>()?;
            verify_inclusion(&leaf_hash(&entry), receipt.log_index, &head, &proof)
                .map_err(|_| wrong("its proof does not hold"))?;
            self.entries.entry(receipt.log_index).or_default().push((entry, who));
            count += 1;
        }
        Ok(count)
    }

    /// Compares the entry of a record.
    ///
    /// # Errors
    /// Who knows another one.
    pub fn entry(&self, index: u64, entry: &[u8; 32]) -> Result<(), Disagreement> {
        let known = self.entries.get(&index).into_iter().flatten().find(|(known, _)| known != entry);
        known.map_or(Ok(()), |(_, who)| {
            Err(Disagreement::new(format!("record {index}"), format!("{who} proves another one in its place")))
        })
    }

    /// Compares the root over the first `size` records, where somebody knows it.
    ///
    /// # Errors
    /// Who knows another one, and since when it can have changed.
    pub fn root(&mut self, size: u64, root: impl FnOnce() -> Hash) -> Result<(), Disagreement> {
        let Some(known) = self.heads.get(&size) else { return Ok(()) };
        let root = root();
        if let Some((_, who)) = known.iter().find(|(known, _)| *known != root) {
            let held = self.held;
            let problem = format!("{who} knows another log: one of them was changed, dropped, inserted or moved");
            return Err(Disagreement::new(format!("records {held} to {}", size.saturating_sub(1)), problem));
        }
        self.held = size;
        Ok(())
    }

    /// Makes sure that nobody knows a longer log.
    ///
    /// # Errors
    /// Who does.
    pub fn nothing_beyond(&self, size: u64) -> Result<(), Disagreement> {
        let Some((longer, known)) = self.heads.range(size + 1..).next_back() else { return Ok(()) };
        let who = known.first().map_or("", |(_, who)| who.as_str());
        let problem = format!("the log ends here, and {who} knows one of {longer} entries");
        Err(Disagreement::new(format!("record {size}"), problem))
    }
}

/// Kind of a receipt in a node's journal.
const RECEIPT: u8 = 4;
