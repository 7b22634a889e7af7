//! The hub's three secrets: what pseudonyms, grants and checkpoints are made with. Made once, read at every start.

use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use crate::merkle::note::{KeyName, VerifierKey};
use crate::service::hub::log_keeper::CheckpointSigner;
use crate::sys::files::{self, FileError};
use crate::sys::random;

/// The hub's secrets.
pub struct Secrets {
    /// Makes pseudonyms; it may never change.
    pub identity: Zeroizing<[u8; SECRET_BYTES]>,
    /// Authenticates grants.
    pub grant: Zeroizing<[u8; SECRET_BYTES]>,
    log: SigningKey,
}

/// A secret cannot be used; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder could not be made.
    #[error("make {path}: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The file does not hold 32 bytes in hexadecimal.
    #[error("{path} is not a secret of 64 hexadecimal digits; restore it from its copy", path = .0.display())]
    Content(PathBuf),
    /// There are none yet, or the folder is the wrong one.
    #[error("{path} is missing; restore it, or for a new hub run: concord hub init --config hub.toml", path = .0.display())]
    Absent(PathBuf),
    /// There are secrets already, and new ones would orphan every pseudonym.
    #[error("{path} exists already; nothing was changed", path = .0.display())]
    Exists(PathBuf),
}

impl Secrets {
    /// Draws the secrets and writes them to `folder`, readable by the owner alone.
    ///
    /// # Errors
    /// [`SecretsError::Exists`] when one is there already; nothing is changed then.
    pub fn create(folder: &Path) -> Result<(), SecretsError> {
        std::fs::create_dir_all(folder).map_err(|source| SecretsError::Folder { path: folder.to_owned(), source })?;
        let paths = [IDENTITY, GRANT, LOG].map(|name| folder.join(name));
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            return Err(SecretsError::Exists(path.clone()));
        }
        for path in &paths {
            let secret: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(random::bytes());
            files::write_secret(path, Zeroizing::new(hex::encode(*secret) + "\n").as_bytes())?;
        }
        Ok(())
    }

    /// Reads the secrets.
    ///
    /// # Errors
    /// [`SecretsError`] naming the file.
    pub fn read(folder: &Path) -> Result<Self, SecretsError> {
        let log = read_one(&folder.join(LOG))?;
        Ok(Self {
            identity: read_one(&folder.join(IDENTITY))?,
            grant: read_one(&folder.join(GRANT))?,
            log: SigningKey::from_bytes(&log),
        })
    }

    /// Gives the public log's key, by which everyone checks checkpoints.
    pub fn log_key(&self, name: &KeyName) -> VerifierKey {
        VerifierKey::new(name.clone(), self.log.verifying_key())
    }

    /// Gives what signs checkpoints.
    pub fn signer(&self, name: &KeyName) -> CheckpointSigner {
        let key = self.log.clone();
        CheckpointSigner { key: self.log_key(name), sign: Box::new(move |bytes| key.sign(bytes).to_bytes()) }
    }
}

fn read_one(path: &Path) -> Result<Zeroizing<[u8; SECRET_BYTES]>, SecretsError> {
    if !path.exists() {
        return Err(SecretsError::Absent(path.to_owned()));
    }
    let text = files::read_secret(path)?;
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    let decoded = hex::decode_to_slice(text.trim_ascii(), secret.as_mut_slice());
    decoded.map_err(|_| SecretsError::Content(path.to_owned()))?;
    Ok(secret)
}

const SECRET_BYTES: usize = 32;
const IDENTITY: &str = "identity.key";
const GRANT: &str = "grant.key";
const LOG: &str = "log.key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        Secrets::create(&path).unwrap();
        let first = Secrets::read(&path).unwrap();
        assert!(matches!(Secrets::create(&path), Err(SecretsError::Exists(_))));
        let again = Secrets::read(&path).unwrap();
        assert_eq!(first.identity, again.identity);
        assert_ne!(first.identity, first.grant);
        let name: KeyName = "hub.example.cn/log".parse().unwrap();
        assert_eq!(first.log_key(&name), again.log_key(&name));
    }

    #[test]
    fn a_missing_secret_is_answered_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let error = Secrets::read(folder.path()).err().unwrap().to_string();
        assert!(error.contains("concord hub init"), "{error}");
    }

    #[test]
    fn a_short_secret_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        Secrets::create(folder.path()).unwrap();
        files::write_secret(&folder.path().join(GRANT), b"abcd").unwrap();
        let error = Secrets::read(folder.path()).err().unwrap().to_string();
        assert!(error.contains(GRANT), "{error}");
    }
}
