//! Where a node stands, for those who watch it; see [`super::NodeStatus`] for what people are shown.

use super::core::blocking;
use super::error::NodeError;
use super::recalls::recall_at;
use super::{Node, NodeStatus};
use crate::ports::hub::HubLink;
use crate::ports::trace::Tracer;
use crate::sys::meter::page::{Page, number};
use crate::sys::meter::table;

/// Where a node stands, beside its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What people are shown.
    pub status: NodeStatus,
    /// Records that the projections do not show yet.
    pub behind: u64,
    /// Local codes that map to nothing.
    pub unmapped_codes: usize,
    /// Missed checks of which the hub was not told yet, up to 1,000.
    pub misses_waiting: usize,
    /// Items of the catalogue in use.
    pub items: usize,
    /// Recalls that nobody has acknowledged.
    pub recalls_open: u64,
    /// Milliseconds since the first of them that came was made; 0 where there is none.
    pub recalls_age_ms: i64,
}

impl<L: HubLink> Node<L> {
    /// Says where the node stands.
    ///
    /// # Errors
    /// [`NodeError`] when the projections fail.
    pub async fn standing(&self) -> Result<Standing, NodeError> {
        let status = self.status().await?;
        let items = self.terms().catalogue.items.len();
        blocking(&self.core, move |core| {
            let (recalls_open, first) = core.state.recalls_open()?;
            let made_at = first.map(|record| recall_at(core, record)).transpose()?.and_then(|recall| recall.made_at);
            let age_ms = made_at.map(|made_at| core.clock.now().unix_ms() - made_at.unix_ms);
            Ok(Standing {
                status,
                behind: core.journal.reader().next_sequence().saturating_sub(core.state.applied()?.0),
                unmapped_codes: core.state.unmapped()?.len(),
                misses_waiting: core.state.misses(MISSES_COUNTED_MAX)?.len(),
                items,
                recalls_open,
                recalls_age_ms: age_ms.unwrap_or(0).max(0),
            })
        })
        .await
    }

    /// Has the sending of batches traced; the first word counts.
    pub fn trace(&self, tracer: Tracer) {
        let _ = self.core.tracer.set(tracer);
    }

    /// Writes what was counted, and where the node stands.
    pub fn write(&self, page: &mut Page, standing: &Standing) {
        self.figures().write(page);
        let Standing { status, behind, unmapped_codes, misses_waiting, items, recalls_open, recalls_age_ms } =
            *standing;
        page.one(table::HELD, number(status.held));
        page.one(table::UNMAPPED, number(unmapped_codes as u64));
        page.one(table::OUTBOX, number(status.outbox_batches));
        page.one(table::OUTBOX_AGE, number(status.outbox_age_s));
        page.one(table::MISSES_WAITING, number(misses_waiting as u64));
        page.one(table::ITEMS, number(items as u64));
        page.one(table::RECALLS, number(recalls_open));
        page.one(table::RECALLS_AGE, recalls_age_ms as f64 / 1e3);
        page.begin(table::LAG).sample(&[("projection", "state")], number(behind));
        let unread = status.journal_size.saturating_sub(status.pipeline_position);
        page.sample(&[("projection", "pipeline")], number(unread));
        page.one(table::JOURNAL_RECORDS, number(status.journal_size));
    }
}

const MISSES_COUNTED_MAX: usize = 1_000;
