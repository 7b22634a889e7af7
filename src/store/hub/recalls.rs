//! What doctors know of results, the recalls that are owed to them, and how far each has come.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{HubChange, HubTables, hashed};
use crate::domain::id::{Digest, PromptId, Pseudonym, RecallId, ResultId};
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::OrganisationCode;
use crate::domain::recall::{Cause, Doctor, Recall, Relation, Sight};
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker, Unsealed, sortable};
use crate::store::projection::{ProjectionError, Rows, Table};

/// Where an entry lies: its batch's record, and its place in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryPlace {
    /// The batch's record.
    pub batch: LogPlace,
    /// The place in the batch, from 0.
    pub entry: u16,
}

/// Stands for a doctor of an organisation in keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DoctorTag(pub [u8; 16]);

/// What a doctor knows of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSight {
    /// The doctor.
    pub doctor: Doctor,
    /// The patient.
    pub patient: Pseudonym,
    /// How well, and which version.
    pub sight: Sight<EntryPlace>,
    /// The last prompt; none where it was opened without an order.
    pub prompt: Option<PromptId>,
}

/// A recall, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecall {
    /// The recall.
    pub recall: Recall<EntryPlace>,
    /// The record that made it.
    pub made: Sequence,
    /// When its organisation's node had it on its disk.
    pub delivered: Option<Moment>,
    /// When somebody of the organisation acknowledged it.
    pub acknowledged: Option<Moment>,
}

pub(super) const TABLES: &[Table] =
    &[SIGHTS, STANDING, RECALLS, UNDELIVERED_RECALLS, OPEN_RECALLS, OPEN_SINCE, RECALL_ORDER];

/// Gives what stands for a doctor.
pub fn doctor_tag(doctor: &Doctor) -> DoctorTag {
    let organisation = doctor.organisation.as_str().as_bytes();
    DoctorTag(hashed(&[organisation, doctor.practitioner.as_bytes()].concat()))
}

