//! Signatures on content: an organisation's Ed25519 key, and the record by which others verify what it signed.
//!
//! The time of a signature is given by the caller, who knows by what evidence it is believed.

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::identity::{self, IdentityError, Purpose};
use super::trust::Trust;
use crate::domain::adcode::Adcode;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::{CertificateSerial, OrganisationCode, Role};
use crate::domain::time::Moment;
use crate::merkle::note::COSIGNED_AS;

/// The name of a signing key: the first 8 bytes of the SHA-256 of its raw public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SigningKeyId(pub [u8; 8]);

/// An organisation's private signing key; wiped when dropped.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    record: VerifyingKeyRecord,
}

/// What is needed to verify an organisation's signatures, taken from a signing certificate that was itself verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKeyRecord {
    /// The key's name.
    pub key_id: SigningKeyId,
    /// The region of the authority.
    pub region: Adcode,
    /// Whose key it is.
    pub organisation: OrganisationCode,
    /// The part the organisation plays.
    pub role: Role,
    /// The serial number of the certificate.
    pub serial: CertificateSerial,
    /// The first moment of a good signature.
    pub not_before: Moment,
    /// The last moment of a good signature.
    pub not_after: Moment,
    /// From when on signatures are not believed, if the key was revoked.
    pub revoked_since: Option<Moment>,
    /// The raw public key.
    pub public_key: [u8; 32],
}

/// What is signed, so that a signature on one thing is never one on another: `CONCORD-<WHAT>-V<N>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningDomain(pub &'static str);

/// A signing certificate, key or signature is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The file does not hold exactly one certificate.
    #[error("the signing certificate cannot be read; have it issued again")]
    Certificate,
    /// The private key is not Ed25519 in PKCS#8.
    #[error("the signing key is not Ed25519 in PKCS#8; have it issued again")]
    Key,
    /// The private key is not the one the certificate names.
    #[error("the signing key is not the key of the signing certificate; copy both from the same place")]
    WrongKey,
    /// The certificate names nobody of this exchange.
    #[error("signing certificate: {0}")]
    Identity(#[from] IdentityError),
    /// Another authority issued the certificate, or somebody changed it.
    #[error("the signing certificate is not signed by this region's authority")]
    Issuer,
    /// The certificate is not for signing documents.
    #[error("the certificate's key usage does not allow signing content")]
    Usage,
    /// The signature was made before the key was valid or after it ran out.
    #[error("the signature was made outside the key's period of validity")]
    Period,
    /// The signature was made after the key was revoked.
    #[error("the signature was made after the key was revoked")]
    Revoked,
    /// The signature does not fit the bytes.
    #[error("the signature does not fit the content")]
    Signature,
}

impl SigningKey {
    /// Takes up a key from PEM, with its certificate verified against `trust`.
    ///
    /// # Errors
    /// [`SigningError`] naming the file to replace.
    pub fn load(key_pem: &[u8], certificate_pem: &[u8], trust: &Trust) -> Result<Self, SigningError> {
        let text = std::str::from_utf8(key_pem).map_err(|_| SigningError::Key)?;
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text).map_err(|_| SigningError::Key)?;
        let record = VerifyingKeyRecord::from_pem(certificate_pem, trust)?;
        if key.verifying_key().to_bytes() != record.public_key {
            return Err(SigningError::WrongKey);
        }
        Ok(Self { key, record })
    }

    /// Signs `bytes` as something of `domain`.
    pub fn sign(&self, domain: SigningDomain, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(&separated(domain, bytes)).to_bytes()
    }

    /// Signs what a witness says of a checkpoint, as it is: it begins otherwise than whatever [`SigningKey::sign`] signs.
    pub fn cosign(&self, message: &[u8]) -> [u8; 64] {
        assert!(message.starts_with(COSIGNED_AS.as_bytes()), "only cosignatures are signed without a domain");
        self.key.sign(message).to_bytes()
    }

    /// Shows the record by which others verify the key's signatures.
    pub fn record(&self) -> &VerifyingKeyRecord {
        &self.record
    }
}

impl VerifyingKeyRecord {
    /// Reads a signing certificate from PEM; see [`VerifyingKeyRecord::from_der`].
    ///
    /// # Errors
    /// As [`VerifyingKeyRecord::from_der`].
    pub fn from_pem(certificate_pem: &[u8], trust: &Trust) -> Result<Self, SigningError> {
        let mut found = CertificateDer::pem_slice_iter(certificate_pem);
        let (Some(Ok(der)), None) = (found.next(), found.next()) else { return Err(SigningError::Certificate) };
        Self::from_der(&der, trust)
    }

