//! Persons and identifiers of messages.

use crate::domain::identifier::{BirthDate, RegisteredSex};
use crate::domain::limits::KEY_BYTES_MAX;
use crate::domain::person::{Identifier, Person};
use crate::domain::phi::Phi;
use crate::wire::field::{FieldError, Problem, at_most, named, parsed, short};
use crate::wire::pb;

/// Most identifiers of one person.
pub const IDENTIFIERS_MAX: usize = 8;

impl TryFrom<&pb::Person> for Person {
    type Error = FieldError;

    fn try_from(sent: &pb::Person) -> Result<Self, FieldError> {
        person(&sent.identifiers, sent.sex(), &sent.birth_date)
    }
}

/// Reads a person from the fields that carry one.
///
/// # Errors
/// [`FieldError`] naming the field; the caller must correct it.
pub fn person(identifiers: &[pb::Identifier], sex: pb::Sex, birth_date: &str) -> Result<Person, FieldError> {
    at_most("identifiers", identifiers.len(), IDENTIFIERS_MAX)?;
    let identifiers = identifiers
        .iter()
        .enumerate()
        .map(|(place, sent)| identifier(sent).map_err(|error| error.under(&format!("identifiers[{place}]"))));
    Ok(Person {
        identifiers: identifiers.collect::<Result<_, _>>()?,
        sex: match sex {
            pb::Sex::Male => Some(Phi::new(RegisteredSex::Male)),
            pb::Sex::Female => Some(Phi::new(RegisteredSex::Female)),
            pb::Sex::Unspecified | pb::Sex::Other => None,
        },
        birth_date: match birth_date {
            "" => None,
            text => Some(Phi::new(
                date(text).ok_or_else(|| FieldError::new("birth_date", Problem::Form("date, YYYY-MM-DD")))?,
            )),
        },
    })
}

fn identifier(sent: &pb::Identifier) -> Result<Identifier, FieldError> {
    Ok(Identifier {
        kind: parsed("type", &sent.r#type, "identifier type")?,
        authority: short("authority", &sent.authority, KEY_BYTES_MAX)?,
        value: Phi::new(named("value", &sent.value, KEY_BYTES_MAX)?),
    })
}

fn date(text: &str) -> Option<BirthDate> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    BirthDate::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

impl From<&Person> for pb::Person {
    fn from(person: &Person) -> Self {
        Self {
            identifiers: person
                .identifiers
                .iter()
                .map(|identifier| pb::Identifier {
                    r#type: identifier.kind.to_string(),
                    authority: identifier.authority.clone(),
                    value: identifier.value.reveal().clone(),
                })
                .collect(),
            sex: match person.sex.as_ref().map(Phi::reveal) {
                Some(RegisteredSex::Male) => pb::Sex::Male,
                Some(RegisteredSex::Female) => pb::Sex::Female,
                None => pb::Sex::Unspecified,
            }
            .into(),
            birth_date: person.birth_date.as_ref().map(|date| date.reveal().to_string()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_survive_their_message() {
        let sent = pb::Person {
            identifiers: vec![pb::Identifier { r#type: "CN-ID".into(), authority: String::new(), value: "x".into() }],
            sex: pb::Sex::Female.into(),
            birth_date: "1949-12-31".into(),
        };
        assert_eq!(pb::Person::from(&Person::try_from(&sent).unwrap()), sent);
    }

    #[test]
    fn a_wrong_field_is_named_without_its_content() {
        let error = person(&[], pb::Sex::Male, "1949-31-12").unwrap_err();
        assert_eq!(error.to_string(), "birth_date: is not a valid date, YYYY-MM-DD");
        let nameless = pb::Identifier { r#type: "C N".into(), ..Default::default() };
        let error = person(&[nameless], pb::Sex::Male, "").unwrap_err();
        assert_eq!(error.to_string(), "identifiers[0].type: is not a valid identifier type");
    }
}
