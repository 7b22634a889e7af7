//! The hub's HTTPS door: which doors stand behind it, and what they lean on.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::clients::{self, Watching, Whose};
use crate::app::https::HttpsDoor;
use crate::app::hub::config::HubConfig;
use crate::app::hub::patients;
use crate::app::hub::serve::{HubRunError, accept_settings};
use crate::app::operations::Operations;
use crate::app::process::Behind;
use crate::app::renderer::ProcessRenderer;
use crate::doors::auth::revoked;
use crate::doors::http::cds::Cds;
use crate::doors::http::client::ClientGate;
use crate::doors::http::fhir::{self, FhirDoor, Readers};
use crate::doors::http::image;
use crate::doors::http::pages::assets;
use crate::doors::http::paths::Paths;
use crate::doors::http::prompt::{self, PromptParts};
use crate::doors::http::shl;
use crate::doors::http::view::{self, ViewParts};
use crate::doors::settled::settled;
use crate::doors::shares::Shares;
use crate::service::hub::Hub;
use crate::service::hub::exchange::HubExchange;
use crate::service::viewing::Viewing;
use crate::sys::random;

/// The door while it is open.
pub struct Web {
    exchange: HubExchange,
    serving: TaskTracker,
}

/// Opens the door on `listener`, where the configuration has one; it closes at `stop`. Its callers have their part of the
/// same `shares` as those of the other door.
///
/// # Errors
/// [`HubRunError::Credentials`] or [`HubRunError::Patients`] naming what to correct.
pub fn open(
    config: &HubConfig,
    hub: &Arc<Hub>,
    listener: Option<TcpListener>,
    shares: Arc<Shares>,
    (operations, behind): (&Operations, &Behind),
    stop: &CancellationToken,
) -> Result<Web, HubRunError> {
    let (exchange, serving) = (HubExchange::new(Arc::clone(hub), CHECK_WAIT_MAX), TaskTracker::new());
    if let (Some(part), Some(listener)) = (&config.https, listener) {
        let tls = part.tls(config.tls_files(), config.limits.watch_interval(), &behind.tasks, behind.stop.clone())?;
        let (accepting, grace) = (accept_settings(config), config.limits.stop_grace());
        let trusted = tls.clone();
        let door =
            HttpsDoor { listener, tls, accepting, shares: Some(shares), grace, operations: Some(operations.clone()) };
        tracing::info!(address = %part.listen, "HTTPS serving");
        let watching = Watching { interval: config.limits.watch_interval(), behind: &behind.tasks, stop: &behind.stop };
        let whose = Whose { region: config.region, own: None, clock: hub.clock() };
        let gate = clients::gate(part, whose, door.tls.clone(), &watching)?;
        let viewing = Arc::new(Viewing::new(exchange.clone(), random::bytes));
        let cds = Cds::new(Arc::clone(&gate), Arc::clone(&viewing), clients::identifiers(part), behind.tasks.clone());
        let patients_gate = patients::gate(config, hub)?;
        let readers = Readers::new(move |caller| revoked(caller, &trusted.current()));
        let readers = readers.with_programs(Arc::clone(&gate)).with_patients(patients_gate.clone());
        let fhir = FhirDoor::new(Arc::clone(hub), readers, config.region, &part.base_url());
        let patients = patients::doors(patients_gate.as_ref(), &viewing, &part.base_url());
        let doors = doors(hub, viewing, &gate).merge(Arc::new(cds).router());
        let doors = doors.merge(fhir::router(fhir)).merge(patients).with(|doors| settled(doors, Arc::clone(hub)));
        serving.spawn(door.serve(doors, stop.clone()));
    }
    serving.close();
    Ok(Web { exchange, serving })
}

/// Gives the doors, each with its own paths.
fn doors(hub: &Arc<Hub>, viewing: Arc<Viewing<HubExchange>>, gate: &Arc<ClientGate>) -> Paths {
    let views = ViewParts { viewing: Arc::clone(&viewing), clock: hub.clock() };
    let images = image::router(Arc::clone(&viewing), Arc::new(ProcessRenderer::new()), hub.clock());
    let base_url = gate.base_url().to_owned();
    let gate = clients::prompting(Arc::clone(gate));
    let prompts = PromptParts { viewing, gate, base_url, clock: hub.clock(), random: random::bytes };
    assets::router()
        .merge(shl::router(Arc::clone(hub)))
        .merge(prompt::router(prompts))
        .merge(view::router(views))
        .merge(images)
}

impl Web {
    /// Waits until nobody is served any more, and everything that was answered is recorded.
    pub async fn close(self) {
        self.serving.wait().await;
        self.exchange.close().await;
    }
}

/// As a node's [`crate::service::node::forward::ForwardSettings`].
const CHECK_WAIT_MAX: Duration = Duration::from_millis(300);
