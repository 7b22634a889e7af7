//! Floor 1: the field's own words and rules. No IO, no clock, no randomness, no locks, no async, no serde, no prost.

pub mod fault;
pub mod limits;
pub mod phi;
pub mod time;
