//! Dates in searches: a prefix and a span, because a date is as long as it is exact.
//!
//! Source: FHIR R4 (4.0.1), 3.1.1.4.6, date.

use time::{Date, Month};

use crate::domain::time::Moment;

/// A span of time in milliseconds since 1970, its end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First millisecond.
    pub start: i64,
    /// First millisecond behind it.
    pub end: i64,
}

/// How a value compares with what is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Inside the span asked.
    Eq,
    /// Not inside it.
    Ne,
    /// Reaches beyond its end.
    Gt,
    /// Begins before it.
    Lt,
    /// Beyond or inside.
    Ge,
    /// Before or inside.
    Le,
    /// Begins after it.
    Sa,
    /// Ends before it.
    Eb,
    /// Overlaps it, a tenth of its distance from now given.
    Ap,
}

/// What a date parameter asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTest {
    /// How.
    pub prefix: Prefix,
    /// With what.
    pub span: Span,
}

impl DateTest {
    /// Reads a value, as `ge2026-11`. A time without an offset is meant at `now`'s.
    pub fn read(text: &str, now: Moment) -> Option<Self> {
        let known = PREFIXES.iter().find(|(name, _)| text.starts_with(name));
        let (prefix, rest) = known.map_or((Prefix::Eq, text), |(name, prefix)| (*prefix, &text[name.len()..]));
        let span = span_of(rest, now.offset_minutes())?;
        let span = match prefix {
            Prefix::Ap => {
                let middle = span.start.midpoint(span.end);
                let give = (now.unix_ms() - middle).abs() / 10;
                Span { start: span.start.saturating_sub(give), end: span.end.saturating_add(give) }
            }
            _ => span,
        };
        Some(Self { prefix, span })
    }

    /// Says whether something that took `found` is what is asked.
    pub fn holds(&self, found: Span) -> bool {
        let asked = self.span;
        let inside = asked.start <= found.start && found.end <= asked.end;
        match self.prefix {
            Prefix::Eq => inside,
            Prefix::Ne => !inside,
            Prefix::Gt => found.end > asked.end,
            Prefix::Lt => found.start < asked.start,
            Prefix::Ge => found.end > asked.end || inside,
            Prefix::Le => found.start < asked.start || inside,
            Prefix::Sa => found.start >= asked.end,
            Prefix::Eb => found.end <= asked.start,
            Prefix::Ap => found.start < asked.end && asked.start < found.end,
        }
    }

    /// Gives the millisecond before which nothing that holds can have begun, be it as long as a day.
    pub fn earliest(&self) -> Option<i64> {
        match self.prefix {
            Prefix::Eq | Prefix::Ap | Prefix::Ge | Prefix::Gt | Prefix::Sa => {
                Some(self.span.start.saturating_sub(DAY_MS))
            }
            Prefix::Ne | Prefix::Lt | Prefix::Le | Prefix::Eb => None,
        }
    }
}

/// Gives the span of a date, dateTime or instant. Without an offset it is meant at `offset_minutes`.
pub fn span_of(text: &str, offset_minutes: i16) -> Option<Span> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let parts: Vec<&str> = date.split('-').collect();
    let year: i32 = digits(parts.first()?, 4)?;
    let month: u8 = parts.get(1).map_or(Some(1), |month| digits(month, 2))?;
    let day: u8 = parts.get(2).map_or(Some(1), |day| digits(day, 2))?;
    if parts.len() > 3 || (time.is_some() && parts.len() != 3) {
        return None;
    }
    let first = day_number(year, month, day)?;
    let Some(time) = time else {
        let behind = match parts.len() {
            1 => day_number(year.checked_add(1)?, 1, 1)?,
            2 if month == 12 => day_number(year.checked_add(1)?, 1, 1)?,
            2 => day_number(year, month + 1, 1)?,
            _ => first + 1,
        };
        let shift = i64::from(offset_minutes) * MINUTE_MS;
        return Some(Span { start: first * DAY_MS - shift, end: behind * DAY_MS - shift });
    };
    let (clock, offset) = clock_and_offset(time, offset_minutes)?;
    let (start, length) = time_of(clock)?;
    let start = first * DAY_MS + start - i64::from(offset) * MINUTE_MS;
    Some(Span { start, end: start + length })
}

fn clock_and_offset(time: &str, usual: i16) -> Option<(&str, i16)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    // A plus sign that nobody escaped in a query arrives as a space.
    let Some(at) = time.find(['+', '-', ' ']) else { return Some((time, usual)) };
    let (clock, offset) = time.split_at(at);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = digits::<i16>(hours, 2)? * 60 + digits::<i16>(minutes, 2).filter(|minutes| *minutes < 60)?;
    (minutes <= 14 * 60).then_some((clock, if offset.starts_with('-') { -minutes } else { minutes }))
}

/// Gives the start of a time of day in milliseconds, and how long it is.
fn time_of(clock: &str) -> Option<(i64, i64)> {
    let parts: Vec<&str> = clock.split(':').collect();
    let (hour, minute): (i64, i64) = (digits(parts.first()?, 2)?, digits(parts.get(1)?, 2)?);
    let whole = hour * 60 * MINUTE_MS + minute * MINUTE_MS;
    if hour > 23 || minute > 59 || parts.len() > 3 {
        return None;
    }
    let Some(seconds) = parts.get(2) else { return Some((whole, MINUTE_MS)) };
    let (second, fraction) = seconds.split_once('.').map_or((*seconds, None), |(second, rest)| (second, Some(rest)));
    let second: i64 = digits(second, 2).filter(|second| *second < 60)?;
    let Some(fraction) = fraction else { return Some((whole + second * 1_000, 1_000)) };
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let millisecond: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let length = match fraction.len() {
        1 => 100,
        2 => 10,
        _ => 1,
    };
    Some((whole + second * 1_000 + millisecond, length))
}

