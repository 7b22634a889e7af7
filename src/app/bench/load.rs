//! Clients that ask and wait, as fast as they are answered or at a steady rate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::app::bench::BenchError;
use crate::app::bench::histogram::Histogram;

/// A question under way.
pub type Asked = Pin<Box<dyn Future<Output = Result<(), BenchError>> + Send>>;

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Latencies of what succeeded.
    pub latencies: Histogram,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Run {
    /// Gives what was done in a second.
    pub fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.latencies.total() as f64 / self.seconds } else { 0.0 }
    }

    /// Adds another run of the same thing, before or after this one.
    pub fn and(mut self, other: &Self) -> Self {
        self.latencies.add(&other.latencies);
        self.seconds += other.seconds;
        self
    }
}

/// Runs `clients` at once for `seconds`; each asks again as soon as it is answered. What is asked gets the client's place
/// and a number that no other question of the run has, from `first` on.
///
/// # Errors
/// The first failure of a question: a figure over failures would be none.
pub async fn flat_out<F, A>(clients: usize, seconds: f64, first: &AtomicU64, ask: F) -> Result<Run, BenchError>
where
    F: Fn(usize, u64) -> A + Send + Sync + 'static,
    A: Future<Output = Result<(), BenchError>> + Send,
{
    let begin = first.fetch_add(NUMBERS, Ordering::Relaxed);
    let (ask, numbers) = (Arc::new(ask), Arc::new(AtomicU64::new(begin)));
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let mut running = JoinSet::new();
    for client in 0..clients.max(1) {
        let (ask, numbers) = (Arc::clone(&ask), Arc::clone(&numbers));
        running.spawn(async move {
            let mut latencies = Histogram::default();
            while Instant::now() < end {
                let asked = Instant::now();
                ask(client, numbers.fetch_add(1, Ordering::Relaxed)).await?;
                latencies.count(asked.elapsed());
            }
            Ok::<_, BenchError>(latencies)
        });
    }
    gathered(running, started).await
}

/// Runs questions at a steady rate for `seconds`, and counts each from the instant at which it was due: a server that
/// falls behind is not excused by being asked less.
///
/// # Errors
/// As for [`flat_out`].
pub async fn steady<F, A>(rate: f64, clients: usize, seconds: f64, first: &AtomicU64, ask: F) -> Result<Run, BenchError>
where
    F: Fn(usize, u64) -> A + Send + Sync + 'static,
    A: Future<Output = Result<(), BenchError>> + Send,
{
    let begin = first.fetch_add(NUMBERS, Ordering::Relaxed);
    let (ask, slots) = (Arc::new(ask), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let mut running = JoinSet::new();
    // Enough for the queue that builds up while one answer is late.
    for client in 0..clients.max(1) * 4 {
        let (ask, slots) = (Arc::clone(&ask), Arc::clone(&slots));
        running.spawn(async move {
            let mut latencies = Histogram::default();
            loop {
                let slot = slots.fetch_add(1, Ordering::Relaxed);
                let due = started + Duration::from_secs_f64(slot as f64 / rate.max(0.1));
                if due >= end {
                    return Ok::<_, BenchError>(latencies);
                }
                sleep_until(due).await;
                ask(client, begin + slot).await?;
                latencies.count(due.elapsed());
            }
        });
    }
    gathered(running, started).await
}

async fn gathered(mut running: JoinSet<Result<Histogram, BenchError>>, started: Instant) -> Result<Run, BenchError> {
    let mut run = Run::default();
    while let Some(ended) = running.join_next().await {
        run.latencies.add(&ended.map_err(|_| BenchError::Client)??);
    }
    run.seconds = started.elapsed().as_secs_f64();
    Ok(run)
}

/// Numbers set aside for one run.
const NUMBERS: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn every_question_has_a_number_of_its_own_and_is_counted() {
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let first = AtomicU64::new(0);
        let note = |asked: &Arc<Mutex<BTreeSet<u64>>>| {
            let asked = Arc::clone(asked);
            move |_, number| {
                let fresh = asked.lock().unwrap().insert(number);
                async move {
                    tokio::task::yield_now().await;
                    if fresh { Ok(()) } else { Err(BenchError::Client) }
                }
            }
        };
        let fast = flat_out(4, 0.05, &first, note(&asked)).await.unwrap();
        let slow = steady(200.0, 2, 0.1, &first, note(&asked)).await.unwrap();
        assert_eq!(slow.latencies.total(), 20);
        assert_eq!(fast.latencies.total() + slow.latencies.total(), asked.lock().unwrap().len() as u64);
    }

    #[tokio::test]
    async fn a_failure_ends_the_run() {
        let first = AtomicU64::new(0);
        let failed = flat_out(2, 5.0, &first, |_, number| async move {
            if number % NUMBERS == 7 { Err(BenchError::Client) } else { Ok(()) }
        });
        assert!(failed.await.is_err());
    }
}
