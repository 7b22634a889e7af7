//! What a hub counts since its start, and where it stands now: numbers only, nothing of a patient.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::domain::id::PromptId;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::registry::Rules;
use crate::sys::meter::page::{Page, number};
use crate::sys::meter::{Counter, DELAYS_S, Histogram, table};
use crate::wire::orders::Outcome;

/// The counters.
#[derive(Debug, Default)]
pub struct Figures {
    /// Checks that offered something.
    prompting: Counter,
    /// Checks that offered nothing.
    quiet: Counter,
    /// Results that checks offered.
    prompts: Counter,
    accepted: Counter,
    declined: Counter,
    /// Checks answered without this hub, as nodes told of them.
    pub(super) told_misses: Counter,
    publishers: RwLock<BTreeMap<OrganisationCode, Arc<Publisher>>>,
}

/// What came from one hospital.
#[derive(Debug)]
struct Publisher {
    batches: Counter,
    entries: Counter,
    rejections: Counter,
    delays: Histogram,
    /// When the last batch came, in milliseconds since 1970.
    last_unix_ms: AtomicI64,
    /// How old the newest entry of it was, in milliseconds.
    last_delay_ms: AtomicI64,
}

/// Where a hub stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Durable records.
    pub records: u64,
    /// Records that every projection has.
    pub projected: u64,
    /// Records that the last checkpoint covers.
    pub published: u64,
    /// Whether the journal takes records.
    pub journal_is_well: bool,
    /// Whether projections and public log follow the journal.
    pub is_followed: bool,
    /// Policy versions recorded.
    pub policies: usize,
    /// Organisations of the version in force, where one is.
    pub organisations: Option<usize>,
    /// Open tunnels by hospital.
    pub tunnels: BTreeMap<OrganisationCode, usize>,
}

impl Hub {
    /// Says where the hub stands.
    pub fn standing(&self) -> Standing {
        let ledger = &self.parts.ledger;
        let in_force = self.parts.registry.rules(self.now());
        let listed = |rules: Rules| rules.version.organisations.len();
        Standing {
            records: ledger.records(),
            projected: ledger.projected().0,
            published: ledger.published().0,
            journal_is_well: !ledger.is_poisoned(),
            is_followed: ledger.is_followed(),
            policies: self.parts.registry.versions().len(),
            organisations: in_force.ok().map(listed),
            tunnels: self.retrieval.tunnels(),
        }
    }

    /// Writes how many recalls nobody has taken note of, and for how long, by organisation. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError`]; the page lacks them.
    pub fn write_recalls(&self, page: &mut Page) -> Result<(), HubError> {
        let (open, now) = (self.parts.state.read()?.recalls_open()?, self.now());
        page.begin(table::RECALLS);
        for (organisation, (count, _)) in &open {
            page.sample(&[("organisation", organisation.as_str())], number(*count));
        }
        page.begin(table::RECALLS_AGE);
        for (organisation, (_, oldest)) in &open {
            page.sample(&[("organisation", organisation.as_str())], seconds(now.ms_since(*oldest)));
        }
        Ok(())
    }

    /// Gives what was counted since the start.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}

impl Figures {
    /// Counts a check by its answer.
    pub(super) fn checked(&self, prompts: usize) {
        if prompts == 0 { &self.quiet } else { &self.prompting }.add(1);
        self.prompts.add(prompts);
    }

    /// Counts decisions that were recorded.
    pub(super) fn decided(&self, outcomes: &[(PromptId, Outcome)]) {
        for (_, outcome) in outcomes {
            match outcome {
                Outcome::Accept => self.accepted.add(1),
                Outcome::Decline { .. } | Outcome::Unexplained => self.declined.add(1),
            }
        }
    }

