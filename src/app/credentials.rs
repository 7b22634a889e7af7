//! Where a process keeps its TLS files, and the settings that follow those files while it runs.

use std::path::PathBuf;
use std::time::Duration;

use rustls::ClientConfig;

use crate::domain::adcode::Adcode;
use crate::domain::organisation::Role;
use crate::pki::reload::{Reloading, Watcher, reloading};
use crate::pki::tls::{self, Material, ServerTls, TlsError};
use crate::pki::token::KeySetError;
use crate::sys::files::{self, FileError};

/// The four PEM files of one end.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The authority's certificate, `ca.pem`.
    pub authority: PathBuf,
    /// The authority's revocation list, `crl.pem`.
    pub list: PathBuf,
    /// This end's certificate, `tls.pem`.
    pub certificate: PathBuf,
    /// This end's private key, `tls.key`, readable by its owner alone.
    pub key: PathBuf,
}

/// A file is missing, or makes no TLS settings; the text says which to replace.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files make no TLS settings.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A client's keys cannot be used.
    #[error("{path}: {source}", path = path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeySetError,
    },
    /// A client is named twice, or its hospital is missing, no code, or not the node's own.
    #[error("https.clients, issuer {0}: named twice, or its organisation is missing or not one that may come here")]
    Client(String),
}

/// Settings that follow their files, with the watcher to run.
pub type Watched<T> = (Reloading<T>, Watcher<T, CredentialsError>);

/// Gives the settings of a listening end, which follow the files as long as the watcher is run.
///
/// # Errors
/// [`CredentialsError`] naming the file to replace; do not start.
pub fn server(files: TlsFiles, interval: Duration) -> Result<Watched<ServerTls>, CredentialsError> {
    reloading(files.paths(), interval, move || Ok(tls::server(&files.read()?)?))
}

/// Gives the settings of an HTTPS end, which follow the files as long as the watcher is run.
///
/// # Errors
/// [`CredentialsError`] naming the file to replace; do not start.
pub fn web(files: TlsFiles, interval: Duration) -> Result<Watched<ServerTls>, CredentialsError> {
    reloading(files.paths(), interval, move || Ok(tls::web(&files.read()?)?))
}

/// Gives the settings of a calling end that expects a server of `region` in `role`; they follow the files as long as
/// the watcher is run.
///
/// # Errors
/// [`CredentialsError`] naming the file to replace; do not start.
pub fn client(
    files: TlsFiles,
    region: Adcode,
    role: Role,
    interval: Duration,
) -> Result<Watched<ClientConfig>, CredentialsError> {
    reloading(files.paths(), interval, move || Ok(tls::client(&files.read()?, region, role)?))
}

impl TlsFiles {
    fn paths(&self) -> Vec<PathBuf> {
        [&self.authority, &self.list, &self.certificate, &self.key].map(Clone::clone).to_vec()
    }

    fn read(&self) -> Result<Material, FileError> {
        Ok(Material {
            authority_pem: files::read(&self.authority)?,
            list_pem: files::read(&self.list)?,
            certificate_pem: files::read(&self.certificate)?,
            key_pem: files::read_secret(&self.key)?,
        })
    }
}
