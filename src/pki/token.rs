//! JSON Web Tokens, verified on the one crypto library of the house. A key decides by its kind which algorithm it
//! verifies; what a token says of itself decides nothing. Whose tokens are taken, and what for, is the doors' business.
//!
//! Source: RFC 7515, 7517, 7519; RFC 8725 for what is refused.

mod issue;
mod keys;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::limits::TOKEN_BYTES_MAX;

pub use self::issue::{IssueError, IssuingKey};
pub use self::keys::{Algorithm, KeySet, KeySetError};

/// A token as it was sent: taken apart, and not believed yet.
#[derive(Clone)]
pub struct Token<'a> {
    algorithm: Algorithm,
    key_id: String,
    key_set_url: Option<String>,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The one issuer.
    pub issuer: &'a str,
    /// The audience that must be among the token's.
    pub audience: &'a str,
    /// Now, in milliseconds since 1970-01-01T00:00:00Z.
    pub now_unix_ms: i64,
    /// Longest time from `iat`, which must then be there, to `exp`; nothing where the issuer decides.
    pub lifetime_s_max: Option<i64>,
}

/// What a verified token says. `Debug` prints none of it, for it may name a person.
#[derive(Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

/// A token is not believed; its sender is told no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token that can be read.
    #[error("not a signed token of at most {TOKEN_BYTES_MAX} bytes")]
    Form,
    /// Its algorithm is none that is taken: `none` and HMAC never are.
    #[error("the token's algorithm is not taken")]
    Algorithm,
    /// No key of the issuer has its name and verifies its algorithm.
    #[error("no key of the issuer fits the token")]
    Key,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet, or lives longer than it may.
    #[error("the token's times cannot be taken")]
    Times,
    /// Another issuer made it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It was made for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// A claim is missing or not of its kind.
    #[error("claim {0} is missing or wrong")]
    Claim(&'static str),
}

impl<'a> Token<'a> {
    /// Takes a token apart, without believing any of it.
    ///
    /// # Errors
    /// [`TokenError`]; refuse the request.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Form);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
        let (header, claims) = (object(header)?, object(claims)?);
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(TokenError::Algorithm)?;
        // An extension that must be understood is not, whichever it is.
        if header.contains_key("crit") || !typed(header.get("typ")) {
            return Err(TokenError::Form);
        }
        let word = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            algorithm: Algorithm::named(algorithm).ok_or(TokenError::Algorithm)?,
            key_id: word("kid").ok_or(TokenError::Key)?,
            key_set_url: word("jku"),
            claims,
            signed,
            signature: decoded(signature)?,
        })
    }

    /// Gives the issuer that the token claims, by which its keys are found.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// Gives the address of keys that the token claims. It is compared with those allowed, and never fetched.
    pub fn key_set_url(&self) -> Option<&str> {
        self.key_set_url.as_deref()
    }

    /// Says whether `keys` hold one that the token names: if not, the issuer may have changed its keys.
    pub fn has_key_in(&self, keys: &KeySet) -> bool {
        keys.find(&self.key_id, self.algorithm).is_some()
    }

    /// Verifies the signature, and then the issuer, the audience and the times.
    ///
    /// # Errors
    /// [`TokenError`]; refuse the request, and do not say why.
    pub fn verify(self, keys: &KeySet, expected: &Expected<'_>) -> Result<Claims, TokenError> {
        let key = keys.find(&self.key_id, self.algorithm).ok_or(TokenError::Key)?;
        key.verify(self.algorithm, self.signed.as_bytes(), &self.signature)?;
        let claims = Claims(self.claims);
        if claims.text("iss") != Some(expected.issuer) {
            return Err(TokenError::Issuer);
        }
        if !claims.words("aud").contains(&expected.audience) {
            return Err(TokenError::Audience);
        }
        claims.in_time(expected)?;
        Ok(claims)
    }
}

impl Claims {
    /// Gives a claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Gives a claim that is one text or an array of texts.
    pub fn words(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::String(word)) => vec![word],
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Gives a claim that is a time, in seconds since 1970-01-01T00:00:00Z, fractions cut off.
    ///
    /// # Errors
    /// [`TokenError::Claim`] when it is there and no such number.
    pub fn time(&self, name: &'static str) -> Result<Option<i64>, TokenError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let whole = value.as_i64().or_else(|| {
            let seconds = value.as_f64().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds))?;
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked, and fractions are cut off")]
            Some(seconds as i64)
        });
        whole.map(Some).ok_or(TokenError::Claim(name))
    }

    /// Gives any claim.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Gives `jti`, the token's own name.
    ///
    /// # Errors
    /// [`TokenError::Claim`] when it is missing, empty or longer than 256 bytes.
    pub fn id(&self) -> Result<&str, TokenError> {
        self.text("jti").filter(|id| (1..=ID_BYTES_MAX).contains(&id.len())).ok_or(TokenError::Claim("jti"))
    }

    fn in_time(&self, expected: &Expected<'_>) -> Result<(), TokenError> {
        let now = expected.now_unix_ms.div_euclid(1_000);
        let expires = self.time("exp")?.ok_or(TokenError::Claim("exp"))?;
        let issued = self.time("iat")?;
        if expires.saturating_add(SKEW_S) <= now {
            return Err(TokenError::Expired);
        }
        if self.time("nbf")?.max(issued).is_some_and(|begins| begins > now.saturating_add(SKEW_S)) {
            return Err(TokenError::Times);
        }
        let Some(lifetime) = expected.lifetime_s_max else { return Ok(()) };
        let issued = issued.ok_or(TokenError::Claim("iat"))?;
        if expires.saturating_sub(issued) > lifetime.saturating_add(SKEW_S) {
            return Err(TokenError::Times);
        }
        Ok(())
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} claims]", self.0.len())
    }
}

impl Faulty for TokenError {
    fn fault(&self) -> Fault {
        Fault::Unproven
    }
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    match serde_json::from_slice(&decoded(part)?) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(TokenError::Form),
    }
}

/// Decodes base64url; padding, and bits that no encoder would set, are refused.
fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form)
}

/// Says whether a token is of a kind that carries claims; one kind must not pass for another.
fn typed(kind: Option<&Value>) -> bool {
    match kind {
        None => true,
        Some(Value::String(kind)) => ["jwt", "at+jwt", "application/at+jwt"].contains(&kind.to_lowercase().as_str()),
        Some(_) => false,
    }
}

/// How far clocks may differ, in seconds.
pub const SKEW_S: i64 = 60;
const ID_BYTES_MAX: usize = 256;
/// The end of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

#[cfg(test)]
mod tests;
