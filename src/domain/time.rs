//! Instants with the UTC offset they were written in, and spans counted in hours.
//!
//! The domain reads no clock: whoever needs "now" is given a [`Moment`].

use std::fmt;

/// Greatest absolute UTC offset, in minutes (UTC+14:00).
pub const OFFSET_MINUTES_MAX: i16 = 14 * 60;
const MS_PER_HOUR: i64 = 3_600_000;

/// An instant on the UTC time line with the offset of the place that wrote it down.
///
/// Order and equality follow the instant alone when compared through [`Moment::unix_ms`]; the derived order is only
/// for stable sorting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    unix_ms: i64,
    offset_minutes: i16,
    date_only: bool,
}

/// The offset or the year is outside what a record may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// The UTC offset is beyond ±14:00; correct the sender's time zone.
    #[error("UTC offset of {0} minutes is beyond 14 hours")]
    Offset(i64),
    /// The instant is outside the years 1900 to 2200; correct the sender's clock.
    #[error("instant {0} ms is outside the years 1900 to 2200")]
    Range(i64),
}

impl Moment {
    const UNIX_MS_MIN: i64 = -2_208_988_800_000;
    const UNIX_MS_MAX: i64 = 7_258_118_400_000;

    /// Makes a moment from milliseconds since 1970-01-01T00:00:00Z and an offset in minutes east of UTC.
    ///
    /// # Errors
    /// [`MomentError`] when either is out of range; refuse the record and name the field.
    pub fn new(unix_ms: i64, offset_minutes: i16) -> Result<Self, MomentError> {
        if offset_minutes.abs() > OFFSET_MINUTES_MAX {
            return Err(MomentError::Offset(i64::from(offset_minutes)));
        }
        if !(Self::UNIX_MS_MIN..=Self::UNIX_MS_MAX).contains(&unix_ms) {
            return Err(MomentError::Range(unix_ms));
        }
        Ok(Self { unix_ms, offset_minutes, date_only: false })
    }

    /// Marks the moment as known to the day only; it then stands for the start of that day, the oldest it can be.
    pub fn to_the_day(self) -> Self {
        Self { date_only: true, ..self }
    }

    /// Gives milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// Gives the offset of the writer's clock in minutes east of UTC, -840 to 840.
    pub fn offset_minutes(self) -> i16 {
        self.offset_minutes
    }

    /// Says whether only the day is known.
    pub fn is_date_only(self) -> bool {
        self.date_only
    }

    /// Gives the time from `earlier` to `self` in milliseconds; negative when `earlier` is later.
    pub fn ms_since(self, earlier: Moment) -> i64 {
        self.unix_ms - earlier.unix_ms
    }

    /// Gives the moment that lies `hours` later (earlier when negative), with the same offset.
    pub fn plus_hours(self, hours: i64) -> Self {
        Self { unix_ms: self.unix_ms.saturating_add(hours.saturating_mul(MS_PER_HOUR)), ..self }
    }

    /// Gives the number of the calendar day at the moment's own offset, counted from 1970-01-01.
    pub fn local_day(self) -> i64 {
        (self.unix_ms + i64::from(self.offset_minutes) * 60_000).div_euclid(24 * MS_PER_HOUR)
    }
}

/// A span in whole hours, as windows are written in a policy. 0 means "never prompt".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hours(pub u32);

impl Hours {
    /// Says whether `at` is no later than this many hours after `anchor`; the boundary belongs to the window.
    pub fn cover(self, anchor: Moment, at: Moment) -> bool {
        let age_ms = at.ms_since(anchor);
        age_ms >= 0 && age_ms <= i64::from(self.0) * MS_PER_HOUR
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} h", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_ms: i64) -> Moment {
        Moment::new(unix_ms, 480).unwrap()
    }

    #[test]
    fn the_boundary_belongs_to_the_window() {
        let anchor = at(0);
        assert!(Hours(24).cover(anchor, at(24 * MS_PER_HOUR)));
        assert!(!Hours(24).cover(anchor, at(24 * MS_PER_HOUR + 1)));
        assert!(!Hours(24).cover(anchor, at(-1)), "a result from the future covers nothing");
    }

    #[test]
    fn age_ignores_the_offset() {
        let shanghai = Moment::new(0, 480).unwrap();
        let utc = Moment::new(MS_PER_HOUR, 0).unwrap();
        assert_eq!(utc.ms_since(shanghai), MS_PER_HOUR);
    }

    #[test]
    fn the_local_day_follows_the_offset() {
        assert_eq!(Moment::new(16 * MS_PER_HOUR, 480).unwrap().local_day(), 1);
        assert_eq!(Moment::new(16 * MS_PER_HOUR, 0).unwrap().local_day(), 0);
    }

    #[test]
    fn offsets_beyond_fourteen_hours_are_refused() {
        assert_eq!(Moment::new(0, 841), Err(MomentError::Offset(841)));
    }
}
