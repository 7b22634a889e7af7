//! Floor 3: outbound connections to other machines.

pub mod channel;
pub mod collector;
pub mod hub;
pub mod issuer;
