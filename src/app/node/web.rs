//! The node's HTTPS door, for the hospital's order screens and viewers: which doors stand behind it, and what they lean
//! on.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::https::{self, HttpsDoor};
use crate::app::node::config::NodeConfig;
use crate::app::node::serve::{NodeRunError, accept_settings};
use crate::doors::http::pages::assets;
use crate::doors::http::prompt::{self, Gate, PromptParts};
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
    behind: &TaskTracker,
    serving: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), NodeRunError> {
    let (Some(part), Some(listener)) = (&config.https, listener) else { return Ok(()) };
    let tls = part.tls(config.tls_files(), config.timing.watch_interval(), behind, stop.clone())?;
    let (accepting, grace) = (accept_settings(config), config.timing.stop_grace());
    let door = HttpsDoor { listener, tls, accepting, grace };
    tracing::info!(address = %part.listen, "HTTPS serving");
    let gate = https::certificates(door.tls.clone(), Some(config.organisation));
    serving.spawn(door.serve(doors(front, gate, part.base_url()), stop.clone()));
    Ok(())
}

/// Gives the doors, each with its own paths.
fn doors(front: Front, gate: Gate, base_url: String) -> Router {
    let Front { forwarder, clock } = front;
    let viewing = Arc::new(Viewing::new(forwarder, random::bytes));
    let (views, time) = (Arc::clone(&viewing), Arc::clone(&clock));
    Router::new()
        .merge(assets::router())
        .merge(prompt::router(PromptParts { viewing, gate, base_url, clock, random: random::bytes }))
        .merge(view::router(ViewParts { viewing: views, clock: time }))
}
