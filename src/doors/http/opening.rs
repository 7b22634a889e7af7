//! Bounds how long a connection may say nothing. Until its first bytes have told which HTTP is spoken, no clock of the
//! HTTP server runs; who made a connection and then kept silent would hold its place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection that fails to be read unless its first bytes come in time.
pub struct Opened<S> {
    stream: S,
    /// First bytes that have come.
    read: usize,
    /// Gone once they have.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Opened<S> {
    /// Waits for the first bytes of `stream` for `wait_max`.
    pub fn new(stream: S, wait_max: Duration) -> Self {
        Self { stream, read: 0, until: Some(Box::pin(tokio::time::sleep(wait_max))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opened<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(until) = self.until.as_mut() else { return polled };
        if polled.is_pending() {
            return until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        self.read += buffer.filled().len() - before;
        if self.read >= FIRST_BYTES {
            self.until = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opened<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// As long as the beginning of HTTP/2; no request of HTTP/1.1 is shorter. Source: RFC 9113, 3.4.
const FIRST_BYTES: usize = 24;
