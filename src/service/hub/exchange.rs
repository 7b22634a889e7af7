//! The exchange as the hub itself offers it, to hospitals whose programs call it without a node of their own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;

use crate::domain::catalogue::Catalogue;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::RecallId;
use crate::domain::organisation::Caller;
use crate::service::exchange::{Chunks, Exchange, Refused, degraded};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::wire::field::fixed;
use crate::wire::orders::{Asked, Listing, Opening, Subject, subject};
use crate::wire::pb;
use pb::degraded::Cause;

/// The hub, asked by hospitals directly; a cheap handle.
#[derive(Clone)]
pub struct HubExchange {
    hub: Arc<Hub>,
    check_wait_max: Duration,
    /// Misses on their way to the journal.
    records: TaskTracker,
}

/// Why a question has no answer.
enum Miss {
    /// Ordering goes on.
    Degraded(Cause),
    /// The caller has to correct its request, or the hub is at fault.
    Refused(HubError),
}

impl HubExchange {
    /// Offers `hub`, whose checks and listings are answered within `check_wait_max`.
    pub fn new(hub: Arc<Hub>, check_wait_max: Duration) -> Self {
        Self { hub, check_wait_max, records: TaskTracker::new() }
    }

    /// Waits until every miss is recorded; call it when nobody asks any more.
    pub async fn close(&self) {
        self.records.close();
        self.records.wait().await;
    }

    /// Names the patient as the region does.
    async fn patient(&self, subject: Subject) -> Result<pb::Patient, Miss> {
        let pseudonym = match subject {
            Subject::Pseudonym(pseudonym) => Bytes::copy_from_slice(pseudonym.as_bytes()),
            Subject::Person(person) => {
                let resolved = self.hub.resolve(&[person]).await.map_err(Miss::Refused)?;
                let named = resolved.into_iter().map(|resolution| resolution.pseudonym).find(|name| !name.is_empty());
                named.ok_or(Miss::Degraded(Cause::PatientUnresolved))?
            }
        };
        Ok(pb::Patient { pseudonym, ..Default::default() })
    }

    async fn inside<T>(&self, arrived: Instant, asking: impl Future<Output = Result<T, Miss>>) -> Result<T, Miss> {
        let deadline = arrived + self.check_wait_max;
        match tokio::time::timeout_at(deadline, asking).await {
            Err(_) => Err(Miss::Degraded(Cause::Timeout)),
            Ok(Err(Miss::Refused(error))) if error.fault() == Fault::Busy => Err(Miss::Degraded(Cause::Unreachable)),
            Ok(asked) => asked,
        }
    }

    /// Records a miss beside the answer: the doctor does not wait for the disk.
    fn record(&self, caller: &Caller, check_key: String, cause: Cause) {
        let (hub, caller) = (Arc::clone(&self.hub), caller.clone());
        let miss = pb::Miss { check_key, cause: cause.into(), at: Some(hub.now().into()) };
        self.records.spawn(async move {
            let told = hub.report_misses(&caller, &pb::ReportMissesRequest { misses: vec![miss] }).await;
            if let Err(error) = told {
                tracing::error!(%error, "a missed check was not recorded");
            }
        });
    }
}

impl Exchange for HubExchange {
    async fn check(
        &self,
        caller: &Caller,
        mut sent: pb::CheckRequest,
        arrived: Instant,
    ) -> Result<pb::CheckResponse, Refused> {
        let asked = Asked::try_from(&sent)?;
        let asking = async {
            sent.patient = Some(self.patient(asked.subject).await?);
            self.hub.check(caller, sent).await.map_err(Miss::Refused)
        };
        match self.inside(arrived, asking).await {
            Ok(answer) => Ok(answer),
            Err(Miss::Refused(error)) => Err(error.into()),
            Err(Miss::Degraded(cause)) => {
                self.record(caller, asked.key, cause);
                Ok(pb::CheckResponse { degraded: Some(degraded(cause, asked.language)), ..Default::default() })
            }
        }
    }

