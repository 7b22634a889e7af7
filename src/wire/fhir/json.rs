//! JSON as FHIR wants it: members in the order written, decimals digit by digit, and nothing empty or null, ever.
//!
//! Source: FHIR R4 (4.0.1), 2.6.2, JSON representation of resources.

use std::fmt;

use rust_decimal::Decimal;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Json {
    /// Nothing; an object leaves such a member out.
    #[default]
    Nothing,
    /// `true` or `false`.
    Bool(bool),
    /// A number, digit by digit: a trailing zero says how exactly something was measured.
    Number(String),
    /// A text.
    Text(String),
    /// Elements, none of them empty.
    Array(Vec<Json>),
    /// Members, none of them empty.
    Object(Vec<(&'static str, Json)>),
}

/// Makes an object of the members that are something.
pub fn object<const N: usize>(members: [(&'static str, Json); N]) -> Json {
    Json::Object(members.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

/// Makes an array of the elements that are something.
pub fn array(elements: impl IntoIterator<Item = Json>) -> Json {
    Json::Array(elements.into_iter().filter(|element| !element.is_empty()).collect())
}

impl Json {
    /// Says whether it must be left out: nothing, or empty.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Bool(_) | Self::Number(_) => false,
            Self::Text(text) => text.is_empty(),
            Self::Array(elements) => elements.is_empty(),
            Self::Object(members) => members.is_empty(),
        }
    }

    /// Finds a member of an object.
    pub fn member(&self, name: &str) -> Option<&Json> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Gives a text, of whatever is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Adds a member to an object, unless it is empty.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Json) -> Self {
        if let Self::Object(members) = &mut self
            && !value.is_empty()
        {
            members.push((name, value));
        }
        self
    }
}

impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => formatter.write_str("null"),
            Self::Bool(truth) => write!(formatter, "{truth}"),
            Self::Number(number) => formatter.write_str(number),
            Self::Text(text) => write!(formatter, "{}", serde_json::Value::from(text.as_str())),
            Self::Array(elements) => {
                formatter.write_str("[")?;
                for (place, element) in elements.iter().enumerate() {
                    write!(formatter, "{}{element}", if place == 0 { "" } else { "," })?;
                }
                formatter.write_str("]")
            }
            Self::Object(members) => {
                formatter.write_str("{")?;
                for (place, (name, value)) in members.iter().enumerate() {
                    write!(formatter, "{}\"{name}\":{value}", if place == 0 { "" } else { "," })?;
                }
                formatter.write_str("}")
            }
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<Decimal> for Json {
    fn from(number: Decimal) -> Self {
        Self::Number(number.to_string())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

impl From<Vec<Json>> for Json {
    fn from(elements: Vec<Json>) -> Self {
        array(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_empty_is_written_and_decimals_keep_their_digits() {
        let inner = object([("empty", "".into()), ("none", None::<&str>.into()), ("nothing", Json::Nothing)]);
        let outer = object([
            ("resourceType", "Observation".into()),
            ("inner", inner),
            ("list", array(["".into(), Json::Nothing])),
            ("value", Decimal::new(410, 2).into()),
            ("text", "a\"\n钾".into()),
            ("truth", false.into()),
        ]);
        let written = outer.to_string();
        assert_eq!(written, r#"{"resourceType":"Observation","value":4.10,"text":"a\"\n钾","truth":false}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap()["text"], "a\"\n钾");
    }
}
