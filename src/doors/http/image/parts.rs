//! Answers in one part, or in the parts of a `multipart/related`.
//!
//! Source: RFC 2387; DICOM PS3.18, 8.6.1.2.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::sys::random;

/// Answers with one thing.
pub(super) fn single(content_type: &str, bytes: Bytes) -> Response {
    with_headers(Body::from(bytes), content_type, None)
}

/// Answers with one thing that a browser saves under a name.
pub(super) fn saved(content_type: &str, bytes: Bytes, name: &str) -> Response {
    with_headers(Body::from(bytes), content_type, Some(format!("attachment; filename=\"{name}\"")))
}

/// Answers with parts that are all of one type; `media` is the type without its parameters.
pub(super) fn multipart(media: &str, content_type: &str, parts: Vec<Bytes>) -> Response {
    let boundary = hex::encode(random::bytes::<16>());
    let mut pieces = Vec::with_capacity(parts.len() * 3 + 1);
    for part in parts {
        let length = part.len();
        let head = format!("--{boundary}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
        pieces.extend([Bytes::from(head), part, Bytes::from_static(b"\r\n")]);
    }
    pieces.push(Bytes::from(format!("--{boundary}--\r\n")));
    let body = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::convert::Infallible>));
    with_headers(Body::from_stream(body), &format!("multipart/related; type=\"{media}\"; boundary={boundary}"), None)
}

fn with_headers(body: Body, content_type: &str, disposition: Option<String>) -> Response {
    let mut response = body.into_response();
    let mut set = |name: HeaderName, value: &str| match HeaderValue::try_from(value) {
        Ok(value) => {
            response.headers_mut().insert(name, value);
        }
        // No type of ours has signs that a header refuses.
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    };
    set(header::CONTENT_TYPE, content_type);
    if let Some(disposition) = disposition {
        set(header::CONTENT_DISPOSITION, &disposition);
    }
    response
}
