//! The common look of the pages that doctors and patients open: one frame, one style, and a policy under which a browser
//! loads and runs nothing that is not in the binary. What a page says stands in its own door.

pub mod assets;
pub mod facts;
pub mod shown;
#[cfg(test)]
pub mod testing;
pub mod texts;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::domain::fault::Fault;
use crate::doors::fault::http_status;
use crate::doors::http::pages::texts::Text;
use crate::service::exchange::Refused;
use crate::wire::pb::Language;

/// What stands around the content of a page.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// Title in the window's bar and over the content; never data of a patient.
    pub title: &'a str,
    /// Language of the page.
    pub language: Language,
    /// Names of its scripts among the assets.
    pub scripts: &'a [&'a str],
    /// Who may show the page in a frame.
    pub framing: Framing,
}

/// Who may show a page in a frame of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// Nobody.
    Nobody,
    /// Pages of this door alone.
    Own,
    /// Pages of one origin, as `https://emr.example.cn`; it must have been checked to be one.
    Origin(String),
}

impl Page<'_> {
    /// Gives the whole page as a response.
    pub fn answer(&self, status: StatusCode, content: Markup) -> Response {
        let mut response = (status, Html(self.layout(content).into_string())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.framing.policy());
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(tag(self.language)));
        headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
        if self.framing == Framing::Nobody {
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        }
        response
    }

    /// Writes the whole page around its content.
    pub fn layout(&self, content: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(tag(self.language)) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.title) " · Concord" }
                    link rel="stylesheet" href=(assets::path("pages.css"));
                    link rel="icon" href=(assets::path("icon.svg")) type="image/svg+xml";
                    @for script in self.scripts {
                        script src=(assets::path(script)) defer {}
                    }
                }
                body {
                    header class="bar" {
                        span class="brand" { "Concord" }
                        h1 { (self.title) }
                        span class="service" { (texts::SERVICE.to(self.language)) }
                    }
                    main { (content) }
                }
            }
        }
    }
}

/// Says on a page of its own why there is nothing else to show, with the status that programs read.
pub fn notice(language: Language, fault: Fault, title: Text, advice: &str) -> Response {
    plain_notice(language, http_status(fault), title, advice)
}

/// As [`notice`], with a status that no fault has, as 410.
pub fn plain_notice(language: Language, status: StatusCode, title: Text, advice: &str) -> Response {
    let page = Page { title: title.to(language), language, scripts: &[], framing: Framing::Nobody };
    page.answer(status, html! { section class="notice" { h2 { (page.title) } p { (advice) } } })
}

/// Shows a refusal to a person; our own faults are logged here, once.
pub fn refused(language: Language, refused: &Refused) -> Response {
    if refused.fault == Fault::Broken {
        tracing::error!(error = %refused, "a page failed");
    }
    let (title, advice) = texts::of_fault(refused.fault);
    notice(language, refused.fault, title, advice.to(language))
}

/// Gives the tag of a language as HTML writes it.
pub fn tag(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::Zh | Language::Unspecified => "zh-CN",
    }
}

/// Reads the language that a browser prefers; Chinese unless it asks for English first.
pub fn preferred(headers: &axum::http::HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.trim_start().to_ascii_lowercase().starts_with("en") { Language::En } else { Language::Zh }
}

impl Framing {
    fn policy(&self) -> HeaderValue {
        let ancestors = match self {
            Self::Nobody => "'none'",
            Self::Own => "'self'",
            Self::Origin(origin) => origin,
        };
        let strictest = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        HeaderValue::try_from(format!("{POLICY}; frame-ancestors {ancestors}")).unwrap_or(strictest)
    }
}

/// Source: Content Security Policy Level 3.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    frame-src 'self'; object-src 'self'; form-action 'self'; base-uri 'none'";
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_runs_nothing_from_outside_and_is_framed_by_one_origin_alone() {
        let origin = Framing::Origin("https://emr.example.cn".to_owned());
        for (framing, ancestors) in
            [(Framing::Nobody, "'none'"), (Framing::Own, "'self'"), (origin, "https://emr.example.cn")]
        {
            let page = Page { title: "t", language: Language::En, scripts: &[], framing };
            let response = page.answer(StatusCode::OK, html! {});
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{policy}");
            assert!(policy.ends_with(&format!("frame-ancestors {ancestors}")), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }

    #[test]
    fn a_page_escapes_its_content_and_says_its_language() {
        let page = Page { title: "<b>", language: Language::Zh, scripts: &["pages.css"], framing: Framing::Nobody };
        let written = page.layout(html! { p { "<script>alert(1)</script>" } }).into_string();
        assert!(written.contains("<html lang=\"zh-CN\">"), "{written}");
        assert!(written.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !written.contains("<b>"), "{written}");
    }
}
