//! What EMR plug-ins ask of their own node: brought into the region's words, and forwarded to the hub. A check waits for
//! nobody: when the hub does not answer in time, the order goes on without a prompt, and the miss is recorded.

mod fetch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::Node;
use super::error::NodeError;
use super::terms::Terms;
use crate::domain::catalogue::Catalogue;
use crate::domain::entry::LocalCode;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::{Pseudonym, RecallId};
use crate::domain::item::Loinc;
use crate::peer::hub::{CallError, HubClient};
use crate::service::exchange::degraded;
use crate::wire::field::{FieldError, Problem, fixed};
use crate::wire::orders::{Asked, Listing, Opening, Subject, subject};
use crate::wire::pb;
use pb::degraded::Cause;

pub use self::fetch::Checked;

/// How long a caller may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardSettings {
    /// A check or a listing, counted from its arrival; then the answer is empty.
    pub check_wait_max: Duration,
    /// A decision, a revocation, an acknowledgement, and the beginning of a fetch.
    pub decide_wait_max: Duration,
}

impl Default for ForwardSettings {
    fn default() -> Self {
        Self { check_wait_max: Duration::from_millis(300), decide_wait_max: Duration::from_secs(5) }
    }
}

/// Forwards what the hospital's own systems ask; a cheap handle.
#[derive(Clone)]
pub struct Forwarder {
    node: Node<HubClient>,
    hub: HubClient,
    settings: ForwardSettings,
    /// Misses on their way to the journal.
    records: TaskTracker,
}

/// A request was not forwarded, or the hub refused it.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A field is wrong; the caller must correct it.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The hub refused, or could not be reached; its status is the caller's.
    #[error(transparent)]
    Hub(#[from] CallError),
}

/// Why a check is answered without the hub.
enum Miss {
    /// Ordering goes on.
    Degraded(Cause),
    /// The caller has to correct its request.
    Wrong(CallError),
}

impl Forwarder {
    /// Makes a forwarder of the node's callers.
    pub fn new(node: Node<HubClient>, hub: HubClient, settings: ForwardSettings) -> Self {
        Self { node, hub, settings, records: TaskTracker::new() }
    }

    /// Waits until every miss is recorded; call it when nobody asks any more.
    pub async fn close(&self) {
        self.records.close();
        self.records.wait().await;
    }

    /// Answers a check inside the deadline, counted from `arrived`: by the hub, or empty with the cause.
    ///
    /// # Errors
    /// [`ForwardError`] when the request itself is wrong; a hub that fails is no error here.
    pub async fn check(&self, mut sent: pb::CheckRequest, arrived: Instant) -> Result<pb::CheckResponse, ForwardError> {
        let asked = Asked::try_from(&sent)?;
        let terms = self.node.terms();
        for code in sent.lines.iter_mut().flat_map(|line| &mut line.codes) {
            translate(code, &terms);
        }
        let asking = async {
            sent.patient = Some(self.patient(asked.subject).await?);
            let wait = self.left(arrived);
            self.hub.check(sent, wait).await.map_err(Miss::of)
        };
        match self.inside(arrived, asking).await {
            Ok(answer) => Ok(answer),
            Err(Miss::Wrong(error)) => Err(error.into()),
            Err(Miss::Degraded(cause)) => {
                self.record(asked.key, cause);
                Ok(pb::CheckResponse { degraded: Some(degraded(cause, asked.language)), ..Default::default() })
            }
        }
    }

    /// Lists recent results inside the deadline of a check, or none with the cause.
    ///
    /// # Errors
    /// [`ForwardError`] when the request itself is wrong.
    pub async fn recent_results(
        &self,
        mut sent: pb::RecentResultsRequest,
        arrived: Instant,
    ) -> Result<pb::RecentResultsResponse, ForwardError> {
        let asked = Listing::try_from(&sent)?;
        let asking = async {
            sent.patient = Some(self.patient(asked.subject).await?);
            let wait = self.left(arrived);
            self.hub.recent_results(sent, wait).await.map_err(Miss::of)
        };
        match self.inside(arrived, asking).await {
            Ok(answer) => Ok(answer),
            Err(Miss::Wrong(error)) => Err(error.into()),
            Err(Miss::Degraded(cause)) => {
                Ok(pb::RecentResultsResponse { degraded: Some(degraded(cause, asked.language)), ..Default::default() })
            }
        }
    }

