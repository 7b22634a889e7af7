//! The Publication service.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::doors::auth::Permit;
use crate::doors::grpc::status::{permit, refuse};
use crate::service::hub::Hub;
use crate::wire::pb;
use crate::wire::pb::publication_server::Publication;

/// Serves Publication over a hub.
pub struct PublicationDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Publication for PublicationDoor {
    type PublishStream = Pin<Box<dyn Stream<Item = Result<pb::Receipt, Status>> + Send>>;

    async fn publish(
        &self,
        request: Request<Streaming<pb::PublishRequest>>,
    ) -> Result<Response<Self::PublishStream>, Status> {
        let permit = permit(&request)?;
        let (receipts, answered) = mpsc::channel(RECEIPTS_WAITING_MAX);
        tokio::spawn(take_all(Arc::clone(&self.0), permit, request.into_inner(), receipts));
        Ok(Response::new(Box::pin(ReceiverStream::new(answered))))
    }

    async fn position(&self, request: Request<pb::PositionRequest>) -> Result<Response<pb::PositionResponse>, Status> {
        let permit = permit(&request)?;
        self.0.position(permit.caller.organisation).map(Response::new).map_err(refuse)
    }
}

/// Takes batch after batch; ends with the stream, with the first refusal, or when nobody reads the receipts.
async fn take_all(
    hub: Arc<Hub>,
    permit: Permit,
    mut batches: Streaming<pb::PublishRequest>,
    receipts: mpsc::Sender<Result<pb::Receipt, Status>>,
) {
    loop {
        let answer = match batches.message().await {
            Ok(None) => return,
            Ok(Some(sent)) => {
                hub.take_batch(&permit.caller, sent.batch, &sent.signing_certificate).await.map_err(refuse)
            }
            Err(status) => Err(status),
        };
        let last = answer.is_err();
        if receipts.send(answer).await.is_err() || last {
            return;
        }
    }
}

/// Receipts that wait for a slow node; it then sends no further batch into the journal.
const RECEIPTS_WAITING_MAX: usize = 8;