impl<R: Rows> HubTables<R> {
    /// Gives what a doctor knows of a result.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn sight(&self, result: ResultId, doctor: DoctorTag) -> Result<Option<KeptSight>, ProjectionError> {
        let found = self.row(SIGHTS, &sight_key(result, doctor))?;
        Ok(found.map(|found| unpacked_sight(&found)).transpose()?)
    }

    /// Lists what doctors know of a result.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn sights(&self, result: ResultId) -> Result<Vec<(DoctorTag, KeptSight)>, ProjectionError> {
        let mut sights = Vec::new();
        let (first, last) = (sight_key(result, DoctorTag([0; 16])), sight_key(result, DoctorTag([u8::MAX; 16])));
        self.0.visit(SIGHTS, &first, &last, &mut |key, value| {
            let mut key = Unpacker::new(key);
            let (_, doctor): ([u8; 16], _) = (key.bytes()?, DoctorTag(key.bytes()?));
            sights.push((doctor, unpacked_sight(value)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sights)
    }

    /// Gives the version of a result that stands, where it is not its first.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn later_version(&self, result: ResultId) -> Result<Option<(u32, EntryPlace)>, ProjectionError> {
        let Some(found) = self.row(STANDING, result.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        Ok(Some((found.word()?, entry_place(&mut found)?)))
    }

    /// Gives a recall.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn recall(&self, id: RecallId) -> Result<Option<KeptRecall>, ProjectionError> {
        let found = self.row(RECALLS, id.as_bytes())?;
        Ok(found.map(|found| unpacked_recall(id, &found)).transpose()?)
    }

    /// Lists the recalls that an organisation's node has not confirmed, in the order they were made, at most `most`.
    /// Those made by records up to `after` are left out.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn undelivered_recalls(
        &self,
        organisation: OrganisationCode,
        after: Option<(Sequence, RecallId)>,
        most: usize,
    ) -> Result<Vec<KeptRecall>, ProjectionError> {
        let mut ids = Vec::new();
        let code = organisation.as_str().as_bytes();
        let first = match after {
            None => code.to_vec(),
            Some((made, id)) => Packer::default().bytes(code).long(made.0).bytes(id.as_bytes()).byte(0).finish(),
        };
        let last = Packer::default().bytes(code).bytes(&[u8::MAX; 25]).finish();
        self.0.visit(UNDELIVERED_RECALLS, &first, &last, &mut |key, _| {
            ids.push(last_id(key)?);
            Ok(if ids.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        self.recalls_named(&ids)
    }

    /// Lists a doctor's recalls that nobody has acknowledged, in the order they were made; those about one patient where
    /// one is given.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn open_recalls(
        &self,
        doctor: DoctorTag,
        patient: Option<Pseudonym>,
        most: usize,
    ) -> Result<Vec<KeptRecall>, ProjectionError> {
        let mut ids = Vec::new();
        let last = Packer::default().bytes(&doctor.0).bytes(&[u8::MAX; 25]).finish();
        self.0.visit(OPEN_RECALLS, &doctor.0, &last, &mut |key, value| {
            let about: [u8; 16] = Unpacker::new(value).bytes()?;
            if patient.is_none_or(|patient| *patient.as_bytes() == about) {
                ids.push(last_id(key)?);
            }
            Ok(if ids.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        self.recalls_named(&ids)
    }

    /// Gives when the oldest recall was made that nobody has acknowledged: of one organisation, or of all.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn oldest_open_recall(&self, of: Option<OrganisationCode>) -> Result<Option<Moment>, ProjectionError> {
        let mut oldest = None;
        self.0.visit(OPEN_SINCE, &[], &[u8::MAX; 25], &mut |_, value| {
            let mut value = Unpacker::new(value);
            let made_at = value.moment()?;
            if of.is_none_or(|code| code.as_str().as_bytes() == value.rest()) {
                oldest = Some(made_at);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(oldest)
    }

    /// Counts the recalls that nobody has acknowledged, and gives when the oldest was made, by organisation.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn recalls_open(&self) -> Result<BTreeMap<OrganisationCode, (u64, Moment)>, ProjectionError> {
        let mut open = BTreeMap::new();
        self.0.visit(OPEN_SINCE, &[], &[u8::MAX; 25], &mut |_, value| {
            let mut value = Unpacker::new(value);
            // The oldest come first.
            let made_at = value.moment()?;
            open.entry(organisation_of(&mut value)?).or_insert((0, made_at)).0 += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(open)
    }

    /// Visits recalls, the newest first, until told to stop.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn recalls(&self, mut visitor: impl FnMut(KeptRecall) -> ControlFlow<()>) -> Result<(), ProjectionError> {
        let mut fault = None;
        self.0.visit(RECALL_ORDER, &[], &[u8::MAX; 25], &mut |key, _| match self.recall(last_id(key)?) {
            Ok(Some(recall)) => Ok(visitor(recall)),
            Ok(None) => Err(ProjectionError::Damaged),
            Err(error) => {
                fault = Some(error);
                Ok(ControlFlow::Break(()))
            }
        })?;
        fault.map_or(Ok(()), Err)
    }

    fn recalls_named(&self, ids: &[RecallId]) -> Result<Vec<KeptRecall>, ProjectionError> {
        ids.iter().map(|id| self.recall(*id)?.ok_or(ProjectionError::Damaged)).collect()
    }
}

impl HubChange<'_> {
    /// Keeps what a doctor knows of a result.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_sight(&self, result: ResultId, kept: &KeptSight) -> Result<(), ProjectionError> {
        let value = Packer::default()
            .byte(relation_code(kept.sight.relation))
            .word(kept.sight.version)
            .place(kept.sight.place.batch)
            .half(kept.sight.place.entry)
            .bytes(kept.patient.as_bytes())
            .bytes(kept.prompt.map_or([0; 16], |prompt| *prompt.as_bytes()).as_slice())
            .bytes(kept.doctor.organisation.as_str().as_bytes())
            .bytes(kept.doctor.practitioner.as_bytes());
        self.put(SIGHTS, &sight_key(result, doctor_tag(&kept.doctor)), &value.finish())
    }

    /// Notes that a later version of a result stands.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_later_version(&self, result: ResultId, version: u32, place: EntryPlace) -> Result<(), ProjectionError> {
        let value = Packer::default().word(version).place(place.batch).half(place.entry);
        self.put(STANDING, result.as_bytes(), &value.finish())
    }

    /// Keeps a recall and lists it where it is due. Says whether it is new; one that is kept already stays as it is.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn make_recall(&self, recall: Recall<EntryPlace>, made: Sequence) -> Result<bool, ProjectionError> {
        let (id, organisation) = (recall.id, recall.doctor.organisation);
        if self.row(RECALLS, id.as_bytes())?.is_some() {
            return Ok(false);
        }
        let kept = KeptRecall { recall, made, delivered: None, acknowledged: None };
        self.put(UNDELIVERED_RECALLS, &undelivered_key(&kept), &[])?;
        self.put(OPEN_RECALLS, &open_key(&kept), kept.recall.patient.as_bytes())?;
        let since = Packer::default().moment(kept.recall.made_at).bytes(organisation.as_str().as_bytes());
        self.put(OPEN_SINCE, &since_key(&kept), &since.finish())?;
        let order = Packer::default().long(u64::MAX - made.0).bytes(id.as_bytes());
        self.put(RECALL_ORDER, &order.finish(), &[])?;
        self.put_recall(&kept)?;
        Ok(true)
    }

    /// Notes when a recall was delivered; false where there is none or it was delivered before.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn deliver_recall(&self, id: RecallId, at: Moment) -> Result<bool, ProjectionError> {
        let Some(kept) = self.recall(id)?.filter(|kept| kept.delivered.is_none()) else { return Ok(false) };
        self.remove(UNDELIVERED_RECALLS, &undelivered_key(&kept))?;
        self.put_recall(&KeptRecall { delivered: Some(at), ..kept })?;
        Ok(true)
    }

    /// Notes when a recall was acknowledged; false where there is none or it was acknowledged before.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn acknowledge_recall(&self, id: RecallId, at: Moment) -> Result<bool, ProjectionError> {
        let Some(kept) = self.recall(id)?.filter(|kept| kept.acknowledged.is_none()) else { return Ok(false) };
        // Nobody need be told of it any more.
        self.remove(UNDELIVERED_RECALLS, &undelivered_key(&kept))?;
        self.remove(OPEN_RECALLS, &open_key(&kept))?;
        self.remove(OPEN_SINCE, &since_key(&kept))?;
        self.put_recall(&KeptRecall { acknowledged: Some(at), ..kept })?;
        Ok(true)
    }

    /// Notes that the doctor did more with the result than the recall says.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn strengthen_recall(&self, id: RecallId, relation: Relation) -> Result<(), ProjectionError> {
        let Some(mut kept) = self.recall(id)?.filter(|kept| kept.acknowledged.is_none()) else { return Ok(()) };
        kept.recall.relation = kept.recall.relation.max(relation);
        self.put_recall(&kept)
    }

    fn put_recall(&self, kept: &KeptRecall) -> Result<(), ProjectionError> {
        let recall = &kept.recall;
        let (new_version, new_place) = recall.new.unwrap_or((0, recall.old.1));
        let value = Packer::default()
            .byte(cause_code(recall.cause))
            .byte(relation_code(recall.relation))
            .bytes(recall.patient.as_bytes())
            .bytes(recall.result.as_bytes())
            .word(recall.old.0)
            .place(recall.old.1.batch)
            .half(recall.old.1.entry)
            .word(new_version)
            .place(new_place.batch)
            .half(new_place.entry)
            .bytes(recall.prompt.map_or([0; 16], |prompt| *prompt.as_bytes()).as_slice())
            .bytes(recall.statement.map_or([0; 32], |statement| *statement.as_bytes()).as_slice())
            .moment(recall.made_at)
            .long(kept.made.0)
            .byte(u8::from(kept.delivered.is_some()))
            .moment(kept.delivered.unwrap_or(recall.made_at))
            .byte(u8::from(kept.acknowledged.is_some()))
            .moment(kept.acknowledged.unwrap_or(recall.made_at))
            .bytes(recall.doctor.organisation.as_str().as_bytes())
            .bytes(recall.doctor.practitioner.as_bytes());
        self.put(RECALLS, recall.id.as_bytes(), &value.finish())
    }
}

