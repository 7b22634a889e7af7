//! What each record of the journal does to the hub's projections. The same records always do the same.

mod cases;
mod consents;
mod recalls;

use bytes::Bytes;

use crate::domain::entry::{Content, Entry};
use crate::domain::follow_up::WaitsFor;
use crate::domain::id::{PromptId, Pseudonym, ReportTag};
use crate::domain::item::ItemCode;
use crate::domain::log::{BatchNumber, LogPlace};
use crate::domain::organisation::OrganisationCode;
use crate::domain::recall::{Doctor, Relation, Sight};
use crate::domain::time::Moment;
use crate::ports::index::{EntryKind, IndexEntry, IndexItems};
use crate::service::hub::error::HubError;
use crate::service::hub::fold::recalls::Telling;
use crate::service::hub::piece::piece_of;
use crate::store::hub::{
    BatchPlace, EntryPlace, Figure, FigureKey, HubChange, KeptPolicy, KeptPrompt, KeptSight, KeyedDigest, KnownPerson,
    Marked, PromptState, RequestKind, SigningKeyId,
};
use crate::store::projection::ProjectionError;
use crate::wire::batch::{Batch, digest};
use crate::wire::field::{FieldError, fixed, moment, parsed};
use crate::wire::record::Record;
pub use crate::wire::regional::{publisher_tag, regional, report_tag};
use crate::wire::statement::Statement;
use crate::wire::{entry, pb};

/// A record with its place, as the projections take it.
pub struct Placed {
    /// Where it stands.
    pub place: LogPlace,
    /// What it says.
    pub record: Record,
    /// The bytes it was decoded from.
    pub payload: Bytes,
    /// Its index entries; only batches have any.
    pub indexed: Vec<IndexEntry>,
}

impl Placed {
    /// Reads a record of the journal.
    ///
    /// # Errors
    /// [`HubError`] when a record that was checked before it was written cannot be read: the journal is damaged.
    pub fn read(place: LogPlace, kind: u8, payload: Bytes) -> Result<Self, HubError> {
        let record = Record::decode(kind, payload.clone())?;
        let indexed = index_entries(place, &record, &payload)?;
        Ok(Self { place, record, payload, indexed })
    }
}

/// Reads a decision's prompt and outcome from an earlier record, for one that takes it back.
pub type ReadBack<'a> = dyn Fn(LogPlace) -> Result<Record, HubError> + 'a;

/// Gives the index entries of a record; only batches have any.
fn index_entries(at: LogPlace, record: &Record, payload: &Bytes) -> Result<Vec<IndexEntry>, FieldError> {
    let Record::Batch(record) = record else { return Ok(Vec::new()) };
    let batch = Batch::decode(record.batch.clone())?;
    let rejected = |place: usize| record.rejections.iter().any(|rejection| rejection.entry as usize == place);
    let mut entries = Vec::with_capacity(batch.entries.len());
    for (place, bytes) in batch.entries.iter().enumerate().filter(|(place, _)| !rejected(*place)) {
        let entry = entry::decode(bytes)?;
        entries.push(IndexEntry {
            patient: entry.patient,
            collected: entry.times.collected,
            sequence: at.sequence,
            place: u16::try_from(place).unwrap_or(u16::MAX),
            position: at.position,
            piece: piece_of(bytes, payload),
            result: regional(entry.publisher, entry.result),
            version: entry.version,
            status: entry.status,
            sensitivity: entry.sensitivity,
            publisher: publisher_tag(entry.publisher),
            report: report_tag(entry.publisher, entry.report),
            items: IndexItems::new(&entry.items),
            kind: kind(&entry),
            superseded: false,
        });
    }
    Ok(entries)
}

fn kind(entry: &Entry) -> EntryKind {
    match entry.content {
        Content::Laboratory(_) => EntryKind::Laboratory,
        Content::Imaging(_) => EntryKind::Imaging,
    }
}

