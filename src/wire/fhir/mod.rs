//! FHIR R4 (4.0.1) as JSON: our values written as resources, and searches read. What may be shown to whom is decided
//! elsewhere; nothing here knows a name or number of a patient, only the region's pseudonym.

pub mod audit;
pub mod basic;
pub mod bundle;
pub mod capability;
pub mod consent;
pub mod document;
pub mod element;
pub mod imaging;
pub mod json;
pub mod observation;
pub mod outcome;
pub mod people;
pub mod provenance;
pub mod report;
pub mod request;
pub mod search;
#[cfg(test)]
mod tests;
pub mod told;
pub mod when;

pub use self::bundle::bundle_of;
pub use self::element::Context;
pub use self::json::Json;
pub use self::told::Told;
