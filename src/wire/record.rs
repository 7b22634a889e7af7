//! The records of the hub's journal: kind byte and message. Every record is one entry of the hub's log.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Digest;
use crate::wire::pb;

macro_rules! records {
    ($($(#[$doc:meta])* $kind:literal $name:ident($message:ty),)+) => {
        /// One record of the hub's journal.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Record {
            $($(#[$doc])* $name($message),)+
        }

        impl Record {
            /// Gives the kind byte that stands before the message.
            pub fn kind(&self) -> u8 {
                match self { $(Record::$name(_) => $kind,)+ }
            }

            /// Encodes the message.
            pub fn payload(&self) -> Bytes {
                match self { $(Record::$name(message) => message.encode_to_vec().into(),)+ }
            }

            /// Decodes a record.
            ///
            /// # Errors
            /// [`RecordError`] when the journal was written by a newer version or is damaged; stop and say so.
            pub fn decode(kind: u8, payload: Bytes) -> Result<Self, RecordError> {
                match kind {
                    $($kind => <$message>::decode(payload).map(Record::$name).map_err(|_| RecordError::Damaged(kind)),)+
                    _ => Err(RecordError::Unknown(kind)),
                }
            }
        }
    };
}

/// Kind of [`Record::Batch`].
pub const BATCH_KIND: u8 = 1;

records! {
    /// A batch that was taken.
    1 Batch(pb::BatchRecord),
    /// A signing key seen for the first time.
    2 Key(pb::KeyRecord),
    /// A version of catalogue and policy.
    3 Policy(pb::PolicyRecord),
    /// A QC centre's statement.
    4 Statement(pb::StatementRecord),
    /// A check with what it prompted.
    5 Check(pb::CheckRecord),
    /// A decision.
    6 Decision(pb::DecisionRecord),
    /// A decision taken back.
    7 Revocation(pb::RevocationRecord),
    /// A result was shown, viewed or quoted.
    8 Event(pb::EventRecord),
    /// An original was fetched.
    9 Fetch(pb::FetchRecord),
    /// Keyed digests of a person.
    10 Person(pb::PersonRecord),
    /// A check that a node answered without the hub.
    11 Miss(pb::MissRecord),
    /// Recent results were listed.
    12 Listing(pb::ListingRecord),
    /// A consent.
    13 Consent(pb::ConsentRecord),
    /// A consent was ended.
    14 ConsentEnd(pb::ConsentEndRecord),
    /// A patient opted out of sharing, or in again.
    15 Sharing(pb::SharingRecord),
    /// A guardian acts for a child, or no longer.
    16 Relation(pb::RelationRecord),
    /// Results were seen otherwise than by order, list, event or fetch.
    17 Access(pb::AccessRecord),
    /// A passcode is about to be compared.
    18 Attempt(pb::AttemptRecord),
    /// A node has recalls on its disk.
    19 RecallReceipt(pb::RecallReceiptRecord),
    /// A slice of a laboratory's past was judged again.
    20 Requalification(pb::RequalificationRecord),
    /// Somebody took note of a recall.
    21 RecallAcknowledgement(pb::RecallAcknowledgementRecord),
    /// A case was closed.
    22 CaseClosed(pb::CaseClosedRecord),
    /// The header of the batch that follows, by itself.
    23 Header(pb::HeaderRecord),
}

/// A record of the journal cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// No record of this version has the kind.
    #[error("record kind {0} is not known to this version of concord; run the one that wrote it")]
    Unknown(u8),
    /// The message behind the kind byte cannot be decoded.
    #[error("a record of kind {0} is damaged")]
    Damaged(u8),
}

impl Faulty for RecordError {
    fn fault(&self) -> Fault {
        Fault::Broken
    }
}

/// Gives the log entry of a record: SHA-256 over its kind byte and its message.
pub fn log_entry(kind: u8, payload: &[u8]) -> Digest {
    Digest::new(Sha256::new().chain_update([kind]).chain_update(payload).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_their_bytes() {
        let record = Record::Miss(pb::MissRecord { check_key: "c1".into(), ..Default::default() });
        assert_eq!(Record::decode(record.kind(), record.payload()), Ok(record));
        assert_eq!(Record::Batch(pb::BatchRecord::default()).kind(), BATCH_KIND);
    }

    #[test]
    fn unknown_and_damaged_records_are_told_apart() {
        assert_eq!(Record::decode(0, Bytes::new()), Err(RecordError::Unknown(0)));
        assert_eq!(Record::decode(1, Bytes::from_static(b"\xff")), Err(RecordError::Damaged(1)));
    }
}
