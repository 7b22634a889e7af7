//! Resolving persons: what is learned is durable before the pseudonym is given out.

use crate::domain::person::{Person, PersonError};
use crate::domain::time::Moment;
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::pseudonym::{LinkError, Linked};
use crate::wire::pb;
use crate::wire::pb::resolution::Outcome;
use crate::wire::record::Record;

impl Hub {
    /// Resolves persons, in the order asked.
    ///
    /// # Errors
    /// [`HubError`] when the tables or the journal fail; a person that cannot be linked is an outcome, not an error.
    pub async fn resolve(&self, persons: &[Person]) -> Result<Vec<pb::Resolution>, HubError> {
        let mut resolutions = Vec::with_capacity(persons.len());
        for person in persons {
            resolutions.push(match self.link(person)? {
                Ok(linked) if linked.learned.is_empty() => resolved(&linked),
                Ok(_) => self.learn(person).await?,
                Err(error) => refused(error),
            });
        }
        Ok(resolutions)
    }

    /// Links a person again, alone, and records what is new: two who ask at once must not learn two things.
    async fn learn(&self, person: &Person) -> Result<pb::Resolution, HubError> {
        let _turn = self.persons.lock().await;
        let linked = match self.link(person)? {
            Ok(linked) => linked,
            Err(error) => return Ok(refused(error)),
        };
        let records = records(&linked, self.now());
        if !records.is_empty() {
            self.parts.ledger.record(&records).await?;
        }
        Ok(resolved(&linked))
    }

    fn link(&self, person: &Person) -> Result<Result<Linked, LinkError>, HubError> {
        let view = self.parts.state.read()?;
        let mut failed = None;
        let linked = self.parts.pseudonyms.link(person, |digest| match view.person(*digest) {
            Ok(known) => known,
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(linked),
        }
    }
}

fn records(linked: &Linked, now: Moment) -> Vec<Record> {
    let learned = linked.learned.iter().map(|(digest, known)| {
        let bytes = |digest: Option<crate::store::hub::KeyedDigest>| {
            digest.map(|digest| digest.0.to_vec().into()).unwrap_or_default()
        };
        Record::Person(pb::PersonRecord {
            identifier: digest.0.to_vec().into(),
            pseudonym: known.pseudonym.as_bytes().to_vec().into(),
            sex: bytes(known.sex),
            birth_date: bytes(known.birth_date),
            at: Some(now.into()),
        })
    });
    learned.collect()
}

fn resolved(linked: &Linked) -> pb::Resolution {
    pb::Resolution {
        outcome: Outcome::Resolved.into(),
        pseudonym: linked.pseudonym.as_bytes().to_vec().into(),
        field: String::new(),
    }
}

fn refused(error: LinkError) -> pb::Resolution {
    let (outcome, field) = match error {
        LinkError::Person(PersonError::Weak) => (Outcome::Weak, "identifiers".to_owned()),
        LinkError::Person(PersonError::Malformed(place)) => (Outcome::Malformed, format!("identifiers[{place}].value")),
        LinkError::Person(PersonError::Sex) | LinkError::Sex => (Outcome::Conflict, "sex".to_owned()),
        LinkError::Person(PersonError::BirthDate) | LinkError::BirthDate => {
            (Outcome::Conflict, "birth_date".to_owned())
        }
        LinkError::TwoPeople => (Outcome::Conflict, "identifiers".to_owned()),
    };
    pb::Resolution { outcome: outcome.into(), pseudonym: bytes::Bytes::new(), field }
}
