//! Persons to pseudonyms: judged here as far as can be, remembered for a while, and otherwise asked of the hub in groups.

use std::collections::BTreeMap;

use ring::hmac;

use super::core::Core;
use super::error::NodeError;
use super::links;
use super::sheet::{Held, Reason};
use crate::domain::id::Pseudonym;
use crate::domain::person::{Person, PersonError};
use crate::ports::hub::{HubError, HubLink, Resolution};
use crate::store::node::IdentifierDigest;

/// Whose something is in the region, or why it waits.
pub(super) type Whose = Result<Pseudonym, Held>;

/// Resolves persons in the order given.
///
/// # Errors
/// [`NodeError::Hub`] when the hub does not answer; try all of them again.
pub(super) async fn resolve<L: HubLink>(core: &Core, link: &L, persons: &[Person]) -> Result<Vec<Whose>, NodeError> {
    let mut answers: Vec<Option<Whose>> = Vec::with_capacity(persons.len());
    let mut asked: BTreeMap<IdentifierDigest, (Person, Vec<usize>)> = BTreeMap::new();
    for (place, person) in persons.iter().enumerate() {
        match judge(core, person) {
            Err(why) if why.reason == Reason::NoStrongIdentifier => answers.push(Some(links::follow(core, person)?)),
            Err(why) => answers.push(Some(Err(why))),
            Ok((digest, strong)) => {
                let known = core.state.pseudonym(digest, core.clock.now())?;
                answers.push(known.map(Ok));
                if known.is_none() {
                    asked.entry(digest).or_insert_with(|| (strong, Vec::new())).1.push(place);
                }
            }
        }
    }
    let asked: Vec<_> = asked.into_iter().collect();
    for group in asked.chunks(GROUP_PERSONS_MAX) {
        let persons: Vec<Person> = group.iter().map(|(_, (person, _))| person.clone()).collect();
        let resolutions = link.resolve(persons).await?;
        if resolutions.len() != group.len() {
            return Err(HubError::Answer.into());
        }
        for ((digest, (_, places)), resolution) in group.iter().zip(resolutions) {
            let whose = whose(resolution);
            if let Ok(pseudonym) = whose {
                let expires = core.clock.now().plus_hours(i64::from(core.settings.pseudonym_hours));
                core.state.remember_pseudonym(*digest, pseudonym, expires)?;
            }
            for place in places {
                if let Some(answer) = answers.get_mut(*place) {
                    *answer = Some(whose.clone());
                }
            }
        }
    }
    answers.into_iter().map(|answer| answer.ok_or(NodeError::Hub(HubError::Answer))).collect()
}

/// Keeps the strong identifiers alone, and names person and all by a keyed digest.
fn judge(core: &Core, person: &Person) -> Result<(IdentifierDigest, Person), Held> {
    let strong = person.strong_identifiers(&core.settings.strong).map_err(|error| {
        let reason = match error {
            PersonError::Weak => Reason::NoStrongIdentifier,
            PersonError::Malformed(_) => Reason::IdentifierMalformed,
            PersonError::Sex | PersonError::BirthDate => Reason::IdentityConflict,
        };
        let field = match error {
            PersonError::Weak => "identifiers".to_owned(),
            PersonError::Malformed(place) => format!("identifiers[{place}].value"),
            PersonError::Sex => "sex".to_owned(),
            PersonError::BirthDate => "birth_date".to_owned(),
        };
        Held::new(reason, field)
    })?;
    let person = Person { identifiers: strong.into_iter().take(IDENTIFIERS_MAX).collect(), ..person.clone() };
    let mut context = hmac::Context::with_key(&core.cache_key);
    let mut part = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    person.identifiers.iter().for_each(|identifier| identifier.feed(&mut part));
    part(b"sex");
    person.feed_sex(&mut part);
    part(b"birth date");
    person.feed_birth_date(&mut part);
    let mut digest = [0; 32];
    digest.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    Ok((IdentifierDigest(digest), person))
}

fn whose(resolution: Resolution) -> Whose {
    match resolution {
        Resolution::Resolved(pseudonym) => Ok(pseudonym),
        Resolution::Weak => Err(Held::new(Reason::NoStrongIdentifier, "identifiers")),
        Resolution::Malformed(field) => Err(Held::new(Reason::IdentifierMalformed, field)),
        Resolution::Conflict(field) => Err(Held::new(Reason::IdentityConflict, field)),
    }
}

/// Most persons in one call.
const GROUP_PERSONS_MAX: usize = 100;
/// Most identifiers of one person that a message may carry.
const IDENTIFIERS_MAX: usize = 8;
