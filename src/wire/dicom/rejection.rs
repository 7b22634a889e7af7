//! Rejection notes: key object selections that say of images that they must not be used any more.
//!
//! Source: DICOM PS3.3, A.35.4 (Key Object Selection Document); PS3.16, CID 7011; IHE RAD, Imaging Object Change
//! Management.

use std::collections::BTreeSet;

use dicom_dictionary_std::{tags, uids};

use super::error::DicomError;
use super::reader::Reader;
use super::syntax::{form, inflate, walk_as};
use super::uid::Uid;
use crate::domain::limits::REJECTED_INSTANCES_MAX;

/// A note that rejects images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub title: RejectionTitle,
    /// The images that are rejected, of every study that the note names.
    pub instances: BTreeSet<Uid>,
}

/// Why images are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectionTitle {
    /// 113001: of bad quality.
    Quality,
    /// 113037: unsafe for the patient, as of a wrong side or a wrong patient.
    PatientSafety,
    /// 113038: made under a wrong entry of the worklist, as of another patient.
    IncorrectWorklistEntry,
    /// 113039: not kept any longer.
    RetentionExpired,
}

impl RejectionTitle {
    /// Reads the code of a document's title; nothing where the document rejects nothing.
    pub fn of(scheme: &str, code: &str) -> Option<Self> {
        match (scheme, code) {
            ("DCM", "113001") => Some(Self::Quality),
            ("DCM", "113037") => Some(Self::PatientSafety),
            ("DCM", "113038") => Some(Self::IncorrectWorklistEntry),
            ("DCM", "113039") => Some(Self::RetentionExpired),
            _ => None,
        }
    }

    /// Says whether the images were never true of the patient.
    pub fn is_error(self) -> bool {
        matches!(self, Self::PatientSafety | Self::IncorrectWorklistEntry)
    }
}

/// Says whether objects of a class can be rejection notes.
pub fn is_key_objects(sop_class: &Uid) -> bool {
    sop_class.as_str() == uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE
}

/// Reads a key object selection as a rejection note; nothing where it selects for another purpose.
///
/// # Errors
/// [`DicomError`] when the data set is damaged.
pub fn read_rejection(data_set: &[u8], transfer_syntax: &str) -> Result<Option<Rejection>, DicomError> {
    let form = form(transfer_syntax)?;
    let plain = inflate(data_set, form)?;
    let reader = Reader::open(walk_as(&plain, form)?);
    let titles = reader.codes(tags::CONCEPT_NAME_CODE_SEQUENCE);
    let Some(title) = titles.iter().find_map(|code| RejectionTitle::of(&code.scheme, &code.value)) else {
        return Ok(None);
    };
    let mut instances = BTreeSet::new();
    for study in reader.items_up_to(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, REJECTED_INSTANCES_MAX) {
        for series in study.items_up_to(tags::REFERENCED_SERIES_SEQUENCE, REJECTED_INSTANCES_MAX) {
            for instance in series.items_up_to(tags::REFERENCED_SOP_SEQUENCE, REJECTED_INSTANCES_MAX) {
                instances.extend(instance.uid(tags::REFERENCED_SOP_INSTANCE_UID)?);
            }
        }
    }
    Ok(Some(Rejection { title, instances }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire::dicom::syntax::EXPLICIT_LITTLE;

    /// Writes a key object selection of a study whose title has this code and that names these instances.
    pub(crate) fn key_objects(study: &str, own: &str, title: &str, instances: &[&str]) -> Vec<u8> {
        let references: Vec<Vec<u8>> =
            instances.iter().map(|uid| element(0x0008, 0x1155, b"UI", &padded(uid.as_bytes(), 0))).collect();
        let series = sequence(0x0008, 0x1199, &references);
        let evidence = sequence(0x0008, 0x1115, &[series]);
        let code = [
            element(0x0008, 0x0100, b"SH", &padded(title.as_bytes(), b' ')),
            element(0x0008, 0x0102, b"SH", &padded(b"DCM", b' ')),
        ]
        .concat();
        [
            element(0x0008, 0x0016, b"UI", &padded(uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE.as_bytes(), 0)),
            element(0x0008, 0x0018, b"UI", &padded(own.as_bytes(), 0)),
            element(0x0008, 0x0060, b"CS", b"KO"),
            element(0x0020, 0x000d, b"UI", &padded(study.as_bytes(), 0)),
            element(0x0020, 0x000e, b"UI", &padded(format!("{study}.999").as_bytes(), 0)),
            sequence(0x0040, 0xa043, &[code]),
            sequence(0x0040, 0xa375, &[evidence]),
        ]
        .concat()
    }

    fn padded(bytes: &[u8], with: u8) -> Vec<u8> {
        let mut padded = bytes.to_vec();
        if padded.len() % 2 == 1 {
            padded.push(with);
        }
        padded
    }

    fn element(group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_le_bytes();
        [&group.to_le_bytes(), &number.to_le_bytes(), vr.as_slice(), &length, value].concat()
    }

    fn sequence(group: u16, number: u16, items: &[Vec<u8>]) -> Vec<u8> {
        let long = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let items: Vec<u8> =
            items.iter().flat_map(|item| [&[0xfe, 0xff, 0x00, 0xe0], long(item).as_slice(), item].concat()).collect();
        [&group.to_le_bytes(), &number.to_le_bytes(), b"SQ".as_slice(), &[0, 0], &long(&items), &items].concat()
    }

    #[test]
    fn a_note_names_what_it_rejects_and_why_however_many_there_are() {
        let many: Vec<String> = (1..=200).map(|number| format!("1.2.3.{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (code, title, is_error) in [
            ("113001", RejectionTitle::Quality, false),
            ("113037", RejectionTitle::PatientSafety, true),
            ("113038", RejectionTitle::IncorrectWorklistEntry, true),
            ("113039", RejectionTitle::RetentionExpired, false),
        ] {
            let note = read_rejection(&key_objects("1.2.3", "1.2.9", code, &many), EXPLICIT_LITTLE).unwrap().unwrap();
            assert_eq!((note.title, note.instances.len(), note.title.is_error()), (title, 200, is_error));
        }
    }

    #[test]
    fn keys_for_another_purpose_reject_nothing() {
        let of_interest = key_objects("1.2.3", "1.2.9", "113000", &["1.2.3.1"]);
        assert_eq!(read_rejection(&of_interest, EXPLICIT_LITTLE).unwrap(), None);
    }
}
