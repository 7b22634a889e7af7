//! The checkpoint with the cosignatures of witnesses, and their keys, beside the log. Losing them loses nothing: the next
//! ones take their place.

use std::fs;
use std::io;

use super::{TileReader, TileStoreError};
use crate::store::files;

impl TileReader {
    /// Reads the checkpoint that was cosigned last, if any.
    ///
    /// # Errors
    /// [`TileStoreError::Io`].
    pub fn cosigned(&self) -> Result<Option<String>, TileStoreError> {
        self.beside(COSIGNED)
    }

    /// Reads the keys of the witnesses under it, one a line.
    ///
    /// # Errors
    /// [`TileStoreError::Io`].
    pub fn witness_keys(&self) -> Result<Vec<String>, TileStoreError> {
        Ok(self.beside(WITNESSES)?.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    /// Puts a cosigned checkpoint and the keys of its witnesses in the place of the last ones.
    ///
    /// # Errors
    /// [`TileStoreError::Io`]; the old ones are still there.
    pub fn put_cosigned(&self, note: &str, keys: &[String]) -> Result<(), TileStoreError> {
        let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
        for (name, content) in [(WITNESSES, lines.as_str()), (COSIGNED, note)] {
            files::replace_soon(&self.folder().join(name), content.as_bytes())
                .map_err(TileStoreError::io("write the cosigned checkpoint"))?;
        }
        Ok(())
    }

    fn beside(&self, name: &str) -> Result<Option<String>, TileStoreError> {
        match fs::read_to_string(self.folder().join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TileStoreError::io("read the cosigned checkpoint")(error)),
        }
    }
}

const COSIGNED: &str = "checkpoint.cosigned";
const WITNESSES: &str = "witnesses";
