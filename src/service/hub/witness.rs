//! Cosignatures of the hub's checkpoints: nodes that have seen the log grow say so, and the hub shows what they said.
//! Nothing waits for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::limits::NOTE_SIGNATURES_MAX;
use crate::domain::organisation::Caller;
use crate::domain::time::Moment;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::note::{Cosignature, KeyName, Note, WitnessKey};
use crate::merkle::proof::TreeHead;
use crate::pki::signing::{SigningError, VerifyingKeyRecord};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::wire::field::{FieldError, Problem};

/// The checkpoints that are being cosigned, in memory; what was gathered is also beside the tiles.
#[derive(Debug, Default)]
pub(super) struct Witnesses(Mutex<Desk>);

#[derive(Debug, Default)]
struct Desk {
    /// What witnesses are shown for a while, so that many of them cosign the same tree.
    offered: Option<Offered>,
    /// The trees that were cosigned lately, by their size.
    gathered: BTreeMap<u64, Gathered>,
}

#[derive(Debug, Clone)]
struct Offered {
    note: String,
    size: u64,
    since: Moment,
}

#[derive(Debug)]
struct Gathered {
    note: Note,
    cosignatures: BTreeMap<KeyName, (WitnessKey, Cosignature)>,
    last: Moment,
}

impl Hub {
    /// Gives a checkpoint for a witness that has seen a tree of `known_size`: the one that others are cosigning, or the
    /// newest. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError::Behind`] before the first checkpoint.
    pub fn offered_checkpoint(&self, known_size: u64) -> Result<String, HubError> {
        let now = self.now();
        let mut desk = self.witnesses.desk();
        if let Some(offered) = &desk.offered {
            let is_fresh = now.ms_since(offered.since) < OFFER_MS && now.ms_since(offered.since) >= 0;
            if is_fresh && offered.size >= known_size {
                return Ok(offered.note.clone());
            }
        }
        let (note, key) = self.checkpoint()?;
        let opened = Checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(&key));
        let size = opened.map_err(|_| HubError::Behind)?.head().size;
        desk.offered = Some(Offered { note: note.clone(), size, since: now });
        Ok(note)
    }

    /// Takes a witness's cosignature under a checkpoint of this log; gives how many there are now. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`] when the checkpoint is not this hub's, or the cosignature not the caller's.
    pub fn take_cosignature(
        &self,
        caller: &Caller,
        checkpoint: &str,
        cosignature: &str,
        certificate: &[u8],
    ) -> Result<usize, HubError> {
        let wrong = |field: &str, what: &'static str| HubError::from(FieldError::new(field, Problem::Form(what)));
        let log = &self.parts.log_key;
        let own = std::slice::from_ref(log);
        let note = Note::parse(checkpoint.as_bytes()).map_err(|_| wrong("checkpoint", "signed note"))?.only(own);
        let text = note.verify(own).map_err(|_| wrong("checkpoint", "checkpoint of this log"))?.to_owned();
        let opened: Checkpoint = text.parse().map_err(|_| wrong("checkpoint", "checkpoint of this log"))?;
        let (key, now) = (self.witness_key(caller, certificate)?, self.now());
        let held = Cosignature::verify(cosignature, &text, &key);
        let held = held.map_err(|_| wrong("cosignature", "cosignature of the caller"))?;
        let apart_ms = now.unix_ms().abs_diff(i64::try_from(held.at_unix_s).unwrap_or(i64::MAX).saturating_mul(1_000));
        if apart_ms > CLOCK_APART_MS_MAX {
            return Err(wrong("cosignature", "cosignature of this hour"));
        }
        let mut desk = self.witnesses.desk();
        let count = desk.gather(opened.head(), note, (key, held), now);
        if let Some(best) = desk.best(now) {
            let keys: Vec<String> = best.cosignatures.values().map(|(key, _)| key.to_string()).collect();
            self.parts.tiles.put_cosigned(&best.note().to_string(), &keys)?;
        }
        Ok(count)
    }

    /// Gives the checkpoint with the most cosignatures of late, and the keys of its witnesses; empty where there is none.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`] when the disk fails.
    pub fn cosigned_checkpoint(&self) -> Result<(String, Vec<String>), HubError> {
        Ok((self.parts.tiles.cosigned()?.unwrap_or_default(), self.parts.tiles.witness_keys()?))
    }

    /// Reads the key with which a hospital cosigns: its signing key, under another name.
    fn witness_key(&self, caller: &Caller, certificate: &[u8]) -> Result<WitnessKey, HubError> {
        let record = VerifyingKeyRecord::from_der(certificate, &self.parts.registry.trust())?;
        if record.organisation != caller.organisation || record.role != caller.role || record.region != caller.region {
            return Err(HubError::Impostor);
        }
        let now = self.now().unix_ms();
        if record.revoked_since.is_some_and(|since| now >= since.unix_ms()) {
            return Err(SigningError::Revoked.into());
        }
        if now < record.not_before.unix_ms() || now > record.not_after.unix_ms() {
            return Err(SigningError::Period.into());
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&record.public_key).map_err(|_| SigningError::Usage)?;
        let key = WitnessKey::under(self.parts.log_key.name(), &caller.organisation.to_string(), key);
        Ok(key.map_err(|_| FieldError::new("log_name", Problem::Form("name short enough for witnesses")))?)
    }
}

