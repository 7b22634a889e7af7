//! The Orders service of a hub.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::doors::grpc::status::{permit, refuse};
use crate::service::hub::Hub;
use crate::wire::pb;
use crate::wire::pb::orders_server::Orders;

/// Serves Orders over a hub.
pub struct OrdersDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Orders for OrdersDoor {
    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        let permit = permit(&request)?;
        self.0.check(&permit.caller, request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn decide(&self, request: Request<pb::DecideRequest>) -> Result<Response<pb::DecideResponse>, Status> {
        let permit = permit(&request)?;
        self.0.decide(&permit.caller, request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn revoke(&self, request: Request<pb::RevokeRequest>) -> Result<Response<pb::RevokeResponse>, Status> {
        let permit = permit(&request)?;
        self.0.revoke(&permit.caller, request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn recent_results(
        &self,
        request: Request<pb::RecentResultsRequest>,
    ) -> Result<Response<pb::RecentResultsResponse>, Status> {
        let permit = permit(&request)?;
        self.0.recent_results(&permit.caller, request.get_ref()).await.map(Response::new).map_err(refuse)
    }

    async fn acknowledge(
        &self,
        request: Request<pb::AcknowledgeRequest>,
    ) -> Result<Response<pb::AcknowledgeResponse>, Status> {
        let permit = permit(&request)?;
        self.0.acknowledge(&permit.caller, request.get_ref()).await.map(Response::new).map_err(refuse)
    }

    async fn report_misses(
        &self,
        request: Request<pb::ReportMissesRequest>,
    ) -> Result<Response<pb::ReportMissesResponse>, Status> {
        let permit = permit(&request)?;
        self.0.report_misses(&permit.caller, request.get_ref()).await.map(Response::new).map_err(refuse)
    }
}
