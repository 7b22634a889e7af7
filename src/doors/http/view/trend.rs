//! Earlier results of the same item, where they compare: a small chart and the numbers themselves.

use maud::{Markup, html};

use crate::domain::catalogue::{Catalogue, Item, MethodDemand};
use crate::doors::http::pages::{facts, shown};
use crate::doors::http::view::siblings::is_same;
use crate::doors::http::view::texts;
use crate::wire::pb::{self, Language};
use pb::laboratory_result::Value;
use pb::result_summary::Content;

/// Gives the result and those that compare with it, oldest first; itself alone where nothing does.
///
/// Comparable are results of the same item and unit that their publishers call comparable, final or corrected, and not
/// sensitive; of the same method where the item demands it, or where the catalogue does not say.
pub fn comparable<'r>(
    result: &'r pb::ResultSummary,
    others: &'r [pb::ResultSummary],
    catalogue: &Catalogue,
) -> Vec<&'r pb::ResultSummary> {
    let wanted = result.items.first();
    let any_method = wanted.and_then(|code| catalogue.item(code.parse().ok()?)).and_then(Item::laboratory);
    let any_method = any_method.is_some_and(|item| item.method == MethodDemand::Any);
    let compares = |other: &&pb::ResultSummary| {
        let (Some((own, unit)), Some((its, its_unit))) = (number(result), number(other)) else { return false };
        let same_method = !own.method.is_empty() && own.method == its.method;
        wanted.is_some_and(|item| other.items.contains(item))
            && unit == its_unit
            && own.comparability() == pb::Comparability::Comparable
            && its.comparability() == pb::Comparability::Comparable
            && (any_method || same_method)
            && matches!(other.status(), pb::ResultStatus::Final | pb::ResultStatus::Corrected)
            && other.sensitivity() != pb::Sensitivity::Sensitive
            && !is_same(result, other)
    };
    let mut all: Vec<_> = std::iter::once(result).chain(others.iter().filter(compares)).collect();
    all.sort_by_key(|one| one.collected_at.as_ref().map(|at| at.unix_ms));
    all
}

/// Shows chart and table.
pub fn show(result: &pb::ResultSummary, all: &[&pb::ResultSummary], language: Language) -> Markup {
    html! {
        (chart(result, all, language))
        table {
            thead { tr {
                th { (texts::TIME.to(language)) } th class="number" { (texts::VALUE.to(language)) }
                th { (texts::FLAG.to(language)) } th { (facts::RANGE.to(language)) }
                th { (facts::METHOD.to(language)) } th { (texts::PUBLISHER.to(language)) }
            } }
            tbody {
                @for one in all.iter().rev() {
                    @if let Some((found, unit)) = number(one) {
                        tr class=[is_same(one, result).then_some("current")] {
                            td { (shown::moment(one.collected_at.as_ref())) }
                            td class="number" { (shown::value(found)) " " span class="soft" { (unit) } }
                            td { (shown::flag_badge(&found.flag, language)) }
                            td { (facts::text(&found.reference_range)) }
                            td { (facts::text(&found.method)) }
                            td { (shown::hospital(one, language)) }
                        }
                    }
                }
            }
        }
    }
}

struct Point<'r> {
    x: f64,
    y: f64,
    value: String,
    result: &'r pb::ResultSummary,
    flagged: bool,
}

