//! Refusals over HTTP, as RFC 9457 problem documents; FHIR and CDS Hooks have forms of their own.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::fault::{Fault, Faulty};
use crate::doors::fault::{http_status, reason};
use crate::doors::shares::RETRY_AFTER;

/// Why a request is not served, as its caller reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whose fault it is.
    pub fault: Fault,
    /// What to do about it; never content of the request.
    pub text: String,
}

impl Problem {
    /// Makes a problem. Who is not known, and who meets our own fault, is told no detail, whatever `text` says.
    pub fn new(fault: Fault, text: impl Into<String>) -> Self {
        let text = match fault {
            Fault::Unproven => "prove who you are".to_owned(),
            Fault::Broken => "the server failed and has noted why; sending it again will not help".to_owned(),
            Fault::BadInput | Fault::Denied | Fault::Missing | Fault::Conflict | Fault::Limited | Fault::Busy => {
                text.into()
            }
        };
        Self { fault, text }
    }

    /// Turns an error of the house into a problem; our own faults are logged here, once.
    pub fn of(error: &impl Faulty) -> Self {
        if error.fault() == Fault::Broken {
            tracing::error!(%error, "a request failed");
        }
        Self::new(error.fault(), error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = http_status(self.fault);
        let body = json!({ "status": status.as_u16(), "title": reason(self.fault), "detail": self.text });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.fault == Fault::Limited {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
        }
        if self.fault == Fault::Unproven {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
