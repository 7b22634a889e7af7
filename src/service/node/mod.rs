//! The node: from an acknowledged message or image to a receipted batch at the hub. Doors and channels are elsewhere.

pub mod error;
pub mod ledger;
pub mod names;
pub mod report;
pub mod sheet;
pub mod terms;
