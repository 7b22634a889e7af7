//! Requests that were answered, by their callers' keys, so that a repeated one gets the same answer.

use super::{HubChange, HubTables, hashed};
use crate::domain::log::LogPlace;
use crate::domain::organisation::OrganisationCode;
use crate::store::packing::{Packer, Unpacker};
use crate::store::projection::{ProjectionError, Rows, Table};

/// What was requested; a key is unique in its organisation and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A check.
    Check,
    /// A decision.
    Decision,
    /// A revocation.
    Revocation,
    /// Shown, viewed or quoted.
    Event,
    /// A check that was answered without the hub.
    Miss,
    /// A consent.
    Consent,
    /// An opening without an order.
    Opening,
}

pub(super) const TABLES: &[Table] = &[REQUESTS];

impl<R: Rows> HubTables<R> {
    /// Gives the record of a request that was answered before.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn request(
        &self,
        organisation: OrganisationCode,
        kind: RequestKind,
        key: &str,
    ) -> Result<Option<LogPlace>, ProjectionError> {
        let found = self.row(REQUESTS, &request_key(organisation, kind, key))?;
        Ok(found.map(|found| Unpacker::new(&found).place()).transpose()?)
    }
}

impl HubChange<'_> {
    /// Notes the record of a request that is answered.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_request(
        &self,
        organisation: OrganisationCode,
        kind: RequestKind,
        key: &str,
        place: LogPlace,
    ) -> Result<(), ProjectionError> {
        self.put(REQUESTS, &request_key(organisation, kind, key), &Packer::default().place(place).finish())
    }
}

/// Only the last part varies in length, so no two requests run together.
fn request_key(organisation: OrganisationCode, kind: RequestKind, key: &str) -> [u8; 16] {
    let kind = match kind {
        RequestKind::Check => 1,
        RequestKind::Decision => 2,
        RequestKind::Revocation => 3,
        RequestKind::Event => 4,
        RequestKind::Miss => 5,
        RequestKind::Consent => 6,
        RequestKind::Opening => 7,
    };
    hashed(&Packer::default().bytes(organisation.as_str().as_bytes()).byte(kind).bytes(key.as_bytes()).finish())
}

const REQUESTS: Table = Table::new("requests");
