//! One hospital's node and its hub.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use prost::Message;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};

use crate::domain::entry::Entry;
use crate::domain::fault::Fault;
use crate::domain::id::{Digest, Pseudonym};
use crate::domain::log::Sequence;
use crate::domain::person::Person;
use crate::domain::time::Moment;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::{Hash, leaf_hash};
use crate::merkle::note::{KeyName, Note, VerifierKey};
use crate::merkle::proof::{TreeHead, prove_consistency_in, prove_inclusion_in};
use crate::merkle::tree::root_of;
use crate::ports::hub::{ChainPosition, HubError, HubLink, Resolution};
use crate::service::node::error::IntakeError;
use crate::service::node::terms::Terms;
use crate::service::node::{BatchSigner, Node, NodeParts, NodeSettings, Taken};
use crate::store::journal::{Journal, JournalOptions};
use crate::store::node::NodeState;
use crate::store::originals::Originals;
use crate::store::seen::SeenCheckpoints;
use crate::sys::clock::ManualClock;
use crate::wire::batch::{Batch, digest};
use crate::wire::hl7::{Reading, SourceSettings};
use crate::wire::known_as::IdentifierTable;
use crate::wire::region::{load_mapping, load_region, sample};
use crate::wire::{self, pb};

pub const PUBLISHER: &str = "91350100M000100Y43";

/// A hub that takes batches by the rules.
pub struct TestHub {
    key: SigningKey,
    pub away: AtomicBool,
    /// How many of the next receipts get lost with their stream.
    pub receipts_lost: AtomicUsize,
    /// How the next receipt is spoilt.
    pub lie: Mutex<Option<fn(&mut pb::Receipt)>>,
    pub taken: Mutex<Vec<Batch>>,
    leaves: Mutex<Vec<Hash>>,
    /// How often the log began anew: its entries are others each time.
    era: AtomicUsize,
    /// The cosignatures that were taken, each with its checkpoint.
    pub cosigned: Mutex<Vec<(String, String)>>,
    /// A checkpoint that is shown in place of the true one.
    pub shown: Mutex<Option<String>>,
    /// Which byte of the next consistency proofs is changed.
    pub spoilt_proof: Mutex<Option<usize>>,
}

impl Default for TestHub {
    fn default() -> Self {
        Self {
            key: SigningKey::from_bytes(&[9; 32]),
            away: AtomicBool::default(),
            receipts_lost: AtomicUsize::default(),
            lie: Mutex::default(),
            taken: Mutex::default(),
            leaves: Mutex::default(),
            era: AtomicUsize::default(),
            cosigned: Mutex::default(),
            shown: Mutex::default(),
            spoilt_proof: Mutex::default(),
        }
    }
}

impl TestHub {
    /// Gives every entry taken, in order.
    pub fn entries(&self) -> Vec<Entry> {
        let taken = self.taken.lock().unwrap();
        taken.iter().flat_map(|batch| &batch.entries).map(|bytes| wire::entry::decode(bytes).unwrap()).collect()
    }

    /// Loses all that it ever took.
    pub fn forget(&self) {
        self.taken.lock().unwrap().clear();
        self.leaves.lock().unwrap().clear();
        self.era.fetch_add(1, Ordering::SeqCst);
    }

    fn entry(&self, header: Digest) -> Digest {
        match self.era.load(Ordering::SeqCst) {
            0 => header,
            era => digest(&[header.as_bytes().as_slice(), &era.to_be_bytes()].concat()),
        }
    }

    /// Changes one entry of the log.
    pub fn rewrite(&self, index: usize) {
        self.leaves.lock().unwrap()[index] = leaf_hash(b"another");
    }

    /// Loses the last entries of the log.
    pub fn lose(&self, count: usize) {
        let mut leaves = self.leaves.lock().unwrap();
        let left = leaves.len() - count;
        leaves.truncate(left);
    }

    /// Gives the log's leaves.
    pub fn leaves(&self) -> Vec<Hash> {
        self.leaves.lock().unwrap().clone()
    }

    /// Signs the checkpoint over the first entries.
    pub fn note_of(&self, size: usize) -> String {
        let leaves = self.leaves();
        let head = TreeHead { size: size as u64, root: root_of(&leaves[..size]) };
        let text = Checkpoint::new(&Self::name(), head).to_string();
        Note::sign(text, &self.verifier(), |text| self.key.sign(text).to_bytes()).unwrap().to_string()
    }

    fn name() -> KeyName {
        "hub.example.org/log".parse().unwrap()
    }

    pub fn verifier(&self) -> VerifierKey {
        VerifierKey::new(Self::name(), self.key.verifying_key())
    }

