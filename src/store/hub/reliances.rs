//! Results that doctors rely on, by laboratory and date of the specimen, and the requalifications that are under way:
//! what a statement of a QC centre says of past dates is found by a scan of these rows, never of the journal.

use std::ops::ControlFlow;

use super::{DoctorTag, HubChange, HubTables};
use crate::domain::id::{Digest, ResultId};
use crate::domain::item::ItemCode;
use crate::domain::log::Sequence;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker, Unsealed, sortable, unsortable};
use crate::store::projection::{ProjectionError, Rows, Table};

/// A result that a doctor relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reliance {
    /// Who made the result.
    pub laboratory: OrganisationCode,
    /// When the specimen was collected.
    pub collected: Moment,
    /// The result, by its name in the region.
    pub result: ResultId,
    /// The doctor.
    pub doctor: DoctorTag,
    /// What it answers.
    pub items: Vec<ItemCode>,
    /// The method group, where it is known.
    pub method: Option<String>,
    /// Whether the doctor was told that the laboratory was not qualified.
    pub doubted: bool,
}

/// A part of a laboratory's past that is to be judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requalification {
    /// The record that asks for it.
    pub asked: Sequence,
    /// The laboratory.
    pub laboratory: OrganisationCode,
    /// Specimens collected from then on.
    pub from: Moment,
    /// And not later than this; without end where it is absent.
    pub to: Option<Moment>,
    /// The statement that is the reason.
    pub statement: Digest,
    /// The last row that was judged; empty before the first.
    pub reached: Vec<u8>,
}

pub(super) const TABLES: &[Table] = &[RELIANCES, REQUALIFICATIONS, LAST_STATEMENTS];

impl<R: Rows> HubTables<R> {
    /// Gives the requalification that was asked for first and has not ended.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn next_requalification(&self) -> Result<Option<Requalification>, ProjectionError> {
        let mut next = None;
        self.0.visit(REQUALIFICATIONS, &[], &[u8::MAX; 27], &mut |key, value| {
            next = Some(unpacked(key, value)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(next)
    }

    /// Gives the reliances that a requalification has still to judge, at most `most`, each with the key of its row.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn reliances(&self, of: &Requalification, most: usize) -> Result<Vec<(Vec<u8>, Reliance)>, ProjectionError> {
        let mut found = Vec::new();
        let laboratory = of.laboratory.as_str().as_bytes();
        let first = if of.reached.is_empty() {
            Packer::default().bytes(laboratory).long(sortable(of.from.unix_ms())).finish()
        } else {
            [of.reached.as_slice(), &[0]].concat()
        };
        let last_ms = of.to.map_or(i64::MAX, Moment::unix_ms);
        let last = Packer::default().bytes(laboratory).long(sortable(last_ms)).bytes(&[u8::MAX; 33]).finish();
        self.0.visit(RELIANCES, &first, &last, &mut |key, value| {
            found.push((key.to_vec(), reliance(key, value)?));
            Ok(if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Gives the last statement that said something of a laboratory's past, and its record.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn last_statement_on(
        &self,
        laboratory: OrganisationCode,
    ) -> Result<Option<(Sequence, Digest)>, ProjectionError> {
        let Some(found) = self.row(LAST_STATEMENTS, laboratory.as_str().as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        Ok(Some((Sequence(found.long()?), Digest::new(found.bytes()?))))
    }
}

impl HubChange<'_> {
    /// Keeps what a doctor relies on; a row that is there already stays.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_reliance(&self, kept: &Reliance) -> Result<(), ProjectionError> {
        let key = reliance_key(kept);
        if self.row(RELIANCES, &key)?.is_some() {
            return Ok(());
        }
        self.put(RELIANCES, &key, &reliance_value(kept))
    }

    /// Notes by its row's key whether a doctor was told that the laboratory was not qualified.
    ///
    /// # Errors
    /// [`ProjectionError::Damaged`] when there is no such row.
    pub fn doubt(&self, key: &[u8], doubted: bool) -> Result<Reliance, ProjectionError> {
        let found = self.row(RELIANCES, key)?.ok_or(ProjectionError::Damaged)?;
        let kept = Reliance { doubted, ..reliance(key, &found)? };
        self.put(RELIANCES, key, &reliance_value(&kept))?;
        Ok(kept)
    }

    /// Has a part of a laboratory's past judged again, or notes how far that has come.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_requalification(&self, kept: &Requalification) -> Result<(), ProjectionError> {
        let value = Packer::default()
            .moment(kept.from)
            .byte(u8::from(kept.to.is_some()))
            .moment(kept.to.unwrap_or(kept.from))
            .bytes(kept.statement.as_bytes())
            .bytes(&kept.reached);
        self.put(REQUALIFICATIONS, &requalification_key(kept.asked, kept.laboratory), &value.finish())
    }

    /// Takes a requalification off the list when all of it was judged.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn end_requalification(&self, asked: Sequence, laboratory: OrganisationCode) -> Result<(), ProjectionError> {
        self.remove(REQUALIFICATIONS, &requalification_key(asked, laboratory))
    }

    /// Gives a requalification that has not ended.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn requalification(
        &self,
        asked: Sequence,
        laboratory: OrganisationCode,
    ) -> Result<Option<Requalification>, ProjectionError> {
        let key = requalification_key(asked, laboratory);
        let found = self.row(REQUALIFICATIONS, &key)?;
        Ok(found.map(|found| unpacked(&key, &found)).transpose()?)
    }

