//! What is asked of the figures, and the figures as they are answered.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::domain::item::ItemCode;
use crate::domain::organisation::OrganisationCode;
use crate::wire::field::{FieldError, Problem, parsed};
use crate::wire::{day, pb};

/// What is asked of the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsQuery {
    /// First day, counted from 1970-01-01.
    pub first_day: i64,
    /// Last day, included.
    pub last_day: i64,
    /// One organisation, or all.
    pub organisation: Option<OrganisationCode>,
    /// One item, or all.
    pub item: Option<ItemCode>,
    /// Whether organisations are kept apart.
    pub by_organisation: bool,
    /// Whether items are kept apart.
    pub by_item: bool,
    /// Whether days are kept apart.
    pub by_day: bool,
}

impl StatisticsQuery {
    /// Reads the request.
    ///
    /// # Errors
    /// [`FieldError`] naming the field; the caller must correct it.
    pub fn read(sent: &pb::StatisticsRequest) -> Result<Self, FieldError> {
        let (first_day, last_day) = days(&sent.from_day, &sent.to_day)?;
        Ok(Self {
            first_day,
            last_day,
            organisation: given("organisation", &sent.organisation, "organisation code")?,
            item: given("item", &sent.item, "item code")?,
            by_organisation: sent.by_organisation,
            by_item: sent.by_item,
            by_day: sent.by_day,
        })
    }

    /// Says whether the figures of items are asked for, not those of whole visits.
    pub fn is_of_items(&self) -> bool {
        self.by_item || self.item.is_some()
    }
}

/// Computes the recognition rate in percent, two decimals; empty without a denominator.
///
/// Source: 2025 国家医疗质量安全改进目标, 检查检验结果互认率.
pub fn recognition_rate_percent(recognised: u64, existing: u64) -> String {
    if existing == 0 {
        return String::new();
    }
    let rate = Decimal::from(recognised) * Decimal::ONE_HUNDRED / Decimal::from(existing);
    let rounded = rate.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    format!("{rounded:.2}")
}

/// Reads the first and the last day, each counted from 1970-01-01 and unbounded where empty.
pub(super) fn days(from: &str, to: &str) -> Result<(i64, i64), FieldError> {
    let bound = |field: &str, text: &str, open| if text.is_empty() { Ok(open) } else { day::day(field, text) };
    let days = (bound("from_day", from, i64::MIN)?, bound("to_day", to, i64::MAX)?);
    if days.0 > days.1 {
        return Err(FieldError::new("to_day", Problem::Form("day that is not before from_day")));
    }
    Ok(days)
}

pub(super) fn given<T: std::str::FromStr>(
    field: &str,
    text: &str,
    kind: &'static str,
) -> Result<Option<T>, FieldError> {
    if text.is_empty() { Ok(None) } else { parsed(field, text, kind).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_the_official_one() {
        for (recognised, existing, rate) in [
            (0, 0, ""),
            (3, 0, ""),
            (0, 3, "0.00"),
            (2, 3, "66.67"),
            (1, 8, "12.50"),
            (1, 800, "0.13"),
            (3, 3, "100.00"),
        ] {
            assert_eq!(recognition_rate_percent(recognised, existing), rate);
        }
        assert_eq!(recognition_rate_percent(u64::MAX, u64::MAX), "100.00");
    }

    #[test]
    fn a_period_that_ends_before_it_begins_is_refused() {
        let sent = |from: &str, to: &str| pb::StatisticsRequest {
            from_day: from.into(),
            to_day: to.into(),
            ..Default::default()
        };
        assert!(StatisticsQuery::read(&sent("2026-05-04", "2026-05-04")).is_ok());
        assert_eq!(StatisticsQuery::read(&sent("2026-05-05", "2026-05-04")).unwrap_err().field, "to_day");
        assert_eq!(StatisticsQuery::read(&sent("2026-02-29", "")).unwrap_err().field, "from_day");
    }
}
