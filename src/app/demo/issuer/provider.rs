//! What the demo's issuer gives: codes for browsers, tokens for codes, and tokens for whoever asks.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::app::demo::issuer::{DIRECT_GRANT, IssuerConfig, STRONG, SamplePatient, WEAK};
use crate::pki::token::{IssueError, IssuingKey};
use crate::ports::clock::Clock;
use crate::service::capability::Capabilities;
use crate::sys::random;

/// The issuer's key, its patients, and the codes under way.
pub struct Provider {
    config: IssuerConfig,
    key: IssuingKey,
    codes: Capabilities<Code>,
    clock: Arc<dyn Clock>,
}

/// What a browser asks for at `/authorize`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    /// `code`.
    pub response_type: String,
    /// The client.
    pub client_id: String,
    /// Where the browser goes back to.
    pub redirect_uri: String,
    /// `openid` among others.
    pub scope: String,
    /// Goes back as it came.
    pub state: String,
    /// Goes into the ID token.
    pub nonce: String,
    /// SHA-256 of the verifier.
    pub code_challenge: String,
    /// `S256`.
    pub code_challenge_method: String,
    /// Languages of the page.
    pub ui_locales: String,
    /// With the login page's answer: who logs in.
    pub subject: String,
    /// With the login page's answer: how strongly.
    pub acr: String,
}

/// What a program sends to `/token`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// `authorization_code`, or the direct grant.
    pub grant_type: String,
    /// The code.
    pub code: String,
    /// As at `/authorize`.
    pub redirect_uri: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What the challenge was made of.
    pub code_verifier: String,
    /// Direct grant: the sample patient.
    pub subject: String,
    /// Direct grant: level of assurance, the strong one unless given.
    pub acr: String,
    /// Direct grant: seconds until the token expires; may be negative.
    pub expires_in: Option<i64>,
    /// Direct grant: audience, the right one unless given.
    pub audience: String,
    /// Direct grant: issuer that the token names, the right one unless given.
    pub issuer: String,
}

#[derive(Debug, Clone)]
struct Code {
    asked: Asked,
    patient: SamplePatient,
}

/// Why nothing is given. Source: RFC 6749, 4.1.2.1 and 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub &'static str);

impl Provider {
    /// Makes an issuer with a new key.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn new(config: IssuerConfig, clock: Arc<dyn Clock>) -> Result<Self, IssueError> {
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<8>());
        Ok(Self { config, key: IssuingKey::generate(&id)?, codes: Capabilities::new(CODE_LIFETIME, CODES_MAX), clock })
    }

    /// Gives the discovery document.
    pub fn description(&self) -> Value {
        let base = &self.config.https.base_url;
        json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "jwks_uri": format!("{base}/jwks"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", DIRECT_GRANT],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES384"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "acr_values_supported": [STRONG, WEAK],
            "scopes_supported": ["openid", "profile"],
        })
    }

    /// Gives the keys.
    pub fn keys(&self) -> Value {
        self.key.key_set()
    }

    /// Lists whoever can log in.
    pub fn patients(&self) -> &[SamplePatient] {
        &self.config.patients
    }

    /// Checks what a browser asks for. Where it is wrong nobody is sent anywhere: the address may be somebody else's.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, asked: &Asked) -> Result<(), Refused> {
        let client = &self.config.client;
        let ours = asked.client_id == client.id && asked.redirect_uri == client.redirect_uri;
        let code = asked.response_type == "code" && asked.scope.split(' ').any(|scope| scope == "openid");
        let proof = asked.code_challenge_method == "S256" && asked.code_challenge.len() == CHALLENGE_CHARACTERS;
        if ours && code && proof { Ok(()) } else { Err(Refused("invalid_request")) }
    }

    /// Logs a sample patient in, and gives the code.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn log_in(&self, asked: Asked) -> Result<String, Refused> {
        self.check(&asked)?;
        let patient = self.patient(&asked.subject)?;
        Ok(self.codes.put(random::bytes(), Code { asked, patient }))
    }

    /// Gives tokens for a code, or for nothing at all.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn exchange(&self, sent: &Exchange) -> Result<Value, Refused> {
        match sent.grant_type.as_str() {
            "authorization_code" => self.for_code(sent),
            DIRECT_GRANT => self.at_once(sent),
            _ => Err(Refused("unsupported_grant_type")),
        }
    }

    fn for_code(&self, sent: &Exchange) -> Result<Value, Refused> {
        let client = &self.config.client;
        if sent.client_id != client.id || sent.client_secret != client.secret {
            return Err(Refused("invalid_client"));
        }
        let Code { asked, patient } = self.codes.take(&sent.code).ok_or(Refused("invalid_grant"))?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, sent.code_verifier.as_bytes()));
        if challenge != asked.code_challenge || sent.redirect_uri != asked.redirect_uri {
            return Err(Refused("invalid_grant"));
        }
        let mut id = self.claims(&patient, &asked.acr, LIFETIME_S);
        (id["aud"], id["nonce"]) = (json!(client.id), json!(asked.nonce));
        let access = self.claims(&patient, &asked.acr, LIFETIME_S);
        Ok(json!({
            "access_token": self.sign(&access)?,
            "id_token": self.sign(&id)?,
            "token_type": "Bearer",
            "expires_in": LIFETIME_S,
        }))
    }

    fn at_once(&self, sent: &Exchange) -> Result<Value, Refused> {
        let patient = self.patient(&sent.subject)?;
        let lifetime = sent.expires_in.unwrap_or(LIFETIME_S).clamp(-LIFETIME_S, LIFETIME_S);
        let acr = if sent.acr.is_empty() { STRONG } else { &sent.acr };
        let mut claims = self.claims(&patient, acr, lifetime);
        for (claim, chosen) in [("aud", &sent.audience), ("iss", &sent.issuer)] {
            if !chosen.is_empty() {
                claims[claim] = json!(chosen);
            }
        }
        Ok(json!({ "access_token": self.sign(&claims)?, "token_type": "Bearer", "expires_in": lifetime }))
    }

    fn claims(&self, patient: &SamplePatient, acr: &str, lifetime_s: i64) -> Value {
        let now = self.clock.now().unix_ms() / 1_000;
        json!({
            "iss": self.config.https.base_url,
            "aud": self.config.audience,
            "sub": patient.subject,
            "iat": now.min(now + lifetime_s),
            "exp": now + lifetime_s,
            "jti": URL_SAFE_NO_PAD.encode(random::bytes::<16>()),
            "acr": acr,
            "identifier_type": patient.identifier_type,
            "identifier": patient.identifier,
            "gender": patient.sex,
            "birthdate": patient.birth_date,
        })
    }

    fn patient(&self, subject: &str) -> Result<SamplePatient, Refused> {
        let patient = self.config.patients.iter().find(|patient| patient.subject == subject);
        patient.cloned().ok_or(Refused("invalid_request"))
    }

    fn sign(&self, claims: &Value) -> Result<String, Refused> {
        self.key.sign(claims).map_err(|_| Refused("server_error"))
    }
}

const CODE_LIFETIME: Duration = Duration::from_secs(60);
const CODES_MAX: usize = 1_000;
const CHALLENGE_CHARACTERS: usize = 43;
/// Half an hour.
const LIFETIME_S: i64 = 1_800;
