//! DICOM bytes to values and back: data sets, Part 10 files, character sets, facts of instances and studies, DIMSE
//! commands. No sockets, no files: the association lives in `doors::dicom`.

pub mod charset;
pub mod command;
mod error;
pub mod facts;
pub mod part10;
mod person;
pub mod picture;
pub mod precheck;
mod reader;
pub mod rejection;
pub mod slice;
pub mod study;
pub mod syntax;
mod uid;
mod when;

pub use error::DicomError;
pub use facts::{InstanceFacts, Label, read_instance, read_labelled};
pub use person::PersonName;
pub use reader::Code;
pub use study::{InstanceRecord, SeriesFacts, StudyFacts};
pub use uid::Uid;
pub use when::LocalTime;

/// One instance taken from a Part 10 file: what it says, and its data set exactly as it was written.
#[derive(Debug, Clone)]
pub struct ImportedInstance<'a> {
    /// UID of the transfer syntax that `data_set` is encoded in.
    pub transfer_syntax: Uid,
    /// The bytes behind the meta group, untouched (still deflated if the file was).
    pub data_set: &'a [u8],
    /// What the data set says of patient, study, series and instance.
    pub facts: InstanceFacts,
}

/// Reads one file of an import: a Part 10 file, or a bare data set whose encoding can be told from its first element.
/// The data set says which instance it is, and only where it does not, the meta group: exports that rename an instance
/// often leave the old name there.
///
/// # Errors
/// [`DicomError::NotAnInstance`] for a DICOMDIR and [`DicomError::NotDicom`] for any other file: skip it. Every other
/// error means a damaged instance: keep it out and report the file.
///
/// Source: DICOM PS3.10, 7.1.
pub fn read_file(bytes: &[u8]) -> Result<ImportedInstance<'_>, DicomError> {
    let file = part10::split(bytes)?;
    let label = Label { sop_class: file.sop_class.as_ref(), sop_instance: file.sop_instance.as_ref() };
    let facts = read_labelled(file.data_set, file.transfer_syntax.as_str(), label)?;
    Ok(ImportedInstance { transfer_syntax: file.transfer_syntax, data_set: file.data_set, facts })
}

#[cfg(test)]
mod tests;
