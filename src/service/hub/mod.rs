//! The hub: takes signed batches, judges, prompts, and brings originals.

pub mod error;
pub mod fold;
pub mod grant;
pub mod ledger;
pub mod projector;
pub mod pseudonym;
pub mod registry;
