//! Who calls a door for programs: a hospital by its client certificate, or by a token of an issuer that the
//! configuration names. Nobody else; and whoever is turned away learns no more than that.
//!
//! Source: CDS Hooks 2.0, Trusting CDS Clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

use crate::domain::adcode::Adcode;
use crate::domain::fault::Fault;
use crate::domain::organisation::{Caller, OrganisationCode, Role};
use crate::doors::http::answer::Problem;
use crate::doors::tls::Peer;
use crate::pki::reload::Reloading;
use crate::pki::token::{Claims, Expected, KeySet, SKEW_S, Token, TokenError};
use crate::ports::clock::Clock;
use crate::ports::trace;

/// Admits programs of hospitals.
pub struct ClientGate {
    settings: GateSettings,
    clock: Arc<dyn Clock>,
    seen: Seen,
}

/// Whom a gate admits.
pub struct GateSettings {
    /// The region.
    pub region: Adcode,
    /// The one hospital that may come, at its own node; any of the region at the hub.
    pub own: Option<OrganisationCode>,
    /// How callers reach the door, without a slash at the end; the audience of tokens begins with it.
    pub base_url: String,
    /// Says whether the certificate of a caller was revoked since it connected.
    pub revoked: Box<dyn Fn(&Caller) -> bool + Send + Sync>,
    /// Whose tokens are taken; with none, only certificates are.
    pub clients: Vec<TokenClient>,
}

/// A program that signs its own tokens.
#[derive(Debug, Clone)]
pub struct TokenClient {
    /// `iss` of its tokens.
    pub issuer: String,
    /// Its public keys.
    pub keys: Reloading<KeySet>,
    /// The hospital it is of.
    pub organisation: OrganisationCode,
    /// Addresses of keys that its tokens may name. They are not fetched: the keys are those of the file.
    pub key_set_urls: Vec<String>,
}

impl ClientGate {
    /// Makes a gate.
    pub fn new(settings: GateSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, seen: Seen::default() }
    }

    /// Gives the time by which tokens are judged.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Gives how callers reach the door, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.settings.base_url
    }

    /// Says who calls `path`. A token that is sent must hold, whatever certificate is shown beside it.
    ///
    /// # Errors
    /// [`Problem`] to answer with; nothing of the request may be read.
    pub fn admit(&self, peer: Option<&Peer>, headers: &HeaderMap, path: &str) -> Result<Arc<Caller>, Problem> {
        if headers.contains_key(header::AUTHORIZATION) {
            let admitted = self.token(headers, path).map_err(|error| {
                tracing::debug!(%error, "a token was refused");
                Problem::new(Fault::Unproven, "")
            })?;
            trace::is_for(admitted.organisation);
            return Ok(admitted);
        }
        let caller = peer.and_then(|peer| peer.caller.as_ref());
        let caller = caller.filter(|caller| !(self.settings.revoked)(caller));
        let caller = caller.ok_or_else(|| Problem::new(Fault::Unproven, ""))?;
        let ours = self.settings.own.is_none_or(|own| own == caller.organisation);
        if caller.role == Role::Hospital && ours {
            Ok(Arc::clone(caller))
        } else {
            Err(Problem::new(Fault::Denied, "this door is for programs of a hospital that it serves"))
        }
    }

    fn token(&self, headers: &HeaderMap, path: &str) -> Result<Arc<Caller>, TokenError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(TokenError::Form) };
        let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(TokenError::Form)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::Form);
        }
        let token = Token::parse(token.trim())?;
        let client = self.settings.clients.iter().find(|client| token.issuer() == Some(client.issuer.as_str()));
        let client = client.ok_or(TokenError::Issuer)?;
        if token.key_set_url().is_some_and(|url| !client.key_set_urls.iter().any(|known| known == url)) {
            return Err(TokenError::Key);
        }
        let now_unix_ms = self.clock.now().unix_ms();
        let audience = format!("{}{path}", self.settings.base_url);
        let expected = Expected {
            issuer: &client.issuer,
            audience: &audience,
            now_unix_ms,
            lifetime_s_max: Some(TOKEN_LIFETIME_S_MAX),
        };
        let claims = token.verify(&client.keys.current(), &expected)?;
        self.seen.once(&client.issuer, &claims, now_unix_ms.div_euclid(1_000))?;
        Ok(Arc::new(Caller {
            region: self.settings.region,
            role: Role::Hospital,
            organisation: client.organisation,
            name: client.issuer.clone(),
            serial: None,
        }))
    }
}

/// Tokens that were taken, until they have expired: each opens the door once.
#[derive(Default)]
struct Seen(Mutex<HashMap<[u8; 32], i64>>);

impl Seen {
    fn once(&self, issuer: &str, claims: &Claims, now_s: i64) -> Result<(), TokenError> {
        let id = claims.id()?;
        let expires = claims.time("exp")?.ok_or(TokenError::Claim("exp"))?.saturating_add(SKEW_S);
        let mut hash = Sha256::new();
        hash.update(u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(issuer);
        hash.update(id);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, until| *until > now_s);
        }
        // Full of tokens that still hold: to forget one would let it in again.
        if seen.len() >= SEEN_MAX {
            return Err(TokenError::Claim("jti"));
        }
        match seen.insert(hash.finalize().into(), expires) {
            None => Ok(()),
            Some(until) if until <= now_s => Ok(()),
            Some(_) => Err(TokenError::Claim("jti")),
        }
    }
}

/// Longest life of a client's token. Source: CDS Hooks 2.0: not more than five minutes.
const TOKEN_LIFETIME_S_MAX: i64 = 300;
/// Most tokens remembered: 250 a second through all of their lives.
const SEEN_MAX: usize = 100_000;

#[cfg(test)]
pub(in crate::doors) mod tests;
