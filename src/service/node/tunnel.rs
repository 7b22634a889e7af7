//! The tunnel: the node keeps a stream to a hub, is asked for originals over it, and streams them back, as fast as the
//! hub gives credit. No byte of an original that fails its digest is ever followed by a last chunk.

use std::collections::HashMap;
use std::future::Future;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::core::blocking;
use super::{Node, ledger};
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Digest;
use crate::domain::limits::CHUNK_BYTES;
use crate::domain::trace::Outcome;
use crate::peer::hub::HubClient;
use crate::ports::hub::HubLink;
use crate::ports::trace::{SpanKind, Tracer};
use crate::store::node::OriginalPlace;
use crate::wire::pb;
use pb::tunnel_down::Frame as Down;
use pb::tunnel_failure::Cause;
use pb::tunnel_up::Frame as Up;

/// Where the tunnel finds originals.
pub trait OriginalSource: Send + Sync + 'static {
    /// Opens an original at its first byte. Its bytes are checked by whoever reads them.
    ///
    /// # Errors
    /// [`Fault::Missing`] when the node never had it, [`Fault::Broken`] when what it has is damaged, otherwise
    /// [`Fault::Busy`].
    fn open(&self, digest: Digest) -> impl Future<Output = Result<Box<dyn Read + Send>, Fault>> + Send;

    /// Traces what is answered, where somebody asked for it.
    fn tracer(&self) -> Option<Tracer> {
        None
    }
}

/// Keeps a tunnel to one instance of the hub until `stop`, opening it again whenever it ends; `open` is told whether it is.
pub async fn keep<S: OriginalSource>(
    hub: HubClient,
    source: Arc<S>,
    jitter: impl Fn() -> u16 + Send,
    open: impl Fn(bool) + Send + Sync,
    stop: CancellationToken,
) {
    open(false);
    let mut failures = 0;
    while !stop.is_cancelled() {
        let (up, frames) = mpsc::channel(FRAMES_MAX);
        let served = async {
            let _ = up.send(pb::TunnelUp { frame: Some(Up::Hello(pb::TunnelHello {})) }).await;
            let down = hub.tunnel(ReceiverStream::new(frames)).await?;
            tracing::info!("tunnel is open");
            failures = 0;
            open(true);
            serve(&source, down, up).await;
            Ok::<(), crate::peer::hub::CallError>(())
        };
        let served = stop.run_until_cancelled(served).await;
        open(false);
        match served {
            None => return,
            Some(Ok(())) => tracing::info!("tunnel ended"),
            Some(Err(error)) => tracing::info!(fault = ?error.fault(), "tunnel not opened"),
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(pause(failures, jitter()))).await;
        failures += 1;
    }
}

impl<L: HubLink> OriginalSource for Node<L> {
    async fn open(&self, digest: Digest) -> Result<Box<dyn Read + Send>, Fault> {
        let found = blocking(&self.core, move |core| match core.state.original(digest)? {
            Some(OriginalPlace::InJournal { position, .. }) => {
                let original = core.original_at(ledger::unpacked(position))?;
                Ok(Box::new(Cursor::new(original)) as Box<dyn Read + Send>)
            }
            // Documents inside a message are files of their own that no record names.
            Some(OriginalPlace::File) | None => Ok(Box::new(core.originals.open_unsized(digest)?.file) as _),
        });
        found.await.map_err(|error| {
            let fault = error.fault();
            if fault != Fault::Missing {
                tracing::error!(%digest, %error, "open original");
            }
            // Whether its bytes are damaged is found out by reading them.
            if fault == Fault::Missing { Fault::Missing } else { Fault::Busy }
        })
    }

    fn tracer(&self) -> Option<Tracer> {
        self.core.tracer.get().cloned()
    }
}

