//! Part 10 files: a preamble, the meta group, and a data set whose bytes are never touched.

use super::error::DicomError;
use super::precheck::{DataSet, walk_meta};
use super::syntax;
use super::uid::Uid;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::FileMetaTableBuilder;

/// A file parted at the end of its meta group.
#[derive(Debug, Clone)]
pub struct Part10<'a> {
    /// The transfer syntax of the data set, as stated or, in a file without meta group, as it looks.
    pub transfer_syntax: Uid,
    /// The SOP class that the meta group names.
    pub sop_class: Option<Uid>,
    /// The SOP instance that the meta group names.
    pub sop_instance: Option<Uid>,
    /// The bytes behind the meta group.
    pub data_set: &'a [u8],
}

/// Parts a file into meta group and data set. A missing preamble, and a missing meta group, are tolerated.
///
/// # Errors
/// [`DicomError::NotAnInstance`] for a DICOMDIR, [`DicomError::NotDicom`] for what is no DICOM at all (skip both),
/// else what is damaged in the meta group.
///
/// Source: DICOM PS3.10, 7.1.
pub fn split(bytes: &[u8]) -> Result<Part10<'_>, DicomError> {
    let meta_at = match bytes.get(PREAMBLE_BYTES..PREAMBLE_BYTES + MAGIC.len()) {
        Some(magic) if magic == MAGIC => PREAMBLE_BYTES + MAGIC.len(),
        _ if bytes.starts_with(MAGIC) => MAGIC.len(),
        _ => 0,
    };
    if meta_at == 0 && !bytes.starts_with(&[2, 0]) {
        let transfer_syntax = sniff(bytes).ok_or(DicomError::NotDicom)?;
        return Ok(Part10 { transfer_syntax, sop_class: None, sop_instance: None, data_set: bytes });
    }
    let (meta, data_set_at) = walk_meta(bytes, meta_at)?;
    let data_set = bytes.get(data_set_at..).unwrap_or_default();
    let sop_class = meta_uid(&meta, tags::MEDIA_STORAGE_SOP_CLASS_UID)?;
    if sop_class.as_ref().is_some_and(|class| class.as_str() == uids::MEDIA_STORAGE_DIRECTORY_STORAGE) {
        return Err(DicomError::NotAnInstance);
    }
    let transfer_syntax = match meta_uid(&meta, tags::TRANSFER_SYNTAX_UID)? {
        Some(stated) => stated,
        None => sniff(data_set).ok_or(DicomError::Missing { tag: tags::TRANSFER_SYNTAX_UID })?,
    };
    let sop_instance = meta_uid(&meta, tags::MEDIA_STORAGE_SOP_INSTANCE_UID)?;
    Ok(Part10 { transfer_syntax, sop_class, sop_instance, data_set })
}

/// Writes what stands before the data set in a file: the preamble and a meta group for the transfer syntax in which
/// the data set was received. A file is this and the data set behind it, byte for byte.
///
/// Source: DICOM PS3.10, 7.1.
pub fn header(transfer_syntax: &Uid, sop_class: &Uid, sop_instance: &Uid) -> Vec<u8> {
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax.as_str())
        .media_storage_sop_class_uid(sop_class.as_str())
        .media_storage_sop_instance_uid(sop_instance.as_str())
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION_NAME)
        .build();
    let mut file = vec![0; PREAMBLE_BYTES];
    file.extend_from_slice(MAGIC);
    let written = meta.map(|meta| meta.write(&mut file));
    assert!(matches!(written, Ok(Ok(()))), "a meta group of valid UIDs can always be written to memory");
    file
}

fn meta_uid(meta: &DataSet<'_>, tag: Tag) -> Result<Option<Uid>, DicomError> {
    let Some(element) = meta.find(tag).filter(|element| !element.value.is_empty()) else { return Ok(None) };
    let uid = str::from_utf8(element.value).ok().and_then(Uid::parse);
    uid.map(Some).ok_or(DicomError::Uid { tag })
}

/// Tells the syntax of a bare data set from its first element, which is one of group 0008.
fn sniff(data_set: &[u8]) -> Option<Uid> {
    let head: &[u8; 8] = data_set.first_chunk()?;
    let syntax = match head {
        [8, 0, _, _, v, r, ..] if v.is_ascii_uppercase() && r.is_ascii_uppercase() => syntax::EXPLICIT_LITTLE,
        [0, 8, _, _, v, r, ..] if v.is_ascii_uppercase() && r.is_ascii_uppercase() => syntax::EXPLICIT_BIG,
        // An implicit length of 64 KiB or more in the first element is no length, but something else's bytes.
        [8, 0, _, _, _, _, 0, 0] => syntax::IMPLICIT_LITTLE,
        _ => return None,
    };
    Uid::parse(syntax)
}

/// The class of this implementation, for meta groups and associations.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.268120341903285479417260185371364582115";
/// The version of this implementation, for meta groups and associations; at most 16 characters.
pub const IMPLEMENTATION_VERSION_NAME: &str = "CONCORD_1";
const PREAMBLE_BYTES: usize = 128;
const MAGIC: &[u8] = b"DICM";
