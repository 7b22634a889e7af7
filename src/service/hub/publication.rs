//! Taking batches: everything is verified before the journal is asked, and the receipt proves that the log has it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::domain::entry::Entry;
use crate::domain::id::Digest;
use crate::domain::log::{BatchNumber, LogPlace};
use crate::domain::organisation::{Caller, OrganisationCode};
use crate::domain::time::Moment;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::leaf_hash;
use crate::merkle::tree::root_of;
use crate::pki::signing::{SigningDomain, SigningError, SigningKeyId, VerifyingKeyRecord};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::registry::Rules;
use crate::wire::batch::{Batch, SIGNED_AS};
use crate::wire::field::{FieldError, Problem};
use crate::wire::record::{Record, log_entry};
use crate::wire::{entry, pb};

impl Hub {
    /// Takes one batch and gives its receipt; a batch that was taken before is answered with its receipt again.
    ///
    /// # Errors
    /// [`HubError`]; nothing of the batch is kept. After a [`HubError::Gap`] the node asks for its position.
    pub async fn take_batch(
        &self,
        caller: &Caller,
        bytes: Bytes,
        certificate: &Bytes,
    ) -> Result<pb::Receipt, HubError> {
        let batch = Batch::decode(bytes.clone())?;
        if batch.header.organisation != caller.organisation {
            return Err(HubError::Impostor);
        }
        let _turn = self.publishers.wait(caller.organisation).await;
        let number = BatchNumber(batch.header.sequence);
        if let Some(taken) = self.parts.state.read()?.batch(caller.organisation, number)? {
            return if taken.header == batch.header_digest() {
                let (Record::Batch(record), entry) = self.parts.ledger.read_entry(taken.place)? else {
                    return Err(HubError::Behind);
                };
                self.receipt(&batch, taken.place, entry, record.rejections).await
            } else {
                Err(HubError::Fork(number.0))
            };
        }
        let now = self.now();
        let (key, fresh) = self.signing_key(caller, &batch, certificate, now)?;
        self.chained(caller.organisation, &batch, now)?;
        let rules = self.parts.registry.rules(now)?;
        let (bytes, checked) = tokio::task::spawn_blocking(move || {
            let checked = verify(&batch, &key, &rules, now).map(|judged| (batch, judged));
            (bytes, checked)
        })
        .await
        .map_err(|_| HubError::Behind)?;
        let (batch, Judged { rejections, reported }) = checked?;
        let counts = (batch.entries.len(), rejections.len());

        let rejected = rejections.clone();
        let record = Record::Batch(pb::BatchRecord { batch: bytes, received_at: Some(now.into()), rejections });
        let entry = log_entry(record.kind(), &record.payload());
        let mut records: Vec<Record> = fresh.map(Record::Key).into_iter().collect();
        // The header first: what a crash leaves of the two is never a batch without it.
        records.extend([Record::Header(batch.header_record()), record]);
        let places = self.parts.ledger.record(&records).await?;
        let place = places.last().copied().ok_or(HubError::Behind)?;
        self.figures.published(caller.organisation, self.now(), &reported, counts);
        self.receipt(&batch, place, entry, rejected).await
    }

    /// Takes a place for a stream of batches, given back when it is dropped. One stream is enough for a publisher, whose
    /// batches are taken one after the other; more are let in for one that has lost its connection.
    ///
    /// # Errors
    /// [`HubError::Limited`] when the organisation has too many.
    pub fn open_publication(&self, organisation: OrganisationCode) -> Result<OwnedSemaphorePermit, HubError> {
        self.publications.take(organisation)
    }

    /// Tells where a publisher's chain stands.
    ///
    /// # Errors
    /// [`HubError`] when the tables cannot be read.
    pub fn position(&self, publisher: OrganisationCode) -> Result<pb::PositionResponse, HubError> {
        let head = self.parts.state.read()?.chain_head(publisher)?;
        let (sequence, header) = head.map_or((0, FIRST), |head| (head.batch.0, head.header));
        Ok(pb::PositionResponse { sequence, header_digest: header.as_bytes().to_vec().into() })
    }

    /// Finds the key that a header names, or reads it from the certificate that came along; a new one is to be recorded.
    fn signing_key(
        &self,
        caller: &Caller,
        batch: &Batch,
        certificate: &Bytes,
        now: Moment,
    ) -> Result<(Arc<VerifyingKeyRecord>, Option<pb::KeyRecord>), HubError> {
        let id = SigningKeyId(batch.header.key_id);
        let registry = &self.parts.registry;
        let (key, fresh) = match registry.key(id) {
            Some(key) => (key, None),
            None if certificate.is_empty() => return Err(HubError::KeyUnknown),
            None => {
                let key = VerifyingKeyRecord::from_der(certificate, &registry.trust())?;
                if key.key_id != id {
                    return Err(HubError::KeyUnknown);
                }
                let record = pb::KeyRecord {
                    certificate: certificate.clone(),
                    received_at: Some(now.into()),
                    key_id: id.0.to_vec().into(),
                };
                (Arc::new(key), Some(record))
            }
        };
        if key.organisation != caller.organisation || key.role != caller.role || key.region != caller.region {
            return Err(HubError::Impostor);
        }
        // Whoever holds a revoked key could date a batch before its revocation: nothing new is taken from it.
        if registry.trust().revoked_since(&key.serial).is_some_and(|since| now.unix_ms() >= since.unix_ms()) {
            return Err(SigningError::Revoked.into());
        }
        Ok((key, fresh))
    }

