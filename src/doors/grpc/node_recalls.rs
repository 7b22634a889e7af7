//! The Recalls service of a node, for the hospital's own EMR: what the hub has told is answered from the node's journal.

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};

use crate::domain::log::Sequence;
use crate::doors::grpc::node_access::Own;
use crate::doors::grpc::node_orders::told;
use crate::doors::grpc::status::{bad_field, of};
use crate::peer::hub::HubClient;
use crate::service::node::Node;
use crate::service::node::forward::Forwarder;
use crate::wire::pb;
use crate::wire::pb::recalls_server::Recalls;
use crate::wire::recall::{acknowledged, practitioner};

/// Serves Recalls over a node.
pub struct NodeRecallsDoor {
    /// Whose hospital it is.
    pub own: Own,
    /// The node.
    pub node: Node<HubClient>,
    /// The way to the hub, for the names of patients.
    pub forwarder: Forwarder,
}

#[tonic::async_trait]
impl Recalls for NodeRecallsDoor {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::Recall, Status>> + Send>>;

    async fn watch(&self, request: Request<pb::WatchRecallsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.own.permit(&request)?;
        let practitioner = request.into_inner().practitioner;
        let open = Open { node: self.node.clone(), from: Sequence(0), waiting: VecDeque::new() };
        let recalls = stream::unfold(Some(open), move |open| next(open, practitioner.clone()));
        Ok(Response::new(Box::pin(recalls)))
    }

    async fn receive(
        &self,
        request: Request<pb::ReceiveRecallsRequest>,
    ) -> Result<Response<pb::ReceiveRecallsResponse>, Status> {
        self.own.permit(&request)?;
        Err(Status::unimplemented("a node confirms recalls to the hub itself; acknowledge them here"))
    }

    async fn list(
        &self,
        request: Request<pb::ListRecallsRequest>,
    ) -> Result<Response<pb::ListRecallsResponse>, Status> {
        self.own.permit(&request)?;
        let sent = request.into_inner();
        let doctor = practitioner(&sent.practitioner).map_err(|error| bad_field(&error))?;
        let recalls = self.forwarder.recalls_of(&doctor, sent.patient.as_ref()).await.map_err(told)?;
        Ok(Response::new(pb::ListRecallsResponse { recalls }))
    }

    async fn acknowledge(
        &self,
        request: Request<pb::AcknowledgeRecallRequest>,
    ) -> Result<Response<pb::AcknowledgeRecallResponse>, Status> {
        self.own.permit(&request)?;
        let (id, asking) = acknowledged(request.get_ref()).map_err(|error| bad_field(&error))?;
        let noted = self.node.note_recall(id, (&asking).into()).await.map_err(|error| of(&error))?;
        noted
            .then_some(Response::new(pb::AcknowledgeRecallResponse {}))
            .ok_or_else(|| Status::not_found("this node has no such recall"))
    }
}

struct Open {
    node: Node<HubClient>,
    from: Sequence,
    waiting: VecDeque<pb::Recall>,
}

/// Gives the next recall of a stream; ends with the node's service, or after the first failure.
async fn next(open: Option<Open>, practitioner: String) -> Option<(Result<pb::Recall, Status>, Option<Open>)> {
    let mut open = open?;
    loop {
        if let Some(recall) = open.waiting.pop_front() {
            return Some((Ok(recall), Some(open)));
        }
        let found = tokio::select! {
            () = open.node.recalls_closed() => return None,
            found = open.node.next_recalls(open.from) => found,
        };
        match found {
            Err(error) => return Some((Err(of(&error)), None)),
            Ok((recalls, from)) => {
                open.from = from;
                let wanted =
                    recalls.into_iter().filter(|recall| practitioner.is_empty() || recall.practitioner == practitioner);
                open.waiting.extend(wanted);
            }
        }
    }
}
