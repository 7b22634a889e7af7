//! A node against a hub that keeps the rules of the chain, and breaks those of the network.

mod drafting;
mod forward;
mod links;
mod outbox;
mod pairs;
mod pipeline;
mod recalls;
mod withdrawals;
mod witness;
pub(crate) mod world;
