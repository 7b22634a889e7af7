//! A log's tiles computed again from its entries and compared with those that are served.

use std::array;

use crate::merkle::hash::{Hash, leaf_hash};
use crate::merkle::proof::TreeHead;
use crate::merkle::tile::{self, TILE_LEVELS, TILE_WIDTH, Tile, TileKind};
use crate::merkle::tree::{Frontier, root_of};

/// What is wrong with the log: the first thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// What does not agree, as `record 17` or `tile/0/000`.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Gives the bytes of a tile, or says why there are none.
pub type ReadTile<'a> = dyn FnMut(Tile) -> Result<Vec<u8>, String> + 'a;

/// Takes the entries of a log one by one, in order, up to the size of its checkpoint.
pub struct TreeCheck {
    head: TreeHead,
    frontier: Frontier,
    /// Entries of the bundle that is not full yet.
    entries: Vec<[u8; 32]>,
    /// Hashes of each level's tile that is not full yet.
    levels: [Vec<Hash>; TILE_LEVELS as usize],
    /// The bundle that the next entries are in, as it is served.
    bundle: Vec<[u8; 32]>,
}

impl Disagreement {
    /// Names the place and what is wrong with it.
    pub fn new(place: impl ToString, problem: impl ToString) -> Self {
        Self { place: place.to_string(), problem: problem.to_string() }
    }
}

impl TreeCheck {
    /// Begins with the head that the checkpoint names.
    pub fn new(head: TreeHead) -> Self {
        Self {
            head,
            frontier: Frontier::default(),
            entries: Vec::new(),
            levels: array::from_fn(|_| Vec::new()),
            bundle: Vec::new(),
        }
    }

    /// Gives the number of entries taken.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Gives the root over the entries taken.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Gives the bundle entry that is served for the next record.
    ///
    /// # Errors
    /// When the bundle cannot be read.
    pub fn served(&mut self, tiles: &mut ReadTile<'_>) -> Result<[u8; 32], Disagreement> {
        let index = self.size();
        if self.entries.is_empty() && self.bundle.is_empty() {
            let width = u64::from(TILE_WIDTH);
            let bundle = Tile::in_tree(TileKind::Entries, index / width, self.head.size)
                .ok_or_else(|| Disagreement::new(format!("record {index}"), "the log is not that long"))?;
            let bytes = tiles(bundle).map_err(|problem| Disagreement::new(bundle, problem))?;
            let entries = tile::decode_entries(&bytes, bundle.width());
            let entries = entries.map_err(|error| Disagreement::new(bundle, error))?;
            for entry in entries {
                let entry = entry.try_into().map_err(|_| Disagreement::new(bundle, "an entry is not 32 bytes long"))?;
                self.bundle.push(entry);
            }
        }
        let entry = self.bundle.get(self.entries.len()).copied();
        entry.ok_or_else(|| Disagreement::new(format!("record {index}"), "its bundle of entries is cut short"))
    }

    /// Takes the next entry; tiles that it fills are compared.
    ///
    /// # Errors
    /// The first tile that does not agree, and in it the first leaf.
    pub fn push(&mut self, entry: [u8; 32], tiles: &mut ReadTile<'_>) -> Result<(), Disagreement> {
        let leaf = leaf_hash(&entry);
        self.frontier.push(leaf);
        self.entries.push(entry);
        if self.entries.len() == usize::from(TILE_WIDTH) {
            self.entries.clear();
            self.bundle.clear();
        }
        let mut carried = leaf;
        for level in 0..TILE_LEVELS {
            let hashes = match self.levels.get_mut(usize::from(level)) {
                Some(hashes) => hashes,
                None => break,
            };
            hashes.push(carried);
            if hashes.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let full = std::mem::take(hashes);
            carried = root_of(&full);
            let last = (self.size() >> (u32::from(level + 1) * u32::from(TILE_LEVELS))).saturating_sub(1);
            let tile = Tile::in_tree(TileKind::Hashes(level), last, self.size());
            compare(tile, &full, level, tiles)?;
        }
        Ok(())
    }

    /// Compares the right edge and the root, once all entries were taken.
    ///
    /// # Errors
    /// The first tile that does not agree, or the checkpoint.
    pub fn finish(self, tiles: &mut ReadTile<'_>) -> Result<(), Disagreement> {
        let size = self.size();
        for (level, hashes) in (0..TILE_LEVELS).zip(&self.levels) {
            if !hashes.is_empty() {
                compare(Tile::partial(TileKind::Hashes(level), size), hashes, level, tiles)?;
            }
        }
        if self.frontier.root() != self.head.root {
            return Err(Disagreement::new("checkpoint", "its root is not the root of the records"));
        }
        Ok(())
    }
}

fn compare(tile: Option<Tile>, computed: &[Hash], level: u8, tiles: &mut ReadTile<'_>) -> Result<(), Disagreement> {
    let tile = tile.unwrap_or_else(|| unreachable!("hashes are in a tile of their tree"));
    let bytes = tiles(tile).map_err(|problem| Disagreement::new(tile, problem))?;
    let found = tile::decode_hashes(&bytes, tile.width()).map_err(|error| Disagreement::new(tile, error))?;
    let Some(place) = computed.iter().zip(&found).position(|(computed, found)| computed != found) else {
        return Ok(());
    };
    let width = u64::from(TILE_WIDTH);
    let node = tile.index() * width + u64::try_from(place).unwrap_or(u64::MAX);
    let first = node << (u32::from(level) * u32::from(TILE_LEVELS));
    Err(Disagreement::new(tile, format!("hash {place}, over the leaves from {first} on, is not that of the records")))
}
