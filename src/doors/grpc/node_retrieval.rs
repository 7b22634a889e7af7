//! The Retrieval service of a node: originals for the hospital's own viewers, brought by the hub and checked here again.

use std::pin::Pin;

use futures_util::Stream;
use futures_util::stream;
use tonic::{Request, Response, Status, Streaming};

use crate::doors::grpc::node_access::Own;
use crate::doors::grpc::node_orders::told;
use crate::service::node::forward::Forwarder;
use crate::wire::pb;
use crate::wire::pb::retrieval_server::Retrieval;

/// Serves Retrieval over a forwarder.
pub struct NodeRetrievalDoor {
    /// Whose hospital it is.
    pub own: Own,
    /// The way to the hub.
    pub forwarder: Forwarder,
}

#[tonic::async_trait]
impl Retrieval for NodeRetrievalDoor {
    type FetchStream = Pin<Box<dyn Stream<Item = Result<pb::Chunk, Status>> + Send>>;
    type TunnelStream = stream::Empty<Result<pb::TunnelDown, Status>>;

    /// Chunks are asked of the hub only as fast as the caller takes them.
    async fn fetch(&self, request: Request<pb::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        self.own.permit(&request)?;
        let checked = self.forwarder.fetch(request.into_inner()).await.map_err(told)?;
        let chunks = stream::unfold(checked, |mut checked| async { checked.next().await.map(|next| (next, checked)) });
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn open(&self, request: Request<pb::OpenRequest>) -> Result<Response<pb::OpenResponse>, Status> {
        self.own.permit(&request)?;
        self.forwarder.open(request.into_inner()).await.map(Response::new).map_err(told)
    }

    async fn tunnel(&self, request: Request<Streaming<pb::TunnelUp>>) -> Result<Response<Self::TunnelStream>, Status> {
        self.own.permit(&request)?;
        Err(Status::unimplemented("tunnels end at a hub"))
    }
}
