//! The hash of a tree node, and the three ways RFC 6962 makes one. No tree shape here.

use std::fmt;

use sha2::{Digest, Sha256};

/// Length of a hash, in bytes.
pub const HASH_BYTES: usize = 32;

/// Names a leaf, a subtree or a whole tree by SHA-256; shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// Gives the bytes.
    pub fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl From<[u8; HASH_BYTES]> for Hash {
    fn from(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Hashes an entry into a leaf.
///
/// Source: RFC 6962, 2.1.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([LEAF_PREFIX]).chain_update(entry).finalize().into())
}

/// Hashes two neighbours into their parent.
///
/// Source: RFC 6962, 2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([NODE_PREFIX]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// Gives the root of the tree without leaves.
///
/// Source: RFC 6962, 2.1.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;
