//! How a browser logs in and stays so: authorization code with PKCE, state and nonce; then a cookie that names a session
//! kept in memory, and a token in every form. Nothing is kept of a login that is under way: state, verifier and nonce
//! come from one random word in the browser's cookie, so that nobody can fill the hub with logins.
//!
//! Source: OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 6265bis for the cookies.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::id::Pseudonym;
use crate::doors::http::patient::gate::{Gate, GateError, Patient, Shown};
use crate::peer::issuer::{IssuerError, LoginRequest};
use crate::service::capability::Capabilities;
use crate::service::hub::consent::Acting;
use crate::service::hub::exchange::HubExchange;
use crate::service::viewing::Viewing;
use crate::wire::pb::Language;

/// Logins and sessions of browsers.
pub struct Logins {
    gate: Arc<Gate>,
    viewing: Arc<Viewing<HubExchange>>,
    redirect_uri: String,
    key: hmac::Key,
    sessions: Capabilities<Session>,
    random: fn() -> [u8; 32],
}

/// A browser that is logged in.
#[derive(Debug, Clone)]
pub struct Session {
    /// The patient.
    pub patient: Patient,
    /// For whom the patient acts at the moment; nobody else where there is none.
    pub ward: Option<Pseudonym>,
    /// Language of the pages.
    pub language: Language,
}

/// A session with its name, as a request brings it.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Name of the session.
    name: String,
    /// The session.
    pub session: Session,
}

/// What begins a login: where the browser goes, and the cookie that it takes along.
#[derive(Debug, Clone)]
pub struct Departure {
    /// The issuer's page.
    pub location: String,
    /// `Set-Cookie`.
    pub cookie: String,
}

/// Why nobody is logged in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The answer does not belong to a login of this browser, or came too late.
    #[error("the login was not completed; log in again")]
    Astray,
    /// The issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The token.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl Logins {
    /// Makes the logins of a hub that browsers reach at `base_url`.
    pub fn new(gate: Arc<Gate>, viewing: Arc<Viewing<HubExchange>>, base_url: &str, random: fn() -> [u8; 32]) -> Self {
        Self {
            gate,
            viewing,
            redirect_uri: format!("{base_url}{BACK}"),
            key: hmac::Key::new(hmac::HMAC_SHA256, &random()),
            sessions: Capabilities::new(SESSION_LIFETIME, SESSIONS_MAX),
            random,
        }
    }

    /// Gives the gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Gives what makes links to reports.
    pub fn viewing(&self) -> &Viewing<HubExchange> {
        &self.viewing
    }

    /// Begins a login.
    ///
    /// # Errors
    /// [`IssuerError`] where the issuer cannot be asked.
    pub async fn begin(&self, language: Language) -> Result<Departure, IssuerError> {
        let word = URL_SAFE_NO_PAD.encode((self.random)());
        let (state, nonce, verifier) =
            (self.made("state", &word), self.made("nonce", &word), self.made("verifier", &word));
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let request = LoginRequest {
            redirect_uri: &self.redirect_uri,
            state: &state,
            nonce: &nonce,
            challenge: &challenge,
            assurance: &self.gate.rules().assurances.join(" "),
            languages: if language == Language::En { "en zh" } else { "zh en" },
        };
        let location = self.gate.issuer().login_url(request).await?;
        let tongue = if language == Language::En { "en" } else { "zh" };
        Ok(Departure { location, cookie: set(LOGIN_COOKIE, &format!("{word}.{tongue}"), Some(LOGIN_LIFETIME)) })
    }

    /// Gives the language in which a browser's login under way began.
    pub fn began_in(&self, headers: &HeaderMap) -> Option<Language> {
        let (_, tongue) = cookie(headers, LOGIN_COOKIE)?.split_once('.')?;
        Some(spoken(tongue))
    }

    /// Ends a login: gives the cookie of the session.
    ///
    /// # Errors
    /// [`LoginError`]; nobody is logged in.
    pub async fn end(&self, headers: &HeaderMap, code: &str, state: &str) -> Result<String, LoginError> {
        let cookie = cookie(headers, LOGIN_COOKIE).ok_or(LoginError::Astray)?;
        let (word, tongue) = cookie.split_once('.').ok_or(LoginError::Astray)?;
        self.is_made("state", word, state).then_some(()).ok_or(LoginError::Astray)?;
        let verifier = self.made("verifier", word);
        let token = self.gate.issuer().id_token(code, &verifier, &self.redirect_uri).await?;
        let patient = self.gate.admit(&token, Shown::AtLogin(&self.made("nonce", word))).await?;
        let language = spoken(tongue);
        let name = self.sessions.put((self.random)(), Session { patient, ward: None, language });
        Ok(set(SESSION_COOKIE, &name, None))
    }

    /// Finds the session that a request's cookie names, and counts the request.
    ///
    /// # Errors
    /// [`GateError::Unproven`] where there is none, [`GateError::Pace`] where there were too many requests.
    pub fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, GateError> {
        let name = cookie(headers, SESSION_COOKIE).ok_or(GateError::Unproven)?;
        let session = self.sessions.find(name).ok_or(GateError::Unproven)?;
        self.gate.keep_pace(&session.patient)?;
        Ok(Visitor { name: name.to_owned(), session })
    }

    /// Changes a session; its time goes on as it was.
    pub fn change(&self, visitor: &Visitor, session: Session) {
        self.sessions.replace(&visitor.name, session);
    }

    /// Ends a session, and gives the cookie that forgets it.
    pub fn forget(&self, visitor: &Visitor) -> String {
        self.sessions.take(&visitor.name);
        set(SESSION_COOKIE, "", Some(Duration::ZERO))
    }

    /// Gives the token that every form of a session carries.
    pub fn form_token(&self, visitor: &Visitor) -> String {
        self.made("form", &visitor.name)
    }

    /// Gives a key for a form that must not be taken twice.
    pub fn fresh_key(&self) -> String {
        URL_SAFE_NO_PAD.encode((self.random)())
    }

    /// Says whether a form was written for this session.
    pub fn wrote(&self, visitor: &Visitor, token: &str) -> bool {
        self.is_made("form", &visitor.name, token)
    }

    /// Makes a word out of another, for one end alone.
    fn made(&self, end: &str, word: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, format!("{end} {word}").as_bytes()))
    }

    fn is_made(&self, end: &str, word: &str, made: &str) -> bool {
        let made = URL_SAFE_NO_PAD.decode(made);
        made.is_ok_and(|made| hmac::verify(&self.key, format!("{end} {word}").as_bytes(), &made).is_ok())
    }
}

