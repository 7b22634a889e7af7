//! A person as a hospital knows them: identifiers, sex, birth date. Pseudonyms are made of this in `service`.

use super::fault::{Fault, Faulty};
use super::identifier::{BirthDate, CitizenNumber, IdentifierType, RegisteredSex};
use super::phi::Phi;

/// A person as a hospital knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Every identifier the hospital sent.
    pub identifiers: Vec<Identifier>,
    /// Sex, if the hospital knows it.
    pub sex: Option<Phi<RegisteredSex>>,
    /// Birth date, if the hospital knows it.
    pub birth_date: Option<Phi<BirthDate>>,
}

/// One identifier of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Its type.
    pub kind: IdentifierType,
    /// Who gave it, where the type needs one; otherwise empty.
    pub authority: String,
    /// The identifier as written.
    pub value: Phi<String>,
}

/// A person cannot be linked; the hospital keeps the result, lists it, and corrects the person's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// No identifier is of a type that the region calls strong.
    #[error("no identifier of a strong type")]
    Weak,
    /// A strong identifier is malformed.
    #[error("identifiers[{0}].value is malformed")]
    Malformed(usize),
    /// The sex differs from the one that the citizen number carries.
    #[error("sex differs from the one in the citizen number")]
    Sex,
    /// The birth date differs from the one that the citizen number carries.
    #[error("birth_date differs from the one in the citizen number")]
    BirthDate,
}

impl Person {
    /// Gives the identifiers of the strong types, strongest type first, in the form that is compared.
    ///
    /// A citizen number must be valid and agree with sex and birth date, where those are known (GB 11643-1999).
    /// Other identifiers are compared without spaces and hyphens, in upper case.
    ///
    /// # Errors
    /// [`PersonError`]; the person is not linked.
    pub fn strong_identifiers(&self, strong: &[IdentifierType]) -> Result<Vec<Identifier>, PersonError> {
        let mut found = Vec::new();
        for (place, identifier) in self.identifiers.iter().enumerate() {
            if let Some(rank) = strong.iter().position(|kind| *kind == identifier.kind) {
                found.push((rank, self.comparable(identifier, place)?));
            }
        }
        if found.is_empty() {
            return Err(PersonError::Weak);
        }
        found.sort_by(|(rank, left), (other_rank, right)| {
            (rank, left.value.reveal()).cmp(&(other_rank, right.value.reveal()))
        });
        found.dedup_by(|(_, later), (_, earlier)| later == earlier);
        Ok(found.into_iter().map(|(_, identifier)| identifier).collect())
    }

    /// Gives the identifiers that are not of a strong type, trimmed and in upper case: they mean something inside the
    /// hospital alone.
    pub fn local_identifiers(&self, strong: &[IdentifierType]) -> Vec<Identifier> {
        let local = self.identifiers.iter().filter(|identifier| !strong.contains(&identifier.kind));
        let plain = local.map(|identifier| Identifier {
            kind: identifier.kind.clone(),
            authority: identifier.authority.trim().to_owned(),
            value: Phi::new(identifier.value.reveal().trim().to_uppercase()),
        });
        plain.filter(|identifier| !identifier.value.reveal().is_empty()).collect()
    }

    /// Gives the person with strong identifiers alone, and with the sex and birth date that a citizen number carries
    /// where the hospital did not send them.
    ///
    /// # Errors
    /// [`PersonError`] as [`Person::strong_identifiers`].
    pub fn completed(&self, strong: &[IdentifierType]) -> Result<Self, PersonError> {
        let identifiers = self.strong_identifiers(strong)?;
        let citizen = identifiers.iter().find(|identifier| identifier.kind.as_str() == IdentifierType::CITIZEN);
        let number: Option<CitizenNumber> = citizen.and_then(|identifier| identifier.value.reveal().parse().ok());
        Ok(Self {
            sex: self.sex.clone().or_else(|| number.as_ref().map(CitizenNumber::sex)),
            birth_date: self.birth_date.clone().or_else(|| number.as_ref().map(CitizenNumber::birth_date)),
            identifiers,
        })
    }

