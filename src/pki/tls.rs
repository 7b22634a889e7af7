//! The TLS settings of the exchange: version 1.3, a certificate at both ends, revocation enforced, nothing resumed.
//! Reading the files is the caller's; watching them is in `reload`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use zeroize::Zeroizing;

use super::identity;
use super::trust::{Trust, TrustError};
use crate::domain::adcode::Adcode;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::organisation::Role;

/// What one end of a connection shows and believes, as read from its four PEM files.
pub struct Material {
    /// The authority's certificate.
    pub authority_pem: Vec<u8>,
    /// The authority's revocation list.
    pub list_pem: Vec<u8>,
    /// This end's certificate.
    pub certificate_pem: Vec<u8>,
    /// This end's private key.
    pub key_pem: Zeroizing<Vec<u8>>,
}

/// The settings of a listening end, and what it believes.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// The settings for new connections.
    pub config: Arc<ServerConfig>,
    /// The authority and its revocation list, for asking about connections that stand already.
    pub trust: Arc<Trust>,
}

/// The files make no TLS settings; the text says which to replace.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority or its revocation list.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The certificate or key file.
    #[error("the {0} cannot be read; copy it again")]
    Pem(&'static str),
    /// The library refused what the files hold, for one because the key is not the certificate's.
    #[error("the TLS files do not go together: {0}")]
    Refused(#[from] rustls::Error),
    /// The authority's certificate or revocation list is of a kind the library does not take.
    #[error("the authority's files are refused: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// Makes the settings of an end that listens: whoever calls must show a certificate that holds.
///
/// # Errors
/// [`TlsError`] naming the file to replace; keep the settings in use.
pub fn server(material: &Material) -> Result<ServerTls, TlsError> {
    listening(material, WithoutCertificate::Refused, &[b"h2"])
}

/// Makes the settings of an end that browsers and other programs call over HTTPS: whoever calls may show a certificate,
/// and one that is shown must hold.
///
/// # Errors
/// [`TlsError`] naming the file to replace; keep the settings in use.
pub fn web(material: &Material) -> Result<ServerTls, TlsError> {
    listening(material, WithoutCertificate::Taken, &[b"h2", b"http/1.1"])
}

/// What becomes of callers that show no certificate.
enum WithoutCertificate {
    Refused,
    Taken,
}

fn listening(material: &Material, without: WithoutCertificate, protocols: &[&[u8]]) -> Result<ServerTls, TlsError> {
    let trust = Trust::parse(&material.authority_pem, &material.list_pem)?;
    let provider = provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&trust)?, provider.clone())
        .with_crls([trust.list().clone()])
        .enforce_revocation_expiration();
    let verifier = match without {
        WithoutCertificate::Refused => verifier,
        WithoutCertificate::Taken => verifier.allow_unauthenticated(),
    };
    let verifier = verifier.build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(material)?, key(material)?)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    // A resumed session would skip the certificate, and with it revocation.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ServerTls { config: Arc::new(config), trust: Arc::new(trust) })
}

/// Makes the settings of an end that calls: whoever answers must show a certificate of `region` in `role` that holds
/// and bears the name dialled.
///
/// # Errors
/// [`TlsError`] naming the file to replace; keep the settings in use.
pub fn client(material: &Material, region: Adcode, role: Role) -> Result<ClientConfig, TlsError> {
    let trust = Trust::parse(&material.authority_pem, &material.list_pem)?;
    let provider = provider();
    let names = WebPkiServerVerifier::builder_with_provider(roots(&trust)?, provider.clone())
        .with_crls([trust.list().clone()])
        .enforce_revocation_expiration()
        .build()?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RoleVerifier { names, region, role }))
        .with_client_auth_cert(chain(material)?, key(material)?)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Asks all that [`WebPkiServerVerifier`] asks, and then whether the server is who should be at that end: a hospital's
/// certificate with a server's name in it is still not the hub's.
#[derive(Debug)]
struct RoleVerifier {
    names: Arc<WebPkiServerVerifier>,
    region: Adcode,
    role: Role,
}

impl ServerCertVerifier for RoleVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.names.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        match identity::caller(end_entity, self.region) {
            Ok(server) if server.role == self.role => Ok(verified),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.names.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.names.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.names.supported_verify_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(trust: &Trust) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(trust.authority().clone())?;
    Ok(Arc::new(roots))
}

fn chain(material: &Material) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&material.certificate_pem).collect();
    chain.map_err(|_| TlsError::Pem("certificate"))
}

fn key(material: &Material) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&material.key_pem).map_err(|_| TlsError::Pem("private key"))
}

impl Faulty for TlsError {
    fn fault(&self) -> Fault {
        Fault::Broken
    }
}
