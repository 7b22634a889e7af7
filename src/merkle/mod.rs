//! Floor 2: the RFC 6962 tree, its proofs, tiles and signed checkpoints, as pure functions over bytes.
