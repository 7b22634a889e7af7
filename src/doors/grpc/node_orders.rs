//! The Orders service of a node, for the hospital's own EMR: what it does not answer itself goes to the hub.

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::doors::grpc::node_access::Own;
use crate::doors::grpc::status::bad_field;
use crate::service::node::forward::{ForwardError, Forwarder};
use crate::wire::pb;
use crate::wire::pb::orders_server::Orders;

/// Serves Orders over a forwarder.
pub struct NodeOrdersDoor {
    /// Whose hospital it is.
    pub own: Own,
    /// The way to the hub.
    pub forwarder: Forwarder,
}

#[tonic::async_trait]
impl Orders for NodeOrdersDoor {
    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        let arrived = Instant::now();
        self.own.permit(&request)?;
        self.forwarder.check(request.into_inner(), arrived).await.map(Response::new).map_err(told)
    }

    async fn decide(&self, request: Request<pb::DecideRequest>) -> Result<Response<pb::DecideResponse>, Status> {
        self.own.permit(&request)?;
        self.forwarder.decide(request.into_inner()).await.map(Response::new).map_err(told)
    }

    async fn revoke(&self, request: Request<pb::RevokeRequest>) -> Result<Response<pb::RevokeResponse>, Status> {
        self.own.permit(&request)?;
        self.forwarder.revoke(request.into_inner()).await.map(Response::new).map_err(told)
    }

    async fn recent_results(
        &self,
        request: Request<pb::RecentResultsRequest>,
    ) -> Result<Response<pb::RecentResultsResponse>, Status> {
        let arrived = Instant::now();
        self.own.permit(&request)?;
        self.forwarder.recent_results(request.into_inner(), arrived).await.map(Response::new).map_err(told)
    }

    async fn acknowledge(
        &self,
        request: Request<pb::AcknowledgeRequest>,
    ) -> Result<Response<pb::AcknowledgeResponse>, Status> {
        self.own.permit(&request)?;
        self.forwarder.acknowledge(request.into_inner()).await.map(Response::new).map_err(told)
    }

    async fn report_misses(
        &self,
        request: Request<pb::ReportMissesRequest>,
    ) -> Result<Response<pb::ReportMissesResponse>, Status> {
        self.own.permit(&request)?;
        Err(Status::unimplemented("a node tells the hub itself of checks that it missed"))
    }
}

/// Passes the hub's status on with its details, and names a field that is wrong.
pub(super) fn told(error: ForwardError) -> Status {
    error.into_status().unwrap_or_else(|field| bad_field(&field)).into_plain()
}

/// Keeps code, text and details of a status; the hub's headers and its inner cause are nobody else's.
trait Plain {
    fn into_plain(self) -> Status;
}

impl Plain for Status {
    fn into_plain(self) -> Status {
        Status::with_details(self.code(), self.message(), bytes::Bytes::copy_from_slice(self.details()))
    }
}
