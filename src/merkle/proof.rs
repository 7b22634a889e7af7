//! Proofs that a leaf is in a tree and that one tree extends another: made from any source of nodes, checked from the
//! proof alone. No storage, no signatures.

use super::hash::{Hash, empty_root, node_hash};
use super::tree::{NodeId, cover, fold, root_of};
use crate::domain::fault::{Fault, Faulty};

/// Says why a proof cannot be made, or does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf asked about is not in a tree of that size; ask for a larger tree or another leaf.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    Index {
        /// Number of the leaf, from 0.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The older tree is said to be larger than the newer one; swap or correct the sizes.
    #[error("a tree of {old} leaves cannot grow into one of {new}")]
    Shrunk {
        /// Leaves of the older tree.
        old: u64,
        /// Leaves of the newer tree.
        new: u64,
    },
    /// The proof has not the number of hashes that these sizes need; do not trust its sender.
    #[error("a proof of {hashes} hashes does not fit the sizes")]
    Length {
        /// Hashes in the proof.
        hashes: usize,
    },
    /// The proof leads to another root; do not trust its sender.
    #[error("the proof leads to another root")]
    Root,
}

impl Faulty for ProofError {
    fn fault(&self) -> Fault {
        match self {
            Self::Index { .. } => Fault::Missing,
            Self::Shrunk { .. } | Self::Length { .. } | Self::Root => Fault::BadInput,
        }
    }
}

/// A tree head: how many leaves, and the root over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves in the tree.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// Makes the proof that leaf `index` is in the tree of `size` leaves, lowest sibling first.
///
/// # Errors
/// [`ProofError::Index`], or whatever `hash_at` answers for a node that it cannot give.
///
/// Source: RFC 6962, 2.1.1.
pub fn prove_inclusion<E: From<ProofError>>(
    index: u64,
    size: u64,
    hash_at: &mut dyn FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if index >= size {
        return Err(ProofError::Index { index, size }.into());
    }
    let (mut begin, mut end) = (0, size);
    let mut siblings = Vec::new();
    while end - begin > 1 {
        let split = begin + split_of(end - begin);
        if index < split {
            siblings.push((split, end));
            end = split;
        } else {
            siblings.push((begin, split));
            begin = split;
        }
    }
    hashes_of(siblings, hash_at)
}

