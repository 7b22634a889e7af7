//! A study that has become quiet, from its instances to one draft.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::core::Core;
use super::error::NodeError;
use super::ledger::moment;
use super::names::{self, INSTANCE_MEDIA_TYPE};
use super::sheet::{Change, Draft, Held, Reason, Sheet, Truth, Unmapped};
use crate::domain::entry::{Content, LocalCode, Original, ResultStatus, Sensitivity, Times};
use crate::domain::id::Digest;
use crate::domain::imaging::{Coverage, ImagingStudy, Series};
use crate::domain::limits::INSTANCE_BYTES_MAX;
use crate::domain::person::Person;
use crate::store::node::{KeptStudy, StudyUid};
use crate::wire::dicom::rejection::{Rejection, RejectionTitle, is_key_objects, read_rejection};
use crate::wire::dicom::study::StudyError;
use crate::wire::dicom::{InstanceFacts, InstanceRecord, SeriesFacts, StudyFacts, Uid};
use crate::wire::{self, pb};

/// Drafts the entry of a study from all instances that have arrived.
pub(super) fn draft(core: &Core, uid: &StudyUid, kept: &KeptStudy) -> Result<Sheet, NodeError> {
    let mut sheet = Sheet::new(&uid.0);
    let instances = core.state.study_instances(uid)?;
    if instances.len() > ORIGINALS_MAX {
        sheet.held.push(Held::new(Reason::StudyTooLarge, "SOPInstanceUID"));
        return Ok(sheet);
    }
    let Some(study) = Uid::parse(&uid.0) else {
        sheet.held.push(Held::new(Reason::Unreadable, "StudyInstanceUID"));
        return Ok(sheet);
    };
    let mut found = Vec::with_capacity(instances.len());
    let mut rejected: BTreeMap<Uid, RejectionTitle> = BTreeMap::new();
    for (_, digest) in instances {
        match read(core, digest)? {
            Ok(Found::Image(image)) => found.push(*image),
            Ok(Found::Note(note)) => rejected.extend(note.instances.into_iter().map(|uid| (uid, note.title))),
            Err(why) => {
                sheet.held.push(why);
                return Ok(sheet);
            }
        }
    }
    let before = found.len();
    found.retain(|image| !rejected.contains_key(&image.facts.sop_instance));
    if found.is_empty() {
        // All of it is rejected, or deleted; nothing of it was published where nothing stood.
        if kept.published_version > 0 && !rejected.is_empty() {
            let truth = if rejected.values().any(|title| title.is_error()) { Truth::NeverWas } else { Truth::Was };
            let result = names::study_result_id(&core.settings.publisher, &uid.0);
            sheet.changes.push(Change::Withdraw(result, kept.last_arrival, truth));
        }
        return Ok(sheet);
    }
    let status = if found.len() < before { ResultStatus::Corrected } else { ResultStatus::Final };
    let mut gathered = Gathered { facts: StudyFacts::new(study), syntaxes: BTreeMap::new(), originals: Vec::new() };
    for image in found {
        if let Err(why) = gathered.take(core, image, &mut sheet.person) {
            sheet.held.push(why);
            return Ok(sheet);
        }
    }
    settle(core, kept, gathered, status, &mut sheet);
    Ok(sheet)
}

/// Drafts what the deletion of a study comes to: its result is taken out of use, where it was ever published.
pub(super) fn withdraw(core: &Core, withdrawal: &pb::StudyWithdrawal) -> Result<Sheet, NodeError> {
    let mut sheet = Sheet::new(&withdrawal.study_uid);
    let result = names::study_result_id(&core.settings.publisher, &withdrawal.study_uid);
    if let (Some(at), true) = (moment(withdrawal.at.as_ref()), core.state.result(result)?.is_some()) {
        let truth = if withdrawal.entered_in_error { Truth::NeverWas } else { Truth::Was };
        sheet.changes.push(Change::Withdraw(result, at, truth));
    }
    Ok(sheet)
}

/// One instance of a study: something that is shown, or a note that rejects others.
enum Found {
    Image(Box<Image>),
    Note(Rejection),
}

struct Image {
    digest: Digest,
    size_bytes: u64,
    facts: InstanceFacts,
    transfer_syntax: String,
}

fn read(core: &Core, digest: Digest) -> Result<Result<Found, Held>, NodeError> {
    let bytes = core.original_bytes(digest, INSTANCE_BYTES_MAX + PART_10_HEADER_BYTES_MAX)?;
    let Ok(instance) = wire::dicom::read_file(&bytes) else {
        return Ok(Err(Held::new(Reason::Unreadable, "SOPInstanceUID")));
    };
    let transfer_syntax = instance.transfer_syntax.as_str().to_owned();
    if is_key_objects(&instance.facts.sop_class)
        && let Ok(Some(note)) = read_rejection(instance.data_set, &transfer_syntax)
    {
        return Ok(Ok(Found::Note(note)));
    }
    let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Ok(Found::Image(Box::new(Image { digest, size_bytes, facts: instance.facts, transfer_syntax }))))
}

struct Gathered {
    facts: StudyFacts,
    syntaxes: BTreeMap<Uid, BTreeSet<String>>,
    originals: Vec<Original>,
}