/// Answers what comes down until the stream ends; whatever is then under way is dropped.
async fn serve<S: OriginalSource>(
    source: &Arc<S>,
    mut down: impl Stream<Item = Result<pb::TunnelDown, Status>> + Unpin,
    up: mpsc::Sender<pb::TunnelUp>,
) {
    let mut answers: JoinSet<u64> = JoinSet::new();
    let mut under_way: HashMap<u64, Answering> = HashMap::new();
    loop {
        let frame = tokio::select! {
            Some(Ok(ended)) = answers.join_next(), if !answers.is_empty() => {
                under_way.remove(&ended);
                continue;
            }
            frame = down.next() => frame,
        };
        let Some(Ok(pb::TunnelDown { frame })) = frame else { return };
        match frame {
            Some(Down::Request(asked)) if under_way.contains_key(&asked.request) => {
                tracing::warn!(request = asked.request, "the hub used a request's number twice");
            }
            Some(Down::Request(asked)) if under_way.len() >= ANSWERS_MAX => {
                let _ = up.send(failure(asked.request, Cause::Busy)).await;
            }
            Some(Down::Request(asked)) => {
                let answering = Answering { credit: Arc::new(Semaphore::new(0)), cancel: CancellationToken::new() };
                answering.give(asked.credit);
                under_way.insert(asked.request, answering.clone());
                answers.spawn(answer(Arc::clone(source), asked, answering, up.clone()));
            }
            Some(Down::Credit(credit)) => {
                if let Some(answering) = under_way.get(&credit.request) {
                    answering.give(credit.chunks);
                }
            }
            Some(Down::Cancel(cancel)) => {
                if let Some(answering) = under_way.get(&cancel.request) {
                    answering.cancel.cancel();
                }
            }
            None => {}
        }
    }
}

/// A request under way.
#[derive(Debug, Clone)]
struct Answering {
    /// Chunks that may be sent.
    credit: Arc<Semaphore>,
    cancel: CancellationToken,
}

impl Answering {
    fn give(&self, chunks: u32) {
        let chunks = usize::try_from(chunks).unwrap_or(usize::MAX);
        let room = CREDIT_CHUNKS_MAX.saturating_sub(self.credit.available_permits());
        self.credit.add_permits(chunks.min(room));
    }
}

async fn answer<S: OriginalSource>(
    source: Arc<S>,
    asked: pb::TunnelRequest,
    answering: Answering,
    up: mpsc::Sender<pb::TunnelUp>,
) -> u64 {
    let request = asked.request;
    let work =
        source.tracer().map(|tracer| tracer.begin("original", SpanKind::Server, asked.trace_parent.parse().ok()));
    let streamed = stream(&source, &asked, &answering.credit, &up);
    let streamed = answering.cancel.run_until_cancelled(streamed).await;
    if let Some(work) = work {
        match streamed {
            Some(Ok(())) => work.end("OK", Outcome::Done),
            Some(Err(cause)) => work.end(cause.as_str_name(), Outcome::Failed),
            None => work.end("CANCELLED", Outcome::Done),
        };
    }
    if let Some(Err(cause)) = streamed {
        let _ = up.send(failure(request, cause)).await;
    }
    request
}

async fn stream<S: OriginalSource>(
    source: &Arc<S>,
    asked: &pb::TunnelRequest,
    credit: &Semaphore,
    up: &mpsc::Sender<pb::TunnelUp>,
) -> Result<(), Cause> {
    let digest = Digest::try_from(asked.digest.as_ref()).map_err(|_| Cause::Missing)?;
    let mut reader = Some(Checked::new(source.open(digest).await.map_err(cause)?, digest));
    while let Some(mut reading) = reader.take() {
        credit.acquire().await.map_err(|_| Cause::Busy)?.forget();
        let read = tokio::task::spawn_blocking(move || (reading.next(), reading)).await;
        let (chunk, reading) = read.map_err(|_| Cause::Busy)?;
        let (data, last) = chunk?;
        let chunk = pb::TunnelChunk { request: asked.request, data, last };
        if up.send(pb::TunnelUp { frame: Some(Up::Chunk(chunk)) }).await.is_err() {
            return Ok(());
        }
        reader = (!last).then_some(reading);
    }
    Ok(())
}

/// Reads an original one chunk ahead, so that the last one is given only when all bytes have matched the digest.
struct Checked {
    original: Box<dyn Read + Send>,
    digest: Digest,
    hash: Sha256,
    ahead: Option<Bytes>,
}

impl Checked {
    fn new(original: Box<dyn Read + Send>, digest: Digest) -> Self {
        Self { original, digest, hash: Sha256::new(), ahead: None }
    }

