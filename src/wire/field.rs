//! Errors of decoded messages: the path of the field at fault and what is wrong with it, never its content.

use crate::domain::fault::{Fault, Faulty};
use crate::domain::time::Moment;
use crate::wire::pb;

/// A field of a message cannot be taken; the sender must correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// Path of the field in its message, as `lines[2].codes[0].code`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It must be given.
    #[error("is missing")]
    Missing,
    /// It is longer than it may be, or has too many elements.
    #[error("has {found} where at most {most} are allowed")]
    TooLong {
        /// Bytes or elements found.
        found: usize,
        /// Bytes or elements allowed.
        most: usize,
    },
    /// It has the wrong length.
    #[error("has length {found} instead of {expected}")]
    Length {
        /// Bytes or elements found.
        found: usize,
        /// Bytes or elements expected.
        expected: usize,
    },
    /// It is not written as its type demands.
    #[error("is not a valid {0}")]
    Form(&'static str),
    /// It may not be given here.
    #[error("is not accepted here: {0}")]
    Unwanted(&'static str),
    /// It occurs twice where once is allowed.
    #[error("occurs twice")]
    Twice,
    /// It breaks off being JSON there, both counted from 1; a column is a byte.
    #[error("is not JSON at line {line}, column {column}")]
    Json {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The bytes are no message of this type.
    #[error("cannot be decoded")]
    Undecodable,
}

impl FieldError {
    /// Names the field and the problem.
    pub fn new(field: impl Into<String>, problem: Problem) -> Self {
        Self { field: field.into(), problem }
    }

    /// Puts the path of the message that holds the field before the field's own.
    pub fn under(self, parent: &str) -> Self {
        Self { field: format!("{parent}.{}", self.field), ..self }
    }
}

impl Faulty for FieldError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

/// Gives the text when it is at most `most` bytes long.
///
/// # Errors
/// [`Problem::TooLong`]; the sender must shorten it.
pub fn short(field: &str, text: &str, most: usize) -> Result<String, FieldError> {
    if text.len() > most {
        return Err(FieldError::new(field, Problem::TooLong { found: text.len(), most }));
    }
    Ok(text.to_owned())
}

/// Gives the text when it is 1 to `most` bytes long.
///
/// # Errors
/// [`Problem::Missing`] or [`Problem::TooLong`]; the sender must correct it.
pub fn named(field: &str, text: &str, most: usize) -> Result<String, FieldError> {
    if text.is_empty() {
        return Err(FieldError::new(field, Problem::Missing));
    }
    short(field, text, most)
}

/// Gives the text, or nothing when it is empty.
///
/// # Errors
/// [`Problem::TooLong`]; the sender must shorten it.
pub fn optional(field: &str, text: &str, most: usize) -> Result<Option<String>, FieldError> {
    if text.is_empty() { Ok(None) } else { short(field, text, most).map(Some) }
}

/// Parses a text as a code of the domain.
///
/// # Errors
/// [`Problem::Missing`] or [`Problem::Form`] with `kind`; the sender must correct it.
pub fn parsed<T: std::str::FromStr>(field: &str, text: &str, kind: &'static str) -> Result<T, FieldError> {
    if text.is_empty() {
        return Err(FieldError::new(field, Problem::Missing));
    }
    text.parse().map_err(|_| FieldError::new(field, Problem::Form(kind)))
}

/// Reads an identifier of fixed length.
///
/// # Errors
/// [`Problem::Missing`] or [`Problem::Length`]; the sender must correct it.
pub fn fixed<'b, T>(field: &str, bytes: &'b [u8]) -> Result<T, FieldError>
where
    T: TryFrom<&'b [u8], Error = crate::domain::id::IdError>,
{
    if bytes.is_empty() {
        return Err(FieldError::new(field, Problem::Missing));
    }
    T::try_from(bytes)
        .map_err(|error| FieldError::new(field, Problem::Length { found: error.found, expected: error.expected }))
}

/// Counts the elements of a repeated field.
///
/// # Errors
/// [`Problem::TooLong`]; the sender must split the message.
pub fn at_most(field: &str, found: usize, most: usize) -> Result<(), FieldError> {
    if found > most { Err(FieldError::new(field, Problem::TooLong { found, most })) } else { Ok(()) }
}

/// Reads an instant that must be given.
///
/// # Errors
/// [`Problem::Missing`], or [`Problem::Form`] when it is out of range; the sender must correct it.
pub fn moment(field: &str, sent: Option<&pb::Moment>) -> Result<Moment, FieldError> {
    optional_moment(field, sent)?.ok_or_else(|| FieldError::new(field, Problem::Missing))
}

/// Reads an instant that may be absent.
///
/// # Errors
/// [`Problem::Form`] when it is out of range; the sender must correct it.
pub fn optional_moment(field: &str, sent: Option<&pb::Moment>) -> Result<Option<Moment>, FieldError> {
    let Some(sent) = sent else { return Ok(None) };
    let bad = || FieldError::new(field, Problem::Form("moment"));
    let offset_minutes = i16::try_from(sent.offset_minutes).map_err(|_| bad())?;
    let moment = Moment::new(sent.unix_ms, offset_minutes).map_err(|_| bad())?;
    Ok(Some(if sent.date_only { moment.to_the_day() } else { moment }))
}

impl From<Moment> for pb::Moment {
    fn from(moment: Moment) -> Self {
        Self {
            unix_ms: moment.unix_ms(),
            offset_minutes: i32::from(moment.offset_minutes()),
            date_only: moment.is_date_only(),
        }
    }
}
