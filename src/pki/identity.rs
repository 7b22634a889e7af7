//! Who a certificate is for: its one SAN URI, read part by part. Whether the certificate may be believed is decided in
//! `trust` and `tls`.

use std::fmt;
use std::str::FromStr;

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::domain::adcode::Adcode;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::{Caller, CertificateSerial, OrganisationCode, Role};

/// What a certificate's key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Connections between machines.
    Tls,
    /// Signatures on content.
    Signing,
}

/// The identity in a certificate's SAN URI, `spiffe://520000.concord/hospital/<code>` with `/signing` behind it for a
/// signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The region whose authority issued the certificate.
    pub region: Adcode,
    /// The part the organisation plays.
    pub role: Role,
    /// The organisation.
    pub organisation: OrganisationCode,
    /// What the key is for.
    pub purpose: Purpose,
}

/// A certificate names nobody of this exchange; have one issued by `concord ca issue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are no X.509 certificate.
    #[error("not an X.509 certificate")]
    Certificate,
    /// There is no URI among the alternative names, or more than one.
    #[error("a certificate carries exactly one SAN URI, this one {0}")]
    UriCount(usize),
    /// The URI is not built as identities of the exchange are.
    #[error("the SAN URI is not spiffe://<region>.concord/<role>/<organisation code>")]
    Uri,
    /// The key is for the other purpose.
    #[error("the certificate is for {0:?}, not for this use")]
    Purpose(Purpose),
    /// The certificate is of another region.
    #[error("the certificate is of region {0}, not of this one")]
    Region(Adcode),
}

/// Reads the caller out of a TLS certificate in DER, which must be of `region`.
///
/// # Errors
/// [`IdentityError`] saying what is wrong with the certificate; refuse the connection.
pub fn caller(der: &[u8], region: Adcode) -> Result<Caller, IdentityError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::Certificate)?;
    if !rest.is_empty() {
        return Err(IdentityError::Certificate);
    }
    let identity = identity(&certificate)?;
    if identity.purpose != Purpose::Tls {
        return Err(IdentityError::Purpose(identity.purpose));
    }
    if identity.region != region {
        return Err(IdentityError::Region(identity.region));
    }
    let label = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    Ok(Caller {
        region,
        role: identity.role,
        organisation: identity.organisation,
        name: label.unwrap_or_default().to_owned(),
        serial: Some(serial(&certificate)?),
    })
}

/// Reads the identity out of a parsed certificate.
///
/// # Errors
/// [`IdentityError`] when there is not exactly one well-formed URI; refuse the certificate.
pub fn identity(certificate: &X509Certificate<'_>) -> Result<Identity, IdentityError> {
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Certificate)?;
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let uris: Vec<&str> =
        names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None }).collect();
    match uris.as_slice() {
        [uri] => uri.parse(),
        other => Err(IdentityError::UriCount(other.len())),
    }
}

/// Reads the serial number of a parsed certificate.
///
/// # Errors
/// [`IdentityError::Certificate`] when it is zero or too long; refuse the certificate.
pub fn serial(certificate: &X509Certificate<'_>) -> Result<CertificateSerial, IdentityError> {
    CertificateSerial::new(certificate.raw_serial()).map_err(|_| IdentityError::Certificate)
}

/// Reads the serial number of the certificate in a PEM file.
///
/// # Errors
/// [`IdentityError::Certificate`] when there is none; give another file.
pub fn serial_in_pem(pem: &[u8]) -> Result<CertificateSerial, IdentityError> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem).map_err(|_| IdentityError::Certificate)?;
    serial(&block.parse_x509().map_err(|_| IdentityError::Certificate)?)
}

/// Reads the identity in the first certificate of a PEM file.
///
/// # Errors
/// [`IdentityError`] when it names nobody of the exchange; give another file.
pub fn identity_in_pem(pem: &[u8]) -> Result<Identity, IdentityError> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem).map_err(|_| IdentityError::Certificate)?;
    identity(&block.parse_x509().map_err(|_| IdentityError::Certificate)?)
}

impl FromStr for Identity {
    type Err = IdentityError;

