//! Where the records of signing keys, policies and QC centres' statements lie.

use std::ops::ControlFlow;

use super::{HubChange, HubTables};
use crate::domain::id::Digest;
use crate::domain::log::LogPlace;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker, Unsealed, sortable};
use crate::store::projection::{ProjectionError, Rows, Table};

/// Names a signing key: the first 8 bytes of SHA-256 over the Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SigningKeyId(pub [u8; 8]);

/// A version of the policy, and its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPolicy {
    /// From when on it decides.
    pub effective_from: Moment,
    /// Its version.
    pub version: String,
    /// Its record.
    pub place: LogPlace,
}

pub(super) const TABLES: &[Table] = &[KEYS, POLICIES, STATEMENTS, STATEMENT_ORDER];

impl<R: Rows> HubTables<R> {
    /// Gives the latest record of a signing key.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn key(&self, key: SigningKeyId) -> Result<Option<LogPlace>, ProjectionError> {
        place(self.row(KEYS, &key.0)?)
    }

    /// Lists the latest record of every signing key.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn keys(&self) -> Result<Vec<LogPlace>, ProjectionError> {
        let mut keys = Vec::new();
        self.0.visit(KEYS, &[], &[u8::MAX; 9], &mut |_, value| {
            keys.push(Unpacker::new(value).place()?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(keys)
    }

    /// Gives the record of a statement.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn statement(&self, statement: Digest) -> Result<Option<LogPlace>, ProjectionError> {
        place(self.row(STATEMENTS, statement.as_bytes())?)
    }

    /// Lists all statements in the order of the log.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn statements(&self) -> Result<Vec<(Digest, LogPlace)>, ProjectionError> {
        let mut statements = Vec::new();
        self.0.visit(STATEMENT_ORDER, &[], &[u8::MAX; 9], &mut |_, value| {
            let mut value = Unpacker::new(value);
            statements.push((Digest::new(value.bytes()?), value.place()?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(statements)
    }

    /// Lists all policies, the earliest to take effect first, and of those that take effect at once the earliest record.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn policies(&self) -> Result<Vec<KeptPolicy>, ProjectionError> {
        let mut policies = Vec::new();
        self.0.visit(POLICIES, &[], &[u8::MAX; 17], &mut |_, value| {
            let mut value = Unpacker::new(value);
            let (effective_from, place) = (value.moment()?, value.place()?);
            let version = String::from_utf8(value.rest().to_vec()).map_err(|_| Unsealed)?;
            policies.push(KeptPolicy { effective_from, version, place });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(policies)
    }

    /// Gives the policy that decides at an instant; of those that take effect at once it is the latest record.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn policy_at(&self, at: Moment) -> Result<Option<KeptPolicy>, ProjectionError> {
        let in_force = |policy: &KeptPolicy| policy.effective_from.unix_ms() <= at.unix_ms();
        Ok(self.policies()?.into_iter().rfind(in_force))
    }
}

impl HubChange<'_> {
    /// Notes a record of a signing key; it takes the place of earlier ones.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_key(&self, key: SigningKeyId, place: LogPlace) -> Result<(), ProjectionError> {
        self.put(KEYS, &key.0, &Packer::default().place(place).finish())
    }

    /// Notes a version of the policy.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_policy(&self, policy: &KeptPolicy) -> Result<(), ProjectionError> {
        let value = Packer::default().moment(policy.effective_from).place(policy.place);
        // Both of two that take effect at once are kept: what the first decided is told by it for ever.
        let effective_from = sortable(policy.effective_from.unix_ms()).to_be_bytes();
        let key = [effective_from, policy.place.sequence.0.to_be_bytes()].concat();
        self.put(POLICIES, &key, &value.bytes(policy.version.as_bytes()).finish())
    }

    /// Notes a statement; one that was noted before stays where it is.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn put_statement(&self, statement: Digest, place: LogPlace) -> Result<(), ProjectionError> {
        if self.statement(statement)?.is_some() {
            return Ok(());
        }
        self.put(STATEMENTS, statement.as_bytes(), &Packer::default().place(place).finish())?;
        let value = Packer::default().bytes(statement.as_bytes()).place(place).finish();
        self.put(STATEMENT_ORDER, &place.sequence.0.to_be_bytes(), &value)
    }
}

fn place(found: Option<Vec<u8>>) -> Result<Option<LogPlace>, ProjectionError> {
    Ok(found.map(|found| Unpacker::new(&found).place()).transpose()?)
}

const KEYS: Table = Table::new("keys");
const POLICIES: Table = Table::new("policies");
const STATEMENTS: Table = Table::new("statements");
const STATEMENT_ORDER: Table = Table::new("statement order");
