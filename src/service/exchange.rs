//! What doctors' programs ask of the exchange, whoever answers: the hub itself, or a hospital's node that asks the hub.
//! The doors speak to this, so that one engine stands behind all of them.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::time::Instant;

use crate::domain::catalogue::Catalogue;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::RecallId;
use crate::domain::organisation::Caller;
use crate::wire::field::FieldError;
use crate::wire::pb;
use pb::degraded::Cause;

/// The exchange as doctors' programs see it.
pub trait Exchange: Clone + Send + Sync + 'static {
    /// Answers a check inside the deadline, counted from `arrived`, or empty with the cause. The patient may be named by
    /// identifiers.
    fn check(
        &self,
        caller: &Caller,
        sent: pb::CheckRequest,
        arrived: Instant,
    ) -> impl Future<Output = Result<pb::CheckResponse, Refused>> + Send;

    /// Lists recent results inside the deadline of a check, or none with the cause.
    fn recent_results(
        &self,
        caller: &Caller,
        sent: pb::RecentResultsRequest,
        arrived: Instant,
    ) -> impl Future<Output = Result<pb::RecentResultsResponse, Refused>> + Send;

    /// Records decisions.
    fn decide(
        &self,
        caller: &Caller,
        sent: pb::DecideRequest,
    ) -> impl Future<Output = Result<pb::DecideResponse, Refused>> + Send;

    /// Takes a decision back.
    fn revoke(
        &self,
        caller: &Caller,
        sent: pb::RevokeRequest,
    ) -> impl Future<Output = Result<pb::RevokeResponse, Refused>> + Send;

    /// Records what became of a prompt.
    fn acknowledge(
        &self,
        caller: &Caller,
        sent: pb::AcknowledgeRequest,
    ) -> impl Future<Output = Result<pb::AcknowledgeResponse, Refused>> + Send;

    /// Opens results without an order, by consent or break-glass. The patient may be named by identifiers.
    fn open(
        &self,
        caller: &Caller,
        sent: pb::OpenRequest,
    ) -> impl Future<Output = Result<pb::OpenResponse, Refused>> + Send;

    /// Lists the recalls of a doctor about a patient of which nobody has taken note; none where the patient cannot be
    /// named in time, for no order waits for them.
    fn recalls(
        &self,
        caller: &Caller,
        practitioner: &str,
        patient: &pb::Patient,
        arrived: Instant,
    ) -> impl Future<Output = Vec<pb::Recall>> + Send {
        let _ = (caller, practitioner, patient, arrived);
        std::future::ready(Vec::new())
    }

    /// Records that somebody took note of a recall. Gives false where there is no such recall.
    fn note_recall(
        &self,
        caller: &Caller,
        recall: RecallId,
        actor: pb::Actor,
    ) -> impl Future<Output = Result<bool, Refused>> + Send {
        let _ = (caller, recall, actor);
        std::future::ready(Ok(false))
    }

    /// Gives the region's catalogue as it is known here, for the names of items; empty where none is known.
    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::default()
    }

    /// Opens the stream of an original, checked against its digest before the last chunk.
    fn fetch(&self, caller: &Caller, sent: pb::FetchRequest) -> impl Future<Output = Result<Chunks, Refused>> + Send;
}

/// An original on its way; the last item may be the reason why no more comes.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<pb::Chunk, Refused>> + Send>>;

/// A request was not served; the text may be shown to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// Whose fault it is.
    pub fault: Fault,
    /// The field at fault, where one is.
    pub field: Option<String>,
    /// What to do about it; no content of the request.
    pub text: String,
}

impl Faulty for Refused {
    fn fault(&self) -> Fault {
        self.fault
    }
}

impl From<FieldError> for Refused {
    fn from(error: FieldError) -> Self {
        Self { fault: error.fault(), text: error.to_string(), field: Some(error.field) }
    }
}

/// Says why an answer is empty, in the caller's language.
pub fn degraded(cause: Cause, language: pb::Language) -> pb::Degraded {
    let (zh, en) = match cause {
        Cause::Unspecified | Cause::Timeout => {
            ("区域平台未及时答复，请照常开单。", "The exchange did not answer in time; order as usual.")
        }
        Cause::Unreachable => ("区域平台暂不可达，请照常开单。", "The exchange cannot be reached; order as usual."),
        Cause::PatientUnresolved => (
            "患者无可用的有效证件，无法查询外院结果。",
            "The patient has no identifier that other hospitals know; order as usual.",
        ),
        Cause::Refused => ("区域平台拒绝了查询，请照常开单。", "The exchange refused the request; order as usual."),
    };
    let text = if language == pb::Language::En { en } else { zh };
    pb::Degraded { cause: cause.into(), text: text.to_owned() }
}
