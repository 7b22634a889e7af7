//! A sample region in a folder: who takes part, its certificates, data and configurations, and its processes as children
//! of whoever made it. The demo tells its story in one, the bench measures one.

pub mod authority;
pub mod cast;
pub mod layout;
pub mod links;
pub mod login;
pub mod make;
pub mod processes;
pub mod scan;

use std::io;
use std::path::PathBuf;

use crate::app::ca::CaError;
use crate::app::hub::secrets::SecretsError;
use crate::app::settings::SettingsError;
use crate::sys::files::FileError;

/// The region could not be made or started; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The folder cannot be used.
    #[error("make {path}: {source}; give another --dir", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The folder's notes of an earlier start cannot be read.
    #[error("{path}: {source}; give another --dir", path = path.display())]
    Settled {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A process cannot be started.
    #[error("start the process of {path}: {source}", path = path.display())]
    Start {
        /// Its folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There are no free ports.
    #[error("choose free ports of 127.0.0.1: {0}")]
    Ports(io::Error),
    /// Certificates.
    #[error(transparent)]
    Authority(#[from] CaError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The hub's secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A configuration that was written cannot be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
