//! Local identifiers, such as the hospital's own record number: learnt from messages that carry them beside strong ones,
//! and followed for images and reports that carry nothing else.
//!
//! Nothing is guessed: a number that was seen with two people links nobody any more, and a link is followed only where
//! the birth date is known on both sides and agrees, and the sex does not differ. The numbers themselves are kept nowhere,
//! only digests of them under the node's own key; what was learnt is in the journal, so that it outlives the projections.

use std::collections::BTreeSet;

use ring::hmac;

use super::core::Core;
use super::error::NodeError;
use super::people::Whose;
use super::sheet::{Held, Reason};
use crate::domain::id::Pseudonym;
use crate::domain::person::{Identifier, Person};
use crate::store::node::{IdentifierDigest, Link, LinkedPerson};
use crate::wire::pb;

/// Follows the local identifiers of a person who has no strong one.
pub(super) fn follow(core: &Core, person: &Person) -> Result<Whose, NodeError> {
    let mut found: Option<Pseudonym> = None;
    let mut lacks = "identifiers";
    for local in person.local_identifiers(&core.settings.strong) {
        let key = local_digest(core, &local);
        let linked = match core.state.link(key)? {
            None => continue,
            Some(Link::Ambiguous) => return Ok(conflict("identifiers")),
            Some(Link::Person(linked)) => linked,
        };
        let seen = described(core, key, person, linked.pseudonym);
        if differs(linked.sex, seen.sex) {
            return Ok(conflict("sex"));
        }
        match (linked.birth_date, seen.birth_date) {
            (Some(known), Some(seen)) if known != seen => return Ok(conflict("birth_date")),
            (Some(_), Some(_)) => {}
            // A number alone is nobody: it may be a mistyped one.
            _ => {
                lacks = "birth_date";
                continue;
            }
        }
        if found.is_some_and(|found| found != linked.pseudonym) {
            return Ok(conflict("identifiers"));
        }
        found = Some(linked.pseudonym);
    }
    Ok(found.ok_or_else(|| Held::new(Reason::NoStrongIdentifier, lacks)))
}

/// Gives what a person with strong identifiers teaches of the local ones beside them, as far as it is new.
pub(super) fn learn(core: &Core, person: &Person, pseudonym: Pseudonym) -> Result<Vec<pb::LearntLink>, NodeError> {
    let Ok(known) = person.completed(&core.settings.strong) else { return Ok(Vec::new()) };
    let mut learnt = BTreeSet::new();
    for local in person.local_identifiers(&core.settings.strong) {
        let key = local_digest(core, &local);
        let seen = described(core, key, &known, pseudonym);
        let link = core.state.link(key)?;
        if link.is_none_or(|link| link.and(seen) != link) {
            learnt.insert((key, seen));
        }
    }
    Ok(learnt.into_iter().map(|(key, seen)| record(key, seen)).collect())
}

/// Gives the local identifiers of a person that link nobody yet: whoever waits is read again when one of them does.
pub(super) fn unlinked(core: &Core, person: &Person) -> Result<Vec<IdentifierDigest>, NodeError> {
    let locals = person.local_identifiers(&core.settings.strong);
    let keys = locals.iter().map(|local| local_digest(core, local));
    keys.filter_map(|key| core.state.link(key).map(|link| link.is_none().then_some(key)).transpose())
        .map(|key| Ok(key?))
        .collect()
}

/// Reads what was learnt from its record; nothing where the record is damaged.
pub(super) fn learnt(record: &pb::LearntLink) -> Option<(IdentifierDigest, LinkedPerson)> {
    let digest = |bytes: &[u8]| if bytes.is_empty() { Some(None) } else { bytes.try_into().ok().map(Some) };
    let pseudonym = Pseudonym::try_from(record.pseudonym.as_ref()).ok()?;
    let (sex, birth_date) = (digest(&record.sex)?, digest(&record.birth_date)?);
    Some((IdentifierDigest(record.local.as_ref().try_into().ok()?), LinkedPerson { pseudonym, sex, birth_date }))
}

fn record(key: IdentifierDigest, seen: LinkedPerson) -> pb::LearntLink {
    let bytes = |digest: Option<[u8; 32]>| digest.map(|digest| digest.to_vec().into()).unwrap_or_default();
    pb::LearntLink {
        local: key.0.to_vec().into(),
        pseudonym: seen.pseudonym.as_bytes().to_vec().into(),
        sex: bytes(seen.sex),
        birth_date: bytes(seen.birth_date),
    }
}

fn described(core: &Core, key: IdentifierDigest, person: &Person, pseudonym: Pseudonym) -> LinkedPerson {
    // Bound to the identifier, so that equal digests of two people do not show that they share a birthday.
    let sex = keyed(core, |part| {
        part(b"sex of local identifier");
        part(&key.0);
        person.feed_sex(part)
    });
    let birth_date = keyed(core, |part| {
        part(b"birth date of local identifier");
        part(&key.0);
        person.feed_birth_date(part)
    });
    LinkedPerson { pseudonym, sex, birth_date }
}

fn local_digest(core: &Core, local: &Identifier) -> IdentifierDigest {
    let digest = keyed(core, |part| {
        part(b"local identifier of a person");
        local.feed(part);
        true
    });
    IdentifierDigest(digest.unwrap_or_default())
}

/// Digests what is fed under the node's own key, each part behind its length; nothing where the feeder had nothing.
fn keyed(core: &Core, feed: impl FnOnce(&mut dyn FnMut(&[u8])) -> bool) -> Option<[u8; 32]> {
    let mut context = hmac::Context::with_key(&core.cache_key);
    let is_fed = feed(&mut |bytes| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    });
    let mut digest = [0; 32];
    digest.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    is_fed.then_some(digest)
}

fn differs(known: Option<[u8; 32]>, seen: Option<[u8; 32]>) -> bool {
    known.zip(seen).is_some_and(|(known, seen)| known != seen)
}

fn conflict(field: &str) -> Whose {
    Err(Held::new(Reason::IdentityConflict, field))
}
