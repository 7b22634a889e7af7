//! Whether a journal that was copied is whole: every record is read, the log's root computed anew, every chain followed,
//! and every original that a record names is there.

use std::path::Path;

use bytes::Bytes;
use indicatif::ProgressBar;

use super::copy;
use super::manifest::{Kind, Manifest};
use super::{BackupError, ORIGINALS};
use crate::app::verify::chain::Chains;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::leaf_hash;
use crate::merkle::note::VerifierKey;
use crate::merkle::proof::TreeHead;
use crate::merkle::tree::Frontier;
use crate::service::node::ledger::NodeRecord;
use crate::store::journal::{JournalReader, Record as Found};
use crate::wire::record::Record;

/// Compares a backup's files with its manifest, byte by byte.
///
/// # Errors
/// [`BackupError::Damaged`] naming the first file that differs.
pub fn files(backup: &Path, manifest: &Manifest, progress: &ProgressBar) -> Result<(), BackupError> {
    for part in &manifest.segments {
        let path = segment_path(backup, manifest.of, part.first);
        same(&path, copy::digest_of(&path, Some(part.bytes))?, &part.sha256)?;
        progress.inc(part.bytes);
    }
    for part in &manifest.files {
        let path = backup.join(&part.path);
        same(&path, copy::digest_of(&path, None)?, &part.sha256)?;
    }
    let originals = copy::originals(&backup.join(ORIGINALS))?;
    if (originals.len() as u64) < manifest.originals {
        return Err(BackupError::Originals { found: originals.len() as u64, named: manifest.originals });
    }
    originals.iter().try_for_each(|(path, digest)| same(path, copy::digest_of(path, None)?, digest))
}

/// Reads every record that the manifest counts in the data or backup `folder`.
///
/// # Errors
/// [`BackupError`] naming the first record that is not as it must be.
pub fn records(folder: &Path, manifest: &Manifest, progress: &ProgressBar) -> Result<(), BackupError> {
    let reader = JournalReader::open(&folder.join(manifest.of.journal()))?;
    if reader.next_sequence() < manifest.records {
        return Err(BackupError::Behind { records: reader.next_sequence(), known: manifest.records });
    }
    let covered = match manifest.of {
        Kind::Hub => covered(manifest)?,
        Kind::Node => None,
    };
    let (mut frontier, mut chains) = (Frontier::default(), Chains::new(None));
    let records = usize::try_from(manifest.records).unwrap_or(usize::MAX);
    for found in reader.scan(0).take(records) {
        let found = found?;
        let wrong = |problem: String| BackupError::Record { sequence: found.sequence(), problem };
        match manifest.of {
            Kind::Hub => {
                frontier.push(leaf_hash(&found.digest()));
                let record = Record::decode(found.kind, found.payload.clone());
                chains.check(&record.map_err(|error| wrong(error.to_string()))?).map_err(wrong)?;
                if covered.is_some_and(|head| head.size == frontier.size() && head.root != frontier.root()) {
                    return Err(BackupError::Root { size: frontier.size() });
                }
            }
            Kind::Node => originals_named(folder, &found).map_err(wrong)?,
        }
        progress.inc((found.payload.len() + RECORD_HEAD_BYTES) as u64);
    }
    Ok(())
}

/// Gives the path of a segment.
pub fn segment_path(folder: &Path, of: Kind, first: u64) -> std::path::PathBuf {
    folder.join(of.journal()).join(format!("{first:020}.journal"))
}

/// Gives what the hub's checkpoint covers, where there is one.
///
/// # Errors
/// [`BackupError::Checkpoint`] when it is not signed by the log's key.
pub fn covered(manifest: &Manifest) -> Result<Option<TreeHead>, BackupError> {
    let (Some(note), Some(key)) = (&manifest.checkpoint, &manifest.log_key) else { return Ok(None) };
    let bad = || BackupError::Checkpoint("the manifest".into());
    let key: VerifierKey = key.parse().map_err(|_| bad())?;
    let checkpoint = Checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(&key));
    checkpoint.map(|checkpoint| Some(checkpoint.head())).map_err(|_| bad())
}

/// Insists on every original that a node's record names and does not hold itself.
fn originals_named(folder: &Path, found: &Found) -> Result<(), String> {
    let record = NodeRecord::decode(found).map_err(|error| error.to_string())?;
    let named: Option<Bytes> = match record {
        NodeRecord::Message(message) => message.message.is_empty().then_some(message.digest),
        NodeRecord::Instance(instance) => instance.instance.is_empty().then_some(instance.digest),
        _ => None,
    };
    let Some(digest) = named.map(hex::encode) else { return Ok(()) };
    match copy::original_path(&folder.join(ORIGINALS), &digest).exists() {
        true => Ok(()),
        false => Err(format!("original {digest} is missing")),
    }
}

fn same(path: &Path, found: String, expected: &str) -> Result<(), BackupError> {
    if found == expected { Ok(()) } else { Err(BackupError::Damaged(path.to_owned())) }
}

/// Bytes of a record before its payload.
const RECORD_HEAD_BYTES: usize = 21;
