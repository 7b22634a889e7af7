//! What a node counts since its start; numbers only, nothing of a patient.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::sys::meter::page::{Page, number};
use crate::sys::meter::{Counter, Histogram, WAITS_S, table};
use crate::wire::pb::degraded::Cause;

/// The counters.
#[derive(Debug)]
pub struct Figures {
    /// Messages taken, those sent again not counted.
    pub messages_taken: Counter,
    /// Messages that were taken before.
    pub message_duplicates: Counter,
    /// Messages refused, with those that are no messages.
    pub messages_refused: Counter,
    /// Instances taken, those sent again not counted.
    pub instances_taken: Counter,
    /// Instances that were taken before.
    pub instance_duplicates: Counter,
    /// Instances refused.
    pub instances_refused: Counter,
    /// How long senders of messages waited.
    pub message_times: Histogram,
    /// How long senders of instances waited.
    pub instance_times: Histogram,
    /// Entries sealed.
    pub results_published: Counter,
    /// Things held for somebody.
    pub results_held: Counter,
    /// Observations whose code maps to nothing, each time they are read.
    pub results_unmapped: Counter,
    /// Observations whose code was mapped, when they were read first.
    pub observations_mapped: Counter,
    /// Observations whose code was not mapped, when they were read first.
    pub observations_unmapped: Counter,
    /// Receipts verified.
    pub receipts: Counter,
    /// Receipts refused.
    pub receipts_refused: Counter,
    /// Orders answered without the hub, by cause.
    misses: [Counter; CAUSES.len()],
    /// The tunnels, by the address of the instance.
    tunnels: Mutex<BTreeMap<String, bool>>,
    /// Times that the hub's log was not believed.
    pub log_refused: Counter,
    /// Cosignatures that the hub has taken.
    pub cosignatures: Counter,
}

impl Figures {
    /// Counts an order that was answered without the hub.
    pub fn missed(&self, cause: Cause) {
        let found = CAUSES.iter().zip(&self.misses).find(|((known, _), _)| *known == cause);
        if let Some((_, counter)) = found {
            counter.add(1);
        }
    }

    /// Says whether the tunnel to an instance of the hub is open.
    pub fn tunnel(&self, instance: &str, is_open: bool) {
        let mut tunnels = self.tunnels.lock().unwrap_or_else(PoisonError::into_inner);
        tunnels.insert(instance.to_owned(), is_open);
    }

    /// Says to which instances of the hub the tunnel is open now.
    pub fn tunnels(&self) -> BTreeMap<String, bool> {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts how long the sender of a message waited for its answer.
    pub fn answered(&self, waited: Duration, is_message: bool) {
        if is_message { &self.message_times } else { &self.instance_times }.observe(waited);
    }

    /// Writes what was counted.
    pub fn write(&self, page: &mut Page) {
        page.begin(table::INTAKE);
        let intake = [
            ("message", "taken", &self.messages_taken),
            ("message", "duplicate", &self.message_duplicates),
            ("message", "refused", &self.messages_refused),
            ("instance", "taken", &self.instances_taken),
            ("instance", "duplicate", &self.instance_duplicates),
            ("instance", "refused", &self.instances_refused),
        ];
        for (kind, outcome, counter) in intake {
            page.sample(&[("kind", kind), ("outcome", outcome)], number(counter.value()));
        }
        page.begin(table::INTAKE_TIMES).times(&[("kind", "message")], &self.message_times);
        page.times(&[("kind", "instance")], &self.instance_times);
        page.count(table::PUBLISHED, &self.results_published).count(table::HELD_SINCE, &self.results_held);
        let (mapped, unmapped) = (self.observations_mapped.value(), self.observations_unmapped.value());
        page.begin(table::OBSERVATIONS).sample(&[("code", "mapped")], number(mapped));
        page.sample(&[("code", "unmapped")], number(unmapped));
        let all = mapped + unmapped;
        page.one(table::COVERAGE, if all == 0 { 1.0 } else { number(mapped) / number(all) });
        page.begin(table::RECEIPTS).sample(&[("outcome", "believed")], number(self.receipts.value()));
        page.sample(&[("outcome", "refused")], number(self.receipts_refused.value()));
        page.count(table::LOG_REFUSED, &self.log_refused).count(table::COSIGNATURES, &self.cosignatures);
        page.begin(table::MISSES);
        for ((_, cause), counter) in CAUSES.iter().zip(&self.misses) {
            page.sample(&[("cause", cause)], number(counter.value()));
        }
        page.begin(table::HUB);
        for (instance, is_open) in self.tunnels() {
            page.sample(&[("hub", &instance)], f64::from(u8::from(is_open)));
        }
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            messages_taken: Counter::default(),
            message_duplicates: Counter::default(),
            messages_refused: Counter::default(),
            instances_taken: Counter::default(),
            instance_duplicates: Counter::default(),
            instances_refused: Counter::default(),
            message_times: Histogram::new(WAITS_S),
            instance_times: Histogram::new(WAITS_S),
            results_published: Counter::default(),
            results_held: Counter::default(),
            results_unmapped: Counter::default(),
            observations_mapped: Counter::default(),
            observations_unmapped: Counter::default(),
            receipts: Counter::default(),
            receipts_refused: Counter::default(),
            log_refused: Counter::default(),
            cosignatures: Counter::default(),
            misses: std::array::from_fn(|_| Counter::default()),
            tunnels: Mutex::default(),
        }
    }
}

/// Why an order is answered without the hub, and what the metric calls it.
const CAUSES: [(Cause, &str); 4] = [
    (Cause::Timeout, "timeout"),
    (Cause::Unreachable, "unreachable"),
    (Cause::PatientUnresolved, "unresolved"),
    (Cause::Refused, "refused"),
];
