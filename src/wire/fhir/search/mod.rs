//! Searches: a query string read against the parameters that a resource has. Pure; who may search is decided elsewhere.
//!
//! Source: FHIR R4 (4.0.1), 3.1.1, search.

pub mod date;
pub mod matching;
pub mod page;
pub mod parameters;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::time::Moment;
use crate::wire::fhir::search::date::DateTest;
use crate::wire::fhir::search::page::Cursor;
use crate::wire::fhir::search::parameters::{Kind, Parameter, Searchable};

/// A search, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// All of these must hold.
    pub filters: Vec<Filter>,
    /// Most matches of one page; 0 for none but their number.
    pub count: usize,
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// `_include`s asked, as the resource's table spells them.
    pub includes: Vec<&'static str>,
    /// `_revinclude`s asked, as the resource's table spells them.
    pub reverse_includes: Vec<&'static str>,
    /// Whether only the number of matches is wanted.
    pub number_only: bool,
    /// Whether the number of matches is wanted.
    pub total: bool,
    /// Behind which match the page begins.
    pub after: Option<Cursor>,
    /// Names and values that were used, in their order, for the links; the place of the page is not among them.
    pub used: Vec<(String, String)>,
    /// Names of the parameters that were passed over.
    pub ignored: Vec<String>,
}

/// One parameter: one of its values must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Which parameter.
    pub parameter: &'static Parameter,
    /// What it asks; one suffices.
    pub any: Vec<Test>,
}

/// What one value of a parameter asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// A code, an identifier or a truth value.
    Token(Token),
    /// A date or a span.
    Date(DateTest),
    /// A resource, by type (where it was named) and id.
    Reference(Option<String>, String),
}

/// `system|code`, `|code`, `system|` or `code`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The system; none where any will do, empty where there must be none.
    pub system: Option<String>,
    /// The code; none where any of the system will do.
    pub code: Option<String>,
}

/// How strictly a search is read, and how it is given.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// `Prefer: handling=strict`: an unknown parameter is an error rather than passed over.
    pub strict: bool,
    /// Where the server is, for references that name it.
    pub base: &'a str,
    /// The instant of the search.
    pub now: Moment,
}

/// A search that cannot be done; whoever asks must correct it. Names the parameter and never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// There are too many parameters, or one is too long.
    #[error("a search has at most {PARAMETERS_MAX} parameters of {VALUE_BYTES_MAX} bytes each")]
    TooLong,
    /// No such parameter, and the caller asked for strict handling.
    #[error("parameter {0}: not supported here; the capability statement lists what is")]
    Unknown(String),
    /// The modifier is not supported.
    #[error("parameter {0}: no modifier is supported")]
    Modifier(String),
    /// The value is not of the parameter's form.
    #[error("parameter {0}: the value has not the form of a {1}")]
    Form(String, &'static str),
}

impl Faulty for SearchError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

impl Search {
    /// Reads the parameters of a search, decoded, in their order.
    ///
    /// # Errors
    /// [`SearchError`]; nothing is searched.
    pub fn read(
        searchable: &'static Searchable,
        sent: &[(String, String)],
        manner: Manner<'_>,
    ) -> Result<Self, SearchError> {
        let too_long = |(name, value): &(String, String)| name.len() + value.len() > VALUE_BYTES_MAX;
        if sent.len() > PARAMETERS_MAX || sent.iter().any(too_long) {
            return Err(SearchError::TooLong);
        }
        let mut search = Self::empty();
        for (name, value) in sent {
            if search.control(searchable, name, value, manner)? {
                continue;
            }
            let (bare, modifier) =
                name.split_once(':').map_or((name.as_str(), None), |(bare, rest)| (bare, Some(rest)));
            let Some(parameter) = searchable.parameters.iter().find(|known| known.name == bare) else {
                search.pass_over(name, manner)?;
                continue;
            };
            // `patient:Patient=x` says no more than `patient=x` does.
            if modifier.is_some_and(|modifier| parameter.kind != Kind::Reference || modifier != "Patient") {
                return Err(SearchError::Modifier(shown(bare)));
            }
            if value.is_empty() {
                continue;
            }
            let tests = split(value, ',').iter().map(|one| test(parameter, one, manner)).collect::<Result<_, _>>()?;
            search.filters.push(Filter { parameter, any: tests });
            search.used.push((name.clone(), value.clone()));
        }
        Ok(search)
    }

    /// Gives the one reference that a parameter names, if it names one and only one.
    pub fn only_reference(&self, names: &[&str]) -> Option<&str> {
        let mut found = self.filters.iter().filter(|filter| names.contains(&filter.parameter.name));
        match (found.next()?.any.as_slice(), found.next()) {
            ([Test::Reference(_, id)], None) => Some(id),
            _ => None,
        }
    }

    /// Gives the one id that is asked for, if it is one and only one.
    pub fn only_id(&self) -> Option<&str> {
        let mut found = self.tests("_id");
        match (found.next()?.any.as_slice(), found.next()) {
            ([Test::Token(Token { system: None, code: Some(id) })], None) => Some(id),
            _ => None,
        }
    }

    /// Gives the tests of the parameters of a name.
    pub fn tests<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Filter> {
        self.filters.iter().filter(move |filter| filter.parameter.name == name)
    }

