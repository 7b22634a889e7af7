//! Floor 3: certificates, signing keys, revocation, the TLS settings made of them, and tokens.

pub mod authority;
pub mod expiry;
pub mod identity;
pub mod register;
pub mod reload;
pub mod signing;
pub mod tls;
pub mod token;
pub mod trust;

use time::OffsetDateTime;

use crate::domain::time::Moment;

/// Gives a moment as X.509 writes times, in whole seconds.
fn x509_time(at: Moment) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.unix_ms().div_euclid(1_000)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
