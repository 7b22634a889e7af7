//! Connections that have said nothing whole yet. Where there is no room for one more, the oldest of them makes room, so
//! that whoever only holds connections open keeps nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Room for connections, and who of them is new.
pub(super) struct Newcomers {
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    all: BTreeMap<u64, CancellationToken>,
}

/// A connection that has said nothing whole yet; dropping it says that it is none any more.
pub(super) struct Newcomer {
    among: Arc<Newcomers>,
    number: u64,
    leave: CancellationToken,
}

impl Newcomers {
    /// Makes room for so many connections.
    pub(super) fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self { room: Arc::new(Semaphore::new(connections_max)), waiting: Mutex::default() })
    }

    /// Gives room to one more, or nothing where all room is taken by those who have spoken.
    pub(super) async fn enter(self: &Arc<Self>) -> Option<(OwnedSemaphorePermit, Newcomer)> {
        let place = match Arc::clone(&self.room).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                self.oldest()?.cancel();
                timeout(LEAVE_WAIT_MAX, Arc::clone(&self.room).acquire_owned()).await.ok()?.ok()?
            }
        };
        let leave = CancellationToken::new();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        waiting.all.insert(number, leave.clone());
        Some((place, Newcomer { among: Arc::clone(self), number, leave }))
    }

    fn oldest(&self) -> Option<CancellationToken> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all.values().find(|leave| !leave.is_cancelled()).cloned()
    }
}

impl Newcomer {
    /// Waits until another needs the room.
    pub(super) async fn sent_away(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.among.waiting.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&self.number);
    }
}

/// Longest wait for one that was sent away to be gone.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_newcomer_makes_room_and_who_has_spoken_stays() {
        let door = Newcomers::new(2);
        let (_spoken_place, spoken) = door.enter().await.unwrap();
        drop(spoken);
        let (first_place, first) = door.enter().await.unwrap();
        let leaving = async {
            first.sent_away().await;
            drop((first_place, first));
        };
        let (second, ()) = tokio::join!(door.enter(), leaving);
        let (_second_place, second) = second.unwrap();
        assert!(!second.leave.is_cancelled());
        drop(second);
        assert!(door.enter().await.is_none(), "nobody here is new");
    }
}
