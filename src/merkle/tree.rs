//! The shape of the tree: where its nodes are, the root of a list of leaves, and the growing right edge. No proofs.

use super::hash::{Hash, empty_root, node_hash};

/// Names the root of a complete subtree: `index` counts the subtrees of 2^`level` leaves from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height over the leaves, 0 to 63.
    pub level: u8,
    /// Place among the nodes of that height, from 0.
    pub index: u64,
}

/// Computes the root of the tree over `leaves` (leaf hashes).
///
/// Source: RFC 6962, 2.1.
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// Keeps the roots of the complete subtrees that cover a tree from the left: enough to append and to name the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One hash for each bit set in `size`, the largest subtree first.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// Rebuilds the frontier of a tree of `size` leaves from its stored nodes.
    ///
    /// # Errors
    /// Whatever `hash_at` answers for a node that it cannot give.
    pub fn restore<E>(size: u64, hash_at: &mut dyn FnMut(NodeId) -> Result<Hash, E>) -> Result<Self, E> {
        let subtrees = cover(0, size).into_iter().map(hash_at).collect::<Result<_, E>>()?;
        Ok(Self { size, subtrees })
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { unreachable!("one subtree for each bit of the size") };
            hash = node_hash(&left, &hash);
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// Gives the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Computes the root of the tree so far.
    pub fn root(&self) -> Hash {
        fold(&self.subtrees).unwrap_or_else(empty_root)
    }
}

/// Lists the complete subtrees that cover the leaves `begin..end`, left to right; `begin` must be a multiple of the
/// largest power of two not above `end - begin`, as it is for every range in a proof.
pub(super) fn cover(begin: u64, end: u64) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    let mut at = begin;
    while at < end {
        let level = (end - at).ilog2();
        let Ok(short) = u8::try_from(level) else { unreachable!("a logarithm of 64 bits is below 64") };
        nodes.push(NodeId { level: short, index: at >> level });
        at += 1 << level;
    }
    nodes
}

/// Joins the roots of neighbouring subtrees, the largest first, into one hash; nothing where there are none.
pub(super) fn fold(subtrees: &[Hash]) -> Option<Hash> {
    subtrees.iter().copied().rev().reduce(|right, left| node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::hash::leaf_hash;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    /// The eight entries and the roots of their prefixes from the reference implementation of RFC 6962.
    const REFERENCE: [(&str, &str); 8] = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ];

    #[test]
    fn roots_match_the_reference_vectors() {
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (entry, root) in REFERENCE {
            frontier.push(leaf_hash(&hex::decode(entry).unwrap()));
            assert_eq!(frontier.root().to_string(), root);
        }
    }

    #[test]
    fn roots_match_an_independent_tree_at_every_size() {
        let mut oracle = MemoryBackedTree::<Sha256, [u8; 8]>::new();
        let mut leaves = Vec::new();
        for size in 0..300_u64 {
            assert_eq!(root_of(&leaves).as_bytes().as_slice(), oracle.root().as_bytes().as_slice(), "size {size}");
            oracle.push(size.to_be_bytes());
            leaves.push(leaf_hash(&size.to_be_bytes()));
        }
    }

    #[test]
    fn a_restored_frontier_grows_like_the_original() {
        let leaves: Vec<Hash> = (0..70_u8).map(|byte| leaf_hash(&[byte])).collect();
        let mut grown = Frontier::default();
        for size in 0..leaves.len() {
            let restored = Frontier::restore(size as u64, &mut |node: NodeId| {
                let begin = (node.index << node.level) as usize;
                Ok::<_, ()>(root_of(&leaves[begin..begin + (1 << node.level)]))
            });
            assert_eq!(restored, Ok(grown.clone()));
            grown.push(leaves[size]);
        }
    }
}