    async fn recent_results(
        &self,
        caller: &Caller,
        mut sent: pb::RecentResultsRequest,
        arrived: Instant,
    ) -> Result<pb::RecentResultsResponse, Refused> {
        let asked = Listing::try_from(&sent)?;
        let asking = async {
            sent.patient = Some(self.patient(asked.subject).await?);
            self.hub.recent_results(caller, &sent).await.map_err(Miss::Refused)
        };
        match self.inside(arrived, asking).await {
            Ok(answer) => Ok(answer),
            Err(Miss::Refused(error)) => Err(error.into()),
            Err(Miss::Degraded(cause)) => {
                Ok(pb::RecentResultsResponse { degraded: Some(degraded(cause, asked.language)), ..Default::default() })
            }
        }
    }

    async fn decide(&self, caller: &Caller, sent: pb::DecideRequest) -> Result<pb::DecideResponse, Refused> {
        Ok(self.hub.decide(caller, sent).await?)
    }

    async fn revoke(&self, caller: &Caller, sent: pb::RevokeRequest) -> Result<pb::RevokeResponse, Refused> {
        Ok(self.hub.revoke(caller, sent).await?)
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        sent: pb::AcknowledgeRequest,
    ) -> Result<pb::AcknowledgeResponse, Refused> {
        Ok(self.hub.acknowledge(caller, &sent).await?)
    }

    async fn open(&self, caller: &Caller, mut sent: pb::OpenRequest) -> Result<pb::OpenResponse, Refused> {
        sent.patient = match self.patient(Opening::try_from(&sent)?.subject).await {
            Ok(patient) => Some(patient),
            Err(Miss::Refused(error)) => return Err(error.into()),
            Err(Miss::Degraded(_)) => return Err(HubError::Unlinked.into()),
        };
        Ok(self.hub.open(caller, &sent).await?)
    }

    async fn recalls(
        &self,
        caller: &Caller,
        practitioner: &str,
        patient: &pb::Patient,
        arrived: Instant,
    ) -> Vec<pb::Recall> {
        let asking = async {
            let subject = subject(Some(patient)).map_err(|error| Miss::Refused(error.into()))?;
            let named = self.patient(subject).await?;
            let pseudonym =
                fixed("patient.pseudonym", &named.pseudonym).map_err(|error| Miss::Refused(error.into()))?;
            let (hub, organisation, doctor) = (Arc::clone(&self.hub), caller.organisation, practitioner.to_owned());
            let found =
                tokio::task::spawn_blocking(move || hub.open_recalls(organisation, &doctor, Some(pseudonym))).await;
            found.map_err(|_| Miss::Refused(HubError::Behind))?.map_err(Miss::Refused)
        };
        self.inside(arrived, asking).await.unwrap_or_default()
    }

    async fn note_recall(&self, caller: &Caller, recall: RecallId, actor: pb::Actor) -> Result<bool, Refused> {
        let recall_id = Bytes::copy_from_slice(recall.as_bytes());
        let sent = pb::AcknowledgeRecallRequest { recall_id, actor: Some(actor) };
        match self.hub.acknowledge_recall(caller, &sent).await {
            Ok(_) => Ok(true),
            Err(HubError::NoRecall) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        let rules = self.hub.parts.registry.rules(self.hub.now());
        rules.map(|rules| Arc::clone(&rules.version.catalogue)).unwrap_or_default()
    }

    async fn fetch(&self, caller: &Caller, sent: pb::FetchRequest) -> Result<Chunks, Refused> {
        let chunks = self.hub.fetch(caller, &sent).await?;
        Ok(Box::pin(ReceiverStream::new(chunks).map(|chunk| chunk.map_err(Refused::from))))
    }
}

impl From<HubError> for Refused {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Field(field) => field.into(),
            other => Self { fault: other.fault(), field: None, text: other.to_string() },
        }
    }
}
