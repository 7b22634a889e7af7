//! JSON Web Key Sets: public keys by their names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use super::TokenError;
use crate::domain::fault::{Fault, Faulty};

/// Public keys of one issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet(Vec<Key>);

/// An algorithm that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    id: String,
    /// The one algorithm that its owner uses it with, where the set says so.
    only: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A key set cannot be used; the issuer has to correct it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is not a JSON Web Key Set, or larger than one may be.
    #[error("not a JSON Web Key Set of at most {KEYS_MAX} keys and {SET_BYTES_MAX} bytes")]
    Form,
    /// The key at this place, from 0, lacks something or is malformed.
    #[error("key {0} of the set is malformed")]
    Key(usize),
    /// The key at this place, from 0, is private: whoever has it can pass for its owner.
    #[error("key {0} of the set is private; give the public part, and make a new key")]
    Private(usize),
    /// No key in it can verify a token.
    #[error("the set has no key of a kind that is taken, with a kid")]
    Empty,
}

impl KeySet {
    /// Reads a key set. Keys for other uses and of kinds that are not taken are left out.
    ///
    /// # Errors
    /// [`KeySetError`]; keep the set in force.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > SET_BYTES_MAX {
            return Err(KeySetError::Form);
        }
        let set: SetFile = serde_json::from_slice(bytes).map_err(|_| KeySetError::Form)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::Form);
        }
        let mut keys = Vec::with_capacity(set.keys.len());
        for (place, value) in set.keys.into_iter().enumerate() {
            let file: KeyFile = serde_json::from_value(value).map_err(|_| KeySetError::Key(place))?;
            if file.d.is_some() {
                return Err(KeySetError::Private(place));
            }
            keys.extend(Key::read(&file).map_err(|()| KeySetError::Key(place))?);
        }
        if keys.is_empty() { Err(KeySetError::Empty) } else { Ok(Self(keys)) }
    }

    /// Finds the key that has the name and verifies the algorithm.
    pub fn find(&self, id: &str, algorithm: Algorithm) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id && key.verifies(algorithm))
    }
}

impl Algorithm {
    /// Finds an algorithm by its name; `none`, HMAC and all others are not taken.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "RS384" => Some(Self::Rs384),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

impl Key {
    /// Reads a key; nothing where it is not for signatures, has no name, or is of another kind.
    fn read(file: &KeyFile) -> Result<Option<Self>, ()> {
        let signs = file.r#use.as_deref().is_none_or(|used| used == "sig")
            && file.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|used| used == "verify"));
        let Some(id) = file.kid.clone().filter(|id| !id.is_empty() && signs) else { return Ok(None) };
        let only = match file.alg.as_deref().map(Algorithm::named) {
            Some(None) => return Ok(None),
            Some(only) => only,
            None => None,
        };
        let material = match (file.kty.as_str(), file.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { modulus: number(&file.n)?, exponent: number(&file.e)? },
            ("EC", Some("P-256")) => Material::P256(point::<32>(file)?),
            ("EC", Some("P-384")) => Material::P384(point::<48>(file)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(exact::<32>(&file.x)?),
            _ => return Ok(None),
        };
        Ok(Some(Self { id, only, material }))
    }

    fn verifies(&self, algorithm: Algorithm) -> bool {
        let kind = match self.material {
            Material::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Rs384),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        kind && self.only.is_none_or(|only| only == algorithm)
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// [`TokenError`] when it is not this key's, or the key does not verify the algorithm.
    pub fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        if !self.verifies(algorithm) {
            return Err(TokenError::Key);
        }
        let verified = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, _) => {
                let parameters = match algorithm {
                    Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, signed, signature)
            }
            (Material::P256(point), _) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            (Material::P384(point), _) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(signed, signature)
            }
            (Material::Ed25519(key), _) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
        };
        verified.map_err(|_| TokenError::Signature)
    }
}

impl Faulty for KeySetError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

#[derive(Deserialize)]
struct SetFile {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct KeyFile {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Value>,
}

/// A point as it lies in memory: 4, then both coordinates at their full length.
fn point<const BYTES: usize>(file: &KeyFile) -> Result<Vec<u8>, ()> {
    let mut point = vec![4];
    point.extend(exact::<BYTES>(&file.x)?);
    point.extend(exact::<BYTES>(&file.y)?);
    Ok(point)
}

fn exact<const BYTES: usize>(text: &Option<String>) -> Result<Vec<u8>, ()> {
    bytes(text).and_then(|bytes| if bytes.len() == BYTES { Ok(bytes) } else { Err(()) })
}

/// A number without the zeros that some libraries write before it.
fn number(text: &Option<String>) -> Result<Vec<u8>, ()> {
    let bytes = bytes(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).filter(|number| !number.is_empty()).map(<[u8]>::to_vec).ok_or(())
}

fn bytes(text: &Option<String>) -> Result<Vec<u8>, ()> {
    URL_SAFE_NO_PAD.decode(text.as_deref().ok_or(())?).map_err(|_| ())
}

const KEYS_MAX: usize = 64;
const SET_BYTES_MAX: usize = 128 << 10;
