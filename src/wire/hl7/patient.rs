//! Who a report is about, from PID. Must not match patients.
//!
//! Source: HL7 v2.5.1, 3.4.2 (PID); GB/T 2261.1 for sex as a digit.

use super::SourceSettings;
use super::error::{Hl7Error, Place, Problem};
use super::message::{Part, Segment};
use super::time;
use crate::domain::limits::KEY_BYTES_MAX;
use crate::domain::phi::Phi;

/// The patient of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Every identifier of PID-3, or that of PID-2 where PID-3 is empty; never none.
    pub identifiers: Vec<PatientId>,
    /// Family name, or the whole name where it is not split.
    pub family_name: Phi<String>,
    /// Given name.
    pub given_name: Phi<String>,
    /// Birth date, where it is a whole and possible one.
    pub birth_date: Option<Phi<::time::Date>>,
    /// Administrative sex.
    pub sex: Sex,
}

/// One identifier of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientId {
    /// The identifier itself, at most 128 bytes.
    pub value: Phi<String>,
    /// Who assigned it, by name.
    pub authority: String,
    /// Who assigned it, as an OID or other universal id.
    pub authority_universal: String,
    /// What kind it is, from table 0203 (`MR`, `SS`, ..).
    pub kind: String,
}

/// Administrative sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Another of table 0001.
    Other,
    /// Not given, or not understood.
    Unknown,
}

impl Patient {
    /// Reads PID.
    ///
    /// # Errors
    /// At PID-3, where there is no identifier or one is longer than any key: the report cannot be filed; answer AE.
    pub fn of(pid: Segment<'_>, settings: &SourceSettings) -> Result<Self, Hl7Error> {
        let mut identifiers: Vec<PatientId> = pid.field(3).repetitions().filter_map(PatientId::of).collect();
        if identifiers.is_empty() {
            identifiers = pid.field(2).repetitions().filter_map(PatientId::of).collect();
        }
        let refuse = |problem| Err(Hl7Error::new(Place::field("PID", pid.occurrence(), 3), problem));
        if identifiers.is_empty() {
            return refuse(Problem::RequiredMissing);
        }
        if identifiers.iter().any(|identifier| identifier.value.reveal().len() > KEY_BYTES_MAX) {
            return refuse(Problem::TooLong { bytes_max: KEY_BYTES_MAX });
        }
        let (family, given, sex_in_name) = name(pid.field(5));
        let sex = match Sex::of(&pid.field(8).component(1).value().unwrap_or_default()) {
            Sex::Unknown => sex_in_name,
            stated => stated,
        };
        let birth_date = pid.field(7).component(1).value().and_then(|text| time::date(&text, settings.offset_minutes));
        Ok(Self {
            identifiers,
            family_name: Phi::new(family),
            given_name: Phi::new(given),
            birth_date: birth_date.map(Phi::new),
            sex,
        })
    }
}

impl PatientId {
    fn of(part: Part<'_>) -> Option<Self> {
        let authority = part.component(4);
        Some(Self {
            value: Phi::new(part.component(1).value()?),
            authority: authority.subcomponent(1).value().unwrap_or_default(),
            authority_universal: authority.subcomponent(2).value().unwrap_or_default(),
            kind: part.component(5).value().unwrap_or_default(),
        })
    }
}

impl Sex {
    /// Reads PID-8 in the words senders use for table 0001.
    pub fn of(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "M" | "MALE" | "男" | "男性" | "1" => Self::Male,
            "F" | "FEMALE" | "女" | "女性" | "2" => Self::Female,
            "A" | "O" | "N" | "OTHER" => Self::Other,
            _ => Self::Unknown,
        }
    }
}

/// Reads family and given name; a sex that was put where the given name belongs (`张三^男`) is not part of the name.
fn name(field: Part<'_>) -> (String, String, Sex) {
    let family = field.component(1).subcomponent(1).value().unwrap_or_default();
    let given = field.component(2).value().unwrap_or_default();
    if matches!(given.as_str(), "男" | "女") && family.chars().count() >= 2 {
        let sex = Sex::of(&given);
        return (family, String::new(), sex);
    }
    (family, given, Sex::Unknown)
}
