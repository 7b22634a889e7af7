//! How fast one caller may ask: a bucket of requests each, that fills again with time. Memory is bounded: a bucket that
//! is full again says nothing and goes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The buckets of those who asked lately, each by its name `K`.
#[derive(Debug)]
pub struct Pace<K> {
    requests_per_s: f64,
    burst: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Eq + Hash> Pace<K> {
    /// Lets everybody make `burst` requests at once, and `requests_per_s` in the long run.
    pub fn new(requests_per_s: u32, burst: u32) -> Self {
        Self { requests_per_s: requests_per_s.into(), burst: burst.into(), buckets: Mutex::default() }
    }

    /// Takes one request out of a caller's bucket at an instant, or says that it is empty.
    pub fn take(&self, caller: K, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&caller) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
        }
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&caller) {
            return false;
        }
        let bucket = buckets.entry(caller).or_insert(Bucket { left: self.burst, at: now });
        *bucket = Bucket { left: self.filled(*bucket, now), at: now };
        let taken = bucket.left >= 1.0;
        bucket.left -= if taken { 1.0 } else { 0.0 };
        taken
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let came = now.duration_since(bucket.at).as_secs_f64() * self.requests_per_s;
        (bucket.left + came).min(self.burst)
    }
}

const BUCKETS_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_asks_too_fast_is_slowed_down_and_nobody_else() {
        let (pace, now) = (Pace::new(4, 240), Instant::now());
        assert_eq!((0..300).filter(|_| pace.take("greedy", now)).count(), 240);
        assert!(pace.take("other", now));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..9).filter(|_| pace.take("greedy", later)).count(), 4);
    }
}
