//! A network between processes that delays, stalls, cuts and refuses, as it is told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dice::Dice;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes at once.
    Clear,
    /// Each piece waits up to so many milliseconds, differently on each connection: what is sent on two may be reordered.
    Delayed(u64),
    /// Pieces are small and slow.
    Slow,
    /// Nothing passes, nothing is refused; what was sent arrives when it is over.
    Partitioned,
    /// What callers send passes, answers do not; when it is over, such connections break.
    HalfOpen,
    /// A connection breaks after so many bytes either way.
    Cut(u64),
    /// Nobody can connect, and connections break.
    Refused,
}

/// Every kind of weather but the fair one, for counting.
pub const STORMS: [&str; 6] = ["delay", "slow peer", "partition", "half-open", "cut after bytes", "refused"];

impl Weather {
    /// Draws bad weather.
    pub fn draw(dice: &mut Dice) -> Self {
        match dice.between(0, 5) {
            0 => Self::Delayed(dice.between(5, 120)),
            1 => Self::Slow,
            2 => Self::Partitioned,
            3 => Self::HalfOpen,
            4 => Self::Cut(dice.between(1, 20_000)),
            _ => Self::Refused,
        }
    }

    /// Gives its name, as in [`STORMS`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Delayed(_) => STORMS[0],
            Self::Slow => STORMS[1],
            Self::Partitioned => STORMS[2],
            Self::HalfOpen => STORMS[3],
            Self::Cut(_) => STORMS[4],
            Self::Refused => STORMS[5],
        }
    }
}

/// A door that leads to another.
#[derive(Debug)]
pub struct Proxy {
    /// Where it is.
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Opens a door to `target`.
    pub async fn open(target: SocketAddr, dice: Dice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, now) = watch::channel(Weather::Clear);
        let task = tokio::spawn(serve(listener, target, now, dice));
        Self { address, weather, task }
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, target: SocketAddr, weather: watch::Receiver<Weather>, mut dice: Dice) {
    loop {
        let Ok((caller, _)) = listener.accept().await else { continue };
        if *weather.borrow() == Weather::Refused {
            continue;
        }
        let (weather, there, back) = (weather.clone(), dice.fork(), dice.fork());
        tokio::spawn(async move {
            let Ok(callee) = TcpStream::connect(target).await else { return };
            let _ = (caller.set_nodelay(true), callee.set_nodelay(true));
            let ((from_caller, to_caller), (from_callee, to_callee)) = (caller.into_split(), callee.into_split());
            // When one way breaks, so does the other.
            tokio::select! {
                () = pass(from_caller, to_callee, weather.clone(), there, false) => {}
                () = pass(from_callee, to_caller, weather, back, true) => {}
            }
        });
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    mut dice: Dice,
    is_answer: bool,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut passed = 0;
    loop {
        let most = if *weather.borrow() == Weather::Slow { 700 } else { buffer.len() };
        let count = tokio::select! {
            read = from.read(&mut buffer[..most]) => read.unwrap_or(0),
            () = broken(weather.clone()) => 0,
        };
        let now = *weather.borrow_and_update();
        passed += count as u64;
        let is_cut = matches!(now, Weather::Cut(bytes) if passed > bytes) || now == Weather::Refused;
        if count == 0 || is_cut {
            return;
        }
        match now {
            Weather::Delayed(ms) => tokio::time::sleep(Duration::from_millis(dice.between(0, ms))).await,
            Weather::Slow => tokio::time::sleep(Duration::from_millis(dice.between(1, 15))).await,
            Weather::Partitioned => drop(weather.wait_for(|now| *now != Weather::Partitioned).await),
            Weather::HalfOpen if is_answer => {
                drop(weather.wait_for(|now| *now != Weather::HalfOpen).await);
                return;
            }
            _ => {}
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn broken(mut weather: watch::Receiver<Weather>) {
    if weather.wait_for(|now| *now == Weather::Refused).await.is_err() {
        std::future::pending::<()>().await;
    }
}
