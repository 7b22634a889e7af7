//! The Publication service.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
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
        let place = self.0.open_publication(permit.caller.organisation).map_err(refuse)?;
        let open = (Arc::clone(&self.0), permit, request.into_inner(), place);
        Ok(Response::new(Box::pin(stream::unfold(Some(open), take_next))))
    }

    async fn position(&self, request: Request<pb::PositionRequest>) -> Result<Response<pb::PositionResponse>, Status> {
        let permit = permit(&request)?;
        self.0.position(permit.caller.organisation).map(Response::new).map_err(refuse)
    }
}

type Open = (Arc<Hub>, Permit, Streaming<pb::PublishRequest>, OwnedSemaphorePermit);

/// Takes the next batch when its receipt is asked for; ends with the stream, or after the first refusal.
async fn take_next(open: Option<Open>) -> Option<(Result<pb::Receipt, Status>, Option<Open>)> {
    let (hub, permit, mut batches, place) = open?;
    let answer = match batches.message().await {
        Ok(None) => return None,
        Ok(Some(sent)) => hub.take_batch(&permit.caller, sent.batch, &sent.signing_certificate).await.map_err(refuse),
        Err(status) => Err(status),
    };
    let next = answer.is_ok().then_some((hub, permit, batches, place));
    Some((answer, next))
}
