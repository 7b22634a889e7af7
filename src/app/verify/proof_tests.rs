//! A proof as a card carries it, and every way to falsify it.

use prost::Message;

use super::proof::{Known, check};
use super::tree::Disagreement;
use crate::domain::organisation::Role;
use crate::merkle::log_proof::LogProof;
use crate::merkle::note::{Cosignature, WitnessKey};
use crate::service::hub::testing::{HOSPITAL, OTHER_HOSPITAL, Signer25519, World, caller};
use crate::service::hub::tests::{Publisher, check_request, doctor, qualify, result};
use crate::wire::pb;

/// The proof of a prompt's result, of a batch of three, under a checkpoint that two witnesses cosigned.
struct Card {
    world: World,
    publisher: Publisher,
    proof: String,
    known: Known,
}

impl Card {
    async fn new() -> Self {
        let world = World::new().await;
        qualify(&world, OTHER_HOSPITAL).await;
        let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
        let other = |patient: u8| {
            let mut other = result(&world, patient, 24);
            other.patient = crate::domain::id::Pseudonym::new([patient; 16]);
            other
        };
        publisher.publish(&world, &[other(6), other(7), result(&world, 1, 24)]).await;
        publisher.publish(&world, &[other(8)]).await;
        let witnesses = [(HOSPITAL, 3), (OTHER_HOSPITAL, 4)];
        let witnesses =
            witnesses.map(|(code, number)| cosign(&world, code, world.signer(code, Role::Hospital, number)));
        let log = world.log_key.clone();
        let known =
            Known { log, witnesses: witnesses.into(), quorum: 2, strangers: false, signer: None, authority: None };
        let proof = prompted(&world, "c1").await;
        Self { world, publisher, proof, known }
    }

    /// Takes the proof apart, changes it, and checks what was made of it.
    fn changed(&self, change: impl FnOnce(&mut LogProof, &mut pb::ResultProof)) -> Disagreement {
        let mut proof: LogProof = self.proof.parse().unwrap();
        let mut extra = pb::ResultProof::decode(proof.extra.as_slice()).unwrap();
        change(&mut proof, &mut extra);
        proof.extra = extra.encode_to_vec();
        check(proof.to_string().as_bytes(), &self.known).unwrap_err()
    }
}

fn cosign(world: &World, organisation: &str, signer: Signer25519) -> WitnessKey {
    let note = world.hub.offered_checkpoint(0).unwrap();
    let text = format!("{}\n", note.rsplit_once("\n\n").unwrap().0);
    let key = ed25519_dalek::VerifyingKey::from_bytes(&signer.key.record().public_key).unwrap();
    let key = WitnessKey::under(world.log_key.name(), organisation, key).unwrap();
    let at = u64::try_from(world.hub.now().unix_ms() / 1_000).unwrap();
    let line = Cosignature::sign(&text, at, &key, |message| signer.key.cosign(message)).to_string();
    let witness = caller(organisation, Role::Hospital);
    world.hub.take_cosignature(&witness, &note, &line, &signer.certificate_der).unwrap();
    key
}

async fn prompted(world: &World, key: &str) -> String {
    // A loaded machine may leave it out.
    for _ in 0..1_000 {
        let asked = pb::CheckRequest { proofs: true, ..check_request(key, "L01001") };
        let proof = world.check(&doctor(), asked).await.unwrap().lines[0].prompts[0].proof.clone();
        if !proof.is_empty() {
            return proof;
        }
    }
    panic!("no proof came");
}

#[tokio::test]
async fn a_proof_says_what_was_found_by_whom_and_who_saw_it() {
    let card = Card::new().await;
    let proved = check(card.proof.as_bytes(), &card.known).unwrap();
    assert_eq!((proved.result.result_id.as_ref(), proved.result.version), ([1; 16].as_slice(), 1));
    assert_eq!((proved.header.organisation.as_str(), proved.header.sequence), (OTHER_HOSPITAL, 1));
    assert_eq!((proved.place, proved.witnesses.len()), (2, 2));
    let signer = Some(card.publisher.certificate().to_vec());
    check(card.proof.as_bytes(), &Known { signer, ..card.known.clone() }).unwrap();
    let strange = Some(card.world.signer(OTHER_HOSPITAL, Role::Hospital, 51).certificate_der);
    let wrong = check(card.proof.as_bytes(), &Known { signer: strange, ..card.known.clone() }).unwrap_err();
    assert_eq!(wrong, Disagreement::new("header", "its signature is not by the certificate's key"));
}