fn unpacked_sight(value: &[u8]) -> Result<KeptSight, Unsealed> {
    let mut value = Unpacker::new(value);
    let (relation, version) = (relation_of(value.byte()?)?, value.word()?);
    let place = entry_place(&mut value)?;
    Ok(KeptSight {
        sight: Sight { relation, version, place },
        patient: Pseudonym::new(value.bytes()?),
        prompt: prompt_of(&mut value)?,
        doctor: doctor_of(value)?,
    })
}

fn unpacked_recall(id: RecallId, value: &[u8]) -> Result<KeptRecall, Unsealed> {
    let mut value = Unpacker::new(value);
    let (cause, relation) = (cause_of(value.byte()?)?, relation_of(value.byte()?)?);
    let (patient, result) = (Pseudonym::new(value.bytes()?), ResultId::new(value.bytes()?));
    let old = (value.word()?, entry_place(&mut value)?);
    let new = (value.word()?, entry_place(&mut value)?);
    let prompt = prompt_of(&mut value)?;
    let statement = Some(Digest::new(value.bytes()?)).filter(|statement| *statement.as_bytes() != [0; 32]);
    let (made_at, made) = (value.moment()?, Sequence(value.long()?));
    let mut dated = || -> Result<Option<Moment>, Unsealed> {
        let (is_set, at) = (value.byte()? != 0, value.moment()?);
        Ok(is_set.then_some(at))
    };
    let (delivered, acknowledged) = (dated()?, dated()?);
    let new = Some(new).filter(|(version, _)| *version != 0);
    let doctor = doctor_of(value)?;
    let recall = Recall { id, doctor, patient, result, cause, relation, old, new, prompt, statement, made_at };
    Ok(KeptRecall { recall, made, delivered, acknowledged })
}

