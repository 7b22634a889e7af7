//! Floor 6: processes and commands: configuration, wiring, the demo.

pub mod ca;
mod ca_folder;
pub mod credentials;
