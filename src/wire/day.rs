//! Calendar days as `2026-05-04`, counted from 1970-01-01.

use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::domain::time::Moment;
use crate::wire::field::{FieldError, Problem};

/// Reads a day.
///
/// # Errors
/// [`Problem::Form`] when there is no such day; the sender must correct it.
pub fn day(field: &str, text: &str) -> Result<i64, FieldError> {
    let date = Date::parse(text, FORM).map_err(|_| FieldError::new(field, Problem::Form("day, YYYY-MM-DD")))?;
    Ok(i64::from(date.to_julian_day()) - JULIAN_DAY_OF_1970)
}

/// Writes a day; empty for one that no calendar of the exchange has.
pub fn written(day: i64) -> String {
    let julian = i32::try_from(day.saturating_add(JULIAN_DAY_OF_1970)).ok();
    let date = julian.and_then(|julian| Date::from_julian_day(julian).ok());
    date.and_then(|date| date.format(FORM).ok()).unwrap_or_default()
}

/// Gives the first instant of a day at an offset, known to the day only.
///
/// # Errors
/// [`Problem::Form`] for a day outside the years of the exchange.
pub fn start(field: &str, text: &str, offset_minutes: i16) -> Result<Moment, FieldError> {
    let unix_ms = day(field, text)?.saturating_mul(MS_PER_DAY) - i64::from(offset_minutes) * MS_PER_MINUTE;
    let moment = Moment::new(unix_ms, offset_minutes);
    moment.map(Moment::to_the_day).map_err(|_| FieldError::new(field, Problem::Form("day, YYYY-MM-DD")))
}

const FORM: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const JULIAN_DAY_OF_1970: i64 = 2_440_588;
const MS_PER_DAY: i64 = 86_400_000;
const MS_PER_MINUTE: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_survive_writing() {
        for (text, number) in [("1970-01-01", 0), ("2024-02-29", 19_782), ("1969-12-31", -1)] {
            assert_eq!(day("day", text), Ok(number));
            assert_eq!(written(number), text);
        }
        for wrong in ["2023-02-29", "2026-5-4", "2026/05/04", "", "20260504"] {
            assert!(day("day", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_begins_at_its_own_offset() {
        let start = start("day", "2026-05-04", 480).unwrap();
        assert_eq!((start.local_day(), start.unix_ms() % MS_PER_DAY), (20_577, 16 * 3_600_000));
        assert!(start.is_date_only());
    }
}
