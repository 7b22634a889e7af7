//! The MLLP listener: takes HL7 v2 messages, has them stored, answers each in order. Must not store anything itself.
//!
//! Source: HL7 Transport Specification, MLLP, Release 1; HL7 v2.5.1, 2.9.2 (original mode).

mod answer;
mod connection;
mod frames;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::limits::{MLLP_CONNECTIONS_MAX, MLLP_FRAME_BYTES_MAX, MLLP_PIPELINE_MAX};
use crate::doors::newcomers::Newcomers;
use crate::ports::clock::Clock;
use crate::wire::hl7::error::Hl7Error;
use crate::wire::hl7::{Reading, SourceSettings};

/// Takes messages in and keeps them.
pub trait Intake: Send + Sync + 'static {
    /// Keeps one message, its original and its reports. Returns once it is durable: the answer AA follows from `Ok` and
    /// from nothing else. A message that was taken before is `Ok` again and kept once; one that could not be read is
    /// offered too, so that it is counted.
    ///
    /// # Errors
    /// A [`Refusal`] when the message is not kept, or is not acceptable; it becomes AE or AR.
    fn take(&self, received: Received) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// One message as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The bytes of the message, as they were between the frame's marks or the batch's headers.
    pub original: Bytes,
    /// What was read from them.
    pub reading: Reading,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Whose fault it is.
    pub fault: Fault,
    /// What in the message is wrong, if it is the message.
    pub error: Option<Hl7Error>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, error: None }
    }
}

impl From<Hl7Error> for Refusal {
    fn from(error: Hl7Error) -> Self {
        Self { fault: error.fault(), error: Some(error) }
    }
}

/// How a listener treats its peers.
#[derive(Debug, Clone, Copy)]
pub struct MllpSettings {
    /// How the source of this port writes.
    pub source: SourceSettings,
    /// Longest frame, in bytes.
    pub frame_bytes_max: usize,
    /// Most open connections. One more takes the place of the oldest that has sent nothing whole yet, or is closed at once.
    pub connections_max: usize,
    /// Most messages of one connection that are worked on at once; answers keep their order.
    pub pipeline_max: usize,
    /// Longest silence between frames.
    pub idle_wait_max: Duration,
    /// Longest time from the first byte of a frame to its last, and for one answer to be written.
    pub frame_wait_max: Duration,
}

impl Default for MllpSettings {
    fn default() -> Self {
        Self {
            source: SourceSettings::default(),
            frame_bytes_max: MLLP_FRAME_BYTES_MAX,
            connections_max: MLLP_CONNECTIONS_MAX,
            pipeline_max: MLLP_PIPELINE_MAX,
            idle_wait_max: Duration::from_secs(30 * 60),
            frame_wait_max: Duration::from_secs(60),
        }
    }
}

/// What every connection of a listener shares.
pub struct Door<I> {
    settings: MllpSettings,
    intake: Arc<I>,
    clock: Arc<dyn Clock>,
    answers: AtomicU64,
}

impl<I: Intake> Door<I> {
    /// Makes a door that hands messages to `intake` and dates its answers by `clock`.
    pub fn new(settings: MllpSettings, intake: Arc<I>, clock: Arc<dyn Clock>) -> Self {
        Self { settings, intake, clock, answers: AtomicU64::new(0) }
    }

    /// Gives a control id for an answer, at most 20 characters, new every time within this process.
    fn next_control_id(&self) -> String {
        let number = self.answers.fetch_add(1, Ordering::Relaxed) % 1_000_000;
        format!("{}-{number}", self.clock.now().unix_ms())
    }
}

/// Serves the listener until `stop`; then messages that have arrived whole are still answered, and every connection closed.
///
/// `secure` turns an accepted connection into the stream to speak on: [`plain`], or a TLS handshake.
pub async fn serve<I, S, H, F>(listener: TcpListener, door: Arc<Door<I>>, secure: H, stop: CancellationToken)
where
    I: Intake,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    let newcomers = Newcomers::new(door.settings.connections_max);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some((place, newcomer)) = newcomers.enter().await else {
            tracing::warn!(%peer, "refuse connection: too many are open");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (handshake, door, stop) = (secure(stream), Arc::clone(&door), stop.clone());
        connections.spawn(async move {
            let _place = place;
            match tokio::time::timeout(door.settings.frame_wait_max, handshake).await {
                Ok(Ok(stream)) => connection::converse(stream, (peer, newcomer), &door, &stop).await,
                Ok(Err(error)) => tracing::warn!(%peer, %error, "secure connection"),
                Err(_) => tracing::warn!(%peer, "secure connection: no handshake in time"),
            }
        });
    }
    connections.close();
    connections.wait().await;
}

/// Speaks on the connection as it is, without TLS.
///
/// # Errors
/// Never.
pub async fn plain(stream: TcpStream) -> io::Result<TcpStream> {
    Ok(stream)
}

/// Pause after a failed accept, so that a process out of file handles does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
