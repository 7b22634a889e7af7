//! The part of the page that hub and node have in common.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::operations::Operations;
use crate::app::operations::papers::Papers;
use crate::app::operations::traces::Spans;
use crate::domain::time::Moment;
use crate::doors::health::State;
use crate::ports::clock::Clock;
use crate::sys::machine;
use crate::sys::meter::page::{Page, number};
use crate::sys::meter::table;

/// What both kinds of processes show.
pub struct CommonPage {
    /// Health and calls.
    pub operations: Operations,
    /// Certificates.
    pub papers: Papers,
    /// The data folder.
    pub data: PathBuf,
    /// The journal's folder.
    pub journal: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// When the process started.
    pub started: Moment,
    /// What became of spans.
    pub spans: Spans,
}

impl CommonPage {
    /// Writes it. Blocks.
    pub fn write(&self, page: &mut Page) {
        page.begin(table::BUILD).sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.one(table::STARTED, seconds(self.started.unix_ms()));
        page.begin(table::MEMORY);
        if let Some(bytes) = machine::resident_bytes() {
            page.sample(&[], number(bytes));
        }
        page.begin(table::FILES);
        if let Some(files) = machine::open_files() {
            page.sample(&[], number(files as u64));
        }
        let report = self.operations.health.report();
        page.one(table::READY, f64::from(u8::from(report.status.is_ready())));
        page.begin(table::HEALTH);
        for check in &report.checks {
            let value = match check.state {
                State::Well => 1.0,
                State::Degraded => 0.5,
                State::Failed => 0.0,
            };
            page.sample(&[("check", check.name)], value);
        }
        self.operations.calls.write(page);
        page.begin(table::EXPIRY);
        for (name, left) in self.papers.left_s(self.clock.now()) {
            if let Some(left) = left {
                page.sample(&[("certificate", name)], seconds(left.saturating_mul(1_000)));
            }
        }
        page.one(table::JOURNAL_BYTES, number(machine::folder_bytes(&self.journal)));
        let room = machine::room(&self.data).ok();
        for (metric, bytes) in
            [(table::DISK_FREE, room.map(|it| it.free_bytes)), (table::DISK_SIZE, room.map(|it| it.total_bytes))]
        {
            page.begin(metric);
            if let Some(bytes) = bytes {
                page.sample(&[], number(bytes));
            }
        }
        let (exported, dropped) = self.spans.counts();
        page.begin(table::SPANS).sample(&[("outcome", "exported")], number(exported));
        page.sample(&[("outcome", "dropped")], number(dropped));
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}
