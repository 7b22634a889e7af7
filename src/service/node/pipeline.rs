//! The pipeline: reads intake records in order, drafts, resolves, gives versions, seals. What a step came to is recorded
//! in one group whose last record says how far it has read, so that a crash neither loses nor doubles a result: what is
//! read again says nothing new.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use super::core::{Core, blocking};
use super::error::NodeError;
use super::ledger::{NodeRecord, moment};
use super::links;
use super::people::{self, Whose};
use super::report::ReportDesk;
use super::seal::seal;
use super::sheet::{Change, Held, Reason, Sheet, Unmapped};
use super::study;
use super::versions::Versions;
use crate::domain::id::{Digest, ReportId, ResultId};
use crate::domain::log::Sequence;
use crate::domain::person::Person;
use crate::ports::hub::HubLink;
use crate::store::node::{IdentifierDigest, KeptStudy, StudyUid};
use crate::wire::hl7::{Outcome, Reading, SourceSettings};
use crate::wire::pb;

/// Reads intake records.
pub(super) struct Pipeline {
    core: Arc<Core>,
    /// The record that is read next; what is recorded of it may lie behind.
    next: AtomicU64,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Intake records and studies read.
    pub read: usize,
    /// Entries sealed.
    pub sealed: usize,
}

/// One intake record, or one study, with what it came to.
struct Read {
    intake: Sequence,
    /// The study, where it was read as a whole, with every instance below a record.
    study: Option<(StudyUid, Sequence)>,
    /// Whether it was read before.
    again: bool,
    sheets: Vec<Sheet>,
}

/// What waits of a record.
struct Rest {
    intake: Sequence,
    study: Option<(StudyUid, Sequence)>,
    again: bool,
    held: Vec<(String, Held)>,
    unmapped: Vec<Unmapped>,
    awaits_links: BTreeSet<IdentifierDigest>,
    awaits_studies: BTreeSet<String>,
    awaits_results: BTreeSet<ResultId>,
    awaits_reports: BTreeSet<ReportId>,
}

impl Pipeline {
    /// Goes on where the journal says that it stopped.
    pub fn open(core: Arc<Core>) -> Result<Self, NodeError> {
        let next = AtomicU64::new(core.state.read_to()?.0);
        Ok(Self { core, next })
    }

    /// Gives the sequence of the record that is read next.
    pub fn position(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Reads what has arrived, and seals what it says. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`NodeError`]; what was read is read again at the next step.
    pub async fn step<L: HubLink>(&self, link: &L) -> Result<Step, NodeError> {
        let from = self.position();
        let (reads, next) = blocking(&self.core, move |core| read(core, from)).await?;
        let count = reads.len();
        let codes = codes_of(&reads);
        let persons: Vec<Person> =
            reads.iter().flat_map(|read| &read.sheets).map(|sheet| sheet.person.clone()).collect();
        let whose = people::resolve(&self.core, link, &persons).await?;
        let (records, sealed, waits) = blocking(&self.core, move |core| settle(core, reads, whose, next)).await?;
        if !records.is_empty() {
            self.core.journal.append_all(records.iter().map(NodeRecord::encode).collect()).await?;
            blocking(&self.core, Core::catch_up).await?;
        }
        self.core.figures.observations_mapped.add(codes.0);
        self.core.figures.observations_unmapped.add(codes.1);
        self.core.figures.results_published.add(sealed);
        self.core.figures.results_held.add(waits.0);
        self.core.figures.results_unmapped.add(waits.1);
        self.next.store(next, Ordering::Release);
        Ok(Step { read: count, sealed })
    }
}

/// Counts observations whose codes were mapped and those that were not, as they are read first.
fn codes_of(reads: &[Read]) -> (usize, usize) {
    let sheets = || reads.iter().filter(|read| !read.again).flat_map(|read| &read.sheets);
    let said = |sheet: &Sheet| sheet.changes.iter().filter(|change| matches!(change, Change::Say(_))).count();
    (sheets().map(said).sum(), sheets().map(|sheet| sheet.unmapped.len()).sum())
}

fn read(core: &Core, from: u64) -> Result<(Vec<Read>, u64), NodeError> {
    core.catch_up()?;
    let mut reads = Vec::new();
    for sequence in core.state.again(STEP_AGAIN_MAX)? {
        let record = core.journal.scan(sequence.0).next().transpose()?;
        let Some(record) = record else { continue };
        let read = read_one(core, sequence, &NodeRecord::decode(&record)?, true)?;
        reads.push(read.unwrap_or(Read { intake: sequence, study: None, again: true, sheets: Vec::new() }));
    }
    let mut next = from;
    let mut bytes = 0;
    let mut scan = core.reading.lock().unwrap_or_else(PoisonError::into_inner);
    if scan.next_sequence() != from {
        *scan = core.journal.scan(from);
    }
    for record in scan.by_ref() {
        let record = record?;
        next = record.sequence() + 1;
        bytes += record.payload.len();
        reads.extend(read_one(core, Sequence(record.sequence()), &NodeRecord::decode(&record)?, false)?);
        if reads.len() >= STEP_RECORDS_MAX || bytes >= STEP_BYTES_MAX {
            break;
        }
    }
    // A deletion that was read just now shows in the study that is read next.
    core.catch_up()?;
    let quiet_ms = i64::try_from(core.settings.study_quiet.as_millis()).unwrap_or(i64::MAX);
    for (uid, kept) in core.state.dirty_studies()?.into_iter().take(STEP_STUDIES_MAX) {
        // A clock that was ahead and has been put right tells of a later arrival: waiting for it would take as long.
        let is_quiet = !(0..quiet_ms).contains(&core.clock.now().ms_since(kept.last_arrival));
        let is_read = |read: &Read| read.study.as_ref().is_some_and(|(study, _)| *study == uid);
        if is_quiet && !reads.iter().any(is_read) {
            reads.push(read_study(core, kept.first_intake, uid, &kept, false)?);
        }
    }
    Ok((reads, next))
}

