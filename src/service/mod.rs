//! Floor 4: what the hub and the node do, without protocols.

pub mod capability;
pub mod exchange;
pub mod hub;
pub mod imaging;
pub mod kept;
pub mod node;
pub mod viewing;
