//! The HTTPS door of a hub or a node: its part of the configuration, and the way from a listener to served requests.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::clients::{ClientPart, PatientIdentifierPart};
use crate::app::credentials::{self, CredentialsError, TlsFiles};
use crate::app::operations::Operations;
use crate::app::settings::beside;
use crate::doors::http;
use crate::doors::http::paths::Paths;
use crate::doors::shares::Shares;
use crate::doors::tls::{AcceptSettings, accept};
use crate::pki::reload::Reloading;
use crate::pki::tls::ServerTls;

/// `[https]` of `hub.toml` and `node.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpsPart {
    /// Address and port.
    pub listen: SocketAddr,
    /// How callers reach the door, without a slash at the end; `https://` and `listen` where it is left out.
    pub base_url: Option<String>,
    /// A certificate that browsers believe; that of `[tls]` where it is left out.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Programs of hospitals that come with tokens; without any, only client certificates are taken.
    #[serde(default)]
    pub clients: Vec<ClientPart>,
    /// What order screens call the region's identifier types, before the usual names.
    #[serde(default)]
    pub identifiers: Vec<PatientIdentifierPart>,
}

/// A bound HTTPS door that does not serve yet.
pub struct HttpsDoor {
    /// Where it listens.
    pub listener: TcpListener,
    /// The TLS settings, which follow their files.
    pub tls: Reloading<ServerTls>,
    /// Which callers are taken.
    pub accepting: AcceptSettings,
    /// What callers share; nothing is shared where all are of one house.
    pub shares: Option<Arc<Shares>>,
    /// How long requests may go on after a stop.
    pub grace: Duration,
    /// What is counted and told of health, where somebody looks.
    pub operations: Option<Operations>,
}

impl HttpsPart {
    /// Brings the paths, written in the configuration `file`, to the process's own folder.
    pub fn place_beside(&mut self, file: &Path) {
        for path in self.certificate.iter_mut().chain(&mut self.key) {
            *path = beside(file, path);
        }
        self.clients.iter_mut().for_each(|client| client.place_beside(file));
    }

    /// Gives the address by which callers reach the door, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.base_url.clone().unwrap_or_else(|| format!("https://{}", self.listen))
    }

    /// Binds the listener.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.listen).await
    }

    /// Gives the TLS settings of the door, which follow their files while the task in `behind` runs.
    ///
    /// # Errors
    /// [`CredentialsError`] naming the file to replace; do not start.
    pub fn tls(
        &self,
        files: TlsFiles,
        interval: Duration,
        behind: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Reloading<ServerTls>, CredentialsError> {
        let certificate = self.certificate.clone().unwrap_or(files.certificate);
        let key = self.key.clone().unwrap_or(files.key);
        let (tls, watcher) = credentials::web(TlsFiles { certificate, key, ..files }, interval)?;
        behind.spawn(watcher.run(stop));
        Ok(tls)
    }
}

impl HttpsDoor {
    /// Serves `doors` until `stop`; returns when the last connection is closed.
    pub async fn serve(self, doors: Paths, stop: CancellationToken) {
        let accepting = AcceptSettings { nameless: true, ..self.accepting };
        let (acceptor, incoming) = accept(self.listener, self.tls, accepting);
        let doors = match self.operations {
            None => http::framed(doors, self.shares),
            Some(Operations { health, calls, .. }) => {
                http::watch::watched(http::framed(doors.merge(http::operations::public(health)), self.shares), calls)
            }
        };
        let serving = http::serve::serve(incoming, doors, self.grace, stop.clone());
        tokio::join!(acceptor.run(stop), serving);
    }
}
