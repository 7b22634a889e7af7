//! Bringing originals from the hospital that keeps them: leave is checked, the fetch is recorded, and then bytes are
//! released as they come, the last of them only when all have matched the digest that was signed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::domain::entry::Original;
use crate::domain::id::Digest;
use crate::domain::limits::FETCHES_PER_ORGANISATION_MAX;
use crate::domain::organisation::{Caller, OrganisationCode};
use crate::domain::time::Moment;
use crate::ports::trace;
use crate::service::hub::Hub;
use crate::service::hub::access::basis_code;
use crate::service::hub::audience::Basis;
use crate::service::hub::candidates::Found;
use crate::service::hub::error::HubError;
use crate::service::hub::grant::{Grant, Purpose};
use crate::service::hub::places::Places;
pub use crate::service::hub::tunnel::TunnelEnd;
use crate::service::hub::tunnel::{FRAMES_DOWN_MAX, Tunnel, Tunnels};
use crate::wire::batch::Batch;
use crate::wire::field::{FieldError, Problem, fixed};
use crate::wire::record::Record;
use crate::wire::{entry, pb};

/// Originals that come as chunks; the last item may be the reason why no more come.
pub type Chunks = mpsc::Receiver<Result<pb::Chunk, HubError>>;

/// What the hub keeps for retrieval.
pub(super) struct Retrieval {
    tunnels: Tunnels,
    fetches: Places,
}

impl Hub {
    /// Opens a tunnel to the caller's hospital; the frames for its node come out of the receiver.
    ///
    /// # Errors
    /// [`HubError::Limited`] when the hospital has too many.
    pub fn open_tunnel(&self, caller: &Caller) -> Result<(TunnelEnd, mpsc::Receiver<pb::TunnelDown>), HubError> {
        let (down, frames) = mpsc::channel(FRAMES_DOWN_MAX);
        Ok((self.retrieval.tunnels.attach(caller.organisation, down)?, frames))
    }

    /// Closes all tunnels, so that the process can end.
    pub fn close_tunnels(&self) {
        self.retrieval.tunnels.close();
    }

