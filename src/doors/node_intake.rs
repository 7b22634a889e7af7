//! Hands what the MLLP and DICOM doors have received to the node. What is kept, and when it is durable, is the node's.

use std::sync::Arc;

use crate::domain::fault::{Fault, Faulty};
use crate::doors::dicom::{InstanceBody, InstanceSink, ReceivedInstance, StoreRefusal};
use crate::doors::mllp::{Intake, Received, Refusal};
use crate::ports::clock::Clock;
use crate::ports::hub::HubLink;
use crate::service::node::error::IntakeError;
use crate::service::node::{InstanceBytes, Node};

/// Takes the messages of one source.
pub struct MessageDesk<L> {
    /// The node.
    pub node: Node<L>,
    /// The name of the source in the node's records.
    pub source: String,
    /// Dates what arrives.
    pub clock: Arc<dyn Clock>,
}

/// Takes the images of all senders.
pub struct InstanceDesk<L> {
    /// The node.
    pub node: Node<L>,
    /// Dates what arrives.
    pub clock: Arc<dyn Clock>,
}

impl<L: HubLink> Intake for MessageDesk<L> {
    async fn take(&self, received: Received) -> Result<(), Refusal> {
        let now = self.clock.now();
        match self.node.take_message(&self.source, received.original, &received.reading, now).await {
            Ok(_) => Ok(()),
            Err(IntakeError::Message(error)) => Err(error.into()),
            Err(IntakeError::OtherInstance) => Err(Fault::Conflict.into()),
            Err(IntakeError::Node(error)) => {
                tracing::error!(source = self.source, peer = %received.peer, %error, "keep message");
                Err(error.fault().into())
            }
        }
    }
}

impl<L: HubLink> InstanceSink for InstanceDesk<L> {
    async fn store(&self, instance: ReceivedInstance) -> Result<(), StoreRefusal> {
        let header = instance.file_header();
        let (bytes, spooled) = match instance.body {
            InstanceBody::Memory(bytes) => (InstanceBytes::Whole(bytes.into()), None),
            InstanceBody::File(file) => (InstanceBytes::File(file.path().to_owned()), Some(file)),
        };
        let taken = self.node.take_instance(&instance.facts, header, bytes, self.clock.now()).await;
        // The spooled file goes when it has been copied, not before.
        drop(spooled);
        match taken {
            Ok(_) => Ok(()),
            Err(IntakeError::OtherInstance) => Err(StoreRefusal(Fault::Conflict)),
            Err(error) => {
                tracing::error!(calling = instance.calling_ae_title, peer = %instance.peer, %error, "keep instance");
                Err(StoreRefusal(error.fault()))
            }
        }
    }
}
