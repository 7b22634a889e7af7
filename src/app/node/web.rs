//! The node's HTTPS door, for the hospital's order screens and viewers: which doors stand behind it, and what they lean
//! on.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::clients::{self, Watching, Whose};
use crate::app::https::HttpsDoor;
use crate::app::node::config::NodeConfig;
use crate::app::node::serve::{NodeRunError, accept_settings};
use crate::app::operations::Operations;
use crate::app::renderer::ProcessRenderer;
use crate::doors::http::cds::Cds;
use crate::doors::http::client::ClientGate;
use crate::doors::http::image;
use crate::doors::http::pages::assets;
use crate::doors::http::paths::Paths;
use crate::doors::http::prompt::{self, PromptParts};
use crate::doors::http::view::{self, ViewParts};
use crate::ports::clock::Clock;
use crate::service::node::forward::Forwarder;
use crate::service::viewing::Viewing;
use crate::sys::random;

/// What the doors of a node lean on.
pub struct Front {
    /// The way to the hub.
    pub forwarder: Forwarder,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Opens the door on `listener`, where the configuration has one; it closes at `stop`.
///
/// # Errors
/// [`NodeRunError::Credentials`] naming the file to replace.
pub fn open(
    config: &NodeConfig,
    front: Front,
    listener: Option<TcpListener>,
    (operations, behind): (&Operations, &TaskTracker),
    serving: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), NodeRunError> {
    let (Some(part), Some(listener)) = (&config.https, listener) else { return Ok(()) };
    let tls = part.tls(config.tls_files(), config.timing.watch_interval(), behind, stop.clone())?;
    let (accepting, grace) = (accept_settings(config), config.timing.stop_grace());
    let door = HttpsDoor { listener, tls, accepting, shares: None, grace, operations: Some(operations.clone()) };
    tracing::info!(address = %part.listen, "HTTPS serving");
    let watching = Watching { interval: config.timing.watch_interval(), behind, stop };
    let whose = Whose { region: config.region, own: Some(config.organisation), clock: Arc::clone(&front.clock) };
    let gate = clients::gate(part, whose, door.tls.clone(), &watching)?;
    let viewing = Arc::new(Viewing::new(front.forwarder, random::bytes));
    let cds = Cds::new(Arc::clone(&gate), Arc::clone(&viewing), clients::identifiers(part), behind.clone());
    let doors = doors(viewing, &front.clock, &gate).merge(Arc::new(cds).router());
    serving.spawn(door.serve(doors, stop.clone()));
    Ok(())
}

/// Gives the doors, each with its own paths.
fn doors(viewing: Arc<Viewing<Forwarder>>, clock: &Arc<dyn Clock>, gate: &Arc<ClientGate>) -> Paths {
    let views = ViewParts { viewing: Arc::clone(&viewing), clock: Arc::clone(clock) };
    let images = image::router(Arc::clone(&viewing), Arc::new(ProcessRenderer::new()), Arc::clone(clock));
    let base_url = gate.base_url().to_owned();
    let gate = clients::prompting(Arc::clone(gate));
    let prompts = PromptParts { viewing, gate, base_url, clock: Arc::clone(clock), random: random::bytes };
    assets::router().merge(prompt::router(prompts)).merge(view::router(views)).merge(images)
}
