//! What publishing needs of the hub: persons resolved, batches taken, receipts given.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use super::{CALL_WAIT, CallError, HubClient, IdentityClient, PublicationClient, TransparencyClient};
use crate::domain::id::{Digest, Pseudonym};
use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::domain::person::Person;
use crate::ports::hub::{ChainPosition, HubError, HubLink, Resolution};
use crate::wire::pb;

impl HubLink for HubClient {
    async fn resolve(&self, persons: Vec<Person>) -> Result<Vec<Resolution>, HubError> {
        let asked = persons.len();
        let sent = pb::ResolveRequest { persons: persons.iter().map(pb::Person::from).collect() };
        let answer =
            self.call(sent, CALL_WAIT, |channel, sent| async move { IdentityClient::new(channel).resolve(sent).await });
        let answer = answer.await?;
        if answer.resolutions.len() != asked {
            return Err(HubError::Answer);
        }
        answer.resolutions.into_iter().map(resolution).collect()
    }

    async fn position(&self) -> Result<ChainPosition, HubError> {
        let sent = pb::PositionRequest {};
        let answer = self
            .call(sent, CALL_WAIT, |channel, sent| async move { PublicationClient::new(channel).position(sent).await });
        let answer = answer.await?;
        let header = Digest::try_from(answer.header_digest.as_ref()).map_err(|_| HubError::Answer)?;
        Ok(ChainPosition { sequence: answer.sequence, header })
    }

    /// Names the signing certificate with each batch, for the key may change in between. A hub that falls silent is given
    /// up.
    async fn publish(&self, batches: mpsc::Receiver<Bytes>, receipts: mpsc::Sender<Bytes>) -> Result<(), HubError> {
        let certificate = Arc::clone(&self.signing_certificate);
        let sent = ReceiverStream::new(batches)
            .map(move |batch| pb::PublishRequest { batch, signing_certificate: (certificate.0)() });
        let opened = |channel, sent: Request<_>| async move {
            PublicationClient::new(channel).max_encoding_message_size(MESSAGE_BYTES_MAX).publish(sent).await
        };
        let mut answers = self.open(sent, RECEIPT_WAIT, opened).await?;
        loop {
            let answer = tokio::time::timeout(RECEIPT_WAIT, answers.message()).await;
            match answer.map_err(|_| HubError::Unreachable)?.map_err(CallError::from)? {
                None => return Ok(()),
                // Nobody waits for receipts any more; what was sent is asked for at the next stream.
                Some(receipt) if receipts.send(receipt.encode_to_vec().into()).await.is_err() => return Ok(()),
                Some(_) => {}
            }
        }
    }

    async fn checkpoint(&self, known_size: u64) -> Result<String, HubError> {
        let sent = pb::CheckpointRequest { known_size: Some(known_size) };
        let asked = |channel, sent| async move { TransparencyClient::new(channel).checkpoint(sent).await };
        Ok(self.call(sent, CALL_WAIT, asked).await?.checkpoint)
    }

    async fn consistency(&self, first: u64, second: u64) -> Result<Vec<[u8; 32]>, HubError> {
        let sent = pb::ConsistencyProofRequest { first, second };
        let asked = |channel, sent| async move { TransparencyClient::new(channel).consistency_proof(sent).await };
        let answer = self.call(sent, CALL_WAIT, asked).await?;
        let hashes = answer.hashes.iter().map(|hash| <[u8; 32]>::try_from(hash.as_ref()));
        hashes.collect::<Result<_, _>>().map_err(|_| HubError::Answer)
    }

    async fn cosign(&self, checkpoint: String, cosignature: String) -> Result<(), HubError> {
        let signing_certificate = (self.signing_certificate.0)();
        let sent = pb::CosignRequest { checkpoint, cosignature, signing_certificate };
        let asked = |channel, sent| async move { TransparencyClient::new(channel).cosign(sent).await };
        Ok(self.call(sent, CALL_WAIT, asked).await.map(drop)?)
    }
}

fn resolution(sent: pb::Resolution) -> Result<Resolution, HubError> {
    use pb::resolution::Outcome;
    match sent.outcome() {
        Outcome::Unspecified => Err(HubError::Answer),
        Outcome::Resolved => {
            let pseudonym = Pseudonym::try_from(sent.pseudonym.as_ref()).map_err(|_| HubError::Answer)?;
            Ok(Resolution::Resolved(pseudonym))
        }
        Outcome::Weak => Ok(Resolution::Weak),
        Outcome::Malformed => Ok(Resolution::Malformed(sent.field)),
        Outcome::Conflict => Ok(Resolution::Conflict(sent.field)),
    }
}

/// Longest wait for the next receipt.
const RECEIPT_WAIT: std::time::Duration = std::time::Duration::from_secs(30);
