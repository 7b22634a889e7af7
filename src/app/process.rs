//! What every long-running process of the binary needs: a runtime, word when it shall stop, and an orderly end.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Makes the runtime of a process.
///
/// # Errors
/// When the operating system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// What runs behind the doors of a process: stopped after them, so that requests under way still find it.
#[derive(Debug, Clone, Default)]
pub struct Behind {
    /// The tasks.
    pub tasks: TaskTracker,
    /// Tells them to end.
    pub stop: CancellationToken,
}

impl Behind {
    /// Ends the tasks, and waits until they have.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Waits for `serving`, which ends by itself after `stop`; what has not ended `grace` later is broken off. `stopping` is
/// called as soon as the stop is known.
///
/// # Errors
/// What `serving` says.
pub async fn serve_until<E>(
    stop: &CancellationToken,
    grace: Duration,
    stopping: impl FnOnce(),
    serving: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    let overdue = async {
        stop.cancelled().await;
        stopping();
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        served = serving => served,
        () = overdue => {
            tracing::info!("requests that did not end in time are broken off");
            Ok(())
        }
    }
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
