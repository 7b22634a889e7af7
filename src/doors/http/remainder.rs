//! Takes in what is left of a request that was answered early. A refusal that needs no body (401, 404, 413) is made before
//! the body has come; if it were then dropped, HTTP/2 would reset the stream, and a client still sending would see a broken
//! connection instead of the answer (RFC 9113, section 8.1).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body::{Frame, SizeHint};
use tokio_stream::StreamExt;

use crate::domain::limits::HTTP_BODY_BYTES_MAX;

/// Makes the body of a request outlive its handler until it has come in whole, in bounds of size and time.
pub fn awaited<T>(request: Request<T>) -> Request<Body>
where
    T: http_body::Body<Data = Bytes> + Send + 'static,
    T::Error: Into<axum::BoxError>,
{
    request.map(|body| Body::new(Awaited { rest: Some(Body::new(body)) }))
}

/// A body whose unread rest is taken in when it is dropped.
struct Awaited {
    /// Gone once the end, or an error, was read.
    rest: Option<Body>,
}

impl http_body::Body for Awaited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(rest) = self.rest.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(rest).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.rest = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let Some(rest) = self.rest.take().filter(|rest| !http_body::Body::is_end_stream(rest)) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(REST_WAIT_MAX, taken_in(rest)));
        }
    }
}

/// Reads and forgets. More than any door would take is not waited for.
async fn taken_in(rest: Body) {
    let (mut pieces, mut taken) = (rest.into_data_stream(), 0);
    while let Some(Ok(piece)) = pieces.next().await {
        taken += piece.len();
        if taken > HTTP_BODY_BYTES_MAX {
            return;
        }
    }
}

const REST_WAIT_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::sync::mpsc::{self, Sender};
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    const PIECE: usize = 64 << 10;

    fn sent() -> (Sender<Result<Bytes, Infallible>>, Request<Body>) {
        let (sender, pieces) = mpsc::channel(1);
        (sender, awaited(Request::new(Body::from_stream(ReceiverStream::new(pieces)))))
    }

    /// Sends pieces until nobody takes them, and says how many bytes were taken.
    async fn taken_of(sender: Sender<Result<Bytes, Infallible>>, pieces: usize) -> usize {
        let mut taken = 0;
        for _ in 0..pieces {
            if sender.send(Ok(Bytes::from_static(&[b' '; PIECE]))).await.is_err() {
                break;
            }
            taken += PIECE;
        }
        taken
    }

    #[tokio::test]
    async fn a_client_that_was_answered_early_can_send_what_it_began() {
        let (sender, request) = sent();
        drop(request);
        assert_eq!(taken_of(sender, 8).await, 8 * PIECE);
    }

    #[tokio::test]
    async fn more_than_a_door_takes_is_not_waited_for() {
        let (sender, request) = sent();
        drop(request);
        let taken = taken_of(sender, 1000).await;
        assert!((HTTP_BODY_BYTES_MAX..HTTP_BODY_BYTES_MAX + 4 * PIECE).contains(&taken), "{taken}");
    }

    #[tokio::test]
    async fn a_handler_reads_the_body_as_it_was_sent() {
        let (sender, request) = sent();
        tokio::spawn(taken_of(sender, 3));
        let read = axum::body::to_bytes(request.into_body(), HTTP_BODY_BYTES_MAX).await.unwrap();
        assert_eq!(read.len(), 3 * PIECE);
    }
}
