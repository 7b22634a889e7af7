//! What is believed of an authority: its certificate, and the revocation list it signed last.

use std::collections::BTreeMap;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::CertificateSerial;
use crate::domain::time::Moment;

/// An authority's certificate with its verified revocation list.
#[derive(Debug, Clone)]
pub struct Trust {
    authority: CertificateDer<'static>,
    list: CertificateRevocationListDer<'static>,
    revoked: BTreeMap<CertificateSerial, Moment>,
    list_until: Moment,
}

/// The authority's files cannot be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The authority's file does not hold exactly one certificate.
    #[error("the authority's file does not hold exactly one certificate; copy ca.pem again")]
    Authority,
    /// The file is no revocation list.
    #[error("the revocation list cannot be read; copy crl.pem again")]
    List,
    /// Another authority signed the revocation list, or somebody changed it.
    #[error("the revocation list is not signed by this authority; copy ca.pem and crl.pem from the same place")]
    ListSignature,
    /// The revocation list does not say until when it holds.
    #[error("the revocation list does not say until when it holds; run: concord ca crl")]
    ListPeriod,
}

impl Trust {
    /// Reads an authority's certificate and revocation list from PEM, and verifies that the one signed the other.
    ///
    /// Whether the list has run out is not asked here: old signatures are still verified by it. TLS asks.
    ///
    /// # Errors
    /// [`TrustError`] naming the file to copy again.
    pub fn parse(authority_pem: &[u8], list_pem: &[u8]) -> Result<Self, TrustError> {
        let mut found = CertificateDer::pem_slice_iter(authority_pem);
        let (Some(Ok(authority)), None) = (found.next(), found.next()) else { return Err(TrustError::Authority) };
        let list = CertificateRevocationListDer::from_pem_slice(list_pem).map_err(|_| TrustError::List)?;
        let (_, issuer) = X509Certificate::from_der(&authority).map_err(|_| TrustError::Authority)?;
        if !issuer.is_ca() {
            return Err(TrustError::Authority);
        }
        let (rest, parsed) = CertificateRevocationList::from_der(&list).map_err(|_| TrustError::List)?;
        if !rest.is_empty() {
            return Err(TrustError::List);
        }
        if parsed.issuer().as_raw() != issuer.subject().as_raw() {
            return Err(TrustError::ListSignature);
        }
        parsed.verify_signature(issuer.public_key()).map_err(|_| TrustError::ListSignature)?;
        let seconds = |seconds: i64| Moment::new(seconds.saturating_mul(1_000), 0).map_err(|_| TrustError::List);
        let mut revoked = BTreeMap::new();
        for entry in parsed.iter_revoked_certificates() {
            let serial = CertificateSerial::new(entry.raw_serial()).map_err(|_| TrustError::List)?;
            revoked.insert(serial, seconds(entry.revocation_date.timestamp())?);
        }
        let list_until = seconds(parsed.next_update().ok_or(TrustError::ListPeriod)?.timestamp())?;
        Ok(Self { authority, list, revoked, list_until })
    }

    /// Gives the authority's certificate.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// Gives the revocation list as it was signed.
    pub fn list(&self) -> &CertificateRevocationListDer<'static> {
        &self.list
    }

    /// Says since when a certificate is revoked, if it is.
    pub fn revoked_since(&self, serial: &CertificateSerial) -> Option<Moment> {
        self.revoked.get(serial).copied()
    }

    /// Says until when the revocation list holds; after that TLS refuses everybody.
    pub fn list_until(&self) -> Moment {
        self.list_until
    }
}

impl Faulty for TrustError {
    fn fault(&self) -> Fault {
        Fault::Broken
    }
}