/// Makes the proof that the tree of `new` leaves extends its prefix of `old` leaves; empty where `old` is 0 or `new`.
///
/// # Errors
/// [`ProofError::Shrunk`], or whatever `hash_at` answers for a node that it cannot give.
///
/// Source: RFC 6962, 2.1.2.
pub fn prove_consistency<E: From<ProofError>>(
    old: u64,
    new: u64,
    hash_at: &mut dyn FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if old > new {
        return Err(ProofError::Shrunk { old, new }.into());
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let (mut begin, mut end) = (0, new);
    let mut siblings = Vec::new();
    while old != end {
        let split = begin + split_of(end - begin);
        if old <= split {
            siblings.push((split, end));
            end = split;
        } else {
            siblings.push((begin, split));
            begin = split;
        }
    }
    // Whoever checks knows the old root already; it is left out where it is a node of the new tree.
    if begin > 0 {
        siblings.push((begin, end));
    }
    hashes_of(siblings, hash_at)
}

/// Makes the proof that leaf `index` is in the tree over `leaves`, for trees held in memory such as a batch.
///
/// # Errors
/// [`ProofError::Index`] when there is no such leaf.
pub fn prove_inclusion_in(leaves: &[Hash], index: usize) -> Result<Vec<Hash>, ProofError> {
    prove_inclusion(index as u64, leaves.len() as u64, &mut |node| subtree_of(leaves, node))
}

/// Makes the proof that the tree over `leaves` extends the one over the first `old` of them.
///
/// # Errors
/// [`ProofError::Shrunk`] when there are fewer than `old` leaves.
pub fn prove_consistency_in(leaves: &[Hash], old: usize) -> Result<Vec<Hash>, ProofError> {
    prove_consistency(old as u64, leaves.len() as u64, &mut |node| subtree_of(leaves, node))
}

/// Checks that `leaf` is leaf `index` of the tree `head`.
///
/// # Errors
/// [`ProofError`]; treat the leaf as not recorded.
///
/// Source: RFC 9162, 2.1.3.2.
pub fn verify_inclusion(leaf: &Hash, index: u64, head: &TreeHead, proof: &[Hash]) -> Result<(), ProofError> {
    if index >= head.size {
        return Err(ProofError::Index { index, size: head.size });
    }
    let mut path = Path { node: index, last: head.size - 1 };
    let mut root = *leaf;
    for sibling in proof {
        root = match path.climb(proof)? {
            Side::Left => node_hash(sibling, &root),
            Side::Right => node_hash(&root, sibling),
        };
    }
    path.finish(proof)?;
    if root == head.root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree `new` extends the tree `old`; every tree extends the empty one.
///
/// # Errors
/// [`ProofError`]; keep the old head, and keep both heads as evidence that the log has forked.
///
/// Source: RFC 9162, 2.1.4.2.
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> Result<(), ProofError> {
    if old.size > new.size {
        return Err(ProofError::Shrunk { old: old.size, new: new.size });
    }
    if old.size == 0 || old.size == new.size {
        let known = if old.size == 0 { empty_root() } else { new.root };
        return match proof {
            [] if old.root == known => Ok(()),
            [] => Err(ProofError::Root),
            _ => Err(ProofError::Length { hashes: proof.len() }),
        };
    }
    let shift = (old.size - 1).trailing_ones();
    let mut path = Path { node: (old.size - 1) >> shift, last: (new.size - 1) >> shift };
    let (start, rest) = if old.size.is_power_of_two() {
        (old.root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::Length { hashes: 0 })?;
        (*first, rest)
    };
    let (mut old_root, mut new_root) = (start, start);
    for sibling in rest {
        match path.climb(proof)? {
            Side::Left => {
                old_root = node_hash(sibling, &old_root);
                new_root = node_hash(sibling, &new_root);
            }
            Side::Right => new_root = node_hash(&new_root, sibling),
        }
    }
    path.finish(proof)?;
    if old_root == old.root && new_root == new.root { Ok(()) } else { Err(ProofError::Root) }
}

/// Where the checker stands on its way up: `fn` and `sn` of RFC 9162.
struct Path {
    node: u64,
    last: u64,
}

/// Side of the path on which the next sibling of a proof lies.
enum Side {
    Left,
    Right,
}

impl Path {
    fn climb(&mut self, proof: &[Hash]) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::Length { hashes: proof.len() });
        }
        let side = if self.node & 1 == 1 || self.node == self.last { Side::Left } else { Side::Right };
        if matches!(side, Side::Left) {
            // A right edge without siblings is promoted until it is somebody's right child.
            let promoted = self.node.trailing_zeros();
            self.node >>= promoted;
            self.last >>= promoted;
        }
        self.node >>= 1;
        self.last >>= 1;
        Ok(side)
    }

    fn finish(&self, proof: &[Hash]) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::Length { hashes: proof.len() }) }
    }
}

