//! The tree cut into tiles of 256 hashes and bundles of 256 entries: their names, their bytes, and which of them a tree
//! of some size has. No files here, only what would be in them.
//!
//! Source: C2SP tlog-tiles.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::hash::{HASH_BYTES, Hash};
use super::tree::{NodeId, root_of};
use crate::domain::fault::{Fault, Faulty};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// Tree levels that one tile spans.
pub const TILE_LEVELS: u8 = 8;

/// Says what a tile holds: hashes of one height, or log entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the tree level 8 × the number, which is 0 to 63.
    Hashes(u8),
    /// The log entries themselves.
    Entries,
}

/// Names one tile or entry bundle; `Display` and `FromStr` are its path below the log's prefix, such as
/// `tile/3/x001/x234/067.p/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Says why a tile's name or bytes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path names no tile; correct it.
    #[error("a path of {length} bytes names no tile")]
    Path {
        /// Length of the path, in bytes.
        length: usize,
    },
    /// The bytes are not what the tile's width calls for; the tile is damaged, rebuild it.
    #[error("a tile of width {width} cannot be {length} bytes long")]
    Length {
        /// Hashes or entries that the name promises.
        width: u16,
        /// Length of the bytes.
        length: usize,
    },
    /// A log entry does not fit in a bundle; shorten it.
    #[error("entry {place} of a bundle is {length} bytes long, at most 65535 fit")]
    Entry {
        /// Place in the bundle, from 0.
        place: usize,
        /// Length of the entry, in bytes.
        length: usize,
    },
    /// A tree of that size has no such complete subtree; ask for a larger tree.
    #[error("node {index} of level {level} is not in a tree of {size} leaves")]
    Node {
        /// Height of the node.
        level: u8,
        /// Place of the node on its level.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
}

impl Faulty for TileError {
    fn fault(&self) -> Fault {
        match self {
            Self::Path { .. } | Self::Node { .. } => Fault::Missing,
            Self::Entry { .. } => Fault::BadInput,
            Self::Length { .. } => Fault::Broken,
        }
    }
}

impl Tile {
    /// Names tile `index` of a kind as it is in a tree of `size` leaves; nothing where it would be empty.
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let left = count_of(kind, size).checked_sub(index.checked_mul(u64::from(TILE_WIDTH))?)?;
        let width = u16::try_from(left.min(u64::from(TILE_WIDTH))).ok()?;
        (width > 0).then_some(Self { kind, index, width })
    }

    /// Names, as if it were full, the tile that takes the next hash or entry of a tree of `size` leaves.
    pub fn growing(kind: TileKind, size: u64) -> Self {
        Self { kind, index: count_of(kind, size) / u64::from(TILE_WIDTH), width: TILE_WIDTH }
    }

    /// Names the partial tile of a kind in a tree of `size` leaves, if it has one.
    pub fn partial(kind: TileKind, size: u64) -> Option<Self> {
        let width = count_of(kind, size) % u64::from(TILE_WIDTH);
        Self::growing(kind, size).with_width(u16::try_from(width).ok()?)
    }

    /// Names the tile at the same place with another width, 1 to 256.
    pub fn with_width(self, width: u16) -> Option<Self> {
        (1..=TILE_WIDTH).contains(&width).then_some(Self { width, ..self })
    }

    /// Names the tile to the right, as if it were full.
    pub fn following(self) -> Option<Self> {
        Some(Self { index: self.index.checked_add(1)?, width: TILE_WIDTH, ..self })
    }

    /// Gives what the tile holds.
    pub fn kind(self) -> TileKind {
        self.kind
    }

    /// Gives the tile's place among those of its kind, from 0.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Gives the number of hashes or entries, 1 to 256.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Says whether the tile is full, and so will never change again.
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Names the same tile once it is full.
    pub fn filled(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(formatter, "tile/{level}/")?,
            TileKind::Entries => formatter.write_str("tile/entries/")?,
        }
        let digits = self.index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        for (place, digit) in padded.chars().enumerate() {
            if place % 3 == 0 {
                formatter.write_str(if place == 0 { "" } else { "/" })?;
                formatter.write_str(if place + 3 < padded.len() { "x" } else { "" })?;
            }
            write!(formatter, "{digit}")?;
        }
        if self.is_full() { Ok(()) } else { write!(formatter, ".p/{}", self.width) }
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        // Only the one spelling that `Display` gives is a name; so the parser may be lax and compare at the end.
        let read = || {
            let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
            let kind = match level {
                "entries" => TileKind::Entries,
                number => TileKind::Hashes(number.parse().ok().filter(|level| *level <= LEVEL_MAX)?),
            };
            let (elements, width) = match rest.split_once(".p/") {
                Some((elements, width)) => (elements, width.parse().ok().filter(|width| *width > 0)?),
                None => (rest, TILE_WIDTH),
            };
            let digits = elements.split('/').map(|part| part.strip_prefix('x').unwrap_or(part)).collect::<String>();
            let tile = Self { kind, index: digits.parse().ok()?, width };
            (tile.width <= TILE_WIDTH && tile.to_string() == path).then_some(tile)
        };
        let short = (path.len() <= PATH_BYTES_MAX).then(read).flatten();
        short.ok_or(TileError::Path { length: path.len() })
    }
}

