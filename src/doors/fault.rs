//! Turns a [`Fault`] into the codes of each protocol; nowhere else is that decided.

use crate::domain::fault::Fault;
use crate::wire::dicom::command::Status;
use crate::wire::hl7::ack::AckCode;

/// Gives the gRPC status code. Source: gRPC status codes, `google.rpc.Code`.
pub fn grpc_code(fault: Fault) -> tonic::Code {
    match fault {
        Fault::BadInput => tonic::Code::InvalidArgument,
        Fault::Unproven => tonic::Code::Unauthenticated,
        Fault::Denied => tonic::Code::PermissionDenied,
        Fault::Missing => tonic::Code::NotFound,
        Fault::Conflict => tonic::Code::FailedPrecondition,
        Fault::Limited => tonic::Code::ResourceExhausted,
        Fault::Broken => tonic::Code::Internal,
        Fault::Busy => tonic::Code::Unavailable,
    }
}

/// Gives the HTTP status. Source: RFC 9110, section 15.
pub fn http_status(fault: Fault) -> http::StatusCode {
    match fault {
        Fault::BadInput => http::StatusCode::BAD_REQUEST,
        Fault::Unproven => http::StatusCode::UNAUTHORIZED,
        Fault::Denied => http::StatusCode::FORBIDDEN,
        Fault::Missing => http::StatusCode::NOT_FOUND,
        Fault::Conflict => http::StatusCode::CONFLICT,
        Fault::Limited => http::StatusCode::TOO_MANY_REQUESTS,
        Fault::Broken => http::StatusCode::INTERNAL_SERVER_ERROR,
        Fault::Busy => http::StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Gives the name of a fault for machines, as `ErrorInfo.reason` carries it.
pub fn reason(fault: Fault) -> &'static str {
    match fault {
        Fault::BadInput => "BAD_INPUT",
        Fault::Unproven => "UNPROVEN",
        Fault::Denied => "DENIED",
        Fault::Missing => "MISSING",
        Fault::Conflict => "CONFLICT",
        Fault::Limited => "LIMITED",
        Fault::Broken => "BROKEN",
        Fault::Busy => "BUSY",
    }
}

/// Gives the code of an issue of an OperationOutcome. Source: FHIR R4, code system `issue-type`.
pub fn issue_code(fault: Fault) -> &'static str {
    match fault {
        Fault::BadInput => "invalid",
        Fault::Unproven => "login",
        Fault::Denied => "forbidden",
        Fault::Missing => "not-found",
        Fault::Conflict => "conflict",
        Fault::Limited => "throttled",
        Fault::Broken => "exception",
        Fault::Busy => "transient",
    }
}

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

/// Gives the HL7 acknowledgement code: AE where the sender may correct the message or send it again, AR where neither
/// will help. Source: HL7 v2.5.1, 2.9.2.2, table 0008.
pub fn ack_code(fault: Fault) -> AckCode {
    match fault {
        Fault::BadInput | Fault::Missing | Fault::Conflict => AckCode::Error,
        Fault::Limited | Fault::Broken | Fault::Busy => AckCode::Error,
        Fault::Unproven | Fault::Denied => AckCode::Reject,
    }
}

/// Gives the text of MSA-3 where nothing more exact is known; it says what to do next.
pub fn ack_text(fault: Fault) -> &'static str {
    match fault {
        Fault::BadInput => "message cannot be taken; correct it",
        Fault::Unproven => "sender is not known",
        Fault::Denied => "sender may not send this",
        Fault::Missing => "message refers to something unknown; correct it",
        Fault::Conflict => "message contradicts what is recorded; correct it",
        Fault::Limited => "too many messages; send again later",
        Fault::Broken => "not stored; send again",
        Fault::Busy => "not stored; send again later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_succeed_is_rejected() {
        let table = [
            (Fault::BadInput, "AE"),
            (Fault::Unproven, "AR"),
            (Fault::Denied, "AR"),
            (Fault::Missing, "AE"),
            (Fault::Conflict, "AE"),
            (Fault::Limited, "AE"),
            (Fault::Broken, "AE"),
            (Fault::Busy, "AE"),
        ];
        for (fault, code) in table {
            assert_eq!(ack_code(fault).as_str(), code, "{fault:?}");
        }
    }
}
