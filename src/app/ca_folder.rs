//! The folder of an authority: which file holds what, and in which order they are written. What they say is `pki`'s.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::ca::CaError;
use crate::domain::organisation::CertificateSerial;
use crate::domain::time::Moment;
use crate::pki::authority::{Authority, Validity};
use crate::pki::register::Register;
use crate::sys::{files, random};

/// An opened authority, which nobody else can open until it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    pub(super) authority: Authority,
    pub(super) register: Register,
    _lock: File,
}

impl Folder {
    /// Makes the folder of a new authority.
    pub(super) fn create(path: &Path, authority: Authority, register: Register) -> Result<Self, CaError> {
        fs::create_dir_all(path).map_err(|source| CaError::Folder { path: path.to_owned(), source })?;
        let lock = lock(path)?;
        if path.join(KEY).exists() || path.join(CERTIFICATE).exists() {
            return Err(CaError::Exists(path.to_owned()));
        }
        let folder = Self { path: path.to_owned(), authority, register, _lock: lock };
        folder.save()?;
        files::write_secret(&path.join(KEY), folder.authority.key_pem().as_bytes())?;
        files::write(&path.join(CERTIFICATE), folder.authority.certificate_pem().as_bytes())?;
        Ok(folder)
    }

    /// Opens an existing authority.
    pub(super) fn open(path: &Path) -> Result<Self, CaError> {
        if !path.join(CERTIFICATE).exists() {
            return Err(CaError::Absent(path.to_owned()));
        }
        let lock = lock(path)?;
        let key = files::read_secret(&path.join(KEY))?;
        let certificate = files::read(&path.join(CERTIFICATE))?;
        let authority = Authority::open(&String::from_utf8_lossy(&certificate), &Zeroizing::new(text(&key)))?;
        let register = Register::from_json(&files::read(&path.join(REGISTER))?)?;
        Ok(Self { path: path.to_owned(), authority, register, _lock: lock })
    }

    /// Writes the register. It comes before whatever it records: a certificate nobody got is harmless, one that nobody
    /// knows of could not be revoked.
    pub(super) fn save(&self) -> Result<(), CaError> {
        Ok(files::write(&self.path.join(REGISTER), self.register.to_json().as_bytes())?)
    }

    /// Signs and writes a new revocation list that holds for `days`.
    pub(super) fn publish_list(&mut self, now: Moment, days: u32) -> Result<PathBuf, CaError> {
        self.register.list_number += 1;
        self.save()?;
        let validity = Validity { not_before: now, not_after: now.plus_hours(i64::from(days) * 24) };
        let list = self.authority.revocation_list(self.register.list_number, &self.register.revocations(), validity)?;
        let path = self.path.join(LIST);
        files::write(&path, list.as_bytes())?;
        Ok(path)
    }
}

/// Draws a serial number that nobody can guess.
pub(super) fn fresh_serial() -> CertificateSerial {
    let mut bytes: [u8; 16] = random::bytes();
    // Neither negative nor zero, and always of the same length.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    CertificateSerial::new(&bytes).unwrap_or_else(|_| unreachable!("the first byte is not zero"))
}

fn lock(folder: &Path) -> Result<File, CaError> {
    let path = folder.join(LOCK);
    let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| CaError::Folder { path, source })
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).unwrap_or_default().to_owned()
}

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const LIST: &str = "crl.pem";
const LOCK: &str = "ca.lock";
const REGISTER: &str = "index.json";
