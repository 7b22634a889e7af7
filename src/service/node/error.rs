//! What can go wrong inside a node, and whose fault it is.

use super::receipt::ReceiptError;
use crate::domain::fault::{Fault, Faulty};
use crate::ports::hub::HubError;
use crate::store::journal::JournalError;
use crate::store::originals::OriginalsError;
use crate::store::projection::ProjectionError;
use crate::wire::hl7::error::Hl7Error;

/// The node did not do it.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The journal failed; nothing was acknowledged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The projections failed; they are rebuilt at the next start.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The originals failed; nothing was acknowledged.
    #[error(transparent)]
    Originals(#[from] OriginalsError),
    /// The hub did not answer as asked.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The hub's receipt is not to be believed.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// What was seen of the hub's log cannot be read or kept; look at the disk.
    #[error("the checkpoint seen last: {0}")]
    Seen(std::io::Error),
    /// A record of the journal is not one of this version.
    #[error("record {sequence} of the node's journal cannot be read")]
    Record {
        /// Number of the record.
        sequence: u64,
    },
    /// Blocking work did not end, because the process is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// A message or an instance was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The message is not acceptable; the sender must correct it.
    #[error(transparent)]
    Message(#[from] Hl7Error),
    /// Another instance has the same UID; the first one stays. Answer 0x0111, duplicate SOP instance.
    #[error("another instance of this UID is kept")]
    OtherInstance,
    /// The node could not keep it; the sender may send it again.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl Faulty for NodeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Journal(error) => error.fault(),
            Self::Projection(error) => error.fault(),
            Self::Originals(error) => error.fault(),
            Self::Hub(error) => error.fault(),
            Self::Receipt(error) => error.fault(),
            Self::Record { .. } | Self::Seen(_) => Fault::Broken,
            Self::Stopping => Fault::Busy,
        }
    }
}

impl Faulty for IntakeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Message(error) => error.fault(),
            Self::OtherInstance => Fault::Conflict,
            Self::Node(error) => error.fault(),
        }
    }
}
