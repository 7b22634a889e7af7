//! Configuration files: TOML with no unknown keys, and paths that are relative to the file they stand in.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use crate::domain::fault::{Fault, Faulty};
use crate::sys::files::{self, FileError};

/// A configuration file cannot be used; correct the place that is named, and start again.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what the process needs.
    #[error("{path}: {reason}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, key and what is wrong there.
        reason: String,
    },
}

/// Reads a configuration file.
///
/// # Errors
/// [`SettingsError`] naming the file, the line and the key.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsError> {
    let bytes = files::read(path)?;
    let content = |reason: String| SettingsError::Content { path: path.to_owned(), reason };
    let text = std::str::from_utf8(&bytes).map_err(|error| content(error.to_string()))?;
    toml::from_str(text).map_err(|error| content(error.to_string()))
}

/// Makes a path of a configuration file one of the process: relative to the folder of the file.
pub fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

/// Reads a value of the domain from its text, for `#[serde(deserialize_with = "..")]`.
///
/// # Errors
/// What the type says of the text.
pub fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads a list of values of the domain from their texts, for `#[serde(deserialize_with = "..")]`.
///
/// # Errors
/// What the type says of the first text that it refuses.
pub fn parsed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

impl Faulty for SettingsError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}