    /// Forwards a decision.
    ///
    /// # Errors
    /// [`ForwardError`] with the hub's own status.
    pub async fn decide(&self, sent: pb::DecideRequest) -> Result<pb::DecideResponse, ForwardError> {
        Ok(self.hub.decide(sent, self.settings.decide_wait_max).await?)
    }

    /// Forwards a revocation.
    ///
    /// # Errors
    /// [`ForwardError`] with the hub's own status.
    pub async fn revoke(&self, sent: pb::RevokeRequest) -> Result<pb::RevokeResponse, ForwardError> {
        Ok(self.hub.revoke(sent, self.settings.decide_wait_max).await?)
    }

    /// Forwards what became of a prompt.
    ///
    /// # Errors
    /// [`ForwardError`] with the hub's own status.
    pub async fn acknowledge(&self, sent: pb::AcknowledgeRequest) -> Result<pb::AcknowledgeResponse, ForwardError> {
        Ok(self.hub.acknowledge(sent, self.settings.decide_wait_max).await?)
    }

    /// Forwards an opening without an order; nothing of a consent is kept here.
    ///
    /// # Errors
    /// [`ForwardError`] with the hub's own status, or when the patient cannot be named to the hub.
    pub async fn open(&self, mut sent: pb::OpenRequest) -> Result<pb::OpenResponse, ForwardError> {
        sent.patient = match self.patient(Opening::try_from(&sent)?.subject).await {
            Ok(patient) => Some(patient),
            Err(Miss::Wrong(error)) => return Err(error.into()),
            Err(Miss::Degraded(Cause::Unreachable)) => {
                return Err(CallError::from(Status::unavailable("the hub cannot be reached")).into());
            }
            Err(Miss::Degraded(_)) => return Err(unnamed().into()),
        };
        Ok(self.hub.open_results(sent, self.settings.decide_wait_max).await?)
    }

    /// Opens the stream of an original, whose bytes are checked against the digest asked for once more.
    ///
    /// # Errors
    /// [`ForwardError`] with the hub's own status.
    pub async fn fetch(&self, sent: pb::FetchRequest) -> Result<Checked, ForwardError> {
        let digest = fixed("digest", &sent.digest)?;
        let offset = sent.offset;
        let chunks = self.hub.fetch(sent, self.settings.decide_wait_max).await?;
        Ok(Checked::new(chunks, digest, offset))
    }

    /// Lists a doctor's recalls of which nobody has taken note, about one patient where one is named.
    ///
    /// # Errors
    /// [`ForwardError`] when the patient cannot be named.
    pub async fn recalls_of(
        &self,
        practitioner: &str,
        patient: Option<&pb::Patient>,
    ) -> Result<Vec<pb::Recall>, ForwardError> {
        let about = match patient {
            None => None,
            Some(patient) => match self.patient(subject(Some(patient))?).await {
                Ok(patient) => Some(fixed("patient.pseudonym", &patient.pseudonym)?),
                Err(Miss::Wrong(error)) => return Err(error.into()),
                Err(Miss::Degraded(_)) => return Err(unnamed().into()),
            },
        };
        let open = self.node.open_recalls(practitioner, about).await;
        open.map_err(|error| {
            tracing::error!(%error, "read recalls");
            CallError::from(Status::unavailable("the node's recalls cannot be read")).into()
        })
    }

    /// Lists a doctor's recalls about a patient as [`Forwarder::recalls_of`] does, inside the deadline of a check, or
    /// none.
    pub async fn recalls_in_time(
        &self,
        practitioner: &str,
        patient: &pb::Patient,
        arrived: Instant,
    ) -> Vec<pb::Recall> {
        let found = tokio::time::timeout(self.left(arrived), self.recalls_of(practitioner, Some(patient))).await;
        found.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Takes note of a recall. Gives false where the node has no such recall.
    ///
    /// # Errors
    /// [`NodeError`] when the node's journal fails.
    pub async fn note(&self, recall: RecallId, actor: pb::Actor) -> Result<bool, NodeError> {
        self.node.note_recall(recall, actor).await
    }

    /// Gives the catalogue that the node works with.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.node.terms().catalogue)
    }

