//! The start of the hub until it answers over TLS: after an orderly end, and after kill -9.

use std::sync::Arc;
use std::time::Duration;

use crate::app::bench::load::Run;
use crate::app::bench::region::Region;
use crate::app::bench::report::{Report, Yardstick, progress, rounded};
use crate::app::bench::{BenchArgs, BenchError};
use crate::ports::clock::Clock;

/// Measures starts.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub async fn run(args: &BenchArgs, region: &mut Region, clock: &Arc<dyn Clock>) -> Result<Report, BenchError> {
    region.start_hub().await?;
    let empty = BenchArgs { entries: 1, dir: None, keep: false, ..args.clone() };
    let mut beside = Region::make(&empty, clock).await?;
    let bar = progress(args, "measuring, starts", 2 * STARTS);
    let (mut orderly, mut killed, mut nothing) = (Run::default(), Run::default(), Run::default());
    for place in 0..2 * STARTS {
        let run = if place.is_multiple_of(2) { &mut orderly } else { &mut killed };
        region.end_hub(place.is_multiple_of(2));
        count(run, region.start_hub().await?);
        beside.end_hub(true);
        count(&mut nothing, beside.start_hub().await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut report = Report::new("start", args);
    let name = "start of an empty hub".to_owned();
    report.tell_run("starts/s", &orderly, &Yardstick { name, per_second: nothing.per_second() });
    report.tell("start_s", rounded(orderly.seconds / STARTS as f64));
    report.tell("start_after_kill_s", rounded(killed.seconds / STARTS as f64));
    report.tell("start_after_kill_max_us", killed.latencies.max_us());
    report.tell("start_empty_s", rounded(nothing.seconds / (2 * STARTS) as f64));
    let usage = region.usage();
    report.tell("memory_kib", usage.memory_kib);
    report.tell("memory_peak_kib", usage.memory_peak_kib);
    for (name, bytes) in region.disk() {
        report.tell(&format!("disk_{name}_bytes"), bytes);
    }
    Ok(report)
}

fn count(run: &mut Run, took: Duration) {
    run.latencies.count(took);
    run.seconds += took.as_secs_f64();
}

const STARTS: u64 = 3;
