//! Grants: leave to fetch the originals of one result, bound to organisation and purpose, short-lived, kept by nobody.
//!
//! A grant is a statement of the hub to itself, authenticated with a key that only the hub holds; what was fetched
//! with it is in the log.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::{ConsentId, PromptId, ResultId};
use crate::domain::log::{LogPlace, Position, Sequence};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;

/// What a grant allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The organisation that may fetch.
    pub organisation: OrganisationCode,
    /// What for.
    pub purpose: Purpose,
    /// The prompt it came from, if it came from one.
    pub prompt: Option<PromptId>,
    /// The consent it rests on, if it rests on one.
    pub consent: Option<ConsentId>,
    /// The record that gave it: a decision, an event, an access.
    pub given: LogPlace,
    /// The result whose originals may be fetched.
    pub result: ResultId,
    /// The record that holds the result's batch.
    pub batch: LogPlace,
    /// The entry's place in the batch.
    pub entry: u16,
    /// When it ends, in milliseconds since 1970.
    pub expires_unix_ms: i64,
}

/// What originals are fetched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The result was accepted.
    Accepted,
    /// The result is looked at before a decision.
    Viewed,
    /// The patient consents.
    Consented,
    /// It could not wait for the patient's leave.
    BreakGlass,
    /// The patient reads it.
    Patient,
}

/// A grant does not open what it was shown for; a new one is given by `Orders.Decide` or `Orders.Acknowledge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The token was not made by this hub.
    #[error("the grant was not given by this hub")]
    Forged,
    /// Its time is over.
    #[error("the grant has expired; ask for a new one")]
    Expired,
    /// It was given to another organisation.
    #[error("the grant was given to another organisation")]
    Foreign,
}

impl Faulty for GrantError {
    fn fault(&self) -> Fault {
        Fault::Denied
    }
}

impl Purpose {
    /// Spells the purpose as records do.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Viewed => "viewed",
            Self::Consented => "consented",
            Self::BreakGlass => "break-glass",
            Self::Patient => "patient",
        }
    }
}

/// Gives and reads grants.
pub struct Grants {
    key: hmac::Key,
}

impl Grants {
    /// Takes the hub's secret for grants; a new secret ends all grants that were given under the old one.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// Writes a grant as a token.
    pub fn seal(&self, grant: &Grant) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES + TAG_BYTES);
        bytes.push(VERSION);
        bytes.push(match grant.purpose {
            Purpose::Accepted => 0,
            Purpose::Viewed => 1,
            Purpose::Consented => 2,
            Purpose::BreakGlass => 3,
            Purpose::Patient => 4,
        });
        bytes.extend_from_slice(&grant.expires_unix_ms.to_be_bytes());
        bytes.extend_from_slice(&grant.batch.sequence.0.to_be_bytes());
        bytes.extend_from_slice(&grant.batch.position.0.to_be_bytes());
        bytes.extend_from_slice(&grant.entry.to_be_bytes());
        bytes.extend_from_slice(&grant.prompt.map_or(NONE, |prompt| *prompt.as_bytes()));
        bytes.extend_from_slice(&grant.consent.map_or(NONE, |consent| *consent.as_bytes()));
        bytes.extend_from_slice(&grant.given.sequence.0.to_be_bytes());
        bytes.extend_from_slice(&grant.given.position.0.to_be_bytes());
        bytes.extend_from_slice(grant.result.as_bytes());
        bytes.extend_from_slice(grant.organisation.as_str().as_bytes());
        assert_eq!(bytes.len(), BODY_BYTES, "the layout of a grant is fixed");
        let tag = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token and checks that `organisation` may use it at `now`.
    ///
    /// # Errors
    /// [`GrantError`]; nothing may be fetched.
    pub fn open(&self, token: &str, organisation: OrganisationCode, now: Moment) -> Result<Grant, GrantError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| GrantError::Forged)?;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES).ok_or(GrantError::Forged)?;
        hmac::verify(&self.key, body, tag).map_err(|_| GrantError::Forged)?;
        let grant = read(body).ok_or(GrantError::Forged)?;
        if grant.organisation != organisation {
            return Err(GrantError::Foreign);
        }
        if grant.expires_unix_ms <= now.unix_ms() {
            return Err(GrantError::Expired);
        }
        Ok(grant)
    }
}

