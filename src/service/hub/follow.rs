//! Following the journal: one step whenever something has become durable, until told to stop.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::fault::Faulty;
use crate::service::hub::error::HubError;

/// When steps are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// Least time from one step to the next.
    pub(super) pace: Duration,
    /// Longest time without a step.
    pub(super) rest: Duration,
}

/// Steps `follower` now, after each group that becomes durable, and whenever it has rested. Gives it back at the stop;
/// nothing when a step has failed, which is logged here with `what` has stopped.
pub(super) async fn follow<F: Send + 'static>(
    mut follower: F,
    step: fn(&mut F) -> Result<(), HubError>,
    mut committed: watch::Receiver<u64>,
    (what, rhythm): (&'static str, Rhythm),
    stop: CancellationToken,
) -> Option<F> {
    loop {
        let began = Instant::now();
        committed.mark_unchanged();
        let stepped = tokio::task::spawn_blocking(move || {
            let outcome = step(&mut follower);
            (follower, outcome)
        });
        let (returned, outcome) = stepped.await.ok()?;
        follower = returned;
        if let Err(error) = outcome {
            tracing::error!(%error, fault = ?error.fault(), what, "stopped following the journal; restart rebuilds it");
            return None;
        }
        let grown = async {
            let grown = tokio::time::timeout_at(began + rhythm.rest, committed.changed()).await;
            tokio::time::sleep_until(began + rhythm.pace).await;
            grown.unwrap_or(Ok(()))
        };
        match stop.run_until_cancelled(grown).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return Some(follower),
        }
    }
}
