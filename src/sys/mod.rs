//! Floor 3: the clock, randomness, files and figures of the machine.

pub mod allocator;
pub mod clock;
pub mod files;
pub mod machine;
pub mod meter;
pub mod random;