fn digits<T: std::str::FromStr>(text: &str, length: usize) -> Option<T> {
    (text.len() == length && text.bytes().all(|digit| digit.is_ascii_digit())).then(|| text.parse().ok())?
}

fn day_number(year: i32, month: u8, day: u8) -> Option<i64> {
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    Some(i64::from(date.to_julian_day()) - JULIAN_DAY_OF_1970)
}

const PREFIXES: [(&str, Prefix); 9] = [
    ("eq", Prefix::Eq),
    ("ne", Prefix::Ne),
    ("gt", Prefix::Gt),
    ("lt", Prefix::Lt),
    ("ge", Prefix::Ge),
    ("le", Prefix::Le),
    ("sa", Prefix::Sa),
    ("eb", Prefix::Eb),
    ("ap", Prefix::Ap),
];
const JULIAN_DAY_OF_1970: i64 = 2_440_588;
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Moment {
        Moment::new(1_780_000_000_000, 480).unwrap()
    }

    fn holds(asked: &str, found: &str) -> bool {
        DateTest::read(asked, now()).unwrap().holds(span_of(found, 480).unwrap())
    }

    #[test]
    fn each_prefix_compares_spans() {
        let day = "2026-05-14";
        let table: [(&str, &[&str], &[&str]); 9] = [
            ("2026-05", &[day, "2026-05-01", "2026-05-31T23:59:59+08:00"], &["2026-06-01", "2026", "2026-04-30"]),
            ("ne2026-05-14", &["2026-05-13", "2026-05"], &[day, "2026-05-14T08:00:00+08:00"]),
            ("gt2026-05-14", &["2026-05-15", "2026-05"], &[day, "2026-05-14T23:59:59+08:00"]),
            ("lt2026-05-14", &["2026-05-13", "2026-05"], &[day, "2026-05-15"]),
            ("ge2026-05-14", &[day, "2026-05-15", "2026-05"], &["2026-05-13"]),
            ("le2026-05-14", &[day, "2026-05-13", "2026-05"], &["2026-05-15"]),
            ("sa2026-05-14", &["2026-05-15"], &[day, "2026-05"]),
            ("eb2026-05-14", &["2026-05-13"], &[day, "2026-05"]),
            ("ap2026-05-14", &[day, "2026-05-13", "2026-05"], &["2026-01-01", "2027"]),
        ];
        for (asked, yes, no) in table {
            yes.iter().for_each(|found| assert!(holds(asked, found), "{asked} and {found}"));
            no.iter().for_each(|found| assert!(!holds(asked, found), "{asked} but not {found}"));
        }
    }

    #[test]
    fn a_date_is_as_long_as_it_is_exact() {
        let length = |text: &str| span_of(text, 480).map(|span| span.end - span.start);
        assert_eq!(length("2024"), Some(366 * DAY_MS));
        assert_eq!(length("2026-12"), Some(31 * DAY_MS));
        assert_eq!(length("2026-05-14T08:00"), Some(MINUTE_MS));
        assert_eq!(length("2026-05-14T08:00:00Z"), Some(1_000));
        assert_eq!(length("2026-05-14T08:00:00.25Z"), Some(10));
        for wrong in ["", "26", "2026-13", "2026-02-30", "2026-05T08:00", "2026-05-14T24:00", "2026-05-14T08", "x"] {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn offsets_count() {
        assert!(holds("2026-05-14T08:00:00+08:00", "2026-05-14T00:00:00Z"));
        assert!(holds("2026-05-14T08:00:00 08:00", "2026-05-14T00:00:00Z"), "a plus sign that was not escaped");
        assert!(holds("2026-05-14", "2026-05-13T16:00:00Z"), "a day without an offset is meant here");
    }

    proptest! {
        /// Each span is before, after or overlapping another, and the prefixes say so together.
        #[test]
        fn the_prefixes_agree_with_each_other(a in 0..60i64, b in 0..60i64, c in 1..60i64, d in 1..60i64) {
            let (asked, found) = (Span { start: a, end: a + c }, Span { start: b, end: b + d });
            let holds = |prefix| DateTest { prefix, span: asked }.holds(found);
            prop_assert_ne!(holds(Prefix::Eq), holds(Prefix::Ne));
            prop_assert_eq!(holds(Prefix::Ge), holds(Prefix::Gt) || holds(Prefix::Eq));
            prop_assert_eq!(holds(Prefix::Le), holds(Prefix::Lt) || holds(Prefix::Eq));
            prop_assert_eq!(holds(Prefix::Ap), !holds(Prefix::Sa) && !holds(Prefix::Eb));
            prop_assert!(!holds(Prefix::Sa) || holds(Prefix::Gt));
            prop_assert!(!holds(Prefix::Eb) || holds(Prefix::Lt));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = DateTest::read(&text, now());
        }
    }
}
