//! The hub's gRPC services behind one gate, with health and reflection beside them.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::Builder;

use crate::domain::limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::doors::grpc::catalogue::CatalogueDoor;
use crate::doors::grpc::consents::ConsentsDoor;
use crate::doors::grpc::identity::IdentityDoor;
use crate::doors::grpc::orders::OrdersDoor;
use crate::doors::grpc::oversight::OversightDoor;
use crate::doors::grpc::publication::PublicationDoor;
use crate::doors::grpc::qualifications::QualificationsDoor;
use crate::doors::grpc::recalls::RecallsDoor;
use crate::doors::grpc::retrieval::RetrievalDoor;
use crate::doors::grpc::transparency::TransparencyDoor;
use crate::doors::settled::settled;
use crate::service::hub::Hub;
use crate::wire::pb;
use crate::wire::pb::catalogue_server::CatalogueServer;
use crate::wire::pb::consents_server::ConsentsServer;
use crate::wire::pb::identity_server::IdentityServer;
use crate::wire::pb::orders_server::OrdersServer;
use crate::wire::pb::oversight_server::OversightServer;
use crate::wire::pb::publication_server::PublicationServer;
use crate::wire::pb::qualifications_server::QualificationsServer;
use crate::wire::pb::recalls_server::RecallsServer;
use crate::wire::pb::retrieval_server::RetrievalServer;
use crate::wire::pb::transparency_server::TransparencyServer;

/// Wraps a door in its server, with the house's limits on the size of messages.
macro_rules! served {
    ($server:ident, $door:ident, $hub:expr) => {
        served!($server, $door, $hub, REQUEST_BYTES_MAX)
    };
    ($server:ident, $door:ident, $hub:expr, $bytes_max:expr) => {
        $server::new($door(Arc::clone($hub)))
            .max_decoding_message_size($bytes_max)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    };
}

/// Gives every service that a hub offers.
///
/// # Panics
/// When the descriptors that were compiled in are none.
pub fn routes(hub: &Arc<Hub>, health: HealthServer<impl Health>) -> Routes {
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (Ok(v1), Ok(v1alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) else {
        unreachable!("the descriptors are written by the build");
    };
    let doors = Routes::new(served!(IdentityServer, IdentityDoor, hub))
        .add_service(served!(PublicationServer, PublicationDoor, hub, MESSAGE_BYTES_MAX))
        .add_service(served!(OrdersServer, OrdersDoor, hub))
        .add_service(served!(RecallsServer, RecallsDoor, hub))
        .add_service(served!(RetrievalServer, RetrievalDoor, hub))
        .add_service(served!(ConsentsServer, ConsentsDoor, hub))
        .add_service(served!(QualificationsServer, QualificationsDoor, hub, MESSAGE_BYTES_MAX))
        .add_service(served!(CatalogueServer, CatalogueDoor, hub))
        .add_service(served!(TransparencyServer, TransparencyDoor, hub))
        .add_service(served!(OversightServer, OversightDoor, hub));
    // Health and reflection read no tables.
    Routes::from(settled(doors.into_axum_router(), Arc::clone(hub)))
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha)
}
