//! The batch: header, signature and entries as bytes. Roots and signatures are checked by the service.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::domain::id::Digest;
use crate::domain::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::wire::field::{FieldError, Problem, at_most, fixed, moment, parsed};
use crate::wire::pb;

/// Domain of the signature: these characters and a zero byte stand before the header when it is signed.
pub const SIGNED_AS: &str = "concord/batch/v1";

/// What a publisher signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The publisher.
    pub organisation: OrganisationCode,
    /// First 8 bytes of SHA-256 over the public key.
    pub key_id: [u8; 8],
    /// Number in the publisher's chain, from 1.
    pub sequence: u64,
    /// Digest of the previous header's bytes; zero for the first.
    pub previous: Digest,
    /// RFC 6962 root over the entries' bytes.
    pub root: Digest,
    /// Number of entries, 1 to [`BATCH_ENTRIES_MAX`].
    pub size: usize,
    /// When it was sealed.
    pub sealed_at: Moment,
}

/// A batch as it came, with its header read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The header as a value.
    pub header: Header,
    /// The header's bytes, as signed.
    pub header_bytes: Bytes,
    /// The signature, Ed25519.
    pub signature: [u8; 64],
    /// The entries' bytes, in leaf order.
    pub entries: Vec<Bytes>,
}

impl Header {
    /// Encodes the header; these bytes are signed, and their SHA-256 is the next header's `previous`.
    pub fn encode(&self) -> Bytes {
        pb::BatchHeader {
            organisation: self.organisation.to_string(),
            key_id: self.key_id.to_vec().into(),
            sequence: self.sequence,
            previous: self.previous.as_bytes().to_vec().into(),
            root: self.root.as_bytes().to_vec().into(),
            size: u32::try_from(self.size).unwrap_or(u32::MAX),
            sealed_at: Some(self.sealed_at.into()),
        }
        .encode_to_vec()
        .into()
    }

    fn decode(bytes: &Bytes) -> Result<Self, FieldError> {
        let sent =
            pb::BatchHeader::decode(bytes.clone()).map_err(|_| FieldError::new("header", Problem::Undecodable))?;
        let found = sent.key_id.len();
        Ok(Self {
            organisation: parsed("organisation", &sent.organisation, "organisation code")?,
            key_id: sent
                .key_id
                .as_ref()
                .try_into()
                .map_err(|_| FieldError::new("key_id", Problem::Length { found, expected: 8 }))?,
            sequence: match sent.sequence {
                0 => return Err(FieldError::new("sequence", Problem::Missing)),
                sequence => sequence,
            },
            previous: fixed("previous", &sent.previous)?,
            root: fixed("root", &sent.root)?,
            size: usize::try_from(sent.size).unwrap_or(usize::MAX),
            sealed_at: moment("sealed_at", sent.sealed_at.as_ref())?,
        })
    }
}

impl Batch {
    /// Encodes the batch as it travels and as it is stored.
    pub fn encode(&self) -> Bytes {
        pb::SignedBatch {
            header: self.header_bytes.clone(),
            signature: self.signature.to_vec().into(),
            entries: self.entries.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads a batch and its header, and checks limits and that header and entries agree in number.
    ///
    /// # Errors
    /// [`FieldError`] naming the field; the publisher must repair the batch, nothing of it is kept.
    pub fn decode(bytes: Bytes) -> Result<Self, FieldError> {
        at_most("batch", bytes.len(), BATCH_BYTES_MAX)?;
        let sent = pb::SignedBatch::decode(bytes).map_err(|_| FieldError::new("batch", Problem::Undecodable))?;
        at_most("entries", sent.entries.len(), BATCH_ENTRIES_MAX)?;
        let header = Header::decode(&sent.header).map_err(|error| error.under("header"))?;
        if sent.entries.is_empty() {
            return Err(FieldError::new("entries", Problem::Missing));
        }
        let found = sent.entries.len();
        if header.size != found {
            return Err(FieldError::new("header.size", Problem::Length { found, expected: header.size }));
        }
        let signature: [u8; 64] =
            sent.signature.as_ref().try_into().map_err(|_| {
                FieldError::new("signature", Problem::Length { found: sent.signature.len(), expected: 64 })
            })?;
        Ok(Self { header, header_bytes: sent.header, signature, entries: sent.entries })
    }

    /// Writes the record that proves entries of the batch one by one.
    pub fn header_record(&self) -> pb::HeaderRecord {
        pb::HeaderRecord { header: self.header_bytes.clone(), signature: self.signature.to_vec().into() }
    }

    /// Gives SHA-256 over the header's bytes: the name of the batch, and the next header's `previous`.
    pub fn header_digest(&self) -> Digest {
        digest(&self.header_bytes)
    }
}

/// Gives SHA-256 over bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let header = Header {
            organisation: "91350100M000100Y43".parse().unwrap(),
            key_id: [7; 8],
            sequence: 1,
            previous: Digest::new([0; 32]),
            root: Digest::new([1; 32]),
            size: 2,
            sealed_at: Moment::new(1_780_000_000_000, 480).unwrap(),
        };
        let entries = vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        Batch { header_bytes: header.encode(), header, signature: [2; 64], entries }
    }

    #[test]
    fn batches_survive_their_bytes() {
        assert_eq!(Batch::decode(batch().encode()), Ok(batch()));
    }

    #[test]
    fn a_header_that_counts_other_entries_is_refused() {
        let mut short = batch();
        short.entries.pop();
        let error = Batch::decode(short.encode()).unwrap_err();
        assert_eq!(error.to_string(), "header.size: has length 1 instead of 2");
    }

    #[test]
    fn any_prefix_is_an_error() {
        let bytes = batch().encode();
        for end in 0..bytes.len() {
            assert!(Batch::decode(bytes.slice(..end)).is_err(), "{end}");
        }
    }
}
