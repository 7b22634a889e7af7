//! The JSON of the interface for patients: what programs send, and what they are answered. Nothing empty or null is
//! written; what is not known is left out.

mod answer;
mod request;

pub use self::answer::{access, consent, relation, result};
pub use self::request::{GrantBody, SharingBody, consent_name, original_digest, patient_name, result_name};

use serde_json::{Map, Value};

/// Members of a JSON object, without those that say nothing.
#[derive(Debug, Default)]
struct Members(Map<String, Value>);

impl Members {
    /// Adds a member, unless it is null or empty.
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    fn end(self) -> Value {
        Value::Object(self.0)
    }
}

/// The words of an enumeration and their messages, in order of their numbers.
type Words<E> = &'static [(&'static str, E)];

/// Spells a value of an enumeration.
fn word<E: Copy + PartialEq>(words: Words<E>, value: E) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

/// Reads a word of an enumeration.
fn meant<E: Copy>(words: Words<E>, text: &str) -> Option<E> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}

/// Kinds of results.
const CLASSES: Words<super::pb::ResultClass> = {
    use super::pb::ResultClass::{Imaging, Laboratory};
    &[("laboratory", Laboratory), ("imaging", Imaging)]
};

/// What consents are given for.
const PURPOSES: Words<super::pb::ConsentPurpose> = {
    use super::pb::ConsentPurpose as Purpose;
    &[
        ("treatment", Purpose::Treatment),
        ("second-opinion", Purpose::SecondOpinion),
        ("insurance", Purpose::Insurance),
        ("employment", Purpose::Employment),
        ("personal", Purpose::Personal),
    ]
};

const LANGUAGES: Words<super::pb::Language> = {
    use super::pb::Language::{En, Zh};
    &[("zh", Zh), ("en", En)]
};
