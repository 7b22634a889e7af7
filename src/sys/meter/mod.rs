//! Counters, gauges and histograms, and the page on which Prometheus reads them. Whoever counts keeps the counter itself:
//! counting costs one addition, and nobody looks up a name or writes a label for it.
//!
//! Source: Prometheus text exposition format, 0.0.4.

pub mod page;
pub mod table;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A metric: what stands on the page, and in `docs/observability.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name; the unit stands at the end.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it counts.
    pub help: &'static str,
}

/// Kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Is what it is now.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// How often each size came, up to bounds that are given in seconds.
#[derive(Debug)]
pub struct Histogram {
    bounds_s: &'static [f64],
    /// One more than bounds: the last is for whatever is larger.
    counts: Box<[Counter]>,
    sum_us: AtomicU64,
}

impl Kind {
    /// Gives the kind as the page spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Counter {
    /// Adds to the number.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Gives the number.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Histogram {
    /// Makes an empty histogram with bounds that rise.
    pub fn new(bounds_s: &'static [f64]) -> Self {
        assert!(bounds_s.is_sorted(), "the bounds of a histogram rise");
        let counts = std::iter::repeat_with(Counter::default).take(bounds_s.len() + 1).collect();
        Self { bounds_s, counts, sum_us: AtomicU64::new(0) }
    }

    /// Counts a time.
    pub fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let place = self.bounds_s.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(place) {
            count.add(1);
        }
        self.sum_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Gives how many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(Counter::value).sum()
    }
}

/// Bounds for what somebody waits for: 1 ms to 10 s, with one at the deadline of a check.
pub const WAITS_S: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0];
/// Bounds for what takes minutes to days.
pub const DELAYS_S: &[f64] =
    &[10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_once_up_to_its_bound() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for ms in [50, 100, 101, 5_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let counts: Vec<u64> = histogram.counts.iter().map(Counter::value).collect();
        assert_eq!((counts, histogram.count()), (vec![2, 1, 1], 4));
    }
}
