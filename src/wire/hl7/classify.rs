//! Which message types are taken. Must not look beyond the header, but for the one rule that comes before all types.
//!
//! Source: HL7 v2.5.1, 7.3.1 (ORU^R01), 7.3.7 to 7.3.10 (OUL^R21 to R24), tables 0076 and 0003.

use super::error::{Hl7Error, Place, Problem};
use super::header::Header;
use super::message::Message;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Results by order: ORU^R01, R30, R31 and R32.
    #[default]
    Orders,
    /// Results by specimen, container or order: OUL^R21 to R24.
    Specimens,
    /// An answer to something we sent; an answer is never answered.
    Acknowledgement,
}

/// Says what a message is for. MSH-11 and MSH-12 are not judged: any version is read as the nearest known.
///
/// # Errors
/// [`Problem::TypeUnsupported`] and [`Problem::EventUnsupported`] at MSH-9 (answer AR), otherwise AE: an empty MSH-9 or
/// MSH-10, and observations that belong to no patient, which are wrong in a message of any type.
pub fn classify(message: &Message) -> Result<Kind, Hl7Error> {
    let header = message.header();
    if is_acknowledgement(header) {
        return Ok(Kind::Acknowledgement);
    }
    if message.segment("OBX").is_some() && message.segment("PID").is_none() {
        return Err(Hl7Error::new(Place::field("PID", 1, 3), Problem::RequiredMissing));
    }
    let kind = match (header.component(9, 1), header.component(9, 2)) {
        ("", _) => return Err(Hl7Error::new(Place::header(9), Problem::RequiredMissing)),
        ("ORU", "" | "R01" | "R30" | "R31" | "R32") => Kind::Orders,
        ("OUL", "R21" | "R22" | "R23" | "R24") => Kind::Specimens,
        ("ORU" | "OUL", _) => return Err(Hl7Error::new(Place::header(9).component(2), Problem::EventUnsupported)),
        _ => return Err(Hl7Error::new(Place::header(9).component(1), Problem::TypeUnsupported)),
    };
    match header.control_id().len() {
        0 => Err(Hl7Error::new(Place::header(10), Problem::RequiredMissing)),
        length if length > CONTROL_ID_BYTES_MAX => {
            Err(Hl7Error::new(Place::header(10), Problem::TooLong { bytes_max: CONTROL_ID_BYTES_MAX }))
        }
        _ => Ok(kind),
    }
}

/// Says whether a message is an acknowledgement, by its header alone.
pub fn is_acknowledgement(header: &Header) -> bool {
    matches!(header.component(9, 1), "ACK" | "MCF")
}

/// Longest control id taken, in bytes. Source: HL7 v2.7, MSH-10.
const CONTROL_ID_BYTES_MAX: usize = 199;
