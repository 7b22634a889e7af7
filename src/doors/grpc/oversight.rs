//! The Oversight service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::domain::reason::Reason;
use crate::doors::grpc::status::{bad_field, permit, refuse};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::wire::follow_up::FollowUpsQuery;
use crate::wire::oversight::StatisticsQuery;
use crate::wire::pb;
use crate::wire::pb::oversight_server::Oversight;

/// Serves Oversight over a hub.
pub struct OversightDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Oversight for OversightDoor {
    async fn statistics(
        &self,
        request: Request<pb::StatisticsRequest>,
    ) -> Result<Response<pb::StatisticsResponse>, Status> {
        let caller = permit(&request)?.caller;
        let query = StatisticsQuery::read(request.get_ref()).map_err(|error| bad_field(&error))?;
        let hub = Arc::clone(&self.0);
        apart(move || hub.statistics(&caller, &query)).await
    }

    async fn follow_ups(
        &self,
        request: Request<pb::FollowUpsRequest>,
    ) -> Result<Response<pb::FollowUpsResponse>, Status> {
        let caller = permit(&request)?.caller;
        let query = FollowUpsQuery::read(request.get_ref()).map_err(|error| bad_field(&error))?;
        let hub = Arc::clone(&self.0);
        apart(move || hub.follow_ups(&caller, &query)).await
    }

    async fn reasons(&self, request: Request<pb::ReasonsRequest>) -> Result<Response<pb::ReasonsResponse>, Status> {
        permit(&request)?;
        let language = request.get_ref().language();
        let reasons = self.0.reasons().map_err(refuse)?;
        Ok(Response::new(pb::ReasonsResponse {
            reasons: reasons.into_iter().map(|reason| written(reason, language)).collect(),
        }))
    }

    async fn recalls(&self, request: Request<pb::RecallsRequest>) -> Result<Response<pb::RecallsResponse>, Status> {
        let caller = permit(&request)?.caller;
        let (hub, sent) = (Arc::clone(&self.0), request.into_inner());
        apart(move || hub.recall_figures(&caller, &sent)).await
    }

    async fn cases(&self, request: Request<pb::CasesRequest>) -> Result<Response<pb::CasesResponse>, Status> {
        let caller = permit(&request)?.caller;
        let (hub, sent) = (Arc::clone(&self.0), request.into_inner());
        apart(move || hub.cases(&caller, &sent)).await
    }

    async fn close_case(
        &self,
        request: Request<pb::CloseCaseRequest>,
    ) -> Result<Response<pb::CloseCaseResponse>, Status> {
        let permit = permit(&request)?;
        self.0.close_case(&permit.caller, request.get_ref()).await.map(Response::new).map_err(refuse)
    }
}

/// Answers from a thread of its own, because it may read much.
async fn apart<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, HubError> + Send + 'static,
) -> Result<Response<T>, Status> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|_| Status::internal("the server failed and has noted why"))?.map(Response::new).map_err(refuse)
}

fn written(reason: Reason, language: pb::Language) -> pb::PolicyReason {
    let choices = match language {
        pb::Language::En => reason.choices_en,
        pb::Language::Zh | pb::Language::Unspecified => reason.choices_zh,
    };
    pb::PolicyReason {
        code: reason.code.to_string(),
        text_zh: reason.text_zh,
        text_en: reason.text_en,
        needs_text: reason.needs_text,
        choices,
        counts: reason.counts,
    }
}
