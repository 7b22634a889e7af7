//! Concord: a cross-hospital exchange for the mutual recognition of exam and lab results.
//!
//! The modules are floors; a file names only lower floors, and neighbours on one floor do not know each other
//! (`tests/tidy.rs` fails otherwise):
//!
//! `domain` · `ports` `merkle` `wire` · `store` `pki` `peer` `sys` · `service` · `doors` · `app` · the binary.
//!
//! `ARCHITECTURE.md` walks a report from the laboratory to the hub, and an order from the doctor to the prompt.

pub mod app;
pub mod domain;
pub mod doors;
pub mod merkle;
pub mod peer;
pub mod pki;
pub mod ports;
pub mod service;
pub mod store;
pub mod sys;
pub mod wire;
