//! Hospitals that publish: their codes and certificates, and the chains of signed batches that they make.

use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::app::bench::BenchError;
use crate::app::ca::{self, CaArgs, CaCommand, FolderArgument, IssueArguments, Kind};
use crate::app::sample::SampleError;
use crate::app::sample::layout::Layout;
use crate::domain::entry::Entry;
use crate::domain::id::Digest;
use crate::domain::organisation::{OrganisationCode, Role};
use crate::domain::time::Moment;
use crate::merkle::hash::leaf_hash;
use crate::merkle::tree::root_of;
use crate::pki::signing::{SigningDomain, SigningError, SigningKey};
use crate::pki::trust::Trust;
use crate::ports::clock::Clock;
use crate::sys::files;
use crate::wire::batch::{Batch, Header, SIGNED_AS};
use crate::wire::entry;

/// A hospital with its signing key and the end of its chain.
pub struct Publisher {
    /// Its code.
    pub code: OrganisationCode,
    /// Its signing certificate, DER.
    pub certificate: Bytes,
    key: SigningKey,
    sequence: u64,
    previous: Digest,
}

/// Hospitals of a region that is measured.
pub const PUBLISHERS: usize = 20;
/// Division that they lie in.
pub const DIVISION: &str = "520100";

impl Publisher {
    /// Takes up the key of one of [`PUBLISHERS`].
    ///
    /// # Errors
    /// [`BenchError`] when its files are damaged.
    pub fn load(layout: &Layout, place: usize, trust: &Trust) -> Result<Self, BenchError> {
        let folder = layout.client(&folder(place));
        let pem = files::read(&folder.join("signing.pem"))?;
        let key = SigningKey::load(&files::read_secret(&folder.join("signing.key"))?, &pem, trust)?;
        let der = CertificateDer::from_pem_slice(&pem).map_err(|_| SigningError::Certificate)?;
        let certificate = Bytes::copy_from_slice(&der);
        Ok(Self { code: code(place), certificate, key, sequence: 0, previous: Digest::new([0; Digest::BYTES]) })
    }

    /// Gives the name of its key.
    pub fn key_id(&self) -> [u8; 8] {
        self.key.record().key_id.0
    }

    /// Goes on behind a batch that the hub has.
    pub fn go_on(&mut self, sequence: u64, previous: Digest) {
        (self.sequence, self.previous) = (sequence, previous);
    }

    /// Seals entries as the next batch of the chain.
    pub fn seal(&mut self, entries: &[Entry], sealed_at: Moment) -> Batch {
        let entries: Vec<Bytes> = entries.iter().map(entry::encode).collect();
        let leaves: Vec<_> = entries.iter().map(|bytes| leaf_hash(bytes)).collect();
        self.sequence += 1;
        let header = Header {
            organisation: self.code,
            key_id: self.key_id(),
            sequence: self.sequence,
            previous: self.previous,
            root: Digest::new(*root_of(&leaves).as_bytes()),
            size: entries.len(),
            sealed_at,
        };
        let header_bytes = header.encode();
        let signature = self.key.sign(SigningDomain(SIGNED_AS), &header_bytes);
        let batch = Batch { header, header_bytes, signature, entries };
        self.previous = batch.header_digest();
        batch
    }
}

/// Gives the code of a publisher: of a place that does not exist, with the right check character.
pub fn code(place: usize) -> OrganisationCode {
    let stem = format!("12{DIVISION}DEMXX{:04}", 6_000 + place);
    let mut checks = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars();
    let code = checks.find_map(|check| format!("{stem}{check}").parse().ok());
    code.unwrap_or_else(|| unreachable!("one of the check characters is right"))
}

/// Gives the codes of all publishers.
pub fn codes() -> Vec<OrganisationCode> {
    (0..PUBLISHERS).map(code).collect()
}

/// Names the folder of a publisher's certificates, among the clients.
pub fn folder(place: usize) -> String {
    format!("publisher-{place}")
}

/// Issues certificates to all publishers.
///
/// # Errors
/// [`BenchError`] when the authority's folder is damaged.
pub fn issue(layout: &Layout, clock: &dyn Clock) -> Result<(), BenchError> {
    for place in 0..PUBLISHERS {
        let command = CaCommand::Issue(IssueArguments {
            folder: FolderArgument { path: layout.authority() },
            org: code(place),
            role: Role::Hospital,
            name: folder(place),
            kind: Kind::All,
            hosts: vec!["localhost".to_owned()],
            days: 365,
            out: layout.client(&folder(place)),
        });
        ca::run(&CaArgs { json: false, command }, clock, &mut std::io::sink()).map_err(SampleError::from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_publisher_has_a_code_of_its_own() {
        assert_eq!(codes().into_iter().collect::<BTreeSet<_>>().len(), PUBLISHERS);
    }
}
