//! What a node counts since its start; numbers only, nothing of a patient.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The counters.
#[derive(Debug, Default)]
pub struct Figures {
    /// Messages taken, those sent again not counted.
    pub messages_taken: Counter,
    /// Messages and instances that were taken before.
    pub duplicates: Counter,
    /// Messages and instances refused.
    pub refused: Counter,
    /// Instances taken, those sent again not counted.
    pub instances_taken: Counter,
    /// Entries sealed.
    pub results_published: Counter,
    /// Things held for somebody.
    pub results_held: Counter,
    /// Observations whose code maps to nothing.
    pub results_unmapped: Counter,
    /// Receipts verified.
    pub receipts: Counter,
    /// Receipts refused.
    pub receipts_refused: Counter,
    /// Times that the hub's log was not believed.
    pub log_refused: Counter,
    /// Cosignatures that the hub has taken.
    pub cosignatures: Counter,
    /// Whether the last attempt to speak to the hub succeeded.
    pub hub_connected: AtomicBool,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Gives the number.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
