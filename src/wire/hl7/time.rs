//! HL7 dates and times to moments. Must not know what time it is or where the machine stands.
//!
//! Source: HL7 v2.5.1, 2.A.21 (DT), 2.A.22 (DTM).

use super::error::Problem;
use crate::domain::time::{Moment, OFFSET_MINUTES_MAX};

/// Reads `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]` into the earliest moment it can mean; with less than an hour it
/// is known to the day only.
///
/// `offset_minutes` is the source's own offset, used where none is written. Milliseconds without a dot and the form
/// `2024-06-15 10:30:00` are read as senders mean them.
///
/// # Errors
/// [`Problem::TimeUnreadable`] for a day or an hour that does not exist, such as month 13 or `00000000`.
pub fn moment(text: &str, offset_minutes: i16) -> Result<Moment, Problem> {
    read(text.trim(), offset_minutes).ok_or(Problem::TimeUnreadable)
}

fn read(text: &str, usual_offset_minutes: i16) -> Option<Moment> {
    if !text.is_ascii() {
        return None;
    }
    let compact = compact(text)?;
    let (local, offset_minutes) = match compact.find(['+', '-']) {
        Some(at) => (compact.get(..at)?, offset(compact.get(at..)?)?),
        None => (compact.as_str(), usual_offset_minutes),
    };
    let (digits, fraction) = local.split_once('.').unwrap_or((local, ""));
    let (digits, fraction) = match digits.len() {
        17 if fraction.is_empty() => digits.split_at(14),
        _ => (digits, fraction),
    };
    if !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) || fraction.len() > 9 {
        return None;
    }
    if !fraction.is_empty() && digits.len() != 14 {
        return None;
    }
    let part = |from: usize, to: usize, absent: u8| digits.get(from..to).map_or(Some(absent), |part| part.parse().ok());
    let month = time::Month::try_from(part(4, 6, 1)?).ok()?;
    let date = time::Date::from_calendar_date(number(digits.get(..4)?)?, month, part(6, 8, 1)?).ok()?;
    let clock = date.with_hms(part(8, 10, 0)?, part(10, 12, 0)?, part(12, 14, 0)?).ok()?;
    let seconds = clock.assume_utc().unix_timestamp() - i64::from(offset_minutes) * 60;
    let moment = Moment::new(seconds * 1_000 + milliseconds(fraction)?, offset_minutes).ok()?;
    Some(if digits.len() <= 8 { moment.to_the_day() } else { moment })
}

/// Reads a whole date, such as that of a birth, in the writer's own calendar; nothing where it is partial or impossible.
pub fn date(text: &str, offset_minutes: i16) -> Option<time::Date> {
    let moment = moment(text, offset_minutes).ok()?;
    let is_whole = compact(text.trim())?.bytes().take_while(u8::is_ascii_digit).count() >= 8;
    let day = i32::try_from(moment.local_day()).ok()?;
    let epoch = time::OffsetDateTime::UNIX_EPOCH.date().to_julian_day();
    time::Date::from_julian_day(epoch + day).ok().filter(|_| is_whole)
}

/// Takes the punctuation out of `2024-06-15T10:30:00.5+08:00`; other text passes unchanged.
fn compact(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return Some(text.to_owned());
    }
    let date: String = [text.get(..4)?, text.get(5..7)?, text.get(8..10)?].concat();
    let clock = match text.get(10..)? {
        "" => return Some(date),
        rest => rest.strip_prefix([' ', 'T'])?,
    };
    let clock = clock.strip_suffix('Z').map_or_else(|| clock.to_owned(), |utc| format!("{utc}+0000"));
    Some(date + &clock.replace(':', ""))
}

fn offset(text: &str) -> Option<i16> {
    let (sign, digits) = text.split_at(1);
    let hours: i16 = number(digits.get(..2)?)?;
    let minutes: i16 = digits.get(2..).filter(|rest| !rest.is_empty()).map_or(Some(0), number)?;
    let total = hours * 60 + minutes;
    let is_possible = digits.len() <= 4 && minutes < 60 && total <= OFFSET_MINUTES_MAX;
    is_possible.then_some(if sign == "-" { -total } else { total })
}

fn milliseconds(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number(format!("{fraction:0<3}").get(..3)?)
}

/// Parses plain digits; the standard parser would also take a sign.
fn number<T: std::str::FromStr>(digits: &str) -> Option<T> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Writes a moment as `YYYYMMDDHHMMSS+ZZZZ` in its own offset.
pub fn written(moment: Moment) -> String {
    let offset_minutes = moment.offset_minutes();
    let local_seconds = moment.unix_ms().div_euclid(1_000) + i64::from(offset_minutes) * 60;
    let local = time::OffsetDateTime::from_unix_timestamp(local_seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let (year, month, day) = (local.year(), u8::from(local.month()), local.day());
    let (hour, minute, second) = local.to_hms();
    let (zone_hours, zone_minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}{sign}{zone_hours:02}{zone_minutes:02}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Moment {
        moment(text, 480).unwrap()
    }

    #[test]
    fn text_that_is_not_ascii_is_no_time() {
        assert_eq!(moment("199706150000≥00", 480), Err(Problem::TimeUnreadable));
    }

    #[test]
    fn precision_fraction_and_offset_are_read() {
        assert_eq!(at("20240615103000").unix_ms(), 1_718_418_600_000);
        assert_eq!(at("20240615103000.085-0400").unix_ms(), 1_718_461_800_085);
        assert_eq!(at("20240615103000.1").unix_ms(), 1_718_418_600_100);
        assert_eq!(at("202406151030+0800"), at("20240615103000"));
        assert_eq!(at("20240615103000250").unix_ms(), 1_718_418_600_250);
        assert_eq!(at("2024-06-15 10:30:00"), at("20240615103000"));
        assert_eq!(at("2024-06-15T02:30:00Z").unix_ms(), at("20240615103000").unix_ms());
        assert!(at("20240615").is_date_only() && at("202406").is_date_only() && !at("2024061510").is_date_only());
        assert_eq!(at("2024").unix_ms(), at("20240101").unix_ms());
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        for text in [
            "20261340",
            "00000000",
            "0000",
            "20240230",
            "2024061524",
            "202406151060",
            "20240615103060",
            "2024-13-01",
            "20240615103000+1500",
            "20240615103000+08:00",
            "Aug 15, 1942",
            "2024061",
            "+0800",
            "二",
            "20240615.5",
            "18000101",
        ] {
            assert_eq!(moment(text, 480), Err(Problem::TimeUnreadable), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9+\\-.:TZ 血]{0,24}") {
            let _ = moment(&text, 480);
        }

        #[test]
        fn what_is_written_is_read_back(seconds in 0i64..4_000_000_000, offset in -840i16..=840) {
            let moment = Moment::new(seconds * 1_000, offset).unwrap();
            prop_assert_eq!(super::moment(&written(moment), 0), Ok(moment));
        }
    }
}