    async fn patient(&self, subject: Subject) -> Result<pb::Patient, Miss> {
        let pseudonym = match subject {
            Subject::Pseudonym(pseudonym) => pseudonym,
            Subject::Person(person) => match self.node.resolve(person).await {
                Ok(Ok(pseudonym)) => pseudonym,
                Ok(Err(_)) => return Err(Miss::Degraded(Cause::PatientUnresolved)),
                Err(NodeError::Hub(error)) if error.fault() != Fault::Busy => {
                    tracing::warn!(%error, "the hub refused to resolve a patient");
                    return Err(Miss::Degraded(Cause::Refused));
                }
                Err(NodeError::Hub(_)) => return Err(Miss::Degraded(Cause::Unreachable)),
                Err(error) => {
                    tracing::error!(%error, "resolve patient");
                    return Err(Miss::Degraded(Cause::PatientUnresolved));
                }
            },
        };
        Ok(patient(pseudonym))
    }

    /// Gives what is left of the deadline.
    fn left(&self, arrived: Instant) -> Duration {
        self.settings.check_wait_max.saturating_sub(arrived.elapsed())
    }

    async fn inside<T>(&self, arrived: Instant, asking: impl Future<Output = Result<T, Miss>>) -> Result<T, Miss> {
        let deadline = arrived + self.settings.check_wait_max;
        tokio::time::timeout_at(deadline, asking).await.unwrap_or(Err(Miss::Degraded(Cause::Timeout)))
    }

    /// Records a miss beside the answer: the doctor does not wait for the disk.
    fn record(&self, check_key: String, cause: Cause) {
        self.node.figures().missed(cause);
        let node = self.node.clone();
        self.records.spawn(async move {
            if let Err(error) = node.record_miss(&check_key, cause).await {
                tracing::error!(%error, "a missed check was not recorded");
            }
        });
    }
}

impl Miss {
    /// A hub that is away or at fault stops no order; a request that it finds wrong is the caller's to correct.
    fn of(error: CallError) -> Self {
        match error.fault() {
            _ if error.is_late() => Self::Degraded(Cause::Timeout),
            Fault::Busy => Self::Degraded(Cause::Unreachable),
            Fault::BadInput => Self::Wrong(error),
            fault @ (Fault::Unproven
            | Fault::Denied
            | Fault::Missing
            | Fault::Conflict
            | Fault::Limited
            | Fault::Broken) => {
                tracing::warn!(?fault, "the hub refused a check");
                Self::Degraded(Cause::Refused)
            }
        }
    }
}

impl ForwardError {
    /// Gives the status that the hub gave, when it was the hub's.
    ///
    /// # Errors
    /// The wrong field, when the node found it.
    pub fn into_status(self) -> Result<Status, FieldError> {
        match self {
            Self::Hub(error) => Ok(error.into_status()),
            Self::Field(error) => Err(error),
        }
    }
}

impl Faulty for ForwardError {
    fn fault(&self) -> Fault {
        match self {
            Self::Field(error) => error.fault(),
            Self::Hub(error) => error.fault(),
        }
    }
}

fn unnamed() -> FieldError {
    FieldError::new("patient.identifiers", Problem::Unwanted("the region cannot link this person"))
}

/// Puts the catalogue's code in place of the hospital's own, where its table knows it; others go as they are.
fn translate(code: &mut pb::Code, terms: &Terms) {
    if REGION_SYSTEMS.contains(&code.system.as_str()) {
        return;
    }
    let local = LocalCode { system: code.system.clone(), code: code.code.clone(), name: String::new() };
    if let Ok(mapped) = terms.mapping.map(&local, NO_LOINCS, None, &terms.catalogue) {
        code.system = CATALOGUE.to_owned();
        code.code = mapped.item.to_string();
    }
}

fn patient(pseudonym: Pseudonym) -> pb::Patient {
    pb::Patient { pseudonym: Bytes::copy_from_slice(pseudonym.as_bytes()), ..Default::default() }
}

const CATALOGUE: &str = "catalogue";
/// Systems that the hub knows itself.
const REGION_SYSTEMS: [&str; 3] = [CATALOGUE, "panel", "loinc"];
const NO_LOINCS: &[Loinc] = &[];
