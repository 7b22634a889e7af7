//! Floor 6: processes and commands: configuration, wiring, the demo.

pub mod backup;
pub mod bench;
pub mod ca;
mod ca_folder;
pub mod client;
pub mod clients;
pub mod credentials;
pub mod demo;
pub mod eqa;
pub mod fetch;
pub mod follow_up;
pub mod https;
pub mod hub;
pub mod map;
pub mod node;
pub mod operations;
pub mod order;
pub mod probe;
pub mod process;
pub mod rebuild;
pub mod render;
pub mod renderer;
pub mod sample;
pub mod settings;
pub mod stats;
pub mod verify;