    fn take(&self, bytes: Bytes) -> Result<usize, HubError> {
        let batch = Batch::decode(bytes).unwrap();
        let mut taken = self.taken.lock().unwrap();
        let sequence = usize::try_from(batch.header.sequence).unwrap();
        if let Some(known) = taken.get(sequence - 1) {
            let same = known.header_digest() == batch.header_digest();
            return if same { Ok(sequence - 1) } else { Err(HubError::Refused(Fault::Conflict)) };
        }
        let previous = taken.last().map_or(Digest::new([0; 32]), Batch::header_digest);
        assert_eq!((sequence, batch.header.previous), (taken.len() + 1, previous), "the chain has no holes");
        let signed = [wire::batch::SIGNED_AS.as_bytes(), &[0], &batch.header_bytes].concat();
        publisher_key().verifying_key().verify_strict(&signed, &batch.signature.into()).unwrap();
        let leaves: Vec<Hash> = batch.entries.iter().map(|bytes| leaf_hash(bytes)).collect();
        assert_eq!(root_of(&leaves).as_bytes(), batch.header.root.as_bytes());
        self.leaves.lock().unwrap().push(leaf_hash(self.entry(batch.header_digest()).as_bytes()));
        taken.push(batch);
        Ok(sequence - 1)
    }

    fn receipt(&self, index: usize) -> Bytes {
        let header = self.taken.lock().unwrap()[index].header_digest();
        let leaves = self.leaves.lock().unwrap().clone();
        let note = self.note_of(leaves.len());
        let proof = prove_inclusion_in(&leaves, index).unwrap();
        let mut receipt = pb::Receipt {
            sequence: index as u64 + 1,
            header_digest: header.as_bytes().to_vec().into(),
            log_index: index as u64,
            log_entry: self.entry(header).as_bytes().to_vec().into(),
            inclusion: proof.iter().map(|hash| hash.as_bytes().to_vec().into()).collect(),
            checkpoint: note,
            rejections: Vec::new(),
        };
        if let Some(lie) = self.lie.lock().unwrap().take() {
            lie(&mut receipt);
        }
        receipt.encode_to_vec().into()
    }

    fn reach(&self) -> Result<(), HubError> {
        if self.away.load(Ordering::SeqCst) { Err(HubError::Unreachable) } else { Ok(()) }
    }
}

impl HubLink for TestHub {
    async fn resolve(&self, persons: Vec<Person>) -> Result<Vec<Resolution>, HubError> {
        self.reach()?;
        let pseudonym = |person: &Person| {
            let mut hasher = Sha256::new();
            person.identifiers.iter().for_each(|identifier| identifier.feed(&mut |part| hasher.update(part)));
            Pseudonym::try_from(&hasher.finalize()[..16]).unwrap()
        };
        Ok(persons.iter().map(|person| Resolution::Resolved(pseudonym(person))).collect())
    }

    async fn position(&self) -> Result<ChainPosition, HubError> {
        self.reach()?;
        let taken = self.taken.lock().unwrap();
        let header = taken.last().map_or(Digest::new([0; 32]), Batch::header_digest);
        Ok(ChainPosition { sequence: taken.len() as u64, header })
    }

    async fn publish(&self, mut batches: mpsc::Receiver<Bytes>, receipts: mpsc::Sender<Bytes>) -> Result<(), HubError> {
        while let Some(bytes) = batches.recv().await {
            self.reach()?;
            let index = self.take(bytes)?;
            let is_lost =
                self.receipts_lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if is_lost.is_ok() || receipts.send(self.receipt(index)).await.is_err() {
                return Err(HubError::Unreachable);
            }
        }
        Ok(())
    }

    async fn checkpoint(&self, _known_size: u64) -> Result<String, HubError> {
        self.reach()?;
        let shown = self.shown.lock().unwrap().clone();
        Ok(shown.unwrap_or_else(|| self.note_of(self.leaves().len())))
    }

    async fn consistency(&self, first: u64, second: u64) -> Result<Vec<[u8; 32]>, HubError> {
        self.reach()?;
        let leaves = self.leaves();
        let leaves = leaves.get(..second as usize).ok_or(HubError::Refused(Fault::BadInput))?;
        let proof = prove_consistency_in(leaves, first as usize).map_err(|_| HubError::Refused(Fault::BadInput))?;
        let mut proof: Vec<[u8; 32]> = proof.iter().map(|hash| *hash.as_bytes()).collect();
        if let Some(place) = *self.spoilt_proof.lock().unwrap() {
            proof[place / 32][place % 32] ^= 1;
        }
        Ok(proof)
    }

    async fn cosign(&self, checkpoint: String, cosignature: String) -> Result<(), HubError> {
        self.reach()?;
        self.cosigned.lock().unwrap().push((checkpoint, cosignature));
        Ok(())
    }
}