/// Applies a record to the hub's tables.
///
/// # Errors
/// [`HubError`] when the record or a table is damaged; the projections stop, and readiness says so.
pub fn apply(placed: &Placed, change: &HubChange<'_>, read_back: &ReadBack<'_>) -> Result<(), HubError> {
    let place = placed.place;
    let telling = |at: Option<&pb::Moment>| recalls::at(at).map(|at| Telling { place, at, change, read_back });
    match &placed.record {
        Record::Batch(record) => {
            let batch = Batch::decode(record.batch.clone())?;
            let taken = BatchPlace { header: batch.header_digest(), place };
            change.take_batch(batch.header.organisation, BatchNumber(batch.header.sequence), taken)?;
            telling(record.received_at.as_ref())?.versions(&batch, &placed.indexed)?;
        }
        Record::Key(record) => change.put_key(SigningKeyId(key_id(&record.key_id)?), place)?,
        Record::Policy(record) => change.put_policy(&KeptPolicy {
            effective_from: moment("effective_from", record.effective_from.as_ref())?,
            version: record.policy_version.clone(),
            place,
        })?,
        Record::Statement(record) => {
            let known = change.statement(digest(&record.statement))?.is_some();
            change.put_statement(digest(&record.statement), place)?;
            if !known {
                telling(record.received_at.as_ref())?.said(&Statement::decode(&record.statement)?)?;
            }
        }
        Record::Check(record) => check(record, place, &telling(record.at.as_ref())?)?,
        Record::Decision(record) => decision(record, place, &telling(record.at.as_ref())?)?,
        Record::Revocation(record) => revocation(record, place, &telling(record.at.as_ref())?)?,
        Record::Event(record) => event(record, place, &telling(record.at.as_ref())?)?,
        Record::Fetch(record) => consents::fetch(record, place, change)?,
        Record::Person(record) => person(record, change)?,
        Record::Miss(record) => {
            let organisation = organisation(&record.organisation)?;
            change.put_request(organisation, RequestKind::Miss, &record.check_key, place)?;
            let day = moment("at", record.at.as_ref())?.local_day();
            count(change, day, organisation, None, Figure::Misses, 1)?;
        }
        Record::Listing(record) => {
            let at = moment("at", record.at.as_ref())?;
            let patient = fixed("patient", &record.patient)?;
            existing(&record.existing_reports, patient, organisation(&record.organisation)?, at, change)?;
            change.put_access(patient, place)?;
        }
        Record::Consent(record) => consents::consent(record, place, change)?,
        Record::ConsentEnd(record) => consents::end(record, place, change)?,
        Record::Sharing(record) => consents::sharing(record, place, change)?,
        Record::Relation(record) => consents::relation(record, place, change)?,
        Record::Access(record) => {
            consents::access(record, place, change)?;
            if let Some(access) = record.access.as_ref().filter(|_| !record.opened.is_empty()) {
                recalls::opened(record, access, &telling(access.at.as_ref())?)?;
            }
        }
        Record::Attempt(record) => consents::attempt(record, change)?,
        Record::RecallReceipt(record) => telling(record.at.as_ref())?.received(record)?,
        Record::Requalification(record) => telling(record.at.as_ref())?.requalified(record)?,
        Record::RecallAcknowledgement(record) => telling(record.at.as_ref())?.acknowledged(record)?,
        Record::CaseClosed(record) => cases::close(record, &telling(record.at.as_ref())?)?,
        // The batch behind it says the same.
        Record::Header(_) => {}
    }
    Ok(())
}

fn check(record: &pb::CheckRecord, place: LogPlace, telling: &Telling<'_, '_>) -> Result<(), HubError> {
    let (change, at) = (telling.change, telling.at);
    let organisation = organisation(&record.organisation)?;
    let day = at.local_day();
    if change.request(organisation, RequestKind::Check, &record.check_key)?.is_some() {
        return Ok(());
    }
    change.put_request(organisation, RequestKind::Check, &record.check_key, place)?;
    change.note_position(place)?;
    let patient: Pseudonym = fixed("patient", &record.patient)?;
    let encounter = record.visit.as_ref().map_or("", |visit| visit.encounter.as_str());
    if !record.prompts.is_empty() {
        change.put_access(patient, place)?;
    }
    for (ordinal, prompt) in record.prompts.iter().enumerate() {
        let id: PromptId = fixed("prompt_id", &prompt.prompt_id)?;
        change.put_prompt(
            id,
            &KeptPrompt {
                organisation,
                check: place,
                ordinal: u16::try_from(ordinal).unwrap_or(u16::MAX),
                patient,
                result: fixed("result_id", &prompt.result_id)?,
                version: prompt.version,
                report: fixed("report_id", &prompt.report_id)?,
                state: PromptState::Open,
            },
        )?;
        change.put_waiting(WaitsFor::Answer, id, organisation, at)?;
        let practitioner = record.actor.as_ref().map(|actor| actor.practitioner.clone()).unwrap_or_default();
        let doctor = Doctor { organisation, practitioner };
        let sight = Sight { relation: Relation::Prompted, version: prompt.version, place: recalls::place_of(prompt) };
        let result = fixed("result_id", &prompt.result_id)?;
        telling.saw(result, KeptSight { doctor, patient, sight, prompt: Some(id) })?;
        for item in &prompt.items {
            let item = parsed("items", item, "item code")?;
            count(change, day, organisation, Some(item), Figure::Prompts, 1)?;
            change.count_prompted(organisation, encounter, item)?;
        }
    }
    count(change, day, organisation, None, Figure::Checks, 1)?;
    let lines = i64::try_from(record.lines.len()).unwrap_or(i64::MAX);
    count(change, day, organisation, None, Figure::OrderLines, lines)?;
    count(change, day, organisation, None, Figure::Prompts, i64::try_from(record.prompts.len()).unwrap_or(i64::MAX))?;
    existing(&record.existing_reports, patient, organisation, at, change)
}

