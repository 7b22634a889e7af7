//! The hub over folders of its own, with nodes that keep and break the rules of a tunnel.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::{PromptId, ResultId};
use crate::domain::limits::TUNNELS_PER_HOSPITAL_MAX;
use crate::domain::organisation::Role;
use crate::service::hub::grant::Purpose;
use crate::service::hub::testing::{HOSPITAL, OTHER_HOSPITAL, World, caller, code};
use crate::wire::batch::{Header, digest};
use crate::wire::pb::tunnel_down::Frame as Down;
use crate::wire::pb::tunnel_failure::Cause;
use crate::wire::pb::tunnel_up::Frame as Up;

const ORIGINAL: &[u8] = b"MSH|^~\\&|LIS|FIRST|HUB";
const CHUNK: usize = 5;

/// A hub that knows one result, whose original is [`ORIGINAL`] unless said otherwise.
struct Fetching {
    world: World,
    grant: String,
    digest: Digest,
}

/// What a node does once it has sent its chunks.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Last,
    Failure(Cause),
    Hangs,
    Leaves,
}

impl Fetching {
    async fn of(original: &[u8]) -> Self {
        let world = World::new().await;
        let digest = digest(original);
        let mut entry = crate::wire::entry::tests::potassium();
        entry.originals[0].digest = digest;
        entry.originals[0].size_bytes = original.len() as u64;
        let header = Header {
            organisation: code(HOSPITAL),
            key_id: [1; 8],
            sequence: 1,
            previous: Digest::new([0; 32]),
            root: Digest::new([0; 32]),
            size: 1,
            sealed_at: world.hub.now(),
        };
        let entries = vec![entry::encode(&entry)];
        let batch = Batch { header_bytes: header.encode(), header, signature: [0; 64], entries };
        let received_at = Some(world.hub.now().into());
        let record = pb::BatchRecord { batch: batch.encode(), received_at, rejections: Vec::new() };
        let batch = world.record(Record::Batch(record)).await;
        let grant = world.hub.parts.grants.seal(&Grant {
            organisation: code(OTHER_HOSPITAL),
            purpose: Purpose::Viewed,
            prompt: Some(PromptId::new([1; 16])),
            consent: None,
            given: batch,
            result: ResultId::new([1; 16]),
            batch,
            entry: 0,
            expires_unix_ms: world.hub.now().plus_hours(1).unix_ms(),
        });
        Self { world, grant, digest }
    }

    /// Opens a tunnel to a node that sends these chunks, within its credit, to whoever asks. Gives how many it sent.
    fn node(&self, chunks: Vec<Bytes>, end: End) -> Arc<AtomicUsize> {
        let (tunnel, mut down) = self.world.hub.open_tunnel(&caller(HOSPITAL, Role::Hospital)).unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        tokio::spawn(async move {
            let tunnel = tunnel;
            while let Some(frame) = down.recv().await {
                let Some(Down::Request(asked)) = frame.frame else { continue };
                let mut credit = asked.credit;
                for (place, data) in chunks.iter().enumerate() {
                    while credit == 0 {
                        match down.recv().await.and_then(|frame| frame.frame) {
                            Some(Down::Credit(more)) => credit += more.chunks,
                            _ => return,
                        }
                    }
                    credit -= 1;
                    let last = end == End::Last && place + 1 == chunks.len();
                    let chunk = pb::TunnelChunk { request: asked.request, data: data.clone(), last };
                    tunnel.take(pb::TunnelUp { frame: Some(Up::Chunk(chunk)) }).unwrap();
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                match end {
                    End::Failure(cause) => {
                        let failure = pb::TunnelFailure { request: asked.request, cause: cause.into() };
                        tunnel.take(pb::TunnelUp { frame: Some(Up::Failure(failure)) }).unwrap();
                    }
                    End::Leaves => return,
                    End::Last | End::Hangs => {}
                }
            }
        });
        sent
    }

    async fn begin(&self, offset: u64) -> Result<Chunks, HubError> {
        let digest = Bytes::copy_from_slice(self.digest.as_bytes());
        let sent = pb::FetchRequest { grant: self.grant.clone(), digest, offset };
        self.world.hub.fetch(&caller(OTHER_HOSPITAL, Role::Hospital), &sent).await
    }

    /// Fetches from `offset`; gives the bytes released and the error at the end, if any.
    async fn fetch(&self, offset: u64) -> (Vec<u8>, Option<HubError>) {
        let mut chunks = self.begin(offset).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            match chunk {
                Ok(chunk) => {
                    assert_eq!(chunk.offset, offset + bytes.len() as u64);
                    bytes.extend_from_slice(&chunk.data);
                }
                Err(error) => return (bytes, Some(error)),
            }
        }
        (bytes, None)
    }

