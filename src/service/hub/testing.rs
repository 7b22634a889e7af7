//! A hub over a folder of its own, for tests: a journal, a projector that follows it, and an authority that issues keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::Signer;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use crate::domain::entry::Entry;
use crate::domain::id::{Digest, Pseudonym};
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::{Caller, CertificateSerial, OrganisationCode, Role};
use crate::domain::time::Moment;
use crate::merkle::note::VerifierKey;
use crate::pki::authority::{Authority, Request, Validity};
use crate::pki::identity::{Identity, Purpose};
use crate::pki::register::{Reason, Revocation};
use crate::pki::signing::SigningKey;
use crate::pki::trust::Trust;
use crate::service::hub::ahead::Topic;
use crate::service::hub::consent::Acting;
use crate::service::hub::error::HubError;
use crate::service::hub::grant::Grants;
use crate::service::hub::ledger::Ledger;
use crate::service::hub::link::Links;
use crate::service::hub::log_keeper::{CheckpointSigner, LogKeeper};
use crate::service::hub::projector::Projector;
use crate::service::hub::pseudonym::Pseudonyms;
use crate::service::hub::registry::{ORGANISATIONS, Registry};
use crate::service::hub::{Hub, HubParts};
use crate::store::hub::HubState;
use crate::store::index::MemoryIndex;
use crate::store::journal::{Journal, JournalOptions};
use crate::store::tiles::{TileReader, TileStore};
use crate::sys::clock::ManualClock;
use crate::wire::batch::{Batch, Header};
use crate::wire::record::Record;
use crate::wire::region;
use crate::wire::region::RegionFile;
use crate::{ports::clock::Clock, wire::pb};

/// A hospital of the region.
pub const HOSPITAL: &str = "91350100M000100Y43";
/// Another one.
pub const OTHER_HOSPITAL: &str = "91110000600037341L";
/// The QC centre.
pub const CENTRE: &str = "12100000400000624D";
/// 2026-05-29 04:26:40 +08:00.
pub const START_MS: i64 = 1_780_000_000_000;

/// The hub and what stands around it.
pub struct World {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its folder: the journal under `entries`, the log beside it.
    pub folder: TempDir,
    /// Its journal.
    pub journal: Journal,
    /// Its log's key.
    pub log_key: VerifierKey,
    authority: Authority,
    trust: watch::Sender<Arc<Trust>>,
    stop: Option<DropGuard>,
}

/// A signing key with its certificate.
pub struct Signer25519 {
    /// The key.
    pub key: SigningKey,
    /// Its certificate.
    pub certificate_der: Vec<u8>,
}

