//! The hub: takes signed batches, judges, prompts, and brings originals.
//!
//! Whatever it does is first a record of its journal; see [`ledger`] for the way in, [`projector`] for the way to the
//! tables and the index, and [`log_keeper`] for the public log.

pub mod access;
mod ahead;
pub mod answer;
pub mod audience;
pub mod candidates;
mod cases;
mod check;
mod chosen;
pub mod consent;
mod decide;
pub mod error;
pub mod exchange;
pub mod fold;
mod follow;
mod follow_up;
pub mod grant;
mod history;
mod identity;
pub mod ledger;
pub mod line;
pub mod link;
pub mod log_keeper;
mod open;
pub mod oversight;
pub mod own;
pub mod piece;
mod places;
pub mod projector;
mod proof;
pub mod pseudonym;
mod publication;
pub mod qualifications;
pub mod reading;
pub mod recalls;
pub mod registry;
mod requalify;
pub mod results;
pub mod retrieval;
pub mod standing;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
pub mod tests;
pub mod transparency;
mod tunnel;
mod turn;
mod viewing;
mod witness;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::id::ConsentId;
use crate::domain::limits::PUBLICATIONS_PER_ORGANISATION_MAX;
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::merkle::note::VerifierKey;
use crate::ports::clock::Clock;
use crate::ports::index::EntryIndex;
use crate::service::hub::ahead::Ahead;
use crate::service::hub::grant::Grants;
use crate::service::hub::ledger::Ledger;
use crate::service::hub::link::Links;
use crate::service::hub::places::Places;
use crate::service::hub::pseudonym::Pseudonyms;
use crate::service::hub::registry::Registry;
use crate::service::hub::retrieval::Retrieval;
use crate::service::hub::standing::Figures;
use crate::service::hub::turn::Turns;
use crate::service::hub::witness::Witnesses;
use crate::store::hub::HubState;
use crate::store::tiles::TileReader;

/// What a hub is made of. The projector and the log keeper that follow the journal run beside it.
pub struct HubParts {
    /// The way into the journal.
    pub ledger: Ledger,
    /// What is known of the region.
    pub registry: Arc<Registry>,
    /// The index of entries.
    pub index: Arc<dyn EntryIndex>,
    /// The other tables.
    pub state: Arc<HubState>,
    /// The log's tiles.
    pub tiles: TileReader,
    /// The log's public key; its name is the log's origin.
    pub log_key: VerifierKey,
    /// Gives and reads grants.
    pub grants: Grants,
    /// Makes and opens links.
    pub links: Links,
    /// Makes pseudonyms.
    pub pseudonyms: Pseudonyms,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The hub's service: one value, shared by all doors.
pub struct Hub {
    parts: HubParts,
    /// One publisher's batches are taken one after the other.
    publishers: Turns<OrganisationCode>,
    /// Streams of batches that are open.
    publications: Places,
    /// One hospital's decisions on one prompt, and uses of one key, are taken one after the other.
    requests: Turns<(OrganisationCode, String)>,
    /// Checks that the tables may not have yet.
    ahead: Ahead,
    /// Uses of one consent, and guesses at its passcode, are taken one after the other.
    consents: Turns<ConsentId>,
    /// New persons are learned one after the other.
    persons: tokio::sync::Mutex<()>,
    /// Tunnels, and fetches under way.
    retrieval: Retrieval,
    /// Streams of recalls end with it.
    recalls_closed: CancellationToken,
    /// What is counted.
    figures: Figures,
    /// Checkpoints that nodes cosign.
    witnesses: Witnesses,
}

impl Hub {
    /// Opens the service over its parts.
    pub fn new(parts: HubParts) -> Self {
        Self {
            parts,
            publishers: Turns::default(),
            publications: Places::new(PUBLICATIONS_PER_ORGANISATION_MAX),
            requests: Turns::default(),
            ahead: Ahead::default(),
            consents: Turns::default(),
            persons: tokio::sync::Mutex::default(),
            retrieval: Retrieval::default(),
            recalls_closed: CancellationToken::new(),
            figures: Figures::default(),
            witnesses: Witnesses::default(),
        }
    }

    /// Gives the hub's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.parts.clock)
    }

    /// Gives the time at the hub.
    pub fn now(&self) -> Moment {
        self.parts.clock.now()
    }

    /// Gives what is known of the region.
    pub fn registry(&self) -> &Registry {
        &self.parts.registry
    }
}