impl Faulty for LoginError {
    fn fault(&self) -> Fault {
        match self {
            Self::Astray => Fault::Unproven,
            Self::Issuer(issuer) => issuer.fault(),
            Self::Gate(gate) => gate.fault(),
        }
    }
}

impl Session {
    /// Says for whom something is asked.
    pub fn acting(&self) -> Acting {
        match self.ward {
            None => Acting::oneself(self.patient.pseudonym),
            Some(ward) => Acting { patient: ward, guardian: Some(self.patient.pseudonym) },
        }
    }
}

fn spoken(tongue: &str) -> Language {
    if tongue == "en" { Language::En } else { Language::Zh }
}

/// Writes a cookie as a header, where it is one.
pub fn cookie_header(cookie: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(cookie).ok()
}

/// Writes a cookie that no script reads, that no other host gets, and that goes along with links but not with forms of
/// other sites.
fn set(name: &str, value: &str, lifetime: Option<Duration>) -> String {
    let age = lifetime.map(|lifetime| format!("; Max-Age={}", lifetime.as_secs())).unwrap_or_default();
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}")
}

/// Finds a cookie; one that stands twice is none.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

/// Where the issuer sends browsers back to.
pub const BACK: &str = "/me/login/back";
const SESSION_COOKIE: &str = "__Host-concord-session";
const LOGIN_COOKIE: &str = "__Host-concord-login";
/// Half an hour, whatever happens in it.
const SESSION_LIFETIME: Duration = Duration::from_secs(1_800);
const SESSIONS_MAX: usize = 100_000;
const LOGIN_LIFETIME: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_stands_twice_is_none() {
        let headers = |cookies: &[&str]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(header::COOKIE, cookie.parse().unwrap());
            }
            headers
        };
        assert_eq!(cookie(&headers(&["a=1; b=2", "c=3"]), "b"), Some("2"));
        assert_eq!(cookie(&headers(&["a=1; b=2", "b=3"]), "b"), None);
        assert_eq!(cookie(&headers(&["ab=1"]), "b"), None);
    }
}
