//! The tunnels that nodes keep open: many requests over each, chunks only against credit. What is asked and whether the
//! bytes are right is decided in `retrieval`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::domain::id::Digest;
use crate::domain::limits::{CHUNK_BYTES, TUNNELS_PER_HOSPITAL_MAX};
use crate::domain::organisation::OrganisationCode;
use crate::ports::trace;
use crate::service::hub::error::HubError;
use crate::wire::field::{FieldError, Problem};
use crate::wire::pb;
use crate::wire::pb::tunnel_down::Frame as Down;
use crate::wire::pb::tunnel_failure::Cause;
use crate::wire::pb::tunnel_up::Frame as Up;

/// The tunnels that are open now; a cheap handle.
#[derive(Clone, Default)]
pub(super) struct Tunnels(Arc<Shelf>);

#[derive(Default)]
struct Shelf {
    open: Mutex<HashMap<OrganisationCode, Vec<Arc<Tunnel>>>>,
    stop: CancellationToken,
}

/// One open tunnel.
pub(super) struct Tunnel {
    down: mpsc::Sender<pb::TunnelDown>,
    /// Where the answers to each request under way go.
    answers: Mutex<HashMap<u64, mpsc::Sender<Answer>>>,
    next: AtomicU64,
    room: Arc<Semaphore>,
    closed: CancellationToken,
}

/// The hub's end of a tunnel; the tunnel is closed when it is dropped, and whatever is under way over it breaks.
pub struct TunnelEnd {
    shelf: Arc<Shelf>,
    organisation: OrganisationCode,
    tunnel: Arc<Tunnel>,
}

/// A request under way; it is cancelled when it is dropped before its end.
pub(super) struct Asking {
    tunnel: Arc<Tunnel>,
    request: u64,
    answers: mpsc::Receiver<Answer>,
    /// Chunks taken for which no credit was given back yet.
    owed: u32,
    ended: bool,
    _room: OwnedSemaphorePermit,
}

enum Answer {
    Chunk { data: Bytes, last: bool },
    Failed(Cause),
}

/// Most frames for a node that does not read; then its tunnel is closed.
pub(super) const FRAMES_DOWN_MAX: usize = 256;

impl Tunnels {
    /// Opens a tunnel to a hospital; frames for its node go into `down`.
    pub(super) fn attach(
        &self,
        organisation: OrganisationCode,
        down: mpsc::Sender<pb::TunnelDown>,
    ) -> Result<TunnelEnd, HubError> {
        let tunnel = Arc::new(Tunnel {
            down,
            answers: Mutex::default(),
            next: AtomicU64::new(1),
            room: Arc::new(Semaphore::new(REQUESTS_MAX)),
            closed: self.0.stop.child_token(),
        });
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let tunnels = open.entry(organisation).or_default();
        if tunnels.len() >= TUNNELS_PER_HOSPITAL_MAX {
            return Err(HubError::Limited);
        }
        tunnels.push(Arc::clone(&tunnel));
        Ok(TunnelEnd { shelf: Arc::clone(&self.0), organisation, tunnel })
    }

    /// Gives a hospital's tunnels, the least busy first.
    pub(super) fn of(&self, organisation: OrganisationCode) -> Vec<Arc<Tunnel>> {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tunnels = open.get(&organisation).cloned().unwrap_or_default();
        tunnels.sort_by_key(|tunnel| std::cmp::Reverse(tunnel.room.available_permits()));
        tunnels
    }

    /// Counts the open tunnels by hospital.
    pub(super) fn count(&self) -> BTreeMap<OrganisationCode, usize> {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|(organisation, tunnels)| (*organisation, tunnels.len())).collect()
    }

    /// Forgets all tunnels that are open.
    #[cfg(test)]
    pub(super) fn clear(&self) {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Closes all tunnels, and those that are opened from now on.
    pub(super) fn close(&self) {
        self.0.stop.cancel();
    }
}

impl TunnelEnd {
    /// Takes a frame from the node.
    ///
    /// # Errors
    /// [`HubError::Field`] when the node breaks the rules of the tunnel; drop the end.
    pub fn take(&self, frame: pb::TunnelUp) -> Result<(), HubError> {
        let (request, answer) = match frame.frame {
            None | Some(Up::Hello(_)) => return Ok(()),
            Some(Up::Chunk(chunk)) if chunk.data.len() > CHUNK_BYTES => {
                let problem = Problem::TooLong { found: chunk.data.len(), most: CHUNK_BYTES };
                return Err(FieldError::new("chunk.data", problem).into());
            }
            Some(Up::Chunk(chunk)) => (chunk.request, Answer::Chunk { data: chunk.data, last: chunk.last }),
            Some(Up::Failure(failure)) => (failure.request, Answer::Failed(failure.cause())),
        };
        let mut answers = self.tunnel.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // A request that was cancelled may still be answered for a while.
        let Some(asker) = answers.get(&request) else { return Ok(()) };
        let ends = matches!(answer, Answer::Failed(_) | Answer::Chunk { last: true, .. });
        match asker.try_send(answer) {
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(FieldError::new("chunk.request", Problem::Unwanted("no credit is left")).into());
            }
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
        if ends {
            answers.remove(&request);
        }
        Ok(())
    }