    /// Notes the last statement that said something of a laboratory's past.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_last_statement(
        &self,
        laboratory: OrganisationCode,
        at: Sequence,
        statement: Digest,
    ) -> Result<(), ProjectionError> {
        let value = Packer::default().long(at.0).bytes(statement.as_bytes());
        self.put(LAST_STATEMENTS, laboratory.as_str().as_bytes(), &value.finish())
    }
}

fn reliance(key: &[u8], value: &[u8]) -> Result<Reliance, Unsealed> {
    let (mut key, mut value) = (Unpacker::new(key), Unpacker::new(value));
    let laboratory = organisation(&mut key)?;
    let collected_ms = unsortable(key.long()?);
    let (result, doctor) = (ResultId::new(key.bytes()?), DoctorTag(key.bytes()?));
    let (doubted, offset) = (value.byte()? != 0, i16::from_be_bytes(value.bytes()?));
    let count = usize::from(value.byte()?);
    let items = (0..count).map(|_| ItemCode::from_packed(value.word()?).map_err(|_| Unsealed));
    let items = items.collect::<Result<_, _>>()?;
    let method = String::from_utf8(value.rest().to_vec()).map_err(|_| Unsealed)?;
    Ok(Reliance {
        laboratory,
        collected: Moment::new(collected_ms, offset).map_err(|_| Unsealed)?,
        result,
        doctor,
        items,
        method: Some(method).filter(|method| !method.is_empty()),
        doubted,
    })
}

fn reliance_key(kept: &Reliance) -> Vec<u8> {
    Packer::default()
        .bytes(kept.laboratory.as_str().as_bytes())
        .long(sortable(kept.collected.unix_ms()))
        .bytes(kept.result.as_bytes())
        .bytes(&kept.doctor.0)
        .finish()
}

fn reliance_value(kept: &Reliance) -> Vec<u8> {
    let count = u8::try_from(kept.items.len()).unwrap_or(u8::MAX);
    let mut value = Packer::default()
        .byte(u8::from(kept.doubted))
        .bytes(&kept.collected.offset_minutes().to_be_bytes())
        .byte(count);
    for item in kept.items.iter().take(usize::from(count)) {
        value = value.word(item.packed());
    }
    value.bytes(kept.method.as_deref().unwrap_or_default().as_bytes()).finish()
}

fn unpacked(key: &[u8], value: &[u8]) -> Result<Requalification, Unsealed> {
    let (mut key, mut value) = (Unpacker::new(key), Unpacker::new(value));
    let (asked, laboratory) = (Sequence(key.long()?), organisation(&mut key)?);
    let (from, ends, to) = (value.moment()?, value.byte()? != 0, value.moment()?);
    let statement = Digest::new(value.bytes()?);
    let reached = value.rest().to_vec();
    Ok(Requalification { asked, laboratory, from, to: ends.then_some(to), statement, reached })
}

fn requalification_key(asked: Sequence, laboratory: OrganisationCode) -> Vec<u8> {
    Packer::default().long(asked.0).bytes(laboratory.as_str().as_bytes()).finish()
}

fn organisation(key: &mut Unpacker<'_>) -> Result<OrganisationCode, Unsealed> {
    let code: [u8; ORGANISATION_BYTES] = key.bytes()?;
    std::str::from_utf8(&code).ok().and_then(|code| code.parse().ok()).ok_or(Unsealed)
}

const ORGANISATION_BYTES: usize = 18;
const RELIANCES: Table = Table::new("reliances");
const REQUALIFICATIONS: Table = Table::new("requalifications");
const LAST_STATEMENTS: Table = Table::new("last statements");
