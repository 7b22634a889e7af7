//! Gives spans to a collector: OTLP over gRPC, in groups, when there is time. Nobody waits for it, and what it does not take
//! is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::domain::limits::SPANS_WAITING_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::domain::trace::Outcome;
use crate::ports::trace::{Span, SpanKind, SpanSink};
use crate::wire::otlp::{self, KeyValue};

/// Where a process leaves its spans.
pub struct SpanQueue {
    spans: mpsc::Sender<Span>,
    counts: Arc<Counts>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct Counts {
    exported: AtomicU64,
    dropped: AtomicU64,
}

/// Takes the spans from the queue to the collector; somebody must run it.
pub struct Exporter {
    spans: mpsc::Receiver<Span>,
    counts: Arc<Counts>,
    channel: Channel,
    resource: otlp::Resource,
}

/// The collector's address is none; correct the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address of a collector, as http://127.0.0.1:4317")]
pub struct CollectorError;

/// Makes the queue of a process and its exporter. It must be called in a runtime.
///
/// # Errors
/// [`CollectorError`]; correct the configuration.
pub fn collector(endpoint: &str, service: &str, of: &str) -> Result<(SpanQueue, Exporter), CollectorError> {
    let endpoint = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| CollectorError)?;
    let channel = endpoint.connect_timeout(CALL_WAIT).timeout(CALL_WAIT).connect_lazy();
    let (spans, waiting) = mpsc::channel(SPANS_WAITING_MAX);
    let counts = Arc::<Counts>::default();
    let resource = otlp::Resource {
        attributes: vec![
            KeyValue::new("service.name", service),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", of),
        ],
    };
    let exporter = Exporter { spans: waiting, counts: Arc::clone(&counts), channel, resource };
    Ok((SpanQueue { spans, counts }, exporter))
}

impl SpanQueue {
    /// Gives what became of spans.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl Counts {
    /// Gives the spans that a collector has taken, and those that none has.
    pub fn values(&self) -> (u64, u64) {
        (self.exported.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

impl SpanSink for SpanQueue {
    fn take(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Exporter {
    /// Gives spans to the collector until `stop`, and then what still waits.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut was_taken = true;
        loop {
            let is_last = stop.run_until_cancelled(tokio::time::sleep(EXPORT_INTERVAL)).await.is_none();
            let mut group = Vec::new();
            while let Ok(span) = self.spans.try_recv() {
                group.push(span);
            }
            for spans in group.chunks(GROUP_SPANS_MAX) {
                let taken = self.export(spans).await;
                let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
                let counter = if taken.is_ok() { &self.counts.exported } else { &self.counts.dropped };
                counter.fetch_add(count, Ordering::Relaxed);
                match taken {
                    Ok(()) => was_taken = true,
                    // Told once: a collector that is away must not fill the log.
                    Err(status) => {
                        if std::mem::take(&mut was_taken) {
                            tracing::info!(code = ?status.code(), "the collector takes no spans");
                        }
                    }
                }
            }
            if is_last {
                return;
            }
        }
    }

    async fn export(&self, spans: &[Span]) -> Result<(), Status> {
        let scope = otlp::Scope { name: "concord".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let scope_spans = otlp::ScopeSpans { scope: Some(scope), spans: spans.iter().map(written).collect() };
        let resource = Some(self.resource.clone());
        let resource_spans = vec![otlp::ResourceSpans { resource, scope_spans: vec![scope_spans] }];
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|_| Status::unavailable("collector"))?;
        let codec = ProstCodec::<otlp::ExportRequest, otlp::ExportResponse>::default();
        let path = PathAndQuery::from_static(otlp::EXPORT);
        client.unary(Request::new(otlp::ExportRequest { resource_spans }), path, codec).await.map(drop)
    }
}

fn written(span: &Span) -> otlp::Span {
    let organisation = span.organisation.as_ref().map(OrganisationCode::as_str);
    let organisation = organisation.map(|code| KeyValue::new("concord.organisation", code));
    let code = match span.outcome {
        Outcome::Done => otlp::STATUS_OK,
        Outcome::Refused => 0,
        Outcome::Failed => otlp::STATUS_ERROR,
    };
    otlp::Span {
        trace_id: Bytes::copy_from_slice(&span.context.trace.0),
        span_id: Bytes::copy_from_slice(&span.context.span.0),
        parent_span_id: span.parent.map(|parent| Bytes::copy_from_slice(&parent.0)).unwrap_or_default(),
        name: span.name.to_owned(),
        kind: match span.kind {
            SpanKind::Internal => otlp::KIND_INTERNAL,
            SpanKind::Server => otlp::KIND_SERVER,
        },
        start_time_unix_nano: span.began_unix_ns,
        end_time_unix_nano: span.ended_unix_ns,
        attributes: [KeyValue::new("concord.outcome", span.code)].into_iter().chain(organisation).collect(),
        status: Some(otlp::Status { code }),
    }
}

const EXPORT_INTERVAL: Duration = Duration::from_secs(1);
const GROUP_SPANS_MAX: usize = 512;
const CALL_WAIT: Duration = Duration::from_secs(5);
