//! The record of every certificate an authority has issued and revoked, and its form as JSON. Signing is in `authority`.

use std::str::FromStr;

use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use super::authority::Validity;
use super::identity::Identity;
use crate::domain::adcode::Adcode;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::{CertificateSerial, OrganisationCode};
use crate::domain::time::Moment;

/// What an authority has issued, in the order of issuing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The authority's region.
    pub region: Adcode,
    /// The number of the latest revocation list; the next one carries the next number.
    pub list_number: u64,
    /// Every certificate issued.
    pub entries: Vec<Entry>,
}

/// One certificate issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its serial number.
    pub serial: CertificateSerial,
    /// Whom it names.
    pub identity: Identity,
    /// The label in its subject.
    pub name: String,
    /// How long it holds.
    pub validity: Validity,
    /// When and why it was revoked.
    pub revoked: Option<Revocation>,
}

/// The end of a certificate before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// From when on it is not to be believed.
    pub at: Moment,
    /// Why.
    pub reason: Reason,
}

/// Why a certificate was revoked.
///
/// Source: RFC 5280, 5.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing said.
    Unspecified,
    /// Somebody else may have the key.
    KeyCompromise,
    /// The organisation's name or part has changed.
    AffiliationChanged,
    /// A newer certificate took its place.
    Superseded,
    /// The organisation has left the exchange.
    CessationOfOperation,
    /// The organisation may no longer do what the certificate allows.
    PrivilegeWithdrawn,
}

/// Which certificates to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The one of this serial number.
    Serial(CertificateSerial),
    /// Every one of this organisation that still holds.
    Organisation(OrganisationCode),
}

/// The register cannot be read, or does not know the certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The JSON is damaged; restore the file from the backup.
    #[error("the register is damaged at line {line}, column {column}; restore index.json from the backup")]
    Form {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An entry holds a value that cannot be.
    #[error("entry {0} of the register holds a value that cannot be; restore index.json from the backup")]
    Entry(usize),
    /// No reason is spelt so.
    #[error(
        "no such reason; reasons are unspecified, key-compromise, affiliation-changed, superseded, \
         cessation-of-operation and privilege-withdrawn"
    )]
    Reason,
    /// No certificate fits the selection.
    #[error("no certificate of this authority fits; see: concord ca list")]
    Unknown,
}

impl Register {
    /// Makes the empty register of a region.
    pub fn new(region: Adcode) -> Self {
        Self { region, list_number: 0, entries: Vec::new() }
    }

    /// Marks what `selection` names as revoked and gives the serial numbers newly marked; a certificate revoked before
    /// keeps its first revocation.
    ///
    /// # Errors
    /// [`RegisterError::Unknown`] when nothing fits; look the certificate up with `concord ca list`.
    pub fn revoke(
        &mut self,
        selection: &Selection,
        revocation: Revocation,
    ) -> Result<Vec<CertificateSerial>, RegisterError> {
        let mut known = false;
        let mut marked = Vec::new();
        for entry in &mut self.entries {
            let fits = match selection {
                Selection::Serial(serial) => entry.serial == *serial,
                Selection::Organisation(code) => entry.identity.organisation == *code,
            };
            known |= fits;
            if fits && entry.revoked.is_none() {
                entry.revoked = Some(revocation);
                marked.push(entry.serial.clone());
            }
        }
        if known { Ok(marked) } else { Err(RegisterError::Unknown) }
    }

    /// Lists what the next revocation list must name. Signing keys stay on it for ever, since signatures are verified
    /// long after the key has run out.
    pub fn revocations(&self) -> Vec<(CertificateSerial, Revocation)> {
        let revoked = self.entries.iter().filter_map(|entry| Some((entry.serial.clone(), entry.revoked?)));
        revoked.collect()
    }

    /// Writes the register as JSON, one field a line.
    pub fn to_json(&self) -> String {
        let entries = self.entries.iter().map(EntryRecord::from).collect();
        let record = RegisterRecord { region: self.region.into(), list_number: self.list_number, entries };
        serde_json::to_string_pretty(&record).unwrap_or_else(|_| unreachable!("the record holds text and numbers"))
    }

