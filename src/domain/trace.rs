//! What ties together the work that one request makes in several processes: the trace, and the span that asked.
//!
//! Source: W3C Trace Context, level 1.

use std::fmt;
use std::str::FromStr;

/// Where a request stands in its trace; passed on as `traceparent`. It names no patient: all of it is drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace, the same in every process that takes part; never zero.
    pub trace: TraceId,
    /// The span that asks; never zero.
    pub span: SpanId,
    /// Whether whoever asks records its spans.
    pub sampled: bool,
}

/// Names a trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Names a span of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// A header is no `traceparent`; begin a trace of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct TraceError;

/// What came of a piece of work, for traces and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, and whoever asked may know why.
    Refused,
    /// We failed.
    Failed,
}

impl TraceContext {
    /// Makes the context of a request that nobody traced before, from bytes drawn at random.
    pub fn fresh(drawn: [u8; 24]) -> Self {
        let [a, b, c, d, e, f, g, h, trace @ ..] = drawn;
        Self { trace: TraceId(trace), span: SpanId([a, b, c, d, e, f, g, h]), sampled: true }
    }

    /// Makes the context of a span below this one.
    pub fn child(self, drawn: [u8; 24]) -> Self {
        Self { trace: self.trace, ..Self::fresh(drawn) }
    }
}

impl FromStr for TraceContext {
    type Err = TraceError;

    /// Reads a header of version 00, or what a later version has in the same places.
    fn from_str(text: &str) -> Result<Self, TraceError> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(TraceError);
        let (version, trace, span, flags) = (part()?, part()?, part()?, part()?);
        let [version] = lowercase_hex(version)?;
        let [flags] = lowercase_hex(flags)?;
        let (trace, span) = (lowercase_hex(trace)?, lowercase_hex(span)?);
        let is_known = version != 0xff && (version != 0 || parts.next().is_none());
        if !is_known || trace == [0; 16] || span == [0; 8] {
            return Err(TraceError);
        }
        Ok(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & 1 == 1 })
    }
}

fn lowercase_hex<const N: usize>(text: &str) -> Result<[u8; N], TraceError> {
    if text.len() != 2 * N || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(TraceError);
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| TraceError)?;
    Ok(bytes)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

macro_rules! hexadecimal {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }
    )*};
}

hexadecimal!(TraceId, SpanId);

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_and_written_the_same() {
        let read: TraceContext = HEADER.parse().unwrap();
        assert_eq!(read.to_string(), HEADER);
        assert!(read.sampled);
        let later = HEADER.replacen("00", "cc", 1) + "-what-comes-later";
        assert_eq!(later.parse::<TraceContext>().unwrap(), read);
    }

    #[test]
    fn anything_else_is_no_header() {
        let none = "0".repeat(32);
        let wrong = [
            "",
            "00",
            &HEADER[..HEADER.len() - 1],
            &HEADER.to_uppercase(),
            &HEADER.replacen("00", "ff", 1),
            &HEADER.replace("4bf92f3577b34da6a3ce929d0e0e4736", &none),
            &HEADER.replace("00f067aa0ba902b7", "0000000000000000"),
            &format!("{HEADER}-more"),
            "00-4bf92f3577b34da6a3ce929d0e0e473金-00f067aa0ba902b7-01",
        ];
        for text in wrong {
            assert_eq!(text.parse::<TraceContext>(), Err(TraceError), "{text}");
        }
        for end in 0..HEADER.len() {
            assert!(HEADER[..end].parse::<TraceContext>().is_err());
        }
    }

    #[test]
    fn a_child_stays_in_the_trace_under_a_span_of_its_own() {
        let parent = TraceContext::fresh(std::array::from_fn(|place| place as u8 + 1));
        let child = parent.child([7; 24]);
        assert_eq!(child.trace, parent.trace);
        assert_ne!(child.span, parent.span);
    }
}