impl Witnesses {
    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn gather(
        &mut self,
        head: TreeHead,
        note: Note,
        (key, cosignature): (WitnessKey, Cosignature),
        now: Moment,
    ) -> usize {
        let empty = || Gathered { note, cosignatures: BTreeMap::new(), last: now };
        let gathered = self.gathered.entry(head.size).or_insert_with(empty);
        let name = key.name().clone();
        if gathered.cosignatures.len() < WITNESSES_MAX || gathered.cosignatures.contains_key(&name) {
            gathered.cosignatures.insert(name, (key, cosignature));
            gathered.last = now;
        }
        let count = gathered.cosignatures.len();
        while self.gathered.len() > TREES_MAX {
            self.gathered.pop_first();
        }
        count
    }

    /// Finds the tree with the most cosignatures, the larger of two; those of long ago do not count.
    fn best(&self, now: Moment) -> Option<&Gathered> {
        let recent = self.gathered.iter().filter(|(_, gathered)| now.ms_since(gathered.last) <= RECENT_MS);
        recent.max_by_key(|(size, gathered)| (gathered.cosignatures.len(), **size)).map(|(_, gathered)| gathered)
    }
}

impl Gathered {
    fn note(&self) -> Note {
        self.note.clone().with_cosignatures(self.cosignatures.values().map(|(_, cosignature)| cosignature))
    }
}

