//! Floor 1: the field's own words and rules. No IO, no clock, no randomness, no locks, no async, no serde, no prost.

pub mod adcode;
pub mod entry;
pub mod fault;
pub mod id;
pub mod identifier;
pub mod imaging;
pub mod item;
pub mod limits;
pub mod log;
pub mod organisation;
pub mod person;
pub mod phi;
pub mod specimen;
pub mod time;
pub mod value;
