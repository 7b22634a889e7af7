//! The hub: takes signed batches, judges, prompts, and brings originals.

pub mod grant;
pub mod pseudonym;