    fn fetches(&self) -> usize {
        let records = self.world.journal.reader().scan(0);
        records.filter(|record| record.as_ref().unwrap().kind == 9).count()
    }
}

fn cut(bytes: &[u8]) -> Vec<Bytes> {
    bytes.chunks(CHUNK).map(Bytes::copy_from_slice).collect()
}

#[tokio::test]
async fn an_original_comes_whole_from_any_byte_on() {
    let fetching = Fetching::of(ORIGINAL).await;
    fetching.node(cut(ORIGINAL), End::Last);
    for offset in 0..=ORIGINAL.len() {
        let (bytes, error) = fetching.fetch(offset as u64).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(bytes, ORIGINAL[offset..]);
        assert_eq!(fetching.fetches(), offset + 1, "every fetch is recorded");
    }
    let beyond = fetching.begin(ORIGINAL.len() as u64 + 1).await.unwrap_err();
    assert_eq!(beyond.fault(), Fault::BadInput);
}

#[tokio::test]
async fn an_empty_original_comes_as_one_empty_chunk() {
    let fetching = Fetching::of(b"").await;
    fetching.node(vec![Bytes::new()], End::Last);
    let mut chunks = fetching.begin(0).await.unwrap();
    assert_eq!(chunks.recv().await.unwrap().unwrap(), pb::Chunk::default());
    assert!(chunks.recv().await.is_none());
}

#[tokio::test]
async fn what_does_not_match_is_never_released_whole() {
    let bent = |place: usize| {
        let mut bytes = ORIGINAL.to_vec();
        bytes[place] ^= 1;
        bytes
    };
    let mut wrong: Vec<Vec<u8>> = (0..ORIGINAL.len()).map(bent).collect();
    wrong.extend((0..ORIGINAL.len()).map(|length| ORIGINAL[..length].to_vec()));
    wrong.push([ORIGINAL, b"!"].concat());
    let fetching = Fetching::of(ORIGINAL).await;
    for bytes in wrong {
        let chunks = if bytes.is_empty() { vec![Bytes::new()] } else { cut(&bytes) };
        let end = fetching.node(chunks, End::Last);
        let (released, error) = fetching.fetch(0).await;
        assert!(matches!(error, Some(HubError::Mismatch)), "{error:?}");
        assert!(released.len() < ORIGINAL.len());
        drop(end);
        fetching.world.hub.retrieval.tunnels.clear();
    }
}

#[tokio::test]
async fn a_chunk_that_would_push_the_last_one_out_is_refused() {
    let fetching = Fetching::of(ORIGINAL).await;
    let mut chunks = cut(ORIGINAL);
    chunks.push(Bytes::new());
    chunks.push(Bytes::new());
    fetching.node(chunks, End::Last);
    let (released, error) = fetching.fetch(0).await;
    assert!(matches!(error, Some(HubError::Mismatch)));
    assert_eq!(released, ORIGINAL[..ORIGINAL.len() / CHUNK * CHUNK]);
}

#[tokio::test]
async fn another_tunnel_is_tried_until_something_was_released() {
    let fetching = Fetching::of(ORIGINAL).await;
    for end in [End::Leaves, End::Failure(Cause::Busy), End::Failure(Cause::Missing)] {
        fetching.node(Vec::new(), end);
    }
    fetching.node(cut(&ORIGINAL[..CHUNK]), End::Leaves);
    fetching.node(cut(ORIGINAL), End::Last);
    let (bytes, error) = fetching.fetch(0).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(bytes, ORIGINAL);

    fetching.world.hub.retrieval.tunnels.clear();
    fetching.node(cut(&ORIGINAL[..3 * CHUNK]), End::Leaves);
    fetching.node(cut(ORIGINAL), End::Last);
    let (bytes, error) = fetching.fetch(0).await;
    assert!(matches!(error, Some(HubError::Away)), "the caller comes again for the rest");
    assert_eq!(bytes, ORIGINAL[..2 * CHUNK]);
    assert_eq!(fetching.fetch(bytes.len() as u64).await.0, ORIGINAL[2 * CHUNK..]);
}