    /// Reads the one spelling that [`fmt::Display`] writes; any other, even of equal meaning, is refused.
    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let mut parts = uri.split('/');
        let mut next = || parts.next().ok_or(IdentityError::Uri);
        let ("spiffe:", "", authority) = (next()?, next()?, next()?) else { return Err(IdentityError::Uri) };
        let (role, code) = (next()?, next()?);
        let purpose = match (parts.next(), parts.next()) {
            (None, None) => Purpose::Tls,
            (Some("signing"), None) => Purpose::Signing,
            _ => return Err(IdentityError::Uri),
        };
        let (region, "concord") = authority.split_once('.').ok_or(IdentityError::Uri)? else {
            return Err(IdentityError::Uri);
        };
        let region = region.parse().map_err(|_| IdentityError::Uri)?;
        let role = role.parse().map_err(|_| IdentityError::Uri)?;
        let organisation: OrganisationCode = code.parse().map_err(|_| IdentityError::Uri)?;
        if organisation.as_str() != code {
            return Err(IdentityError::Uri);
        }
        Ok(Self { region, role, organisation, purpose })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "spiffe://{}.concord/{}/{}", self.region, self.role, self.organisation)?;
        match self.purpose {
            Purpose::Tls => Ok(()),
            Purpose::Signing => formatter.write_str("/signing"),
        }
    }
}

impl Faulty for IdentityError {
    fn fault(&self) -> Fault {
        Fault::Unproven
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    const GOOD: &str = "spiffe://520000.concord/hospital/91350100M000100Y43";

    fn certificate(uris: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["spiffe.example".to_owned()]).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_good_certificate_names_its_caller() {
        let caller = caller(&certificate(&[GOOD]), "520000".parse().unwrap()).unwrap();
        assert_eq!((caller.role, caller.organisation.as_str()), (Role::Hospital, "91350100M000100Y43"));
    }

    #[test]
    fn only_the_one_spelling_is_an_identity() {
        for uri in [
            "",
            "spiffe://520000.concord",
            "spiffe://520000.concord/hospital/",
            "spiffe://520000.concord/hospital/91350100M000100Y43/",
            "spiffe://520000.concord/hospital/91350100M000100Y43/signing/",
            "spiffe://520000.concord/hospital/91350100M000100Y43/Signing",
            "spiffe://520000.concord/hospital/91350100M000100Y43?x",
            "spiffe://520000.concord/hospital/91350100M000100Y43#x",
            "spiffe://520000.concord/hospital/91350100m000100y43",
            "spiffe://520000.concord/hospital/91350100M000100Y44",
            "spiffe://520000.concord/Hospital/91350100M000100Y43",
            "spiffe://520000.concord//hospital/91350100M000100Y43",
            "spiffe://520000.concord/x/../hospital/91350100M000100Y43",
            "spiffe://520000.concord.evil/hospital/91350100M000100Y43",
            "spiffe://520000.concordia/hospital/91350100M000100Y43",
            "spiffe://evil.520000.concord/hospital/91350100M000100Y43",
            "spiffe://a@520000.concord/hospital/91350100M000100Y43",
            "spiffe://520000.concord:443/hospital/91350100M000100Y43",
            "spiffe://52000.concord/hospital/91350100M000100Y43",
            "spiffe://520000/hospital/91350100M000100Y43",
            "SPIFFE://520000.concord/hospital/91350100M000100Y43",
            "https://520000.concord/hospital/91350100M000100Y43",
            " spiffe://520000.concord/hospital/91350100M000100Y43",
            "spiffe://520000.concord/hospital%2F91350100M000100Y43",
        ] {
            assert_eq!(uri.parse::<Identity>(), Err(IdentityError::Uri), "{uri}");
        }
        for uri in [GOOD.to_owned(), format!("{GOOD}/signing")] {
            assert_eq!(uri.parse::<Identity>().unwrap().to_string(), uri);
        }
    }

    #[test]
    fn a_certificate_of_two_or_no_uris_names_nobody() {
        let region = "520000".parse().unwrap();
        assert_eq!(caller(&certificate(&[]), region), Err(IdentityError::UriCount(0)));
        let other = "spiffe://520000.concord/operator/91350100M000100Y43";
        assert_eq!(caller(&certificate(&[GOOD, other]), region), Err(IdentityError::UriCount(2)));
        assert_eq!(caller(&certificate(&[GOOD, "https://example.org"]), region), Err(IdentityError::UriCount(2)));
    }

    #[test]
    fn another_region_or_purpose_is_refused() {
        let other: Adcode = "530000".parse().unwrap();
        let region: Adcode = "520000".parse().unwrap();
        assert_eq!(caller(&certificate(&[GOOD]), other), Err(IdentityError::Region(region)));
        let signing = certificate(&[&format!("{GOOD}/signing")]);
        assert_eq!(caller(&signing, region), Err(IdentityError::Purpose(Purpose::Signing)));
    }

    #[test]
    fn any_prefix_of_a_certificate_is_refused() {
        let der = certificate(&[GOOD]);
        for length in 0..der.len() {
            assert_eq!(caller(&der[..length], "520000".parse().unwrap()), Err(IdentityError::Certificate));
        }
    }
}
