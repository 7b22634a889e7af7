//! The gate before everything of patients: a token of the one issuer, strong enough, for a person whom the region can
//! link without doubt. Whoever is refused for the token itself is told no more than that.
//!
//! Source: RFC 6750; RFC 9470 for logins that are too weak.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Pseudonym;
use crate::domain::identifier::IdentifierType;
use crate::domain::organisation::Caller;
use crate::doors::http::answer::Problem;
use crate::doors::pace::Pace;
use crate::peer::issuer::Issuer;
use crate::pki::token::{Claims, Expected, KeySet, Token};
use crate::service::hub::Hub;
use crate::wire::pb;
use crate::wire::person::person;

/// Decides who is a patient, and which.
pub struct Gate {
    hub: Arc<Hub>,
    issuer: Issuer<KeySet>,
    rules: LoginRules,
    gateway: Caller,
    pace: Pace<Pseudonym>,
}

/// What a token must say.
#[derive(Debug, Clone)]
pub struct LoginRules {
    /// What the tokens of programs must be meant for.
    pub audience: String,
    /// The claim that tells the level of assurance.
    pub assurance_claim: String,
    /// Its values that are strong enough.
    pub assurances: Vec<String>,
    /// Which claims say who the patient is.
    pub claims: ClaimNames,
}

/// The names of the claims that say who the patient is.
#[derive(Debug, Clone)]
pub struct ClaimNames {
    /// The type of the identifier.
    pub identifier_type: String,
    /// The identifier.
    pub identifier: String,
    /// `male` or `female`.
    pub sex: String,
    /// YYYY-MM-DD.
    pub birth_date: String,
    /// The type of the identifier where the token names none.
    pub usual_type: IdentifierType,
}

/// A patient who has proved to be one; handlers take it instead of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// The patient.
    pub pseudonym: Pseudonym,
}

/// What a token is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// A program's token for the interface.
    ToInterface,
    /// The ID token of a browser's login, with the nonce that it must carry.
    AtLogin(&'a str),
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// There is no token that is believed.
    #[error("prove who you are")]
    Unproven,
    /// The login was too weak.
    #[error("a stronger login is needed: a name and a number alone are not enough; log in by face, card or bank card")]
    TooWeak,
    /// The login names nobody whom the region can link without doubt.
    #[error(
        "the login does not name a person whom the region can link without doubt; ask a hospital to check the record"
    )]
    Nobody,
    /// Too many requests of one patient.
    #[error("too many requests; wait a minute")]
    Pace,
    /// The issuer or the hub cannot say now.
    #[error("logins cannot be checked now; try again later")]
    Busy,
}

impl Gate {
    /// Makes the gate of a hub; what passes it is recorded as done by `gateway`.
    pub fn new(hub: Arc<Hub>, issuer: Issuer<KeySet>, rules: LoginRules, gateway: Caller) -> Self {
        Self { hub, issuer, rules, gateway, pace: Pace::new(REQUESTS_PER_S, REQUESTS_AT_ONCE) }
    }

    /// Gives the hub behind the gate.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Gives the issuer.
    pub fn issuer(&self) -> &Issuer<KeySet> {
        &self.issuer
    }

    /// Gives what a token must say.
    pub fn rules(&self) -> &LoginRules {
        &self.rules
    }

    /// Names the organisation as which the hub does what patients ask.
    pub fn gateway(&self) -> &Caller {
        &self.gateway
    }