/// Lists the tiles and bundles that a tree of `size` leaves has.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    tiles_changed(0..size)
}

/// Lists the tiles and bundles that are new or wider once a tree has grown from `sizes.start` to `sizes.end` leaves,
/// entries first, then upwards.
pub fn tiles_changed(sizes: Range<u64>) -> impl Iterator<Item = Tile> {
    let kinds = std::iter::once(TileKind::Entries).chain((0..TILE_LEVELS).map(TileKind::Hashes));
    kinds.flat_map(move |kind| {
        let (old, new) = (count_of(kind, sizes.start), count_of(kind, sizes.end));
        let width = u64::from(TILE_WIDTH);
        let indices = if old < new { old / width..new.div_ceil(width) } else { 0..0 };
        indices.filter_map(move |index| Tile::in_tree(kind, index, sizes.end))
    })
}

/// Finds the tile of a tree of `size` leaves that holds `node`, and which of the tile's hashes lie under the node.
///
/// # Errors
/// [`TileError::Node`] when the tree has no such complete subtree.
pub fn locate(node: NodeId, size: u64) -> Result<(Tile, Range<usize>), TileError> {
    let found = || {
        let below = node.level % TILE_LEVELS;
        let first = node.index.checked_mul(1 << below)?;
        let tile = Tile::in_tree(TileKind::Hashes(node.level / TILE_LEVELS), first / u64::from(TILE_WIDTH), size)?;
        let start = usize::try_from(first % u64::from(TILE_WIDTH)).ok()?;
        let under = start..start + (1 << below);
        (node.level <= LEVEL_MAX && under.end <= usize::from(tile.width)).then_some((tile, under))
    };
    found().ok_or(TileError::Node { level: node.level, index: node.index, size })
}

/// Reads a node's hash out of the tiles of a tree of `size` leaves; `read_tile` gives the hashes of a tile.
///
/// # Errors
/// [`TileError`], or whatever `read_tile` answers for a tile that it cannot give.
pub fn hash_at<E: From<TileError>>(
    node: NodeId,
    size: u64,
    read_tile: &mut dyn FnMut(Tile) -> Result<Vec<Hash>, E>,
) -> Result<Hash, E> {
    let (tile, under) = locate(node, size)?;
    let hashes = read_tile(tile)?;
    let length = hashes.len() * HASH_BYTES;
    Ok(root_of(hashes.get(under).ok_or(TileError::Length { width: tile.width, length })?))
}

/// Writes the bytes of a tile.
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads the bytes of a tile of `width` hashes.
///
/// # Errors
/// [`TileError::Length`] unless there are exactly so many; rebuild the tile, or distrust who served it.
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    match bytes.as_chunks::<HASH_BYTES>() {
        (hashes, []) if hashes.len() == usize::from(width) => Ok(hashes.iter().map(|hash| Hash::from(*hash)).collect()),
        _ => Err(TileError::Length { width, length: bytes.len() }),
    }
}

