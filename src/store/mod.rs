//! Floor 3: what is kept on disk: the journal, the originals, and the engines' projections. Only this floor names an engine.

pub mod files;
pub mod hub;
pub mod index;
pub mod journal;
pub mod node;
pub mod originals;
mod packing;
pub mod projection;
pub mod seen;
pub mod sum;
pub mod tiles;
