//! Things kept in memory for a while because making them again is dear: bounded by their bytes, the least recently used
//! makes room. Whoever asks while a thing is made waits for it, and it is made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Something whose size in memory is known.
pub trait Measured {
    /// Gives the size in bytes.
    fn size_bytes(&self) -> usize;
}

impl Measured for bytes::Bytes {
    fn size_bytes(&self) -> usize {
        self.len()
    }
}

/// Things by their names.
#[derive(Debug)]
pub struct Kept<V, E> {
    inner: Mutex<Inner<V, E>>,
    bytes_max: usize,
    lifetime: Duration,
}

#[derive(Debug)]
struct Inner<V, E> {
    things: HashMap<String, Thing<V>>,
    making: HashMap<String, Making<V, E>>,
    bytes: usize,
    uses: u64,
}

#[derive(Debug)]
struct Thing<V> {
    value: V,
    until: Instant,
    used: u64,
}

type Making<V, E> = Arc<OnceCell<Result<V, E>>>;

impl<V: Clone + Measured, E: Clone> Kept<V, E> {
    /// Keeps each thing for `lifetime`, and at most `bytes_max` of all of them.
    pub fn new(lifetime: Duration, bytes_max: usize) -> Self {
        let inner = Inner { things: HashMap::new(), making: HashMap::new(), bytes: 0, uses: 0 };
        Self { inner: Mutex::new(inner), bytes_max, lifetime }
    }

    /// Gives a thing that is kept.
    pub fn find(&self, name: &str) -> Option<V> {
        let mut inner = self.lock();
        inner.uses += 1;
        let uses = inner.uses;
        let thing = inner.things.get_mut(name).filter(|thing| thing.until > Instant::now())?;
        thing.used = uses;
        Some(thing.value.clone())
    }

    /// Gives a thing, and makes it first where it is not kept. Of many who ask at once, one makes it, and all get what
    /// became of it; where that one goes away, the next begins anew.
    ///
    /// # Errors
    /// That of making it, which is not kept.
    pub async fn find_or_make<F: Future<Output = Result<V, E>>>(
        &self,
        name: &str,
        make: impl FnOnce() -> F,
    ) -> Result<V, E> {
        if let Some(kept) = self.find(name) {
            return Ok(kept);
        }
        let making = Arc::clone(self.lock().making.entry(name.to_owned()).or_default());
        let turn = Turn { kept: self, name, making };
        let made = turn.making.get_or_init(make).await.clone();
        if let Ok(value) = &made {
            self.keep(name, value);
        }
        made
    }

    /// Keeps a thing that was made otherwise.
    pub fn keep(&self, name: &str, value: &V) {
        let (mut inner, size) = (self.lock(), value.size_bytes());
        let now = Instant::now();
        if size > self.bytes_max || inner.things.get(name).is_some_and(|thing| thing.until > now) {
            return;
        }
        inner.remove(name);
        while inner.bytes.saturating_add(size) > self.bytes_max {
            let oldest = inner.things.iter().min_by_key(|(_, thing)| (thing.until > now, thing.used));
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            inner.remove(&oldest);
        }
        inner.uses += 1;
        let thing = Thing { value: value.clone(), until: now + self.lifetime, used: inner.uses };
        inner.bytes += size;
        inner.things.insert(name.to_owned(), thing);
    }

    fn lock(&self) -> MutexGuard<'_, Inner<V, E>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Measured, E> Inner<V, E> {
    fn remove(&mut self, name: &str) {
        if let Some(thing) = self.things.remove(name) {
            self.bytes = self.bytes.saturating_sub(thing.value.size_bytes());
        }
    }
}

/// One who waits for a thing; the last to leave clears the place.
struct Turn<'k, V, E> {
    kept: &'k Kept<V, E>,
    name: &'k str,
    making: Making<V, E>,
}

impl<V, E> Drop for Turn<'_, V, E> {
    fn drop(&mut self) {
        let mut inner = self.kept.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = inner.making.get(self.name).is_some_and(|making| Arc::ptr_eq(making, &self.making));
        // What is made is kept already; what failed is made anew by whoever asks next.
        if is_ours && (self.making.initialized() || Arc::strong_count(&self.making) == 2) {
            inner.making.remove(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    fn kept(bytes_max: usize) -> Kept<Bytes, &'static str> {
        Kept::new(Duration::from_secs(60), bytes_max)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_have_it_made_once_and_share_a_failure() {
        let (kept, made) = (kept(100), AtomicUsize::new(0));
        let make = |outcome: Result<Bytes, &'static str>| {
            let made = &made;
            move || async move {
                made.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                outcome
            }
        };
        let failed = join_all((0..20).map(|_| kept.find_or_make("a", make(Err("away"))))).await;
        assert!(failed.iter().all(|outcome| *outcome == Err("away")) && made.load(Ordering::SeqCst) == 1);
        let found = join_all((0..20).map(|_| kept.find_or_make("a", make(Ok(Bytes::from_static(b"x")))))).await;
        assert!(found.iter().all(Result::is_ok) && made.load(Ordering::SeqCst) == 2);
        assert!(kept.lock().making.is_empty());
    }

    #[tokio::test]
    async fn one_who_goes_away_leaves_the_making_to_the_next() {
        let kept = kept(100);
        assert_eq!(kept.find_or_make("a", std::future::pending).now_or_never(), None);
        assert!(kept.lock().making.is_empty());
        let made = kept.find_or_make("a", || async { Ok(Bytes::from_static(b"x")) }).await;
        assert_eq!(made, Ok(Bytes::from_static(b"x")));
    }

    #[tokio::test]
    async fn the_least_recently_used_makes_room_and_time_ends_what_is_kept() {
        let kept = kept(10);
        for name in ["a", "b"] {
            kept.find_or_make(name, || async { Ok(Bytes::from_static(b"12345")) }).await.unwrap();
        }
        assert!(kept.find("a").is_some());
        kept.find_or_make("c", || async { Ok(Bytes::from_static(b"1")) }).await.unwrap();
        assert_eq!(["a", "b", "c"].map(|name| kept.find(name).is_some()), [true, false, true]);
        kept.find_or_make("d", || async { Ok(Bytes::from_static(b"longer than all")) }).await.unwrap();
        assert_eq!((kept.find("d"), kept.lock().bytes), (None, 6), "what fits nowhere is given and not kept");
        let ended = Kept::<Bytes, &'static str>::new(Duration::ZERO, 10);
        ended.find_or_make("a", || async { Ok(Bytes::from_static(b"1")) }).await.unwrap();
        assert_eq!(ended.find("a"), None);
    }
}