/// Draws exact numbers over time, with the range of the result at hand behind them. Bounds, as `< 0.01`, are in the table
/// alone: a dot would claim a number.
fn chart(result: &pb::ResultSummary, all: &[&pb::ResultSummary], language: Language) -> Markup {
    let exact: Vec<_> =
        all.iter().filter_map(|one| Some((one.collected_at.as_ref()?.unix_ms, exact(one)?, *one))).collect();
    let (Some(first), Some(last)) = (exact.first(), exact.last()) else { return html! {} };
    if exact.len() < 2 {
        return html! {};
    }
    let range = number(result).and_then(|(found, _)| read_range(&found.reference_range));
    let numbers = exact.iter().map(|(_, number, _)| *number);
    let (low, high) = bounds(numbers.chain(range.into_iter().flat_map(|(low, high)| [low, high])));
    let span = (last.0 - first.0).max(1) as f64;
    let y_of = |number: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (number - low) / (high - low));
    let points: Vec<Point<'_>> = exact
        .iter()
        .map(|(at, value, one)| Point {
            x: LEFT + (WIDTH - LEFT - RIGHT) * ((at - first.0) as f64 / span),
            y: y_of(*value),
            value: number(one).map(|(found, _)| shown::value(found)).unwrap_or_default(),
            result: one,
            flagged: number(one).is_some_and(|(found, _)| !matches!(found.flag.as_str(), "" | "N")),
        })
        .collect();
    let points = apart(points);
    let line = points.iter().map(|point| format!("{:.1},{:.1}", point.x, point.y)).collect::<Vec<_>>().join(" ");
    let day = |at: Option<&pb::Moment>| shown::moment(at).chars().take(10).collect::<String>();
    html! {
        svg class="trend" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(texts::TREND.to(language)) {
            @if let Some((low, high)) = range {
                rect class="range" x=(LEFT) y=(format!("{:.1}", y_of(high))) width=(WIDTH - LEFT - RIGHT)
                    height=(format!("{:.1}", (y_of(low) - y_of(high)).max(1.0))) {}
                text class="axis" x="4" y=(format!("{:.1}", y_of(high) + 4.0)) { (high) }
                text class="axis" x="4" y=(format!("{:.1}", y_of(low) + 4.0)) { (low) }
            }
            polyline class="path" points=(line) {}
            @for point in &points {
                circle class={ "dot" @if point.flagged { " flagged" } @if is_same(point.result, result) { " current" } }
                    cx=(format!("{:.1}", point.x)) cy=(format!("{:.1}", point.y))
                    r=(if is_same(point.result, result) { 6 } else { 4 }) {
                    title { (shown::moment(point.result.collected_at.as_ref())) "  " (point.value) }
                }
                @if points.len() <= LABELS_MAX {
                    text class="label" x=(format!("{:.1}", point.x)) y=(format!("{:.1}", point.y - 10.0)) { (point.value) }
                }
            }
            text class="axis" x=(LEFT) y=(HEIGHT - 6.0) { (day(first.2.collected_at.as_ref())) }
            text class="axis end" x=(WIDTH - RIGHT) y=(HEIGHT - 6.0) { (day(last.2.collected_at.as_ref())) }
        }
    }
}

/// Moves dots that would cover each other apart, from the newest back; where they do not fit, all are spread evenly.
fn apart(mut points: Vec<Point<'_>>) -> Vec<Point<'_>> {
    let mut right = f64::MAX;
    for point in points.iter_mut().rev() {
        point.x = point.x.min(right - GAP);
        right = point.x;
    }
    if right < LEFT {
        let step = (WIDTH - LEFT - RIGHT) / (points.len().max(2) - 1) as f64;
        for (place, point) in points.iter_mut().enumerate() {
            point.x = LEFT + step * place as f64;
        }
    }
    points
}

fn number(result: &pb::ResultSummary) -> Option<(&pb::LaboratoryResult, &str)> {
    let Some(Content::LaboratoryResult(found)) = &result.content else { return None };
    let Some(Value::Quantity(quantity)) = &found.value else { return None };
    Some((found, &quantity.unit))
}

fn exact(result: &pb::ResultSummary) -> Option<f64> {
    let Some(Value::Quantity(quantity)) = number(result).map(|(found, _)| found)?.value.as_ref() else { return None };
    let number = quantity.number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    (quantity.comparator() == pb::Comparator::Unspecified).then_some(number)
}

/// Reads a range as laboratories write it, `3.5-5.3`; nothing where it is written otherwise.
fn read_range(text: &str) -> Option<(f64, f64)> {
    let (low, high) = text.trim().split_once(['-', '~', '–', '—', '～'])?;
    let read = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let range = (read(low)?, read(high)?);
    (range.0 < range.1).then_some(range)
}

/// Gives bounds that leave some air around the numbers.
fn bounds(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::MAX, f64::MIN), |(low, high), number| (low.min(number), high.max(number)));
    let air = if high > low { (high - low) * 0.12 } else { high.abs().max(1.0) * 0.1 };
    (low - air, high + air)
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 26.0;
/// Least distance of two dots whose labels can be told apart.
const GAP: f64 = 34.0;
const LABELS_MAX: usize = 16;
