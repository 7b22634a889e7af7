//! What a hub and a node show to those who run them: health, metrics, traces, and an orderly end. Both begin it here.

mod page;
pub mod papers;
mod room;
pub mod traces;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::app::credentials::{self, CredentialsError, TlsFiles};
use crate::app::process::Behind;
use crate::domain::organisation::OrganisationCode;
use crate::doors::calls::Calls;
use crate::doors::health::{Check, Health};
use crate::doors::http::operations::{self, WritePage};
use crate::doors::http::serve;
use crate::doors::tls::{AcceptSettings, accept};

pub use self::page::CommonPage;
pub use self::papers::Papers;
pub use self::room::Floor;

/// `[metrics]` of `hub.toml` and `node.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsPart {
    /// Address and port of `/metrics`, `/healthz` and `/readyz`: plain HTTP on an address of the machine itself, TLS with
    /// a client certificate of the operator or of the own organisation elsewhere.
    pub listen: SocketAddr,
}

/// `[health]` of `hub.toml` and `node.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthPart {
    /// Room on the disk below which the process is not ready, in MiB.
    pub disk_floor_mib: u32,
    /// How long new requests are still taken after a stop, not ready any more, in seconds.
    pub drain_s: u16,
}

/// The health of a process, and what it counts; begun before anything is served.
#[derive(Clone)]
pub struct Operations {
    /// Where the process stands.
    pub health: Health,
    /// What was called.
    pub calls: Arc<Calls>,
    reporter: HealthReporter,
}

/// Makes the checks of a process; blocks.
pub type MakeChecks = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;

/// Where the page is served, and to whom.
pub struct Shown {
    /// Where it listens.
    pub listener: TcpListener,
    /// The TLS files of the process.
    pub tls: TlsFiles,
    /// How callers are taken.
    pub accepting: AcceptSettings,
    /// The organisation whose process it is, beside the operator.
    pub own: Option<OrganisationCode>,
    /// How often changed files are looked for.
    pub interval: Duration,
}

impl Operations {
    /// Joins what is counted with the gRPC health service.
    pub fn new(calls: Calls, reporter: HealthReporter) -> Self {
        Self { health: Health::default(), calls: Arc::new(calls), reporter }
    }

    /// Gives the token that stops the doors, some time after `asked`: until then the process says that it is not ready,
    /// so that nobody new is sent to it, and still answers.
    pub fn closing(&self, asked: &CancellationToken, part: HealthPart, behind: &Behind) -> CancellationToken {
        let (asked, stop, own) = (asked.clone(), CancellationToken::new(), self.clone());
        let (told, behind_stop) = (stop.clone(), behind.stop.clone());
        behind.tasks.spawn(async move {
            if behind_stop.run_until_cancelled(asked.cancelled()).await.is_none() {
                return;
            }
            own.health.stop();
            own.report().await;
            let _ = behind_stop.run_until_cancelled(tokio::time::sleep(part.drain())).await;
            told.cancel();
        });
        stop
    }

    /// Makes the checks once, and then every second until the process ends.
    pub async fn watch(&self, checks: MakeChecks, behind: &Behind) {
        self.look(&checks).await;
        let (own, stop) = (self.clone(), behind.stop.clone());
        behind.tasks.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL)).await.is_some() {
                own.look(&checks).await;
            }
        });
    }

    async fn look(&self, checks: &MakeChecks) {
        let (made, before) = (Arc::clone(checks), self.health.report().status);
        if let Ok(found) = tokio::task::spawn_blocking(move || made()).await {
            self.health.found(found);
        }
        let report = self.health.report();
        if report.status != before {
            let wrong: Vec<&str> =
                report.checks.iter().filter(|check| !check.reason.is_empty()).map(|it| it.name).collect();
            tracing::info!(status = ?report.status, ?wrong, "health");
        }
        self.report().await;
    }

    /// Has `grpc.health.v1` say what `/readyz` says.
    async fn report(&self) {
        let status = match self.health.report().status.is_ready() {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        self.reporter.set_service_status("", status).await;
    }

    /// Serves page and health until the process ends, where they are shown.
    ///
    /// # Errors
    /// [`CredentialsError`] naming the file to replace; do not start.
    pub fn serve(&self, shown: Option<Shown>, page: WritePage, behind: &Behind) -> Result<(), CredentialsError> {
        let Some(shown) = shown else { return Ok(()) };
        let (doors, stop) = (operations::router(self.health.clone(), page), behind.stop.clone());
        let address = shown.listener.local_addr();
        tracing::info!(?address, "metrics and health");
        if address.is_ok_and(|address| address.ip().is_loopback()) {
            behind.tasks.spawn(operations::serve_plain(shown.listener, doors, stop));
            return Ok(());
        }
        let (tls, watcher) = credentials::web(shown.tls, shown.interval)?;
        behind.tasks.spawn(watcher.run(stop.clone()));
        let (acceptor, incoming) = accept(shown.listener, tls, shown.accepting);
        behind.tasks.spawn(acceptor.run(stop.clone()));
        behind.tasks.spawn(serve::serve(incoming, operations::guarded(doors, shown.own), Duration::ZERO, stop));
        Ok(())
    }
}

impl MetricsPart {
    /// Binds the listener.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.listen).await
    }
}

impl HealthPart {
    /// Gives the time for which new requests are still taken after a stop.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(u64::from(self.drain_s))
    }

    /// Gives the room on the disk below which the process is not ready, in bytes.
    pub fn disk_floor_bytes(&self) -> u64 {
        u64::from(self.disk_floor_mib) << 20
    }
}

impl Default for HealthPart {
    fn default() -> Self {
        Self { disk_floor_mib: 512, drain_s: 1 }
    }
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
