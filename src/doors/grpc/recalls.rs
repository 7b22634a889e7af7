//! The Recalls service of a hub.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};

use crate::domain::organisation::OrganisationCode;
use crate::doors::grpc::status::{bad_field, permit, refuse};
use crate::service::hub::Hub;
use crate::service::hub::recalls::Told;
use crate::wire::field::fixed;
use crate::wire::pb;
use crate::wire::pb::recalls_server::Recalls;
use crate::wire::recall::practitioner;

/// Serves Recalls over a hub.
pub struct RecallsDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Recalls for RecallsDoor {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::Recall, Status>> + Send>>;

    async fn watch(&self, request: Request<pb::WatchRecallsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let organisation = permit(&request)?.caller.organisation;
        let practitioner = request.into_inner().practitioner;
        let open = Open { hub: Arc::clone(&self.0), organisation, told: None, waiting: VecDeque::new() };
        let recalls = stream::unfold(Some(open), move |open| next(open, practitioner.clone()));
        Ok(Response::new(Box::pin(recalls)))
    }

    async fn receive(
        &self,
        request: Request<pb::ReceiveRecallsRequest>,
    ) -> Result<Response<pb::ReceiveRecallsResponse>, Status> {
        let permit = permit(&request)?;
        self.0.receive_recalls(&permit.caller, request.get_ref()).await.map(Response::new).map_err(refuse)
    }

    async fn list(
        &self,
        request: Request<pb::ListRecallsRequest>,
    ) -> Result<Response<pb::ListRecallsResponse>, Status> {
        let organisation = permit(&request)?.caller.organisation;
        let sent = request.into_inner();
        let doctor = practitioner(&sent.practitioner).map_err(|error| bad_field(&error))?;
        let patient = sent.patient.map(|patient| fixed("patient.pseudonym", &patient.pseudonym)).transpose();
        let patient = patient.map_err(|error| bad_field(&error))?;
        let hub = Arc::clone(&self.0);
        let listed = tokio::task::spawn_blocking(move || hub.open_recalls(organisation, &doctor, patient)).await;
        let listed = listed.map_err(|_| Status::internal("the server failed and has noted why"))?;
        listed.map(|recalls| Response::new(pb::ListRecallsResponse { recalls })).map_err(refuse)
    }

    async fn acknowledge(
        &self,
        request: Request<pb::AcknowledgeRecallRequest>,
    ) -> Result<Response<pb::AcknowledgeRecallResponse>, Status> {
        let permit = permit(&request)?;
        self.0.acknowledge_recall(&permit.caller, request.get_ref()).await.map(Response::new).map_err(refuse)
    }
}

struct Open {
    hub: Arc<Hub>,
    organisation: OrganisationCode,
    told: Told,
    waiting: VecDeque<pb::Recall>,
}

/// Gives the next recall of a stream; ends with the hub's service, or after the first refusal.
async fn next(open: Option<Open>, practitioner: String) -> Option<(Result<pb::Recall, Status>, Option<Open>)> {
    let mut open = open?;
    loop {
        if let Some(recall) = open.waiting.pop_front() {
            return Some((Ok(recall), Some(open)));
        }
        let found = tokio::select! {
            () = open.hub.recalls_closed() => return None,
            found = open.hub.next_recalls(open.organisation, open.told) => found,
        };
        match found {
            Err(error) => return Some((Err(refuse(error)), None)),
            Ok((recalls, told)) => {
                open.told = told.or(open.told);
                let wanted =
                    recalls.into_iter().filter(|recall| practitioner.is_empty() || recall.practitioner == practitioner);
                open.waiting.extend(wanted);
            }
        }
    }
}