fn publisher_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// A hospital with a folder, a clock and a hub.
pub struct World {
    folder: tempfile::TempDir,
    pub hub: Arc<TestHub>,
    pub clock: Arc<ManualClock>,
    pub terms: watch::Sender<Arc<Terms>>,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::new(at("20260302120000")));
        let terms = watch::Sender::new(Arc::new(terms(MAPPING)));
        Self { folder: tempfile::tempdir().unwrap(), hub: Arc::default(), clock, terms }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn node(&self) -> Node<TestHub> {
        self.node_in(self.path())
    }

    pub fn node_in(&self, folder: &Path) -> Node<TestHub> {
        self.node_over(folder, Arc::clone(&self.hub))
    }

    pub fn node_over<L: HubLink>(&self, folder: &Path, link: Arc<L>) -> Node<L> {
        let (journal, opened) = Journal::open(&folder.join("journal"), JournalOptions::default()).unwrap();
        let end = Sequence(opened.next_sequence);
        let state = NodeState::open(&folder.join("state"), end, at("20260302120000")).unwrap();
        assert_eq!(state.quarantined, None);
        let parts = NodeParts {
            settings: self.settings(),
            journal,
            state: state.state,
            originals: Originals::open(folder.join("originals")).unwrap(),
            seen: SeenCheckpoints::new(folder),
            terms: self.terms.subscribe(),
            signer: Arc::new(|| BatchSigner {
                key_id: [1; 8],
                sign: Arc::new(|header| {
                    let signed = [wire::batch::SIGNED_AS.as_bytes(), &[0], header].concat();
                    publisher_key().sign(&signed).to_bytes()
                }),
                cosign: Arc::new(|message| publisher_key().sign(message).to_bytes()),
                public_key: publisher_key().verifying_key().to_bytes(),
            }),
            cache_key: [3; 32],
            clock: Arc::clone(&self.clock) as Arc<_>,
        };
        Node::open(parts, link).unwrap()
    }

    fn settings(&self) -> NodeSettings {
        NodeSettings {
            publisher: PUBLISHER.parse().unwrap(),
            identifiers: IdentifierTable::usual(),
            strong: vec!["CN-ID".parse().unwrap()],
            sources: Default::default(),
            offset_minutes: 480,
            batch_quiet: Duration::from_millis(200),
            study_quiet: Duration::from_secs(60),
            pseudonym_hours: 24,
            hub_log: TestHub::name(),
            hub_keys: vec![self.hub.verifier()],
        }
    }
}

pub async fn take(node: &Node<TestHub>, message: &str) -> Result<Taken, IntakeError> {
    let reading = Reading::of(message.as_bytes(), &SourceSettings::default());
    node.take_message("LIS", message.to_owned().into(), &reading, at("20260302120000")).await
}

/// Takes, seals and sends, and gives the entries that the hub then has.
pub async fn publish(world: &World, node: &Node<TestHub>, message: &str) -> Vec<Entry> {
    take(node, message).await.unwrap();
    node.step().await.unwrap();
    node.send().await.unwrap();
    world.hub.entries()
}

pub async fn reasons(node: &Node<TestHub>) -> Vec<String> {
    node.held(100).await.unwrap().into_iter().map(|(_, held)| held.reason).collect()
}

pub fn at(text: &str) -> Moment {
    wire::hl7::time::moment(text, 480).unwrap()
}

pub fn terms(mapping: &str) -> Terms {
    let (catalogue, _) = load_region(&sample()).unwrap();
    let mapping = Arc::new(load_mapping(mapping.as_bytes(), &catalogue).unwrap());
    Terms { catalogue: Arc::new(catalogue), mapping }
}

pub fn hash_of(text: &str) -> Digest {
    digest(text.as_bytes())
}

/// One report of one order: `control` is MSH-10, `reported` OBR-22, `lines` are OBX from field 2 on.
pub fn message(control: &str, reported: &str, lines: &[&str]) -> String {
    of_patient("11010519491231002X^^^GA^NI", control, reported, lines)
}

pub fn of_patient(identifier: &str, control: &str, reported: &str, lines: &[&str]) -> String {
    let head = format!(
        "MSH|^~\\&|LIS|H1|NODE|H1|20260302080000||ORU^R01|{control}|P|2.5||||||UNICODE UTF-8\r\
         PID|1||{identifier}||张^三||19491231|F\r\
         OBR|1||F1001^LIS|BIO^生化^L|||20260302070000|||||||||||||||{reported}|||F\r"
    );
    let lines = lines.iter().enumerate().map(|(place, line)| format!("OBX|{}|{line}\r", place + 1));
    head + &lines.collect::<String>()
}

pub const MAPPING: &str = "\
system,local_code,local_name,item,unit,specimen,factor
L,K,钾,L01001,,血清,
L,CREA,肌酐,L01020,,血清,
L,WBC,白细胞计数,L03001,,EDTA全血,
";