/// Writes the bytes of an entry bundle: each entry after its length, a big-endian 16-bit number.
///
/// # Errors
/// [`TileError::Entry`] when an entry is longer than 65,535 bytes.
pub fn encode_entries<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    for (place, entry) in entries.iter().map(AsRef::as_ref).enumerate() {
        let length = u16::try_from(entry.len()).map_err(|_| TileError::Entry { place, length: entry.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Reads the bytes of a bundle of `width` entries.
///
/// # Errors
/// [`TileError::Length`] unless there are exactly so many; rebuild the bundle, or distrust who served it.
pub fn decode_entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let broken = TileError::Length { width, length: bytes.len() };
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk().ok_or(broken)?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(broken)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(broken) }
}

/// Counts the hashes or entries of a kind in a tree of `size` leaves.
fn count_of(kind: TileKind, size: u64) -> u64 {
    match kind {
        TileKind::Entries => size,
        TileKind::Hashes(level) => size.checked_shr(u32::from(level) * u32::from(TILE_LEVELS)).unwrap_or(0),
    }
}

const LEVEL_MAX: u8 = 63;
const PATH_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::hash::leaf_hash;
    use proptest::prelude::*;

    fn named(path: &str) -> Option<(TileKind, u64, u16)> {
        path.parse::<Tile>().ok().map(|tile| (tile.kind, tile.index, tile.width))
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        for (path, kind, index, width) in [
            ("tile/0/000", TileKind::Hashes(0), 0, 256),
            ("tile/0/999.p/1", TileKind::Hashes(0), 999, 1),
            ("tile/0/x001/000", TileKind::Hashes(0), 1_000, 256),
            ("tile/3/x001/x234/067", TileKind::Hashes(3), 1_234_067, 256),
            ("tile/63/x001/x234/067.p/8", TileKind::Hashes(63), 1_234_067, 8),
            ("tile/entries/x012/345.p/255", TileKind::Entries, 12_345, 255),
        ] {
            assert_eq!(Tile { kind, index, width }.to_string(), path);
            assert_eq!(named(path), Some((kind, index, width)));
        }
    }

    #[test]
    fn other_spellings_name_nothing() {
        for path in [
            "",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/64/000",
            "tile/00/000",
            "tile/+1/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/x001/x000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/257",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000/",
            "tile/0/../000",
            "tile/entries/-01",
            "/tile/0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(path.parse::<Tile>(), Err(TileError::Path { length: path.len() }), "{path}");
        }
    }

    #[test]
    fn a_tree_of_70_000_leaves_has_the_tiles_of_the_specification() {
        let tiles: Vec<Tile> = tiles_of(70_000).filter(|tile| tile.kind != TileKind::Entries).collect();
        let partial: Vec<String> = tiles.iter().filter(|tile| !tile.is_full()).map(ToString::to_string).collect();
        assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert_eq!(tiles.iter().filter(|tile| tile.is_full() && tile.kind == TileKind::Hashes(0)).count(), 273);
        assert_eq!(tiles.iter().filter(|tile| tile.is_full() && tile.kind == TileKind::Hashes(1)).count(), 1);
        let small: Vec<String> = tiles_of(256).map(|tile| tile.to_string()).collect();
        assert_eq!(small, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(tiles_of(0).count(), 0);
    }

    #[test]
    fn growth_changes_the_right_edge_alone() {
        let changed = |sizes| tiles_changed(sizes).map(|tile| tile.to_string()).collect::<Vec<_>>();
        assert_eq!(changed(255..256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(changed(256..257), ["tile/entries/001.p/1", "tile/0/001.p/1"]);
        assert_eq!(changed(10..10), Vec::<String>::new());
    }

    #[test]
    fn nodes_are_read_out_of_tiles() {
        let leaves: Vec<Hash> = (0..70_000_u32).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        let mut read_tile = |tile: Tile| {
            let TileKind::Hashes(level) = tile.kind else { panic!("no bundle holds a node") };
            let span = 256_usize.pow(u32::from(level));
            let first = tile.index as usize * 256;
            Ok::<_, TileError>(
                (first..first + usize::from(tile.width))
                    .map(|at| root_of(&leaves[at * span..(at + 1) * span]))
                    .collect(),
            )
        };
        for (level, index) in [(0, 0), (0, 69_999), (3, 8_749), (7, 0), (8, 272), (9, 135), (15, 1), (16, 0)] {
            let begin = (index << level) as usize;
            let expected = root_of(&leaves[begin..begin + (1 << level)]);
            assert_eq!(hash_at(NodeId { level, index }, 70_000, &mut read_tile), Ok(expected), "{level}/{index}");
        }
        for (level, index) in [(0, 70_000), (3, 8_750), (8, 273), (16, 1), (17, 0), (64, 0), (255, 0), (7, u64::MAX)] {
            let missing = TileError::Node { level, index, size: 70_000 };
            assert_eq!(hash_at(NodeId { level, index }, 70_000, &mut read_tile), Err(missing));
        }
    }

    #[test]
    fn an_overlong_entry_is_refused() {
        let entries = [vec![], vec![0; 65_536]];
        assert_eq!(encode_entries(&entries), Err(TileError::Entry { place: 1, length: 65_536 }));
        assert_eq!(encode_entries(&[b"".as_slice(), b"a"]), Ok(vec![0, 0, 0, 1, b'a']));
    }

    proptest! {
        #[test]
        fn every_name_reads_back(level in 0..64_u8, index: u64, width in 1..=256_u16, entries: bool) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let tile = Tile { kind, index, width };
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn bytes_read_back_and_no_prefix_does(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20)) {
            let bytes = encode_entries(&entries).unwrap();
            let width = entries.len() as u16;
            prop_assert_eq!(decode_entries(&bytes, width).unwrap(), entries);
            for end in 0..bytes.len() {
                prop_assert_eq!(decode_entries(&bytes[..end], width), Err(TileError::Length { width, length: end }));
            }
            let hashes: Vec<Hash> = (0..width).map(|number| leaf_hash(&number.to_be_bytes())).collect();
            let bytes = encode_hashes(&hashes);
            prop_assert_eq!(decode_hashes(&bytes, width), Ok(hashes));
            prop_assert!(decode_hashes(&bytes[1..], width).is_err());
            prop_assert!(decode_hashes(&bytes, width + 1).is_err());
        }

        #[test]
        fn no_path_panics(path: String) {
            let _ = format!("tile/0/{path}").parse::<Tile>();
        }
    }
}
