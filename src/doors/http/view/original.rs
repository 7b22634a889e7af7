//! An original as a response. Whatever a hospital sent, a browser never takes it for a page of this door.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

/// Gives an original as a file to keep, or to be shown in the page where its kind allows it.
pub fn response(bytes: Bytes, media_type: &str, digest: &[u8], shown: bool) -> Response {
    let kind = Kind::of(media_type, &bytes);
    let shown = shown && matches!(kind, Kind::Pdf | Kind::Text(_));
    let (content_type, ending) = match kind {
        Kind::Pdf => ("application/pdf", "pdf"),
        Kind::Text(content_type) => (content_type, "txt"),
        Kind::Message => ("x-application/hl7-v2+er7", "hl7"),
        Kind::Instance => ("application/dicom", "dcm"),
        Kind::Other => ("application/octet-stream", "bin"),
    };
    let policy = if shown && kind == Kind::Pdf { SHOWN_PDF } else { SANDBOXED };
    let name = hex::encode(digest).chars().take(NAME_DIGITS).collect::<String>();
    let disposition = if shown { "inline" } else { "attachment" };
    let disposition = format!("{disposition}; filename=\"concord-{name}.{ending}\"");
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    HeaderValue::try_from(disposition).ok().and_then(|value| headers.insert(header::CONTENT_DISPOSITION, value));
    response
}

/// What an original may be shown as, by its media type and its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pdf,
    /// With its content type.
    Text(&'static str),
    Message,
    Instance,
    Other,
}

impl Kind {
    fn of(media_type: &str, bytes: &[u8]) -> Self {
        let bare = media_type.split(';').next().unwrap_or_default().trim();
        match bare {
            "application/pdf" if bytes.starts_with(b"%PDF-") => Self::Pdf,
            "text/plain" if std::str::from_utf8(bytes).is_ok() => Self::Text("text/plain; charset=utf-8"),
            // What is no UTF-8 comes from systems that write GB 18030.
            "text/plain" => Self::Text("text/plain; charset=gb18030"),
            "x-application/hl7-v2+er7" => Self::Message,
            "application/dicom" => Self::Instance,
            _ => Self::Other,
        }
    }
}

/// Scripts, forms, plug-ins and the door's origin are out of reach.
const SANDBOXED: &str = "sandbox; default-src 'none'; frame-ancestors 'self'";
/// A browser's PDF viewer does not run in a sandbox; it has one of its own, and runs nothing in this door's name.
const SHOWN_PDF: &str = "frame-ancestors 'self'; base-uri 'none'; form-action 'none'";
const NAME_DIGITS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(media_type: &str, bytes: &'static [u8], shown: bool) -> (String, String, bool) {
        let response = response(Bytes::from_static(bytes), media_type, &[0xab; 32], shown);
        let text = |name: HeaderName| response.headers()[name].to_str().unwrap().to_owned();
        let sandboxed = text(header::CONTENT_SECURITY_POLICY).starts_with("sandbox");
        (text(header::CONTENT_TYPE), text(header::CONTENT_DISPOSITION), sandboxed)
    }

    #[test]
    fn an_original_is_shown_as_what_it_is_or_kept_as_a_file() {
        let file = |ending: &str| format!("attachment; filename=\"concord-abababababab.{ending}\"");
        let message = told("x-application/hl7-v2+er7", b"MSH|", true);
        assert_eq!(message, ("x-application/hl7-v2+er7".to_owned(), file("hl7"), true));
        let pdf = told("application/pdf", b"%PDF-1.4", true);
        assert!(pdf.0 == "application/pdf" && pdf.1.starts_with("inline") && !pdf.2, "{pdf:?}");
        assert_eq!(told("application/pdf", b"%PDF-1.4", false).1, file("pdf"));
        assert_eq!(told("text/plain", "钾".as_bytes(), true).0, "text/plain; charset=utf-8");
        assert_eq!(told("text/plain", &[0xbc, 0xd8], true).0, "text/plain; charset=gb18030");
    }

    #[test]
    fn nothing_that_was_sent_becomes_a_page() {
        for media_type in ["text/html", "image/svg+xml", "application/xhtml+xml", "application/pdf", "text/xml; x", ""]
        {
            let (content_type, disposition, sandboxed) = told(media_type, b"<script>alert(1)</script>", true);
            assert_eq!(content_type, "application/octet-stream", "{media_type}");
            assert!(disposition.starts_with("attachment") && sandboxed, "{media_type}");
        }
    }
}
