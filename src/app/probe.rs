//! `concord probe`: asks a hub or a node on this machine whether it lives, or is ready, and shows why it is not. For
//! machines without a shell, and for people.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

/// Asks a hub or node on this machine whether it lives, or is ready.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  concord probe 127.0.0.1:9470\n  concord probe --ready 127.0.0.1:9470\n\n\
    It ends with 0 where the answer is yes.")]
pub struct ProbeArgs {
    /// The address of `[metrics]` in the configuration.
    pub address: SocketAddr,
    /// Asks whether requests are taken, and not only whether the process turns.
    #[arg(long)]
    pub ready: bool,
}

/// The answer is no, or there is none.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The process does not answer.
    #[error("ask {address}: {source}; does it run, and is this the address of [metrics]?")]
    Away {
        /// Whom.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process says no.
    #[error("it answered {0}")]
    No(String),
    /// The answer could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Asks, and writes the answer to `out`.
///
/// # Errors
/// [`ProbeError`] when the answer is no.
pub fn run(args: &ProbeArgs, out: &mut dyn Write) -> Result<(), ProbeError> {
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let answer = ask(args.address, path).map_err(|source| ProbeError::Away { address: args.address, source })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    writeln!(out, "{body}")?;
    if status == "200" { Ok(()) } else { Err(ProbeError::No(status.to_owned())) }
}

fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

const WAIT_MAX: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: u64 = 64 << 10;
