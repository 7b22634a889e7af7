//! Recalls that the hub has told this hospital: which are known, which nobody has acknowledged, and which
//! acknowledgements the hub has still to be told of.

use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use super::{NodeChange, NodeState};
use crate::domain::id::{Pseudonym, RecallId, ResultId};
use crate::domain::log::Sequence;
use crate::store::packing::{Packer, Unpacker, Unsealed};
use crate::store::projection::ProjectionError;

/// Whom a recall tells, and about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallKey {
    /// The recall.
    pub id: RecallId,
    /// The doctor's number.
    pub practitioner: String,
    /// The patient.
    pub patient: Pseudonym,
    /// The result, by its name in the region.
    pub result: ResultId,
}

impl NodeState {
    /// Gives the record of a recall.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn recall(&self, id: RecallId) -> Result<Option<Sequence>, ProjectionError> {
        let found = self.row(&self.trees.recalls, id.as_bytes())?;
        Ok(found.map(|found| Unpacker::new(&found).long().map(Sequence)).transpose()?)
    }

    /// Says whether a recall is known and nobody has acknowledged it.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn is_recall_open(&self, id: RecallId) -> Result<bool, ProjectionError> {
        let Some(found) = self.row(&self.trees.recalls, id.as_bytes())? else { return Ok(false) };
        let mut found = Unpacker::new(&found);
        let (_, is_noted) = (found.long()?, found.byte()?);
        Ok(is_noted == 0)
    }

    /// Lists the records of a doctor's recalls that nobody has acknowledged, of one patient where one is given, in the
    /// order they came, at most `most`.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn open_recalls(
        &self,
        practitioner: &str,
        patient: Option<Pseudonym>,
        most: usize,
    ) -> Result<Vec<Sequence>, ProjectionError> {
        let mut open = Vec::new();
        self.visit_until(&self.trees.open_recalls, &doctor_key(practitioner), |key, value| {
            let about: [u8; 16] = Unpacker::new(value).bytes()?;
            if patient.is_none_or(|patient| *patient.as_bytes() == about) {
                open.push(record_of(key)?);
            }
            Ok(if open.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(open)
    }

    /// Counts the recalls that nobody has acknowledged, and gives the record of the one that came first.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn recalls_open(&self) -> Result<(u64, Option<Sequence>), ProjectionError> {
        let (mut open, mut first) = (0, None);
        self.visit(&self.trees.open_recalls, &[], |key, _| {
            let record = record_of(key)?;
            (open, first) = (open + 1, Some(first.unwrap_or(record).min(record)));
            Ok(())
        })?;
        Ok((open, first))
    }

    /// Lists the records of recalls from `from` on that nobody has acknowledged, in the order they came, at most `most`.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn recalls_from(&self, from: Sequence, most: usize) -> Result<Vec<Sequence>, ProjectionError> {
        let mut open = Vec::new();
        self.visit_from(&self.trees.recall_order, &from.0.to_be_bytes(), |key, value| {
            if self.is_recall_open(RecallId::new(Unpacker::new(value).bytes()?))? {
                open.push(Sequence(Unpacker::new(key).long()?));
            }
            Ok(if open.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(open)
    }

    /// Lists the records of acknowledgements of which the hub has still to be told, at most `most`.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn untold_notes(&self, most: usize) -> Result<Vec<Sequence>, ProjectionError> {
        let mut untold = Vec::new();
        self.visit_until(&self.trees.recall_notes, &[], |_, value| {
            untold.push(Sequence(Unpacker::new(value).long()?));
            Ok(if untold.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(untold)
    }
}

impl NodeChange<'_> {
    /// Notes a recall that came. Applied again, it is open again until what acknowledged it is applied again too.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_recall(&self, key: &RecallKey, record: Sequence) -> Result<(), ProjectionError> {
        let about = Packer::default().bytes(key.patient.as_bytes()).bytes(key.result.as_bytes()).finish();
        self.put(&self.trees.open_recalls, &open_key(&key.practitioner, record, key.id), &about)?;
        self.put(&self.trees.recall_order, &record.0.to_be_bytes(), key.id.as_bytes())?;
        self.put(&self.trees.recalls, key.id.as_bytes(), &known(record, false))
    }

    /// Notes that somebody acknowledged a recall, and with it earlier ones of the doctor about the same result.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_recall_note(&self, key: &RecallKey, note: Sequence) -> Result<(), ProjectionError> {
        let Some(record) = self.recall(key.id)? else { return Ok(()) };
        self.put(&self.trees.recall_notes, key.id.as_bytes(), &note.0.to_be_bytes())?;
        let mut closed = Vec::new();
        self.visit(&self.trees.open_recalls, &doctor_key(&key.practitioner), |open, value| {
            let mut value = Unpacker::new(value);
            let (_, result): ([u8; 16], _) = (value.bytes()?, ResultId::new(value.bytes()?));
            if result == key.result && record_of(open)? <= record {
                closed.push(open.to_vec());
            }
            Ok(())
        })?;
        for open in closed {
            let id = open.last_chunk().copied().map(RecallId::new).ok_or(Unsealed)?;
            let record = record_of(&open)?;
            self.put(&self.trees.recalls, id.as_bytes(), &known(record, true))?;
            self.remove(&self.trees.recall_order, &record.0.to_be_bytes())?;
            // Last, so that all of it is done again where the process ends within.
            self.remove(&self.trees.open_recalls, &open)?;
        }
        Ok(())
    }

    /// Notes that the hub has been told of an acknowledgement.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remove_recall_note(&self, id: RecallId) -> Result<(), ProjectionError> {
        self.remove(&self.trees.recall_notes, id.as_bytes())
    }
}

fn known(record: Sequence, is_noted: bool) -> Vec<u8> {
    Packer::default().long(record.0).byte(u8::from(is_noted)).finish()
}

fn open_key(practitioner: &str, record: Sequence, id: RecallId) -> Vec<u8> {
    Packer::default().bytes(&doctor_key(practitioner)).long(record.0).bytes(id.as_bytes()).finish()
}

fn doctor_key(practitioner: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(practitioner.as_bytes()).into();
    digest.first_chunk().copied().unwrap_or_default()
}

fn record_of(open: &[u8]) -> Result<Sequence, Unsealed> {
    let mut open = Unpacker::new(open);
    let _: [u8; 16] = open.bytes()?;
    Ok(Sequence(open.long()?))
}
