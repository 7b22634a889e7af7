//! Waiting for what must come: a condition is looked at until it holds, never slept for.

use std::time::Duration;

use tokio::time::Instant;

/// Looks until something is there, and gives it.
///
/// # Panics
/// With what was found last, when it does not come in time.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(found) if Instant::now() >= deadline => panic!("{what} did not come; last seen: {found}"),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Long enough for a machine that builds something else meanwhile.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(25);
