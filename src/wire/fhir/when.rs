//! Instants as FHIR writes them: with the offset they were written in, and no more exact than they are known.

use time::{OffsetDateTime, UtcOffset};

use crate::domain::time::Moment;
use crate::wire::day;
use crate::wire::fhir::json::Json;

/// Writes a `dateTime`: a day where only the day is known.
pub fn date_time(moment: Moment) -> Json {
    if moment.is_date_only() { day::written(moment.local_day()).into() } else { instant(moment) }
}

/// Writes an `instant`; nothing where only the day is known, because FHIR has no such instant.
pub fn instant(moment: Moment) -> Json {
    if moment.is_date_only() {
        return Json::Nothing;
    }
    let offset = UtcOffset::from_whole_seconds(i32::from(moment.offset_minutes()) * 60).ok();
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(moment.unix_ms()) * 1_000_000).ok();
    let Some((at, offset)) = at.zip(offset) else { return Json::Nothing };
    let at = at.to_offset(offset);
    let (hours, minutes, _) = offset.as_hms();
    let sign = if offset.is_negative() { '-' } else { '+' };
    let millisecond = match at.millisecond() {
        0 => String::new(),
        millisecond => format!(".{millisecond:03}"),
    };
    let (date, time) = (at.date(), at.time());
    Json::Text(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{millisecond}{sign}{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        hours.unsigned_abs(),
        minutes.unsigned_abs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_keeps_its_offset_and_its_precision() {
        let at = |ms, offset| Moment::new(ms, offset).unwrap();
        let cases = [
            (date_time(at(1_780_000_000_000, 480)), "2026-05-29T04:26:40+08:00"),
            (date_time(at(1_780_000_000_250, -210)), "2026-05-28T16:56:40.250-03:30"),
            (date_time(at(1_780_000_000_000, 0)), "2026-05-28T20:26:40+00:00"),
            (date_time(at(1_780_000_000_000, 480).to_the_day()), "2026-05-29"),
        ];
        for (written, expected) in cases {
            assert_eq!(written.text(), Some(expected));
        }
        assert!(instant(at(0, 0).to_the_day()).is_empty());
    }
}
