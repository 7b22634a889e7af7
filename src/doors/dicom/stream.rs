//! One connection: PDUs in and out, without the delays that small writes and lazy acknowledgements bring.
//!
//! An unmodified sender writes a command and its data set in small pieces and waits, by Nagle's rule, for each to be
//! acknowledged; a receiver that delays acknowledgements holds it to some ten instances a second.

use super::Settings;
use bytes::BytesMut;
use dicom_ul::association::read_pdu_from_wire_async;
use dicom_ul::pdu::{AbortRQServiceProviderReason, AbortRQSource, Pdu, write_pdu};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why an association ended before its release. Text of the peer is not part of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The peer sent nothing, or took nothing, for too long.
    #[error("the peer was silent for too long")]
    Idle,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The bytes are no PDU, or one too large, or the connection ended inside one.
    #[error("no whole PDU arrived")]
    Pdu,
    /// The PDU has no place here.
    #[error("a PDU of another state of the association")]
    Unexpected,
    /// The command set cannot be read.
    #[error("unreadable command: {0}")]
    Command(#[from] crate::wire::dicom::DicomError),
}

/// A connection that speaks PDUs.
pub(super) struct Link {
    stream: QuickStream,
    unread: BytesMut,
    pdu_bytes_max: u32,
    idle_max: Duration,
}

impl Link {
    pub(super) fn open(socket: TcpStream, settings: &Settings) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let stream = QuickStream(socket);
        stream.acknowledge_at_once();
        let pdu_bytes_max = pdu_bytes(settings);
        Ok(Self { stream, unread: BytesMut::new(), pdu_bytes_max, idle_max: settings.idle_max })
    }

    /// Waits for the next PDU. Dropping the wait loses nothing of what arrived.
    pub(super) async fn receive(&mut self) -> Result<Pdu, LinkError> {
        self.receive_up_to(self.pdu_bytes_max).await
    }

    /// Waits for an association request, which no maximum was agreed for yet.
    pub(super) async fn receive_request(&mut self) -> Result<Pdu, LinkError> {
        self.receive_up_to(REQUEST_BYTES_MAX).await
    }

    async fn receive_up_to(&mut self, bytes_max: u32) -> Result<Pdu, LinkError> {
        self.unread.reserve(READ_BYTES);
        let read = read_pdu_from_wire_async(&mut self.stream, &mut self.unread, bytes_max, true);
        timeout(self.idle_max, read).await.map_err(|_| LinkError::Idle)?.map_err(|_| LinkError::Pdu)
    }

    pub(super) async fn send(&mut self, pdu: &Pdu) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, pdu).map_err(|_| LinkError::Pdu)?;
        let write = self.stream.0.write_all(&bytes);
        timeout(self.idle_max, write).await.map_err(|_| LinkError::Idle)??;
        Ok(())
    }

    /// Tells the peer that the association is over; it may be gone already.
    pub(super) async fn abort(&mut self) {
        let source = AbortRQSource::ServiceProvider(AbortRQServiceProviderReason::ReasonNotSpecified);
        let _ = self.send(&Pdu::AbortRQ { source }).await;
    }

    /// Closes our side and reads on until the peer closes its own, or for a short while: a connection closed over
    /// unread bytes is reset, and the peer loses our last word.
    ///
    /// Source: DICOM PS3.8, 9.1.4 (the ARTIM timer).
    pub(super) async fn close(mut self) {
        let drain = async {
            self.stream.0.shutdown().await?;
            let mut waste = [0; 4096];
            while self.stream.0.read(&mut waste).await? > 0 {}
            io::Result::Ok(())
        };
        let _ = timeout(CLOSE_WAIT_MAX, drain).await;
    }
}

/// The PDU size that the settings ask for, within what is sound.
pub(super) fn pdu_bytes(settings: &Settings) -> u32 {
    settings.pdu_bytes_max.clamp(4 << 10, 1 << 20)
}

/// A socket whose every read is acknowledged at once. Linux forgets the wish after a while, so each read renews it.
struct QuickStream(TcpStream);

impl QuickStream {
    fn acknowledge_at_once(&self) {
        // A kernel that refuses makes the sender slow, not wrong.
        #[cfg(target_os = "linux")]
        let _ = self.0.set_quickack(true);
    }
}

impl AsyncRead for QuickStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = ready!(Pin::new(&mut this.0).poll_read(context, buffer));
        this.acknowledge_at_once();
        Poll::Ready(outcome)
    }
}

/// Room made for reading before each PDU, in bytes.
const READ_BYTES: usize = 64 << 10;
/// Largest association request, in bytes; 128 contexts of many transfer syntaxes fit.
const REQUEST_BYTES_MAX: u32 = 1 << 20;
/// Longest wait for a peer to close its side.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);
