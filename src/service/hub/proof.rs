//! Proofs beside prompts: that a result on offer is in the log, under a checkpoint, for whoever never saw the log. They are
//! made where they are asked for, after the check is recorded, and never waited for: one that cannot be had is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::time::{Instant, timeout_at};

use crate::domain::limits::{PROOF_BYTES_MAX, PROOFS_BYTES_MAX, PROOFS_MAX};
use crate::domain::log::{LogPlace, Sequence};
use crate::merkle::hash::{Hash, leaf_hash};
use crate::merkle::log_proof::LogProof;
use crate::merkle::proof::{TreeHead, prove_inclusion_in};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::transparency::Published;
use crate::store::projection::ProjectionError;
use crate::store::tiles::TileStoreError;
use crate::wire::batch::Batch;
use crate::wire::pb;
use crate::wire::record::{Record, log_entry};

/// Where the results of prompts lie, by the prompts' names.
pub(super) type Offered = Vec<(Bytes, LogPlace, u16)>;

impl Hub {
    /// Adds to the prompts of an answer the proofs of their results, as far as there are any.
    pub(super) async fn add_proofs(self: &Arc<Self>, offered: Offered, lines: &mut [pb::LineAnswer]) {
        let (hub, until) = (Arc::clone(self), Instant::now() + WORK_MAX);
        let proving = tokio::task::spawn_blocking(move || hub.proofs(offered, until));
        let mut proofs = match timeout_at(until + LAST_BATCH_MAX, proving).await {
            Ok(Ok(Ok(proofs))) => proofs,
            Ok(Ok(Err(error))) => return tracing::warn!(%error, "the results of a check could not be proved"),
            // The work was given up, or takes too long for an order that waits.
            Ok(Err(_)) | Err(_) => return,
        };
        for prompt in lines.iter_mut().flat_map(|line| &mut line.prompts) {
            prompt.proof = proofs.remove(&prompt.prompt_id).unwrap_or_default();
        }
    }

    /// Proves results, until an instant. Blocks on the disk.
    fn proofs(&self, offered: Offered, until: Instant) -> Result<BTreeMap<Bytes, String>, HubError> {
        let newest = match self.published() {
            Ok(newest) => newest,
            Err(HubError::Behind) => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        // What witnesses cosigned convinces more than what is newer.
        let trees: Vec<Published> = self.cosigned(newest.head).into_iter().chain([newest]).collect();
        let mut batches: BTreeMap<Sequence, (LogPlace, Vec<(Bytes, u16)>)> = BTreeMap::new();
        for (prompt, batch, place) in offered.into_iter().take(PROOFS_MAX) {
            batches.entry(batch.sequence).or_insert((batch, Vec::new())).1.push((prompt, place));
        }
        let (mut proofs, mut bytes) = (BTreeMap::new(), 0);
        for (batch, results) in batches.into_values() {
            if Instant::now() >= until {
                break;
            }
            let proved = match self.prove_batch(batch, &trees) {
                Ok(Some(proved)) => proved,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(%error, sequence = batch.sequence.0, "a batch could not be proved");
                    continue;
                }
            };
            for (prompt, place) in results {
                let proof = proved.result(place)?;
                if proof.len() <= PROOF_BYTES_MAX && bytes + proof.len() <= PROOFS_BYTES_MAX {
                    bytes += proof.len();
                    proofs.insert(prompt, proof);
                }
            }
        }
        Ok(proofs)
    }

