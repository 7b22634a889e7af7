//! What a node has seen of its hub's log: the last checkpoint that it believed, and the last that it refused. Two small
//! files, so that neither a crash nor a restart forgets a fork. What to believe is decided elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files;

/// The two files in a node's data folder. All calls block.
#[derive(Debug, Clone)]
pub struct SeenCheckpoints(PathBuf);

impl SeenCheckpoints {
    /// Keeps them in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Reads the note that was believed last.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn believed(&self) -> io::Result<Option<String>> {
        self.read(BELIEVED)
    }

    /// Keeps a note that is believed, and returns once it is durable.
    ///
    /// # Errors
    /// When the disk fails; the old one is still there.
    pub fn believe(&self, note: &str) -> io::Result<()> {
        files::replace(&self.0.join(BELIEVED), note.as_bytes())
    }

    /// Reads the note that was refused last: evidence, until somebody takes it away.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn refused(&self) -> io::Result<Option<String>> {
        self.read(REFUSED)
    }

    /// Keeps a note that is refused, and returns once it is durable.
    ///
    /// # Errors
    /// When the disk fails; the old one is still there.
    pub fn refuse(&self, note: &str) -> io::Result<()> {
        files::replace(&self.0.join(REFUSED), note.as_bytes())
    }

    fn read(&self, name: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.0.join(name)) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

const BELIEVED: &str = "checkpoint";
const REFUSED: &str = "checkpoint.refused";
