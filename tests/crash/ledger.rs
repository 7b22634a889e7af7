//! What the people of a round were told was done, and what they sent: the measure for everything afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use crate::layout::{A, B};

/// What was acknowledged, as `fsck.py` reads it, and what follows from it.
#[derive(Debug, Default, Serialize)]
pub struct Ledger {
    /// SHA-256 of each HL7 message answered AA, with the number of its results, by hospital.
    messages: BTreeMap<String, BTreeMap<String, u32>>,
    /// UID of each instance stored, with the SHA-256 and length of its data set, by hospital.
    instances: BTreeMap<String, BTreeMap<String, (String, usize)>>,
    /// Hospital, key and content of each decision.
    decisions: Vec<(String, String, Vec<String>)>,
    /// Hospital, key and prompt of each event.
    events: Vec<(String, String, Vec<String>)>,
    /// Hospital, key and prompts of each check that prompted.
    checks: Vec<(String, String, Vec<String>)>,
    /// What is known of each patient's potassium, by the patient's number.
    #[serde(skip)]
    pub truths: BTreeMap<u16, Truth>,
    /// Each check that prompted, as it was asked: patient, key, prompts.
    #[serde(skip)]
    pub asked: Vec<(u16, String, Vec<String>)>,
}

/// What a laboratory said of one patient's potassium.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Every value sent.
    pub sent: BTreeSet<String>,
    /// The last one acknowledged.
    pub current: Option<String>,
}

impl Ledger {
    /// Notes a message that was acknowledged.
    pub fn message(&mut self, digest: String) {
        self.messages.entry(A.code.to_owned()).or_default().insert(digest, 1);
    }

    /// Notes an instance that was acknowledged.
    pub fn instance(&mut self, uid: &str, digest: String, length: usize) {
        self.instances.entry(A.code.to_owned()).or_default().insert(uid.to_owned(), (digest, length));
    }

    /// Notes a decision that was acknowledged.
    pub fn decision(&mut self, key: &str, content: String) {
        self.decisions.push((B.code.to_owned(), key.to_owned(), vec![content]));
    }

    /// Notes an event that was acknowledged.
    pub fn event(&mut self, key: &str, prompt: String) {
        self.events.push((B.code.to_owned(), key.to_owned(), vec![prompt]));
    }

    /// Notes a check that was answered with prompts.
    pub fn check(&mut self, patient: u16, key: &str, mut prompts: Vec<String>) {
        prompts.sort();
        self.asked.push((patient, key.to_owned(), prompts.clone()));
        self.checks.push((B.code.to_owned(), key.to_owned(), prompts));
    }

    /// Gives the number of things acknowledged.
    pub fn count(&self) -> usize {
        let by_hospital = self.messages.values().map(BTreeMap::len).chain(self.instances.values().map(BTreeMap::len));
        by_hospital.sum::<usize>() + self.decisions.len() + self.events.len() + self.checks.len()
    }

    /// Writes it for `fsck.py`.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, serde_json::to_vec(self).unwrap()).unwrap();
    }
}
