//! `[patients]` of `hub.toml`: who says who a patient is, how strongly, and by which claims.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Deserializer, de};

use crate::app::hub::config::HubConfig;
use crate::app::settings::{beside, parsed};
use crate::domain::identifier::IdentifierType;
use crate::domain::organisation::{Caller, Role};
use crate::doors::http::paths::Paths;
use crate::doors::http::patient;
use crate::doors::http::patient::gate::{ClaimNames, Gate, LoginRules};
use crate::peer::issuer::{Issuer, IssuerError, IssuerSettings};
use crate::pki::identity;
use crate::pki::token::KeySet;
use crate::service::hub::Hub;
use crate::service::hub::exchange::HubExchange;
use crate::service::viewing::Viewing;
use crate::sys::files::{self, FileError};
use crate::sys::random;

/// The issuer that patients log in at, and what its tokens must say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientsPart {
    /// The issuer, exactly as its tokens name it, `https://`.
    pub issuer: String,
    /// The authority that signed the issuer's certificate; those of the machine where it is left out.
    pub authority: Option<PathBuf>,
    /// The hub's name at the issuer, for the login of the pages.
    pub client_id: String,
    /// A file with the hub's secret at the issuer; a public client where it is left out.
    pub client_secret: Option<PathBuf>,
    /// What the tokens of programs must be meant for; never the client's name.
    pub audience: String,
    /// What the login of the pages asks for.
    #[serde(default = "usual_scopes")]
    pub scopes: Vec<String>,
    /// How strongly a patient must have logged in.
    pub assurance: AssurancePart,
    /// Which claims say who the patient is.
    #[serde(default)]
    pub claims: ClaimsPart,
}

/// The level of assurance: a name and a number alone are never enough.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssurancePart {
    /// The claim that tells it.
    #[serde(default = "usual_assurance")]
    pub claim: String,
    /// Its values that are strong enough, at least one.
    #[serde(deserialize_with = "some")]
    pub values: Vec<String>,
}

/// The names of the claims that say who the patient is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimsPart {
    /// The type of the identifier, as `CN-ID`.
    pub identifier_type: String,
    /// The identifier.
    pub identifier: String,
    /// `male` or `female`.
    pub sex: String,
    /// YYYY-MM-DD.
    pub birth_date: String,
    /// The type of the identifier where the token names none.
    #[serde(deserialize_with = "parsed")]
    pub usual_type: IdentifierType,
}

/// The issuer cannot be asked; the text says what to correct.
#[derive(Debug, thiserror::Error)]
pub enum PatientsError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The issuer's part of the configuration.
    #[error("[patients]: {0}")]
    Issuer(#[from] IssuerError),
    /// A token of a login would open the interface for programs too.
    #[error("[patients]: audience must not be the client_id; name the interface, as https://hub.example.cn/patient/v1")]
    Audience,
    /// The hub's own certificate does not say who it is.
    #[error("{path}: {reason}", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The secret is no text.
    #[error("{path} is not a secret in one line of text", path = .0.display())]
    Secret(PathBuf),
}

/// Gives the gate before everything of patients; none where the configuration has no `[patients]`.
///
/// # Errors
/// [`PatientsError`] naming what to correct; do not start.
pub fn gate(config: &HubConfig, hub: &Arc<Hub>) -> Result<Option<Arc<Gate>>, PatientsError> {
    let Some(part) = &config.patients else { return Ok(None) };
    let issuer = Issuer::new(part.settings()?, |keys| KeySet::parse(keys).ok())?;
    Ok(Some(Arc::new(Gate::new(Arc::clone(hub), issuer, part.rules(), gateway(config)?))))
}

/// Gives the patients' doors behind their gate, where there is one; their pages show reports through `viewing`.
pub fn doors(gate: Option<&Arc<Gate>>, viewing: &Arc<Viewing<HubExchange>>, base_url: &str) -> Paths {
    gate.map_or_else(Paths::new, |gate| patient::doors(gate, viewing, base_url, random::bytes::<32>))
}

