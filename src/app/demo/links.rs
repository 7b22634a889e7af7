//! The demo's way to its own hub and nodes: gRPC under the certificates that a foreign client would use.

use tonic::transport::Channel;

use crate::app::sample::authority::ORDER_ENTRY;
use crate::app::sample::layout::{Layout, Settled};
use crate::app::sample::links::ChannelError;
use crate::domain::organisation::Role;
use crate::domain::time::Moment;
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
    Channel(#[from] ChannelError),
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
        Ok(self.layout.channel(client, self.settled.hub, Role::Operator)?)
    }

    /// Gives a channel to a hospital's node, as its order entry. It must be called in a runtime.
    ///
    /// # Errors
    /// [`LinkError`] when the certificate cannot be used.
    pub fn node(&self, hospital: usize) -> Result<Channel, LinkError> {
        Ok(self.layout.channel(ORDER_ENTRY[hospital], self.settled.nodes[hospital].grpc, Role::Hospital)?)
    }

    /// Gives the key of a request: the same at every start on the same folder, so that nothing is recorded twice.
    pub fn key(&self, step: &str) -> String {
        format!("demo-{}-{step}", self.settled.began_unix_ms)
    }
}
