//! Stands before the gate of every gRPC server: begins the span of a call, and sees how it ends, refused calls included.
//! It never touches a message.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument;

use crate::domain::trace::TraceContext;
use crate::doors::calls::{Calls, Rpc};
use crate::doors::tls::Peer;
use crate::ports::trace::TRACE_PARENT;

/// Puts a [`Watch`] around a service.
#[derive(Clone)]
pub struct WatchLayer(pub Arc<Calls>);

/// Watches the calls of a service.
#[derive(Clone)]
pub struct Watch<S> {
    inner: S,
    calls: Arc<Calls>,
}

/// The body of an answer; the call ends with it.
pub struct Watched<B> {
    body: B,
    rpc: Option<Rpc>,
}

impl<S> Layer<S> for WatchLayer {
    type Service = Watch<S>;

    fn layer(&self, inner: S) -> Watch<S> {
        Watch { inner, calls: Arc::clone(&self.0) }
    }
}

impl<S, Q, B> Service<Request<Q>> for Watch<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<Watched<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let caller = request.extensions().get::<Peer>().and_then(|peer| peer.caller.as_ref());
        let organisation = caller.map(|caller| caller.organisation);
        let mut rpc = self.calls.begin(request.uri().path(), organisation, parent(request.headers()));
        let organisation = organisation.map(tracing::field::display);
        let span = tracing::info_span!("call", trace = %rpc.work().context().trace, organisation, call = rpc.name());
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answered = rpc.work().within(answering).instrument(span).await;
            answered.map(|response| {
                if let Some(status) = Status::from_header_map(response.headers()) {
                    rpc.ended(status.code());
                }
                response.map(|body| Watched { body, rpc: Some(rpc) })
            })
        })
    }
}

/// Reads the context under which a caller asks; what is none is passed over.
pub fn parent(headers: &HeaderMap) -> Option<TraceContext> {
    headers.get(TRACE_PARENT)?.to_str().ok()?.parse().ok()
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let code = match &polled {
            Poll::Ready(Some(Ok(frame))) => match frame.trailers_ref() {
                Some(trailers) => Status::from_header_map(trailers).map(|status| status.code()),
                None => return polled,
            },
            Poll::Ready(None) => None,
            Poll::Ready(Some(Err(_))) => Some(Code::Unknown),
            Poll::Pending => return polled,
        };
        if let Some(mut rpc) = self.rpc.take() {
            code.into_iter().for_each(|code| rpc.ended(code));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
