//! What a backup holds, in its `manifest.json`: the one file that says what counts. It is written last, so that a backup
//! that was broken off is still the one before it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::sys::files;

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Form of the backup.
    pub form: u32,
    /// Whose data it is.
    pub of: Kind,
    /// Version of the program that made it.
    pub made_by: String,
    /// When, in milliseconds since 1970.
    pub made_at_unix_ms: i64,
    /// Records in its journal.
    pub records: u64,
    /// The journal's segments, in order; a file may be longer than what counts of it.
    pub segments: Vec<SegmentPart>,
    /// Number of originals; each is named by its own SHA-256.
    pub originals: u64,
    /// Other files: small ones, and secrets.
    pub files: Vec<FilePart>,
    /// The checkpoint: of the hub its own, of a node the one that it saw last.
    pub checkpoint: Option<String>,
    /// Verifier key of the hub's log.
    pub log_key: Option<String>,
}

/// Whose data a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A region's.
    Hub,
    /// A hospital's.
    Node,
}

/// One segment of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPart {
    /// Its first sequence.
    pub first: u64,
    /// Bytes from its start that count.
    pub bytes: u64,
    /// SHA-256 over them, in hexadecimal.
    pub sha256: String,
    /// Whether it takes no more records.
    pub sealed: bool,
}

/// One other file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePart {
    /// Path below the backup.
    pub path: String,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads the manifest of a backup; nothing where there is none.
    ///
    /// # Errors
    /// [`BackupError`] when it cannot be read, or is of a newer form.
    pub fn read(backup: &Path) -> Result<Option<Self>, BackupError> {
        let path = backup.join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(&path)?;
        let form: Form = serde_json::from_slice(&bytes).map_err(|_| BackupError::Manifest(path.clone()))?;
        if form.form > FORM {
            return Err(BackupError::Newer { path, form: form.form });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|_| BackupError::Manifest(path))
    }

    /// Puts the manifest in the place of the last one, and returns once it is durable.
    ///
    /// # Errors
    /// [`BackupError`]; the last one is still there.
    pub fn write(&self, backup: &Path) -> Result<(), BackupError> {
        let Ok(mut bytes) = serde_json::to_vec_pretty(self) else { unreachable!("numbers and texts have a JSON form") };
        bytes.push(b'\n');
        Ok(files::write_secret(&backup.join(MANIFEST), &bytes)?)
    }

    /// Finds what counts of a segment.
    pub fn segment(&self, first: u64) -> Option<&SegmentPart> {
        self.segments.iter().find(|part| part.first == first)
    }
}

impl Kind {
    /// Tells from a data folder whose it is.
    ///
    /// # Errors
    /// [`BackupError::Strange`] when it is neither a hub's nor a node's.
    pub fn of(data: &Path) -> Result<Self, BackupError> {
        [Self::Hub, Self::Node]
            .into_iter()
            .find(|kind| data.join(kind.journal()).is_dir())
            .ok_or_else(|| BackupError::Strange(data.to_owned()))
    }

    /// Gives the folder of the journal.
    pub fn journal(self) -> &'static str {
        match self {
            Self::Hub => "entries",
            Self::Node => "journal",
        }
    }

    /// Names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Node => "node",
        }
    }
}

/// Read before the rest: a newer form may say the rest otherwise.
#[derive(Deserialize)]
struct Form {
    form: u32,
}

/// The file.
pub const MANIFEST: &str = "manifest.json";
/// Form of the backups that this version makes.
pub const FORM: u32 = 1;