fn read(body: &[u8]) -> Option<Grant> {
    let (&[VERSION, purpose], rest) = body.split_first_chunk()? else { return None };
    let (expires, rest) = rest.split_first_chunk()?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (position, rest) = rest.split_first_chunk()?;
    let (entry, rest) = rest.split_first_chunk()?;
    let (prompt, rest) = rest.split_first_chunk()?;
    let (consent, rest) = rest.split_first_chunk()?;
    let (given_sequence, rest) = rest.split_first_chunk()?;
    let (given_position, rest) = rest.split_first_chunk()?;
    let (result, organisation) = rest.split_first_chunk()?;
    Some(Grant {
        organisation: std::str::from_utf8(organisation).ok()?.parse().ok()?,
        purpose: match purpose {
            0 => Purpose::Accepted,
            1 => Purpose::Viewed,
            2 => Purpose::Consented,
            3 => Purpose::BreakGlass,
            4 => Purpose::Patient,
            _ => return None,
        },
        prompt: (*prompt != NONE).then(|| PromptId::new(*prompt)),
        consent: (*consent != NONE).then(|| ConsentId::new(*consent)),
        given: LogPlace {
            sequence: Sequence(u64::from_be_bytes(*given_sequence)),
            position: Position(u64::from_be_bytes(*given_position)),
        },
        result: ResultId::new(*result),
        batch: LogPlace {
            sequence: Sequence(u64::from_be_bytes(*sequence)),
            position: Position(u64::from_be_bytes(*position)),
        },
        entry: u16::from_be_bytes(*entry),
        expires_unix_ms: i64::from_be_bytes(*expires),
    })
}

const VERSION: u8 = 2;
const BODY_BYTES: usize = 2 + 8 + 8 + 8 + 2 + 16 + 16 + 16 + 16 + 18;
/// Stands for a name that is absent; no hash is all zeros.
const NONE: [u8; 16] = [0; 16];
const TAG_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANISATION: &str = "91350100M000100Y43";

    fn grant() -> Grant {
        Grant {
            organisation: ORGANISATION.parse().unwrap(),
            purpose: Purpose::Consented,
            prompt: None,
            consent: Some(ConsentId::new([1; 16])),
            given: LogPlace { sequence: Sequence(9), position: Position(8_192) },
            result: ResultId::new([2; 16]),
            batch: LogPlace { sequence: Sequence(7), position: Position(4_096) },
            entry: 3,
            expires_unix_ms: 1_000,
        }
    }

    fn at(unix_ms: i64) -> Moment {
        Moment::new(unix_ms, 480).unwrap()
    }

    #[test]
    fn a_grant_opens_for_its_organisation_until_it_ends() {
        let grants = Grants::new(&[9; 32]);
        let token = grants.seal(&grant());
        let (own, other) = (ORGANISATION.parse().unwrap(), "91110000600037341L".parse().unwrap());
        assert_eq!(grants.open(&token, own, at(999)), Ok(grant()));
        assert_eq!(grants.open(&token, own, at(1_000)), Err(GrantError::Expired));
        assert_eq!(grants.open(&token, other, at(999)), Err(GrantError::Foreign));
        assert_eq!(Grants::new(&[8; 32]).open(&token, own, at(999)), Err(GrantError::Forged));
    }

    #[test]
    fn no_changed_token_opens() {
        let grants = Grants::new(&[9; 32]);
        let bytes = URL_SAFE_NO_PAD.decode(grants.seal(&grant())).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let opened = grants.open(&URL_SAFE_NO_PAD.encode(changed), ORGANISATION.parse().unwrap(), at(0));
            assert_eq!(opened, Err(GrantError::Forged), "byte {place}");
        }
        for end in 0..bytes.len() {
            let opened = grants.open(&URL_SAFE_NO_PAD.encode(&bytes[..end]), ORGANISATION.parse().unwrap(), at(0));
            assert_eq!(opened, Err(GrantError::Forged), "length {end}");
        }
    }
}
