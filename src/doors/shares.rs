//! Fair sharing of a hub among those who call it, whatever they call. While there is room anybody may use it; once half of
//! it is taken, nobody holds more than an equal share, so that whoever asks much waits and whoever asks little does not
//! notice. Nobody ever holds more than half of it, or asks faster than the operator allows.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::fault::{Fault, Faulty};
use crate::doors::pace::Pace;
use crate::doors::tls::Guest;

/// How much there is to share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareSettings {
    /// Most requests under way in all.
    pub requests_max: usize,
    /// Most requests of one caller a second in the long run, twice as many at once.
    pub requests_per_s: u32,
}

/// What is shared, and who holds how much of it.
#[derive(Debug)]
pub struct Shares {
    requests_max: usize,
    held: Mutex<Held>,
    pace: Pace<Guest>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    each: HashMap<Guest, usize>,
}

/// One request under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    shares: Arc<Shares>,
    guest: Guest,
}

/// A future that keeps its turn until it is done.
pub struct InTurn<F> {
    work: Pin<Box<F>>,
    _turn: Option<Turn>,
}

/// A caller has had its share for now; others are served meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverdrawnError {
    /// Too many requests under way.
    #[error("too many requests at once; wait for answers, then ask again")]
    AtOnce,
    /// Too many requests in a short time.
    #[error("too many requests in a short time; ask again in a second")]
    TooFast,
}

impl Shares {
    /// Makes the shares of a process.
    pub fn new(settings: ShareSettings) -> Arc<Self> {
        let pace = Pace::new(settings.requests_per_s, settings.requests_per_s.saturating_mul(2));
        Arc::new(Self { requests_max: settings.requests_max.max(2), held: Mutex::default(), pace })
    }

    /// Begins a request of `guest`.
    ///
    /// # Errors
    /// [`OverdrawnError`]; refuse the request, and say when to ask again.
    pub fn begin(self: &Arc<Self>, guest: Guest, now: Instant) -> Result<Turn, OverdrawnError> {
        if !self.pace.take(guest, now) {
            return Err(OverdrawnError::TooFast);
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.each.get(&guest).copied().unwrap_or_default();
        let half = self.requests_max / 2;
        let callers = held.each.len() + usize::from(own == 0);
        let share = if held.total < half { half } else { (self.requests_max / callers).clamp(1, half) };
        if own >= share || held.total >= self.requests_max {
            return Err(OverdrawnError::AtOnce);
        }
        held.total += 1;
        *held.each.entry(guest).or_default() += 1;
        Ok(Turn { shares: Arc::clone(self), guest })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        if let Some(own) = held.each.get_mut(&self.guest) {
            *own -= 1;
            if *own == 0 {
                held.each.remove(&self.guest);
            }
        }
    }
}

impl<F: Future> InTurn<F> {
    /// Ties a turn, where one is needed, to the work it is for.
    pub fn new(work: F, turn: Option<Turn>) -> Self {
        Self { work: Box::pin(work), _turn: turn }
    }
}

impl<F: Future> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.work.as_mut().poll(context)
    }
}

impl Faulty for OverdrawnError {
    fn fault(&self) -> Fault {
        Fault::Limited
    }
}

/// When whoever has had its share may ask again.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(last: u8) -> Guest {
        Guest::Address([10, 0, 0, last].into())
    }

    /// Begins as many requests of a guest as are let.
    fn fill(shares: &Arc<Shares>, last: u8) -> Vec<Turn> {
        std::iter::from_fn(|| shares.begin(guest(last), Instant::now()).ok()).collect()
    }

    #[test]
    fn one_who_asks_without_end_leaves_room_for_the_others() {
        let shares = Shares::new(ShareSettings { requests_max: 100, requests_per_s: 1_000 });
        let greedy = fill(&shares, 1);
        assert_eq!(greedy.len(), 50);
        assert_eq!(shares.begin(guest(1), Instant::now()).unwrap_err(), OverdrawnError::AtOnce);
        let second = fill(&shares, 2);
        assert_eq!(second.len(), 50, "until the room is full");
        drop(second);
        let (second, third) = (shares.begin(guest(2), Instant::now()), shares.begin(guest(3), Instant::now()));
        assert!(second.is_ok() && third.is_ok(), "whoever asks little does not notice");
        drop((greedy, second, third));
        assert_eq!(fill(&shares, 1).len(), 50, "what was given back can be taken again");
    }

    #[test]
    fn once_half_is_taken_nobody_takes_more_than_an_equal_share() {
        let shares = Shares::new(ShareSettings { requests_max: 100, requests_per_s: 1_000 });
        let mut held = Vec::new();
        for last in 1..=4 {
            held.push(shares.begin(guest(last), Instant::now()).unwrap());
        }
        held.extend(fill(&shares, 1));
        assert_eq!(held.iter().filter(|turn| turn.guest == guest(1)).count(), 47, "half is taken now");
        held.extend(fill(&shares, 2));
        assert_eq!(held.iter().filter(|turn| turn.guest == guest(2)).count(), 25, "a quarter");
    }

    #[test]
    fn asking_too_fast_is_found_whoever_else_asks() {
        let shares = Shares::new(ShareSettings { requests_max: 100, requests_per_s: 5 });
        let now = Instant::now();
        assert_eq!((0..50).filter(|_| shares.begin(guest(1), now).is_ok()).count(), 10);
        assert_eq!(shares.begin(guest(1), now).unwrap_err(), OverdrawnError::TooFast);
        assert!(shares.begin(guest(2), now).is_ok());
    }
}
