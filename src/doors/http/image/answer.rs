//! Why nothing is given, as problem documents. A picture that is not decoded here is no fault of the request: it is
//! answered 406, with the name of the transfer syntax and the advice to take the original.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::picture::Undrawn;
use crate::doors::fault::http_status;
use crate::doors::http::answer::Problem;
use crate::service::imaging::Unseen;
use crate::wire::pb::Language;

/// Why a request for an image is not answered with one.
#[derive(Debug)]
pub(super) struct NotGiven {
    status: StatusCode,
    title: &'static str,
    text: String,
}

impl NotGiven {
    /// Says why, in a language; our own faults are logged here, once.
    pub fn of(unseen: impl Into<Unseen>, language: Language) -> Self {
        let unseen = unseen.into();
        let (status, title) = match &unseen {
            Unseen::Undrawn { reason, .. } => undrawn_status(*reason),
            Unseen::Refused(refused) => (http_status(refused.fault), crate::doors::fault::reason(refused.fault)),
        };
        if unseen.fault() == Fault::Broken {
            tracing::error!(error = %unseen, "an image was not given");
        }
        Self { status, title, text: words(&unseen, language) }
    }

    /// Says that there is nothing of that name.
    pub fn missing(text: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, title: "MISSING", text: text.to_owned() }
    }

    /// Says that the request makes no sense.
    pub fn wrong(text: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "BAD_INPUT", text: text.to_owned() }
    }

    /// Says that it is not to be had in any form that the caller takes.
    pub fn unacceptable(text: &str) -> Self {
        Self { status: StatusCode::NOT_ACCEPTABLE, title: "NOT_ACCEPTABLE", text: text.to_owned() }
    }
}

/// Gives the reason in words.
pub(super) fn words(unseen: &Unseen, language: Language) -> String {
    match unseen {
        Unseen::Refused(refused) => Problem::new(refused.fault, refused.text.clone()).text,
        Unseen::Undrawn { reason, syntax } => {
            let text = reason.text(syntax);
            if language == Language::En { text.en } else { text.zh }
        }
    }
}

fn undrawn_status(reason: Undrawn) -> (StatusCode, &'static str) {
    match reason {
        Undrawn::NoPicture => (StatusCode::NOT_ACCEPTABLE, "NO_PICTURE"),
        Undrawn::Unsupported => (StatusCode::NOT_ACCEPTABLE, "NOT_DECODED"),
        Undrawn::Damaged => (StatusCode::NOT_ACCEPTABLE, "DAMAGED"),
        Undrawn::TooLarge => (StatusCode::NOT_ACCEPTABLE, "TOO_LARGE"),
        Undrawn::NoFrame => (StatusCode::NOT_FOUND, "NO_FRAME"),
        Undrawn::Late => (StatusCode::SERVICE_UNAVAILABLE, "LATE"),
        Undrawn::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "BROKEN"),
    }
}

impl IntoResponse for NotGiven {
    fn into_response(self) -> Response {
        let body = json!({ "status": self.status.as_u16(), "title": self.title, "detail": self.text });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