    /// Counts a batch that was taken at `now`, with the moments at which its results were reported.
    pub(super) fn published(
        &self,
        publisher: OrganisationCode,
        now: Moment,
        reported: &[Moment],
        (entries, rejections): (usize, usize),
    ) {
        let kept = self.publisher(publisher);
        kept.batches.add(1);
        kept.entries.add(entries);
        kept.rejections.add(rejections);
        let delay_ms = |at: &Moment| now.ms_since(*at).max(0);
        for delay_ms in reported.iter().map(delay_ms) {
            kept.delays.observe(Duration::from_millis(delay_ms.unsigned_abs()));
        }
        kept.last_unix_ms.store(now.unix_ms(), Ordering::Relaxed);
        if let Some(delay_ms) = reported.iter().map(delay_ms).min() {
            kept.last_delay_ms.store(delay_ms, Ordering::Relaxed);
        }
    }

    fn publisher(&self, publisher: OrganisationCode) -> Arc<Publisher> {
        if let Some(known) = self.publishers.read().unwrap_or_else(PoisonError::into_inner).get(&publisher) {
            return Arc::clone(known);
        }
        let mut publishers = self.publishers.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(publishers.entry(publisher).or_default())
    }

    /// Writes what was counted, and where the hub stands, at `now`.
    pub fn write(&self, page: &mut Page, standing: &Standing, now: Moment) {
        let publishers = self.publishers.read().unwrap_or_else(PoisonError::into_inner);
        let counted = [
            (table::BATCHES, (|one| one.batches.value()) as fn(&Publisher) -> u64),
            (table::ENTRIES, |one| one.entries.value()),
            (table::REJECTIONS, |one| one.rejections.value()),
        ];
        for (metric, value) in counted {
            page.begin(metric);
            for (code, one) in publishers.iter() {
                page.sample(&[("organisation", code.as_str())], number(value(one)));
            }
        }
        page.begin(table::DELAYS);
        for (code, one) in publishers.iter() {
            page.times(&[("organisation", code.as_str())], &one.delays);
        }
        page.begin(table::LAST_DELAY);
        for (code, one) in publishers.iter() {
            page.sample(&[("organisation", code.as_str())], seconds(one.last_delay_ms.load(Ordering::Relaxed)));
        }
        page.begin(table::LAST_AGE);
        for (code, one) in publishers.iter() {
            let age_ms = now.unix_ms() - one.last_unix_ms.load(Ordering::Relaxed);
            page.sample(&[("organisation", code.as_str())], seconds(age_ms));
        }
        page.begin(table::TUNNELS);
        for (code, count) in &standing.tunnels {
            page.sample(&[("organisation", code.as_str())], number(*count as u64));
        }
        let answers = [("prompt", &self.prompting), ("quiet", &self.quiet)];
        page.begin(table::CHECKS);
        for (answer, counter) in answers {
            page.sample(&[("answer", answer)], number(counter.value()));
        }
        page.count(table::PROMPTS, &self.prompts).begin(table::DECISIONS);
        for (outcome, counter) in [("accepted", &self.accepted), ("declined", &self.declined)] {
            page.sample(&[("outcome", outcome)], number(counter.value()));
        }
        page.count(table::TOLD_MISSES, &self.told_misses);
        page.one(table::POLICIES, number(standing.policies as u64));
        page.one(table::LISTED, number(standing.organisations.unwrap_or(0) as u64));
        page.begin(table::LAG);
        for (projection, reached) in [("index", standing.projected), ("public-log", standing.published)] {
            page.sample(&[("projection", projection)], number(standing.records.saturating_sub(reached)));
        }
        page.one(table::JOURNAL_RECORDS, number(standing.records));
    }
}

impl Default for Publisher {
    fn default() -> Self {
        Self {
            batches: Counter::default(),
            entries: Counter::default(),
            rejections: Counter::default(),
            delays: Histogram::new(DELAYS_S),
            last_unix_ms: AtomicI64::new(0),
            last_delay_ms: AtomicI64::new(0),
        }
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}
