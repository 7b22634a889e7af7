//! Randomness from the operating system. Nobody else draws any.

use uuid::{Builder, Uuid};

use crate::domain::time::Moment;

/// Gives `N` unpredictable bytes.
///
/// # Panics
/// When the operating system has no randomness to give: no key or identifier made without it would be worth having.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut filled = [0; N];
    assert!(getrandom::fill(&mut filled).is_ok(), "the operating system gives no randomness");
    filled
}

/// Makes an identifier that sorts by the moment it was made at, to the millisecond.
///
/// Source: RFC 9562, 5.7.
pub fn uuid_v7(now: Moment) -> Uuid {
    let unix_ms = u64::try_from(now.unix_ms()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(unix_ms, &bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_sort_by_time_and_differ_within_one() {
        let at = |ms| Moment::new(ms, 480).unwrap();
        assert!(uuid_v7(at(1_000)) < uuid_v7(at(1_001)));
        assert_ne!(uuid_v7(at(1_000)), uuid_v7(at(1_000)));
        assert_eq!(uuid_v7(at(1_000)).get_version_num(), 7);
    }
}