    /// Waits until the hub closes the tunnel.
    pub async fn closed(&self) {
        self.tunnel.closed.cancelled().await;
    }
}

impl Drop for TunnelEnd {
    fn drop(&mut self) {
        self.tunnel.closed.cancel();
        let mut open = self.shelf.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tunnels) = open.get_mut(&self.organisation) {
            tunnels.retain(|tunnel| !Arc::ptr_eq(tunnel, &self.tunnel));
            if tunnels.is_empty() {
                open.remove(&self.organisation);
            }
        }
        self.tunnel.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Tunnel {
    /// Asks the node for an original.
    ///
    /// # Errors
    /// [`HubError::Away`] when the tunnel is closed, or stays full for too long.
    pub(super) async fn ask(self: &Arc<Self>, digest: Digest) -> Result<Asking, HubError> {
        let room = tokio::time::timeout(ROOM_TIMEOUT, Arc::clone(&self.room).acquire_owned()).await;
        let room = room.map_err(|_| HubError::Away)?.map_err(|_| HubError::Away)?;
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        // One more for the failure that may follow the last chunk there is credit for.
        let (asker, answers) = mpsc::channel(CREDIT_CHUNKS as usize + 1);
        {
            let mut waiting = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock: an end that is dropped clears what waits after it has closed the tunnel.
            if self.closed.is_cancelled() {
                return Err(HubError::Away);
            }
            waiting.insert(request, asker);
        }
        let digest = Bytes::copy_from_slice(digest.as_bytes());
        let asking = Asking { tunnel: Arc::clone(self), request, answers, owed: 0, ended: false, _room: room };
        let trace_parent = trace::current().map(|context| context.to_string()).unwrap_or_default();
        self.say(Down::Request(pb::TunnelRequest { request, digest, credit: CREDIT_CHUNKS, trace_parent }))?;
        Ok(asking)
    }

    fn say(&self, frame: Down) -> Result<(), HubError> {
        self.down.try_send(pb::TunnelDown { frame: Some(frame) }).map_err(|_| {
            self.closed.cancel();
            HubError::Away
        })
    }
}

impl Asking {
    /// Gives the next chunk, and whether it is the last. The chunk before it must have been dealt with.
    ///
    /// # Errors
    /// [`HubError::NoOriginal`], [`HubError::Mismatch`] or [`HubError::Away`], as the node says or when it says nothing.
    pub(super) async fn next(&mut self) -> Result<(Bytes, bool), HubError> {
        if self.owed >= CREDIT_CHUNKS / 2 {
            let credit = pb::TunnelCredit { request: self.request, chunks: std::mem::take(&mut self.owed) };
            self.tunnel.say(Down::Credit(credit))?;
        }
        let answer = tokio::time::timeout(CHUNK_TIMEOUT, self.answers.recv()).await.map_err(|_| HubError::Away)?;
        match answer {
            Some(Answer::Chunk { data, last }) => {
                self.owed += 1;
                self.ended = last;
                Ok((data, last))
            }
            Some(Answer::Failed(cause)) => {
                self.ended = true;
                Err(match cause {
                    Cause::Missing => HubError::NoOriginal,
                    Cause::Damaged => HubError::Mismatch,
                    Cause::Busy | Cause::Unspecified => HubError::Away,
                })
            }
            None => Err(HubError::Away),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.tunnel.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.request);
        if !self.ended {
            // A tunnel that cannot take it is closed, which cancels as well.
            let _ = self.tunnel.say(Down::Cancel(pb::TunnelCancel { request: self.request }));
        }
    }
}

/// Chunks that a node may send of one original before the hub has dealt with them.
const CREDIT_CHUNKS: u32 = 8;
/// Originals asked for at once over one tunnel; a node answers two more, while cancelled ones wind down.
const REQUESTS_MAX: usize = 6;
/// How long a request waits for its turn in a tunnel.
const ROOM_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a node may take for one chunk.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);
