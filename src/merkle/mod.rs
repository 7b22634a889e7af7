//! Floor 2: the RFC 6962 tree, its proofs, tiles and signed checkpoints, as pure functions over bytes.
//!
//! Formats follow C2SP `tlog-tiles`, `tlog-checkpoint` and `signed-note`, so that foreign tools and witnesses can read
//! and check what a hub publishes.

pub mod checkpoint;
pub mod hash;
pub mod log_proof;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tree;
