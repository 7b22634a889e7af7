//! Follows the journal: index, tables and registry are brought up to the last durable record, in order. The same code
//! rebuilds them from nothing. The public log has a keeper of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::pki::signing::VerifyingKeyRecord;
use crate::ports::index::EntryIndex;
use crate::service::hub::error::HubError;
use crate::service::hub::fold::{self, Placed};
use crate::service::hub::follow::{Rhythm, follow};
use crate::service::hub::registry::{Registry, Version};
use crate::store::hub::HubState;
use crate::store::journal::{JournalReader, Scan};
use crate::wire::field::moment;
use crate::wire::record::Record;
use crate::wire::statement::Statement;

/// Brings the projections up to the journal.
pub struct Projector {
    journal: JournalReader,
    scan: Scan,
    index: Arc<dyn EntryIndex>,
    state: Arc<HubState>,
    registry: Arc<Registry>,
    next: Sequence,
    reached: watch::Sender<Sequence>,
    unflushed: Unflushed,
}

/// What has been applied since the engines last wrote to disk.
#[derive(Debug, Default)]
struct Unflushed {
    records: u64,
    bytes: usize,
}

impl Projector {
    /// Starts where the projection that is furthest behind stands, and fills the registry from the records that the
    /// tables name.
    ///
    /// # Errors
    /// [`HubError`] when a projection is damaged: delete it, it is built anew.
    pub fn new(
        journal: JournalReader,
        index: Arc<dyn EntryIndex>,
        state: Arc<HubState>,
        registry: Arc<Registry>,
    ) -> Result<Self, HubError> {
        let next = index.applied()?.min(state.applied()?);
        let (reached, _) = watch::channel(next);
        let scan = journal.scan(next.0);
        let projector = Self { journal, scan, index, state, registry, next, reached, unflushed: Unflushed::default() };
        projector.fill_registry()?;
        Ok(projector)
    }

    /// Gives word of how far the projections have come.
    pub fn reached(&self) -> watch::Receiver<Sequence> {
        self.reached.subscribe()
    }

    /// Follows the journal until `stop`. When it returns early the hub no longer answers requests that write.
    pub async fn run(self, stop: CancellationToken) {
        let committed = self.journal.committed();
        let followed = follow(self, Self::catch_up, committed, ("projections", RHYTHM), stop).await;
        let Some(mut projector) = followed else { return };
        let last = tokio::task::spawn_blocking(move || projector.catch_up().and_then(|()| projector.flush()));
        if let Ok(Err(error)) = last.await {
            tracing::warn!(%error, "the projections were not flushed; they are brought up to date at the next start");
        }
    }

    /// Applies every durable record that has not been applied.
    ///
    /// # Errors
    /// [`HubError`]; what was applied before stays.
    pub fn catch_up(&mut self) -> Result<(), HubError> {
        loop {
            let group = next_group(&mut self.scan)?;
            if group.is_empty() {
                return Ok(());
            }
            self.apply(group)?;
        }
    }

    fn apply(&mut self, group: Vec<crate::store::journal::Record>) -> Result<(), HubError> {
        let placed = placed(group)?;
        let Some(next) = placed.last().map(|placed| placed.place.sequence.next()) else { return Ok(()) };

        project(&self.journal, &*self.index, &self.state, &placed)?;
        self.apply_to_registry(&placed)?;
        self.unflushed.records += next.0 - self.next.0;
        self.unflushed.bytes += placed.iter().map(|placed| placed.payload.len()).sum::<usize>();
        self.next = next;
        // Whoever waits to see the records need not wait for the disk: the journal has them.
        self.reached.send_replace(next);
        if self.unflushed.records >= FLUSH_RECORDS || self.unflushed.bytes >= FLUSH_BYTES {
            self.index.flush_soon()?;
            self.state.flush()?;
            self.unflushed = Unflushed::default();
        }
        Ok(())
    }

    fn apply_to_registry(&self, placed: &[Placed]) -> Result<(), HubError> {
        let mut statements = Vec::new();
        for placed in placed.iter().filter(|placed| placed.place.sequence >= self.next) {
            match &placed.record {
                Record::Key(_) | Record::Policy(_) => self.learn(placed)?,
                Record::Statement(record) => statements
                    .push((Statement::decode(&record.statement)?, moment("received_at", record.received_at.as_ref())?)),
                _ => {}
            }
        }
        if !statements.is_empty() {
            self.registry.add_statements(statements);
        }
        Ok(())
    }

