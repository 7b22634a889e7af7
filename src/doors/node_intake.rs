//! Hands what the MLLP and DICOM doors have received to the node. What is kept, and when it is durable, is the node's.

use std::sync::Arc;

use crate::domain::fault::{Fault, Faulty};
use crate::doors::calls::{Calls, Protocol};
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
    /// Counts and traces what arrives.
    pub calls: Arc<Calls>,
}

/// Takes the images of all senders.
pub struct InstanceDesk<L> {
    /// The node.
    pub node: Node<L>,
    /// Dates what arrives.
    pub clock: Arc<dyn Clock>,
    /// Counts and traces what arrives.
    pub calls: Arc<Calls>,
}

impl<L: HubLink> Intake for MessageDesk<L> {
    async fn take(&self, received: Received) -> Result<(), Refusal> {
        let arrival = self.calls.arrival(Protocol::Mllp, self.node.publisher());
        let now = self.clock.now();
        let taking = self.node.take_message(&self.source, received.original, &received.reading, now);
        let taken = arrival.within(taking).await;
        self.node.figures().answered(arrival.elapsed(), true);
        let (fault, taken) = match taken {
            Ok(_) => (None, Ok(())),
            Err(IntakeError::Message(error)) => (Some(error.fault()), Err(error.into())),
            Err(IntakeError::OtherInstance) => (Some(Fault::Conflict), Err(Fault::Conflict.into())),
            Err(IntakeError::Node(error)) => {
                tracing::error!(source = self.source, peer = %received.peer, %error, "keep message");
                (Some(error.fault()), Err(error.fault().into()))
            }
        };
        arrival.end(fault);
        taken
    }
}

impl<L: HubLink> InstanceSink for InstanceDesk<L> {
    async fn store(&self, instance: ReceivedInstance) -> Result<(), StoreRefusal> {
        let header = instance.file_header();
        let (bytes, spooled) = match instance.body {
            InstanceBody::Memory(bytes) => (InstanceBytes::Whole(bytes.into()), None),
            InstanceBody::File(file) => (InstanceBytes::File(file.path().to_owned()), Some(file)),
        };
        let arrival = self.calls.arrival(Protocol::Dicom, self.node.publisher());
        let taking = self.node.take_instance(&instance.facts, header, bytes, self.clock.now());
        let taken = arrival.within(taking).await;
        self.node.figures().answered(arrival.elapsed(), false);
        // The spooled file goes when it has been copied, not before.
        drop(spooled);
        let fault = match taken {
            Ok(_) => None,
            Err(IntakeError::OtherInstance) => Some(Fault::Conflict),
            Err(error) => {
                tracing::error!(calling = instance.calling_ae_title, peer = %instance.peer, %error, "keep instance");
                Some(error.fault())
            }
        };
        arrival.end(fault);
        fault.map_or(Ok(()), |fault| Err(StoreRefusal(fault)))
    }
}
