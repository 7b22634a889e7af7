//! One connection: frames in, answers out in the order of the messages, however long each takes.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::codec::Encoder;
use tokio_util::sync::CancellationToken;

use super::answer::{Work, answer, refused_fragment, works};
use super::frames::{Frames, ReadError};
use super::{Door, Intake};
use crate::doors::newcomers::Newcomer;
use crate::wire::hl7::error::{Hl7Error, Place, Problem};
use crate::wire::hl7::mllp::{FrameError, Mllp};

/// Speaks with one peer until it closes, breaks framing, is too slow, or the listener stops; messages that arrived whole
/// before that are still answered.
pub(super) async fn converse<I, S>(
    stream: S,
    (peer, newcomer): (SocketAddr, Newcomer),
    door: &Door<I>,
    stop: &CancellationToken,
) where
    I: Intake,
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let settings = &door.settings;
    let pipeline_max = settings.pipeline_max.max(1);
    let (source, mut sink) = tokio::io::split(stream);
    let mut frames = Frames::new(source, settings.frame_bytes_max, settings.idle_wait_max, settings.frame_wait_max);
    let mut waiting: VecDeque<Work> = VecDeque::new();
    let mut working = FuturesOrdered::new();
    let (mut end, mut newcomer) = (None, Some(newcomer));
    loop {
        while working.len() < pipeline_max
            && let Some(work) = waiting.pop_front()
        {
            working.push_back(answer(work, peer, door));
        }
        if end.is_some() && working.is_empty() {
            break;
        }
        let reads = end.is_none() && waiting.is_empty() && working.len() < pipeline_max;
        tokio::select! {
            biased;
            Some(answer) = working.next() => {
                if let Some(answer) = answer
                    && write(&mut sink, &answer, settings).await.is_err()
                {
                    tracing::warn!(%peer, "write answer: peer is gone or too slow");
                    return;
                }
                frames.rest();
            }
            () = stop.cancelled(), if end.is_none() => end = Some(Ok(())),
            () = sent_away(newcomer.as_ref()) => return tracing::warn!(%peer, "close connection: another needs its place"),
            frame = frames.next(), if reads => match frame {
                Ok(Some(frame)) => {
                    newcomer = None;
                    waiting.extend(works(&frame));
                }
                Ok(None) => end = Some(Ok(())),
                Err(error) => end = Some(Err(error)),
            },
        }
    }
    let Some(Err(error)) = end else {
        let _ = timeout(settings.frame_wait_max, sink.shutdown()).await;
        return;
    };
    tracing::warn!(%peer, %error, "close connection");
    if let ReadError::Frame(FrameError::Oversize { bytes_max }) = error {
        let too_long = Hl7Error::new(Place::header(0), Problem::TooLong { bytes_max });
        let _ = write(&mut sink, &refused_fragment(frames.fragment(), too_long, door), settings).await;
        let _ = sink.shutdown().await;
        let _ = timeout(settings.frame_wait_max, frames.discard()).await;
    }
}

async fn sent_away(newcomer: Option<&Newcomer>) {
    match newcomer {
        Some(newcomer) => newcomer.sent_away().await,
        None => std::future::pending().await,
    }
}

/// Writes one answer as a frame.
async fn write<W: AsyncWrite + Unpin>(
    sink: &mut W,
    answer: &[u8],
    settings: &super::MllpSettings,
) -> Result<(), FrameError> {
    let mut frame = BytesMut::new();
    Mllp::new(settings.frame_bytes_max).encode(answer, &mut frame)?;
    let written = timeout(settings.frame_wait_max, async {
        sink.write_all(&frame).await?;
        sink.flush().await
    });
    written.await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    Ok(())
}
