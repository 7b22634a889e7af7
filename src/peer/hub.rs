//! A node's calls to its hub: typed, each with a deadline that the hub is told. When to call, and what to do when the hub
//! does not answer, is decided by whoever calls.

mod link;

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

use super::channel::HubChannel;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::ports::hub::HubError;
use crate::ports::trace::{self, TRACE_PARENT};
use crate::wire::pb;
use pb::catalogue_client::CatalogueClient;
use pb::identity_client::IdentityClient;
use pb::orders_client::OrdersClient;
use pb::publication_client::PublicationClient;
use pb::recalls_client::RecallsClient;
use pb::retrieval_client::RetrievalClient;
use pb::transparency_client::TransparencyClient;

/// The hub, as one or several instances of which any may answer; clones are the same client.
#[derive(Clone)]
pub struct HubClient {
    instances: Arc<[Dial]>,
    /// The instance that answered last; moved on when it cannot be reached.
    preferred: Arc<AtomicUsize>,
    signing_certificate: Arc<Certificate>,
}

/// Gives the certificate of the signing key as it is now, in DER.
struct Certificate(Box<dyn Fn() -> bytes::Bytes + Send + Sync>);

/// A call that was not answered with a success.
#[derive(Debug, Clone, thiserror::Error)]
#[error("hub: {:?}", status.code())]
pub struct CallError {
    status: Box<Status>,
}

impl HubClient {
    /// Makes a client of the instances; batches are published with what `signing_certificate` gives then, in DER.
    pub fn new(
        instances: Vec<HubChannel>,
        signing_certificate: impl Fn() -> bytes::Bytes + Send + Sync + 'static,
    ) -> Self {
        let dial = |instance: HubChannel| -> Dial { Box::new(move || instance.channel()) };
        Self::of(instances.into_iter().map(dial).collect(), Certificate(Box::new(signing_certificate)))
    }

    /// Makes a client over one channel that was made elsewhere.
    pub fn over(channel: Channel, signing_certificate: impl Fn() -> bytes::Bytes + Send + Sync + 'static) -> Self {
        Self::of(vec![Box::new(move || channel.clone())], Certificate(Box::new(signing_certificate)))
    }

    fn of(instances: Vec<Dial>, signing_certificate: Certificate) -> Self {
        assert!(!instances.is_empty(), "a node has a hub");
        Self {
            instances: instances.into(),
            preferred: Arc::default(),
            signing_certificate: Arc::new(signing_certificate),
        }
    }

    /// Gives a client of each instance alone, for what has to reach all of them.
    pub fn instances(&self) -> Vec<Self> {
        let alone = |place| Self { preferred: Arc::new(AtomicUsize::new(place)), ..self.clone() };
        (0..self.instances.len()).map(alone).collect()
    }

    /// Asks whether an order repeats a recent result, waiting at most `wait`.
    ///
    /// # Errors
    /// [`CallError`]; order without a prompt, and tell the hub later.
    pub async fn check(&self, sent: pb::CheckRequest, wait: Duration) -> Result<pb::CheckResponse, CallError> {
        self.call(sent, wait, |channel, sent| async move { orders(channel).check(sent).await }).await
    }

    /// Records decisions.
    ///
    /// # Errors
    /// [`CallError`]; the same decision may be sent again.
    pub async fn decide(&self, sent: pb::DecideRequest, wait: Duration) -> Result<pb::DecideResponse, CallError> {
        self.call(sent, wait, |channel, sent| async move { orders(channel).decide(sent).await }).await
    }

    /// Takes a decision back.
    ///
    /// # Errors
    /// [`CallError`]; the same request may be sent again.
    pub async fn revoke(&self, sent: pb::RevokeRequest, wait: Duration) -> Result<pb::RevokeResponse, CallError> {
        self.call(sent, wait, |channel, sent| async move { orders(channel).revoke(sent).await }).await
    }