/// Counts each report of a patient once a day and organisation, however often the patient's results were asked for.
fn existing(
    reports: &[Bytes],
    patient: Pseudonym,
    organisation: OrganisationCode,
    at: Moment,
    change: &HubChange<'_>,
) -> Result<(), HubError> {
    if reports.is_empty() {
        return Ok(());
    }
    let day = at.local_day();
    let fresh = change.mark_existing(patient, reports.iter().map(AsRef::as_ref), day, organisation)?;
    if fresh > 0 {
        let fresh = i64::try_from(fresh).unwrap_or(i64::MAX);
        count(change, day, organisation, None, Figure::ReportsExisting, fresh)?;
    }
    Ok(())
}

fn decision(record: &pb::DecisionRecord, place: LogPlace, telling: &Telling<'_, '_>) -> Result<(), HubError> {
    let (change, read_back) = (telling.change, telling.read_back);
    let organisation = organisation(&record.organisation)?;
    let at = telling.at;
    let day = at.local_day();
    change.put_request(organisation, RequestKind::Decision, &record.decision_key, place)?;
    change.note_position(place)?;
    for decision in &record.decisions {
        let id: PromptId = fixed("prompt_id", &decision.prompt_id)?;
        let Some(kept) = change.prompt(id)? else { continue };
        change.put_access(kept.patient, place)?;
        let asked = asked(&kept, read_back)?;
        if let Some(earlier) = standing(&kept, change, read_back)?.filter(|_| record.replaces) {
            if decided_at(&earlier)?.unix_ms() >= decided_at(record)?.unix_ms() {
                continue;
            }
            take_out(&earlier, id, &kept, &asked, change)?;
            cases::take_back(id, kept.result, telling)?;
        }
        change.remove_waiting(WaitsFor::Answer, id, organisation, asked.at)?;
        if owes_reason(decision, record) {
            change.put_waiting(WaitsFor::Reason, id, organisation, at)?;
        }
        let accepted = matches!(decision.outcome, Some(pb::decision::Outcome::Accept(_)));
        let state = if accepted { PromptState::Accepted } else { PromptState::Declined };
        change.set_prompt_state(id, state(place.sequence))?;
        change.put_decided(organisation, &asked.encounter, kept.result, id)?;
        let doctor = recalls::doctor(&record.organisation, record.actor.as_ref(), &asked.asker)?;
        if disputes(decision, record) {
            change.put_disputed(kept.result, id)?;
            cases::open(id, &kept, &asked, telling)?;
            telling.disputed(kept.result, id, &doctor)?;
        }
        if accepted {
            recalls::rely(id, &kept, &asked, doctor, Relation::Accepted, telling)?;
        }
        for (figure, delta) in figures_of(decision, record) {
            count_with_items(change, day, organisation, &asked.items, &figure, delta)?;
        }
        if accepted && change.mark(Marked::ReportRecognised, asked.report.as_bytes(), day, organisation)? {
            count(change, day, organisation, None, Figure::ReportsRecognised, 1)?;
        }
    }
    Ok(())
}

/// Gives when a decision was made, as far as its caller says so.
///
/// # Errors
/// [`FieldError`]: the journal is damaged.
pub fn decided_at(record: &pb::DecisionRecord) -> Result<Moment, FieldError> {
    let said = record.decided_at.as_ref();
    moment("decided_at", said.or(record.at.as_ref()))
}

