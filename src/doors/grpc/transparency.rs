//! The Transparency service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::domain::log::Sequence;
use crate::doors::grpc::status::{permit, refuse};
use crate::merkle::hash::Hash;
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::wire::pb;
use crate::wire::pb::transparency_server::Transparency;

/// Serves Transparency over a hub.
pub struct TransparencyDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Transparency for TransparencyDoor {
    async fn checkpoint(
        &self,
        request: Request<pb::CheckpointRequest>,
    ) -> Result<Response<pb::CheckpointResponse>, Status> {
        permit(&request)?;
        let known_size = request.into_inner().known_size;
        let shown = move |hub: &Hub| {
            let (newest, key) = hub.checkpoint()?;
            let checkpoint = known_size.map_or(Ok(newest), |known_size| hub.offered_checkpoint(known_size))?;
            let (cosigned, witness_keys) = hub.cosigned_checkpoint()?;
            Ok(pb::CheckpointResponse { checkpoint, verifier_key: key.to_string(), cosigned, witness_keys })
        };
        self.blocking(shown).await.map(Response::new)
    }

    async fn cosign(&self, request: Request<pb::CosignRequest>) -> Result<Response<pb::CosignResponse>, Status> {
        let caller = permit(&request)?.caller;
        let sent = request.into_inner();
        let pb::CosignRequest { checkpoint, cosignature, signing_certificate } = sent;
        let take = move |hub: &Hub| hub.take_cosignature(&caller, &checkpoint, &cosignature, &signing_certificate);
        let count = self.blocking(take).await?;
        Ok(Response::new(pb::CosignResponse { cosignatures: u32::try_from(count).unwrap_or(u32::MAX) }))
    }

    async fn inclusion_proof(
        &self,
        request: Request<pb::InclusionProofRequest>,
    ) -> Result<Response<pb::InclusionProofResponse>, Status> {
        permit(&request)?;
        let pb::InclusionProofRequest { log_index, tree_size } = request.into_inner();
        let proof = self.blocking(move |hub| hub.prove_inclusion(Sequence(log_index), tree_size)).await?;
        Ok(Response::new(pb::InclusionProofResponse {
            tree_size: proof.tree_size,
            log_entry: proof.entry.to_vec().into(),
            hashes: written(&proof.hashes),
        }))
    }

    async fn consistency_proof(
        &self,
        request: Request<pb::ConsistencyProofRequest>,
    ) -> Result<Response<pb::ConsistencyProofResponse>, Status> {
        permit(&request)?;
        let pb::ConsistencyProofRequest { first, second } = request.into_inner();
        let proof = self.blocking(move |hub| hub.prove_consistency(first, second)).await?;
        Ok(Response::new(pb::ConsistencyProofResponse { second: proof.second, hashes: written(&proof.hashes) }))
    }

    async fn tile(&self, request: Request<pb::TileRequest>) -> Result<Response<pb::TileResponse>, Status> {
        permit(&request)?;
        let path = request.into_inner().path;
        let content = self.blocking(move |hub| hub.tile(&path)).await?;
        Ok(Response::new(pb::TileResponse { content: content.into() }))
    }
}

impl TransparencyDoor {
    /// Asks the hub where it may wait for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Hub) -> Result<T, HubError> + Send + 'static,
    ) -> Result<T, Status> {
        let hub = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || ask(&hub)).await;
        answer.map_err(|_| Status::internal("the server failed and has noted why"))?.map_err(refuse)
    }
}

fn written(hashes: &[Hash]) -> Vec<bytes::Bytes> {
    hashes.iter().map(|hash| hash.as_bytes().to_vec().into()).collect()
}
