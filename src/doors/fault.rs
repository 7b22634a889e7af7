//! Turns a [`Fault`] into the codes of each protocol; nowhere else is that decided.

use crate::domain::fault::Fault;
use crate::wire::dicom::command::Status;

/// Gives the status of a DIMSE response.
///
/// Source: DICOM PS3.4, B.2.3 and PS3.7, annex C.
pub fn dimse_status(fault: Fault) -> Status {
    match fault {
        Fault::BadInput => Status::CANNOT_UNDERSTAND,
        Fault::Unproven | Fault::Denied => Status::NOT_AUTHORISED,
        Fault::Missing => Status::INVALID_INSTANCE,
        Fault::Conflict => Status::DUPLICATE_INSTANCE,
        Fault::Limited | Fault::Busy => Status::OUT_OF_RESOURCES,
        Fault::Broken => Status::PROCESSING_FAILURE,
    }
}