    /// Reads a signing certificate and verifies its issuer, its key usage and its identity; its period and revocation
    /// are kept in the record and asked at each signature.
    ///
    /// # Errors
    /// [`SigningError`]; refuse whatever the key has signed.
    pub fn from_der(der: &[u8], trust: &Trust) -> Result<Self, SigningError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| SigningError::Certificate)?;
        let (_, authority) = X509Certificate::from_der(trust.authority()).map_err(|_| SigningError::Issuer)?;
        if !rest.is_empty() {
            return Err(SigningError::Certificate);
        }
        if certificate.issuer().as_raw() != authority.subject().as_raw() {
            return Err(SigningError::Issuer);
        }
        certificate.verify_signature(Some(authority.public_key())).map_err(|_| SigningError::Issuer)?;
        may_sign(&certificate)?;
        let identity = identity::identity(&certificate)?;
        if identity.purpose != Purpose::Signing {
            return Err(SigningError::Identity(IdentityError::Purpose(identity.purpose)));
        }
        let raw: &[u8] = &certificate.public_key().subject_public_key.data;
        let public_key: [u8; 32] = raw.try_into().map_err(|_| SigningError::Usage)?;
        VerifyingKey::from_bytes(&public_key).map_err(|_| SigningError::Usage)?;
        let serial = identity::serial(&certificate)?;
        let moment = |seconds: i64| Moment::new(seconds.saturating_mul(1_000), 0).map_err(|_| SigningError::Period);
        Ok(Self {
            key_id: SigningKeyId::of(&public_key),
            region: identity.region,
            organisation: identity.organisation,
            role: identity.role,
            revoked_since: trust.revoked_since(&serial),
            serial,
            not_before: moment(certificate.validity().not_before.timestamp())?,
            not_after: moment(certificate.validity().not_after.timestamp())?,
            public_key,
        })
    }

    /// Verifies that the key's holder signed `bytes` as something of `domain`, and was allowed to at `at`.
    ///
    /// # Errors
    /// [`SigningError::Period`], [`SigningError::Revoked`] or [`SigningError::Signature`]; refuse the content.
    pub fn verify(
        &self,
        domain: SigningDomain,
        bytes: &[u8],
        signature: &[u8],
        at: Moment,
    ) -> Result<(), SigningError> {
        let at_ms = at.unix_ms();
        if at_ms < self.not_before.unix_ms() || at_ms > self.not_after.unix_ms() {
            return Err(SigningError::Period);
        }
        if self.revoked_since.is_some_and(|since| at_ms >= since.unix_ms()) {
            return Err(SigningError::Revoked);
        }
        let signature = Signature::from_slice(signature).map_err(|_| SigningError::Signature)?;
        let key = VerifyingKey::from_bytes(&self.public_key).map_err(|_| SigningError::Signature)?;
        key.verify_strict(&separated(domain, bytes), &signature).map_err(|_| SigningError::Signature)
    }
}

impl SigningKeyId {
    /// Names a raw public key.
    pub fn of(public_key: &[u8; 32]) -> Self {
        let digest = Sha256::digest(public_key);
        let mut id = [0; 8];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl std::fmt::Display for SigningKeyId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

fn may_sign(certificate: &X509Certificate<'_>) -> Result<(), SigningError> {
    let usage = certificate.key_usage().map_err(|_| SigningError::Usage)?.ok_or(SigningError::Usage)?;
    let extended = certificate.extended_key_usage().map_err(|_| SigningError::Usage)?.ok_or(SigningError::Usage)?;
    let document = extended
        .value
        .other
        .iter()
        .any(|oid| oid.iter().is_some_and(|parts| parts.eq(super::authority::DOCUMENT_SIGNING)));
    let ed25519 = certificate.public_key().algorithm.algorithm == x509_parser::oid_registry::OID_SIG_ED25519;
    let allowed = usage.value.digital_signature() && document && ed25519 && !certificate.is_ca();
    if allowed { Ok(()) } else { Err(SigningError::Usage) }
}

/// Puts the domain and a zero byte, which no domain holds, before the bytes.
fn separated(domain: SigningDomain, bytes: &[u8]) -> Vec<u8> {
    [domain.0.as_bytes(), &[0], bytes].concat()
}

impl Faulty for SigningError {
    fn fault(&self) -> Fault {
        match self {
            SigningError::Key | SigningError::WrongKey => Fault::Broken,
            _ => Fault::Unproven,
        }
    }
}
