//! A region's certificate authority: makes certificates and revocation lists in memory. Files, serial numbers and
//! randomness are brought by the caller; the record of what was issued is in `register`.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, RevokedCertParams, SanType, SerialNumber,
};
use zeroize::Zeroizing;

use super::identity::{Identity, Purpose};
use super::register::Revocation;
use super::x509_time;
use crate::domain::adcode::Adcode;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::CertificateSerial;
use crate::domain::time::Moment;

/// The authority of one region: an ECDSA P-256 key and its self-signed certificate.
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// From when to when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Moment,
    /// The last moment.
    pub not_after: Moment,
}

/// Which end of a connection a TLS certificate may stand at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsEnd {
    /// Only the end that calls.
    Client,
    /// Only the end that listens.
    Server,
    /// Either end.
    Both,
}

/// What a certificate shall say.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whom it is for; the purpose in it is set by the way of issuing.
    pub identity: Identity,
    /// The label in its subject, for logs and people, at most 64 characters.
    pub name: String,
    /// Its serial number, fresh and random.
    pub serial: CertificateSerial,
    /// How long it holds.
    pub validity: Validity,
}

/// A certificate and its private key, both in PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key in PKCS#8, wiped when dropped.
    pub key_pem: Zeroizing<String>,
}

/// The authority cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate or key of the authority cannot be read; restore `ca.pem` and `ca.key` from the backup.
    #[error("the authority's certificate or key cannot be read: {0}")]
    Unreadable(#[source] rcgen::Error),
    /// The key is not the one the certificate was made for; restore both from the same backup.
    #[error("ca.key is not the key of ca.pem; restore both from the same backup")]
    WrongKey,
    /// A name cannot stand in a certificate; correct it.
    #[error("the {what} cannot stand in a certificate")]
    Name {
        /// Which name.
        what: &'static str,
    },
    /// The period is empty; give it a later end.
    #[error("the period of validity is empty")]
    Period,
    /// The library refused to sign; this is our mistake.
    #[error("sign: {0}")]
    Sign(#[source] rcgen::Error),
}

impl Authority {
    /// Makes a region's authority with a new key.
    ///
    /// # Errors
    /// [`AuthorityError::Period`] for an empty validity; otherwise our own mistake.
    pub fn create(region: Adcode, serial: &CertificateSerial, validity: Validity) -> Result<Self, AuthorityError> {
        let mut params = blank(&format!("Concord {region} CA"), serial, validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = false;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Sign)?;
        let certificate_pem = params.self_signed(&key).map_err(AuthorityError::Sign)?.pem();
        Ok(Self { certificate_pem, issuer: Issuer::new(params, key) })
    }

    /// Takes up an authority from the PEM of its certificate and key.
    ///
    /// # Errors
    /// [`AuthorityError::Unreadable`] or [`AuthorityError::WrongKey`]; restore both files from one backup.
    pub fn open(certificate_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(key_pem).map_err(AuthorityError::Unreadable)?;
        let unreadable = || AuthorityError::Unreadable(rcgen::Error::CouldNotParseCertificate);
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate_pem.as_bytes()).map_err(|_| unreadable())?;
        let certificate = pem.parse_x509().map_err(|_| unreadable())?;
        if certificate.public_key().raw != key.subject_public_key_info().as_slice() {
            return Err(AuthorityError::WrongKey);
        }
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key).map_err(AuthorityError::Unreadable)?;
        Ok(Self { certificate_pem: certificate_pem.to_owned(), issuer })
    }

    /// Shows the authority's certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Gives the authority's private key in PEM, wiped when dropped.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// Issues a TLS certificate with a new ECDSA P-256 key; `hosts` are the DNS names and addresses a server answers at.
    ///
    /// # Errors
    /// [`AuthorityError::Name`] or [`AuthorityError::Period`] for a request that cannot be met; correct it.
    pub fn issue_tls(&self, request: &Request, end: TlsEnd, hosts: &[String]) -> Result<Issued, AuthorityError> {
        let mut params = named(request, Purpose::Tls)?;
        for host in hosts {
            params.subject_alt_names.push(match host.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => {
                    SanType::DnsName(host.as_str().try_into().map_err(|_| AuthorityError::Name { what: "host" })?)
                }
            });
        }
        let (client, server) = (ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match end {
            TlsEnd::Client => vec![client],
            TlsEnd::Server => vec![server],
            TlsEnd::Both => vec![client, server],
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Sign)?;
        self.sign(&params, key)
    }

    /// Issues the certificate of a signing key made from `seed`, 32 unpredictable bytes.
    ///
    /// # Errors
    /// As [`Authority::issue_tls`].
    ///
    /// Source: RFC 8410 (Ed25519 in X.509), RFC 9336 (document signing).
    pub fn issue_signing(&self, request: &Request, seed: &Zeroizing<[u8; 32]>) -> Result<Issued, AuthorityError> {
        let mut params = named(request, Purpose::Signing)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.to_vec())];
        // Without the public half: every reader of PKCS#8 takes that form.
        let pair = KeypairBytes { secret_key: SigningKey::from_bytes(seed).to_bytes(), public_key: None };
        let encoded = pair.to_pkcs8_pem(LineEnding::LF);
        let pem = encoded.map_err(|_| AuthorityError::Sign(rcgen::Error::CouldNotParseKeyPair))?;
        let key = KeyPair::from_pem(&pem).map_err(AuthorityError::Sign)?;
        let issued = self.sign(&params, key)?;
        Ok(Issued { key_pem: Zeroizing::new(pem.to_string()), ..issued })
    }

    /// Writes a revocation list that holds from `from` to `until`, in PEM.
    ///
    /// # Errors
    /// [`AuthorityError::Sign`] when `until` is not after `from`, which is our mistake.
    ///
    /// Source: RFC 5280, 5.
    pub fn revocation_list(
        &self,
        number: u64,
        revocations: &[(CertificateSerial, Revocation)],
        validity: Validity,
    ) -> Result<String, AuthorityError> {
        let revoked = revocations.iter().map(|(serial, revocation)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial.as_bytes()),
            revocation_time: x509_time(revocation.at),
            reason_code: Some(revocation.reason.into()),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: x509_time(validity.not_before),
            next_update: x509_time(validity.not_after),
            crl_number: number.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).map_err(AuthorityError::Sign)
    }

    fn sign(&self, params: &CertificateParams, key: KeyPair) -> Result<Issued, AuthorityError> {
        let certificate_pem = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Sign)?.pem();
        Ok(Issued { certificate_pem, key_pem: Zeroizing::new(key.serialize_pem()) })
    }
}

