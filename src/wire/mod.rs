//! Floor 2: outside formats to values and back, as pure functions over bytes: HL7 v2, DICOM, protobuf, CSV.

pub mod accuracy;
pub mod batch;
pub mod cds;
pub mod consent;
mod csv_lines;
pub mod day;
pub mod dicom;
pub mod entry;
pub mod eqa;
pub mod fhir;
pub mod field;
pub mod finding;
pub mod follow_up;
pub mod hl7;
pub mod known_as;
pub mod orders;
pub mod organisations;
pub mod oversight;
pub mod patient;
pub mod pb;
pub mod person;
pub mod record;
pub mod region;
pub mod regional;
pub mod shl;
pub mod statement;
pub mod ticket;
