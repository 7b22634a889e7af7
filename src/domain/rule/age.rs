//! How old a result is. Windows are counted in hours on the UTC time line, the boundary inside.

use super::super::entry::Entry;
use super::super::item::ItemCode;
use super::super::order::OrderContext;
use super::super::policy::Policy;
use super::super::time::{Hours, Moment};
use super::super::verdict::Refusal;

/// Gives the earliest instant that a moment can mean: the start of its day where only the day is known.
pub(super) fn start(moment: Moment) -> Moment {
    if !moment.is_date_only() {
        return moment;
    }
    let start_ms = moment.local_day() * DAY_MS - i64::from(moment.offset_minutes()) * 60_000;
    Moment::new(start_ms, moment.offset_minutes()).unwrap_or(moment)
}

/// Gives the latest instant that a moment can mean.
pub(super) fn end(moment: Moment) -> Moment {
    if !moment.is_date_only() {
        return moment;
    }
    let end_ms = start(moment).unix_ms() + DAY_MS - 1;
    Moment::new(end_ms, moment.offset_minutes()).unwrap_or(moment)
}

/// Finds what the window has against a result.
pub(super) fn refuse(
    item: ItemCode,
    entry: &Entry,
    context: &OrderContext,
    policy: &Policy,
    at: Moment,
    refusals: &mut Vec<Refusal>,
) {
    if policy.never_prompt.contains(&item) {
        refusals.push(Refusal::NeverPrompts);
    }
    let window = policy.window(item, context.setting);
    let anchor = start(policy.anchor(&entry.times));
    if at.ms_since(start(entry.times.collected)) < 0 || at.ms_since(anchor) < 0 {
        refusals.push(Refusal::InFuture);
    } else if window == Hours(0) {
        refusals.push(Refusal::WindowZero { setting: context.setting });
    } else if !window.cover(anchor, at) {
        refusals.push(Refusal::WindowExpired { window, age_ms: at.ms_since(anchor) });
    }
}

const DAY_MS: i64 = 24 * 3_600_000;
