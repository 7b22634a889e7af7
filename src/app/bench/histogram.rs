//! Latencies in buckets: exact to one part in sixty-four, in a memory that does not grow.

use std::time::Duration;

/// Counts of latencies.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max_us: 0 }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn count(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(us).min(BUCKETS - 1)] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Gives how many were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Gives the longest, in microseconds.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// Gives the latency, in microseconds, that `percent` of all did not exceed; 0 where nothing was counted.
    pub fn percentile_us(&self, percent: f64) -> u64 {
        let rank = (self.total as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                return ceiling_us(bucket).min(self.max_us);
            }
        }
        self.max_us
    }
}

/// Up to 127 each value has a bucket; beyond, each power of two has sixty-four.
fn bucket(us: u64) -> usize {
    let shift = (63 - us.max(1).leading_zeros()).saturating_sub(SUB_BITS);
    (shift as usize) * (1 << SUB_BITS) + (us >> shift) as usize
}

/// Gives the largest value of a bucket.
fn ceiling_us(bucket: usize) -> u64 {
    let shift = (bucket >> SUB_BITS).saturating_sub(1);
    let place = (bucket - shift * (1 << SUB_BITS)) as u64;
    ((place + 1) << shift) - 1
}

const SUB_BITS: u32 = 6;
/// Enough for an hour.
const BUCKETS: usize = 30 << SUB_BITS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_a_sixty_fourth() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|us| histogram.count(Duration::from_micros(us)));
        for (percent, us) in [(50.0, 50_000), (95.0, 95_000), (99.0, 99_000), (100.0, 100_000)] {
            let found = histogram.percentile_us(percent);
            assert!(found >= us && found <= us + us / 64, "{percent}: {found}");
        }
        assert_eq!((histogram.total(), histogram.max_us()), (100_000, 100_000));
    }

    #[test]
    fn every_latency_lies_in_the_bucket_that_it_is_counted_in() {
        for us in (0..5_000).chain([1 << 20, (1 << 31) - 1]) {
            let at = bucket(us);
            assert!(us <= ceiling_us(at) && (at == 0 || us > ceiling_us(at - 1)), "{us}");
        }
    }

    #[test]
    fn merged_counts_are_those_of_both() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.count(Duration::from_micros(10));
        other.count(Duration::from_secs(7_000));
        one.add(&other);
        assert_eq!((one.total(), one.percentile_us(50.0), one.max_us()), (2, 10, 7_000_000_000));
    }
}
