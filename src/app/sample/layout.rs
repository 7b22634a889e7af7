//! The region's folder: what lies where, and what a second start on the same folder must know of the first.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::sample::SampleError;
use crate::app::sample::cast::{HOSPITALS, Hospital, OPERATOR};
use crate::domain::time::Moment;
use crate::sys::files;

/// A folder with a region in it.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

/// What was settled when the region was made, and stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When the story began, in milliseconds since 1970: every key and time of it is counted from here.
    pub began_unix_ms: i64,
    /// Where the hub listens.
    pub hub: SocketAddr,
    /// Where the hub's HTTPS door is.
    pub hub_https: SocketAddr,
    /// Where patients log in.
    pub issuer: SocketAddr,
    /// Where the nodes listen, in the order of the cast.
    pub nodes: Vec<NodePorts>,
    /// Where hub and nodes show metrics and health, the hub first; none in folders that were made earlier.
    #[serde(default)]
    pub metrics: Vec<SocketAddr>,
}

/// Where one node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePorts {
    /// HL7 v2 over MLLP.
    pub mllp: SocketAddr,
    /// DICOM.
    pub dicom: SocketAddr,
    /// gRPC.
    pub grpc: SocketAddr,
    /// HTTPS.
    pub https: SocketAddr,
}

impl Layout {
    /// Takes a folder, made if need be.
    ///
    /// # Errors
    /// [`SampleError::Folder`].
    pub fn new(root: &Path) -> Result<Self, SampleError> {
        let failed = |source| SampleError::Folder { path: root.to_owned(), source };
        std::fs::create_dir_all(root).map_err(failed)?;
        Ok(Self { root: root.canonicalize().map_err(failed)? })
    }

    /// Gives a file or folder of the demo's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Gives the authority's folder.
    pub fn authority(&self) -> PathBuf {
        self.path("ca")
    }

    /// Gives the authority of another region, which nobody here believes.
    pub fn foreign_authority(&self) -> PathBuf {
        self.path("foreign-ca")
    }

    /// Gives the region's data files.
    pub fn region(&self) -> PathBuf {
        self.path("region")
    }

    /// Gives the hub's folder.
    pub fn hub(&self) -> PathBuf {
        self.path(OPERATOR.folder)
    }

    /// Gives the folder of whoever says who a patient is.
    pub fn issuer(&self) -> PathBuf {
        self.path("issuer")
    }

    /// Gives a node's folder.
    pub fn node(&self, hospital: &Hospital) -> PathBuf {
        self.path(hospital.folder)
    }

    /// Gives the folder with a client's certificate and key.
    pub fn client(&self, name: &str) -> PathBuf {
        self.path("clients").join(name)
    }

    /// Gives what an earlier start settled, if there was one that made the whole region.
    ///
    /// # Errors
    /// [`SampleError::Settled`] when the file is not ours.
    pub fn settled(&self) -> Result<Option<Settled>, SampleError> {
        let path = self.path(SETTLED);
        if !path.exists() {
            return Ok(None);
        }
        let read = serde_json::from_slice(&files::read(&path)?).and_then(|settled: Settled| {
            let all = settled.nodes.len() == HOSPITALS.len();
            all.then_some(settled).ok_or_else(|| serde::de::Error::custom("as many nodes as hospitals are needed"))
        });
        read.map(Some).map_err(|source| SampleError::Settled { path, source })
    }

    /// Keeps what was settled; the last thing that is done when a region is made.
    ///
    /// # Errors
    /// [`SampleError::File`].
    pub fn settle(&self, settled: &Settled) -> Result<(), SampleError> {
        let text = serde_json::to_vec_pretty(settled).unwrap_or_else(|error| unreachable!("plain data: {error}"));
        Ok(files::write(&self.path(SETTLED), &text)?)
    }
}

impl Settled {
    /// Chooses free ports of the loopback interface.
    ///
    /// # Errors
    /// When there are none.
    pub fn choose(now: Moment) -> io::Result<Self> {
        // All are held until all are chosen, so that no two are the same.
        let held: Vec<TcpListener> =
            (0..4 + 5 * HOSPITALS.len()).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<io::Result<_>>()?;
        let addresses: Vec<SocketAddr> = held.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let [hub, hub_https, issuer, rest @ ..] = addresses.as_slice() else { unreachable!("three were chosen") };
        let ports = |of: &[SocketAddr]| NodePorts { mllp: of[0], dicom: of[1], grpc: of[2], https: of[3] };
        let (metrics, rest) = rest.split_at(1 + HOSPITALS.len());
        let nodes = rest.chunks_exact(4).map(ports).collect();
        let (metrics, began_unix_ms) = (metrics.to_vec(), now.unix_ms());
        Ok(Self { began_unix_ms, hub: *hub, hub_https: *hub_https, issuer: *issuer, nodes, metrics })
    }
}

const SETTLED: &str = "settled.json";
