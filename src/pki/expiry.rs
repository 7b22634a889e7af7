//! Until when certificates and revocation lists hold, for those who must renew them in time.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// Gives the second, counted from 1970, at which the first certificate of a PEM file runs out; none where there is none.
pub fn certificate_until(pem: &[u8]) -> Option<i64> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Gives the second, counted from 1970, at which the revocation list of a PEM file runs out; none where there is none.
pub fn list_until(pem: &[u8]) -> Option<i64> {
    let der = CertificateRevocationListDer::from_pem_slice(pem).ok()?;
    let (_, list) = CertificateRevocationList::from_der(&der).ok()?;
    Some(list.next_update()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_runs_out_never() {
        for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!((certificate_until(pem.as_bytes()), list_until(pem.as_bytes())), (None, None));
        }
    }
}
