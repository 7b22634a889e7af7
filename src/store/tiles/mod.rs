//! A hub's public log on disk: tiles, entry bundles and the checkpoint, laid out as they are served. It is a projection
//! of the journal: it says how many records it has taken, the caller appends what is missing, and when it is damaged
//! its folder is deleted and built anew.
//!
//! An entry of the log is the digest of a journal record, and so always 32 bytes; what the record says stays private.
//! Signing is not done here.

mod cosigned;
mod reader;
#[cfg(test)]
mod tests;

use std::array;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub use self::reader::TileReader;
use super::files;
use crate::domain::fault::{Fault, Faulty};
use crate::merkle::hash::{HASH_BYTES, Hash, empty_root, leaf_hash};
use crate::merkle::proof::{ProofError, TreeHead};
use crate::merkle::tile::{self, TILE_LEVELS, TILE_WIDTH, Tile, TileError, TileKind};
use crate::merkle::tree::{Frontier, NodeId, root_of};

/// Says why the log's tiles cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TileStoreError {
    /// The operating system refused; look at the disk.
    #[error("{action}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The tiles contradict themselves; delete the folder and append the journal's records again.
    #[error("the log's tiles are damaged")]
    Damaged,
    /// The log has no such tile.
    #[error("the log has no such tile")]
    Missing,
    /// An earlier write has failed; open the log again.
    #[error("the log's tiles have failed and take no more entries")]
    Poisoned,
    /// A tile or node is not one that a log can have.
    #[error("read a tile")]
    Tile(#[from] TileError),
    /// The proof asked for cannot exist.
    #[error("make a proof")]
    Proof(#[from] ProofError),
}

impl TileStoreError {
    fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

impl Faulty for TileStoreError {
    fn fault(&self) -> Fault {
        match self {
            Self::Io { .. } | Self::Damaged | Self::Poisoned => Fault::Broken,
            Self::Missing => Fault::Missing,
            Self::Tile(error) => error.fault(),
            Self::Proof(error) => error.fault(),
        }
    }
}

/// Keeps the log of one hub and lets it grow. Its right edge is in memory, so appending costs no more than what is new.
#[derive(Debug)]
pub struct TileStore {
    reader: TileReader,
    frontier: Frontier,
    /// The entries that fill no bundle yet.
    entries: Vec<[u8; HASH_BYTES]>,
    /// The hashes that fill no tile yet, for each level of tiles.
    levels: [Vec<Hash>; TILE_LEVELS as usize],
    /// Files written since the last save.
    unsaved: BTreeSet<PathBuf>,
    /// Partial tiles written since the log was opened; all but the widest go at the next save.
    partials: BTreeSet<Tile>,
    failed: bool,
}

impl TileStore {
    /// Opens the log in `folder`, which is made if need be, as it was last saved.
    ///
    /// # Errors
    /// [`TileStoreError::Damaged`] when the right edge does not lead to the saved root: delete the folder and append
    /// the journal's records again.
    pub fn open(folder: &Path) -> Result<Self, TileStoreError> {
        fs::create_dir_all(folder).map_err(TileStoreError::io("create the log's folder"))?;
        let reader = TileReader::new(folder);
        let head = read_head(&head_path(folder))?;
        let mut levels: [Vec<Hash>; TILE_LEVELS as usize] = array::from_fn(|_| Vec::new());
        for (level, hashes) in (0..).zip(&mut levels) {
            if let Some(edge) = Tile::partial(TileKind::Hashes(level), head.size) {
                *hashes = reader.hashes_of(edge).map_err(as_damage)?;
            }
        }
        let mut entries: Vec<[u8; HASH_BYTES]> = Vec::new();
        if let Some(edge) = Tile::partial(TileKind::Entries, head.size) {
            let bytes = reader.read(edge).map_err(as_damage)?;
            for entry in tile::decode_entries(&bytes, edge.width()).map_err(|_| TileStoreError::Damaged)? {
                entries.push(entry.try_into().map_err(|_| TileStoreError::Damaged)?);
            }
        }
        let frontier =
            Frontier::restore(head.size, &mut |node| hash_in(&levels, node, head.size)).map_err(as_damage)?;
        let leaves = entries.iter().map(|entry| leaf_hash(entry));
        if frontier.root() != head.root || !leaves.eq(levels[0].iter().copied()) {
            return Err(TileStoreError::Damaged);
        }
        let partials = edges_of(head.size).collect();
        let store = Self { reader, frontier, entries, levels, unsaved: BTreeSet::new(), partials, failed: false };
        kinds().try_for_each(|kind| store.forget_unsaved(kind))?;
        Ok(store)
    }

    /// Gives the number of entries, and so the sequence of the journal record to append next.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Gives the size and root of the tree.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.frontier.size(), root: self.frontier.root() }
    }

    /// Gives a handle that reads the log's files.
    pub fn reader(&self) -> TileReader {
        self.reader.clone()
    }

    /// Appends entries, the digests of the journal records from [`TileStore::size`] on. They are in the files when this
    /// returns, and survive a power failure once they are saved or under a published checkpoint.
    ///
    /// # Errors
    /// [`TileStoreError`]; open the log again.
    pub fn append(&mut self, entries: &[[u8; HASH_BYTES]]) -> Result<(), TileStoreError> {
        self.guarded(|store| {
            let before = store.size();
            for entry in entries {
                let leaf = leaf_hash(entry);
                store.entries.push(*entry);
                store.frontier.push(leaf);
                if push_up(&mut store.levels, leaf) {
                    store.write_full()?;
                }
            }
            let changed = tile::tiles_changed(before..store.size());
            let edges: Vec<Tile> = changed.filter(|tile| !tile.is_full()).collect();
            edges.into_iter().try_for_each(|tile| store.write(tile))
        })
    }

    /// Makes all that was appended survive a power failure, and removes partial tiles that wider ones replace.
    ///
    /// # Errors
    /// [`TileStoreError`]; open the log again.
    pub fn save(&mut self) -> Result<(), TileStoreError> {
        self.guarded(Self::sync)
    }

    /// Saves, then puts the signed checkpoint in the place of the last one.
    ///
    /// # Errors
    /// [`TileStoreError`]; open the log again, and do not show the checkpoint to anybody.
    pub fn publish_checkpoint(&mut self, note: &str) -> Result<(), TileStoreError> {
        self.guarded(|store| {
            store.sync()?;
            files::replace(&store.reader.checkpoint_path(), note.as_bytes())
                .map_err(TileStoreError::io("write the checkpoint"))
        })
    }

    /// Runs a change after which, if it fails, memory and files may differ.
    fn guarded(&mut self, change: impl FnOnce(&mut Self) -> Result<(), TileStoreError>) -> Result<(), TileStoreError> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(TileStoreError::Poisoned);
        }
        change(self)?;
        self.failed = false;
        Ok(())
    }

    /// Writes the tiles that the last entry has filled, and empties them in memory.
    fn write_full(&mut self) -> Result<(), TileStoreError> {
        let full: Vec<Tile> = tile::tiles_changed(self.size() - 1..self.size()).filter(|tile| tile.is_full()).collect();
        for tile in full {
            self.write(tile)?;
            match tile.kind() {
                TileKind::Entries => self.entries.clear(),
                TileKind::Hashes(level) => self.levels.get_mut(usize::from(level)).into_iter().for_each(Vec::clear),
            }
        }
        if self.unsaved.len() >= UNSAVED_FILES_MAX { self.sync_files() } else { Ok(()) }
    }

    /// Writes a tile of the right edge.
    fn write(&mut self, tile: Tile) -> Result<(), TileStoreError> {
        let bytes = match tile.kind() {
            TileKind::Entries => tile::encode_entries(&self.entries)?,
            TileKind::Hashes(level) => {
                tile::encode_hashes(self.levels.get(usize::from(level)).ok_or(TileStoreError::Missing)?)
            }
        };
        let path = self.reader.path_of(tile);
        let folder = path.parent().unwrap_or(self.reader.folder());
        let written = fs::create_dir_all(folder).and_then(|()| files::replace_soon(&path, &bytes));
        written.map_err(TileStoreError::io("write a tile"))?;
        self.unsaved.insert(path);
        if !tile.is_full() {
            self.partials.insert(tile);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), TileStoreError> {
        self.sync_files()?;
        let TreeHead { size, root } = self.head();
        files::replace(&head_path(self.reader.folder()), format!("{size} {root}\n").as_bytes())
            .map_err(TileStoreError::io("write the log's head"))?;
        let current: BTreeSet<Tile> = edges_of(size).collect();
        for tile in self.partials.difference(&current) {
            self.remove(*tile)?;
        }
        self.partials = current;
        Ok(())
    }

    fn sync_files(&mut self) -> Result<(), TileStoreError> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let root = self.reader.folder();
        let above =
            unsaved.iter().flat_map(|path| path.ancestors().skip(1).take_while(|folder| folder.starts_with(root)));
        let folders: BTreeSet<&Path> = above.collect();
        let synced = unsaved.iter().try_for_each(|path| File::open(path)?.sync_data());
        let synced = synced.and_then(|()| folders.into_iter().try_for_each(files::sync_folder));
        synced.map_err(TileStoreError::io("sync the log's tiles"))
    }

    /// Removes what was written after the last save: a crash may have left it half written.
    fn forget_unsaved(&self, kind: TileKind) -> Result<(), TileStoreError> {
        let keep = Tile::partial(kind, self.size());
        let mut place = Some(Tile::growing(kind, self.size()));
        while let Some(full) = place {
            let path = self.reader.path_of(full);
            let forgotten = files::forget_drafts(&path.with_added_extension("p"));
            let forgotten = forgotten.and_then(|()| path.parent().map_or(Ok(()), files::forget_drafts));
            forgotten.map_err(TileStoreError::io("remove drafts of tiles"))?;
            let widths = self.reader.partial_widths(full)?;
            let mut partial =
                widths.iter().filter_map(|width| full.with_width(*width)).filter(|tile| Some(*tile) != keep);
            partial.try_for_each(|tile| self.remove(tile))?;
            let found = self.reader.path_of(full).exists() || !widths.is_empty();
            self.remove(full)?;
            place = full.following().filter(|_| found);
        }
        Ok(())
    }

    /// Removes a tile's file, and the folder of partial tiles with the last of them.
    fn remove(&self, tile: Tile) -> Result<(), TileStoreError> {
        let path = self.reader.path_of(tile);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(TileStoreError::io("remove a partial tile")(error));
            }
            _ => {}
        }
        if let Some(folder) = path.parent().filter(|_| !tile.is_full()) {
            // Refused while wider ones are in it.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

/// Adds a leaf to the lowest level, and the root of each level that it fills to the one above; says whether it filled any.
fn push_up(levels: &mut [Vec<Hash>], leaf: Hash) -> bool {
    let mut carried = leaf;
    for (height, hashes) in levels.iter_mut().enumerate() {
        hashes.push(carried);
        if hashes.len() < usize::from(TILE_WIDTH) {
            return height > 0;
        }
        carried = root_of(hashes);
    }
    true
}

/// Reads a node of the right edge out of the hashes in memory.
fn hash_in(levels: &[Vec<Hash>], node: NodeId, size: u64) -> Result<Hash, TileStoreError> {
    tile::hash_at(node, size, &mut |tile| match tile.kind() {
        TileKind::Hashes(level) => levels.get(usize::from(level)).cloned().ok_or(TileStoreError::Missing),
        TileKind::Entries => Err(TileStoreError::Missing),
    })
}

fn kinds() -> impl Iterator<Item = TileKind> {
    std::iter::once(TileKind::Entries).chain((0..TILE_LEVELS).map(TileKind::Hashes))
}

fn edges_of(size: u64) -> impl Iterator<Item = Tile> {
    kinds().filter_map(move |kind| Tile::partial(kind, size))
}

/// What is missing though the head promises it is damage.
fn as_damage(error: TileStoreError) -> TileStoreError {
    match error {
        TileStoreError::Missing | TileStoreError::Tile(_) => TileStoreError::Damaged,
        other => other,
    }
}

fn head_path(folder: &Path) -> PathBuf {
    folder.join("head")
}

/// Reads the size and root last saved; those of the empty tree where nothing was.
fn read_head(path: &Path) -> Result<TreeHead, TileStoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TreeHead { size: 0, root: empty_root() }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(TileStoreError::Damaged),
        Err(error) => return Err(TileStoreError::io("read the log's head")(error)),
    };
    let read = || {
        let (size, root) = text.strip_suffix('\n')?.split_once(' ')?;
        let mut hash = [0; HASH_BYTES];
        hex::decode_to_slice(root, &mut hash).ok()?;
        Some(TreeHead { size: size.parse().ok()?, root: Hash::from(hash) })
    };
    read().ok_or(TileStoreError::Damaged)
}

/// Files after which an append syncs before it goes on, so that a rebuild does not leave all syncing to the end.
const UNSAVED_FILES_MAX: usize = 4_096;