fn entry_place(value: &mut Unpacker<'_>) -> Result<EntryPlace, Unsealed> {
    Ok(EntryPlace { batch: value.place()?, entry: value.half()? })
}

fn prompt_of(value: &mut Unpacker<'_>) -> Result<Option<PromptId>, Unsealed> {
    Ok(Some(PromptId::new(value.bytes()?)).filter(|prompt| *prompt.as_bytes() != [0; 16]))
}

fn doctor_of(mut value: Unpacker<'_>) -> Result<Doctor, Unsealed> {
    let organisation = organisation_of(&mut value)?;
    let practitioner = String::from_utf8(value.rest().to_vec()).map_err(|_| Unsealed)?;
    Ok(Doctor { organisation, practitioner })
}

fn organisation_of(value: &mut Unpacker<'_>) -> Result<OrganisationCode, Unsealed> {
    let code: [u8; ORGANISATION_BYTES] = value.bytes()?;
    std::str::from_utf8(&code).ok().and_then(|code| code.parse().ok()).ok_or(Unsealed)
}

fn sight_key(result: ResultId, doctor: DoctorTag) -> Vec<u8> {
    Packer::default().bytes(result.as_bytes()).bytes(&doctor.0).finish()
}

fn undelivered_key(kept: &KeptRecall) -> Vec<u8> {
    let organisation = kept.recall.doctor.organisation.as_str().as_bytes();
    Packer::default().bytes(organisation).long(kept.made.0).bytes(kept.recall.id.as_bytes()).finish()
}

fn open_key(kept: &KeptRecall) -> Vec<u8> {
    let doctor = doctor_tag(&kept.recall.doctor);
    Packer::default().bytes(&doctor.0).long(kept.made.0).bytes(kept.recall.id.as_bytes()).finish()
}

fn since_key(kept: &KeptRecall) -> Vec<u8> {
    let made_ms = sortable(kept.recall.made_at.unix_ms());
    Packer::default().long(made_ms).bytes(kept.recall.id.as_bytes()).finish()
}

/// Reads the recall that a key ends with.
fn last_id(key: &[u8]) -> Result<RecallId, Unsealed> {
    key.last_chunk().copied().map(RecallId::new).ok_or(Unsealed)
}

fn relation_code(relation: Relation) -> u8 {
    match relation {
        Relation::Prompted => 1,
        Relation::Viewed => 2,
        Relation::Accepted => 3,
        Relation::Quoted => 4,
    }
}

fn relation_of(code: u8) -> Result<Relation, Unsealed> {
    match code {
        1 => Ok(Relation::Prompted),
        2 => Ok(Relation::Viewed),
        3 => Ok(Relation::Accepted),
        4 => Ok(Relation::Quoted),
        _ => Err(Unsealed),
    }
}

fn cause_code(cause: Cause) -> u8 {
    match cause {
        Cause::Corrected => 1,
        Cause::Withdrawn => 2,
        Cause::EnteredInError => 3,
        Cause::QualificationSuspended => 4,
        Cause::NotThisPatient => 5,
    }
}

fn cause_of(code: u8) -> Result<Cause, Unsealed> {
    match code {
        1 => Ok(Cause::Corrected),
        2 => Ok(Cause::Withdrawn),
        3 => Ok(Cause::EnteredInError),
        4 => Ok(Cause::QualificationSuspended),
        5 => Ok(Cause::NotThisPatient),
        _ => Err(Unsealed),
    }
}

const ORGANISATION_BYTES: usize = 18;
const SIGHTS: Table = Table::new("sights");
const STANDING: Table = Table::new("later versions");
const RECALLS: Table = Table::new("recalls");
const UNDELIVERED_RECALLS: Table = Table::new("undelivered recalls");
const OPEN_RECALLS: Table = Table::new("open recalls");
const OPEN_SINCE: Table = Table::new("recalls open since");
const RECALL_ORDER: Table = Table::new("recall order");
