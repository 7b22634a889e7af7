//! Proofs: the only proof that convinces is the one the tree gives.
#![no_main]

use concord::merkle::hash::{Hash, leaf_hash};
use concord::merkle::proof::{
    TreeHead, prove_consistency_in, prove_inclusion_in, verify_consistency, verify_inclusion,
};
use concord::merkle::tree::root_of;

libfuzzer_sys::fuzz_target!(|input: (u8, u8, Vec<u8>, Vec<[u8; 32]>)| {
    let (size, index, picks, forged) = input;
    let leaves: Vec<Hash> = (0..size % 64 + 1).map(|leaf| leaf_hash(&[leaf])).collect();
    let index = usize::from(index) % leaves.len();
    let mut known = prove_inclusion_in(&leaves, index).unwrap();
    known.extend(prove_consistency_in(&leaves, index).unwrap());
    known.extend(forged.into_iter().map(Hash::from));
    let proof: Vec<Hash> = picks.iter().filter_map(|pick| known.get(usize::from(*pick)).copied()).collect();
    let head = |size: usize| TreeHead { size: size as u64, root: root_of(&leaves[..size]) };
    if verify_inclusion(&leaves[index], index as u64, &head(leaves.len()), &proof).is_ok() {
        assert_eq!(proof, prove_inclusion_in(&leaves, index).unwrap());
    }
    if verify_consistency(&head(index), &head(leaves.len()), &proof).is_ok() {
        assert_eq!(proof, prove_consistency_in(&leaves, index).unwrap());
    }
});
