//! The hub as a node sees it: resolves persons, takes batches, gives receipts. The channel to it is made elsewhere; the
//! tests have a hub of their own.

use std::future::Future;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::{Digest, Pseudonym};
use crate::domain::person::Person;

/// The way from a node to its hub.
pub trait HubLink: Send + Sync + 'static {
    /// Resolves up to 100 persons, answered in the order asked.
    fn resolve(&self, persons: Vec<Person>) -> impl Future<Output = Result<Vec<Resolution>, HubError>> + Send;

    /// Tells where the hub stands with the node's chain.
    fn position(&self) -> impl Future<Output = Result<ChainPosition, HubError>> + Send;

    /// Streams encoded batches to the hub and its encoded receipts back, until `batches` ends and all are answered.
    fn publish(
        &self,
        batches: mpsc::Receiver<Bytes>,
        receipts: mpsc::Sender<Bytes>,
    ) -> impl Future<Output = Result<(), HubError>> + Send;

    /// Gives a signed checkpoint of the hub's log that covers at least `known_size` entries, or the newest there is.
    fn checkpoint(&self, known_size: u64) -> impl Future<Output = Result<String, HubError>> + Send;

    /// Gives the proof that the log of `second` entries extends that of `first`.
    fn consistency(&self, first: u64, second: u64) -> impl Future<Output = Result<Vec<[u8; 32]>, HubError>> + Send;

    /// Hands over a cosignature under a checkpoint of the hub.
    fn cosign(&self, checkpoint: String, cosignature: String) -> impl Future<Output = Result<(), HubError>> + Send;
}

/// What the hub says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The person's pseudonym.
    Resolved(Pseudonym),
    /// No identifier is of a strong type.
    Weak,
    /// A strong identifier is malformed; the path of the field.
    Malformed(String),
    /// The identifiers contradict what is recorded; the path of the field.
    Conflict(String),
}

/// Where the hub stands with a publisher's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainPosition {
    /// Number of the last batch taken, 0 for none.
    pub sequence: u64,
    /// Digest of that batch's header; zero for none.
    pub header: Digest,
}

/// The hub did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// There is no way to it now; wait and try again.
    #[error("the hub cannot be reached")]
    Unreachable,
    /// It answered with a fault; trying again helps only where the fault passes.
    #[error("the hub refused: {0:?}")]
    Refused(Fault),
    /// Its answer does not fit what was asked; somebody must look at both versions.
    #[error("the hub's answer does not fit the question")]
    Answer,
}

impl Faulty for HubError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unreachable => Fault::Busy,
            Self::Refused(fault) => *fault,
            Self::Answer => Fault::Broken,
        }
    }
}