fn named(request: &Request, purpose: Purpose) -> Result<CertificateParams, AuthorityError> {
    let mut params = blank(&request.name, &request.serial, request.validity)?;
    let uri = Identity { purpose, ..request.identity }.to_string();
    params.subject_alt_names =
        vec![SanType::URI(uri.try_into().map_err(|_| AuthorityError::Name { what: "identity" })?)];
    Ok(params)
}

/// Makes parameters in which no default of the library is left that would say something untrue.
fn blank(name: &str, serial: &CertificateSerial, validity: Validity) -> Result<CertificateParams, AuthorityError> {
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
        return Err(AuthorityError::Name { what: "name" });
    }
    if validity.not_after.unix_ms() <= validity.not_before.unix_ms() {
        return Err(AuthorityError::Period);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.not_before = x509_time(validity.not_before);
    params.not_after = x509_time(validity.not_after);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

impl Faulty for AuthorityError {
    fn fault(&self) -> Fault {
        match self {
            AuthorityError::Name { .. } | AuthorityError::Period => Fault::BadInput,
            AuthorityError::Unreadable(_) | AuthorityError::WrongKey | AuthorityError::Sign(_) => Fault::Broken,
        }
    }
}

/// The extended key usage of signing keys: not one that TLS takes, so that no signing key opens a connection.
pub(super) const DOCUMENT_SIGNING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 36];
/// Source: RFC 5280, A.1, ub-common-name.
const NAME_CHARACTERS_MAX: usize = 64;
