//! The gRPC services, one file each. A handler takes its [`Permit`](super::auth::Permit) first, then reads the request,
//! then asks the service; errors become statuses in [`status`] alone.

pub mod access;
pub mod catalogue;
pub mod consents;
pub mod identity;
pub mod node_access;
pub mod node_orders;
pub mod node_recalls;
pub mod node_retrieval;
pub mod node_tools;
pub mod orders;
pub mod oversight;
pub mod publication;
pub mod qualifications;
pub mod recalls;
pub mod retrieval;
pub mod status;
pub mod transparency;