    /// Proves that the header of a batch is in one of the trees; nothing where it is in none, or has no record.
    fn prove_batch<'t>(&self, place: LogPlace, trees: &'t [Published]) -> Result<Option<Proved<'t>>, HubError> {
        let Some(index) = place.sequence.0.checked_sub(1).map(Sequence) else { return Ok(None) };
        if trees.iter().all(|tree| index.0 >= tree.head.size) {
            return Ok(None);
        }
        let Record::Batch(record) = self.parts.ledger.read(place)? else { return Err(ProjectionError::Damaged.into()) };
        let batch = Batch::decode(record.batch)?;
        let record = Record::Header(batch.header_record());
        let entry = *log_entry(record.kind(), &record.payload()).as_bytes();
        let mut failed = None;
        for tree in trees.iter().filter(|tree| index.0 < tree.head.size) {
            // Another record stands there where the batch was taken before headers had records of their own.
            if tree.entry(index)? != entry {
                return Ok(None);
            }
            match tree.inclusion(index, &entry, tree.head) {
                Ok(hashes) => {
                    let leaves = batch.entries.iter().map(|entry| leaf_hash(entry)).collect();
                    let (record, entries) = (record.payload(), batch.entries);
                    return Ok(Some(Proved { tree, index, hashes, record, entries, leaves }));
                }
                // What was cosigned of a log that was since restored is not in its tiles; the newest is.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), |error| Err(error.into()))
    }

    /// Gives the log under the checkpoint that witnesses cosigned, where the published tree holds it.
    fn cosigned(&self, newest: TreeHead) -> Option<Published> {
        let note = self.parts.tiles.cosigned().ok().flatten()?;
        self.under(note).ok().filter(|cosigned| cosigned.head.size <= newest.size)
    }
}

/// A batch whose header is in the log.
struct Proved<'t> {
    tree: &'t Published,
    index: Sequence,
    hashes: Vec<Hash>,
    record: Bytes,
    entries: Vec<Bytes>,
    leaves: Vec<Hash>,
}

impl Proved<'_> {
    /// Writes the proof of one of its results.
    fn result(&self, place: u16) -> Result<String, HubError> {
        let entry = self.entries.get(usize::from(place)).ok_or(ProjectionError::Damaged)?;
        let hashes = prove_inclusion_in(&self.leaves, usize::from(place)).map_err(TileStoreError::from)?;
        let extra = pb::ResultProof {
            entry: entry.clone(),
            place: place.into(),
            hashes: hashes.iter().map(|hash| Bytes::copy_from_slice(hash.as_bytes())).collect(),
            record: self.record.clone(),
        };
        let proof = LogProof {
            extra: extra.encode_to_vec(),
            index: self.index.0,
            hashes: self.hashes.clone(),
            checkpoint: self.tree.note.clone(),
        };
        Ok(proof.to_string())
    }
}

