//! The demo's way to its own hub and nodes: gRPC under the certificates that a foreign client would use.

use std::net::SocketAddr;
use std::time::Duration;

use tonic::transport::Channel;

use crate::app::credentials::{self, CredentialsError, TlsFiles};
use crate::app::demo::authority::ORDER_ENTRY;
use crate::app::demo::cast::REGION;
use crate::app::demo::layout::{Layout, Settled};
use crate::domain::organisation::Role;
use crate::domain::time::Moment;
use crate::peer::channel::{HubAddress, HubAddressError, HubChannel};
use crate::sys::files::FileError;
use crate::wire::pb;

/// The demo's region as its story sees it.
pub struct World {
    /// The folder.
    pub layout: Layout,
    /// Addresses.
    pub settled: Settled,
    /// When the story began.
    pub began: Moment,
    /// Language of the texts that doctors read.
    pub language: pb::Language,
}

/// There is no way to a process of the demo.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A certificate cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] HubAddressError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate cannot be used over HTTPS.
    #[error("prepare HTTPS: {0}")]
    Https(#[from] reqwest::Error),
}

impl World {
    /// Gives a channel to the hub, as the client whose certificate lies in a folder. It must be called in a runtime.
    ///
    /// # Errors
    /// [`LinkError`] when the folder's certificate cannot be used.
    pub fn hub(&self, client: &str) -> Result<Channel, LinkError> {
        self.channel(client, self.settled.hub, Role::Operator)
    }

    /// Gives a channel to a hospital's node, as its order entry. It must be called in a runtime.
    ///
    /// # Errors
    /// [`LinkError`] when the certificate cannot be used.
    pub fn node(&self, hospital: usize) -> Result<Channel, LinkError> {
        self.channel(ORDER_ENTRY[hospital], self.settled.nodes[hospital].grpc, Role::Hospital)
    }

    /// Gives the key of a request: the same at every start on the same folder, so that nothing is recorded twice.
    pub fn key(&self, step: &str) -> String {
        format!("demo-{}-{step}", self.settled.began_unix_ms)
    }

    fn channel(&self, client: &str, address: SocketAddr, server: Role) -> Result<Channel, LinkError> {
        let (authority, own) = (self.layout.authority(), self.layout.client(client));
        let files = TlsFiles {
            authority: authority.join("ca.pem"),
            list: authority.join("crl.pem"),
            certificate: own.join("tls.pem"),
            key: own.join("tls.key"),
        };
        let region = REGION.parse().unwrap_or_else(|error| unreachable!("the cast is checked: {error}"));
        // The story is shorter than the life of any file; nobody watches them.
        let (tls, _) = credentials::client(files, region, server, Duration::MAX)?;
        let address =
            HubAddress { host: address.ip().to_string(), port: address.port(), server_name: "localhost".to_owned() };
        Ok(HubChannel::new(&address, tls.subscribe())?.channel())
    }
}
