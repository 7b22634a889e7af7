//! `[[https.clients]]` and `[[https.identifiers]]`: the programs that may come with a token, and what order screens call
//! the region's identifier types.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::credentials::CredentialsError;
use crate::app::https::HttpsPart;
use crate::app::settings::{beside, parsed};
use crate::domain::adcode::Adcode;
use crate::domain::identifier::IdentifierType;
use crate::domain::organisation::OrganisationCode;
use crate::doors::auth::revoked;
use crate::doors::http::client::{ClientGate, GateSettings, TokenClient};
use crate::doors::http::prompt::Gate;
use crate::doors::tls::Peer;
use crate::pki::reload::{Reloading, reloading};
use crate::pki::tls::ServerTls;
use crate::pki::token::KeySet;
use crate::ports::clock::Clock;
use crate::sys::files;
use crate::wire::cds::{IdentifierName, IdentifierNames};

/// A program that signs its own tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPart {
    /// `iss` of its tokens.
    pub issuer: String,
    /// Its public keys: a JSON Web Key Set, read again when it changes.
    pub keys: PathBuf,
    /// The hospital it is of. Must be given at the hub; at a node it is the node's own.
    pub organisation: Option<String>,
    /// Addresses of keys that its tokens may name in `jku`; they are compared and never fetched.
    #[serde(default)]
    pub jku: Vec<String>,
}

/// How an identifier is marked in a FHIR Patient, and what it is in the region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientIdentifierPart {
    /// `system`, whole.
    pub system: Option<String>,
    /// A code of `type`, as `NI`.
    pub code: Option<String>,
    /// The region's type.
    #[serde(rename = "type", deserialize_with = "parsed")]
    pub kind: IdentifierType,
    /// The authority that the region knows it under, where the type needs one.
    #[serde(default)]
    pub known_authority: String,
}

/// Whose door it is.
pub struct Whose {
    /// The region.
    pub region: Adcode,
    /// The hospital, at its own node.
    pub own: Option<OrganisationCode>,
    /// The time by which tokens are judged.
    pub clock: Arc<dyn Clock>,
}

/// How files are watched.
pub struct Watching<'a> {
    /// How often they are looked at.
    pub interval: Duration,
    /// Where the watchers run.
    pub behind: &'a TaskTracker,
    /// Ends them.
    pub stop: &'a CancellationToken,
}

impl ClientPart {
    /// Brings the path of the keys, written in the configuration `file`, to the process's own folder.
    pub fn place_beside(&mut self, file: &Path) {
        self.keys = beside(file, &self.keys);
    }

    fn client(&self, own: Option<OrganisationCode>, watching: &Watching<'_>) -> Result<TokenClient, CredentialsError> {
        let named = self.organisation.as_deref().map(str::parse::<OrganisationCode>).transpose();
        let organisation = match (named, own) {
            (Ok(Some(named)), Some(own)) if named == own => named,
            (Ok(Some(named)), None) => named,
            (Ok(None), Some(own)) => own,
            _ => return Err(CredentialsError::Client(self.issuer.clone())),
        };
        let path = self.keys.clone();
        let load = move || {
            let keys = KeySet::parse(&files::read(&path)?);
            keys.map_err(|source| CredentialsError::Keys { path: path.clone(), source })
        };
        let (keys, watcher) = reloading(vec![self.keys.clone()], watching.interval, load)?;
        watching.behind.spawn(watcher.run(watching.stop.clone()));
        Ok(TokenClient { issuer: self.issuer.clone(), keys, organisation, key_set_urls: self.jku.clone() })
    }
}

/// Makes the gate for programs of hospitals.
///
/// # Errors
/// [`CredentialsError`] naming the client or the file to correct; do not start.
pub fn gate(
    part: &HttpsPart,
    whose: Whose,
    tls: Reloading<ServerTls>,
    watching: &Watching<'_>,
) -> Result<Arc<ClientGate>, CredentialsError> {
    let mut clients: Vec<TokenClient> = Vec::with_capacity(part.clients.len());
    for client in &part.clients {
        if clients.iter().any(|known| known.issuer == client.issuer) {
            return Err(CredentialsError::Client(client.issuer.clone()));
        }
        clients.push(client.client(whose.own, watching)?);
    }
    let settings = GateSettings {
        region: whose.region,
        own: whose.own,
        base_url: part.base_url(),
        revoked: Box::new(move |caller| revoked(caller, &tls.current())),
        clients,
    };
    Ok(Arc::new(ClientGate::new(settings, whose.clock)))
}

/// Makes the gate of the prompt page's interface, which admits the same programs.
pub fn prompting(gate: Arc<ClientGate>) -> Gate {
    Arc::new(move |request| gate.admit(request.extensions().get::<Peer>(), request.headers(), request.uri().path()))
}

/// Makes the table of identifiers.
pub fn identifiers(part: &HttpsPart) -> IdentifierNames {
    let name = |part: &PatientIdentifierPart| IdentifierName {
        system: part.system.clone(),
        code: part.code.clone(),
        kind: part.kind.clone(),
        known_authority: part.known_authority.clone(),
    };
    IdentifierNames::new(part.identifiers.iter().map(name).collect())
}
