//! Floor 5: protocols: gRPC, HTTPS, MLLP and DICOM servers. Authenticate, authorise, then parse.

pub mod auth;
pub mod calls;
pub mod dicom;
pub mod fault;
pub mod grpc;
pub mod health;
pub mod http;
pub mod mllp;
mod newcomers;
pub mod node_intake;
pub mod pace;
pub mod settled;
pub mod shares;
pub mod tls;
pub mod watch;