    /// Begins to bring an original, once the fetch is durably recorded.
    ///
    /// # Errors
    /// [`HubError::Grant`], [`HubError::NoOriginal`], [`HubError::Away`], [`HubError::Limited`] or [`HubError::Field`];
    /// nothing was brought. The chunks may still end with [`HubError::Mismatch`] or [`HubError::Away`].
    pub async fn fetch(&self, caller: &Caller, sent: &pb::FetchRequest) -> Result<Chunks, HubError> {
        let digest: Digest = fixed("digest", &sent.digest)?;
        let now = self.now();
        let grant = self.parts.grants.open(&sent.grant, caller.organisation, now)?;
        let place = self.retrieval.fetches.take(caller.organisation)?;
        let (found, original, actor) = self.original(&grant, digest).await?;
        let (publisher, patient) = (found.entry.publisher, found.entry.patient);
        let basis = self.still_granted(caller, &grant, &found, now)?;
        if sent.offset > original.size_bytes {
            return Err(FieldError::new("offset", Problem::Form("place in the original")).into());
        }
        if self.retrieval.tunnels.of(publisher).is_empty() {
            return Err(HubError::Away);
        }
        let record = Record::Fetch(pb::FetchRecord {
            organisation: caller.organisation.to_string(),
            result_id: Bytes::copy_from_slice(grant.result.as_bytes()),
            digest: sent.digest.clone(),
            purpose: grant.purpose.as_str().to_owned(),
            at: Some(now.into()),
            client: caller.name.clone(),
            patient: Bytes::copy_from_slice(patient.as_bytes()),
            actor,
            prompt_id: grant.prompt.map(|prompt| Bytes::copy_from_slice(prompt.as_bytes())).unwrap_or_default(),
            consent_id: match basis {
                Basis::Consent(consent) => Bytes::copy_from_slice(consent.as_bytes()),
                _ => Bytes::new(),
            },
            basis: basis_code(basis).into(),
        });
        self.parts.ledger.record(&[record]).await?;
        let (out, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
        let bringing = bring(self.retrieval.tunnels.clone(), publisher, original, sent.offset, out, place);
        tokio::spawn(trace::inherited(bringing));
        Ok(chunks)
    }

    /// Says by what right a grant may still be used: what it rests on may have ended since it was given.
    fn still_granted(&self, caller: &Caller, grant: &Grant, found: &Found, now: Moment) -> Result<Basis, HubError> {
        let basis = match (grant.purpose, grant.consent) {
            (Purpose::Accepted | Purpose::Viewed, _) => {
                let audience = self.audience(caller.organisation, found.entry.patient, now)?;
                return audience.admits(&found.entry).ok_or(HubError::NotPermitted);
            }
            (Purpose::Consented, Some(consent)) => Basis::Consent(consent),
            (Purpose::Consented, None) => return Err(HubError::NotPermitted),
            (Purpose::BreakGlass, _) => Basis::BreakGlass,
            (Purpose::Patient, _) => Basis::Patient,
        };
        if self.still_open(caller, basis, found, now)? { Ok(basis) } else { Err(HubError::NotPermitted) }
    }

    /// Finds the original among those of the entry that the grant is for, and who was given the grant.
    async fn original(&self, grant: &Grant, digest: Digest) -> Result<(Found, Original, Option<pb::Actor>), HubError> {
        let (ledger, batch, given) = (self.parts.ledger.clone(), grant.batch, grant.given);
        let read = move || Ok::<_, HubError>((ledger.read(batch)?, ledger.read(given)?));
        let (record, given) = tokio::task::spawn_blocking(read).await.map_err(|_| HubError::Behind)??;
        let Record::Batch(record) = record else { return Err(HubError::NoOriginal) };
        let batch = Batch::decode(record.batch)?;
        let bytes = batch.entries.get(usize::from(grant.entry)).ok_or(HubError::NoOriginal)?;
        let entry = entry::decode(bytes)?;
        let original = entry.originals.iter().find(|original| original.digest == digest).cloned();
        let actor = match given {
            Record::Decision(record) => record.actor,
            Record::Event(record) => record.actor,
            Record::Access(record) => record.access.and_then(|access| access.actor),
            _ => None,
        };
        let found = Found { entry, batch: grant.batch, place: grant.entry, key_valid: true };
        Ok((found, original.ok_or(HubError::NoOriginal)?, actor))
    }
}

impl Retrieval {
    /// Counts the open tunnels by hospital.
    pub(super) fn tunnels(&self) -> BTreeMap<OrganisationCode, usize> {
        self.tunnels.count()
    }
}

impl Default for Retrieval {
    fn default() -> Self {
        Self { tunnels: Tunnels::default(), fetches: Places::new(FETCHES_PER_ORGANISATION_MAX) }
    }
}

/// Tries one tunnel after the other until one has released something; ends when nobody reads any more.
async fn bring(
    tunnels: Tunnels,
    publisher: OrganisationCode,
    original: Original,
    offset: u64,
    out: mpsc::Sender<Result<pb::Chunk, HubError>>,
    _place: OwnedSemaphorePermit,
) {
    let mut failed = HubError::Away;
    for tunnel in tunnels.of(publisher) {
        let mut release = Release::new(&original, offset);
        let brought = tokio::select! {
            () = out.closed() => return,
            brought = through(&tunnel, &mut release, &out) => brought,
        };
        match brought {
            Ok(()) => return,
            Err(error) => failed = error,
        }
        if release.begun {
            break;
        }
    }
    if matches!(failed, HubError::Mismatch) {
        tracing::error!(%publisher, digest = %original.digest, "an original does not match its signed digest");
    }
    let _ = tokio::time::timeout(READER_TIMEOUT, out.send(Err(failed))).await;
}

async fn through(
    tunnel: &Arc<Tunnel>,
    release: &mut Release,
    out: &mpsc::Sender<Result<pb::Chunk, HubError>>,
) -> Result<(), HubError> {
    let mut asking = tunnel.ask(release.digest).await?;
    loop {
        let (data, last) = asking.next().await?;
        for chunk in release.take(data, last)? {
            let sent = tokio::time::timeout(READER_TIMEOUT, out.send(Ok(chunk))).await;
            // Whoever reads so slowly, or no more, is told nothing more.
            if !matches!(sent, Ok(Ok(()))) {
                return Ok(());
            }
        }
        if last {
            return Ok(());
        }
    }
}

/// Decides which bytes may go out. The last ones that came are always held back, so that nobody has a whole original
/// that does not match.
struct Release {
    digest: Digest,
    size_bytes: u64,
    /// First byte wanted.
    offset: u64,
    hash: Sha256,
    /// Bytes that came.
    taken: u64,
    /// What came last, with its place.
    held: Option<(u64, Bytes)>,
    /// Whether anything went out.
    begun: bool,
}

impl Release {
    fn new(original: &Original, offset: u64) -> Self {
        let (digest, size_bytes) = (original.digest, original.size_bytes);
        Self { digest, size_bytes, offset, hash: Sha256::new(), taken: 0, held: None, begun: false }
    }

    /// Takes what came, and gives what may go out.
    fn take(&mut self, data: Bytes, last: bool) -> Result<Vec<pb::Chunk>, HubError> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let left = self.size_bytes - self.taken;
        if length > left || (data.is_empty() && !last) {
            return Err(HubError::Mismatch);
        }
        self.hash.update(&data);
        let mut out = Vec::new();
        if !data.is_empty() {
            let before = self.held.replace((self.taken, data));
            self.taken += length;
            out.extend(before.and_then(|held| self.cut(held)));
        }
        if last {
            let found = Digest::new(self.hash.finalize_reset().into());
            if self.taken != self.size_bytes || found != self.digest {
                return Err(HubError::Mismatch);
            }
            out.extend(self.held.take().and_then(|held| self.cut(held)));
            if out.is_empty() && !self.begun {
                // Nothing was wanted but the word that it matches.
                out.push(pb::Chunk { offset: self.offset, data: Bytes::new(), size_bytes: self.size_bytes });
            }
        }
        self.begun |= !out.is_empty();
        Ok(out)
    }

    /// Leaves out what lies before the first byte wanted.
    fn cut(&self, (place, mut data): (u64, Bytes)) -> Option<pb::Chunk> {
        let before = usize::try_from(self.offset.saturating_sub(place)).unwrap_or(usize::MAX).min(data.len());
        let data = data.split_off(before);
        let offset = place.max(self.offset);
        (!data.is_empty()).then_some(pb::Chunk { offset, data, size_bytes: self.size_bytes })
    }
}

/// Chunks that wait for a slow reader beside those that the node has credit for.
const CHUNKS_WAITING_MAX: usize = 2;
/// How long a reader may take for one chunk.
const READER_TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