impl World {
    /// Starts a hub with the sample region.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Moment::new(START_MS, 480).unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let authority = Authority::create("520000".parse().unwrap(), &serial(1), validity(now)).unwrap();
        let (trust, trusted) = watch::channel(Arc::new(trust(&authority, &[], now)));
        let (journal, _) = Journal::open(&folder.path().join("entries"), JournalOptions::default()).unwrap();
        let tiles = TileStore::open(folder.path()).unwrap();
        let index = Arc::new(MemoryIndex::default());
        let state = Arc::new(HubState::in_memory().unwrap());
        let registry = Arc::new(Registry::new(trusted));
        let secret = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let log_key = VerifierKey::new("log.example.cn/520000".parse().unwrap(), secret.verifying_key());
        let signer =
            CheckpointSigner { key: log_key.clone(), sign: Box::new(move |bytes| secret.sign(bytes).to_bytes()) };
        let projector = Projector::new(journal.reader(), index.clone(), state.clone(), registry.clone()).unwrap();
        let keeper = LogKeeper::new(journal.reader(), tiles, signer);
        let hub = Hub::new(HubParts {
            ledger: Ledger::new(journal.clone(), projector.reached(), keeper.published()),
            registry,
            index,
            state,
            tiles: TileReader::new(folder.path()),
            log_key: log_key.clone(),
            grants: Grants::new(&[7; 32]),
            links: Links::new(&[7; 32], "https://hub.example.cn", code_of_region()),
            pseudonyms: Pseudonyms::new(&[8; 32], vec!["CN-ID".parse().unwrap()]),
            clock: clock.clone(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(projector.run(stop.clone()));
        tokio::spawn(keeper.run(stop.clone()));
        let hub = Arc::new(hub);
        let world = Self { hub, clock, folder, journal, log_key, authority, trust, stop: Some(stop.drop_guard()) };
        world.record(policy(now)).await;
        world
    }

    /// Writes a record past the services; a checkpoint covers it when this returns.
    pub async fn record(&self, record: Record) -> LogPlace {
        self.records(&[record]).await[0]
    }

    /// Writes records past the services; a checkpoint covers them when this returns.
    pub async fn records(&self, records: &[Record]) -> Vec<LogPlace> {
        let places = self.hub.parts.ledger.record(records).await.unwrap();
        let next = places[places.len() - 1].sequence.next();
        self.hub.parts.ledger.wait_for_checkpoint(next).await.unwrap();
        places
    }

    /// Publishes entries past the services, as batch `sequence` of the organisation in the first of them.
    pub async fn publish(&self, sequence: u64, entries: &[Entry]) -> LogPlace {
        let header = Header {
            organisation: entries[0].publisher,
            key_id: [1; 8],
            sequence,
            previous: Digest::new([0; 32]),
            root: Digest::new([0; 32]),
            size: entries.len(),
            sealed_at: self.hub.now(),
        };
        let entries = entries.iter().map(crate::wire::entry::encode).collect();
        let batch = Batch { header_bytes: header.encode(), header, signature: [0; 64], entries };
        let received_at = Some(self.hub.now().into());
        let record = pb::BatchRecord { batch: batch.encode(), received_at, rejections: Vec::new() };
        self.record(Record::Batch(record)).await
    }

    /// Checks an order, and waits until the tables have the check.
    pub async fn check(&self, caller: &Caller, sent: pb::CheckRequest) -> Result<pb::CheckResponse, HubError> {
        let answer = self.hub.check(caller, sent).await?;
        self.hub.settled().await?;
        Ok(answer)
    }

    /// Lets a check in a visit have been answered that the tables do not have before two more records.
    pub fn answered_ahead(&self, encounter: &str) {
        let (ledger, visit) = (&self.hub.parts.ledger, Topic::Visit(HOSPITAL.parse().unwrap(), encounter.to_owned()));
        self.hub.ahead.note([visit], Sequence(ledger.records() + 2), ledger.projected());
    }

    /// Writes the region's policy once more.
    pub async fn repeat_policy(&self) {
        self.record(policy(self.clock.now())).await;
    }

    /// Lets the projections stop, as a damaged disk does: nothing is recorded any more.
    pub async fn fail(&mut self) {
        self.stop.take();
        while self.hub.parts.ledger.wait_for(Sequence(u64::MAX)).await.is_ok() {}
    }

    /// Issues a signing key.
    pub fn signer(&self, organisation: &str, role: Role, number: u8) -> Signer25519 {
        let now = self.clock.now();
        let request = Request {
            identity: Identity {
                region: "520000".parse().unwrap(),
                role,
                organisation: organisation.parse().unwrap(),
                purpose: Purpose::Signing,
            },
            name: "key".into(),
            serial: serial(number),
            validity: validity(now),
        };
        let issued = self.authority.issue_signing(&request, &Zeroizing::new([number; 32])).unwrap();
        let trust = trust(&self.authority, &[], now);
        let pem = issued.certificate_pem.as_bytes();
        let key = SigningKey::load(issued.key_pem.as_bytes(), pem, &trust).unwrap();
        use rustls_pki_types::pem::PemObject;
        let certificate_der = rustls_pki_types::CertificateDer::from_pem_slice(pem).unwrap().to_vec();
        Signer25519 { key, certificate_der }
    }

    /// Revokes the certificate of this number from now on.
    pub fn revoke(&self, number: u8) {
        let now = self.clock.now();
        let revoked = [(serial(number), Revocation { at: now, reason: Reason::KeyCompromise })];
        self.trust.send_replace(Arc::new(trust(&self.authority, &revoked, now)));
    }
}

fn code_of_region() -> crate::domain::adcode::Adcode {
    "520000".parse().unwrap()
}

/// The patients' entrance.
pub fn gateway() -> Caller {
    caller(CENTRE, Role::PatientGateway)
}

/// The patient whose pseudonym sample entries carry.
pub const PATIENT: Pseudonym = Pseudonym::new([2; 16]);

/// A result that its patient opened to whoever holds a link.
pub struct Shared {
    /// The consent, as its patient reads it.
    pub consent: pb::Consent,
}

/// Publishes a potassium result and opens the patient's results by link, with this passcode unless it is empty, for so
/// many uses unless they are 0, for a day.
pub async fn shared(world: &World, link: pb::LinkTerms, passcode: &str, uses_max: u32) -> Shared {
    world.publish(1, &[crate::wire::entry::tests::potassium()]).await;
    let sent = pb::GrantConsentRequest {
        consent_key: "share".into(),
        acting: None,
        terms: Some(pb::ConsentTerms {
            grantee: Some(pb::consent_terms::Grantee::Link(link)),
            uses_max,
            ..terms(world, HOSPITAL)
        }),
        passcode: passcode.into(),
    };
    let granted = world.hub.grant_consent(&gateway(), Acting::oneself(PATIENT), &sent).await.unwrap();
    Shared { consent: granted.consent.unwrap() }
}

/// Terms that open everything but sensitive results to an organisation for a day.
pub fn terms(world: &World, organisation: &str) -> pb::ConsentTerms {
    pb::ConsentTerms {
        grantee: Some(pb::consent_terms::Grantee::Organisation(organisation.into())),
        extent: Some(pb::Extent { all: true, ..Default::default() }),
        purpose: pb::ConsentPurpose::Treatment.into(),
        from: None,
        to: Some(world.hub.now().plus_hours(24).into()),
        uses_max: 0,
    }
}

/// Names a caller.
pub fn caller(organisation: &str, role: Role) -> Caller {
    Caller {
        region: "520000".parse().unwrap(),
        role,
        organisation: organisation.parse().unwrap(),
        name: "caller".into(),
        serial: Some(serial(99)),
    }
}

/// Parses a code.
pub fn code(text: &str) -> OrganisationCode {
    text.parse().unwrap()
}

fn trust(authority: &Authority, revoked: &[(CertificateSerial, Revocation)], now: Moment) -> Trust {
    let list = authority.revocation_list(1, revoked, validity(now)).unwrap();
    Trust::parse(authority.certificate_pem().as_bytes(), list.as_bytes()).unwrap()
}

fn serial(number: u8) -> CertificateSerial {
    CertificateSerial::new(&[number]).unwrap()
}

fn validity(now: Moment) -> Validity {
    Validity { not_before: now.plus_hours(-24), not_after: now.plus_hours(24 * 365) }
}

fn policy(now: Moment) -> Record {
    let sample = region::sample();
    let contents: BTreeMap<RegionFile, &[u8]> = BTreeMap::from([
        (RegionFile::Catalogue, sample.catalogue),
        (RegionFile::Units, sample.units),
        (RegionFile::Conversions, sample.conversions),
        (RegionFile::Panels, sample.panels),
        (RegionFile::BodyParts, sample.body_parts),
        (RegionFile::Reasons, sample.reasons),
        (RegionFile::Policy, sample.policy),
    ]);
    let organisations = format!(
        "code,role,name_zh,name_en,region,level\n{HOSPITAL},hospital,甲医院,First,520100,3A\n\
         {OTHER_HOSPITAL},hospital,乙医院,Second,520300,2A\n{CENTRE},qc-centre,质控中心,Centre,520000,\n"
    );
    let mut files: Vec<pb::RegionFile> = contents
        .into_iter()
        .map(|(file, content)| pb::RegionFile { name: file.name().into(), content: content.to_vec().into() })
        .collect();
    files.push(pb::RegionFile { name: ORGANISATIONS.into(), content: organisations.into_bytes().into() });
    Record::Policy(pb::PolicyRecord {
        policy_version: "2026.1".into(),
        effective_from: Some(Moment::new(START_MS - 86_400_000, 480).unwrap().into()),
        received_at: Some(now.into()),
        files,
    })
}
