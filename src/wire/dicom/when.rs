//! Dates and times of DICOM: wall-clock values whose UTC offset may be stated elsewhere.

use crate::domain::time::{Moment, OFFSET_MINUTES_MAX};

/// A wall-clock time, with the offset from UTC where the instance states one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime {
    /// Milliseconds from 1970-01-01T00:00:00 to the wall-clock time, as if it were UTC.
    wall_ms: i64,
    offset_minutes: Option<i16>,
    date_only: bool,
}

impl LocalTime {
    /// Reads a date (DA) and an optional time (TM). An unreadable time leaves the date.
    ///
    /// Source: DICOM PS3.5, 6.2 (the forms `YYYY.MM.DD` and `HH:MM:SS` of ACR-NEMA are read too).
    pub fn from_date_time(date: &str, time: Option<&str>) -> Option<Self> {
        let day_ms = day_ms(date)?;
        let clock_ms = time.and_then(clock_ms);
        Some(Self { wall_ms: day_ms + clock_ms.unwrap_or(0), offset_minutes: None, date_only: clock_ms.is_none() })
    }

    /// Reads a date time (DT) of at least a whole day, with its own offset if it carries one.
    ///
    /// Source: DICOM PS3.5, 6.2.
    pub fn from_stamp(stamp: &str) -> Option<Self> {
        let stamp = stamp.trim();
        let (clock, offset) = match stamp.find(['+', '-']) {
            Some(at) => (stamp.get(..at)?, Some(offset_minutes(stamp.get(at..)?)?)),
            None => (stamp, None),
        };
        let time = clock.get(8..).filter(|time| !time.is_empty());
        Some(Self { offset_minutes: offset, ..Self::from_date_time(clock.get(..8)?, time)? })
    }

    /// Gives the time an offset from UTC in minutes, unless it states one itself.
    pub fn with_offset(self, offset_minutes: Option<i16>) -> Self {
        Self { offset_minutes: self.offset_minutes.or(offset_minutes), ..self }
    }

    /// Gives the stated offset from UTC in minutes.
    pub fn offset_minutes(self) -> Option<i16> {
        self.offset_minutes
    }

    /// Gives the instant, with `offset_minutes_else` where none is stated; nothing when that is out of range.
    pub fn moment(self, offset_minutes_else: i16) -> Option<Moment> {
        let offset = self.offset_minutes.unwrap_or(offset_minutes_else);
        let moment = Moment::new(self.wall_ms - i64::from(offset) * 60_000, offset).ok()?;
        Some(if self.date_only { moment.to_the_day() } else { moment })
    }
}

/// Reads an offset such as `+0800` in minutes east of UTC.
pub(super) fn offset_minutes(text: &str) -> Option<i16> {
    let text = text.trim();
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = (digits.get(..2)?, digits.get(2..)?);
    let minutes: i16 = i16::from(two_digits(hours)?) * 60 + i16::from(two_digits(minutes)?);
    (minutes <= OFFSET_MINUTES_MAX).then_some(sign * minutes)
}

fn day_ms(date: &str) -> Option<i64> {
    let digits: String = date.trim().chars().filter(|&character| character != '.').collect();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let month = time::Month::try_from(two_digits(digits.get(4..6)?)?).ok()?;
    let day = time::Date::from_calendar_date(digits.get(..4)?.parse().ok()?, month, two_digits(digits.get(6..)?)?);
    Some(day.ok()?.midnight().assume_utc().unix_timestamp() * 1_000)
}

fn clock_ms(clock: &str) -> Option<i64> {
    let clock = clock.trim().replace(':', "");
    let (whole, fraction) = clock.split_once('.').unwrap_or((&clock, ""));
    let part = |at: usize, most: u8| match whole.get(at..at + 2) {
        Some(digits) => two_digits(digits).filter(|value| *value <= most).map(i64::from),
        None => (whole.len() <= at).then_some(0),
    };
    let (hours, minutes, seconds) = (part(0, 23)?, part(2, 59)?, part(4, 60)?);
    if whole.len() < 2 || whole.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000 + millis)
}

fn two_digits(text: &str) -> Option<u8> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_moves_the_instant() {
        let time = LocalTime::from_date_time("20260102", Some("080000.5")).unwrap();
        assert_eq!(time.moment(480).unwrap().unix_ms(), 1_767_312_000_500);
        assert_eq!(time.with_offset(Some(0)).moment(480).unwrap().unix_ms(), 1_767_340_800_500);
    }

    #[test]
    fn a_stamp_keeps_its_own_offset() {
        let stamp = LocalTime::from_stamp("20260102080000.000+0800").unwrap();
        assert_eq!(stamp.with_offset(Some(0)).offset_minutes(), Some(480));
        assert_eq!(LocalTime::from_stamp("202601"), None, "a month is no day");
    }

    #[test]
    fn old_and_broken_forms() {
        let old = LocalTime::from_date_time("1994.01.30", Some("11:25:01")).unwrap();
        assert_eq!(old, LocalTime::from_date_time("19940130", Some("112501")).unwrap());
        assert!(LocalTime::from_date_time("20260230", None).is_none());
        let day = LocalTime::from_date_time("20260102", Some("99")).unwrap();
        assert!(day.moment(480).unwrap().is_date_only());
    }

    #[test]
    fn odd_text_never_panics() {
        for text in ["", "+", "é+08", "2026010é", "20260102é", "+08é0", "20260102é8+0800", "::::::", "1.é"] {
            let _ =
                (LocalTime::from_stamp(text), offset_minutes(text), LocalTime::from_date_time("20260102", Some(text)));
        }
    }
}
