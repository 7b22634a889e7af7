//! The Catalogue service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::doors::grpc::status::{permit, refuse};
use crate::service::hub::Hub;
use crate::service::hub::registry::Version;
use crate::wire::pb;
use crate::wire::pb::catalogue_server::Catalogue;

/// Serves Catalogue over a hub.
pub struct CatalogueDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Catalogue for CatalogueDoor {
    async fn version(&self, request: Request<pb::VersionRequest>) -> Result<Response<pb::VersionResponse>, Status> {
        permit(&request)?;
        let version = match request.get_ref().policy_version.as_str() {
            "" => self.0.registry().rules(self.0.now()).map_err(refuse)?.version,
            wanted => {
                let versions = self.0.registry().versions();
                let found = versions.iter().rfind(|version| version.policy.version == wanted);
                Arc::clone(found.ok_or_else(|| Status::not_found("no such policy version"))?)
            }
        };
        Ok(Response::new(pb::VersionResponse { info: Some(info(&version)), files: version.files.clone() }))
    }

    async fn versions(&self, request: Request<pb::VersionsRequest>) -> Result<Response<pb::VersionsResponse>, Status> {
        permit(&request)?;
        let versions = self.0.registry().versions();
        Ok(Response::new(pb::VersionsResponse {
            versions: versions.iter().rev().map(|version| info(version)).collect(),
        }))
    }
}

fn info(version: &Version) -> pb::VersionInfo {
    pb::VersionInfo {
        policy_version: version.policy.version.clone(),
        effective_from: Some(version.policy.effective_from.into()),
        log_index: version.sequence.0,
    }
}
