//! The page that Prometheus reads: metrics in the order they are written, each with what it means.

use std::fmt::{self, Write};

use super::{Counter, Histogram, Kind, Metric};

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    /// The metric whose samples may follow.
    open: Option<Metric>,
}

/// Labels of one sample: names and values.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    /// Begins a metric; its samples follow, and may be none.
    pub fn begin(&mut self, metric: Metric) -> &mut Self {
        let Metric { name, kind, help } = metric;
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str()));
        self.open = Some(metric);
        self
    }

    /// Writes a sample of the metric that was begun last.
    pub fn sample(&mut self, labels: Labels<'_>, value: f64) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// Writes the samples of a histogram for the metric that was begun last.
    pub fn times(&mut self, labels: Labels<'_>, histogram: &Histogram) -> &mut Self {
        let mut below = 0;
        for (count, bound) in histogram.counts.iter().zip(histogram.bounds_s.iter().map(Some).chain([None])) {
            below += count.value();
            let bound = bound.map_or_else(|| "+Inf".to_owned(), f64::to_string);
            self.line("_bucket", labels, Some(&bound), number(below));
        }
        let sum_us = histogram.sum_us.load(std::sync::atomic::Ordering::Relaxed);
        self.line("_sum", labels, None, number(sum_us) / 1e6);
        self.line("_count", labels, None, number(below));
        self
    }

    /// Writes a gauge or counter without labels.
    pub fn one(&mut self, metric: Metric, value: f64) -> &mut Self {
        self.begin(metric).sample(&[], value)
    }

    /// Writes a counter without labels.
    pub fn count(&mut self, metric: Metric, counter: &Counter) -> &mut Self {
        self.one(metric, number(counter.value()))
    }

    /// Gives the text.
    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: f64) {
        let Some(Metric { name, kind, .. }) = self.open else { unreachable!("a sample belongs to a metric") };
        debug_assert!(suffix.is_empty() != (kind == Kind::Histogram), "{name} is written as another kind");
        self.put(format_args!("{name}{suffix}"));
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        for (place, (label, value)) in labels.clone().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            self.put(format_args!("{before}{label}=\"{}\"", Escaped(value)));
        }
        let closing = if labels.count() > 0 { "}" } else { "" };
        self.put(format_args!("{closing} {value}\n"));
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        let written = self.text.write_fmt(text);
        assert!(written.is_ok(), "text takes what is written to it");
    }
}

/// Makes a sample's value of a count; above 2^53 it is rounded.
pub fn number(count: u64) -> f64 {
    count as f64
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => formatter.write_str("\\\\"),
            '"' => formatter.write_str("\\\""),
            '\n' => formatter.write_str("\\n"),
            other => formatter.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CALLS: Metric = Metric { name: "calls_total", kind: Kind::Counter, help: "Calls." };
    const WAITS: Metric = Metric { name: "wait_seconds", kind: Kind::Histogram, help: "Waits." };

    #[test]
    fn the_page_is_the_format() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        histogram.observe(Duration::from_millis(500));
        let mut page = Page::default();
        page.begin(CALLS).sample(&[("call", "a\"b\\c\nd"), ("code", "OK")], 3.0);
        page.begin(WAITS).times(&[("call", "a")], &histogram);
        assert_eq!(
            page.finish(),
            "# HELP calls_total Calls.\n# TYPE calls_total counter\n\
             calls_total{call=\"a\\\"b\\\\c\\nd\",code=\"OK\"} 3\n\
             # HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n\
             wait_seconds_bucket{call=\"a\",le=\"0.1\"} 0\nwait_seconds_bucket{call=\"a\",le=\"1\"} 1\n\
             wait_seconds_bucket{call=\"a\",le=\"+Inf\"} 1\nwait_seconds_sum{call=\"a\"} 0.5\nwait_seconds_count{call=\"a\"} 1\n"
        );
    }
}
