//! A part of a JSON document with the path that leads to it, so that whatever is wrong there can be named.

use serde_json::Value;

use crate::wire::field::{FieldError, Problem, at_most};

/// Reads a document; what is wrong with it is told by its place, never by its content.
///
/// # Errors
/// [`Problem::Json`] naming line and column.
pub(super) fn document(body: &[u8]) -> Result<Value, FieldError> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = Problem::Json { line: error.line(), column: error.column() };
        FieldError::new("body", problem)
    })
}

/// A part of a document.
#[derive(Clone)]
pub(super) struct Part<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Part<'a> {
    /// Begins at the top.
    ///
    /// # Errors
    /// [`Problem::Form`] when the document is no object.
    pub(super) fn top(value: &'a Value) -> Result<Self, FieldError> {
        let top = Self { path: String::new(), value };
        if value.is_object() { Ok(top) } else { Err(FieldError::new("body", Problem::Form("JSON object"))) }
    }

    /// Says that something is wrong with this part.
    pub(super) fn wrong(&self, problem: Problem) -> FieldError {
        FieldError::new(self.path.clone(), problem)
    }

    /// Says that something is wrong with a member.
    pub(super) fn wrong_member(&self, name: &str, problem: Problem) -> FieldError {
        FieldError::new(self.path_of(name), problem)
    }

    /// Gives a member; `null` counts as none.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { path: self.path_of(name), value })
    }

    /// Says whether there is a member of this name, be it `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some()
    }

    /// Gives a member that must be there, and an object.
    pub(super) fn object(&self, name: &str) -> Result<Self, FieldError> {
        let member = self.member(name).ok_or_else(|| self.wrong_member(name, Problem::Missing))?;
        if member.value.is_object() { Ok(member) } else { Err(member.wrong(Problem::Form("JSON object"))) }
    }

    /// Gives a text of at most `most` bytes, where there is one.
    pub(super) fn text(&self, name: &str, most: usize) -> Result<Option<&'a str>, FieldError> {
        let Some(member) = self.member(name) else { return Ok(None) };
        let text = member.value.as_str().ok_or_else(|| member.wrong(Problem::Form("text")))?;
        at_most(&member.path, text.len(), most)?;
        Ok(Some(text))
    }

    /// Gives a text of 1 to `most` bytes.
    pub(super) fn named(&self, name: &str, most: usize) -> Result<&'a str, FieldError> {
        let text = self.text(name, most)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong_member(name, Problem::Missing))
    }

    /// Gives a truth, false where there is none.
    pub(super) fn truth(&self, name: &str) -> Result<bool, FieldError> {
        let Some(member) = self.member(name) else { return Ok(false) };
        member.value.as_bool().ok_or_else(|| member.wrong(Problem::Form("truth value")))
    }

    /// Gives the elements of an array, none where there is no such member.
    pub(super) fn elements(&self, name: &str, most: usize) -> Result<Vec<Self>, FieldError> {
        let Some(member) = self.member(name) else { return Ok(Vec::new()) };
        let elements = member.value.as_array().ok_or_else(|| member.wrong(Problem::Form("array")))?;
        at_most(&member.path, elements.len(), most)?;
        let place = |(place, value)| Self { path: format!("{}[{place}]", member.path), value };
        Ok(elements.iter().enumerate().map(place).collect())
    }

    /// Gives the part itself where it is a text.
    pub(super) fn own_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// Says whether the part is a resource of this type.
    pub(super) fn is_resource(&self, kind: &str) -> bool {
        self.value.get("resourceType").and_then(Value::as_str) == Some(kind)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
