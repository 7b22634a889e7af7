//! The way to the region's hub and nodes: gRPC under the certificates that a foreign client would use.

use std::net::SocketAddr;
use std::time::Duration;

use tonic::transport::Channel;

use crate::app::credentials::{self, CredentialsError, TlsFiles};
use crate::app::sample::cast::REGION;
use crate::app::sample::layout::Layout;
use crate::domain::organisation::Role;
use crate::peer::channel::{HubAddress, HubAddressError, HubChannel};

/// There is no way to a process of the region.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A certificate cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] HubAddressError),
}

impl Layout {
    /// Gives a channel to a process in a role, as the client whose certificate lies in a folder. It must be called in a
    /// runtime.
    ///
    /// # Errors
    /// [`ChannelError`] when the folder's certificate cannot be used.
    pub fn channel(&self, client: &str, address: SocketAddr, server: Role) -> Result<Channel, ChannelError> {
        let (authority, own) = (self.authority(), self.client(client));
        let files = TlsFiles {
            authority: authority.join("ca.pem"),
            list: authority.join("crl.pem"),
            certificate: own.join("tls.pem"),
            key: own.join("tls.key"),
        };
        let region = REGION.parse().unwrap_or_else(|error| unreachable!("the cast is checked: {error}"));
        // Whoever asks is shorter than the life of any file; nobody watches them.
        let (tls, _) = credentials::client(files, region, server, Duration::MAX)?;
        let address =
            HubAddress { host: address.ip().to_string(), port: address.port(), server_name: "localhost".to_owned() };
        Ok(HubChannel::new(&address, tls.subscribe())?.channel())
    }
}
