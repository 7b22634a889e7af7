//! The exchange as a hospital's node offers it: whoever calls is of the hospital, and what is asked goes to the hub.

use std::sync::Arc;

use futures_util::stream;
use tokio::time::Instant;

use crate::domain::catalogue::Catalogue;
use crate::domain::fault::Faulty;
use crate::domain::id::RecallId;
use crate::domain::organisation::Caller;
use crate::service::exchange::{Chunks, Exchange, Refused};
use crate::service::node::forward::{ForwardError, Forwarder};
use crate::wire::pb;

impl Exchange for Forwarder {
    async fn check(
        &self,
        _caller: &Caller,
        sent: pb::CheckRequest,
        arrived: Instant,
    ) -> Result<pb::CheckResponse, Refused> {
        Ok(Self::check(self, sent, arrived).await?)
    }

    async fn recent_results(
        &self,
        _caller: &Caller,
        sent: pb::RecentResultsRequest,
        arrived: Instant,
    ) -> Result<pb::RecentResultsResponse, Refused> {
        Ok(Self::recent_results(self, sent, arrived).await?)
    }

    async fn decide(&self, _caller: &Caller, sent: pb::DecideRequest) -> Result<pb::DecideResponse, Refused> {
        Ok(Self::decide(self, sent).await?)
    }

    async fn revoke(&self, _caller: &Caller, sent: pb::RevokeRequest) -> Result<pb::RevokeResponse, Refused> {
        Ok(Self::revoke(self, sent).await?)
    }

    async fn acknowledge(
        &self,
        _caller: &Caller,
        sent: pb::AcknowledgeRequest,
    ) -> Result<pb::AcknowledgeResponse, Refused> {
        Ok(Self::acknowledge(self, sent).await?)
    }

    async fn open(&self, _caller: &Caller, sent: pb::OpenRequest) -> Result<pb::OpenResponse, Refused> {
        Ok(Self::open(self, sent).await?)
    }

    async fn recalls(
        &self,
        _caller: &Caller,
        practitioner: &str,
        patient: &pb::Patient,
        arrived: Instant,
    ) -> Vec<pb::Recall> {
        self.recalls_in_time(practitioner, patient, arrived).await
    }

    async fn note_recall(&self, _caller: &Caller, recall: RecallId, actor: pb::Actor) -> Result<bool, Refused> {
        self.note(recall, actor).await.map_err(|error| Refused {
            fault: error.fault(),
            field: None,
            text: "the node could not record it; send it again".to_owned(),
        })
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Self::catalogue(self)
    }

    async fn fetch(&self, _caller: &Caller, sent: pb::FetchRequest) -> Result<Chunks, Refused> {
        let checked = Self::fetch(self, sent).await?;
        let chunks = stream::unfold(checked, |mut checked| async {
            let next = checked.next().await?;
            Some((next.map_err(|status| ForwardError::Hub(status.into()).into()), checked))
        });
        Ok(Box::pin(chunks))
    }
}

impl From<ForwardError> for Refused {
    fn from(error: ForwardError) -> Self {
        let fault = error.fault();
        match error.into_status() {
            Ok(status) => Self { fault, field: None, text: status.message().to_owned() },
            Err(field) => field.into(),
        }
    }
}
