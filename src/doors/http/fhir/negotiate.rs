//! What the answer is written in, and how strictly a search is read: headers and `_format`.

use axum::http::{HeaderMap, StatusCode, header};

use crate::doors::http::fhir::answer::Refusal;

/// Checks that whoever asks takes FHIR as JSON; there is nothing else.
///
/// # Errors
/// 406 where only something else is taken.
pub fn must_be_json(headers: &HeaderMap, query: Option<&str>) -> Result<(), Refusal> {
    let asked = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("_format="));
    let taken = match asked {
        Some(format) => FORMATS.contains(&format.to_ascii_lowercase().replace("%2f", "/").replace("%2b", "+").as_str()),
        None => takes_json(headers),
    };
    if taken {
        return Ok(());
    }
    let text = "this server writes application/fhir+json only";
    Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text))
}

/// Checks that the body of a `_search` is a form.
///
/// # Errors
/// 415 for another type of body.
pub fn must_be_form(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    let text = "send the search as application/x-www-form-urlencoded";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text))
}

/// Says whether unknown parameters are errors: `Prefer: handling=strict`. Source: FHIR R4, 3.1.1.7.
pub fn is_strict(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case("handling=strict"))
}

fn takes_json(headers: &HeaderMap) -> bool {
    let values: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    values.is_empty() || values.iter().flat_map(|value| value.split(',')).any(is_json)
}

fn is_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32)));
    !refused && RANGES.contains(&kind.as_str())
}

const FORMATS: [&str; 4] = ["json", "application/json", "application/fhir+json", "application/fhir json"];
const RANGES: [&str; 4] = ["application/fhir+json", "application/json", "application/*", "*/*"];
