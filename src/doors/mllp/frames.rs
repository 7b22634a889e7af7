//! Frames off a connection, against the clock: a peer may be silent, or slow, only so long.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::Decoder;

use crate::wire::hl7::mllp::{FrameError, Mllp};

/// Why no further frame comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The peer said nothing for too long, or took too long over one frame.
    #[error("peer is silent or too slow")]
    Late,
    /// The peer broke framing.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reads frames; dropping [`Frames::next`] before it ends loses nothing.
pub(super) struct Frames<R> {
    source: R,
    codec: Mllp,
    buffer: BytesMut,
    deadline: Instant,
    is_within_frame: bool,
    idle_wait_max: Duration,
    frame_wait_max: Duration,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(source: R, frame_bytes_max: usize, idle_wait_max: Duration, frame_wait_max: Duration) -> Self {
        let deadline = Instant::now() + idle_wait_max;
        let codec = Mllp::new(frame_bytes_max);
        Self { source, codec, buffer: BytesMut::new(), deadline, is_within_frame: false, idle_wait_max, frame_wait_max }
    }

    /// Gives the next frame, or nothing once the peer has closed.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                self.is_within_frame = false;
                self.rest();
                return Ok(Some(frame));
            }
            if !self.is_within_frame && !self.buffer.is_empty() {
                self.is_within_frame = true;
                self.deadline = Instant::now() + self.frame_wait_max;
            }
            self.buffer.reserve(READ_BYTES);
            let read = timeout_at(self.deadline, self.source.read_buf(&mut self.buffer)).await;
            if read.map_err(|_| ReadError::Late)?.map_err(FrameError::from)? == 0 {
                return Ok(self.codec.decode_eof(&mut self.buffer)?);
            }
        }
    }

    /// Begins the silence anew, as after an answer.
    pub(super) fn rest(&mut self) {
        if !self.is_within_frame {
            self.deadline = Instant::now() + self.idle_wait_max;
        }
    }

    /// Reads what the peer still sends and drops it, so that closing does not take back the answer on its way.
    pub(super) async fn discard(&mut self) {
        loop {
            self.buffer.clear();
            self.buffer.reserve(READ_BYTES);
            if self.source.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    }

    /// Gives what has arrived of a frame that will never be whole.
    pub(super) fn fragment(&self) -> &[u8] {
        self.buffer.get(..self.buffer.len().min(READ_BYTES)).unwrap_or_default()
    }
}

const READ_BYTES: usize = 16 << 10;
