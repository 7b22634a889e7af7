//! The parts of the package's index that any engine keeps: how a row lies, and what waits in memory.

#[path = "../../../src/store/index/fresh.rs"]
pub mod fresh;
#[path = "../../../src/store/index/layout.rs"]
pub mod layout;
