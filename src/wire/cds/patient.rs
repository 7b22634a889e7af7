//! The prefetched patient, brought to the region's words. Only identifiers that the table names leave the order screen:
//! a record number of another hospital must not pass for one of this.

use crate::domain::identifier::{CitizenNumber, IdentifierType};
use crate::domain::limits::KEY_BYTES_MAX;
use crate::wire::cds::part::Part;
use crate::wire::day;
use crate::wire::field::{FieldError, Problem};
use crate::wire::known_as::{LOCAL, USUAL};
use crate::wire::pb;
use crate::wire::person::IDENTIFIERS_MAX;

/// What the order screens call the region's identifier types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierNames(Vec<IdentifierName>);

/// One row: how an identifier is marked in `Patient.identifier`, and what it is in the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierName {
    /// `system`, whole; nothing where any will do.
    pub system: Option<String>,
    /// A code of `type`, as `NI`, in any case; nothing where any will do.
    pub code: Option<String>,
    /// The region's type.
    pub kind: IdentifierType,
    /// The authority that the region knows it under, where the type needs one; otherwise empty.
    pub known_authority: String,
}

impl IdentifierNames {
    /// Takes rows, of which the first that fits counts, before the usual ones: the citizen number by its OID, and the
    /// marks of table 0203 for people. Record numbers are taken by a row of their own only.
    pub fn new(mut rows: Vec<IdentifierName>) -> Self {
        let name = |system: Option<&str>, code: Option<&str>, kind: &str| {
            let kind = kind.parse().ok()?;
            let (system, code) = (system.map(str::to_owned), code.map(str::to_owned));
            Some(IdentifierName { system, code, kind, known_authority: String::new() })
        };
        rows.extend(name(Some(CITIZEN_OID), None, IdentifierType::CITIZEN));
        for (kind, codes) in USUAL.iter().filter(|(kind, _)| *kind != LOCAL) {
            rows.extend(codes.iter().filter(|code| !code.is_empty()).filter_map(|code| name(None, Some(code), kind)));
        }
        Self(rows)
    }

    /// Reads a Patient resource.
    pub(super) fn patient(&self, patient: &Part<'_>) -> Result<pb::Patient, FieldError> {
        let mut identifiers = Vec::new();
        for sent in patient.elements("identifier", SENT_MAX)? {
            if sent.text("use", KEY_BYTES_MAX)? != Some("old") {
                identifiers.extend(self.identifier(&sent)?);
            }
        }
        identifiers.truncate(IDENTIFIERS_MAX);
        let birth_date = patient.text("birthDate", KEY_BYTES_MAX)?.unwrap_or_default();
        // FHIR knows dates of a year or a month; such a one proves nothing.
        let birth_date = if matches!(birth_date.len(), 4 | 7) { "" } else { birth_date };
        if !birth_date.is_empty() && day::day("birthDate", birth_date).is_err() {
            return Err(patient.wrong_member("birthDate", Problem::Form("date, YYYY-MM-DD")));
        }
        let sex = match patient.text("gender", KEY_BYTES_MAX)? {
            Some("male") => pb::Sex::Male,
            Some("female") => pb::Sex::Female,
            Some("other") => pb::Sex::Other,
            _ => pb::Sex::Unspecified,
        };
        Ok(pb::Patient { identifiers, sex: sex.into(), birth_date: birth_date.to_owned(), ..Default::default() })
    }

    fn identifier(&self, sent: &Part<'_>) -> Result<Option<pb::Identifier>, FieldError> {
        let Some(value) = sent.text("value", KEY_BYTES_MAX)?.filter(|value| !value.trim().is_empty()) else {
            return Ok(None);
        };
        let system = sent.text("system", SYSTEM_BYTES_MAX)?;
        let mut codes = Vec::new();
        if let Some(kind) = sent.member("type") {
            for coding in kind.elements("coding", SENT_MAX)? {
                codes.extend(coding.text("code", KEY_BYTES_MAX)?);
            }
        }
        let fits = |row: &&IdentifierName| {
            row.system.as_deref().is_none_or(|known| system == Some(known))
                && row.code.as_deref().is_none_or(|known| codes.iter().any(|code| code.eq_ignore_ascii_case(known)))
        };
        let named =
            |kind: String, authority: String| pb::Identifier { r#type: kind, authority, value: value.to_owned() };
        if let Some(row) = self.0.iter().find(fits) {
            return Ok(Some(named(row.kind.to_string(), row.known_authority.clone())));
        }
        // An unmarked number is a citizen's if it is one, check character and all.
        let unmarked = system.is_none() && codes.is_empty() && value.trim().parse::<CitizenNumber>().is_ok();
        Ok(unmarked.then(|| named(IdentifierType::CITIZEN.to_owned(), String::new())))
    }
}

impl Default for IdentifierNames {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// The OID of citizen identity numbers (GB 11643). Source: OID registry of China, 2.16.156.10011.1.3.
const CITIZEN_OID: &str = "urn:oid:2.16.156.10011.1.3";
const SENT_MAX: usize = 64;
const SYSTEM_BYTES_MAX: usize = 1_024;
