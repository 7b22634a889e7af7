//! An original on its way through the node: passed on chunk by chunk, the last one only when all bytes match the digest.

use sha2::{Digest as _, Sha256};
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use crate::domain::id::Digest;
use crate::domain::limits::CHUNK_BYTES;
use crate::wire::pb;

/// A stream of chunks that is checked while it passes.
#[derive(Debug)]
pub struct Checked<S = Streaming<pb::Chunk>> {
    chunks: S,
    digest: Digest,
    hash: Sha256,
    /// Place of the next byte.
    next: u64,
    /// Whether the stream began at the first byte; otherwise only whoever resumes has all of them to hash.
    is_whole: bool,
    size_bytes: Option<u64>,
    held: Option<pb::Chunk>,
    ended: bool,
}

impl<S: Stream<Item = Result<pb::Chunk, Status>> + Unpin> Checked<S> {
    /// Takes the chunks of an original from `offset` on.
    pub fn new(chunks: S, digest: Digest, offset: u64) -> Self {
        let is_whole = offset == 0;
        let hash = Sha256::new();
        Self { chunks, digest, hash, next: offset, is_whole, size_bytes: None, held: None, ended: false }
    }

    /// Gives the next chunk once it may be passed on; nothing after the last.
    ///
    /// # Errors
    /// The hub's own status, or `DATA_LOSS` when the bytes are not those that were signed; the last chunk is then kept
    /// back.
    pub async fn next(&mut self) -> Option<Result<pb::Chunk, Status>> {
        if self.ended {
            return None;
        }
        let passed = self.advance().await;
        self.ended = !matches!(passed, Ok(Some((_, false))));
        passed.map(|chunk| chunk.map(|(chunk, _)| chunk)).transpose()
    }

    /// Gives a chunk, and whether it is the last.
    async fn advance(&mut self) -> Result<Option<(pb::Chunk, bool)>, Status> {
        let chunk = match self.held.take() {
            Some(chunk) => chunk,
            None => match self.chunks.next().await.transpose()? {
                Some(chunk) => self.take(chunk)?,
                None => return Err(Status::data_loss("the original ended before its first chunk")),
            },
        };
        match self.chunks.next().await.transpose()? {
            Some(following) => {
                self.held = Some(self.take(following)?);
                Ok(Some((chunk, false)))
            }
            None => {
                self.must_match()?;
                Ok(Some((chunk, true)))
            }
        }
    }

    fn take(&mut self, chunk: pb::Chunk) -> Result<pb::Chunk, Status> {
        let length = u64::try_from(chunk.data.len()).unwrap_or(u64::MAX);
        let follows = chunk.offset == self.next && *self.size_bytes.get_or_insert(chunk.size_bytes) == chunk.size_bytes;
        if !follows || chunk.data.len() > CHUNK_BYTES {
            return Err(Status::data_loss("the chunks of the original do not follow each other"));
        }
        self.next = self.next.saturating_add(length);
        self.hash.update(&chunk.data);
        Ok(chunk)
    }

    fn must_match(&mut self) -> Result<(), Status> {
        let is_all = self.size_bytes == Some(self.next);
        let matches = !self.is_whole || Digest::new(self.hash.finalize_reset().into()) == self.digest;
        if is_all && matches {
            return Ok(());
        }
        tracing::error!(digest = %self.digest, "an original arrived that is not what was signed");
        Err(Status::data_loss("the original does not match the signed digest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(bytes: &[u8], from: usize, size: usize) -> Vec<Result<pb::Chunk, Status>> {
        let size_bytes = u64::try_from(bytes.len()).unwrap();
        let chunk = |(place, data): (usize, &[u8])| {
            let offset = u64::try_from(from + place * size).unwrap();
            Ok(pb::Chunk { offset, data: data.to_vec().into(), size_bytes })
        };
        bytes[from..].chunks(size).enumerate().map(chunk).collect()
    }

    async fn pass(sent: Vec<Result<pb::Chunk, Status>>, digest: Digest, offset: u64) -> (Vec<u8>, Option<tonic::Code>) {
        let mut checked = Checked::new(tokio_stream::iter(sent), digest, offset);
        let mut arrived = Vec::new();
        while let Some(chunk) = checked.next().await {
            match chunk {
                Ok(chunk) => arrived.extend_from_slice(&chunk.data),
                Err(status) => return (arrived, Some(status.code())),
            }
        }
        (arrived, None)
    }

    fn digest(bytes: &[u8]) -> Digest {
        Digest::new(Sha256::digest(bytes).into())
    }

    #[tokio::test]
    async fn what_was_signed_passes_and_can_be_resumed() {
        let original = b"findings: none".as_slice();
        assert_eq!(pass(chunks(original, 0, 5), digest(original), 0).await, (original.to_vec(), None));
        assert_eq!(pass(chunks(original, 5, 4), digest(original), 5).await, (original[5..].to_vec(), None));
        let empty = vec![Ok(pb::Chunk::default())];
        assert_eq!(pass(empty, digest(b""), 0).await, (Vec::new(), None));
    }

    #[tokio::test]
    async fn the_last_chunk_of_anything_else_is_never_released() {
        let original = b"findings: none".as_slice();
        let lost = Some(tonic::Code::DataLoss);
        for place in [0, 6, 13] {
            let mut changed = original.to_vec();
            changed[place] ^= 1;
            assert_eq!(pass(chunks(&changed, 0, 5), digest(original), 0).await, (changed[..10].to_vec(), lost));
        }
        let mut short = chunks(original, 0, 5);
        short.pop();
        assert_eq!(pass(short, digest(original), 0).await, (original[..5].to_vec(), lost));
        let mut apart = chunks(original, 0, 5);
        let _ = apart.remove(1);
        assert_eq!(pass(apart, digest(original), 0).await.1, lost);
        assert_eq!(pass(Vec::new(), digest(original), 0).await, (Vec::new(), lost));
    }

    #[tokio::test]
    async fn what_the_hub_says_is_passed_on() {
        let original = b"findings: none".as_slice();
        let mut sent = chunks(original, 0, 5);
        sent[2] = Err(Status::unavailable("the hospital is away"));
        assert_eq!(pass(sent, digest(original), 0).await.1, Some(tonic::Code::Unavailable));
    }
}