    /// Reads a register back.
    ///
    /// # Errors
    /// [`RegisterError`] naming the place; restore the file from the backup.
    pub fn from_json(json: &[u8]) -> Result<Self, RegisterError> {
        let record: RegisterRecord = serde_json::from_slice(json)
            .map_err(|error| RegisterError::Form { line: error.line(), column: error.column() })?;
        let region = Adcode::try_from(record.region).map_err(|_| RegisterError::Entry(0))?;
        let numbered = record.entries.into_iter().zip(1..);
        let entries = numbered.map(|(entry, number)| Entry::try_from(entry).map_err(|()| RegisterError::Entry(number)));
        Ok(Self { region, list_number: record.list_number, entries: entries.collect::<Result<_, _>>()? })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterRecord {
    region: u32,
    list_number: u64,
    entries: Vec<EntryRecord>,
}

/// An entry as it is written: times in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryRecord {
    serial: String,
    identity: String,
    name: String,
    not_before_ms: i64,
    not_after_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        Self {
            serial: entry.serial.to_string(),
            identity: entry.identity.to_string(),
            name: entry.name.clone(),
            not_before_ms: entry.validity.not_before.unix_ms(),
            not_after_ms: entry.validity.not_after.unix_ms(),
            revoked_ms: entry.revoked.map(|revocation| revocation.at.unix_ms()),
            reason: entry.revoked.map(|revocation| revocation.reason),
        }
    }
}

impl TryFrom<EntryRecord> for Entry {
    type Error = ();

    fn try_from(record: EntryRecord) -> Result<Self, ()> {
        let moment = |ms| Moment::new(ms, 0).map_err(|_| ());
        let validity = Validity { not_before: moment(record.not_before_ms)?, not_after: moment(record.not_after_ms)? };
        let revoked = match (record.revoked_ms, record.reason) {
            (None, None) => None,
            (Some(at), Some(reason)) => Some(Revocation { at: moment(at)?, reason }),
            _ => return Err(()),
        };
        let serial = record.serial.parse().map_err(|_| ())?;
        let identity = record.identity.parse().map_err(|_| ())?;
        Ok(Self { serial, identity, name: record.name, validity, revoked })
    }
}

impl FromStr for Reason {
    type Err = RegisterError;

    /// Reads a reason as the register spells it, `key-compromise`.
    fn from_str(text: &str) -> Result<Self, RegisterError> {
        let read: Result<Self, serde::de::value::Error> = Self::deserialize(text.into_deserializer());
        read.map_err(|_| RegisterError::Reason)
    }
}

impl From<Reason> for rcgen::RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
            Reason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

impl Faulty for RegisterError {
    fn fault(&self) -> Fault {
        match self {
            RegisterError::Form { .. } | RegisterError::Entry(_) => Fault::Broken,
            RegisterError::Reason => Fault::BadInput,
            RegisterError::Unknown => Fault::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register() -> Register {
        let moment = |ms| Moment::new(ms, 0).unwrap();
        let entry = |serial: &str, suffix: &str| Entry {
            serial: serial.parse().unwrap(),
            identity: format!("spiffe://520000.concord/hospital/91350100M000100Y43{suffix}").parse().unwrap(),
            name: "贵州医院".to_owned(),
            validity: Validity { not_before: moment(0), not_after: moment(1_000) },
            revoked: None,
        };
        let entries = vec![entry("01", ""), entry("02", "/signing")];
        Register { entries, ..Register::new("520000".parse().unwrap()) }
    }

    #[test]
    fn the_register_survives_writing() {
        let mut register = register();
        let revocation = Revocation { at: Moment::new(500, 0).unwrap(), reason: Reason::KeyCompromise };
        register.revoke(&Selection::Serial("02".parse().unwrap()), revocation).unwrap();
        assert_eq!(Register::from_json(register.to_json().as_bytes()).unwrap(), register);
    }

    #[test]
    fn a_revocation_is_never_moved() {
        let mut register = register();
        let at = |ms| Revocation { at: Moment::new(ms, 0).unwrap(), reason: Reason::Superseded };
        register.revoke(&Selection::Serial("01".parse().unwrap()), at(1)).unwrap();
        let all = Selection::Organisation("91350100M000100Y43".parse().unwrap());
        assert_eq!(register.revoke(&all, at(2)).unwrap(), vec!["02".parse().unwrap()]);
        let times: Vec<i64> = register.revocations().iter().map(|(_, revocation)| revocation.at.unix_ms()).collect();
        assert_eq!(times, [1, 2]);
        let unknown = register.revoke(&Selection::Serial("03".parse().unwrap()), at(3));
        assert_eq!(unknown, Err(RegisterError::Unknown));
    }

    #[test]
    fn any_prefix_is_an_error() {
        let json = register().to_json();
        for length in (0..json.len()).filter(|length| json.is_char_boundary(*length)) {
            assert!(Register::from_json(&json.as_bytes()[..length]).is_err());
        }
    }
}
