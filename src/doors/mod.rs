//! Floor 5: protocols: gRPC, MLLP and DICOM servers. Authenticate, authorise, then parse.

pub mod auth;
pub mod dicom;
pub mod fault;
pub mod grpc;
pub mod mllp;
pub mod node_intake;
pub mod tls;