/// Names the organisation as which the hub does what patients ask: its own, as the patients' entrance.
fn gateway(config: &HubConfig) -> Result<Caller, PatientsError> {
    let path = &config.tls.certificate;
    let failed = |reason: String| PatientsError::Certificate { path: path.clone(), reason };
    let certificate = CertificateDer::from_pem_slice(&files::read(path)?).map_err(|error| failed(error.to_string()))?;
    let own = identity::caller(&certificate, config.region).map_err(|error| failed(error.to_string()))?;
    Ok(Caller { role: Role::PatientGateway, name: "patients".to_owned(), serial: None, ..own })
}

impl PatientsPart {
    /// Brings the paths, written in the configuration `file`, to the process's own folder.
    pub fn place_beside(&mut self, file: &Path) {
        for path in self.authority.iter_mut().chain(&mut self.client_secret) {
            *path = beside(file, path);
        }
    }

    /// Gives what a token must say.
    fn rules(&self) -> LoginRules {
        let ClaimsPart { identifier_type, identifier, sex, birth_date, usual_type } = self.claims.clone();
        LoginRules {
            audience: self.audience.clone(),
            assurance_claim: self.assurance.claim.clone(),
            assurances: self.assurance.values.clone(),
            claims: ClaimNames { identifier_type, identifier, sex, birth_date, usual_type },
        }
    }

    /// Gives what the hub must know to ask the issuer.
    ///
    /// # Errors
    /// [`PatientsError`] naming the key or the file; do not start.
    pub fn settings(&self) -> Result<IssuerSettings, PatientsError> {
        if self.audience == self.client_id {
            return Err(PatientsError::Audience);
        }
        let secret = self.client_secret.as_ref().map(|path| {
            let bytes = files::read_secret(path)?;
            let text = std::str::from_utf8(&bytes).map(str::trim).ok().filter(|text| !text.is_empty());
            text.map(|text| text.to_owned().into()).ok_or_else(|| PatientsError::Secret(path.clone()))
        });
        Ok(IssuerSettings {
            issuer: self.issuer.clone(),
            authority_pem: self.authority.as_ref().map(|path| files::read(path)).transpose()?,
            client_id: self.client_id.clone(),
            client_secret: secret.transpose()?,
            scopes: self.scopes.clone(),
        })
    }
}

impl Default for ClaimsPart {
    fn default() -> Self {
        Self {
            identifier_type: "identifier_type".to_owned(),
            identifier: "identifier".to_owned(),
            sex: "gender".to_owned(),
            birth_date: "birthdate".to_owned(),
            usual_type: IdentifierType::CITIZEN
                .parse()
                .unwrap_or_else(|error| unreachable!("the house's own type: {error}")),
        }
    }
}

fn usual_scopes() -> Vec<String> {
    ["openid", "profile"].map(str::to_owned).to_vec()
}

fn usual_assurance() -> String {
    "acr".to_owned()
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Vec::<String>::deserialize(deserializer)?;
    match values.is_empty() || values.iter().any(String::is_empty) {
        true => Err(de::Error::custom("name at least one value that is strong enough, and none that is empty")),
        false => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: &str = "issuer = \"https://id.example.cn\"\nclient_id = \"hub\"\naudience = \"api\"\n\
                        [assurance]\nvalues = [\"face\"]\n";

    #[test]
    fn a_part_without_a_strong_level_is_refused() {
        assert!(toml::from_str::<PatientsPart>(PART).is_ok());
        let refused = toml::from_str::<PatientsPart>(&PART.replace("\"face\"", "")).unwrap_err();
        assert!(refused.to_string().contains("at least one"), "{refused}");
    }

    #[test]
    fn a_login_may_not_open_the_interface_for_programs() {
        let part: PatientsPart = toml::from_str(&PART.replace("\"api\"", "\"hub\"")).unwrap();
        assert!(matches!(part.settings(), Err(PatientsError::Audience)));
    }
}