impl Gathered {
    fn take(&mut self, core: &Core, image: Image, person: &mut Person) -> Result<(), Held> {
        let Image { digest, size_bytes, facts, transfer_syntax } = image;
        let record = InstanceRecord { sop_class: facts.sop_class.clone(), sha256: *digest.as_bytes(), size_bytes };
        if let Err(error) = self.facts.take(&facts, record) {
            let field = if error == StudyError::OtherPatient { "PatientID" } else { "SOPInstanceUID" };
            return Err(Held::new(Reason::StudyConflict, field));
        }
        let named = core.settings.identifiers.person_of_instance(&facts.patient);
        if named.identifiers.len() > person.identifiers.len() {
            *person = named;
        }
        if let Some(series) = facts.series {
            self.syntaxes.entry(series).or_default().insert(transfer_syntax);
        }
        self.originals.push(Original {
            digest,
            size_bytes,
            media_type: INSTANCE_MEDIA_TYPE.to_owned(),
            instance_uid: facts.sop_instance.as_str().to_owned(),
        });
        Ok(())
    }
}

fn settle(core: &Core, kept: &KeptStudy, gathered: Gathered, status: ResultStatus, sheet: &mut Sheet) {
    let Gathered { facts, syntaxes, originals } = gathered;
    let acquired = facts.acquired.or(facts.started).and_then(|time| time.moment(core.settings.offset_minutes));
    let Some(collected) = acquired else {
        sheet.held.push(Held::new(Reason::NoCollectionTime, "AcquisitionDateTime"));
        return;
    };
    let terms = core.terms.borrow().clone();
    let coverage = terms.coverage(&facts);
    let items = terms.imaging(&coverage);
    if coverage.is_empty() || items.is_empty() {
        sheet.unmapped.push(Unmapped { code: code_of(&facts), unit: String::new() });
        return;
    }
    let is_sensitive = items.iter().filter_map(|code| terms.catalogue.item(*code));
    let is_sensitive = is_sensitive.into_iter().any(|item| item.sensitivity == Sensitivity::Sensitive);
    let uid = facts.study.as_str();
    let publisher = core.settings.publisher;
    sheet.changes.push(Change::Say(Box::new(Draft {
        result: names::study_result_id(&publisher, uid),
        report: names::study_report_id(&publisher, uid),
        status,
        laboratory: publisher,
        items: items.into_iter().take(ITEMS_MAX).collect(),
        times: Times { ordered: None, collected, reported: kept.last_arrival },
        sensitivity: if is_sensitive { Sensitivity::Sensitive } else { Sensitivity::Normal },
        content: Content::Imaging(study_of(&facts, coverage, &syntaxes)),
        originals,
    })));
}

fn study_of(facts: &StudyFacts, coverage: Vec<Coverage>, syntaxes: &BTreeMap<Uid, BTreeSet<String>>) -> ImagingStudy {
    let series = facts.series.iter().take(SERIES_MAX).map(|(uid, series)| Series {
        series_uid: uid.as_str().to_owned(),
        modality: series.modality.clone().unwrap_or_default(),
        instances: u32::try_from(series.instances.len()).unwrap_or(u32::MAX),
        slice_thickness_mm: series.slice_thickness_min_mm.and_then(decimal),
        field_strength_tesla: series.field_tesla.and_then(decimal),
        description: description_of(series),
        transfer_syntaxes: syntaxes.get(uid).cloned().unwrap_or_default(),
    });
    ImagingStudy {
        study_uid: facts.study.as_str().to_owned(),
        coverage: coverage.into_iter().take(ITEMS_MAX).collect(),
        series: series.collect(),
    }
}

/// Names what the tables do not know: the procedure, else what the instances say was examined; never free text.
fn code_of(facts: &StudyFacts) -> LocalCode {
    let modality = facts.modality().unwrap_or_default().to_owned();
    let procedure = facts.procedures.first();
    let code = procedure.map(|code| code.value.clone()).or_else(|| facts.body_parts.first().cloned());
    LocalCode {
        code: code.unwrap_or_else(|| modality.clone()),
        name: procedure.map(|code| code.meaning.clone()).unwrap_or_default(),
        system: procedure.map_or_else(|| format!("DICOM {modality}"), |code| code.scheme.clone()),
    }
}

fn description_of(series: &SeriesFacts) -> String {
    let text = series.description.as_ref().or(series.protocol.as_ref());
    let text = text.map(String::as_str).unwrap_or_default();
    text.get(..text.floor_char_boundary(DESCRIPTION_BYTES_MAX)).unwrap_or_default().to_owned()
}

/// Writes a number as an entry does, to a thousandth.
fn decimal(number: f64) -> Option<Decimal> {
    format!("{number:.3}").parse::<Decimal>().ok().map(|number| number.normalize())
}

/// Most originals of an entry; some room is left for the reports that come later.
const ORIGINALS_MAX: usize = 3_900;
const SERIES_MAX: usize = 500;
const ITEMS_MAX: usize = 16;
const DESCRIPTION_BYTES_MAX: usize = 64;
const PART_10_HEADER_BYTES_MAX: u64 = 4_096;
