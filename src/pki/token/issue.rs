//! Makes tokens: for the development issuer and for tests. In a region the clients and the patients' issuer do.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// A private key on P-384 with a name; made anew each time, and kept in memory alone.
#[derive(Debug)]
pub struct IssuingKey {
    id: String,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

/// No key could be made, or nothing signed with it: the machine has no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no randomness")]
pub struct IssueError;

impl IssuingKey {
    /// Makes a key of the name `id`.
    ///
    /// # Errors
    /// [`IssueError`]; there is nothing to be done but to try elsewhere.
    pub fn generate(id: &str) -> Result<Self, IssueError> {
        let random = SystemRandom::new();
        let kind = &ECDSA_P384_SHA384_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).map_err(|_| IssueError)?;
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).map_err(|_| IssueError)?;
        Ok(Self { id: id.to_owned(), pair, random })
    }

    /// Gives the key set that verifies what this key signs.
    pub fn key_set(&self) -> Value {
        let point = self.pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({ "keys": [
            { "kty": "EC", "crv": "P-384", "use": "sig", "alg": "ES384", "kid": self.id, "x": x, "y": y },
        ] })
    }

    /// Signs a token that says `claims`.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn sign(&self, claims: &Value) -> Result<String, IssueError> {
        let header = json!({ "alg": "ES384", "kid": self.id, "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).map_err(|_| IssueError)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
