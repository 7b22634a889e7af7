//! Turns: work on the same key waits for the work before it, work on other keys does not.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// One queue for each key that is in use now.
pub(super) struct Turns<K> {
    queues: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

/// The caller's turn; the next one begins when it is dropped.
pub(super) struct Turn {
    _guard: OwnedMutexGuard<()>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { queues: Mutex::default() }
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Waits for the caller's turn on a key.
    pub(super) async fn wait(&self, key: K) -> Turn {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            if queues.len() >= SWEEP_AT {
                queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            }
            Arc::clone(queues.entry(key).or_default())
        };
        Turn { _guard: queue.lock_owned().await }
    }
}

/// Number of queues at which those that nobody waits in are dropped.
const SWEEP_AT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_is_served_in_turn_and_another_at_once() {
        let turns = Turns::default();
        let first = turns.wait("a").await;
        assert!(tokio::time::timeout(std::time::Duration::ZERO, turns.wait("a")).await.is_err());
        let _other = turns.wait("b").await;
        drop(first);
        turns.wait("a").await;
    }

    #[tokio::test]
    async fn queues_that_nobody_uses_are_dropped() {
        let turns = Turns::default();
        for key in 0..2 * SWEEP_AT {
            turns.wait(key).await;
        }
        assert!(turns.queues.lock().unwrap().len() <= SWEEP_AT);
    }
}