/// Reads the decision that stands on a prompt.
fn standing(
    kept: &KeptPrompt,
    change: &HubChange<'_>,
    read_back: &ReadBack<'_>,
) -> Result<Option<pb::DecisionRecord>, HubError> {
    let (PromptState::Accepted(sequence) | PromptState::Declined(sequence)) = kept.state else { return Ok(None) };
    let position = change.position(sequence)?.ok_or(ProjectionError::Damaged)?;
    match read_back(LogPlace { sequence, position })? {
        Record::Decision(record) => Ok(Some(record)),
        _ => Err(ProjectionError::Damaged.into()),
    }
}

/// Takes a decision that another replaces out of the figures of its day, and out of force.
fn take_out(
    earlier: &pb::DecisionRecord,
    id: PromptId,
    kept: &KeptPrompt,
    asked: &AskedAbout,
    change: &HubChange<'_>,
) -> Result<(), HubError> {
    let organisation = organisation(&earlier.organisation)?;
    let at = moment("at", earlier.at.as_ref())?;
    let day = at.local_day();
    let decision = earlier.decisions.iter().find(|decision| decision.prompt_id == id.as_bytes().as_slice());
    let decision = decision.ok_or(ProjectionError::Damaged)?;
    for (figure, delta) in figures_of(decision, earlier) {
        count_with_items(change, day, organisation, &asked.items, &figure, -delta)?;
    }
    if let PromptState::Accepted(_) = kept.state {
        take_back_report(change, asked.report, day, organisation)?;
    }
    Ok(change.remove_waiting(WaitsFor::Reason, id, organisation, at)?)
}

/// Says whether a decision says that the result is not the patient's.
fn disputes(decision: &pb::Decision, record: &pb::DecisionRecord) -> bool {
    match &decision.outcome {
        Some(pb::decision::Outcome::Decline(decline)) => record.identity_reasons.contains(&decline.reason),
        Some(pb::decision::Outcome::Accept(_) | pb::decision::Outcome::Unexplained(_)) | None => false,
    }
}

/// Says whether a decline lacks the reason that the policy in force then demanded.
fn owes_reason(decision: &pb::Decision, record: &pb::DecisionRecord) -> bool {
    record.reason_owed && matches!(decision.outcome, Some(pb::decision::Outcome::Unexplained(_)))
}

fn figures_of(decision: &pb::Decision, record: &pb::DecisionRecord) -> Vec<(Figure, i64)> {
    match &decision.outcome {
        Some(pb::decision::Outcome::Accept(_)) => vec![(Figure::Accepted, 1)],
        Some(pb::decision::Outcome::Decline(decline)) => {
            let counts = record.counted_reasons.contains(&decline.reason);
            vec![
                (Figure::Declined, 1),
                (Figure::DeclinedCounted, i64::from(counts)),
                (Figure::DeclinedFor(decline.reason.clone()), 1),
            ]
        }
        Some(pb::decision::Outcome::Unexplained(_)) => {
            vec![(Figure::Declined, 1), (Figure::DeclinedUnexplained, i64::from(owes_reason(decision, record)))]
        }
        None => Vec::new(),
    }
}

fn revocation(record: &pb::RevocationRecord, place: LogPlace, telling: &Telling<'_, '_>) -> Result<(), HubError> {
    let (change, read_back) = (telling.change, telling.read_back);
    let organisation = organisation(&record.organisation)?;
    let day = telling.at.local_day();
    change.put_request(organisation, RequestKind::Revocation, &record.decision_key, place)?;
    let id: PromptId = fixed("prompt_id", &record.prompt_id)?;
    let Some(kept) = change.prompt(id)? else { return Ok(()) };
    change.put_access(kept.patient, place)?;
    let asked = asked(&kept, read_back)?;
    if let Some(decided) = standing(&kept, change, read_back)? {
        let at = moment("at", decided.at.as_ref())?;
        if let PromptState::Accepted(_) = kept.state {
            take_back_report(change, asked.report, at.local_day(), organisation)?;
        }
        change.remove_waiting(WaitsFor::Reason, id, organisation, at)?;
    }
    change.set_prompt_state(id, PromptState::Open)?;
    change.put_waiting(WaitsFor::Answer, id, organisation, asked.at)?;
    cases::take_back(id, kept.result, telling)?;
    change.remove_decided(organisation, &asked.encounter, kept.result)?;
    count_with_items(change, day, organisation, &asked.items, &Figure::Revoked, 1)
}

/// Takes a report out of the day's recognised ones: the rate counts what stood in the end.
fn take_back_report(
    change: &HubChange<'_>,
    report: ReportTag,
    day: i64,
    organisation: OrganisationCode,
) -> Result<(), HubError> {
    if change.unmark(Marked::ReportRecognised, report.as_bytes(), day, organisation)? {
        count(change, day, organisation, None, Figure::ReportsRecognised, -1)?;
    }
    Ok(())
}