#[tokio::test]
async fn a_slow_reader_slows_the_node() {
    let original = vec![7; 100 * CHUNK];
    let fetching = Fetching::of(&original).await;
    let sent = fetching.node(cut(&original), End::Last);
    let mut chunks = fetching.begin(0).await.unwrap();
    for read in 0..100 {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        let ahead = sent.load(Ordering::SeqCst) - read;
        assert!(ahead <= 16, "{ahead} chunks are in memory");
        chunks.recv().await.unwrap().unwrap();
    }
    assert!(chunks.recv().await.is_none());
}

#[tokio::test]
async fn a_fetch_that_nobody_reads_is_cancelled_at_the_node() {
    let fetching = Fetching::of(ORIGINAL).await;
    let (tunnel, mut down) = fetching.world.hub.open_tunnel(&caller(HOSPITAL, Role::Hospital)).unwrap();
    let chunks = fetching.begin(0).await.unwrap();
    let asked = down.recv().await.unwrap().frame.unwrap();
    drop(chunks);
    let cancelled = down.recv().await.unwrap().frame.unwrap();
    let (Down::Request(asked), Down::Cancel(cancelled)) = (asked, cancelled) else { panic!("not asked and cancelled") };
    assert_eq!(asked.request, cancelled.request);
    drop(tunnel);
}

#[tokio::test]
async fn a_node_that_breaks_the_rules_is_told_so() {
    let fetching = Fetching::of(ORIGINAL).await;
    let (tunnel, mut down) = fetching.world.hub.open_tunnel(&caller(HOSPITAL, Role::Hospital)).unwrap();
    let _chunks = fetching.begin(0).await.unwrap();
    let Some(Down::Request(asked)) = down.recv().await.unwrap().frame else { panic!("not asked") };
    let chunk = |data: Vec<u8>| pb::TunnelUp {
        frame: Some(Up::Chunk(pb::TunnelChunk { request: asked.request, data: data.into(), last: false })),
    };
    let large = tunnel.take(chunk(vec![0; crate::domain::limits::CHUNK_BYTES + 1])).unwrap_err();
    assert_eq!(large.fault(), Fault::BadInput);
    let overrun = (0..=asked.credit + 1).map(|_| tunnel.take(chunk(vec![0]))).find_map(Result::err).unwrap();
    assert_eq!(overrun.to_string(), "chunk.request: is not accepted here: no credit is left");
}

#[tokio::test]
async fn without_leave_or_node_nothing_is_recorded() {
    let mut fetching = Fetching::of(ORIGINAL).await;
    assert!(matches!(fetching.begin(0).await, Err(HubError::Away)));
    fetching.node(cut(ORIGINAL), End::Hangs);
    let digest = Bytes::copy_from_slice(fetching.digest.as_bytes());
    let sent = pb::FetchRequest { grant: fetching.grant.clone(), digest, offset: 0 };
    let foreign = fetching.world.hub.fetch(&caller(HOSPITAL, Role::Hospital), &sent).await.unwrap_err();
    assert_eq!(foreign.fault(), Fault::Denied);
    fetching.digest = Digest::new([0; 32]);
    assert!(matches!(fetching.begin(0).await, Err(HubError::NoOriginal)));
    assert_eq!(fetching.fetches(), 0);
}

#[tokio::test]
async fn an_organisation_fetches_only_so_much_at_once() {
    let fetching = Fetching::of(ORIGINAL).await;
    fetching.node(Vec::new(), End::Hangs);
    let mut under_way = Vec::new();
    for _ in 0..FETCHES_PER_ORGANISATION_MAX {
        under_way.push(fetching.begin(0).await.unwrap());
    }
    assert!(matches!(fetching.begin(0).await, Err(HubError::Limited)));
}

#[tokio::test]
async fn a_hospital_opens_only_so_many_tunnels_and_its_neighbour_and_its_originals_do_not_notice() {
    let fetching = Fetching::of(ORIGINAL).await;
    let hub = &fetching.world.hub;
    fetching.node(cut(ORIGINAL), End::Last);
    let open = |of| hub.open_tunnel(&caller(of, Role::Hospital));
    let mut idle = Vec::new();
    let refused = loop {
        match open(HOSPITAL) {
            Ok(tunnel) => idle.push(tunnel),
            Err(error) => break error,
        }
    };
    assert_eq!((refused.fault(), idle.len() + 1), (Fault::Limited, TUNNELS_PER_HOSPITAL_MAX));
    assert!(open(OTHER_HOSPITAL).is_ok(), "a neighbour opens its own");
    idle.pop();
    assert!(open(HOSPITAL).is_ok(), "a place that was given back is taken again");
    idle.clear();
    let (bytes, error) = fetching.fetch(0).await;
    assert!(bytes == ORIGINAL && error.is_none(), "{error:?}");
}
