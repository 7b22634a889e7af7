//! What one intake record comes to: drafts of results for one person, and what waits or maps to nothing.

use std::fmt;

use crate::domain::entry::{Content, Entry, LocalCode, Original, ResultStatus, Sensitivity, Times};
use crate::domain::id::{Pseudonym, ReportId, ResultId};
use crate::domain::item::ItemCode;
use crate::domain::organisation::OrganisationCode;
use crate::domain::person::Person;
use crate::domain::time::Moment;
use crate::wire::finding::Document;

/// What one report or study comes to, before anybody knows whose it is in the region.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// MSH-10 or the Study Instance UID, for people.
    pub reference: String,
    /// Whom the hospital says it is about, by the identifiers that may leave it.
    pub person: Person,
    /// What it says of results, in order.
    pub changes: Vec<Change>,
    /// What of it waits for somebody.
    pub held: Vec<Held>,
    /// Codes of it that map to nothing.
    pub unmapped: Vec<Unmapped>,
    /// Documents inside it, to be kept as originals of their own before anything names them.
    pub documents: Vec<Document>,
    /// Studies that prose is about; it waits for them.
    pub studies: Vec<String>,
}

/// What a report says of a result.
#[derive(Debug, Clone)]
pub enum Change {
    /// Here it is.
    Say(Box<Draft>),
    /// What was said before is now final; it is not said again.
    Confirm(ResultId, Moment),
    /// It is taken out of use, perhaps because it was never true.
    Withdraw(ResultId, Moment, Truth),
    /// Every result of the report is taken out of use.
    WithdrawReport(ReportId, Moment),
    /// The report, or another original, belongs to the result.
    Attach(ResultId, Original, Moment),
}

/// Whether something that is taken out of use was ever true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It was, or nobody says otherwise.
    Was,
    /// It never was: HL7 status W, or images of a wrong patient or side.
    NeverWas,
}

/// An entry without patient and version.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Names the result.
    pub result: ResultId,
    /// Names its report.
    pub report: ReportId,
    /// Where it stands.
    pub status: ResultStatus,
    /// Who made it.
    pub laboratory: OrganisationCode,
    /// What it answers.
    pub items: Vec<ItemCode>,
    /// Its times.
    pub times: Times,
    /// Who may see that it exists.
    pub sensitivity: Sensitivity,
    /// What was found.
    pub content: Content,
    /// What is behind it.
    pub originals: Vec<Original>,
}

/// Something that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub reason: Reason,
    /// The field at fault, never its content.
    pub field: String,
}

/// A code that maps to nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unmapped {
    /// The sender's code.
    pub code: LocalCode,
    /// The unit it came with.
    pub unit: String,
}

/// Why a result waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The patient has no identifier that the region calls strong.
    NoStrongIdentifier,
    /// A strong identifier is malformed.
    IdentifierMalformed,
    /// The identifiers contradict each other, or what is recorded of them.
    IdentityConflict,
    /// Nobody says when the specimen was taken.
    NoCollectionTime,
    /// The order has no number, so that a later version could not be told from another result.
    NoOrderNumber,
    /// Prose about a study that is not here.
    Narrative,
    /// Documents without any result beside them.
    DocumentOnly,
    /// What should be withdrawn or made final was never published.
    NothingBefore,
    /// A later report of the same result is known.
    Stale,
    /// The result is known of another patient.
    PatientDiffers,
    /// The study has more instances than one entry may name.
    StudyTooLarge,
    /// The study's instances contradict each other.
    StudyConflict,
    /// Another instance has the same UID; the first one stays.
    InstanceConflict,
    /// The record cannot be read any more as it was when it was taken.
    Unreadable,
    /// The hub keeps it and does not index it.
    RejectedByHub,
    /// An instance names no study, or no series.
    NoStudy,
    /// A report came before the study it is about, and joins it by itself.
    AwaitsStudy,
    /// A message was answered with AE or AR.
    Refused,
}

impl Sheet {
    /// Makes a sheet of nobody that says nothing yet.
    pub fn new(reference: &str) -> Self {
        Self {
            reference: reference.to_owned(),
            person: Person { identifiers: Vec::new(), sex: None, birth_date: None },
            changes: Vec::new(),
            held: Vec::new(),
            unmapped: Vec::new(),
            documents: Vec::new(),
            studies: Vec::new(),
        }
    }

    /// Makes a sheet of nobody on which one thing waits.
    pub fn held(reference: &str, held: Held) -> Self {
        Self { held: vec![held], ..Self::new(reference) }
    }
}

impl Draft {
    /// Makes the entry, once the patient and the version are known.
    pub fn entry(self, publisher: OrganisationCode, patient: Pseudonym, version: u32) -> Entry {
        Entry {
            result: self.result,
            version,
            status: self.status,
            entered_in_error: false,
            publisher,
            laboratory: self.laboratory,
            patient,
            report: self.report,
            items: self.items,
            times: self.times,
            sensitivity: self.sensitivity,
            claimed_mark: None,
            content: self.content,
            originals: self.originals,
        }
    }
}

impl Held {
    /// Names the reason and the field.
    pub fn new(reason: Reason, field: impl Into<String>) -> Self {
        Self { reason, field: field.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoStrongIdentifier => "NO_STRONG_IDENTIFIER",
            Self::IdentifierMalformed => "IDENTIFIER_MALFORMED",
            Self::IdentityConflict => "IDENTITY_CONFLICT",
            Self::NoCollectionTime => "NO_COLLECTION_TIME",
            Self::NoOrderNumber => "NO_ORDER_NUMBER",
            Self::Narrative => "NARRATIVE",
            Self::DocumentOnly => "DOCUMENT_ONLY",
            Self::NothingBefore => "NOTHING_BEFORE",
            Self::Stale => "STALE",
            Self::PatientDiffers => "PATIENT_DIFFERS",
            Self::StudyTooLarge => "STUDY_TOO_LARGE",
            Self::StudyConflict => "STUDY_CONFLICT",
            Self::InstanceConflict => "INSTANCE_CONFLICT",
            Self::Unreadable => "UNREADABLE",
            Self::RejectedByHub => "REJECTED_BY_HUB",
            Self::NoStudy => "NO_STUDY",
            Self::AwaitsStudy => "AWAITS_STUDY",
            Self::Refused => "REFUSED",
        })
    }
}
