//! The DICOM door: takes C-STORE and answers C-ECHO over many associations at once. What is stored, and when it is
//! durable, is the [`InstanceSink`]'s; what an instance says is read by `wire::dicom`.

mod negotiation;
mod session;
mod spool;
mod stream;

pub use spool::{InstanceBody, SpoolFile};

use crate::domain::fault::{Fault, Faulty};
use crate::doors::newcomers::{Newcomer, Newcomers};
use crate::wire::dicom::{InstanceFacts, Uid, part10};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// Takes instances that the door has found whole.
pub trait InstanceSink: Send + Sync + 'static {
    /// Stores one instance; returns only once it is durable, for the sender then deletes its own.
    ///
    /// # Errors
    /// [`StoreRefusal`] when it was not stored; the door answers the status of its fault.
    fn store(&self, instance: ReceivedInstance) -> impl Future<Output = Result<(), StoreRefusal>> + Send;
}

/// Why a sink did not store an instance. [`Fault::Conflict`] stands for "this UID with other content is kept".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("instance not stored: {0:?}")]
pub struct StoreRefusal(pub Fault);

impl Faulty for StoreRefusal {
    fn fault(&self) -> Fault {
        self.0
    }
}

/// One whole instance, as its sender wrote it.
#[derive(Debug)]
pub struct ReceivedInstance {
    /// The AE title by which the sender calls itself; proves nothing.
    pub calling_ae_title: String,
    /// Where it was sent from.
    pub peer: SocketAddr,
    /// The transfer syntax in which the data set came, and stays.
    pub transfer_syntax: Uid,
    /// What the data set says.
    pub facts: InstanceFacts,
    /// The bytes of the data set.
    pub body: InstanceBody,
}

impl ReceivedInstance {
    /// Gives what makes a Part 10 file when written before the data set.
    pub fn file_header(&self) -> Vec<u8> {
        part10::header(&self.transfer_syntax, &self.facts.sop_class, &self.facts.sop_instance)
    }
}

/// How the door behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The AE title that callers must call.
    pub ae_title: String,
    /// The calling AE titles let in; `None` lets every one in.
    pub calling_ae_titles: Option<Vec<String>>,
    /// Most associations at once; the next one is refused for now.
    pub associations_max: usize,
    /// Largest PDU taken, in bytes; raised to 4 KiB, lowered to 1 MiB.
    pub pdu_bytes_max: u32,
    /// Longest wait for the next bytes of a peer, and for a peer to take ours.
    pub idle_max: Duration,
    /// An existing folder for instances too large for memory, used by this door alone. What an earlier run left in it
    /// is removed.
    pub spool_folder: PathBuf,
}

/// Serves associations until `stop`; those in the middle of an instance finish it first.
///
/// # Errors
/// The spool folder cannot be read; make it, then start again.
///
/// Source: DICOM PS3.4, annexes A and B; PS3.8, 9.
pub async fn serve<S: InstanceSink>(
    listener: TcpListener,
    settings: Settings,
    sink: Arc<S>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    spool::remove_leftovers(&settings.spool_folder)?;
    let house = Arc::new(House {
        places: Arc::new(Semaphore::new(settings.associations_max)),
        large_checks: Semaphore::new(1),
        settings,
        sink,
        stop: stop.clone(),
    });
    let (tasks, newcomers) = (TaskTracker::new(), Newcomers::new(WAITING_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let Some(waiting) = newcomers.enter().await else { continue };
                tasks.spawn(receive(Arc::clone(&house), socket, peer, waiting));
            }
            Err(error) => {
                warn!(%error, "accept DICOM connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// What all associations share.
struct House<S> {
    settings: Settings,
    sink: Arc<S>,
    stop: CancellationToken,
    /// One permit an association.
    places: Arc<Semaphore>,
    /// The check of a large instance needs all of it in memory: one at a time.
    large_checks: Semaphore,
}

async fn receive<S: InstanceSink>(
    house: Arc<House<S>>,
    socket: TcpStream,
    peer: SocketAddr,
    waiting: (OwnedSemaphorePermit, Newcomer),
) {
    let mut link = match stream::Link::open(socket, &house.settings) {
        Ok(link) => link,
        Err(error) => return warn!(%peer, %error, "prepare DICOM connection"),
    };
    let negotiated = tokio::select! {
        () = house.stop.cancelled() => return,
        () = waiting.1.sent_away() => return warn!(%peer, "close DICOM connection: another needs its place"),
        negotiated = negotiation::establish(&mut link, &house.settings, &house.places) => negotiated,
    };
    drop(waiting);
    let (outcome, place) = match negotiated {
        Ok(Some((association, place))) => (session::run(&house, &mut link, &association, peer).await, Some(place)),
        Ok(None) => (Ok(()), None),
        Err(error) => (Err(error), None),
    };
    if let Err(error) = outcome {
        warn!(%peer, %error, "end DICOM association");
        link.abort().await;
    }
    drop(place);
    link.close().await;
}

/// Most connections that have sent no association request yet; one more takes the place of the oldest.
const WAITING_MAX: usize = 64;
/// Pause after a failed accept, which is out of file handles as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