    /// Lists a patient's recent results.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn recent_results(
        &self,
        sent: pb::RecentResultsRequest,
        wait: Duration,
    ) -> Result<pb::RecentResultsResponse, CallError> {
        self.call(sent, wait, |channel, sent| async move { orders(channel).recent_results(sent).await }).await
    }

    /// Records that a result was shown, viewed or quoted.
    ///
    /// # Errors
    /// [`CallError`]; the same event may be sent again.
    pub async fn acknowledge(
        &self,
        sent: pb::AcknowledgeRequest,
        wait: Duration,
    ) -> Result<pb::AcknowledgeResponse, CallError> {
        self.call(sent, wait, |channel, sent| async move { orders(channel).acknowledge(sent).await }).await
    }

    /// Tells of checks that were answered without the hub.
    ///
    /// # Errors
    /// [`CallError`]; keep them, and tell again later.
    pub async fn report_misses(&self, sent: pb::ReportMissesRequest) -> Result<(), CallError> {
        let told = self.call(sent, CALL_WAIT, |channel, sent| async move { orders(channel).report_misses(sent).await });
        told.await.map(drop)
    }

    /// Opens the stream of recalls that this organisation has not confirmed.
    ///
    /// # Errors
    /// [`CallError`]; open it again after a pause.
    pub async fn watch_recalls(&self) -> Result<Streaming<pb::Recall>, CallError> {
        let sent = pb::WatchRecallsRequest::default();
        self.open(sent, CALL_WAIT, |channel, sent| async move { RecallsClient::new(channel).watch(sent).await }).await
    }

    /// Confirms recalls that are on the disk.
    ///
    /// # Errors
    /// [`CallError`]; they are told again.
    pub async fn receive_recalls(&self, sent: pb::ReceiveRecallsRequest) -> Result<(), CallError> {
        let made = |channel, sent| async move { RecallsClient::new(channel).receive(sent).await };
        self.call(sent, CALL_WAIT, made).await.map(drop)
    }

    /// Tells that somebody took note of a recall.
    ///
    /// # Errors
    /// [`CallError`]; tell it again.
    pub async fn acknowledge_recall(&self, sent: pb::AcknowledgeRecallRequest) -> Result<(), CallError> {
        let made = |channel, sent| async move { RecallsClient::new(channel).acknowledge(sent).await };
        self.call(sent, CALL_WAIT, made).await.map(drop)
    }

    /// Opens results without an order.
    ///
    /// # Errors
    /// [`CallError`]; the same opening may be sent again while its grants last.
    pub async fn open_results(&self, sent: pb::OpenRequest, wait: Duration) -> Result<pb::OpenResponse, CallError> {
        let asked = |channel, sent| async move {
            RetrievalClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX).open(sent).await
        };
        self.call(sent, wait, asked).await
    }

    /// Opens the stream of an original.
    ///
    /// # Errors
    /// [`CallError`]; a stream that breaks later says so itself.
    pub async fn fetch(&self, sent: pb::FetchRequest, wait: Duration) -> Result<Streaming<pb::Chunk>, CallError> {
        let opened = |channel, sent| async move { RetrievalClient::new(channel).fetch(sent).await };
        self.open(sent, wait, opened).await
    }

    /// Opens a tunnel over which the hub asks for originals.
    ///
    /// # Errors
    /// [`CallError`]; open it again after a pause.
    pub async fn tunnel(
        &self,
        up: impl Stream<Item = pb::TunnelUp> + Send + 'static,
    ) -> Result<Streaming<pb::TunnelDown>, CallError> {
        self.open(up, CALL_WAIT, |channel, up| async move { RetrievalClient::new(channel).tunnel(up).await }).await
    }

    /// Gets the catalogue and policy in force.
    ///
    /// # Errors
    /// [`CallError`]; keep the version in use.
    pub async fn catalogue(&self) -> Result<pb::VersionResponse, CallError> {
        let sent = pb::VersionRequest { policy_version: String::new() };
        let asked = |channel, sent| async move {
            CatalogueClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX).version(sent).await
        };
        self.call(sent, CALL_WAIT, asked).await
    }

    /// Makes a call of one answer; the hub is told the deadline, and ours holds whatever it does.
    async fn call<Q, A, F>(
        &self,
        sent: Q,
        wait: Duration,
        make: impl FnOnce(Channel, Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(sent);
        request.set_timeout(wait);
        self.answered(request, wait, make).await
    }

    /// Opens a call that may last; only its beginning has a deadline.
    async fn open<Q, A, F>(
        &self,
        sent: Q,
        wait: Duration,
        make: impl FnOnce(Channel, Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.answered(Request::new(sent), wait, make).await
    }

    async fn answered<Q, A, F>(
        &self,
        request: Request<Q>,
        wait: Duration,
        make: impl FnOnce(Channel, Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let request = traced(request);
        let place = self.preferred.load(Ordering::Relaxed);
        let Some(dial) = self.instances.get(place % self.instances.len()) else {
            return Err(Status::unavailable("no hub").into());
        };
        let answered = tokio::time::timeout(wait, make(dial(), request)).await;
        let answered = answered.unwrap_or_else(|_| Err(Status::deadline_exceeded("the hub did not answer in time")));
        let answered = answered.map(Response::into_inner).map_err(timely).map_err(CallError::from);
        if answered.as_ref().is_err_and(CallError::is_unreachable) {
            // Whoever else failed there has moved on already.
            let next = place.wrapping_add(1);
            let _ = self.preferred.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        answered
    }
}

impl CallError {
    /// Gives the status as the hub wrote it, for callers that are to see it unchanged.
    pub fn into_status(self) -> Status {
        *self.status
    }

    /// Says whether the hub had not answered when the deadline passed.
    pub fn is_late(&self) -> bool {
        self.status.code() == Code::DeadlineExceeded
    }

    /// Says whether there was no way to the hub, or it was not ready.
    pub fn is_unreachable(&self) -> bool {
        self.status.code() == Code::Unavailable || (self.status.source().is_some() && !self.is_late())
    }

    /// Says whether the hub does not know the method.
    pub fn is_unimplemented(&self) -> bool {
        self.status.code() == Code::Unimplemented
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self { status: Box::new(status) }
    }
}

impl From<CallError> for HubError {
    fn from(error: CallError) -> Self {
        if error.is_late() || error.is_unreachable() { Self::Unreachable } else { Self::Refused(error.fault()) }
    }
}

impl Faulty for CallError {
    fn fault(&self) -> Fault {
        if self.is_unreachable() {
            return Fault::Busy;
        }
        match self.status.code() {
            Code::InvalidArgument | Code::OutOfRange => Fault::BadInput,
            Code::Unauthenticated => Fault::Unproven,
            Code::PermissionDenied => Fault::Denied,
            Code::NotFound => Fault::Missing,
            Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => Fault::Conflict,
            Code::ResourceExhausted => Fault::Limited,
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Fault::Busy,
            Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => Fault::Broken,
        }
    }
}

impl fmt::Debug for HubClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HubClient").field("instances", &self.instances.len()).finish_non_exhaustive()
    }
}

/// Says "too late" in one way: tonic, on either side, calls a passed deadline cancelled, and nobody else cancels a call
/// whose answer is still awaited.
fn timely(status: Status) -> Status {
    match status.code() {
        Code::Cancelled => Status::deadline_exceeded("the hub did not answer in time"),
        _ => status,
    }
}

/// Tells the hub for which request of ours it is asked.
fn traced<Q>(mut request: Request<Q>) -> Request<Q> {
    let context = trace::current().and_then(|context| context.to_string().parse().ok());
    if let Some(context) = context {
        request.metadata_mut().insert(TRACE_PARENT, context);
    }
    request
}

fn orders(channel: Channel) -> OrdersClient<Channel> {
    OrdersClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// Gives the channel for a call to be made now.
type Dial = Box<dyn Fn() -> Channel + Send + Sync>;

/// Longest wait for answers that nobody waits for at a screen.
const CALL_WAIT: Duration = Duration::from_secs(10);
