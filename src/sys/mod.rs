//! Floor 3: the clock, randomness and files of the machine.

pub mod clock;
pub mod files;
pub mod random;
