//! A hub's data folder, checked from its bytes: every record, every leaf, every tile, the checkpoint, every chain.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use indicatif::ProgressBar;

use super::chain::{Chains, Counts};
use super::segments::Segments;
use super::tree::{Disagreement, TreeCheck};
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::note::VerifierKey;
use crate::merkle::proof::TreeHead;
use crate::merkle::tile::{TILE_WIDTH, Tile, TileKind};
use crate::wire::record::{Record, log_entry};

/// What was found to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// The log's head.
    pub head: TreeHead,
    /// Records that no checkpoint covers yet: the hub was stopped between the two.
    pub uncovered: u64,
    /// What the records hold.
    pub counts: Counts,
}

/// Checks the folder against the log's key.
///
/// # Errors
/// The first thing that does not agree.
pub fn check(
    folder: &Path,
    key: &VerifierKey,
    authority: Option<Vec<u8>>,
    progress: &ProgressBar,
) -> Result<Sound, Disagreement> {
    let note = fs::read(folder.join("checkpoint")).map_err(|error| Disagreement::new("checkpoint", error))?;
    let checkpoint = Checkpoint::open(&note, key.name(), std::slice::from_ref(key));
    let head = checkpoint.map_err(|error| Disagreement::new("checkpoint", with_cause(&error)))?.head();
    let records = Segments::open(&folder.join("entries")).map_err(|error| Disagreement::new("entries", error))?;
    let mut tiles = |tile: Tile| read_tile(folder, tile);
    let (mut tree, mut chains) = (TreeCheck::new(head), Chains::new(authority));
    progress.set_length(head.size);
    let mut uncovered = 0;
    for found in records {
        let found = match found {
            Ok(found) => found,
            // What a crash left of a record that nobody was told of.
            Err(broken) if broken.sequence >= head.size => break,
            Err(broken) => {
                let file = broken.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let place = format!("record {} ({file}, offset {})", broken.sequence, broken.offset);
                return Err(Disagreement::new(place, broken.problem));
            }
        };
        let place = format!("record {}", found.sequence);
        let entry = *log_entry(found.kind, &found.payload).as_bytes();
        if found.sequence < head.size {
            if tree.served(&mut tiles)? != entry {
                return Err(Disagreement::new(place, "its digest is not the entry in the log"));
            }
            tree.push(entry, &mut tiles)?;
        } else {
            uncovered += 1;
        }
        let record = Record::decode(found.kind, Bytes::from(found.payload));
        let record = record.map_err(|error| Disagreement::new(&place, error))?;
        chains.check(&record).map_err(|problem| Disagreement::new(&place, problem))?;
        progress.inc(1);
    }
    if tree.size() < head.size {
        let problem = format!("it is missing; the checkpoint covers {} records", head.size);
        return Err(Disagreement::new(format!("record {}", tree.size()), problem));
    }
    tree.finish(&mut tiles)?;
    Ok(Sound { head, uncovered, counts: chains.counts() })
}

/// Reads a tile, or the front of a wider one: the log may have grown since the checkpoint.
fn read_tile(folder: &Path, tile: Tile) -> Result<Vec<u8>, String> {
    let bytes_per_hash = if tile.kind() == TileKind::Entries { 34 } else { 32 };
    let wanted = usize::from(tile.width()) * bytes_per_hash;
    for wider in (tile.width()..=TILE_WIDTH).filter_map(|width| tile.with_width(width)) {
        if let Ok(mut bytes) = fs::read(folder.join(wider.to_string())) {
            if bytes.len() != usize::from(wider.width()) * bytes_per_hash {
                return Err("its length is wrong".into());
            }
            bytes.truncate(wanted);
            return Ok(bytes);
        }
    }
    Err("it is missing".into())
}

/// Writes an error with what caused it.
pub(super) fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_cause(cause)),
        None => error.to_string(),
    }
}
