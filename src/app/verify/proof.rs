//! The proof that came with one result, checked without the hub: witnesses, checkpoint, record, batch, entry. What it takes
//! besides are keys that the reader knows; nothing that came with the proof is believed for its own sake.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest as _, Sha256};

use super::chain::Chains;
use super::data::with_cause;
use super::tree::Disagreement;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::{Hash, leaf_hash};
use crate::merkle::log_proof::LogProof;
use crate::merkle::note::{Note, VerifierKey, WitnessKey};
use crate::merkle::proof::{TreeHead, verify_inclusion};
use crate::wire::{entry, pb};

/// What a reader knows, and will believe.
#[derive(Debug, Clone)]
pub struct Known {
    /// The log's key.
    pub log: VerifierKey,
    /// Keys of witnesses.
    pub witnesses: Vec<WitnessKey>,
    /// How many of them must have cosigned.
    pub quorum: usize,
    /// Signatures by keys that are not known may stand under the checkpoint, unchecked.
    pub strangers: bool,
    /// The certificate (DER) with which the publisher signs, if it is to be checked.
    pub signer: Option<Vec<u8>>,
    /// The authority (DER) that must have certified it.
    pub authority: Option<Vec<u8>>,
}

/// What a proof proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Proved {
    /// The result, as its publisher sealed it.
    pub result: pb::Entry,
    /// The batch's header.
    pub header: pb::BatchHeader,
    /// Its place in the batch.
    pub place: u32,
    /// Index of the header's record in the log.
    pub index: u64,
    /// The log's head.
    pub head: TreeHead,
    /// The witnesses that cosigned it, each with the time in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
}

/// Checks a proof.
///
/// # Errors
/// The first thing that does not agree.
pub fn check(bytes: &[u8], known: &Known) -> Result<Proved, Disagreement> {
    let text = std::str::from_utf8(bytes).map_err(|_| Disagreement::new("proof", "it is not text"))?;
    let proof: LogProof = text.parse().map_err(|error| Disagreement::new("proof", error))?;
    let (head, witnesses) = checkpoint(&proof.checkpoint, known)?;
    let extra: pb::ResultProof = read(&proof.extra, "extra data")?;
    if extra.encode_to_vec() != proof.extra {
        return Err(Disagreement::new("extra data", "they hold something more"));
    }

    let record = format!("record {}", proof.index);
    let logged: [u8; 32] = Sha256::new().chain_update([HEADER]).chain_update(&extra.record).finalize().into();
    verify_inclusion(&leaf_hash(&logged), proof.index, &head, &proof.hashes)
        .map_err(|error| Disagreement::new(&record, format!("it is not in the log: {error}")))?;
    let signed: pb::HeaderRecord = read(&extra.record, &record)?;
    let header: pb::BatchHeader = read(&signed.header, "header")?;

    let place = format!("entry {} of batch {} of {}", extra.place, header.sequence, header.organisation);
    let wrong = |problem: String| Disagreement::new(&place, problem);
    let root = hash(&header.root).ok_or_else(|| wrong("the header has no root".into()))?;
    let hashes: Option<Vec<Hash>> = extra.hashes.iter().map(hash).collect();
    let hashes = hashes.ok_or_else(|| wrong("a hash of the proof is not 32 bytes long".into()))?;
    let batch = TreeHead { size: header.size.into(), root };
    verify_inclusion(&leaf_hash(&extra.entry), extra.place.into(), &batch, &hashes)
        .map_err(|error| wrong(format!("it is not in the batch: {error}")))?;
    entry::decode(&extra.entry).map_err(|error| wrong(error.to_string()))?;
    let result: pb::Entry = read(&extra.entry, &place)?;
    if result.publisher != header.organisation {
        return Err(wrong("it names another publisher".into()));
    }
    if let Some(certificate) = &known.signer {
        let signer = Chains::new(known.authority.clone()).signed_by(certificate, &signed);
        let signer = signer.map_err(|problem| Disagreement::new("header", problem))?;
        if signer.as_str() != header.organisation {
            return Err(Disagreement::new("header", "the certificate is another organisation's"));
        }
    }
    Ok(Proved { result, header, place: extra.place, index: proof.index, head, witnesses })
}

/// Checks everything that stands under the checkpoint.
fn checkpoint(note: &str, known: &Known) -> Result<(TreeHead, Vec<(String, u64)>), Disagreement> {
    let log = std::slice::from_ref(&known.log);
    let opened = Checkpoint::open(note.as_bytes(), known.log.name(), log);
    let head = opened.map_err(|error| Disagreement::new("checkpoint", with_cause(&error)))?.head();
    let wrong = |error| Disagreement::new("checkpoint", error);
    let note = Note::parse(note.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    let cosigned = note.cosignatures(&known.witnesses).map_err(|error| wrong(error.to_string()))?;
    if let Some(stranger) = note.stranger(log, &known.witnesses).filter(|_| !known.strangers) {
        let problem = format!(
            "a signature by {stranger} cannot be checked: give its key with --witnesses, or let it stand with --any-witness"
        );
        return Err(wrong(problem));
    }
    if cosigned.len() < known.quorum {
        return Err(wrong(format!("{} witnesses cosigned it where {} must have", cosigned.len(), known.quorum)));
    }
    Ok((head, cosigned.into_iter().map(|(name, at)| (name.to_string(), at)).collect()))
}

fn read<M: Message + Default>(bytes: &[u8], what: &str) -> Result<M, Disagreement> {
    M::decode(bytes).map_err(|_| Disagreement::new(what, "it cannot be read"))
}

fn hash(bytes: &Bytes) -> Option<Hash> {
    <[u8; 32]>::try_from(bytes.as_ref()).ok().map(Hash::from)
}

/// Kind of the record that holds a batch's header.
const HEADER: u8 = 23;
