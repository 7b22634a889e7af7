//! A hub's data folder, checked from its bytes: every record, every leaf, every tile, the checkpoint, every chain.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use indicatif::ProgressBar;

use super::chain::{Chains, Counts};
use super::evidence::Evidence;
use super::segments::Segments;
use super::tree::{Disagreement, ReadTile, TreeCheck};
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::note::{Note, VerifierKey, WitnessKey};
use crate::merkle::proof::TreeHead;
use crate::merkle::tile::{self, TILE_WIDTH, Tile, TileKind};
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
    /// Records under the checkpoint that witnesses cosigned, and how many they are; nothing where none did.
    pub cosigned: Option<(u64, usize)>,
}

/// Checks the folder against the log's key.
///
/// # Errors
/// The first thing that does not agree.
pub fn check(
    folder: &Path,
    key: &VerifierKey,
    authority: Option<Vec<u8>>,
    mut evidence: Evidence,
    progress: &ProgressBar,
) -> Result<Sound, Disagreement> {
    let cosigned = cosigned(folder, key, &mut evidence)?;
    let note = fs::read(folder.join("checkpoint")).map_err(|error| Disagreement::new("checkpoint", error))?;
    let checkpoint = Checkpoint::open(&note, key.name(), std::slice::from_ref(key));
    let head = checkpoint.map_err(|error| Disagreement::new("checkpoint", with_cause(&error)))?.head();
    let mut records = Segments::open(&folder.join("entries")).map_err(|error| Disagreement::new("entries", error))?;
    let mut tiles = |tile: Tile| read_tile(folder, tile);
    let (mut tree, mut chains) = (TreeCheck::new(head), Chains::new(authority));
    progress.set_length(head.size);
    let mut uncovered = 0;
    while let Some(found) = records.next() {
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
                let following = records.next().and_then(Result::ok);
                let following = following.map(|it| *log_entry(it.kind, &it.payload).as_bytes());
                let problem = what_happened(found.sequence, entry, following, head.size, &mut tiles);
                return Err(Disagreement::new(place, problem));
            }
            tree.push(entry, &mut tiles)?;
            evidence.entry(found.sequence, &entry)?;
            evidence.root(tree.size(), || tree.root())?;
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
    evidence.nothing_beyond(head.size)?;
    Ok(Sound { head, uncovered, counts: chains.counts(), cosigned })
}

/// Says what became of the record whose entry in the log is another's: changed, inserted, moved, or those before dropped.
fn what_happened(
    sequence: u64,
    entry: [u8; 32],
    following: Option<[u8; 32]>,
    size: u64,
    tiles: &mut ReadTile<'_>,
) -> String {
    let log = (0..size.div_ceil(u64::from(TILE_WIDTH))).filter_map(|index| {
        let bundle = Tile::in_tree(TileKind::Entries, index, size)?;
        let bytes = tiles(bundle).ok()?;
        let entries = tile::decode_entries(&bytes, bundle.width()).ok()?;
        Some(entries.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
    });
    let (mut own, mut next) = (None, None);
    for (index, logged) in (0_u64..).zip(log.flatten()) {
        if logged == entry && (own.is_none() || index <= sequence) {
            own = Some(index);
        }
        if following.is_some_and(|following| logged == following) {
            next = Some(index);
        }
    }
    match (own, next) {
        (Some(own), Some(next)) if own > sequence && next == own + 1 => {
            format!("it was dropped, with those up to {}: the log's record {own} stands in its place", own - 1)
        }
        (Some(own), None) if own > sequence && own + 1 == size => {
            format!("it was dropped, with those up to {}: the log's record {own} stands in its place", own - 1)
        }
        (Some(own), _) => format!("it was moved: the log's record {own} stands in its place"),
        (None, Some(next)) if next == sequence => "it was inserted: the log's record follows it".to_owned(),
        (None, _) => "it was changed: its digest is not the entry in the log".to_owned(),
    }
}

/// Checks what witnesses have said, where the folder holds it: under the keys that stand beside it.
fn cosigned(folder: &Path, key: &VerifierKey, evidence: &mut Evidence) -> Result<Option<(u64, usize)>, Disagreement> {
    let Ok(bytes) = fs::read(folder.join(COSIGNED)) else { return Ok(None) };
    let head = evidence.add_checkpoint(&bytes, key, COSIGNED)?;
    let keys = fs::read_to_string(folder.join(WITNESSES)).unwrap_or_default();
    let keys: Result<Vec<WitnessKey>, _> = keys.lines().map(str::parse).collect();
    let keys = keys.map_err(|error| Disagreement::new(WITNESSES, error))?;
    let note = Note::parse(&bytes).map_err(|error| Disagreement::new(COSIGNED, error))?;
    let found = note.cosignatures(&keys).map_err(|error| Disagreement::new(COSIGNED, error))?;
    Ok(Some((head.size, found.len())))
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

/// The checkpoint with the cosignatures of witnesses, and their keys.
const COSIGNED: &str = "checkpoint.cosigned";
const WITNESSES: &str = "witnesses";
