//! Figures by day, organisation and item, and the marks that let each thing count once.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{HubChange, HubTables, hashed};
use crate::domain::id::Pseudonym;
use crate::domain::item::ItemCode;
use crate::domain::organisation::OrganisationCode;
use crate::store::packing::{Packer, Unpacker, Unsealed, sortable, unsortable};
use crate::store::projection::{ProjectionError, Rows, Table};

/// What a figure counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// Checks.
    Checks,
    /// Order lines of checks.
    OrderLines,
    /// Prompts raised.
    Prompts,
    /// Prompts shown.
    Shown,
    /// Results opened.
    Viewed,
    /// Prompts accepted.
    Accepted,
    /// Prompts declined.
    Declined,
    /// Declines that count as not recognised.
    DeclinedCounted,
    /// Decisions taken back.
    Revoked,
    /// Results quoted into the record.
    Quoted,
    /// Checks answered without the hub.
    Misses,
    /// Reports recognised.
    ReportsRecognised,
    /// Reports of others that visiting patients already had.
    ReportsExisting,
    /// Declines without the reason that the policy demands.
    DeclinedUnexplained,
    /// Openings without an order, by consent.
    Opened,
    /// Openings by break-glass.
    BreakGlass,
    /// Recalls made for the organisation's doctors.
    RecallsMade,
    /// Recalls that the organisation's node has confirmed.
    RecallsDelivered,
    /// Recalls that somebody of the organisation has acknowledged.
    RecallsAcknowledged,
    /// Declines for the policy's reason of this code, as `R01`.
    DeclinedFor(String),
}

/// One cell of the figures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FigureKey {
    /// Days since 1970-01-01 at the region's offset, as of [`crate::domain::time::Moment::local_day`].
    pub day: i64,
    /// The organisation that is counted.
    pub organisation: OrganisationCode,
    /// The item, where the figure has one.
    pub item: Option<ItemCode>,
    /// What is counted.
    pub figure: Figure,
}

/// What is marked, so that it counts once in a day and organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Marked {
    /// A report that was recognised.
    ReportRecognised,
    /// A prompt that was shown.
    PromptShown,
    /// A prompt whose result was opened.
    PromptViewed,
    /// A prompt whose result was quoted.
    PromptQuoted,
}

pub(super) const TABLES: &[Table] = &[FIGURES, MARKS];

impl<R: Rows> HubTables<R> {
    /// Visits the figures from day `first` to day `last`, both included, by day, organisation, item and figure.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn figures(
        &self,
        first: i64,
        last: i64,
        mut visitor: impl FnMut(FigureKey, u64),
    ) -> Result<(), ProjectionError> {
        let from = sortable(first).to_be_bytes();
        // Beyond every key of the day: no figure's key is all ones behind it, for organisations are ASCII.
        let to = Packer::default().long(sortable(last)).byte(u8::MAX).finish();
        self.0.visit(FIGURES, &from, &to, &mut |key, value| {
            visitor(unpacked(key)?, Unpacker::new(value).long()?);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Gives one figure, 0 where nothing was counted.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn figure(&self, key: &FigureKey) -> Result<u64, ProjectionError> {
        Ok(self.row(FIGURES, &packed(key))?.map_or(Ok(0), |found| Unpacker::new(&found).long())?)
    }
}

impl HubChange<'_> {
    /// Adds to a figure, or takes away from it; it never falls below 0.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn add(&self, key: &FigureKey, delta: i64) -> Result<(), ProjectionError> {
        let figure = self.figure(key)?.saturating_add_signed(delta);
        self.put(FIGURES, &packed(key), &figure.to_be_bytes())
    }

    /// Marks a thing in a day and an organisation, and says whether it is the first time.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn mark(
        &self,
        marked: Marked,
        thing: &[u8],
        day: i64,
        organisation: OrganisationCode,
    ) -> Result<bool, ProjectionError> {
        let key = mark_key(marked.code(), thing, day, organisation);
        let first = self.row(MARKS, &key)?.is_none();
        if first {
            self.put(MARKS, &key, &[])?;
        }
        Ok(first)
    }

    /// Marks the reports that a patient had on a day in an organisation, and says how many of them were not marked yet. They
    /// stand in one row, as they are always asked for together.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn mark_existing<'r>(
        &self,
        patient: Pseudonym,
        reports: impl IntoIterator<Item = &'r [u8]>,
        day: i64,
        organisation: OrganisationCode,
    ) -> Result<usize, ProjectionError> {
        let key = mark_key(EXISTING, patient.as_bytes(), day, organisation);
        let row = self.row(MARKS, &key)?.unwrap_or_default();
        let (known, []) = row.as_chunks::<REPORT_BYTES>() else { return Err(ProjectionError::Damaged) };
        let known: BTreeSet<_> = known.iter().copied().collect();
        let found: BTreeSet<_> = reports.into_iter().map(hashed).collect();
        let fresh = found.difference(&known).count();
        if fresh > 0 {
            let marked: Vec<_> = known.union(&found).copied().collect();
            self.put(MARKS, &key, marked.as_flattened())?;
        }
        Ok(fresh)
    }

    /// Takes a mark away, and says whether there was one.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn unmark(
        &self,
        marked: Marked,
        thing: &[u8],
        day: i64,
        organisation: OrganisationCode,
    ) -> Result<bool, ProjectionError> {
        let key = mark_key(marked.code(), thing, day, organisation);
        let there = self.row(MARKS, &key)?.is_some();
        self.remove(MARKS, &key)?;
        Ok(there)
    }
}

