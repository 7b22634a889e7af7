//! A file that names a patient, for the commands that ask about one: a number on the command line could be read by others.

use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use crate::sys::files::{self, FileError};
use crate::wire::pb;

/// The file names no patient; what stands in it is not shown.
#[derive(Debug, thiserror::Error)]
pub enum PatientFileError {
    /// It could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The standard input could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is written otherwise.
    #[error("the patient's file is not as `concord order check --help` shows it (line {line}, column {column})")]
    Form {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

/// Reads the file, `-` for the standard input.
///
/// # Errors
/// [`PatientFileError`], whose text says what to do next.
pub fn read(path: &Path) -> Result<pb::Patient, PatientFileError> {
    let mut bytes = Vec::new();
    match path.to_str() {
        Some("-") => drop(io::stdin().lock().take(PATIENT_BYTES_MAX).read_to_end(&mut bytes)?),
        _ => bytes = files::read(path)?,
    }
    parsed(&bytes)
}

/// A patient as a file names one. Deliberately without `Debug`.
#[derive(Deserialize)]
struct PatientFile {
    #[serde(default)]
    pseudonym: String,
    #[serde(default)]
    identifiers: Vec<IdentifierOfFile>,
    #[serde(default)]
    sex: String,
    #[serde(default)]
    birth_date: String,
}

#[derive(Deserialize)]
struct IdentifierOfFile {
    r#type: String,
    #[serde(default)]
    authority: String,
    value: String,
}

fn parsed(bytes: &[u8]) -> Result<pb::Patient, PatientFileError> {
    let wrong = |line, column| PatientFileError::Form { line, column };
    let file: PatientFile = serde_json::from_slice(bytes).map_err(|error| wrong(error.line(), error.column()))?;
    let identifiers = file.identifiers.into_iter();
    let sex = if file.sex.is_empty() { Some(pb::Sex::Unspecified) } else { pb::Sex::from_str_name(&file.sex) };
    Ok(pb::Patient {
        pseudonym: hex::decode(&file.pseudonym).map_err(|_| wrong(1, 1))?.into(),
        identifiers: identifiers
            .map(|one| pb::Identifier { r#type: one.r#type, authority: one.authority, value: one.value })
            .collect(),
        sex: sex.ok_or_else(|| wrong(1, 1))?.into(),
        birth_date: file.birth_date,
    })
}

const PATIENT_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_is_read_as_the_demo_names_one() {
        let text =
            br#"{"name": "x", "identifiers": [{"type": "CN-ID", "authority": "", "value": "1", "pid3": "1^^^GA^NI"}],
            "sex": "SEX_FEMALE", "birth_date": "1949-12-31"}"#;
        let patient = parsed(text).unwrap();
        assert_eq!((patient.sex(), patient.identifiers.len()), (pb::Sex::Female, 1));
    }

    #[test]
    fn a_wrong_patient_is_refused_without_being_shown() {
        for wrong in [&b"{\"sex\": \"CANARY\"}"[..], b"{\"pseudonym\": \"CANARY\"}", b"{\"identifiers\": [\"CANARY\"]}"]
        {
            let error = parsed(wrong).unwrap_err().to_string();
            assert!(!error.contains("CANARY"), "{error}");
        }
    }
}