#[tokio::test]
async fn no_changed_dropped_or_added_byte_is_believed() {
    let card = Card::new().await;
    let sound = card.proof.as_bytes();
    let believed = |bytes: &[u8]| check(bytes, &card.known).is_ok();
    assert!(believed(sound));
    for place in 0..sound.len() {
        // Every bit of every byte, over eight neighbours.
        for bit in [0, place % 8] {
            let mut changed = sound.to_vec();
            changed[place] ^= 1 << bit;
            assert!(!believed(&changed), "byte {place}, bit {bit}");
        }
        assert!(!believed(&[&sound[..place], &sound[place + 1..]].concat()), "without byte {place}");
        assert!(!believed(&sound[..place]), "cut at {place}");
    }
    for byte in [b'\n', b'A', b' ', 0] {
        assert!(!believed(&[sound, &[byte]].concat()));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let mut card = Card::new().await;
    let entry = format!("entry 2 of batch 1 of {OTHER_HOSPITAL}");
    let wrong = card.changed(|_, extra| {
        let mut told = pb::Entry::decode(extra.entry.clone()).unwrap();
        told.version = 9;
        extra.entry = told.encode_to_vec().into();
    });
    assert_eq!(wrong, Disagreement::new(&entry, "it is not in the batch: the proof leads to another root"));
    let wrong = card.changed(|_, extra| extra.place = 3);
    assert!(wrong.problem.starts_with("it is not in the batch: leaf 3 is not in a tree of 3 leaves"), "{wrong:?}");
    let wrong = card.changed(|_, extra| extra.place = 1);
    assert!(wrong.problem.starts_with("it is not in the batch: "), "{wrong:?}");
    let record = format!("record {}", card.proof.parse::<LogProof>().unwrap().index);
    let wrong = card.changed(|_, extra| {
        let mut header = pb::HeaderRecord::decode(extra.record.clone()).unwrap();
        header.signature = vec![0; 64].into();
        extra.record = header.encode_to_vec().into();
    });
    assert_eq!(wrong, Disagreement::new(&record, "it is not in the log: the proof leads to another root"));
    let wrong = card.changed(|proof, _| proof.index += 1);
    assert!(wrong.problem.starts_with("it is not in the log: "), "{wrong:?}");
    let wrong =
        card.changed(|proof, _| proof.checkpoint = proof.checkpoint.replacen("log.example.cn", "log.example.com", 1));
    assert_eq!(wrong.place, "checkpoint");

    let stranger = card.known.witnesses.pop().unwrap();
    let wrong = check(card.proof.as_bytes(), &card.known).unwrap_err();
    assert_eq!(wrong.place, "checkpoint");
    assert!(wrong.problem.starts_with(&format!("a signature by {} cannot be checked", stranger.name())), "{wrong:?}");
    card.known.strangers = true;
    let wrong = check(card.proof.as_bytes(), &card.known).unwrap_err();
    assert_eq!(wrong, Disagreement::new("checkpoint", "1 witnesses cosigned it where 2 must have"));
    card.known.quorum = 1;
    assert_eq!(check(card.proof.as_bytes(), &card.known).unwrap().witnesses.len(), 1);
    let other = ed25519_dalek::SigningKey::from_bytes(&[6; 32]).verifying_key();
    card.known.log = crate::merkle::note::VerifierKey::new(card.known.log.name().clone(), other);
    assert_eq!(check(card.proof.as_bytes(), &card.known).unwrap_err().place, "checkpoint");
}

#[tokio::test]
async fn one_results_proof_is_not_anothers() {
    let mut card = Card::new().await;
    card.known.quorum = 0;
    let entries = [result(&card.world, 2, 12)];
    card.publisher.publish(&card.world, &entries).await;
    let other: LogProof = prompted(&card.world, "c2").await.parse().unwrap();
    let other_extra = pb::ResultProof::decode(other.extra.as_slice()).unwrap();
    assert_ne!(other.to_string(), card.proof);
    assert!(check(other.to_string().as_bytes(), &card.known).is_ok());
    card.changed(|_, extra| *extra = other_extra.clone());
    card.changed(|_, extra| extra.entry = other_extra.entry.clone());
    card.changed(|_, extra| extra.record = other_extra.record.clone());
    card.changed(|proof, _| proof.checkpoint = other.checkpoint.clone());
}