    /// Feeds the sex to a keyed digest, if it is known, and says whether it did.
    pub fn feed_sex(&self, digest: &mut dyn FnMut(&[u8])) -> bool {
        let letter = self.sex.as_ref().map(|sex| match sex.reveal() {
            RegisteredSex::Male => b"M",
            RegisteredSex::Female => b"F",
        });
        letter.inspect(|letter| digest(*letter)).is_some()
    }

    /// Feeds the birth date to a keyed digest, if it is known, and says whether it did.
    pub fn feed_birth_date(&self, digest: &mut dyn FnMut(&[u8])) -> bool {
        let date = self.birth_date.as_ref().map(|date| date.reveal().to_string());
        date.inspect(|date| digest(date.as_bytes())).is_some()
    }

    fn comparable(&self, identifier: &Identifier, place: usize) -> Result<Identifier, PersonError> {
        let text: String = identifier.value.reveal().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let text = text.to_uppercase();
        if identifier.kind.as_str() == IdentifierType::CITIZEN {
            let number: CitizenNumber = text.parse().map_err(|_| PersonError::Malformed(place))?;
            if self.sex.as_ref().is_some_and(|sex| *sex != number.sex()) {
                return Err(PersonError::Sex);
            }
            if self.birth_date.as_ref().is_some_and(|date| *date != number.birth_date()) {
                return Err(PersonError::BirthDate);
            }
        } else if text.chars().count() < STRONG_CHARACTERS_MIN {
            return Err(PersonError::Malformed(place));
        }
        let kind = identifier.kind.clone();
        Ok(Identifier { kind, authority: identifier.authority.trim().to_owned(), value: Phi::new(text) })
    }
}

impl Identifier {
    /// Feeds type, authority and value to a keyed digest.
    pub fn feed(&self, digest: &mut dyn FnMut(&[u8])) {
        digest(self.kind.as_str().as_bytes());
        digest(self.authority.as_bytes());
        digest(self.value.reveal().as_bytes());
    }
}

impl Faulty for PersonError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

/// Fewest characters of a strong identifier: "0", "1" and "无" stand for "unknown" in real registers.
const STRONG_CHARACTERS_MIN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "11010519491231002X";

    fn identifier(kind: &str, value: &str) -> Identifier {
        Identifier { kind: kind.parse().unwrap(), authority: String::new(), value: Phi::new(value.into()) }
    }

    fn person(identifiers: Vec<Identifier>) -> Person {
        Person { identifiers, sex: None, birth_date: None }
    }

    fn strong() -> Vec<IdentifierType> {
        ["CN-ID", "PASSPORT"].map(|kind| kind.parse().unwrap()).to_vec()
    }

    #[test]
    fn one_number_is_compared_in_one_form() {
        let spaced = person(vec![identifier("CN-ID", " 110105 19491231 002x")]);
        let plain = person(vec![identifier("MRN", "7"), identifier("CN-ID", NUMBER)]);
        assert_eq!(spaced.strong_identifiers(&strong()), plain.strong_identifiers(&strong()));
    }

    #[test]
    fn weak_and_malformed_identifiers_link_nobody() {
        assert_eq!(person(vec![identifier("MRN", "7")]).strong_identifiers(&strong()), Err(PersonError::Weak));
        let mistyped = person(vec![identifier("CN-ID", "110105194912310021")]);
        assert_eq!(mistyped.strong_identifiers(&strong()), Err(PersonError::Malformed(0)));
        let unknown = person(vec![identifier("PASSPORT", "无")]);
        assert_eq!(unknown.strong_identifiers(&strong()), Err(PersonError::Malformed(0)));
    }

    #[test]
    fn sex_and_birth_date_must_agree_with_the_number() {
        let mut wrong = person(vec![identifier("CN-ID", NUMBER)]);
        wrong.sex = Some(Phi::new(RegisteredSex::Male));
        assert_eq!(wrong.strong_identifiers(&strong()), Err(PersonError::Sex));
        wrong.sex = Some(Phi::new(RegisteredSex::Female));
        wrong.birth_date = Some(Phi::new(BirthDate::new(1949, 12, 30).unwrap()));
        assert_eq!(wrong.strong_identifiers(&strong()), Err(PersonError::BirthDate));
    }
}