    fn empty() -> Self {
        Self {
            filters: Vec::new(),
            count: COUNT_USUAL,
            oldest_first: false,
            includes: Vec::new(),
            reverse_includes: Vec::new(),
            number_only: false,
            total: false,
            after: None,
            used: Vec::new(),
            ignored: Vec::new(),
        }
    }

    /// Reads a parameter that is about the answer; false where it is none of these.
    fn control(
        &mut self,
        searchable: &'static Searchable,
        name: &str,
        value: &str,
        manner: Manner<'_>,
    ) -> Result<bool, SearchError> {
        let form = |kind| SearchError::Form(shown(name), kind);
        let understood = match name {
            "_count" => {
                let count: usize = value.parse().map_err(|_| form("number"))?;
                self.count = count.min(COUNT_MAX);
                self.number_only |= count == 0;
                true
            }
            "_sort" => {
                let newest_first = value.strip_prefix('-');
                let known = searchable.sort == Some(newest_first.unwrap_or(value));
                self.oldest_first = known && newest_first.is_none();
                known
            }
            "_summary" => {
                self.number_only |= value == "count";
                value == "count" || value == "false"
            }
            "_total" => {
                self.total = matches!(value, "accurate" | "estimate");
                self.total || value == "none"
            }
            "_include" => add(&mut self.includes, searchable.includes, value),
            "_revinclude" => add(&mut self.reverse_includes, searchable.reverse_includes, value),
            // What the answer is written in was settled before.
            "_format" => return Ok(true),
            page::PARAMETER => {
                self.after = Some(Cursor::read(value).ok_or_else(|| form("link of a page"))?);
                return Ok(true);
            }
            _ => return Ok(false),
        };
        if understood {
            self.used.push((name.to_owned(), value.to_owned()));
        } else {
            self.pass_over(name, manner)?;
        }
        Ok(true)
    }

    fn pass_over(&mut self, name: &str, manner: Manner<'_>) -> Result<(), SearchError> {
        if manner.strict {
            return Err(SearchError::Unknown(shown(name)));
        }
        self.ignored.push(shown(name));
        Ok(())
    }
}

fn add(to: &mut Vec<&'static str>, known: &'static [&'static str], value: &str) -> bool {
    let found = known.iter().find(|known| **known == value);
    to.extend(found);
    found.is_some()
}

fn test(parameter: &Parameter, value: &str, manner: Manner<'_>) -> Result<Test, SearchError> {
    let form = |kind| SearchError::Form(parameter.name.to_owned(), kind);
    match parameter.kind {
        Kind::Token => {
            let parts = split(value, '|');
            let token = match parts.as_slice() {
                [code] => Token { system: None, code: Some(unescaped(code)) },
                [system, code] => Token {
                    system: Some(unescaped(system)),
                    code: Some(unescaped(code)).filter(|code| !code.is_empty()),
                },
                _ => return Err(form("token")),
            };
            let says_nothing =
                token.code.as_deref().is_none_or(str::is_empty) && token.system.as_deref().is_none_or(str::is_empty);
            if says_nothing { Err(form("token")) } else { Ok(Test::Token(token)) }
        }
        Kind::Date => DateTest::read(value, manner.now).map(Test::Date).ok_or_else(|| form("date")),
        Kind::Reference => {
            let value = unescaped(value);
            let own = value.strip_prefix(manner.base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&value);
            match own.split('/').collect::<Vec<_>>().as_slice() {
                [id] if is_id(id) => Ok(Test::Reference(None, (*id).to_owned())),
                [kind, id] if is_id(id) && is_id(kind) => {
                    Ok(Test::Reference(Some((*kind).to_owned()), (*id).to_owned()))
                }
                _ => Err(form("reference")),
            }
        }
    }
}

/// Takes a query or a form apart into names and values. Source: WHATWG URL, 5.1, urlencoded parsing.
pub fn pairs(query: &[u8]) -> Vec<(String, String)> {
    let parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    let pair = |part: &[u8]| {
        let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
        let (name, value) = part.split_at(at);
        (decoded(name), decoded(value.get(1..).unwrap_or_default()))
    };
    parts.map(pair).collect()
}

fn decoded(text: &[u8]) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let escaped = behind.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        match escaped {
            Some(byte) => {
                plain.extend(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                plain.push(if *first == b'+' { b' ' } else { *first });
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Says whether a text may be the id of a resource. Source: FHIR R4, data type `id`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// Splits at a character that no backslash escapes.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for character in text.chars() {
        if character == at && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = character == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(character);
        }
    }
    parts
}

/// Takes the backslashes of escapes away.
fn unescaped(text: &str) -> String {
    let (mut plain, mut escaped) = (String::with_capacity(text.len()), false);
    for character in text.chars() {
        if character == '\\' && !escaped {
            escaped = true;
            continue;
        }
        plain.push(character);
        escaped = false;
    }
    plain
}

/// Gives a parameter's name as it may be told back: whatever does not look like a name could be anything.
fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || b"-_.:".contains(&byte);
    if name.len() <= 64 && name.bytes().all(plain) { name.to_owned() } else { "(unreadable)".to_owned() }
}

/// Matches of one page unless the caller says otherwise.
pub const COUNT_USUAL: usize = 50;
/// Most matches of one page.
pub const COUNT_MAX: usize = 200;
const PARAMETERS_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 2_048;

#[cfg(test)]
mod tests;
