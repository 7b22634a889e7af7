//! Floor 4: what the hub and the node do, without protocols.

pub mod hub;
pub mod node;
