//! Whether a resource, as it is written, is what a search asks.

use crate::wire::fhir::json::Json;
use crate::wire::fhir::search::date::{Span, span_of};
use crate::wire::fhir::search::parameters::Parameter;
use crate::wire::fhir::search::{Filter, Search, Test, Token};

impl Search {
    /// Says whether every parameter matches a resource.
    pub fn matches(&self, resource: &Json) -> bool {
        self.filters.iter().all(|filter| filter.matches(resource))
    }
}

impl Filter {
    /// Says whether one of the parameter's values matches a resource.
    pub fn matches(&self, resource: &Json) -> bool {
        let found: Vec<&Json> = self.parameter.paths.iter().flat_map(|path| values(resource, path)).collect();
        found.iter().any(|value| self.any.iter().any(|test| holds(test, value, self.parameter)))
    }
}

/// Gives the values at a path of a resource, as `content.attachment.contentType`; arrays are looked through.
pub fn values<'j>(resource: &'j Json, path: &str) -> Vec<&'j Json> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let found = match resource.member(first) {
        Some(Json::Array(elements)) => elements.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    };
    match rest {
        Some(rest) => found.into_iter().flat_map(|value| values(value, rest)).collect(),
        None => found,
    }
}

/// Gives the span that a date, a dateTime, an instant or a Period of a resource takes.
pub fn span(value: &Json) -> Option<Span> {
    // What we write has an offset, or is a day of the region, which is eight hours ahead.
    let of = |text: &str| span_of(text, REGION_OFFSET_MINUTES);
    if let Some(text) = value.text() {
        return of(text);
    }
    let bound = |name| value.member(name).and_then(Json::text).and_then(of);
    match (bound("start"), bound("end")) {
        (None, None) => None,
        (start, end) => {
            Some(Span { start: start.map_or(i64::MIN, |span| span.start), end: end.map_or(i64::MAX, |span| span.end) })
        }
    }
}

fn holds(test: &Test, value: &Json, parameter: &Parameter) -> bool {
    match test {
        Test::Token(token) => token.holds(value, parameter.system),
        Test::Date(date) => span(value).is_some_and(|span| date.holds(span)),
        Test::Reference(kind, id) => {
            let reference = value.member("reference").and_then(Json::text).unwrap_or_default();
            // A reference may name a version, which is the same resource.
            let mut parts = reference.split('/');
            let (found_kind, found_id) = (parts.next(), parts.next());
            found_id == Some(id) && kind.as_deref().is_none_or(|kind| found_kind == Some(kind))
        }
    }
}

impl Token {
    fn holds(&self, value: &Json, implied: &str) -> bool {
        match value {
            Json::Text(code) => self.is(implied, code),
            Json::Bool(truth) => self.is(implied, if *truth { "true" } else { "false" }),
            Json::Object(_) => {
                let text = |name| value.member(name).and_then(Json::text).unwrap_or_default();
                match value.member("coding") {
                    Some(Json::Array(codings)) => codings.iter().any(|coding| self.holds(coding, implied)),
                    _ if value.member("value").is_some() => self.is(text("system"), text("value")),
                    _ => value.member("code").is_some() && self.is(text("system"), text("code")),
                }
            }
            Json::Nothing | Json::Number(_) | Json::Array(_) => false,
        }
    }

    fn is(&self, system: &str, code: &str) -> bool {
        self.system.as_deref().is_none_or(|wanted| wanted == system)
            && self.code.as_deref().is_none_or(|wanted| wanted == code)
    }
}

const REGION_OFFSET_MINUTES: i16 = 480;