    /// Gives the next chunk, and whether it is the last; blocks.
    fn next(&mut self) -> Result<(Bytes, bool), Cause> {
        let chunk = match self.ahead.take() {
            Some(chunk) => chunk,
            None => self.read()?,
        };
        // A short chunk is the end already; a full one may be.
        let ahead = if chunk.len() < CHUNK_BYTES { Bytes::new() } else { self.read()? };
        if !ahead.is_empty() {
            self.ahead = Some(ahead);
            return Ok((chunk, false));
        }
        let found = Digest::new(self.hash.finalize_reset().into());
        if found != self.digest {
            tracing::error!(digest = %self.digest, "an original no longer matches its digest");
            return Err(Cause::Damaged);
        }
        Ok((chunk, true))
    }

    fn read(&mut self) -> Result<Bytes, Cause> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let most = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
        let read = self.original.by_ref().take(most).read_to_end(&mut chunk);
        if let Err(error) = read {
            tracing::error!(digest = %self.digest, %error, "read original");
            return Err(Cause::Busy);
        }
        self.hash.update(&chunk);
        Ok(chunk.into())
    }
}

fn failure(request: u64, cause: Cause) -> pb::TunnelUp {
    pb::TunnelUp { frame: Some(Up::Failure(pb::TunnelFailure { request, cause: cause.into() })) }
}

fn cause(fault: Fault) -> Cause {
    match fault {
        Fault::Missing | Fault::BadInput => Cause::Missing,
        Fault::Broken => Cause::Damaged,
        Fault::Unproven | Fault::Denied | Fault::Conflict | Fault::Limited | Fault::Busy => Cause::Busy,
    }
}

/// Doubles the pause with every failure up to a bound, and takes a random half of it, so that the nodes of a region do
/// not all return at one moment after the hub was away.
pub(super) fn pause(failures: u32, jitter: u16) -> Duration {
    let most = PAUSE_MIN.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX);
    most / 2 + most / 2 * u32::from(jitter) / u32::from(u16::MAX)
}

