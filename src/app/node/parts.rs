//! What a node keeps on disk, opened: the signing key, the journal, the originals, the projections.

use std::sync::Arc;

use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::watch;

use crate::app::node::config::NodeConfig;
use crate::domain::log::Sequence;
use crate::domain::organisation::OrganisationCode;
use crate::pki::reload::Reloading;
use crate::pki::signing::{SigningDomain, SigningError, SigningKey};
use crate::pki::trust::{Trust, TrustError};
use crate::ports::clock::Clock;
use crate::service::node::terms::Terms;
use crate::service::node::{BatchSigner, NodeParts};
use crate::store::journal::{Journal, JournalError};
use crate::store::node::NodeState;
use crate::store::originals::{Originals, OriginalsError};
use crate::store::projection::ProjectionError;
use crate::store::seen::SeenCheckpoints;
use crate::sys::files::{self, FileError};
use crate::sys::random;
use crate::wire::batch::SIGNED_AS;

/// The hospital's signing key.
#[derive(Clone)]
pub struct Signing {
    /// Signs batches.
    pub signer: BatchSigner,
    /// The certificate, in DER.
    pub certificate: Bytes,
}

/// A part of the node cannot be opened; nothing was acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The authority's files.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The signing files.
    #[error("signing: {0}")]
    Signing(#[from] SigningError),
    /// The certificate is another organisation's.
    #[error("the signing certificate is of {0}; configuration and certificates must name the same hospital")]
    OtherOrganisation(OrganisationCode),
    /// The journal.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// The originals.
    #[error(transparent)]
    Originals(#[from] OriginalsError),
    /// The projections.
    #[error("projections: {0}")]
    Projection(#[from] ProjectionError),
    /// The key of the remembered pseudonyms has another length than it must have.
    #[error("cache.key in the data folder is damaged; remove it, pseudonyms are then asked for anew")]
    CacheKey,
}

/// Reads the signing key and its certificate, and checks whose they are.
///
/// # Errors
/// [`PartsError`] naming the file to replace.
pub fn signing(config: &NodeConfig) -> Result<Signing, PartsError> {
    let trust = Trust::parse(&files::read(&config.tls.authority)?, &files::read(&config.tls.revocation_list)?)?;
    let certificate = files::read(&config.signing.certificate)?;
    let key = SigningKey::load(&files::read_secret(&config.signing.key)?, &certificate, &trust)?;
    if key.record().organisation != config.organisation {
        return Err(PartsError::OtherOrganisation(key.record().organisation));
    }
    let der = CertificateDer::from_pem_slice(&certificate).map_err(|_| SigningError::Certificate)?;
    let key_id = key.record().key_id.0;
    let (public_key, key) = (key.record().public_key, Arc::new(key));
    let cosigning = Arc::clone(&key);
    let sign = Arc::new(move |header: &[u8]| key.sign(SigningDomain(SIGNED_AS), header));
    let cosign = Arc::new(move |message: &[u8]| cosigning.cosign(message));
    let signer = BatchSigner { key_id, sign, cosign, public_key };
    Ok(Signing { signer, certificate: Bytes::copy_from_slice(&der) })
}

/// Opens journal, originals and projections. Blocks.
///
/// # Errors
/// [`PartsError`] when somebody must look before the node may start.
pub fn open(
    config: &NodeConfig,
    signing: Reloading<Signing>,
    terms: watch::Receiver<Arc<Terms>>,
    clock: Arc<dyn Clock>,
) -> Result<NodeParts, PartsError> {
    let (journal, opened) = Journal::open(&config.data.join("journal"), config.journal.options())?;
    if opened.cut_bytes > 0 {
        tracing::warn!(bytes = opened.cut_bytes, "cut off what a crash had left behind the last whole record");
    }
    let originals = Originals::open(config.data.join("originals"))?;
    let state = NodeState::open(&config.data.join("state"), Sequence(opened.next_sequence), clock.now())?;
    if let Some(moved) = state.quarantined {
        tracing::warn!(folder = %moved.display(), "the projections were moved aside and are built anew");
    }
    Ok(NodeParts {
        settings: config.node_settings(),
        journal,
        state: state.state,
        originals,
        seen: SeenCheckpoints::new(&config.data),
        terms,
        signer: Arc::new(move || signing.current().signer.clone()),
        cache_key: cache_key(config)?,
        clock,
    })
}

/// Reads the key under which pseudonyms are remembered, made at the first start.
fn cache_key(config: &NodeConfig) -> Result<[u8; 32], PartsError> {
    let path = config.data.join("cache.key");
    if !path.exists() {
        let key: [u8; 32] = random::bytes();
        files::write_secret(&path, &key)?;
    }
    files::read_secret(&path)?.as_slice().try_into().map_err(|_| PartsError::CacheKey)
}
