//! The TLS acceptor under the gRPC and HTTPS servers: connections whose certificate names somebody of this region, and
//! for HTTPS those that show none, counted.
//! What a caller may do is decided in `auth`.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::newcomers::{Newcomer, Newcomers};
use crate::domain::adcode::Adcode;
use crate::domain::organisation::{Caller, OrganisationCode};
use crate::pki::identity::{self, IdentityError};
use crate::pki::reload::Reloading;
use crate::pki::tls::ServerTls;

/// How many connections are taken, and how long a handshake may last.
#[derive(Debug, Clone, Copy)]
pub struct AcceptSettings {
    /// The region whose certificates are taken.
    pub region: Adcode,
    /// Most connections at one time.
    pub connections_max: usize,
    /// Most connections of one organisation at one time, and of one address without a certificate.
    pub organisation_connections_max: usize,
    /// Most handshakes under way at one time; one more takes the place of the oldest, so that whoever only begins
    /// handshakes keeps nobody out.
    pub handshakes_max: usize,
    /// Longest handshake.
    pub handshake_timeout: Duration,
    /// Whether callers without a certificate are taken; what they may do, their requests must prove.
    pub nameless: bool,
}

/// Who stands at the other end, known once the handshake is over; tonic puts it among a request's extensions.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Whom the certificate names; nobody where none was shown.
    pub caller: Option<Arc<Caller>>,
    /// Where the connection comes from.
    pub address: SocketAddr,
}

/// By what connections and requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guest {
    /// Whom a certificate names.
    Organisation(OrganisationCode),
    /// Where a connection without a certificate comes from.
    Address(IpAddr),
}

impl Peer {
    /// Says by what the other end is counted.
    pub fn guest(&self) -> Guest {
        let organisation = self.caller.as_ref().map(|caller| Guest::Organisation(caller.organisation));
        organisation.unwrap_or(Guest::Address(self.address.ip()))
    }
}

/// An accepted connection; dropping it gives its places back.
#[derive(Debug)]
pub struct PeerStream {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    _seat: Seat,
}

/// Takes connections off `listener` until `stop`; handshakes under way are dropped then.
pub struct Acceptor {
    listener: TcpListener,
    tls: Reloading<ServerTls>,
    settings: AcceptSettings,
    seats: Seats,
    accepted: mpsc::Sender<io::Result<PeerStream>>,
}

/// Joins an acceptor, which somebody must run, to the stream of connections that tonic serves.
pub fn accept(
    listener: TcpListener,
    tls: Reloading<ServerTls>,
    settings: AcceptSettings,
) -> (Acceptor, ReceiverStream<io::Result<PeerStream>>) {
    let (accepted, incoming) = mpsc::channel(ACCEPTED_MAX);
    let seats = Seats::new(settings);
    (Acceptor { listener, tls, settings, seats, accepted }, ReceiverStream::new(incoming))
}

impl AcceptSettings {
    /// Gives the settings of a hub that serves every hospital of `region`.
    pub fn new(region: Adcode) -> Self {
        Self {
            region,
            connections_max: 4_096,
            organisation_connections_max: 256,
            handshakes_max: 512,
            handshake_timeout: Duration::from_secs(10),
            nameless: false,
        }
    }
}

impl Acceptor {
    /// Runs until `stop`, or until nobody takes the connections any more.
    pub async fn run(self, stop: CancellationToken) {
        let newcomers = Newcomers::new(self.settings.handshakes_max);
        // Dropped at the end, and with it every handshake under way.
        let mut running = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                () = self.accepted.closed() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address)) => {
                    let Some(room) = newcomers.enter().await else { continue };
                    running.spawn(self.handshake(tcp, address, room));
                }
                Err(error) => {
                    tracing::warn!(%error, "accept connection");
                    // Out of file descriptors, most likely: asking again at once would only burn the processor.
                    let _ = stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
                }
            }
            while running.try_join_next().is_some() {}
        }
        running.shutdown().await;
    }

    /// Makes the task of one handshake, with the settings as they are now.
    fn handshake(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        (room, newcomer): (OwnedSemaphorePermit, Newcomer),
    ) -> impl Future<Output = ()> + Send + 'static {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls.current().config));
        let (settings, seats, accepted) = (self.settings, self.seats.clone(), self.accepted.clone());
        async move {
            let work = shake(acceptor, tcp, address, settings, &seats);
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(settings.handshake_timeout, work) => shaken,
                () = newcomer.sent_away() => return tracing::info!(%address, "connection refused: another needs its place"),
            };
            drop((room, newcomer));
            match shaken {
                Ok(Ok(stream)) => drop(accepted.send(Ok(stream)).await),
                Ok(Err(error)) => tracing::info!(%address, %error, "connection refused"),
                Err(_) => tracing::info!(%address, "connection refused: the handshake took too long"),
            }
        }
    }
}

async fn shake(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    address: SocketAddr,
    settings: AcceptSettings,
    seats: &Seats,
) -> Result<PeerStream, RefusedError> {
    let place = Arc::clone(&seats.total).try_acquire_owned().map_err(|_| RefusedError::Full)?;
    tcp.set_nodelay(true)?;
    let stream = acceptor.accept(tcp).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let caller = match certificate {
        Some(certificate) => Some(Arc::new(identity::caller(certificate, settings.region)?)),
        None if settings.nameless => None,
        None => return Err(RefusedError::Nameless),
    };
    let peer = Peer { caller, address };
    let seat = seats.take(peer.guest(), place)?;
    Ok(PeerStream { stream, peer, _seat: seat })
}

/// Why a connection was not taken; told to the log, never to the caller.
#[derive(Debug, thiserror::Error)]
enum RefusedError {
    #[error("handshake: {0}")]
    Handshake(#[from] io::Error),
    #[error("no certificate")]
    Nameless,
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("too many connections")]
    Full,
    #[error("too many connections of {0:?}")]
    GuestFull(Guest),
}

/// Counts the connections that stand, in all and by guest.
#[derive(Debug, Clone)]
struct Seats {
    total: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<Guest, usize>>>,
    guest_max: usize,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
struct Seat {
    seats: Seats,
    guest: Guest,
    _place: OwnedSemaphorePermit,
}

impl Seats {
    fn new(settings: AcceptSettings) -> Self {
        let total = Arc::new(Semaphore::new(settings.connections_max));
        Self { total, taken: Arc::default(), guest_max: settings.organisation_connections_max }
    }

    fn take(&self, guest: Guest, place: OwnedSemaphorePermit) -> Result<Seat, RefusedError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(guest).or_default();
        if *count >= self.guest_max {
            return Err(RefusedError::GuestFull(guest));
        }
        *count += 1;
        Ok(Seat { seats: self.clone(), guest, _place: place })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.guest) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.guest);
            }
        }
    }
}

impl Connected for PeerStream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Connections accepted and not yet taken up by the server.
const ACCEPTED_MAX: usize = 128;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
