//! Errors as OperationOutcomes.

use crate::wire::fhir::json::{Json, array, object};

/// Writes an error: the code of FHIR's table `issue-type`, and a text that holds nothing of the request.
pub fn operation_outcome(code: &str, text: &str) -> Json {
    let issue = object([("severity", "error".into()), ("code", code.into()), ("diagnostics", text.into())]);
    object([("resourceType", "OperationOutcome".into()), ("issue", array([issue]))])
}