fn read_one(core: &Core, intake: Sequence, record: &NodeRecord, again: bool) -> Result<Option<Read>, NodeError> {
    match record {
        NodeRecord::Message(message) => {
            let sheets = read_message(core, intake, message)?;
            Ok(Some(Read { intake, study: None, again, sheets }))
        }
        NodeRecord::Instance(instance) if instance.study_uid.is_empty() => {
            let sheets = vec![Sheet::held(&instance.instance_uid, Held::new(Reason::NoStudy, "StudyInstanceUID"))];
            Ok(Some(Read { intake, study: None, again, sheets }))
        }
        NodeRecord::Instance(instance) if again => {
            let uid = StudyUid(instance.study_uid.clone());
            let Some(kept) = core.state.study(&uid)? else { return Ok(None) };
            read_study(core, intake, uid, &kept, again).map(Some)
        }
        // Images that came after it have the last word.
        NodeRecord::StudyWithdrawal(_) if again => Ok(None),
        NodeRecord::StudyWithdrawal(withdrawal) => {
            let sheets = vec![study::withdraw(core, withdrawal)?];
            Ok(Some(Read { intake, study: None, again, sheets }))
        }
        // New instances wait until their study is quiet; all else is the node's own.
        _ => Ok(None),
    }
}

fn read_study(core: &Core, intake: Sequence, uid: StudyUid, kept: &KeptStudy, again: bool) -> Result<Read, NodeError> {
    let sheets = vec![study::draft(core, &uid, kept)?];
    Ok(Read { intake, study: Some((uid, kept.last_intake.next())), again, sheets })
}

fn read_message(core: &Core, intake: Sequence, message: &pb::MessageIntake) -> Result<Vec<Sheet>, NodeError> {
    let damaged = || NodeError::Record { sequence: intake.0 };
    let bytes = core.message_bytes(message)?;
    let settings = core.source_settings(&message.source);
    let reading = Reading::of(&bytes, &settings);
    let terms = core.terms.borrow().clone();
    let desk = ReportDesk {
        publisher: core.settings.publisher,
        source: &message.source,
        control_id: reading.header.control_id(),
        terms: &terms,
        identifiers: &core.settings.identifiers,
        digest: Digest::try_from(message.digest.as_ref()).map_err(|_| damaged())?,
        size_bytes: message.size_bytes,
        received_at: moment(message.received_at.as_ref()).ok_or_else(damaged)?,
    };
    let sheets = match &reading.outcome {
        Outcome::Reports(reports) => reports.iter().map(|report| desk.draft(report)).collect(),
        Outcome::Acknowledgement => Vec::new(),
        Outcome::Refused(error) => {
            vec![Sheet::held(desk.control_id, Held::new(Reason::Unreadable, error.place.to_string()))]
        }
    };
    for document in sheets.iter().flat_map(|sheet: &Sheet| &sheet.documents) {
        core.originals.put(&document.bytes)?;
    }
    Ok(sheets)
}

type Settled = (Vec<NodeRecord>, usize, (usize, usize));

