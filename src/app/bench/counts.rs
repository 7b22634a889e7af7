//! Pieces of work of a fixed size, for counting their instructions: `benches/counts` runs each under callgrind, which
//! counts what happens inside [`counted`] alone. Nothing is measured here.

use std::hint::black_box;

use clap::ValueEnum;

use crate::app::bench::data::Shape;
use crate::app::bench::publisher::codes;
use crate::app::bench::{BenchError, mllp};
use crate::domain::entry::Entry;
use crate::domain::eqa::{Credential, Provenance, Subject};
use crate::domain::id::{Digest, Pseudonym};
use crate::domain::log::{Position, Sequence};
use crate::domain::order::{OrderContext, OrderLine, Setting, Wanted};
use crate::domain::qualification::Qualifications;
use crate::domain::rule::{Candidate, Rulebook, answer_line};
use crate::domain::scope::Scope;
use crate::domain::time::Moment;
use crate::merkle::hash::leaf_hash;
use crate::merkle::tree::root_of;
use crate::ports::index::{EntryIndex, EntryKind, IndexEntry, IndexItems, Piece};
use crate::store::index::RedbIndex;
use crate::wire::hl7::{self, SourceSettings};
use crate::wire::regional::{publisher_tag, regional, report_tag};
use crate::wire::{entry, region};

/// A piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// The rule: a panel against a patient's results.
    Assess,
    /// The index: a patient's results of the longest window.
    Index,
    /// A batch of 1,000 entries: leaves, root, and every entry read.
    Batch,
    /// A laboratory's report.
    Hl7,
}

/// Does a piece of work once, so that it can be counted.
///
/// # Errors
/// [`BenchError`] when it cannot be prepared.
pub fn run(work: Work) -> Result<(), BenchError> {
    let began = Moment::new(BEGAN_UNIX_MS, 480).unwrap_or_else(|_| unreachable!("2027 is a year of the exchange"));
    let (catalogue, policy) = region::load_region(&region::sample())
        .map_err(|error| BenchError::Unexpected { what: "the sample region", found: error.to_string() })?;
    let shape = Shape::new(1, ENTRIES, began, codes(), (&catalogue, &policy));
    let entries: Vec<Entry> = (0..shape.visits()).flat_map(|number| shape.entries_of(&shape.visit(number))).collect();
    match work {
        Work::Assess => {
            let patient = shape.pseudonym(0);
            let own: Vec<&Entry> = entries.iter().filter(|entry| entry.patient == patient).take(CANDIDATES).collect();
            let candidates: Vec<Candidate<'_>> = own
                .into_iter()
                .map(|entry| Candidate { entry, key_valid: true, link_disputed: false, latest_version: 1 })
                .collect();
            let qualifications = qualifications(&shape, began);
            let book = Rulebook { catalogue: &catalogue, policy: &policy, qualifications: &qualifications };
            let panel = catalogue.panels.keys().find(|code| code.to_string() == "LIVER").cloned();
            let wanted = panel.map(Wanted::Panel).into_iter().collect();
            let line = OrderLine { line_id: "1".to_owned(), wanted };
            let context = context(patient);
            counted(|| {
                (0..ROUNDS).for_each(|_| drop(black_box(answer_line(&line, &candidates, &context, &book, began))))
            });
        }
        Work::Index => {
            let path = std::env::temp_dir().join(format!("concord-counts-{}.redb", std::process::id()));
            let index = RedbIndex::open(&path, 64 << 20).map_err(crate::service::hub::error::HubError::from)?;
            let indexed: Vec<IndexEntry> = entries.iter().zip(0..).map(indexed).collect();
            let read = index.apply(Sequence(1), &indexed).and_then(|()| index.flush()).and_then(|()| {
                let since = began.plus_hours(-90 * 24);
                let scan = |rank| index.scan(shape.pseudonym(rank), since, 10_000);
                // A patient whose rows fit where a scan puts them: whether more are moved, or grow in place, depends on
                // the allocator's clock.
                let mut rank = 0;
                while scan(rank)?.len() > ROWS {
                    rank += 1;
                }
                counted(|| (0..ROUNDS).try_for_each(|_| scan(rank).map(|found| drop(black_box(found)))))
            });
            let _ = std::fs::remove_file(&path);
            read.map_err(crate::service::hub::error::HubError::from)?;
        }
        Work::Batch => {
            let batch: Vec<_> = entries.iter().take(1_000).map(entry::encode).collect();
            counted(|| {
                let leaves: Vec<_> = batch.iter().map(|bytes| leaf_hash(bytes)).collect();
                black_box(root_of(&leaves));
                batch.iter().for_each(|bytes| drop(black_box(entry::decode(bytes))));
            });
        }
        Work::Hl7 => {
            let (message, settings) = (mllp::message(7, began), SourceSettings::default());
            counted(|| (0..ROUNDS).for_each(|_| drop(black_box(hl7::read(message.as_bytes(), &settings)))));
        }
    }
    Ok(())
}

/// Does the work; callgrind looks for this name.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn context(patient: Pseudonym) -> OrderContext {
    OrderContext {
        patient,
        organisation: codes()[0],
        region: crate::app::bench::publisher::DIVISION.parse().unwrap_or_else(|_| unreachable!("a division")),
        setting: Setting::Outpatient,
        preoperative: false,
        transfusion: false,
        forensic: false,
        serial: false,
        neonate: false,
        pregnant: false,
        treated_at: None,
        methods: Default::default(),
        decided: Default::default(),
        prompted: Default::default(),
        sensitive_granted: false,
    }
}

fn qualifications(shape: &Shape, began: Moment) -> Qualifications {
    let mut qualifications = Qualifications::default();
    let subjects: Vec<Subject> =
        shape.subjects().iter().filter_map(|subject| Some(Subject::Item(subject.parse().ok()?))).collect();
    for laboratory in codes() {
        for subject in &subjects {
            qualifications.add_credential(Credential {
                provenance: Provenance {
                    statement: Digest::new([1; 32]),
                    issuer: codes()[1],
                    scope: Scope::National,
                    learned_at: began.plus_hours(-10_000),
                },
                laboratory,
                subject: subject.clone(),
                method: None,
                valid_from: began.plus_hours(-10_000),
                valid_to: began.plus_hours(10_000),
                basis: "SAMPLE".to_owned(),
            });
        }
    }
    qualifications
}

fn indexed((entry, place): (&Entry, u16)) -> IndexEntry {
    IndexEntry {
        patient: entry.patient,
        collected: entry.times.collected,
        sequence: Sequence(0),
        place,
        position: Position(0),
        result: regional(entry.publisher, entry.result),
        version: entry.version,
        status: entry.status,
        sensitivity: entry.sensitivity,
        piece: Piece { start: 0, checksum: 0 },
        publisher: publisher_tag(entry.publisher),
        report: report_tag(entry.publisher, entry.report),
        items: IndexItems::new(&entry.items),
        kind: EntryKind::Laboratory,
        superseded: false,
    }
}

const BEGAN_UNIX_MS: i64 = 1_800_000_000_000;
const ENTRIES: u64 = 20_000;
const CANDIDATES: usize = 64;
const ROUNDS: usize = 50;
/// Rows for which a scan makes room.
const ROWS: usize = 256;
