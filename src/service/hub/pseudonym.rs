//! Pseudonyms: keyed hashes that only the hub can make. Exact match on a strong identifier and agreement on sex and
//! birth date; never fuzzy. The identifiers pass through here and are kept nowhere.

use ring::hmac;

use crate::domain::id::Pseudonym;
use crate::domain::identifier::IdentifierType;
use crate::domain::person::{Identifier, Person, PersonError};
use crate::store::hub::{KeyedDigest, KnownPerson};

/// A person that was linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The person's pseudonym.
    pub pseudonym: Pseudonym,
    /// What is not recorded yet, by the identifier's digest; to be recorded before the pseudonym is used.
    pub learned: Vec<(KeyedDigest, KnownPerson)>,
}

/// Why a person was not linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The identifiers do not allow it.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// Two strong identifiers lead to two people.
    #[error("identifiers lead to two people")]
    TwoPeople,
    /// The sex differs from the one recorded.
    #[error("sex differs from the one recorded")]
    Sex,
    /// The birth date differs from the one recorded.
    #[error("birth_date differs from the one recorded")]
    BirthDate,
}

/// Makes pseudonyms.
pub struct Pseudonyms {
    key: hmac::Key,
    strong: Vec<IdentifierType>,
}

impl Pseudonyms {
    /// Takes the hub's secret and the region's strong identifier types, strongest first. The secret may never change:
    /// every pseudonym in the region hangs on it.
    pub fn new(secret: &[u8; 32], strong: Vec<IdentifierType>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), strong }
    }

    /// Links a person, given what is recorded for each identifier.
    ///
    /// # Errors
    /// [`LinkError`]; the result stays at the hospital until the person's record is corrected.
    pub fn link(
        &self,
        person: &Person,
        mut recorded: impl FnMut(&KeyedDigest) -> Option<KnownPerson>,
    ) -> Result<Linked, LinkError> {
        let identifiers = person.strong_identifiers(&self.strong)?;
        let digests: Vec<_> = identifiers.iter().map(|identifier| self.identifier(identifier)).collect();
        let known: Vec<_> = digests.iter().map(&mut recorded).collect();

        let mut pseudonyms: Vec<_> = known.iter().flatten().map(|known| known.pseudonym).collect();
        pseudonyms.sort_unstable();
        pseudonyms.dedup();
        let pseudonym = match (pseudonyms.as_slice(), digests.first()) {
            ([], Some(strongest)) => Pseudonym::new(self.digest(b"pseudonym", |part| part(&strongest.0)).0),
            ([only], _) => *only,
            _ => return Err(LinkError::TwoPeople),
        };

        let (sex, birth_date) = self.demographics(person, &pseudonym);
        let agreed = |ours: Option<KeyedDigest>, theirs: fn(&KnownPerson) -> Option<KeyedDigest>| {
            known.iter().flatten().filter_map(theirs).all(|theirs| ours.is_none_or(|ours| ours == theirs))
        };
        if !agreed(sex, |known| known.sex) {
            return Err(LinkError::Sex);
        }
        if !agreed(birth_date, |known| known.birth_date) {
            return Err(LinkError::BirthDate);
        }

        let merged = |known: Option<KnownPerson>| KnownPerson {
            pseudonym,
            sex: known.and_then(|known| known.sex).or(sex),
            birth_date: known.and_then(|known| known.birth_date).or(birth_date),
        };
        let rows = digests.into_iter().zip(known).map(|(digest, known)| (digest, known, merged(known)));
        let learned = rows.filter(|(_, known, merged)| known.as_ref() != Some(merged));
        Ok(Linked { pseudonym, learned: learned.map(|(digest, _, merged)| (digest, merged)).collect() })
    }

    fn identifier(&self, identifier: &Identifier) -> KeyedDigest {
        self.digest(b"identifier", |part| identifier.feed(part))
    }

    fn demographics(&self, person: &Person, pseudonym: &Pseudonym) -> (Option<KeyedDigest>, Option<KeyedDigest>) {
        let (mut sex, mut birth_date) = (false, false);
        let sex_digest = self.digest(b"sex", |part| {
            part(pseudonym.as_bytes());
            sex = person.feed_sex(part);
        });
        let birth_digest = self.digest(b"birth", |part| {
            part(pseudonym.as_bytes());
            birth_date = person.feed_birth_date(part);
        });
        (sex.then_some(sex_digest), birth_date.then_some(birth_digest))
    }

    /// Hashes a label and parts, each with its length, so that no two lists of parts look alike.
    fn digest(&self, label: &[u8], feed: impl FnOnce(&mut dyn FnMut(&[u8]))) -> KeyedDigest {
        let mut context = hmac::Context::with_key(&self.key);
        let mut part = |part: &[u8]| {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        };
        part(label);
        feed(&mut part);
        let tag = context.sign();
        let mut digest = [0; 16];
        digest.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        KeyedDigest(digest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::domain::identifier::{BirthDate, RegisteredSex};
    use crate::domain::phi::Phi;

    const NUMBER: &str = "11010519491231002X";

    #[derive(Default)]
    struct Region {
        recorded: HashMap<KeyedDigest, KnownPerson>,
    }

    impl Region {
        fn link(&mut self, person: &Person) -> Result<Pseudonym, LinkError> {
            let strong = ["CN-ID", "HEALTH-CARD"].map(|kind| kind.parse().unwrap()).to_vec();
            let linked = Pseudonyms::new(&[5; 32], strong).link(person, |digest| self.recorded.get(digest).copied())?;
            self.recorded.extend(linked.learned);
            Ok(linked.pseudonym)
        }
    }

    fn person(identifiers: &[(&str, &str)]) -> Person {
        let identifiers = identifiers.iter().map(|(kind, value)| Identifier {
            kind: kind.parse().unwrap(),
            authority: String::new(),
            value: Phi::new((*value).to_owned()),
        });
        Person { identifiers: identifiers.collect(), sex: None, birth_date: None }
    }

    #[test]
    fn a_second_identifier_leads_to_the_same_person_from_then_on() {
        let mut region = Region::default();
        let by_number = region.link(&person(&[("CN-ID", NUMBER)])).unwrap();
        let by_both = region.link(&person(&[("HEALTH-CARD", "CARD-0001"), ("CN-ID", NUMBER)])).unwrap();
        let by_card = region.link(&person(&[("HEALTH-CARD", "CARD-0001")])).unwrap();
        assert_eq!((by_number, by_number), (by_both, by_card));
    }

    #[test]
    fn identifiers_of_two_people_link_nobody() {
        let mut region = Region::default();
        let first = region.link(&person(&[("CN-ID", NUMBER)])).unwrap();
        let second = region.link(&person(&[("HEALTH-CARD", "CARD-0001")])).unwrap();
        assert_ne!(first, second);
        let both = person(&[("HEALTH-CARD", "CARD-0001"), ("CN-ID", NUMBER)]);
        assert_eq!(region.link(&both), Err(LinkError::TwoPeople));
    }

    #[test]
    fn demographics_must_agree_once_they_are_known() {
        let mut region = Region::default();
        let mut patient = person(&[("HEALTH-CARD", "CARD-0001")]);
        region.link(&patient).unwrap();
        patient.sex = Some(Phi::new(RegisteredSex::Female));
        patient.birth_date = Some(Phi::new(BirthDate::new(1949, 12, 31).unwrap()));
        region.link(&patient).unwrap();
        patient.sex = Some(Phi::new(RegisteredSex::Male));
        assert_eq!(region.link(&patient), Err(LinkError::Sex));
        patient.sex = None;
        patient.birth_date = Some(Phi::new(BirthDate::new(1949, 12, 30).unwrap()));
        assert_eq!(region.link(&patient), Err(LinkError::BirthDate));
        patient.birth_date = None;
        assert!(region.link(&patient).is_ok(), "what is not said contradicts nothing");
    }

    #[test]
    fn another_secret_makes_other_pseudonyms() {
        let strong = vec!["CN-ID".parse().unwrap()];
        let patient = person(&[("CN-ID", NUMBER)]);
        let by = |secret| Pseudonyms::new(&[secret; 32], strong.clone()).link(&patient, |_| None).unwrap().pseudonym;
        assert_eq!(by(1), by(1));
        assert_ne!(by(1), by(2));
    }
}
