//! The Retrieval service.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::sync::oneshot;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::doors::grpc::status::{bad_field, permit, refuse};
use crate::service::hub::Hub;
use crate::service::hub::retrieval::TunnelEnd;
use crate::wire::field::{FieldError, Problem};
use crate::wire::pb;
use crate::wire::pb::retrieval_server::Retrieval;
use crate::wire::pb::tunnel_up::Frame;

/// Serves Retrieval over a hub.
pub struct RetrievalDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Retrieval for RetrievalDoor {
    type FetchStream = Pin<Box<dyn Stream<Item = Result<pb::Chunk, Status>> + Send>>;
    type TunnelStream = Pin<Box<dyn Stream<Item = Result<pb::TunnelDown, Status>> + Send>>;

    async fn fetch(&self, request: Request<pb::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let caller = permit(&request)?.caller;
        let chunks = self.0.fetch(&caller, request.get_ref()).await.map_err(refuse)?;
        Ok(Response::new(Box::pin(ReceiverStream::new(chunks).map(|chunk| chunk.map_err(refuse)))))
    }

    async fn open(&self, request: Request<pb::OpenRequest>) -> Result<Response<pb::OpenResponse>, Status> {
        let caller = permit(&request)?.caller;
        self.0.open(&caller, request.get_ref()).await.map(Response::new).map_err(refuse)
    }

    async fn tunnel(&self, request: Request<Streaming<pb::TunnelUp>>) -> Result<Response<Self::TunnelStream>, Status> {
        let caller = permit(&request)?.caller;
        let (end, frames) = self.0.open_tunnel(&caller).map_err(refuse)?;
        let (over, ended) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = listen(end, request.into_inner()).await;
            let _ = over.send(outcome);
        });
        // A node that broke the rules is told so at the end.
        let last = futures_util::stream::once(ended).filter_map(async |outcome| outcome.ok()?.err().map(Err));
        Ok(Response::new(Box::pin(ReceiverStream::new(frames).map(Ok).chain(last))))
    }
}

/// Takes frames until the node or the hub ends the tunnel.
async fn listen(end: TunnelEnd, mut frames: Streaming<pb::TunnelUp>) -> Result<(), Status> {
    let first = frames.message().await?;
    if !matches!(first, Some(pb::TunnelUp { frame: Some(Frame::Hello(_)) })) {
        return Err(bad_field(&FieldError::new("hello", Problem::Missing)));
    }
    loop {
        let frame = tokio::select! {
            () = end.closed() => return Ok(()),
            frame = frames.message() => frame?,
        };
        match frame {
            Some(frame) => end.take(frame).map_err(refuse)?,
            None => return Ok(()),
        }
    }
}
