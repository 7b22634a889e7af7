//! What every long-running process of the binary needs: a runtime, and word when it shall stop.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Makes the runtime of a process.
///
/// # Errors
/// When the operating system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Name of the variable that ties a process to whoever holds the other end of its standard input: the demo sets it, so
/// that its children do not outlive it, however it ends.
pub const STOP_WITH_STDIN: &str = "CONCORD_STOP_WITH_STDIN";

/// Gives a token that is cancelled by SIGTERM or SIGINT, and with [`STOP_WITH_STDIN`] by the end of the standard input.
/// It must be called in a runtime.
///
/// # Errors
/// When the signals cannot be received.
pub fn stop_signal() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    if std::env::var_os(STOP_WITH_STDIN).is_some() {
        let told = stop.clone();
        // Reading cannot be broken off, and so has a thread that ends with the process.
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            told.cancel();
        });
    }
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        told.cancel();
    });
    Ok(stop)
}
