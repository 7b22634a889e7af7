//! The two clocks: the machine's, and one that stands still until it is set.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::{Moment, MomentError};
use crate::ports::clock::Clock;

/// The machine's clock, read in the offset of the place the process serves.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    offset_minutes: i16,
}

/// A clock for tests and the simulation, which moves only when told.
#[derive(Debug)]
pub struct ManualClock {
    unix_ms: AtomicI64,
    offset_minutes: i16,
}

impl SystemClock {
    /// Makes a clock that writes moments with `offset_minutes` east of UTC, -840 to 840 (China: 480).
    ///
    /// # Errors
    /// [`MomentError`] when the offset is out of range, or the machine's clock is outside the years 1900 to 2200;
    /// correct the configuration or the machine's clock, then start again.
    pub fn new(offset_minutes: i16) -> Result<Self, MomentError> {
        Moment::new(unix_ms(), offset_minutes).map(|_| Self { offset_minutes })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        moment(unix_ms(), self.offset_minutes)
    }
}

impl ManualClock {
    /// Makes a clock that stands at `start`.
    pub fn new(start: Moment) -> Self {
        Self { unix_ms: AtomicI64::new(start.unix_ms()), offset_minutes: start.offset_minutes() }
    }

    /// Moves the clock by `ms` milliseconds; backwards when negative.
    pub fn advance(&self, ms: i64) {
        self.unix_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        moment(self.unix_ms.load(Ordering::SeqCst), self.offset_minutes)
    }
}

/// Pins a time beyond the years of the exchange to their nearest end, so that a broken clock cannot stop a reader.
fn moment(unix_ms: i64, offset_minutes: i16) -> Moment {
    let nearest = if unix_ms < 0 { UNIX_MS_MIN } else { UNIX_MS_MAX };
    let made = Moment::new(unix_ms, offset_minutes).or_else(|_| Moment::new(nearest, offset_minutes));
    let Ok(moment) = made else { unreachable!("the offset was checked when the clock was made") };
    moment
}

fn unix_ms() -> i64 {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()),
        Err(before) => i64::try_from(before.duration().as_millis()).map(|ms| -ms),
    };
    ms.unwrap_or(i64::MAX)
}

/// 1900-01-01 and 2200-01-01, both UTC: the first and last instants a [`Moment`] takes.
const UNIX_MS_MIN: i64 = -2_208_988_800_000;
const UNIX_MS_MAX: i64 = 7_258_118_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(Moment::new(1_000, 480).unwrap());
        assert_eq!(clock.now(), clock.now());
        clock.advance(-400);
        assert_eq!((clock.now().unix_ms(), clock.now().offset_minutes()), (600, 480));
    }

    #[test]
    fn a_clock_run_off_the_end_stays_at_the_end() {
        let clock = ManualClock::new(Moment::new(0, 0).unwrap());
        clock.advance(i64::MAX);
        assert_eq!(clock.now().unix_ms(), UNIX_MS_MAX);
    }

    #[test]
    fn the_system_clock_keeps_its_offset_and_refuses_an_impossible_one() {
        assert_eq!(SystemClock::new(-210).unwrap().now().offset_minutes(), -210);
        assert_eq!(SystemClock::new(900).unwrap_err(), MomentError::Offset(900));
    }
}
