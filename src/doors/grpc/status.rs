//! Errors to gRPC statuses, with `google.rpc` details that name the field.

use std::collections::HashMap;

use tonic::{Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::domain::fault::{Fault, Faulty};
use crate::doors::auth::Permit;
use crate::doors::fault::{grpc_code, reason};
use crate::doors::shares::RETRY_AFTER;
use crate::service::hub::error::HubError;
use crate::wire::field::FieldError;

/// Turns an error of the hub into the status that its caller reads.
///
/// Our own faults are logged here, once, and told without detail.
pub fn refuse(error: HubError) -> Status {
    match &error {
        HubError::Field(field) => bad_field(field),
        // Codes that gRPC keeps for exactly this.
        HubError::Mismatch => told(tonic::Code::DataLoss, Fault::Broken, error.to_string()),
        _ => of(&error),
    }
}

/// Turns any error of the house into a status.
pub fn of(error: &impl Faulty) -> Status {
    let fault = error.fault();
    let text = match fault {
        Fault::Broken => {
            tracing::error!(%error, "a call failed");
            "the server failed and has noted why; sending it again will not help".to_owned()
        }
        _ => error.to_string(),
    };
    told(grpc_code(fault), fault, text)
}

/// Turns an error in a field into `INVALID_ARGUMENT` that names the field.
pub fn bad_field(error: &FieldError) -> Status {
    let mut details = ErrorDetails::with_error_info(reason(Fault::BadInput), DOMAIN, HashMap::new());
    details.add_bad_request_violation(&error.field, error.problem.to_string());
    Status::with_error_details(tonic::Code::InvalidArgument, error.to_string(), details)
}

/// Takes the proof that the caller may call, which the gate has put there.
///
/// # Errors
/// `UNAUTHENTICATED` when there is none: the service was mounted without its gate.
pub fn permit<T>(request: &Request<T>) -> Result<Permit, Status> {
    request.extensions().get::<Permit>().cloned().ok_or_else(|| Status::unauthenticated("no client certificate"))
}

fn told(code: tonic::Code, fault: Fault, text: String) -> Status {
    let mut details = ErrorDetails::with_error_info(reason(fault), DOMAIN, HashMap::new());
    if fault == Fault::Limited {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code, text, details)
}

const DOMAIN: &str = "concord";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::field::Problem;

    #[test]
    fn a_wrong_field_is_named_in_the_details() {
        let status = refuse(FieldError::new("lines[0].codes", Problem::Missing).into());
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let details = status.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!((violation.field.as_str(), violation.description.as_str()), ("lines[0].codes", "is missing"));
        assert_eq!(details.error_info().unwrap().reason, "BAD_INPUT");
    }

    #[test]
    fn whoever_asks_too_much_is_told_when_to_ask_again() {
        let status = refuse(HubError::Limited);
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(status.get_error_details().retry_info().unwrap().retry_delay, Some(RETRY_AFTER));
    }

    #[test]
    fn our_own_faults_are_told_without_detail() {
        let status = refuse(HubError::Projection(crate::store::projection::ProjectionError::Damaged));
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(!status.message().contains("checksum"));
    }
}
