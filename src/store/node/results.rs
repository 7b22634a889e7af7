//! Results as they were last made ready to publish, and the pseudonyms that the hub gave, for a while.

use super::{NodeChange, NodeState};
use crate::domain::entry::ResultStatus;
use crate::domain::id::{Digest, Pseudonym, ResultId};
use crate::domain::log::BatchNumber;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker};
use crate::store::projection::ProjectionError;

/// The latest version of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownResult {
    /// Its version.
    pub version: u32,
    /// SHA-256 of what makes two versions differ.
    pub content: Digest,
    /// When it was reported.
    pub reported: Moment,
    /// What was said of it.
    pub status: ResultStatus,
    /// Whose it is.
    pub patient: Pseudonym,
    /// The batch that holds the version.
    pub batch: BatchNumber,
    /// Its place in the batch, from 0.
    pub place: u16,
}

/// A digest of a patient's identifier under the node's own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentifierDigest(pub [u8; 32]);

impl NodeState {
    /// Gives the latest version of a result.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn result(&self, result: ResultId) -> Result<Option<KnownResult>, ProjectionError> {
        let Some(found) = self.row(&self.trees.results, result.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let (version, content, reported) = (found.word()?, Digest::new(found.bytes()?), found.moment()?);
        let status = match found.byte()? {
            PRELIMINARY => ResultStatus::Preliminary,
            FINAL => ResultStatus::Final,
            CORRECTED => ResultStatus::Corrected,
            WITHDRAWN => ResultStatus::Withdrawn,
            _ => return Err(ProjectionError::Damaged),
        };
        let (patient, batch) = (Pseudonym::new(found.bytes()?), BatchNumber(found.long()?));
        Ok(Some(KnownResult { version, content, reported, status, patient, batch, place: found.half()? }))
    }

    /// Gives the pseudonym of a patient, unless what the hub said has expired at `now`.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn pseudonym(&self, identifier: IdentifierDigest, now: Moment) -> Result<Option<Pseudonym>, ProjectionError> {
        let Some(found) = self.row(&self.trees.pseudonyms, &identifier.0)? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let (pseudonym, expires) = (Pseudonym::new(found.bytes()?), found.moment()?);
        Ok((now.unix_ms() < expires.unix_ms()).then_some(pseudonym))
    }

    /// Remembers a patient's pseudonym until `expires`. It comes from the hub, not from the journal, so it needs no
    /// change and is simply asked for again when lost.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn remember_pseudonym(
        &self,
        identifier: IdentifierDigest,
        pseudonym: Pseudonym,
        expires: Moment,
    ) -> Result<(), ProjectionError> {
        let value = Packer::default().bytes(pseudonym.as_bytes()).moment(expires).finish();
        self.put(&self.trees.pseudonyms, &identifier.0, &value)
    }
}

impl NodeChange<'_> {
    /// Notes a version of a result, unless a greater one is known.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_result(&self, result: ResultId, known: KnownResult) -> Result<(), ProjectionError> {
        if self.result(result)?.is_some_and(|latest| latest.version > known.version) {
            return Ok(());
        }
        let status = match known.status {
            ResultStatus::Preliminary => PRELIMINARY,
            ResultStatus::Final => FINAL,
            ResultStatus::Corrected => CORRECTED,
            ResultStatus::Withdrawn => WITHDRAWN,
        };
        let value = Packer::default().word(known.version).bytes(known.content.as_bytes()).moment(known.reported);
        let value = value.byte(status).bytes(known.patient.as_bytes()).long(known.batch.0).half(known.place);
        self.put(&self.trees.results, result.as_bytes(), &value.finish())
    }
}

const PRELIMINARY: u8 = 0;
const FINAL: u8 = 1;
const CORRECTED: u8 = 2;
const WITHDRAWN: u8 = 3;
