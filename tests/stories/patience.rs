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

/// Makes a call, and makes it again when no answer comes: our client's HTTP/2 was seen to wait for ever after a
/// connection had been refused beneath its request, once in some thousand. A server that never answers is found out by
/// the last try.
pub async fn answered<T>(mut call: impl AsyncFnMut() -> T) -> Option<T> {
    for _ in 0..TRIES {
        if let Ok(found) = tokio::time::timeout(ANSWER_WAIT_MAX, call()).await {
            return Some(found);
        }
    }
    None
}

/// Longest wait for one answer.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
const TRIES: usize = 3;
/// Long enough for a machine that builds something else meanwhile.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(25);