fn event(record: &pb::EventRecord, place: LogPlace, telling: &Telling<'_, '_>) -> Result<(), HubError> {
    use pb::acknowledge_request::Event;
    let change = telling.change;
    let organisation = organisation(&record.organisation)?;
    let day = telling.at.local_day();
    change.put_request(organisation, RequestKind::Event, &record.event_key, place)?;
    let (marked, figure, relation) = match record.event() {
        Event::Unspecified => return Ok(()),
        Event::Shown => (Marked::PromptShown, Figure::Shown, None),
        Event::Viewed => (Marked::PromptViewed, Figure::Viewed, Some(Relation::Viewed)),
        Event::Quoted => (Marked::PromptQuoted, Figure::Quoted, Some(Relation::Quoted)),
    };
    let id: PromptId = fixed("prompt_id", &record.prompt_id)?;
    if let Some(kept) = change.prompt(id)? {
        change.put_access(kept.patient, place)?;
        if let Some(relation) = relation {
            let asked = asked(&kept, telling.read_back)?;
            let doctor = recalls::doctor(&record.organisation, record.actor.as_ref(), &asked.asker)?;
            recalls::rely(id, &kept, &asked, doctor, relation, telling)?;
        }
    }
    if change.mark(marked, &record.prompt_id, day, organisation)? {
        count(change, day, organisation, None, figure, 1)?;
    }
    Ok(())
}

fn person(record: &pb::PersonRecord, change: &HubChange<'_>) -> Result<(), HubError> {
    let keyed = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(KeyedDigest);
    let known = KnownPerson {
        pseudonym: fixed("pseudonym", &record.pseudonym)?,
        sex: keyed(&record.sex),
        birth_date: keyed(&record.birth_date),
    };
    change.put_person(keyed(&record.identifier).ok_or(ProjectionError::Damaged)?, known)?;
    Ok(())
}

/// What a prompt was about: when it was raised, its visit, the items of the line, and the result's report.
struct AskedAbout {
    at: Moment,
    asker: String,
    encounter: String,
    items: Vec<ItemCode>,
    publisher: OrganisationCode,
    report: ReportTag,
    place: EntryPlace,
}

fn asked(kept: &KeptPrompt, read_back: &ReadBack<'_>) -> Result<AskedAbout, HubError> {
    let Record::Check(check) = read_back(kept.check)? else { return Err(ProjectionError::Damaged.into()) };
    let prompt = check.prompts.get(usize::from(kept.ordinal)).ok_or(ProjectionError::Damaged)?;
    let items = prompt.items.iter().map(|item| parsed("items", item, "item code"));
    let publisher = organisation(&prompt.publisher)?;
    Ok(AskedAbout {
        at: moment("at", check.at.as_ref())?,
        asker: check.actor.as_ref().map(|actor| actor.practitioner.clone()).unwrap_or_default(),
        encounter: check.visit.as_ref().map(|visit| visit.encounter.clone()).unwrap_or_default(),
        items: items.collect::<Result<_, _>>()?,
        publisher,
        report: report_tag(publisher, kept.report),
        place: recalls::place_of(prompt),
    })
}

fn count(
    change: &HubChange<'_>,
    day: i64,
    organisation: OrganisationCode,
    item: Option<ItemCode>,
    figure: Figure,
    delta: i64,
) -> Result<(), HubError> {
    Ok(change.add(&FigureKey { day, organisation, item, figure }, delta)?)
}

/// Counts in the organisation's row of the day and in the row of each item.
fn count_with_items(
    change: &HubChange<'_>,
    day: i64,
    organisation: OrganisationCode,
    items: &[ItemCode],
    figure: &Figure,
    delta: i64,
) -> Result<(), HubError> {
    for item in std::iter::once(None).chain(items.iter().copied().map(Some)) {
        count(change, day, organisation, item, figure.clone(), delta)?;
    }
    Ok(())
}

fn organisation(code: &str) -> Result<OrganisationCode, FieldError> {
    parsed("organisation", code, "organisation code")
}

/// Reads the name of a signing key.
///
/// # Errors
/// [`FieldError`] when it is not 8 bytes long.
pub fn key_id(bytes: &[u8]) -> Result<[u8; 8], FieldError> {
    bytes
        .try_into()
        .map_err(|_| FieldError::new("key_id", crate::wire::field::Problem::Length { found: bytes.len(), expected: 8 }))
}