/// How long batches are taken up for the proofs of one check: half of the deadline is left for the check and its way.
const WORK_MAX: Duration = Duration::from_millis(100);
/// How long the last of them may take.
const LAST_BATCH_MAX: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::organisation::Role;
    use crate::merkle::checkpoint::Checkpoint;
    use crate::merkle::note::{Cosignature, Note, WitnessKey};
    use crate::service::hub::testing::{HOSPITAL, OTHER_HOSPITAL, World, caller};
    use crate::service::hub::tests::{Publisher, check_request, doctor, qualify, result};

    const ASKED_MAX: usize = 1_000;

    /// A world in which a batch of three results of as many patients was published, between other records.
    async fn world() -> (World, Publisher) {
        let world = World::new().await;
        qualify(&world, OTHER_HOSPITAL).await;
        let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
        let others = [6_u8, 7].map(|patient| {
            let mut other = result(&world, patient, 24);
            other.patient = crate::domain::id::Pseudonym::new([patient; 16]);
            other
        });
        publisher.publish(&world, &[others[0].clone(), result(&world, 1, 48), others[1].clone()]).await;
        publisher.publish(&world, &[others[0].clone()]).await;
        (world, publisher)
    }

    async fn prompt(world: &World, key: &str, proofs: bool) -> pb::Prompt {
        let asked = pb::CheckRequest { proofs, ..check_request(key, "L01001") };
        let answer = world.check(&doctor(), asked).await.unwrap();
        answer.lines[0].prompts[0].clone()
    }

    /// Asks until there is a proof: a loaded machine may leave it out.
    async fn proved(world: &World, key: &str) -> pb::Prompt {
        for _ in 0..ASKED_MAX {
            let prompt = prompt(world, key, true).await;
            if !prompt.proof.is_empty() {
                return prompt;
            }
        }
        panic!("no proof came");
    }

    fn first_batch(world: &World) -> LogPlace {
        world.journal.reader().scan(0).map(Result::unwrap).find(|it| it.kind == 1).unwrap().position.into()
    }

    fn read(prompt: &pb::Prompt) -> (LogProof, pb::ResultProof) {
        let proof: LogProof = prompt.proof.parse().unwrap();
        let extra = pb::ResultProof::decode(proof.extra.as_slice()).unwrap();
        (proof, extra)
    }

    fn head(world: &World, note: &str) -> TreeHead {
        let key = std::slice::from_ref(&world.log_key);
        Checkpoint::open(note.as_bytes(), world.log_key.name(), key).unwrap().head()
    }

    /// Lets the other hospital cosign the newest checkpoint.
    fn cosign(world: &World) -> TreeHead {
        let signer = world.signer(HOSPITAL, Role::Hospital, 3);
        let (note, _) = world.hub.checkpoint().unwrap();
        let text = format!("{}\n", note.rsplit_once("\n\n").unwrap().0);
        let key = ed25519_dalek::VerifyingKey::from_bytes(&signer.key.record().public_key).unwrap();
        let key = WitnessKey::under(world.log_key.name(), HOSPITAL, key).unwrap();
        let at = u64::try_from(world.hub.now().unix_ms() / 1_000).unwrap();
        let line = Cosignature::sign(&text, at, &key, |message| signer.key.cosign(message)).to_string();
        let witness = caller(HOSPITAL, Role::Hospital);
        world.hub.take_cosignature(&witness, &note, &line, &signer.certificate_der).unwrap();
        head(world, &note)
    }

    #[tokio::test]
    async fn a_prompt_comes_with_the_proof_that_the_tiles_give_where_it_is_asked_for() {
        let (world, _publisher) = world().await;
        assert_eq!(prompt(&world, "c1", false).await.proof, "");
        let prompt = proved(&world, "c1").await;
        let ((proof, extra), shown) = (read(&prompt), prompt.result.unwrap());

        let records: Vec<_> = world.journal.reader().scan(0).map(Result::unwrap).collect();
        let leaves: Vec<Hash> =
            records.iter().map(|it| leaf_hash(log_entry(it.kind, &it.payload).as_bytes())).collect();
        let size = usize::try_from(head(&world, &proof.checkpoint).size).unwrap();
        let index = usize::try_from(proof.index).unwrap();
        assert_eq!(proof.hashes, prove_inclusion_in(&leaves[..size], index).unwrap());
        let served = world.hub.prove_inclusion(Sequence(proof.index), size as u64).unwrap();
        assert_eq!(proof.hashes, served.hashes);
        assert_eq!((records[index].kind, &records[index].payload), (23, &extra.record));

        // The header stands right before its batch, and the entry is the one shown.
        assert_eq!((proof.index + 1, extra.place), (shown.log_index, shown.entry));
        let Record::Batch(batch) = Record::decode(1, records[index + 1].payload.clone()).unwrap() else { panic!() };
        let batch = Batch::decode(batch.batch).unwrap();
        assert_eq!((&extra.entry, extra.record), (&batch.entries[1], Record::Header(batch.header_record()).payload()));
        assert_eq!(pb::Entry::decode(extra.entry).unwrap().result_id, shown.result_id);
        let leaves: Vec<Hash> = batch.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let path = prove_inclusion_in(&leaves, 1).unwrap();
        assert_eq!(extra.hashes, path.iter().map(|hash| hash.as_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_witnesses_cosigned_is_shown_before_what_is_newer_as_far_as_it_reaches() {
        let (world, mut publisher) = world().await;
        let cosigned = cosign(&world);
        let (proof, _) = read(&proved(&world, "c1").await);
        assert_eq!(head(&world, &proof.checkpoint), cosigned);
        assert!(proof.checkpoint.contains("/witness/"), "{}", proof.checkpoint);

        publisher.publish(&world, &[result(&world, 2, 24)]).await;
        let (proof, _) = read(&proved(&world, "c2").await);
        assert!(head(&world, &proof.checkpoint).size > cosigned.size);
        assert!(!proof.checkpoint.contains("/witness/"), "{}", proof.checkpoint);
    }

    #[tokio::test]
    async fn a_result_without_a_proof_is_prompted_all_the_same() {
        let world = World::new().await;
        qualify(&world, OTHER_HOSPITAL).await;
        // As a hub kept it that wrote no records of headers.
        world.publish(1, &[result(&world, 1, 24)]).await;
        let older = prompt(&world, "c1", true).await;
        assert_eq!((older.proof.as_str(), older.result.is_some()), ("", true));

        let (world, _publisher) = self::world().await;
        let path = world.folder.path().join("tile/0/000.p/7");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let place = first_batch(&world);
        let offered = || vec![(Bytes::from_static(b"one"), place, 1)];
        let later = || Instant::now() + Duration::from_secs(60);
        assert_eq!(world.hub.proofs(offered(), later()).unwrap(), BTreeMap::new(), "a broken tile proves nothing");
    }

    #[tokio::test]
    async fn what_no_checkpoint_covers_yet_and_what_takes_too_long_is_left_out() {
        let world = World::new().await;
        let (early, _) = world.hub.checkpoint().unwrap();
        let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
        publisher.publish(&world, &[result(&world, 1, 24)]).await;
        let place = first_batch(&world);
        let offered = || vec![(Bytes::from_static(b"one"), place, 0)];
        let later = || Instant::now() + Duration::from_secs(60);
        assert_eq!(world.hub.proofs(offered(), later()).unwrap().len(), 1);
        assert_eq!(world.hub.proofs(offered(), Instant::now()).unwrap(), BTreeMap::new());
        std::fs::write(world.folder.path().join("checkpoint"), early).unwrap();
        assert_eq!(world.hub.proofs(offered(), later()).unwrap(), BTreeMap::new());
    }

    #[tokio::test]
    async fn an_answer_carries_only_so_many_proofs_and_so_much_of_them() {
        let world = World::new().await;
        let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
        let results: Vec<_> = (1..=40).map(|name| result(&world, name, 24)).collect();
        publisher.publish(&world, &results).await;
        let offered = |world: &World, count: u8| {
            (0..count).map(|name| (Bytes::from(vec![name]), first_batch(world), name.into())).collect()
        };
        let later = || Instant::now() + Duration::from_secs(60);
        assert_eq!(world.hub.proofs(offered(&world, 32), later()).unwrap().len(), 32);
        assert_eq!(world.hub.proofs(offered(&world, 40), later()).unwrap().len(), PROOFS_MAX);

        let world = World::new().await;
        let mut publisher = Publisher::new(&world, OTHER_HOSPITAL, 50);
        let mut large = result(&world, 1, 24);
        large.originals = vec![large.originals[0].clone(); 4_000];
        publisher.publish(&world, &vec![large; 15]).await;
        let proofs = world.hub.proofs(offered(&world, 15), later()).unwrap();
        let bytes: usize = proofs.values().map(String::len).sum();
        assert!(proofs.len() < 15 && bytes <= PROOFS_BYTES_MAX, "{} proofs of {bytes} bytes", proofs.len());
        assert!(bytes > PROOFS_BYTES_MAX * 3 / 4, "{bytes} bytes are less than there is room for");
    }

    #[tokio::test]
    async fn what_was_cosigned_of_a_log_that_was_lost_since_proves_nothing_and_the_newest_does() {
        let (world, _publisher) = world().await;
        let secret = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let lost = TreeHead { size: 6, root: Hash::from([9; 32]) };
        let text = Checkpoint::new(world.log_key.name(), lost).to_string();
        let sign = |text: &[u8]| ed25519_dalek::Signer::sign(&secret, text).to_bytes();
        let note = Note::sign(text, &world.log_key, sign).unwrap().to_string();
        world.hub.parts.tiles.put_cosigned(&note, &[]).unwrap();
        let (proof, _) = read(&proved(&world, "c1").await);
        assert_ne!(proof.checkpoint, note);
    }
}
