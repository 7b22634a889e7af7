//! The entry: one reportable result of the signed index, as a value. Its bytes live in `wire`, its rule in `rule`.

use super::id::{Digest, Pseudonym, ReportId, ResultId};
use super::imaging::ImagingStudy;
use super::item::{ItemCode, Loinc};
use super::organisation::OrganisationCode;
use super::specimen::Specimen;
use super::time::Moment;
use super::value::{Comparability, Value};

/// One reportable result: a laboratory result of one item, or one imaging study.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Names the result across its versions.
    pub result: ResultId,
    /// Version of the result, from 1; the greatest is the latest.
    pub version: u32,
    /// What the publisher says of it.
    pub status: ResultStatus,
    /// It was withdrawn because it was never true, as one of another patient; only with [`ResultStatus::Withdrawn`].
    pub entered_in_error: bool,
    /// The organisation that signs and publishes it.
    pub publisher: OrganisationCode,
    /// The organisation that made it; differs from the publisher for work sent out. Its qualification counts.
    pub laboratory: OrganisationCode,
    /// The patient's pseudonym.
    pub patient: Pseudonym,
    /// The report that holds it.
    pub report: ReportId,
    /// Catalogue items that it answers, sorted, 1 to 16.
    pub items: Vec<ItemCode>,
    /// When it was ordered, collected and reported.
    pub times: Times,
    /// Who may see that it exists.
    pub sensitivity: Sensitivity,
    /// The recognition mark as printed on the report (`全国HR`); shown, never trusted.
    pub claimed_mark: Option<String>,
    /// The result itself.
    pub content: Content,
    /// Every original behind it, at least one.
    pub originals: Vec<Original>,
}

/// The three times of a result, each with the UTC offset it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it was ordered, if the sender says so.
    pub ordered: Option<Moment>,
    /// When the specimen was collected, or the image acquired. Age is counted from here.
    pub collected: Moment,
    /// When it was reported.
    pub reported: Moment,
}

/// Where a result stands. Source: HL7 v2 table 0085, mapped as in the HL7 v2-to-FHIR guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResultStatus {
    /// Not final; never prompts.
    Preliminary,
    /// Final.
    Final,
    /// A correction of an earlier final version.
    Corrected,
    /// Taken out of use; never prompts.
    Withdrawn,
}

/// Who may see that a result exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sensitivity {
    /// Any treating doctor.
    Normal,
    /// Only with the patient's grant: HIV, syphilis, pregnancy, genetics, psychiatry. Never prompted, never listed.
    Sensitive,
}

/// The result itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A laboratory result (检验).
    Laboratory(LaboratoryResult),
    /// An imaging study (检查).
    Imaging(ImagingStudy),
}

/// A laboratory result of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaboratoryResult {
    /// LOINC code, if the sender gave a valid one or the catalogue item has one.
    pub loinc: Option<Loinc>,
    /// The sender's own code.
    pub local: LocalCode,
    /// What was tested.
    pub specimen: Option<Specimen>,
    /// What was found.
    pub value: Value,
    /// Reference range as the laboratory wrote it.
    pub reference_range: Option<String>,
    /// Abnormality flag. Source: HL7 v2 table 0078.
    pub flag: Option<String>,
    /// Method or method group, as the laboratory names it.
    pub method: Option<String>,
    /// Instrument.
    pub instrument: Option<String>,
    /// Whether it may stand for another result of its item.
    pub comparability: Comparability,
}

/// A code of the sender's own system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalCode {
    /// The code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The system, empty if the sender named none.
    pub system: String,
}

/// One original behind an entry: kept by the hospital, fetched through the hub, checked against its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// SHA-256 of the bytes as received.
    pub digest: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Media type, as `application/dicom` or `x-application/hl7-v2+er7`.
    pub media_type: String,
    /// SOP Instance UID of a DICOM instance, otherwise empty.
    pub instance_uid: String,
}

impl Entry {
    /// Says whether a doctor may rely on it at all, before any rule: final or corrected.
    pub fn is_reportable(&self) -> bool {
        matches!(self.status, ResultStatus::Final | ResultStatus::Corrected)
    }
}
