//! The patients' doors: `/patient/v1` for programs, `/me` for browsers. Both stand behind one gate, and lean on what the
//! hub does for patients.

pub mod api;
pub mod gate;
pub mod login;
pub mod me;

use std::sync::Arc;

use crate::doors::http::paths::Paths;
use crate::doors::http::patient::gate::Gate;
use crate::doors::http::patient::login::Logins;
use crate::service::hub::exchange::HubExchange;
use crate::service::viewing::Viewing;

/// Gives the patients' doors, whose pages show reports through `viewing`; `base_url` is how browsers reach the hub.
pub fn doors(gate: &Arc<Gate>, viewing: &Arc<Viewing<HubExchange>>, base_url: &str, random: fn() -> [u8; 32]) -> Paths {
    let logins = Arc::new(Logins::new(Arc::clone(gate), Arc::clone(viewing), base_url, random));
    api::router(gate).merge(me::router(logins))
}