/// How long witnesses are shown the same checkpoint, in milliseconds.
const OFFER_MS: i64 = 10_000;
/// How long a tree with more cosignatures is shown in place of a newer one with fewer, in milliseconds.
const RECENT_MS: i64 = 60_000;
/// Trees whose cosignatures are gathered at one time.
const TREES_MAX: usize = 16;
/// Most cosignatures under a checkpoint; one line is the log's own.
const WITNESSES_MAX: usize = NOTE_SIGNATURES_MAX - 1;
/// How far a witness's clock may be from the hub's, in milliseconds.
const CLOCK_APART_MS_MAX: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fault::{Fault, Faulty};
    use crate::domain::organisation::Role;
    use crate::service::hub::testing::{HOSPITAL, OTHER_HOSPITAL, Signer25519, World, caller};

    fn key_of(world: &World, organisation: &str, signer: &Signer25519) -> WitnessKey {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&signer.key.record().public_key).unwrap();
        WitnessKey::under(world.log_key.name(), organisation, key).unwrap()
    }

    fn line(world: &World, organisation: &str, signer: &Signer25519, note: &str) -> String {
        let text = format!("{}\n", note.rsplit_once("\n\n").unwrap().0);
        let at = u64::try_from(world.hub.now().unix_ms() / 1_000).unwrap();
        let sign = |message: &[u8]| signer.key.cosign(message);
        Cosignature::sign(&text, at, &key_of(world, organisation, signer), sign).to_string()
    }

    fn cosign(world: &World, organisation: &str, signer: &Signer25519, note: &str) -> Result<usize, HubError> {
        let line = line(world, organisation, signer, note);
        let caller = caller(organisation, Role::Hospital);
        world.hub.take_cosignature(&caller, note, &line, &signer.certificate_der)
    }

    #[tokio::test]
    async fn what_witnesses_say_is_shown_with_the_checkpoint_and_verifies() {
        let world = World::new().await;
        let (one, other) = (world.signer(HOSPITAL, Role::Hospital, 3), world.signer(OTHER_HOSPITAL, Role::Hospital, 4));
        let note = world.hub.offered_checkpoint(0).unwrap();
        assert_eq!(world.hub.cosigned_checkpoint().unwrap(), (String::new(), vec![]));
        assert_eq!(cosign(&world, HOSPITAL, &one, &note).unwrap(), 1);
        assert_eq!(cosign(&world, HOSPITAL, &one, &note).unwrap(), 1, "one witness counts once");
        assert_eq!(cosign(&world, OTHER_HOSPITAL, &other, &note).unwrap(), 2);
        let (cosigned, keys) = world.hub.cosigned_checkpoint().unwrap();
        let keys: Vec<WitnessKey> = keys.iter().map(|key| key.parse().unwrap()).collect();
        assert_eq!(keys.len(), 2);
        let read = Note::parse(cosigned.as_bytes()).unwrap();
        read.verify(std::slice::from_ref(&world.log_key)).unwrap();
        assert_eq!(read.cosignatures(&keys).unwrap().len(), 2);
    }

    #[tokio::test]
    async fn witnesses_are_shown_the_same_tree_for_a_while_and_never_one_below_what_they_know() {
        let world = World::new().await;
        let note = world.hub.offered_checkpoint(0).unwrap();
        world.publish(1, &[crate::wire::entry::tests::potassium()]).await;
        assert_eq!(world.hub.offered_checkpoint(1).unwrap(), note);
        let newest = world.hub.checkpoint().unwrap().0;
        assert_ne!(newest, note);
        assert_eq!(world.hub.offered_checkpoint(2).unwrap(), newest);
        assert_eq!(world.hub.offered_checkpoint(0).unwrap(), newest, "and from then on everybody");
    }

    #[tokio::test]
    async fn more_cosignatures_are_shown_before_a_newer_tree_until_they_are_old() {
        let world = World::new().await;
        let (one, other) = (world.signer(HOSPITAL, Role::Hospital, 3), world.signer(OTHER_HOSPITAL, Role::Hospital, 4));
        let first = world.hub.offered_checkpoint(0).unwrap();
        cosign(&world, HOSPITAL, &one, &first).unwrap();
        cosign(&world, OTHER_HOSPITAL, &other, &first).unwrap();
        world.publish(1, &[crate::wire::entry::tests::potassium()]).await;
        let second = world.hub.checkpoint().unwrap().0;
        cosign(&world, HOSPITAL, &one, &second).unwrap();
        assert!(world.hub.cosigned_checkpoint().unwrap().0.starts_with(first.rsplit_once("\n\n").unwrap().0));
        world.clock.advance(RECENT_MS + 1);
        cosign(&world, HOSPITAL, &one, &second).unwrap();
        assert!(world.hub.cosigned_checkpoint().unwrap().0.starts_with(second.rsplit_once("\n\n").unwrap().0));
    }

    #[tokio::test]
    async fn nobody_cosigns_for_another_or_under_what_the_hub_never_said() {
        let world = World::new().await;
        let (one, other) = (world.signer(HOSPITAL, Role::Hospital, 3), world.signer(OTHER_HOSPITAL, Role::Hospital, 4));
        let note = world.hub.offered_checkpoint(0).unwrap();
        let fault = |caller_code: &str, note: &str, line: &str, signer: &Signer25519| {
            let caller = caller(caller_code, Role::Hospital);
            let taken = world.hub.take_cosignature(&caller, note, line, &signer.certificate_der);
            taken.unwrap_err().fault()
        };
        let own = line(&world, HOSPITAL, &one, &note);
        assert_eq!(fault(OTHER_HOSPITAL, &note, &own, &one), Fault::Denied, "another's certificate");
        assert_eq!(fault(OTHER_HOSPITAL, &note, &own, &other), Fault::BadInput, "another's line");
        let forged = note.replacen("\n1\n", "\n2\n", 1);
        assert_eq!(fault(HOSPITAL, &forged, &own, &one), Fault::BadInput, "a checkpoint that never was");
        world.clock.advance(2 * 3_600_000);
        assert_eq!(fault(HOSPITAL, &note, &own, &one), Fault::BadInput, "a time of long ago");
        world.revoke(3);
        let late = line(&world, HOSPITAL, &one, &note);
        assert_eq!(fault(HOSPITAL, &note, &late, &one), Fault::Unproven, "a revoked key");
        assert_eq!(world.hub.cosigned_checkpoint().unwrap().0, "");
    }
}
