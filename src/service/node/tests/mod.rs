//! A node against a hub that keeps the rules of the chain, and breaks those of the network.

mod drafting;
mod outbox;
mod pipeline;
mod world;
