//! Reading a log's tiles and checkpoint from its folder, and making proofs of them. Nothing here modifies a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TileStoreError;
use crate::merkle::hash::{HASH_BYTES, Hash};
use crate::merkle::proof;
use crate::merkle::tile::{self, Tile, TileKind};
use crate::merkle::tree::NodeId;

/// Reads the tiles of a log; a cheap handle. All its calls block on the disk.
#[derive(Debug, Clone)]
pub struct TileReader(Arc<Path>);

impl TileReader {
    /// Reads the log kept in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self(folder.into())
    }

    /// Reads the bytes of a tile or entry bundle, cutting it out of a wider one where the log has grown since.
    ///
    /// # Errors
    /// [`TileStoreError::Missing`] when the log is not that large, [`TileStoreError::Damaged`] when the tile is broken.
    pub fn read(&self, tile: Tile) -> Result<Vec<u8>, TileStoreError> {
        let full = self.path_of(tile.filled());
        for path in [&self.path_of(tile), &full] {
            if let Some(bytes) = front_of(path, tile)? {
                return Ok(bytes);
            }
        }
        for width in self.partial_widths(tile)?.into_iter().filter(|width| *width > tile.width()) {
            let Some(wider) = tile.with_width(width) else { continue };
            if let Some(bytes) = front_of(&self.path_of(wider), tile)? {
                return Ok(bytes);
            }
        }
        // It may have been filled, and the partial ones removed, while we looked.
        front_of(&full, tile)?.ok_or(TileStoreError::Missing)
    }

    /// Reads the checkpoint published last, if any.
    ///
    /// # Errors
    /// [`TileStoreError::Io`].
    pub fn checkpoint(&self) -> Result<Option<String>, TileStoreError> {
        match fs::read_to_string(self.checkpoint_path()) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TileStoreError::io("read the checkpoint")(error)),
        }
    }

    /// Reads the hash of a node of the tree of `size` leaves.
    ///
    /// # Errors
    /// As for [`TileReader::read`], or [`TileStoreError::Tile`] when such a tree has no such node.
    pub fn hash_at(&self, node: NodeId, size: u64) -> Result<Hash, TileStoreError> {
        tile::hash_at(node, size, &mut |tile| self.hashes_of(tile))
    }

    /// Makes the proof that leaf `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    /// [`TileStoreError`]; tiles carry no checksums, so check the proof against the root before relying on it.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, TileStoreError> {
        proof::prove_inclusion(index, size, &mut |node| self.hash_at(node, size))
    }

    /// Makes the proof that the tree of `new` leaves extends that of `old` leaves.
    ///
    /// # Errors
    /// As for [`TileReader::prove_inclusion`].
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, TileStoreError> {
        proof::prove_consistency(old, new, &mut |node| self.hash_at(node, new))
    }

    /// Reads the hashes of a tile.
    pub(super) fn hashes_of(&self, tile: Tile) -> Result<Vec<Hash>, TileStoreError> {
        Ok(tile::decode_hashes(&self.read(tile)?, tile.width())?)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn path_of(&self, tile: Tile) -> PathBuf {
        self.0.join(tile.to_string())
    }

    pub(super) fn checkpoint_path(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// Lists the widths of the partial tiles kept at the place of `tile`.
    pub(super) fn partial_widths(&self, tile: Tile) -> Result<Vec<u16>, TileStoreError> {
        let entries = match fs::read_dir(self.path_of(tile.filled()).with_added_extension("p")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(TileStoreError::io("list partial tiles")(error)),
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(TileStoreError::io("list partial tiles"))?;
        Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }
}

/// Reads as much of a file as `tile` is long; nothing where there is no such file.
fn front_of(path: &Path, tile: Tile) -> Result<Option<Vec<u8>>, TileStoreError> {
    match fs::read(path) {
        Ok(mut bytes) if bytes.len() >= bytes_of(tile) => {
            bytes.truncate(bytes_of(tile));
            Ok(Some(bytes))
        }
        Ok(_) => Err(TileStoreError::Damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TileStoreError::io("read a tile")(error)),
    }
}

/// Gives the length of a tile, in bytes; an entry of this log is always a hash, behind its length.
fn bytes_of(tile: Tile) -> usize {
    let unit = match tile.kind() {
        TileKind::Hashes(_) => HASH_BYTES,
        TileKind::Entries => HASH_BYTES + 2,
    };
    usize::from(tile.width()) * unit
}
