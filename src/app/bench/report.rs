//! What a bench says at its end: the same figures as a table for people, or as one JSON object for programs.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::app::bench::BenchArgs;
use crate::app::bench::load::Run;
use crate::app::bench::usage::{Usage, load_average};

/// The figures of one bench, in the order in which they are told.
pub struct Report {
    bench: &'static str,
    figures: Vec<(String, Value)>,
}

/// What a bench is held against.
pub struct Yardstick {
    /// What it is, in a few words.
    pub name: String,
    /// What it does in a second.
    pub per_second: f64,
}

impl Report {
    /// Begins a report.
    pub fn new(bench: &'static str, args: &BenchArgs) -> Self {
        let mut report = Self { bench, figures: Vec::new() };
        report.tell("entries", args.entries);
        report.tell("clients", args.clients);
        report
    }

    /// Adds a figure.
    pub fn tell(&mut self, name: &str, figure: impl Into<Value>) {
        self.figures.push((name.to_owned(), figure.into()));
    }

    /// Adds throughput and latencies of what was measured, and how it compares.
    pub fn tell_run(&mut self, unit: &str, run: &Run, yardstick: &Yardstick) {
        self.tell("throughput", rounded(run.per_second()));
        self.tell("unit", unit);
        self.tell_latencies("", run);
        self.tell("yardstick", rounded(yardstick.per_second));
        self.tell("yardstick_name", yardstick.name.as_str());
        self.tell("ratio", rounded(run.per_second() / yardstick.per_second));
    }

    /// Adds latencies under names that begin with `prefix`.
    pub fn tell_latencies(&mut self, prefix: &str, run: &Run) {
        for (name, percent) in [("p50_us", 50.0), ("p95_us", 95.0), ("p99_us", 99.0)] {
            self.tell(&format!("{prefix}{name}"), run.latencies.percentile_us(percent));
        }
        self.tell(&format!("{prefix}max_us"), run.latencies.max_us());
    }

    /// Adds what the servers used between two looks, for each of `operations`.
    pub fn tell_usage(&mut self, before: Usage, after: Usage, operations: u64) {
        let each = (after.cpu_s - before.cpu_s) / operations.max(1) as f64;
        self.tell("server_cpu_us_per_operation", rounded(each * 1e6));
        self.tell("memory_kib", after.memory_kib);
        self.tell("memory_peak_kib", after.memory_peak_kib);
    }

    /// Writes it out: a table, or with `json` one object on one line.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn write(mut self, json: bool, out: &mut dyn Write) -> io::Result<()> {
        self.tell("load_average", load_average());
        if json {
            let mut object = Map::from_iter([("bench".to_owned(), json!(self.bench))]);
            object.extend(self.figures);
            return writeln!(out, "{}", Value::Object(object));
        }
        writeln!(out, "concord bench {}", self.bench)?;
        for (name, figure) in &self.figures {
            let figure = figure.as_str().map_or_else(|| figure.to_string(), str::to_owned);
            writeln!(out, "  {:<34}{figure}", name.replace('_', " "))?;
        }
        Ok(())
    }
}

/// Shows on the terminal how far something has come; nowhere with --json.
pub fn progress(args: &BenchArgs, what: &'static str, length: u64) -> ProgressBar {
    if args.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {human_pos}/{human_len} {eta}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}

/// Keeps three figures behind the point, and none of what is no number.
pub fn rounded(figure: f64) -> Value {
    if figure.is_finite() { json!((figure * 1_000.0).round() / 1_000.0) } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_holds_what_programs_look_for() {
        let mut report = Report { bench: "check", figures: Vec::new() };
        let run = Run { seconds: 2.0, ..Run::default() };
        report.tell_run("checks/s", &run, &Yardstick { name: "empty".to_owned(), per_second: 10.0 });
        let mut written = Vec::new();
        report.write(true, &mut written).unwrap();
        let object: Value = serde_json::from_slice(&written).unwrap();
        for name in ["bench", "throughput", "p50_us", "p99_us", "yardstick", "ratio"] {
            assert!(!object[name].is_null(), "{name}");
        }
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