/// Gives the largest power of two below `size`, which is at least 2.
fn split_of(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Hashes the ranges found on the way down, the deepest first.
fn hashes_of<E>(ranges: Vec<(u64, u64)>, hash_at: &mut dyn FnMut(NodeId) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
    let hash_of = |(begin, end)| {
        let subtrees = cover(begin, end).into_iter().map(&mut *hash_at).collect::<Result<Vec<_>, E>>()?;
        let Some(hash) = fold(&subtrees) else { unreachable!("a sibling covers at least one leaf") };
        Ok(hash)
    };
    ranges.into_iter().rev().map(hash_of).collect()
}

fn subtree_of(leaves: &[Hash], node: NodeId) -> Result<Hash, ProofError> {
    let begin = usize::try_from(node.index << node.level).ok();
    let subtree = begin.and_then(|begin| leaves.get(begin..begin + (1 << node.level)));
    let Some(subtree) = subtree else { unreachable!("a proof asks only for nodes of its tree") };
    Ok(root_of(subtree))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::hash::leaf_hash;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;
    use sha2::Sha256;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    fn head(leaves: &[Hash]) -> TreeHead {
        TreeHead { size: leaves.len() as u64, root: root_of(leaves) }
    }

    fn bytes_of(proof: &[Hash]) -> Vec<u8> {
        proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    fn oracle(count: u64) -> MemoryBackedTree<Sha256, [u8; 8]> {
        let mut tree = MemoryBackedTree::new();
        (0..count).for_each(|number| tree.push(number.to_be_bytes()));
        tree
    }

    #[test]
    fn proofs_match_an_independent_tree() {
        for size in (1..34).chain([63, 64, 65, 129, 256, 299]) {
            let (leaves, oracle) = (leaves(size), oracle(size));
            for index in 0..size as usize {
                let proof = prove_inclusion_in(&leaves, index).unwrap();
                assert_eq!(bytes_of(&proof), oracle.prove_inclusion(index).as_bytes(), "leaf {index} of {size}");
                assert_eq!(verify_inclusion(&leaves[index], index as u64, &head(&leaves), &proof), Ok(()));
            }
            for old in 1..=size as usize {
                let proof = prove_consistency_in(&leaves, old).unwrap();
                let expected = oracle.prove_consistency(size as usize - old);
                assert_eq!(bytes_of(&proof), expected.as_bytes(), "{old} to {size}");
                assert_eq!(verify_consistency(&head(&leaves[..old]), &head(&leaves), &proof), Ok(()));
            }
        }
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let leaves = leaves(23);
        let (old, new) = (head(&leaves[..13]), head(&leaves));
        let inclusion = prove_inclusion_in(&leaves, 17).unwrap();
        let consistency = prove_consistency_in(&leaves, 13).unwrap();
        for (proof, holds) in [
            (&inclusion, &(|proof: &[Hash]| verify_inclusion(&leaves[17], 17, &new, proof)) as &dyn Fn(&[Hash]) -> _),
            (&consistency, &|proof: &[Hash]| verify_consistency(&old, &new, proof)),
        ] {
            assert_eq!(holds(proof), Ok(()));
            for at in 0..proof.len() * 32 {
                let mut bytes = bytes_of(proof);
                bytes[at] ^= 1 << (at % 8);
                let changed: Vec<Hash> = bytes.as_chunks::<32>().0.iter().map(|chunk| Hash::from(*chunk)).collect();
                assert_eq!(holds(&changed), Err(ProofError::Root), "byte {at}");
            }
            let longer = [proof.as_slice(), &[leaves[0]]].concat();
            assert_eq!(holds(&longer), Err(ProofError::Length { hashes: longer.len() }));
            assert!(holds(&proof[..proof.len() - 1]).is_err());
            assert!(holds(&proof[1..]).is_err());
        }
    }

    #[test]
    fn the_empty_and_the_equal_tree_need_an_empty_proof() {
        let leaves = leaves(5);
        let (empty, full) = (head(&[]), head(&leaves));
        assert_eq!(prove_consistency_in(&leaves, 0), Ok(vec![]));
        assert_eq!(verify_consistency(&empty, &full, &[]), Ok(()));
        assert_eq!(verify_consistency(&full, &full, &[]), Ok(()));
        let forged = TreeHead { size: 0, root: full.root };
        assert_eq!(verify_consistency(&forged, &full, &[]), Err(ProofError::Root));
        assert_eq!(verify_consistency(&empty, &full, &leaves[..1]), Err(ProofError::Length { hashes: 1 }));
        assert_eq!(verify_consistency(&full, &empty, &[]), Err(ProofError::Shrunk { old: 5, new: 0 }));
        assert_eq!(prove_inclusion_in(&leaves, 5), Err(ProofError::Index { index: 5, size: 5 }));
        assert_eq!(prove_consistency_in(&leaves, 6), Err(ProofError::Shrunk { old: 6, new: 5 }));
    }

    proptest! {
        #[test]
        fn a_proof_holds_for_its_leaf_alone(size in 1..600_u64, seed: prop::sample::Index, other: prop::sample::Index) {
            let leaves = leaves(size);
            let (index, other) = (seed.index(leaves.len()), other.index(leaves.len()));
            let proof = prove_inclusion_in(&leaves, index).unwrap();
            let verdict = verify_inclusion(&leaves[other], other as u64, &head(&leaves), &proof);
            prop_assert_eq!(verdict.is_ok(), index == other);
        }

        #[test]
        fn no_foreign_proof_panics(sizes: [u64; 3], hashes: Vec<[u8; 32]>) {
            let proof: Vec<Hash> = hashes.into_iter().map(Hash::from).collect();
            let heads = sizes.map(|size| TreeHead { size, root: Hash::from([7; 32]) });
            prop_assert!(verify_inclusion(&heads[0].root, sizes[0], &heads[1], &proof).is_err());
            prop_assert!(verify_consistency(&heads[1], &heads[2], &proof).is_err() || sizes[1] == sizes[2]);
        }
    }
}
