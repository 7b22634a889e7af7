//! `[traces]` of `hub.toml` and `node.toml`: where spans go. Without it they go nowhere, and a request carries its trace all
//! the same, for the log.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use crate::app::process::Behind;
use crate::peer::collector::{CollectorError, Counts, collector};
use crate::ports::trace::{Machine, SpanSink, Tracer};
use crate::sys::{machine, random};

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesPart {
    /// A collector on this machine that takes OTLP over gRPC, as `http://127.0.0.1:4317`.
    #[serde(deserialize_with = "nearby")]
    pub endpoint: String,
}

/// What became of the spans of a process.
#[derive(Debug, Clone, Default)]
pub struct Spans(Option<Arc<Counts>>);

impl Spans {
    /// Gives the spans that a collector has taken, and those that none has.
    pub fn counts(&self) -> (u64, u64) {
        self.0.as_ref().map_or((0, 0), |counts| counts.values())
    }
}

/// Makes the tracer of a process: `service` is its kind, `of` says whose it is. It must be called in a runtime.
///
/// # Errors
/// [`CollectorError`]; correct the configuration.
pub fn tracer(
    part: Option<&TracesPart>,
    service: &str,
    of: &str,
    behind: &Behind,
) -> Result<(Tracer, Spans), CollectorError> {
    let machine = Machine { dice: random::bytes::<24>, unix_ns: machine::unix_ns };
    let Some(part) = part else { return Ok((Tracer::new(machine, None), Spans::default())) };
    let (queue, exporter) = collector(&part.endpoint, service, of)?;
    behind.tasks.spawn(exporter.run(behind.stop.clone()));
    let counts = queue.counts();
    Ok((Tracer::new(machine, Some(Arc::new(queue) as Arc<dyn SpanSink>)), Spans(Some(counts))))
}

/// Takes an address of this machine only: spans name hospitals and calls, and go without TLS.
fn nearby<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let uri: http::Uri = text.parse().map_err(de::Error::custom)?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() == Some("http") && is_near {
        true => Ok(text),
        false => Err(de::Error::custom("name a collector on this machine, as http://127.0.0.1:4317")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_collector_on_this_machine_is_taken() {
        let read = |endpoint: &str| toml::from_str::<TracesPart>(&format!("endpoint = \"{endpoint}\"")).is_ok();
        let taken = ["http://127.0.0.1:4317", "http://localhost:4317", "http://[::1]:4317"];
        let refused =
            ["http://10.0.0.7:4317", "https://127.0.0.1:4317", "http://127.0.0.1.example.cn:4317", "", "127.0.0.1"];
        assert!(taken.iter().all(|endpoint| read(endpoint)));
        assert!(!refused.iter().any(|endpoint| read(endpoint)));
    }
}
