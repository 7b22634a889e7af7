//! The node's gRPC services behind one gate, with health and reflection beside them.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::Builder;

use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::doors::grpc::node_access::Own;
use crate::doors::grpc::node_orders::NodeOrdersDoor;
use crate::doors::grpc::node_recalls::NodeRecallsDoor;
use crate::doors::grpc::node_retrieval::NodeRetrievalDoor;
use crate::doors::grpc::node_tools::NodeToolsDoor;
use crate::peer::hub::HubClient;
use crate::ports::clock::Clock;
use crate::service::node::Node;
use crate::service::node::forward::Forwarder;
use crate::wire::pb;
use crate::wire::pb::node_server::NodeServer;
use crate::wire::pb::orders_server::OrdersServer;
use crate::wire::pb::recalls_server::RecallsServer;
use crate::wire::pb::retrieval_server::RetrievalServer;

/// Gives every service that a node offers.
///
/// # Panics
/// When the descriptors that were compiled in are none.
pub fn routes(
    own: Own,
    node: &Node<HubClient>,
    forwarder: &Forwarder,
    clock: &Arc<dyn Clock>,
    health: HealthServer<impl Health>,
) -> Routes {
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (Ok(v1), Ok(v1alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) else {
        unreachable!("the descriptors are written by the build");
    };
    let orders = NodeOrdersDoor { own, forwarder: forwarder.clone() };
    let retrieval = NodeRetrievalDoor { own, forwarder: forwarder.clone() };
    let recalls = NodeRecallsDoor { own, node: node.clone(), forwarder: forwarder.clone() };
    let tools = NodeToolsDoor { own, node: node.clone(), clock: Arc::clone(clock) };
    Routes::new(health)
        .add_service(v1)
        .add_service(v1alpha)
        .add_service(OrdersServer::new(orders).max_encoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(RecallsServer::new(recalls).max_encoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(RetrievalServer::new(retrieval).max_encoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(NodeServer::new(tools).max_encoding_message_size(MESSAGE_BYTES_MAX))
}
