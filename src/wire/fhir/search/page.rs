//! Pages of a search: matches in a total order, cut behind the last one shown. What comes in between moves nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::wire::fhir::bundle;
use crate::wire::fhir::element::Context;
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::search::{Search, is_id};

/// Name of the parameter that carries the place of a page; its value is only ever copied out of a link.
pub const PARAMETER: &str = "_page";

/// The place of a resource among the matches: newest first, then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Negated milliseconds, so that the newest comes first.
    newest_first: i64,
    id: String,
}

/// A resource that may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its place.
    pub place: Cursor,
    /// As it is written.
    pub resource: Json,
}

/// One page of matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Matches of all pages.
    pub total: u64,
    /// Matches of this one.
    pub matches: Vec<Json>,
    /// Where the next one begins, if there is one.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// Makes the place of a resource that is of this instant, in milliseconds since 1970.
    pub fn new(unix_ms: i64, id: &str) -> Self {
        Self { newest_first: unix_ms.saturating_neg(), id: id.to_owned() }
    }

    /// Reads a place out of a link.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (number, id) = bytes.split_first_chunk::<8>()?;
        let id = std::str::from_utf8(id).ok().filter(|id| is_id(id))?;
        Some(Self { newest_first: i64::from_be_bytes(*number), id: id.to_owned() })
    }

    /// Writes the place for a link.
    pub fn written(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.newest_first.to_be_bytes()[..], self.id.as_bytes()].concat())
    }
}

impl Search {
    /// Gives the page that is asked, of everything that may match.
    pub fn page(&self, candidates: Vec<Candidate>) -> Page {
        let mut matching: Vec<Candidate> =
            candidates.into_iter().filter(|candidate| self.matches(&candidate.resource)).collect();
        matching.sort_by(|a, b| a.place.cmp(&b.place));
        if self.oldest_first {
            matching.reverse();
        }
        let total = u64::try_from(matching.len()).unwrap_or(u64::MAX);
        if self.number_only {
            return Page { total, matches: Vec::new(), next: None };
        }
        let behind = |candidate: &Candidate| {
            self.after.as_ref().is_none_or(|after| match self.oldest_first {
                true => candidate.place < *after,
                false => candidate.place > *after,
            })
        };
        let mut rest = matching.into_iter().filter(behind);
        let shown: Vec<Candidate> = rest.by_ref().take(self.count).collect();
        let next = rest.next().and_then(|_| shown.last().map(|last| last.place.clone()));
        Page { total, matches: shown.into_iter().map(|candidate| candidate.resource).collect(), next }
    }

    /// Writes a page as a searchset, with `included` behind the matches.
    pub fn bundle(&self, context: &Context<'_>, kind: &str, page: Page, included: Vec<Json>) -> Json {
        let total = (self.total || self.number_only).then_some(page.total);
        let entry = |mode: &'static str| {
            move |resource: Json| bundle::entry(context, resource).with("search", object([("mode", mode.into())]))
        };
        let matches = page.matches.into_iter().map(entry("match"));
        let included = included.into_iter().map(entry("include"));
        let link = |relation: &str, place: Option<&Cursor>| {
            object([("relation", relation.into()), ("url", self.url(context, kind, place).into())])
        };
        let next = page.next.as_ref().map(|place| link("next", Some(place)));
        object([
            ("resourceType", "Bundle".into()),
            ("type", "searchset".into()),
            ("total", total.into()),
            ("link", array(std::iter::once(link("self", self.after.as_ref())).chain(next))),
            ("entry", array(matches.chain(included).chain(self.warning()))),
        ])
    }

    /// Gives the address of a page, with the parameters that were used and no others.
    fn url(&self, context: &Context<'_>, kind: &str, place: Option<&Cursor>) -> String {
        let page = place.map(|place| (PARAMETER.to_owned(), place.written()));
        let parameters = self.used.iter().cloned().chain(page);
        let query: Vec<String> =
            parameters.map(|(name, value)| format!("{}={}", escaped(&name), escaped(&value))).collect();
        let between = if query.is_empty() { "" } else { "?" };
        format!("{}/{kind}{between}{}", context.base, query.join("&"))
    }

    /// Says what was passed over: whoever asked may believe that it was looked at.
    fn warning(&self) -> Option<Json> {
        let issues = self.ignored.iter().map(|name| {
            object([
                ("severity", "warning".into()),
                ("code", "not-supported".into()),
                ("diagnostics", format!("parameter {name}: not supported here and passed over").into()),
            ])
        });
        let outcome = object([("resourceType", "OperationOutcome".into()), ("issue", array(issues))]);
        let entry = object([("resource", outcome), ("search", object([("mode", "outcome".into())]))]);
        (!self.ignored.is_empty()).then_some(entry)
    }
}

/// Escapes a text for a query. Source: RFC 3986, unreserved characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
