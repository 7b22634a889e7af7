//! How an item went, as a line and as a table; drawn on the server, for browsers that run no scripts.

use maud::{Markup, html};

use crate::doors::http::pages::shown;
use crate::doors::http::patient::me::texts as say;
use crate::wire::pb::{self, Language};
use pb::result_summary::Content;

/// Shows the numbers of an item, `current` among them; nothing where there are not two that compare.
pub fn trend(points: &[pb::ResultSummary], current: &pb::ResultSummary, language: Language) -> Markup {
    let unit = points.last().and_then(laboratory).map(shown::unit).unwrap_or_default().to_owned();
    let same = points.iter().filter(|point| laboratory(point).map(shown::unit) == Some(&unit));
    let numbers: Vec<(&pb::ResultSummary, f64)> = same.filter_map(|point| Some((point, number(point)?))).collect();
    html! {
        @if numbers.len() >= 2 {
            section class="sheet" {
                div class="head" { h2 { (say::TREND.to(language)) } span class="soft small" { (unit) } }
                div class="body" {
                    (line(&numbers, current))
                    table class="points" {
                        @for (point, _) in numbers.iter().rev() {
                            tr class=[(point.name == current.name).then_some("current")] {
                                td { (shown::moment(point.collected_at.as_ref())) }
                                td { (shown::hospital(point, language)) }
                                td class="number" { @if let Some(found) = laboratory(point) { (shown::value(found)) } }
                                td { @if let Some(found) = laboratory(point) { (shown::flag_badge(&found.flag, language)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn line(points: &[(&pb::ResultSummary, f64)], current: &pb::ResultSummary) -> Markup {
    let time = |point: &pb::ResultSummary| point.collected_at.map_or(0, |at| at.unix_ms) as f64;
    let across = spread(points.iter().map(|(point, _)| time(point)));
    let up = spread(points.iter().map(|(_, number)| *number));
    let place = |point: &pb::ResultSummary, number: f64| {
        let x = MARGIN + along(time(point), across) * (WIDTH - 2.0 * MARGIN);
        let y = HEIGHT - MARGIN - along(number, up) * (HEIGHT - 2.0 * MARGIN);
        (x, y)
    };
    let places: Vec<(f64, f64, bool)> = points
        .iter()
        .map(|(point, number)| {
            let (x, y) = place(point, *number);
            (x, y, point.name == current.name)
        })
        .collect();
    let path: Vec<String> = places.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect();
    html! {
        svg class="trend" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } aria-hidden="true" {
            polyline class="line" points=(path.join(" ")) {}
            @for (x, y, current) in places {
                circle class=(if current { "point current" } else { "point" }) cx=(format!("{x:.1}"))
                    cy=(format!("{y:.1}")) r=(if current { 6 } else { 4 }) {}
            }
        }
    }
}

/// Gives the least and the greatest.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
}

/// Gives how far a value lies between two, 0 to 1; in the middle where they are the same.
fn along(value: f64, (least, most): (f64, f64)) -> f64 {
    if most > least { (value - least) / (most - least) } else { 0.5 }
}

fn laboratory(result: &pb::ResultSummary) -> Option<&pb::LaboratoryResult> {
    match &result.content {
        Some(Content::LaboratoryResult(found)) => Some(found),
        _ => None,
    }
}

fn number(result: &pb::ResultSummary) -> Option<f64> {
    match &laboratory(result)?.value {
        Some(pb::laboratory_result::Value::Quantity(quantity)) => quantity.number.parse().ok(),
        _ => None,
    }
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 150.0;
const MARGIN: f64 = 14.0;