fn packed(key: &FigureKey) -> Vec<u8> {
    let (code, reason) = match &key.figure {
        Figure::DeclinedFor(reason) => (DECLINED_FOR, reason.as_str()),
        plain => (PLAIN.iter().zip(0..).find(|(known, _)| *known == plain).map_or(DECLINED_FOR, |(_, code)| code), ""),
    };
    Packer::default()
        .long(sortable(key.day))
        .bytes(key.organisation.as_str().as_bytes())
        .word(key.item.map_or(0, ItemCode::packed))
        .byte(code)
        .bytes(reason.as_bytes())
        .finish()
}

fn unpacked(key: &[u8]) -> Result<FigureKey, Unsealed> {
    let mut key = Unpacker::new(key);
    let day = unsortable(key.long()?);
    let code: [u8; ORGANISATION_BYTES] = key.bytes()?;
    let organisation = std::str::from_utf8(&code).ok().and_then(|code| code.parse().ok()).ok_or(Unsealed)?;
    let item = match key.word()? {
        0 => None,
        packed => Some(ItemCode::from_packed(packed).map_err(|_| Unsealed)?),
    };
    let figure = match key.byte()? {
        DECLINED_FOR => Figure::DeclinedFor(std::str::from_utf8(key.rest()).map(str::to_owned).map_err(|_| Unsealed)?),
        plain => PLAIN.get(usize::from(plain)).cloned().ok_or(Unsealed)?,
    };
    Ok(FigureKey { day, organisation, item, figure })
}

impl Marked {
    fn code(self) -> u8 {
        match self {
            Self::ReportRecognised => 1,
            Self::PromptShown => 3,
            Self::PromptViewed => 4,
            Self::PromptQuoted => 5,
        }
    }
}

fn mark_key(marked: u8, thing: &[u8], day: i64, organisation: OrganisationCode) -> Vec<u8> {
    let organisation = organisation.as_str().as_bytes();
    Packer::default().long(sortable(day)).bytes(organisation).byte(marked).bytes(&hashed(thing)).finish()
}

/// Figures by their code on disk: never reordered, only added to.
const PLAIN: [Figure; 19] = [
    Figure::Checks,
    Figure::OrderLines,
    Figure::Prompts,
    Figure::Shown,
    Figure::Viewed,
    Figure::Accepted,
    Figure::Declined,
    Figure::DeclinedCounted,
    Figure::Revoked,
    Figure::Quoted,
    Figure::Misses,
    Figure::ReportsRecognised,
    Figure::ReportsExisting,
    Figure::DeclinedUnexplained,
    Figure::Opened,
    Figure::BreakGlass,
    Figure::RecallsMade,
    Figure::RecallsDelivered,
    Figure::RecallsAcknowledged,
];
const DECLINED_FOR: u8 = u8::MAX;
const FIGURES: Table = Table::new("figures");
const MARKS: Table = Table::new("marks");
const ORGANISATION_BYTES: usize = 18;
/// Code of the mark that holds the reports that a patient already had.
const EXISTING: u8 = 2;
/// What is kept of a report's name.
const REPORT_BYTES: usize = 16;
