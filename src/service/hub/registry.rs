//! What the hub knows of the region, in memory: catalogue and policy versions, organisations, qualifications, keys.
//! Every part was read from a record of the journal.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::domain::catalogue::Catalogue;
use crate::domain::log::Sequence;
use crate::domain::organisation::{Organisation, OrganisationCode};
use crate::domain::policy::Policy;
use crate::domain::qualification::Qualifications;
use crate::domain::rule::Rulebook;
use crate::domain::time::Moment;
use crate::pki::signing::{SigningKeyId, VerifyingKeyRecord};
use crate::pki::trust::Trust;
use crate::service::hub::error::HubError;
use crate::wire::statement::Statement;
use crate::wire::{organisations, pb, region};

/// One version of the region's data.
#[derive(Debug)]
pub struct Version {
    /// The record it was read from.
    pub sequence: Sequence,
    /// When it was recorded.
    pub received_at: Moment,
    /// Items, panels, units and body parts.
    pub catalogue: Arc<Catalogue>,
    /// Windows, negative rules, reasons and scopes.
    pub policy: Policy,
    /// Organisations.
    pub organisations: BTreeMap<OrganisationCode, Organisation>,
    /// The files, as they were.
    pub files: Vec<pb::RegionFile>,
}

/// A version of the region's data with the qualifications known now: all that the rule needs.
pub struct Rules {
    /// The version in force.
    pub version: Arc<Version>,
    qualifications: Arc<Qualifications>,
}

/// A set of region files cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The files are wrong.
    #[error(transparent)]
    Region(#[from] region::RegionError),
    /// The table of organisations is wrong.
    #[error(transparent)]
    Organisations(#[from] organisations::OrganisationsError),
}

/// The hub's knowledge, replaced part by part while it is read.
pub struct Registry {
    versions: ArcSwap<Vec<Arc<Version>>>,
    qualifications: ArcSwap<Qualifications>,
    keys: ArcSwap<HashMap<SigningKeyId, Arc<VerifyingKeyRecord>>>,
    trust: watch::Receiver<Arc<Trust>>,
}

impl Version {
    /// Reads a version from its files, `organisations.csv` among them.
    ///
    /// # Errors
    /// [`VersionError`] naming file, line and column; keep the version that is in force.
    pub fn read(files: Vec<pb::RegionFile>, sequence: Sequence, received_at: Moment) -> Result<Self, VersionError> {
        let find = |name: &str| files.iter().find(|file| file.name == name).map(|file| file.content.as_ref());
        let (catalogue, policy) = region::load_region(&region::RegionFiles::pick(find)?)?;
        let organisations = organisations::read(find(ORGANISATIONS).unwrap_or_default())?;
        let catalogue = Arc::new(catalogue);
        Ok(Self { sequence, received_at, catalogue, policy, organisations, files })
    }
}

impl Rules {
    /// Gives the three things that the rule asks.
    pub fn book(&self) -> Rulebook<'_> {
        Rulebook {
            catalogue: &self.version.catalogue,
            policy: &self.version.policy,
            qualifications: &self.qualifications,
        }
    }

    /// Finds an organisation of the region.
    ///
    /// # Errors
    /// [`HubError::Unlisted`]; the operator has to list it.
    pub fn organisation(&self, code: OrganisationCode) -> Result<&Organisation, HubError> {
        self.version.organisations.get(&code).ok_or(HubError::Unlisted)
    }
}

impl Registry {
    /// Starts with nothing but what certificates are checked against.
    pub fn new(trust: watch::Receiver<Arc<Trust>>) -> Self {
        Self { versions: ArcSwap::default(), qualifications: ArcSwap::default(), keys: ArcSwap::default(), trust }
    }

    /// Gives the rules in force at `at`: the version with the latest effective date that is not in the future.
    ///
    /// # Errors
    /// [`HubError::NoPolicy`] when none is in force yet.
    pub fn rules(&self, at: Moment) -> Result<Rules, HubError> {
        let versions = self.versions.load();
        let in_force = versions.iter().filter(|version| version.policy.effective_from.unix_ms() <= at.unix_ms());
        let version = in_force.max_by_key(|version| (version.policy.effective_from.unix_ms(), version.sequence));
        let version = version.ok_or(HubError::NoPolicy)?;
        Ok(Rules { version: Arc::clone(version), qualifications: self.qualifications.load_full() })
    }

    /// Gives all versions, in the order they were recorded.
    pub fn versions(&self) -> Arc<Vec<Arc<Version>>> {
        self.versions.load_full()
    }

    /// Gives what is known of laboratories.
    pub fn qualifications(&self) -> Arc<Qualifications> {
        self.qualifications.load_full()
    }

    /// Gives what certificates are checked against now.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.borrow())
    }

    /// Finds a signing key by its name.
    pub fn key(&self, key: SigningKeyId) -> Option<Arc<VerifyingKeyRecord>> {
        self.keys.load().get(&key).map(Arc::clone)
    }

    /// Says whether what a key signed before `at` may still be believed, given today's revocation list.
    pub fn key_counts(&self, key: SigningKeyId, at: Moment) -> bool {
        self.key(key).is_some_and(|record| {
            let revoked = self.trust.borrow().revoked_since(&record.serial);
            revoked.is_none_or(|since| at.unix_ms() < since.unix_ms())
        })
    }

    /// Lists the organisations that have a revoked signing key; what the others signed needs no second look.
    pub fn revoked_signers(&self) -> BTreeSet<OrganisationCode> {
        let trust = self.trust.borrow();
        let keys = self.keys.load();
        let revoked = keys.values().filter(|key| trust.revoked_since(&key.serial).is_some());
        revoked.map(|key| key.organisation).collect()
    }

    /// Adds a key. Called by the projector alone.
    pub fn add_key(&self, key: VerifyingKeyRecord) {
        let mut keys = HashMap::clone(&self.keys.load());
        keys.insert(key.key_id, Arc::new(key));
        self.keys.store(Arc::new(keys));
    }

    /// Adds a version. Called by the projector alone.
    pub fn add_version(&self, version: Version) {
        let rules = version.policy.qualification.clone();
        let mut versions = Vec::clone(&self.versions.load());
        versions.push(Arc::new(version));
        self.versions.store(Arc::new(versions));
        let mut qualifications = Qualifications::clone(&self.qualifications.load());
        qualifications.set_rules(rules);
        self.qualifications.store(Arc::new(qualifications));
    }

    /// Adds what a QC centre said. Called by the projector alone.
    pub fn add_statements(&self, statements: Vec<(Statement, Moment)>) {
        let mut qualifications = Qualifications::clone(&self.qualifications.load());
        let versions = self.versions.load();
        for (statement, learned_at) in statements {
            let version = versions.last();
            let region = version.and_then(|version| version.organisations.get(&statement.issuer)).map(|it| it.region);
            let scope = version.zip(region).map(|(version, region)| version.policy.scope_of(statement.issuer, region));
            // An issuer that the region does not list qualifies nobody.
            if let Some(scope) = scope {
                statement.facts(learned_at, scope).add_to(&mut qualifications);
            }
        }
        self.qualifications.store(Arc::new(qualifications));
    }
}

/// Name of the table of organisations among a version's files.
pub const ORGANISATIONS: &str = "organisations.csv";
