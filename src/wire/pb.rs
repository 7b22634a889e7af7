//! The messages and services of `proto/concord/v1`, generated at build time.

#![expect(missing_docs, clippy::all, reason = "generated from proto/, where every field is commented")]

tonic::include_proto!("concord.v1");

/// Encoded `FileDescriptorSet` of all services, for server reflection and for the authorisation matrix.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/concord_descriptor.bin"));