    /// Lets in whoever shows a bearer token.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn bearer(&self, headers: &HeaderMap) -> Result<Patient, GateError> {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(only), None) = (shown.next(), shown.next()) else { return Err(GateError::Unproven) };
        let text = only.to_str().map_err(|_| GateError::Unproven)?;
        let (scheme, token) = text.split_once(' ').ok_or(GateError::Unproven)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(GateError::Unproven);
        }
        let patient = self.admit(token.trim(), Shown::ToInterface).await?;
        self.keep_pace(&patient)?;
        Ok(patient)
    }

    /// Lets in whoever shows a token.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn admit(&self, token: &str, shown: Shown<'_>) -> Result<Patient, GateError> {
        let claims = self.believed(token, shown).await?;
        if let Shown::AtLogin(nonce) = shown
            && claims.text("nonce") != Some(nonce)
        {
            return Err(GateError::Unproven);
        }
        let assurance = claims.text(&self.rules.assurance_claim);
        if !assurance.is_some_and(|level| self.rules.assurances.iter().any(|strong| strong == level)) {
            return Err(GateError::TooWeak);
        }
        self.resolved(&claims).await
    }

    /// Counts a request of a patient.
    ///
    /// # Errors
    /// [`GateError::Pace`] where there were too many.
    pub fn keep_pace(&self, patient: &Patient) -> Result<(), GateError> {
        if self.pace.take(patient.pseudonym, Instant::now()) { Ok(()) } else { Err(GateError::Pace) }
    }

    async fn believed(&self, text: &str, shown: Shown<'_>) -> Result<Claims, GateError> {
        let token = Token::parse(text).map_err(|_| GateError::Unproven)?;
        // Another issuer's token asks nothing of ours.
        if token.issuer() != Some(self.issuer.name()) {
            return Err(GateError::Unproven);
        }
        let mut keys = self.issuer.keys().await.map_err(|_| GateError::Busy)?;
        if !token.has_key_in(&keys) {
            keys = self.issuer.newer_keys(&keys).await.ok_or(GateError::Unproven)?;
        }
        let audience = match shown {
            Shown::ToInterface => &self.rules.audience,
            Shown::AtLogin(_) => self.issuer.client_id(),
        };
        let now_unix_ms = self.hub.now().unix_ms();
        let expected =
            Expected { issuer: self.issuer.name(), audience, now_unix_ms, lifetime_s_max: Some(LIFETIME_S_MAX) };
        token.verify(&keys, &expected).map_err(|_| GateError::Unproven)
    }

    /// Names the patient as the region does.
    async fn resolved(&self, claims: &Claims) -> Result<Patient, GateError> {
        let names = &self.rules.claims;
        let word = |name: &str| claims.text(name).unwrap_or_default().to_owned();
        let kind = Some(word(&names.identifier_type)).filter(|kind| !kind.is_empty());
        let identifier = pb::Identifier {
            r#type: kind.unwrap_or_else(|| names.usual_type.to_string()),
            authority: String::new(),
            value: word(&names.identifier),
        };
        let sex = match word(&names.sex).as_str() {
            "male" => pb::Sex::Male,
            "female" => pb::Sex::Female,
            _ => pb::Sex::Unspecified,
        };
        let named = person(&[identifier], sex, &word(&names.birth_date)).map_err(|_| GateError::Nobody)?;
        let resolved = self.hub.resolve(&[named]).await.map_err(|error| {
            tracing::error!(%error, "a patient was not resolved");
            GateError::Busy
        })?;
        let pseudonym = resolved.first().map(|resolution| Pseudonym::try_from(resolution.pseudonym.as_ref()));
        match pseudonym {
            Some(Ok(pseudonym)) => Ok(Patient { pseudonym }),
            _ => Err(GateError::Nobody),
        }
    }
}

/// Lets a request through with its [`Patient`], or answers it; nothing of its body is read before.
pub async fn guard(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    match gate.bearer(request.headers()).await {
        Ok(patient) => {
            request.extensions_mut().insert(patient);
            next.run(request).await
        }
        Err(error) => refusal(&gate, &error),
    }
}

fn refusal(gate: &Gate, error: &GateError) -> Response {
    let mut response = Problem::new(error.fault(), error.to_string()).into_response();
    if *error == GateError::TooWeak {
        let wanted = gate.rules.assurances.join(" ");
        let challenge = format!("Bearer error=\"insufficient_user_authentication\", acr_values=\"{wanted}\"");
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    if *error == GateError::Pace {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

impl Faulty for GateError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unproven => Fault::Unproven,
            Self::TooWeak | Self::Nobody => Fault::Denied,
            Self::Pace => Fault::Limited,
            Self::Busy => Fault::Busy,
        }
    }
}

/// Requests that one patient may make in the long run: a page four times a second.
const REQUESTS_PER_S: u32 = 4;
/// Requests that one patient may make at once.
const REQUESTS_AT_ONCE: u32 = 240;
/// Longest life of a patient's token, in seconds: a day.
const LIFETIME_S_MAX: i64 = 86_400;