/// Most originals streamed at once over one tunnel.
const ANSWERS_MAX: usize = 8;
/// Most chunks of credit that one request can hold.
const CREDIT_CHUNKS_MAX: usize = 64;
/// Frames waiting to be sent; chunks in memory are bounded by it.
const FRAMES_MAX: usize = 8;
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Originals by digest; what is filed under a digest need not match it.
    struct Shelf(HashMap<Digest, Vec<u8>>);

    impl OriginalSource for Shelf {
        async fn open(&self, digest: Digest) -> Result<Box<dyn Read + Send>, Fault> {
            let bytes = self.0.get(&digest).ok_or(Fault::Missing)?;
            Ok(Box::new(Cursor::new(bytes.clone())) as Box<dyn Read + Send>)
        }
    }

    struct Hub {
        down: mpsc::Sender<Result<pb::TunnelDown, Status>>,
        up: mpsc::Receiver<pb::TunnelUp>,
        node: tokio::task::JoinHandle<()>,
    }

    impl Hub {
        fn over(originals: impl IntoIterator<Item = (Digest, Vec<u8>)>) -> Self {
            let (down, frames) = mpsc::channel(16);
            let (up_sender, up) = mpsc::channel(4);
            let source = Arc::new(Shelf(originals.into_iter().collect()));
            let node = async move { serve(&source, ReceiverStream::new(frames), up_sender).await };
            Self { down, up, node: tokio::spawn(node) }
        }

        async fn say(&self, frame: Down) {
            self.down.send(Ok(pb::TunnelDown { frame: Some(frame) })).await.unwrap();
        }

        async fn ask(&self, request: u64, digest: Digest, credit: u32) {
            let digest = Bytes::copy_from_slice(digest.as_bytes());
            self.say(Down::Request(pb::TunnelRequest { request, digest, credit, trace_parent: String::new() })).await;
        }

        async fn next(&mut self) -> Up {
            self.up.recv().await.unwrap().frame.unwrap()
        }

        async fn chunk(&mut self) -> pb::TunnelChunk {
            match self.next().await {
                Up::Chunk(chunk) => chunk,
                other => panic!("{other:?} is no chunk"),
            }
        }

        async fn fails(&mut self) -> (u64, Cause) {
            match self.next().await {
                Up::Failure(failure) => (failure.request, failure.cause()),
                other => panic!("{other:?} is no failure"),
            }
        }

        /// Ends the stream, and gives what the node had still sent.
        async fn end(mut self) -> Vec<pb::TunnelUp> {
            drop(self.down);
            let mut rest = Vec::new();
            while let Some(frame) = self.up.recv().await {
                rest.push(frame);
            }
            self.node.await.unwrap();
            rest
        }
    }

    fn original(bytes: usize) -> (Digest, Vec<u8>) {
        let bytes: Vec<u8> = (0..bytes).map(|place| u8::try_from(place % 251).unwrap()).collect();
        (Digest::new(Sha256::digest(&bytes).into()), bytes)
    }

    #[tokio::test]
    async fn originals_of_every_length_arrive_whole_and_end_once() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES] {
            let (digest, bytes) = original(length);
            let mut hub = Hub::over([(digest, bytes.clone())]);
            hub.ask(7, digest, 10).await;
            let mut arrived = Vec::new();
            loop {
                let chunk = hub.chunk().await;
                assert_eq!(chunk.request, 7);
                arrived.extend_from_slice(&chunk.data);
                if chunk.last {
                    break;
                }
            }
            assert!(arrived == bytes, "{length} bytes");
            assert_eq!(hub.end().await, []);
        }
    }

    #[tokio::test]
    async fn no_chunk_goes_up_without_credit() {
        let (digest, bytes) = original(3 * CHUNK_BYTES);
        let (small, small_bytes) = original(1);
        let mut hub = Hub::over([(digest, bytes), (small, small_bytes)]);
        hub.ask(1, digest, 1).await;
        assert!(!hub.chunk().await.last);
        // Whatever the first request still sent would come before the answer to the second.
        hub.ask(2, small, 1).await;
        assert_eq!(hub.chunk().await.request, 2);
        hub.say(Down::Credit(pb::TunnelCredit { request: 1, chunks: 2 })).await;
        assert!(!hub.chunk().await.last);
        assert!(hub.chunk().await.last);
    }

    #[tokio::test]
    async fn a_cancelled_request_ends_and_its_number_is_free_again() {
        let (digest, bytes) = original(3 * CHUNK_BYTES);
        let mut hub = Hub::over([(digest, bytes)]);
        hub.ask(1, digest, 1).await;
        hub.chunk().await;
        hub.say(Down::Cancel(pb::TunnelCancel { request: 1 })).await;
        hub.say(Down::Credit(pb::TunnelCredit { request: 1, chunks: 9 })).await;
        assert_eq!(hub.end().await, [], "nothing of it comes, not even a failure");
    }

    #[tokio::test]
    async fn damaged_bytes_are_never_ended_by_a_last_chunk() {
        let (digest, mut bytes) = original(CHUNK_BYTES + 10);
        bytes[CHUNK_BYTES] ^= 1;
        let mut hub = Hub::over([(digest, bytes)]);
        hub.ask(1, digest, 9).await;
        assert!(!hub.chunk().await.last);
        assert_eq!(hub.fails().await, (1, Cause::Damaged));
    }

    #[tokio::test]
    async fn what_the_node_never_had_is_missing_and_more_than_it_can_do_is_busy() {
        let (digest, bytes) = original(2 * CHUNK_BYTES);
        let mut hub = Hub::over([(digest, bytes)]);
        hub.ask(99, original(5).0, 1).await;
        assert_eq!(hub.fails().await, (99, Cause::Missing));
        for request in 0..=8 {
            hub.ask(request, digest, 0).await;
        }
        assert_eq!(hub.fails().await, (8, Cause::Busy));
    }

    #[test]
    fn a_disk_that_fails_is_no_damage() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk"))
            }
        }
        let mut checked = Checked::new(Box::new(Broken), original(1).0);
        assert_eq!(checked.next(), Err(Cause::Busy));
    }

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        assert_eq!(pause(0, 0), PAUSE_MIN / 2);
        assert_eq!(pause(0, u16::MAX), PAUSE_MIN);
        assert_eq!(pause(u32::MAX, u16::MAX), PAUSE_MAX);
    }
}
