//! Publishers' chains and signatures, checked again from the records: number, previous header, root, key, signature.

use std::collections::HashMap;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::domain::id::Digest;
use crate::domain::organisation::OrganisationCode;
use crate::merkle::hash::leaf_hash;
use crate::merkle::tree::root_of;
use crate::pki::identity::{self, Purpose};
use crate::wire::batch::{self, Batch};
use crate::wire::record::Record;
use crate::wire::statement::{self, Statement};
use crate::wire::{entry, pb};

/// What was found in the records so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Publishers with a chain.
    pub publishers: usize,
    /// Batches.
    pub batches: u64,
    /// Entries in them.
    pub entries: u64,
    /// QC centres' statements.
    pub statements: u64,
}

/// Follows every publisher's chain through the records.
pub struct Chains {
    authority: Option<Vec<u8>>,
    keys: HashMap<[u8; 8], Key>,
    chains: HashMap<OrganisationCode, (u64, Digest)>,
    /// The header that the record just before held by itself.
    announced: Option<pb::HeaderRecord>,
    counts: Counts,
}

struct Key {
    organisation: OrganisationCode,
    key: VerifyingKey,
}

impl Chains {
    /// Begins; keys must be certified by `authority` (DER), where it is given.
    pub fn new(authority: Option<Vec<u8>>) -> Self {
        Self { authority, keys: HashMap::new(), chains: HashMap::new(), announced: None, counts: Counts::default() }
    }

    /// Says what was found so far.
    pub fn counts(&self) -> Counts {
        Counts { publishers: self.chains.len(), ..self.counts }
    }

    /// Checks the next record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&mut self, record: &Record) -> Result<(), String> {
        let announced = self.announced.take();
        match record {
            Record::Key(record) => self.learn(record),
            Record::Header(record) => {
                self.announced = Some(record.clone());
                Ok(())
            }
            Record::Batch(record) => self.batch(record, announced),
            Record::Statement(record) => self.statement(record),
            _ => Ok(()),
        }
    }

    fn learn(&mut self, record: &pb::KeyRecord) -> Result<(), String> {
        let key = self.certified(&record.certificate)?;
        let name = Sha256::digest(key.key.as_bytes());
        let short: [u8; 8] = record.key_id.as_ref().try_into().map_err(|_| "the key's name is not 8 bytes long")?;
        if !name.starts_with(&short) {
            return Err("the key's name is not that of its certificate".into());
        }
        self.keys.insert(short, key);
        Ok(())
    }

    fn batch(&mut self, record: &pb::BatchRecord, announced: Option<pb::HeaderRecord>) -> Result<(), String> {
        let batch = Batch::decode(record.batch.clone()).map_err(|error| error.to_string())?;
        let header = &batch.header;
        let said = |what: &str| format!("batch {} of {}: {what}", header.sequence, header.organisation);
        let none = (0, Digest::new([0; 32]));
        let (last, previous) = self.chains.get(&header.organisation).copied().unwrap_or(none);
        if header.sequence != last + 1 {
            return Err(said(&format!("the one before it has number {last}")));
        }
        if announced.is_some_and(|announced| announced != batch.header_record()) {
            return Err(said("the record before it holds another header"));
        }
        if header.previous != previous {
            return Err(said("it does not name the header before it"));
        }
        let leaves: Vec<_> = batch.entries.iter().map(|entry| leaf_hash(entry)).collect();
        if root_of(&leaves).as_bytes() != header.root.as_bytes() {
            return Err(said("its root is not the root of its entries"));
        }
        let key = self.keys.get(&header.key_id).ok_or_else(|| said("its key is in no record before it"))?;
        if key.organisation != header.organisation {
            return Err(said("its key is another organisation's"));
        }
        if !signed(&key.key, batch::SIGNED_AS, &batch.header_bytes, &batch.signature) {
            return Err(said("its signature does not hold"));
        }
        for (place, bytes) in batch.entries.iter().enumerate() {
            let rejected = record.rejections.iter().any(|rejection| rejection.entry as usize == place);
            let read = entry::decode(bytes).map_err(|error| said(&format!("entry {place}: {error}")));
            if !rejected && read?.publisher != header.organisation {
                return Err(said(&format!("entry {place} names another publisher")));
            }
        }
        self.counts.batches += 1;
        self.counts.entries += batch.entries.len() as u64;
        self.chains.insert(header.organisation, (header.sequence, batch.header_digest()));
        Ok(())
    }

    fn statement(&mut self, record: &pb::StatementRecord) -> Result<(), String> {
        let said = Statement::decode(&record.statement).map_err(|error| error.to_string())?;
        let key = self.certified(&record.signing_certificate)?;
        if key.organisation != said.issuer {
            return Err("the statement's key is another organisation's".into());
        }
        if !signed(&key.key, statement::SIGNED_AS, &record.statement, &record.signature) {
            return Err("the statement's signature does not hold".into());
        }
        self.counts.statements += 1;
        Ok(())
    }

    /// Checks the signature under a batch's header; gives whose the certificate is.
    ///
    /// # Errors
    /// What is wrong with certificate or signature.
    pub fn signed_by(&self, certificate: &[u8], record: &pb::HeaderRecord) -> Result<OrganisationCode, String> {
        let key = self.certified(certificate)?;
        if signed(&key.key, batch::SIGNED_AS, &record.header, &record.signature) {
            Ok(key.organisation)
        } else {
            Err("its signature is not by the certificate's key".into())
        }
    }

    fn certified(&self, der: &[u8]) -> Result<Key, String> {
        let unreadable = "the signing certificate cannot be read";
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable)?;
        if let Some(authority) = &self.authority {
            let (_, authority) = X509Certificate::from_der(authority).map_err(|_| "the authority cannot be read")?;
            let held = certificate.verify_signature(Some(authority.public_key()));
            held.map_err(|_| "the signing certificate is not signed by this authority")?;
        }
        let identity = identity::identity(&certificate).map_err(|error| error.to_string())?;
        if identity.purpose != Purpose::Signing {
            return Err("the certificate is not one for signing".into());
        }
        let raw: &[u8] = &certificate.public_key().subject_public_key.data;
        let raw: [u8; 32] = raw.try_into().map_err(|_| unreadable)?;
        let key = VerifyingKey::from_bytes(&raw).map_err(|_| unreadable)?;
        Ok(Key { organisation: identity.organisation, key })
    }
}

fn signed(key: &VerifyingKey, domain: &str, bytes: &[u8], signature: &[u8]) -> bool {
    let signed = [domain.as_bytes(), &[0], bytes].concat();
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(&signed, &signature).is_ok())
}
