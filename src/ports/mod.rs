//! Floor 2: the few traits that have two implementers, in domain words.

pub mod clock;
pub mod hub;
pub mod index;
pub mod renderer;
pub mod trace;