/// Gives versions, seals, and writes down what waits; the last record alone says how far has been read.
fn settle(core: &Core, reads: Vec<Read>, whose: Vec<Whose>, next: u64) -> Result<Settled, NodeError> {
    let mut versions = Versions::new(core);
    let mut whose = whose.into_iter();
    let (mut rests, mut links) = (Vec::new(), Vec::new());
    for read in reads {
        let is_message = read.study.is_none();
        let mut rest = Rest::of(&read);
        for sheet in read.sheets {
            let nobody = Err(Held::new(Reason::NoStrongIdentifier, "identifiers"));
            let whose = whose.next().unwrap_or(nobody);
            if let (true, Ok(pseudonym)) = (is_message, &whose) {
                links.extend(links::learn(core, &sheet.person, *pseudonym)?);
            }
            let (results, reports) = withdrawn(&sheet.changes);
            let waits = versions.take(whose, sheet.changes)?;
            if waits.iter().any(|held| held.reason == Reason::NothingBefore) {
                // A withdrawal that came before what it withdraws.
                for result in results {
                    if !versions.knows(result)? {
                        rest.awaits_results.insert(result);
                    }
                }
                rest.awaits_reports.extend(reports);
            }
            if waits.iter().any(|held| held.reason == Reason::NoStrongIdentifier) {
                rest.awaits_links.extend(links::unlinked(core, &sheet.person)?);
            }
            if waits.iter().any(|held| held.reason == Reason::AwaitsStudy) {
                rest.awaits_studies.extend(sheet.studies);
            }
            rest.held.extend(sheet.held.into_iter().chain(waits).map(|held| (sheet.reference.clone(), held)));
            rest.unmapped.extend(sheet.unmapped);
        }
        rests.push(rest);
    }
    let entries = versions.finish();
    let waits = (rests.iter().map(|rest| rest.held.len()).sum(), rests.iter().map(|rest| rest.unmapped.len()).sum());
    let batches = seal(core, &entries)?;
    let sealed = batches.iter().map(|batch| NodeRecord::Sealed(pb::SealedBatch { batch: batch.encode(), read_to: 0 }));
    let told = rests.into_iter().filter(Rest::is_told).map(|rest| NodeRecord::Outcome(rest.record()));
    let links = Some(links).filter(|links| !links.is_empty());
    let links = links.map(|links| NodeRecord::Links(pb::LinksLearnt { links }));
    let mut records: Vec<NodeRecord> = links.into_iter().chain(sealed).chain(told).collect();
    match records.last_mut() {
        Some(NodeRecord::Sealed(last)) => last.read_to = next,
        Some(NodeRecord::Outcome(last)) => last.read_to = next,
        _ => {}
    }
    Ok((records, entries.len(), waits))
}

impl Rest {
    fn of(read: &Read) -> Self {
        Self {
            intake: read.intake,
            study: read.study.clone(),
            again: read.again,
            held: Vec::new(),
            unmapped: Vec::new(),
            awaits_links: BTreeSet::new(),
            awaits_studies: BTreeSet::new(),
            awaits_results: BTreeSet::new(),
            awaits_reports: BTreeSet::new(),
        }
    }

    /// Says whether it must be recorded: something waits, or waited before, or a study came to nothing.
    fn is_told(&self) -> bool {
        self.again || !self.held.is_empty() || !self.unmapped.is_empty() || self.study.is_some()
    }

    fn record(self) -> pb::OutcomeRecord {
        let held = self.held.into_iter().take(WAITING_MAX).map(|(reference, held)| pb::HeldItem {
            reference,
            reason: held.reason.to_string(),
            field: held.field,
        });
        let unmapped = self
            .unmapped
            .into_iter()
            .take(WAITING_MAX)
            .map(|unmapped| pb::UnmappedItem { code: Some((&unmapped.code).into()), unit: unmapped.unit });
        let (study_uid, study_to) = self.study.map(|(study, to)| (study.0, to.0)).unwrap_or_default();
        let awaits_links = self.awaits_links.into_iter().take(AWAITED_MAX).map(|local| local.0.to_vec().into());
        pb::OutcomeRecord {
            intake: self.intake.0,
            held: held.collect(),
            unmapped: unmapped.collect(),
            read_to: 0,
            study_uid,
            study_to,
            awaits_links: awaits_links.collect(),
            awaits_studies: self.awaits_studies.into_iter().take(AWAITED_MAX).collect(),
            awaits_results: named(self.awaits_results.iter().map(ResultId::as_bytes)),
            awaits_reports: named(self.awaits_reports.iter().map(ReportId::as_bytes)),
        }
    }
}

fn named<'i>(ids: impl Iterator<Item = &'i [u8; 16]>) -> Vec<bytes::Bytes> {
    ids.take(AWAITED_MAX).map(|id| bytes::Bytes::copy_from_slice(id)).collect()
}

/// Gives the results and reports that a sheet takes out of use.
fn withdrawn(changes: &[Change]) -> (BTreeSet<ResultId>, BTreeSet<ReportId>) {
    let (mut results, mut reports) = (BTreeSet::new(), BTreeSet::new());
    for change in changes {
        match change {
            Change::Withdraw(result, ..) => drop(results.insert(*result)),
            Change::WithdrawReport(report, _) => drop(reports.insert(*report)),
            Change::Say(_) | Change::Confirm(..) | Change::Attach(..) => {}
        }
    }
    (results, reports)
}

impl Core {
    /// Gives how a source writes.
    pub fn source_settings(&self, source: &str) -> SourceSettings {
        let usual = SourceSettings { offset_minutes: self.settings.offset_minutes, ..SourceSettings::default() };
        self.settings.sources.get(source).copied().unwrap_or(usual)
    }
}

/// Most identifiers, and most studies, that one intake record waits for.
const AWAITED_MAX: usize = 64;
const STEP_RECORDS_MAX: usize = 1_000;
const STEP_AGAIN_MAX: usize = 200;
const STEP_STUDIES_MAX: usize = 64;
/// Most bytes of intake records read in one step; a single larger record is a step of its own.
const STEP_BYTES_MAX: usize = 32 << 20;
/// Most held results, and most unmapped codes, listed of one intake record.
const WAITING_MAX: usize = 1_000;
