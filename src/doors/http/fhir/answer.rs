//! Resources and refusals as HTTP answers.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Pseudonym;
use crate::domain::time::Moment;
use crate::doors::fault::{http_status, issue_code};
use crate::doors::http::answer::Problem;
use crate::service::hub::error::HubError;
use crate::wire::fhir::Json;
use crate::wire::fhir::outcome::operation_outcome;
use crate::wire::fhir::search::SearchError;
use crate::wire::field::FieldError;

/// Why a request is not served, as an OperationOutcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    text: String,
    about: Option<Pseudonym>,
}

impl Refusal {
    /// Makes a refusal with a code of the table `issue-type`; the text holds nothing of the request's values.
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into(), about: None }
    }

    /// Makes a refusal for whoever's fault it is.
    pub fn of(fault: Fault, text: &str) -> Self {
        let problem = Problem::new(fault, text);
        Self::new(http_status(fault), issue_code(fault), problem.text)
    }

    /// Nothing is here, or nothing that the reader may see: the two are not told apart.
    pub fn missing() -> Self {
        Self::of(Fault::Missing, "no such resource, or none that this caller may read")
    }

    /// Names the patient of whom something was refused: that is recorded, and not told.
    pub fn about(self, patient: Pseudonym) -> Self {
        Self { about: Some(patient), ..self }
    }

    /// Gives the patient of whom something was refused.
    pub fn patient(&self) -> Option<Pseudonym> {
        self.about
    }

    /// It was here, and its publisher took it out of use.
    pub fn gone() -> Self {
        Self::new(StatusCode::GONE, "deleted", "the publisher has withdrawn it; do not rely on earlier versions")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &operation_outcome(self.code, &self.text));
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<HubError> for Refusal {
    fn from(error: HubError) -> Self {
        Self::from(Problem::of(&error))
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::from(Problem::of(&error))
    }
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Self {
        let code = match error {
            SearchError::Unknown(_) | SearchError::Modifier(_) => "not-supported",
            SearchError::TooLong | SearchError::Form(..) => "invalid",
        };
        Self::new(http_status(error.fault()), code, error.to_string())
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::new(http_status(problem.fault), issue_code(problem.fault), problem.text)
    }
}

/// Answers with a resource.
pub fn json(status: StatusCode, resource: &Json) -> Response {
    let mut response = (status, resource.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    response
}

/// Answers with a version of a resource, or says that the caller has it already.
pub fn versioned(resource: &Json, version: &str, updated: Option<Moment>, asked: &HeaderMap) -> Response {
    let tag = format!("W/\"{version}\"");
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).any(|one| matches(one.trim(), version));
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { json(StatusCode::OK, resource) };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(updated) = updated.and_then(http_date) {
        headers.insert(header::LAST_MODIFIED, updated);
    }
    response
}

/// Compares weakly. Source: RFC 9110, 13.1.2.
fn matches(tag: &str, version: &str) -> bool {
    let bare = tag.strip_prefix("W/").unwrap_or(tag);
    tag == "*" || bare.strip_prefix('"').and_then(|bare| bare.strip_suffix('"')) == Some(version)
}

/// Writes an instant as HTTP does. Source: RFC 9110, 5.6.7.
fn http_date(moment: Moment) -> Option<HeaderValue> {
    let form = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = time::OffsetDateTime::from_unix_timestamp(moment.unix_ms().div_euclid(1_000)).ok()?;
    HeaderValue::from_str(&at.format(form).ok()?).ok()
}