    fn learn(&self, placed: &Placed) -> Result<(), HubError> {
        match &placed.record {
            Record::Key(record) => {
                match VerifyingKeyRecord::from_der(&record.certificate, &self.registry.trust()) {
                    Ok(key) => self.registry.add_key(key),
                    // A new authority does not know the keys of the old one; what they signed no longer counts.
                    Err(error) => {
                        tracing::warn!(%error, sequence = placed.place.sequence.0, "a signing key is not believed")
                    }
                }
            }
            Record::Policy(record) => {
                let received_at: Moment = moment("received_at", record.received_at.as_ref())?;
                match Version::read(record.files.clone(), placed.place.sequence, received_at) {
                    Ok(version) => self.registry.add_version(version),
                    Err(error) => {
                        tracing::warn!(%error, sequence = placed.place.sequence.0, "a policy version cannot be read")
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads again what the registry must know of the records that the tables have already applied.
    fn fill_registry(&self) -> Result<(), HubError> {
        let view = self.state.read()?;
        let keys = view.keys()?.into_iter();
        let policies = view.policies()?.into_iter().map(|policy| policy.place);
        let mut places: Vec<_> = keys.chain(policies).filter(|place| place.sequence < self.next).collect();
        places.sort_unstable();
        for place in places {
            let record = self.journal.read(place.into())?;
            self.learn(&Placed::read(place, record.kind, record.payload)?)?;
        }
        let mut statements = Vec::new();
        for (_, place) in view.statements()?.into_iter().filter(|(_, place)| place.sequence < self.next) {
            let record = self.journal.read(place.into())?;
            if let Record::Statement(record) = Record::decode(record.kind, record.payload)? {
                let learned_at = moment("received_at", record.received_at.as_ref())?;
                statements.push((Statement::decode(&record.statement)?, learned_at));
            }
        }
        self.registry.add_statements(statements);
        Ok(())
    }

    fn flush(&self) -> Result<(), HubError> {
        self.index.flush()?;
        Ok(self.state.flush()?)
    }
}

/// Brings the records of `journal` that index and tables lack into them, without a process that serves: `told` hears how
/// many records have been looked at.
///
/// # Errors
/// [`HubError`]; what was applied before stays.
pub fn rebuild(
    journal: &JournalReader,
    index: &dyn EntryIndex,
    state: &HubState,
    told: &mut dyn FnMut(u64),
) -> Result<(), HubError> {
    let mut scan = journal.scan(index.applied()?.min(state.applied()?).0);
    let mut unflushed = 0;
    loop {
        let group = next_group(&mut scan)?;
        let (Some(last), count) = (group.last().map(crate::store::journal::Record::sequence), group.len()) else {
            index.flush()?;
            return Ok(state.flush()?);
        };
        project(journal, index, state, &placed(group)?)?;
        unflushed += count as u64;
        if unflushed >= FLUSH_RECORDS {
            index.flush()?;
            state.flush()?;
            unflushed = 0;
        }
        told(last + 1);
    }
}

/// Reads the records of one step.
fn next_group(scan: &mut Scan) -> Result<Vec<crate::store::journal::Record>, HubError> {
    let (mut group, mut bytes) = (Vec::new(), 0);
    while group.len() < GROUP_RECORDS_MAX && bytes < GROUP_BYTES_MAX {
        let Some(record) = scan.next().transpose()? else { break };
        bytes += record.payload.len();
        group.push(record);
    }
    Ok(group)
}

fn placed(group: Vec<crate::store::journal::Record>) -> Result<Vec<Placed>, HubError> {
    group.into_iter().map(|record| Placed::read(record.position.into(), record.kind, record.payload)).collect()
}

/// Applies a group of records to index and tables, each from where it stands.
fn project(
    journal: &JournalReader,
    index: &dyn EntryIndex,
    state: &HubState,
    placed: &[Placed],
) -> Result<(), HubError> {
    let Some(next) = placed.last().map(|placed| placed.place.sequence.next()) else { return Ok(()) };
    let applied = index.applied()?;
    let fresh = placed.iter().filter(|placed| placed.place.sequence >= applied);
    let entries: Vec<_> = fresh.flat_map(|placed| placed.indexed.iter().cloned()).collect();
    if next > applied {
        index.apply(next, &entries)?;
    }
    project_to_state(journal, state, placed, next)
}

fn project_to_state(
    journal: &JournalReader,
    state: &HubState,
    placed: &[Placed],
    next: Sequence,
) -> Result<(), HubError> {
    let applied = state.applied()?;
    if next <= applied {
        return Ok(());
    }
    let read_back = |place: crate::domain::log::LogPlace| {
        let record = journal.read(place.into())?;
        Ok(Record::decode(record.kind, record.payload)?)
    };
    let mut fault = None;
    let written = state.write(next, |change| {
        for placed in placed.iter().filter(|placed| placed.place.sequence >= applied) {
            if let Err(error) = fold::apply(placed, change, &read_back) {
                fault = Some(error);
                return Err(crate::store::projection::ProjectionError::Damaged);
            }
        }
        Ok(())
    });
    match fault {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}

/// At once; there is nothing to do while nothing comes.
const RHYTHM: Rhythm = Rhythm { pace: Duration::ZERO, rest: Duration::from_secs(3_600) };
/// Most records applied in one step.
const GROUP_RECORDS_MAX: usize = 512;
/// Most bytes of records read for one step; one more record may lie beyond.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// Records, and bytes of records, after which the engines write to disk: so many are applied again after a crash, which
/// takes about a second; twice as many where the index was still being written.
const FLUSH_RECORDS: u64 = 4_096;
const FLUSH_BYTES: usize = 32 << 20;
