//! Following the journal: one step whenever something has become durable, until told to stop.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::fault::Faulty;
use crate::service::hub::error::HubError;

/// Steps `follower` now and after each group that becomes durable. Gives it back at the stop; nothing when a step has
/// failed, which is logged here with `what` has stopped.
pub(super) async fn follow<F: Send + 'static>(
    mut follower: F,
    step: fn(&mut F) -> Result<(), HubError>,
    mut committed: watch::Receiver<u64>,
    what: &'static str,
    stop: CancellationToken,
) -> Option<F> {
    loop {
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
        match stop.run_until_cancelled(committed.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return Some(follower),
        }
    }
}
