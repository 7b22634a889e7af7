//! Capabilities: long random names for things that whoever knows the name may use, for a while. Kept in memory alone; a
//! restart forgets them, and whoever held one asks for another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

/// Things by their capabilities.
#[derive(Debug)]
pub struct Capabilities<T> {
    kept: Mutex<HashMap<String, Kept<T>>>,
    lifetime: Duration,
    count_max: usize,
}

#[derive(Debug)]
struct Kept<T> {
    thing: T,
    until: Instant,
}

impl<T: Clone> Capabilities<T> {
    /// Keeps each thing for `lifetime`, and at most `count_max` of them: the one that would end first makes room.
    pub fn new(lifetime: Duration, count_max: usize) -> Self {
        Self { kept: Mutex::default(), lifetime, count_max }
    }

    /// Keeps a thing under a name made of `secret`, which must be random, and gives the name: 43 characters that a URL
    /// takes as they are.
    pub fn put(&self, secret: [u8; 32], thing: T) -> String {
        let name = URL_SAFE_NO_PAD.encode(secret);
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.count_max {
            kept.retain(|_, kept| kept.until > now);
        }
        if kept.len() >= self.count_max {
            let first = kept.iter().min_by_key(|(_, kept)| kept.until).map(|(name, _)| name.clone());
            first.and_then(|name| kept.remove(&name));
        }
        kept.insert(name.clone(), Kept { thing, until: now + self.lifetime });
        name
    }

    /// Gives the thing of a name, while it lasts.
    pub fn find(&self, name: &str) -> Option<T> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(name).filter(|kept| kept.until > Instant::now()).map(|kept| kept.thing.clone())
    }

    /// Puts another thing in the place of the one that has the name; its time goes on as it was.
    pub fn replace(&self, name: &str, thing: T) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.get_mut(name) {
            kept.thing = thing;
        }
    }

    /// Takes the thing of a name, which nobody finds again: of two who ask at once, one gets it.
    pub fn take(&self, name: &str) -> Option<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(name).filter(|kept| kept.until > Instant::now()).map(|kept| kept.thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_thing_is_found_by_its_whole_name_until_it_is_taken() {
        let things = Capabilities::new(LONG, 2);
        let (first, second) = (things.put([1; 32], "first"), things.put([2; 32], "second"));
        assert_eq!((things.find(&first), things.find(&first[..42])), (Some("first"), None));
        assert_eq!((things.take(&second), things.take(&second)), (Some("second"), None));
    }

    #[test]
    fn a_thing_whose_time_is_over_is_gone() {
        let things = Capabilities::new(Duration::ZERO, 2);
        let name = things.put([1; 32], "first");
        assert_eq!((things.find(&name), things.take(&name)), (None, None));
    }

    #[test]
    fn the_one_that_ends_first_makes_room() {
        let things = Capabilities::new(LONG, 2);
        let names = [1, 2, 3].map(|number| things.put([number; 32], number));
        assert_eq!(names.map(|name| things.find(&name)), [None, Some(2), Some(3)]);
    }
}