    /// Checks that a batch follows the last one of its chain.
    fn chained(&self, publisher: OrganisationCode, batch: &Batch, now: Moment) -> Result<(), HubError> {
        let number = batch.header.sequence;
        let head = self.parts.state.read()?.chain_head(publisher)?;
        let (at, previous) = head.as_ref().map_or((0, FIRST), |head| (head.batch.0, head.header));
        if number != at + 1 {
            return Err(HubError::Gap { found: number, at });
        }
        if batch.header.previous != previous {
            return Err(HubError::Unchained(number));
        }
        if batch.header.sealed_at.unix_ms() > now.unix_ms() + CLOCK_AHEAD_MS_MAX {
            return Err(HubError::SealedAt(number));
        }
        Ok(())
    }

    /// Proves that the log has a batch, under a checkpoint that covers it.
    async fn receipt(
        &self,
        batch: &Batch,
        place: LogPlace,
        entry: Digest,
        rejections: Vec<pb::Rejection>,
    ) -> Result<pb::Receipt, HubError> {
        self.parts.ledger.wait_for_checkpoint(place.sequence.next()).await?;
        let checkpoint = self.parts.tiles.checkpoint()?.ok_or(HubError::Behind)?;
        let keys = std::slice::from_ref(&self.parts.log_key);
        let head = Checkpoint::open(checkpoint.as_bytes(), self.parts.log_key.name(), keys)
            .map_err(|_| HubError::Behind)?
            .head();
        let inclusion = self.parts.tiles.prove_inclusion(place.sequence.0, head.size)?;
        Ok(pb::Receipt {
            sequence: batch.header.sequence,
            header_digest: batch.header_digest().as_bytes().to_vec().into(),
            log_index: place.sequence.0,
            log_entry: entry.as_bytes().to_vec().into(),
            inclusion: inclusion.iter().map(|hash| hash.as_bytes().to_vec().into()).collect(),
            checkpoint,
            rejections,
        })
    }
}

/// What is said of the entries of a batch.
struct Judged {
    /// Those that cannot be indexed.
    rejections: Vec<pb::Rejection>,
    /// When the others were reported.
    reported: Vec<Moment>,
}

/// Verifies signature and root, and finds the entries that cannot be indexed.
fn verify(batch: &Batch, key: &VerifyingKeyRecord, rules: &Rules, now: Moment) -> Result<Judged, HubError> {
    let header = &batch.header;
    key.verify(SigningDomain(SIGNED_AS), &batch.header_bytes, &batch.signature, header.sealed_at)?;
    let leaves: Vec<_> = batch.entries.iter().map(|entry| leaf_hash(entry)).collect();
    if root_of(&leaves).as_bytes() != header.root.as_bytes() {
        return Err(HubError::Root(header.sequence));
    }
    let (mut rejections, mut reported) = (Vec::new(), Vec::with_capacity(batch.entries.len()));
    for (place, bytes) in batch.entries.iter().enumerate() {
        let refused = match entry::decode(bytes) {
            Ok(entry) => {
                let refused = reject(&entry, header.organisation, rules, now);
                reported.extend(refused.is_none().then_some(entry.times.reported));
                refused
            }
            Err(FieldError { field, problem: Problem::Missing | Problem::Twice }) => Some((field, "INCOMPLETE")),
            Err(FieldError { field, .. }) => Some((field, "MALFORMED")),
        };
        if let Some((field, reason)) = refused {
            let entry = u32::try_from(place).unwrap_or(u32::MAX);
            rejections.push(pb::Rejection { entry, field, reason: reason.to_owned() });
        }
    }
    Ok(Judged { rejections, reported })
}

/// Says why an entry is kept and not indexed, if it is.
fn reject(entry: &Entry, publisher: OrganisationCode, rules: &Rules, now: Moment) -> Option<(String, &'static str)> {
    if entry.publisher != publisher {
        return Some(("publisher".to_owned(), "FOREIGN_PUBLISHER"));
    }
    if entry.items.is_empty() {
        return Some(("items".to_owned(), "NO_ITEM"));
    }
    let catalogue = &rules.version.catalogue;
    if let Some(place) = entry.items.iter().position(|item| catalogue.item(*item).is_none()) {
        return Some((format!("items[{place}]"), "UNKNOWN_ITEM"));
    }
    let latest = now.unix_ms() + CLOCK_AHEAD_MS_MAX;
    if entry.times.collected.unix_ms() > latest {
        return Some(("collected_at".to_owned(), "FUTURE_DATE"));
    }
    if entry.times.reported.unix_ms() > latest {
        return Some(("reported_at".to_owned(), "FUTURE_DATE"));
    }
    None
}

/// Digest that the first header of a chain names.
const FIRST: Digest = Digest::new([0; 32]);
/// How far a hospital's clock may be ahead of the hub's, in milliseconds.
const CLOCK_AHEAD_MS_MAX: i64 = 5 * 60 * 1_000;
