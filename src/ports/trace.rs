//! Spans: which work belongs to one request, wherever it is done. Who asks whom is passed along with the request, also
//! where nobody collects spans: log lines of hub and node then bear the same trace.

use std::sync::{Arc, OnceLock};

use crate::domain::organisation::OrganisationCode;
use crate::domain::trace::{Outcome, SpanId, TraceContext};

/// Takes spans that have ended: the exporter of a process, or a test.
pub trait SpanSink: Send + Sync {
    /// Takes a span; must not wait.
    fn take(&self, span: Span);
}

/// Gives what spans need of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Draws at random.
    pub dice: fn() -> [u8; 24],
    /// Tells the time, in nanoseconds since 1970.
    pub unix_ns: fn() -> u64,
}

/// Makes spans; a cheap handle.
#[derive(Clone)]
pub struct Tracer {
    machine: Machine,
    sink: Option<Arc<dyn SpanSink>>,
}

/// On which side of a call a span stands. Source: OpenTelemetry, `SpanKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Work of a process's own.
    Internal,
    /// A request that is answered.
    Server,
}

/// A span that has ended.
#[derive(Debug, Clone)]
pub struct Span {
    /// What was done: the name of a call, or one of a few words. Never content.
    pub name: &'static str,
    /// On which side of a call.
    pub kind: SpanKind,
    /// Trace and own name.
    pub context: TraceContext,
    /// The span that asked for it.
    pub parent: Option<SpanId>,
    /// When it began, in nanoseconds since 1970.
    pub began_unix_ns: u64,
    /// When it ended, in nanoseconds since 1970.
    pub ended_unix_ns: u64,
    /// For whom it was done.
    pub organisation: Option<OrganisationCode>,
    /// What came of it, as a code of the protocol.
    pub code: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// A span under way: what is done inside [`Work::within`] belongs to it.
pub struct Work(Arc<Inner>);

struct Inner {
    tracer: Tracer,
    name: &'static str,
    kind: SpanKind,
    context: TraceContext,
    parent: Option<SpanId>,
    began_unix_ns: u64,
    organisation: OnceLock<OrganisationCode>,
}

impl Tracer {
    /// Makes a tracer whose spans go to `sink`, or nowhere.
    pub fn new(machine: Machine, sink: Option<Arc<dyn SpanSink>>) -> Self {
        Self { machine, sink }
    }

    /// Begins a span below `parent`, or a trace where there is none.
    pub fn begin(&self, name: &'static str, kind: SpanKind, parent: Option<TraceContext>) -> Work {
        let drawn = (self.machine.dice)();
        let context = parent.map_or_else(|| TraceContext::fresh(drawn), |parent| parent.child(drawn));
        Work(Arc::new(Inner {
            tracer: self.clone(),
            name,
            kind,
            context,
            parent: parent.map(|parent| parent.span),
            began_unix_ns: (self.machine.unix_ns)(),
            organisation: OnceLock::new(),
        }))
    }
}

impl Work {
    /// Does `work` as part of the span.
    pub async fn within<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(Arc::clone(&self.0), work).await
    }

    /// Gives trace and name of the span.
    pub fn context(&self) -> TraceContext {
        self.0.context
    }

    /// Says for whom the work is done; the first word counts.
    pub fn is_for(&self, organisation: OrganisationCode) {
        let _ = self.0.organisation.set(organisation);
    }

    /// Says for whom the work is done, once that is known.
    pub fn organisation(&self) -> Option<OrganisationCode> {
        self.0.organisation.get().copied()
    }

    /// Ends the span, and gives how long it lasted, in nanoseconds.
    pub fn end(self, code: &'static str, outcome: Outcome) -> u64 {
        let inner = &self.0;
        let ended_unix_ns = (inner.tracer.machine.unix_ns)().max(inner.began_unix_ns);
        if let Some(sink) = &inner.tracer.sink {
            sink.take(Span {
                name: inner.name,
                kind: inner.kind,
                context: inner.context,
                parent: inner.parent,
                began_unix_ns: inner.began_unix_ns,
                ended_unix_ns,
                organisation: self.organisation(),
                code,
                outcome,
            });
        }
        ended_unix_ns - inner.began_unix_ns
    }
}

/// Gives the context under which this task asks others, when it works for somebody.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|inner| inner.context).ok()
}

/// Makes work that another task will do part of the present span.
pub fn inherited<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let current = CURRENT.try_with(Arc::clone).ok();
    async move {
        match current {
            Some(current) => CURRENT.scope(current, work).await,
            None => work.await,
        }
    }
}

/// Says for whom the present work is done, where that is found out only in its course.
pub fn is_for(organisation: OrganisationCode) {
    let _ = CURRENT.try_with(|inner| inner.organisation.set(organisation));
}

tokio::task_local! {
    static CURRENT: Arc<Inner>;
}

/// Name of the header, and of the field of gRPC metadata, that carries a context.
pub const TRACE_PARENT: &str = "traceparent";
