//! Whether a process lives and is ready: what its checks found last, for every door that is asked. The checks are made
//! elsewhere, at their own pace, so that asking costs nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// The health of a process; a cheap handle.
#[derive(Clone, Default)]
pub struct Health(Arc<Shared>);

#[derive(Default)]
struct Shared {
    looked: Mutex<Looked>,
    stopping: AtomicBool,
}

#[derive(Default)]
struct Looked {
    checks: Vec<Check>,
    /// When the checks were made last.
    at: Option<Instant>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// Why it is not well; empty where it is.
    pub reason: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Well,
    /// Something is missing without which the process still does its work.
    Degraded,
    /// The process cannot do its work.
    Failed,
}

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The checks were not made yet.
    Starting,
    /// It takes requests.
    Ready,
    /// It takes requests, and something is missing.
    Degraded,
    /// It cannot do its work.
    Failed,
    /// It ends what is under way and takes nothing new.
    Stopping,
}

/// What is told of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where it stands.
    pub status: Status,
    /// What the checks found.
    pub checks: Vec<Check>,
}

impl Check {
    /// Says that something is as it should be.
    pub fn well(name: &'static str) -> Self {
        Self { name, state: State::Well, reason: String::new() }
    }

    /// Says what is wrong, unless nothing is.
    pub fn of(name: &'static str, state: State, wrong: Option<String>) -> Self {
        match wrong {
            None => Self::well(name),
            Some(reason) => Self { name, state, reason },
        }
    }
}

impl Health {
    /// Keeps what the checks have found.
    pub fn found(&self, checks: Vec<Check>) {
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        *looked = Looked { checks, at: Some(Instant::now()) };
    }

    /// Says that the process ends what is under way and takes nothing new.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
    }

    /// Tells where the process stands.
    pub fn report(&self) -> Report {
        let checks = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner).checks.clone();
        let any = |state| checks.iter().any(|check| check.state == state);
        let status = match () {
            () if self.0.stopping.load(Ordering::SeqCst) => Status::Stopping,
            () if checks.is_empty() => Status::Starting,
            () if any(State::Failed) => Status::Failed,
            () if any(State::Degraded) => Status::Degraded,
            () => Status::Ready,
        };
        Report { status, checks }
    }

    /// Says whether the process still turns: somebody who makes the checks has come round lately.
    pub fn is_live(&self) -> bool {
        let looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.at.is_none_or(|at| at.elapsed() < LIVE_WAIT_MAX)
    }
}

impl Status {
    /// Says whether requests are taken.
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

/// The checks are made every second; whoever has not come round for so long is stuck.
const LIVE_WAIT_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_counts_and_a_stop_before_all() {
        let health = Health::default();
        assert_eq!((health.report().status, health.is_live()), (Status::Starting, true));
        let table = [
            (vec![Check::well("disk")], Status::Ready),
            (vec![Check::well("disk"), Check::of("hub", State::Degraded, Some("away".to_owned()))], Status::Degraded),
            (
                vec![
                    Check::of("hub", State::Degraded, Some("away".to_owned())),
                    Check::of("disk", State::Failed, Some("full".to_owned())),
                ],
                Status::Failed,
            ),
        ];
        for (checks, status) in table {
            health.found(checks.clone());
            assert_eq!(health.report(), Report { status, checks });
        }
        assert!(!Status::Starting.is_ready() && !Status::Failed.is_ready() && Status::Degraded.is_ready());
        health.stop();
        assert_eq!(health.report().status, Status::Stopping);
        assert!(!Status::Stopping.is_ready());
    }

    #[test]
    fn whoever_has_not_come_round_for_too_long_is_stuck() {
        let health = Health::default();
        health.found(vec![Check::well("disk")]);
        assert!(health.is_live());
        let long_ago = Instant::now().checked_sub(LIVE_WAIT_MAX);
        health.0.looked.lock().unwrap().at = Some(long_ago.unwrap());
        assert!(!health.is_live());
    }
}
