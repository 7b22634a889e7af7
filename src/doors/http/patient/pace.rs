//! How fast one patient may ask: a bucket of requests each, that fills again with time. Memory is bounded: a bucket that
//! is full again says nothing and goes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::domain::id::Pseudonym;

/// The buckets of patients who asked lately.
#[derive(Debug, Default)]
pub struct Pace(Mutex<HashMap<Pseudonym, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Pace {
    /// Takes one request out of the patient's bucket at an instant, or says that it is empty.
    pub fn take(&self, patient: Pseudonym, now: Instant) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&patient) {
            buckets.retain(|_, bucket| bucket.filled(now) < BUCKET_REQUESTS);
        }
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&patient) {
            return false;
        }
        let bucket = buckets.entry(patient).or_insert(Bucket { left: BUCKET_REQUESTS, at: now });
        *bucket = Bucket { left: bucket.filled(now), at: now };
        let taken = bucket.left >= 1.0;
        bucket.left -= if taken { 1.0 } else { 0.0 };
        taken
    }
}

impl Bucket {
    fn filled(&self, now: Instant) -> f64 {
        let came = now.duration_since(self.at).as_secs_f64() * REQUESTS_PER_SECOND;
        (self.left + came).min(BUCKET_REQUESTS)
    }
}

/// Requests that one patient may make at once.
const BUCKET_REQUESTS: f64 = 240.0;
/// Requests that one patient may make in the long run: a page four times a second.
const REQUESTS_PER_SECOND: f64 = 4.0;
const BUCKETS_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_patient_is_slowed_down_and_nobody_else() {
        let (pace, now) = (Pace::default(), Instant::now());
        let (greedy, other) = (Pseudonym::new([1; 16]), Pseudonym::new([2; 16]));
        assert_eq!((0..300).filter(|_| pace.take(greedy, now)).count(), 240);
        assert!(pace.take(other, now));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..9).filter(|_| pace.take(greedy, later)).count(), 4);
    }
}
