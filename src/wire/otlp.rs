//! Spans as collectors take them: the part of the OpenTelemetry protocol that is sent, and no more.
//!
//! Source: opentelemetry-proto 1.x, `trace/v1/trace.proto` and `collector/trace/v1/trace_service.proto`.

use bytes::Bytes;
use prost::Message;

/// What is sent in one call.
#[derive(Clone, PartialEq, Message)]
pub struct ExportRequest {
    /// One for each process; here always one.
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

/// The answer, of which nothing is read.
#[derive(Clone, PartialEq, Message)]
pub struct ExportResponse {}

/// Spans of one process.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    /// The process.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// The spans.
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
}

/// A process.
#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    /// Its names.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// Spans of one part of a process.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    /// The part.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The spans.
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
}

/// A part of a process.
#[derive(Clone, PartialEq, Message)]
pub struct Scope {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// A span.
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub trace_id: Bytes,
    /// 8 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub span_id: Bytes,
    /// 8 bytes; empty for the first of a trace.
    #[prost(bytes = "bytes", tag = "4")]
    pub parent_span_id: Bytes,
    /// What was done.
    #[prost(string, tag = "5")]
    pub name: String,
    /// [`KIND_INTERNAL`] or [`KIND_SERVER`].
    #[prost(int32, tag = "6")]
    pub kind: i32,
    /// When it began, in nanoseconds since 1970.
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    /// When it ended, in nanoseconds since 1970.
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    /// What else is known of it.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// What came of it.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
}

/// What came of a span.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// [`STATUS_OK`], [`STATUS_ERROR`], or 0 where nothing is said.
    #[prost(int32, tag = "3")]
    pub code: i32,
}

/// A name with its text.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The text.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// A text.
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    /// The text.
    #[prost(string, optional, tag = "1")]
    pub string_value: Option<String>,
}

impl KeyValue {
    /// Joins a name with its text.
    pub fn new(key: &str, value: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: Some(AnyValue { string_value: Some(value.into()) }) }
    }
}

/// Work of a process's own.
pub const KIND_INTERNAL: i32 = 1;
/// A request that is answered.
pub const KIND_SERVER: i32 = 2;
/// It was done.
pub const STATUS_OK: i32 = 1;
/// We failed.
pub const STATUS_ERROR: i32 = 2;
/// The path of the call.
pub const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
