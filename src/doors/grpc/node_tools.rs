//! The Node service: what a hospital's engineers see and do at their own node.

mod import;

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::domain::catalogue::Catalogue;
use crate::domain::limits::TEXT_BYTES_MAX;
use crate::domain::mapping::suggest;
use crate::doors::grpc::node_access::Own;
use crate::doors::grpc::status::{bad_field, of};
use crate::ports::clock::Clock;
use crate::ports::hub::HubLink;
use crate::service::node::Node;
use crate::store::node::{HeldEntry, HeldPlace, UnmappedCount};
use crate::wire::field::named;
use crate::wire::pb;
use crate::wire::pb::node_server::Node as NodeService;

/// Serves the Node service over a node.
pub struct NodeToolsDoor<L> {
    /// Whose hospital it is.
    pub own: Own,
    /// The node.
    pub node: Node<L>,
    /// Dates what is imported.
    pub clock: Arc<dyn Clock>,
}

#[tonic::async_trait]
impl<L: HubLink> NodeService for NodeToolsDoor<L> {
    type ImportStream = Pin<Box<dyn Stream<Item = Result<pb::ImportResponse, Status>> + Send>>;

    async fn status(&self, request: Request<pb::StatusRequest>) -> Result<Response<pb::StatusResponse>, Status> {
        self.own.permit(&request)?;
        let (now, figures) = (self.node.status().await.map_err(|error| of(&error))?, self.node.figures());
        let log = self.node.log_view();
        let age_s = |at| u64::try_from(self.clock.now().ms_since(at) / 1_000).unwrap_or(0);
        Ok(Response::new(pb::StatusResponse {
            organisation: self.own.0.to_string(),
            messages_taken: figures.messages_taken.value(),
            instances_taken: figures.instances_taken.value(),
            results_published: figures.results_published.value(),
            results_held: now.held,
            results_unmapped: figures.results_unmapped.value(),
            outbox_batches: now.outbox_batches,
            outbox_age_s: now.outbox_age_s,
            hub_connected: now.hub_connected,
            pipeline_position: now.pipeline_position,
            journal_size: now.journal_size,
            log_size: log.size,
            log_seen_age_s: log.seen_at.map(age_s),
            log_refused: log.refused,
            witness_key: log.witness_key,
            cosignatures: figures.cosignatures.value(),
        }))
    }

    async fn unmapped(&self, request: Request<pb::UnmappedRequest>) -> Result<Response<pb::UnmappedResponse>, Status> {
        self.own.permit(&request)?;
        let codes = self.node.unmapped(limit(request.get_ref().limit)).await.map_err(|error| of(&error))?;
        let terms = self.node.terms();
        let codes = codes.into_iter().map(|count| unmapped(count, &terms.catalogue)).collect();
        Ok(Response::new(pb::UnmappedResponse { codes }))
    }

    async fn held(&self, request: Request<pb::HeldRequest>) -> Result<Response<pb::HeldResponse>, Status> {
        self.own.permit(&request)?;
        let held = self.node.held(limit(request.get_ref().limit)).await.map_err(|error| of(&error))?;
        let result = |(place, entry): (HeldPlace, HeldEntry)| pb::HeldResult {
            intake: place.intake.0,
            reference: entry.reference,
            reason: entry.reason,
            field: entry.field,
            at: None,
        };
        Ok(Response::new(pb::HeldResponse { results: held.into_iter().map(result).collect() }))
    }

    async fn import(
        &self,
        request: Request<Streaming<pb::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        self.own.permit(&request)?;
        let (outcomes, answered) = mpsc::channel(OUTCOMES_WAITING_MAX);
        let (node, clock) = (self.node.clone(), Arc::clone(&self.clock));
        tokio::spawn(import::take_all(node, clock, request.into_inner(), outcomes));
        Ok(Response::new(Box::pin(ReceiverStream::new(answered))))
    }

    async fn reprocess(
        &self,
        request: Request<pb::ReprocessRequest>,
    ) -> Result<Response<pb::ReprocessResponse>, Status> {
        self.own.permit(&request)?;
        let results = self.node.reprocess().await.map_err(|error| of(&error))?;
        Ok(Response::new(pb::ReprocessResponse { results: results as u64 }))
    }

    async fn withdraw_study(
        &self,
        request: Request<pb::WithdrawStudyRequest>,
    ) -> Result<Response<pb::WithdrawStudyResponse>, Status> {
        self.own.permit(&request)?;
        let sent = request.into_inner();
        named("study_uid", &sent.study_uid, STUDY_UID_CHARACTERS_MAX).map_err(|error| bad_field(&error))?;
        named("reason", &sent.reason, TEXT_BYTES_MAX).map_err(|error| bad_field(&error))?;
        let known = self.node.withdraw_study(sent).await.map_err(|error| of(&error))?;
        known
            .then_some(Response::new(pb::WithdrawStudyResponse {}))
            .ok_or_else(|| Status::not_found("no image of this study ever came to this node"))
    }
}

fn unmapped(count: UnmappedCount, catalogue: &Catalogue) -> pb::UnmappedCode {
    pb::UnmappedCode {
        suggestions: named_or_coded(&count.name, &count.code, &count.unit, catalogue),
        code: Some(pb::Code { system: count.system, code: count.code, display: count.name }),
        unit: count.unit,
        count: count.records,
    }
}

/// Ranks what a local code may mean by its name, and by the code itself where no name helps.
pub fn named_or_coded(name: &str, code: &str, unit: &str, catalogue: &Catalogue) -> Vec<pb::Suggestion> {
    let named = suggestions(name, unit, catalogue);
    if named.is_empty() { suggestions(code, unit, catalogue) } else { named }
}

/// Ranks what a local name may mean, for a person to confirm.
fn suggestions(name: &str, unit: &str, catalogue: &Catalogue) -> Vec<pb::Suggestion> {
    let ranked = suggest(name, unit, catalogue, SUGGESTIONS_MAX).into_iter();
    let named = ranked.filter_map(|one| {
        let item = catalogue.item(one.item)?;
        Some(pb::Suggestion {
            item: one.item.to_string(),
            name_zh: item.name_zh.clone(),
            name_en: item.name_en.clone(),
            score: one.likeness_percent,
            unit_fits: one.unit_fits,
        })
    });
    named.collect()
}

/// Reads a limit: 1 to 1,000, 0 for 100.
fn limit(asked: u32) -> usize {
    match asked {
        0 => 100,
        asked => usize::try_from(asked.min(1_000)).unwrap_or(1_000),
    }
}

/// Source: DICOM PS3.5, 9.1.
const STUDY_UID_CHARACTERS_MAX: usize = 64;
const SUGGESTIONS_MAX: usize = 5;
const OUTCOMES_WAITING_MAX: usize = 16;

#[cfg(test)]
mod tests;
