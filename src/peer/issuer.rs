//! The issuer that says who a patient is: its discovery document and keys, cached and bounded, and the exchange of a
//! login's code. What a token must say is judged by whoever asks; here is the network alone. Redirects are never
//! followed. No lock is held while the issuer is asked: with keys that still hold, a slow issuer keeps nobody waiting.
//!
//! Source: OpenID Connect Discovery 1.0; OpenID Connect Core 1.0, 3.1; RFC 7636.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, Url};
use serde::Deserialize;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::domain::fault::{Fault, Faulty};

/// What the hub must know to ask an issuer.
#[derive(Clone)]
pub struct IssuerSettings {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// The authority of its certificate, PEM; those of the machine where there is none.
    pub authority_pem: Option<Vec<u8>>,
    /// The hub's name there.
    pub client_id: String,
    /// The hub's secret there.
    pub client_secret: Option<Zeroizing<String>>,
    /// What a login asks for.
    pub scopes: Vec<String>,
}

/// An issuer, and its keys as `K`.
pub struct Issuer<K>(Arc<Inner<K>>);

struct Inner<K> {
    settings: IssuerSettings,
    client: Client,
    read: fn(&[u8]) -> Option<K>,
    known: Mutex<Known<K>>,
}

/// Where a browser is sent to log in.
#[derive(Debug, Clone, Copy)]
pub struct LoginRequest<'a> {
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    /// Ties the answer to the browser that asked.
    pub state: &'a str,
    /// Ties the token to the login.
    pub nonce: &'a str,
    /// SHA-256 of the verifier, base64url.
    pub challenge: &'a str,
    /// The levels of assurance that are strong enough.
    pub assurance: &'a str,
    /// Languages of the login page, as `zh`.
    pub languages: &'a str,
}

/// The issuer cannot be asked, or answers what nobody can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// The settings cannot be used.
    #[error("the issuer's {0} cannot be used; correct it")]
    Settings(&'static str),
    /// No answer, or none in time.
    #[error("the issuer of patients' logins cannot be reached; try again later")]
    Unreachable,
    /// An answer that is not what the standard asks for.
    #[error("the issuer of patients' logins answers wrongly ({0}); tell the operator")]
    Malformed(&'static str),
    /// The code of a login is not, or no longer, good.
    #[error("the login was not completed; log in again")]
    Code,
}

/// What the issuer says of itself. Source: OpenID Connect Discovery 1.0, 3.
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

struct Known<K> {
    metadata: Option<Arc<Metadata>>,
    keys: Option<Arc<K>>,
    /// When the keys came.
    came: Option<Instant>,
    /// When the issuer was last asked for its keys, whatever it said.
    asked: Option<Instant>,
    /// When it last did not describe itself.
    failed: Option<Instant>,
    /// The question under way, which all who need its answer wait for.
    asking: Option<Asking>,
}

type Asking = Shared<BoxFuture<'static, ()>>;

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl<K: Send + Sync + 'static> Issuer<K> {
    /// Makes the way to an issuer, which is not asked yet. `read` reads its keys from their JSON.
    ///
    /// # Errors
    /// [`IssuerError::Settings`]; correct the configuration.
    pub fn new(settings: IssuerSettings, read: fn(&[u8]) -> Option<K>) -> Result<Self, IssuerError> {
        let address = Url::parse(&settings.issuer).map_err(|_| IssuerError::Settings("address"))?;
        if address.scheme() != "https" || address.query().is_some() || address.fragment().is_some() {
            return Err(IssuerError::Settings("address, which must be https without a query,"));
        }
        let mut client = Client::builder()
            .https_only(true)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(ANSWER_WAIT_MAX)
            .connect_timeout(CONNECT_WAIT_MAX)
            .pool_max_idle_per_host(2);
        if let Some(pem) = &settings.authority_pem {
            let authority = Certificate::from_pem(pem).map_err(|_| IssuerError::Settings("authority"))?;
            client = client.tls_certs_only([authority]);
        }
        let client = client.build().map_err(|_| IssuerError::Settings("authority"))?;
        let known = Known { metadata: None, keys: None, came: None, asked: None, failed: None, asking: None };
        Ok(Self(Arc::new(Inner { settings, client, read, known: Mutex::new(known) })))
    }

    /// Gives the issuer's name, as its tokens must spell it.
    pub fn name(&self) -> &str {
        &self.0.settings.issuer
    }

    /// Gives the hub's name at the issuer.
    pub fn client_id(&self) -> &str {
        &self.0.settings.client_id
    }

    /// Gives the issuer's keys, as new as they need be. Where there are keys that still hold, a slow issuer is not waited
    /// for.
    ///
    /// # Errors
    /// [`IssuerError`] where none were ever got, or none that hold.
    pub async fn keys(&self) -> Result<Arc<K>, IssuerError> {
        let (held, asking) = {
            let mut known = self.0.known();
            let renews = !since(known.asked, KEYS_AGE_MAX) || known.keys.is_none();
            (known.keys.is_some(), renews.then(|| self.0.ask(&mut known)))
        };
        match asking {
            // Whoever asked is not heeded any more when the wait is over; the question goes on.
            Some(asking) if held => drop(timeout(RENEWAL_WAIT_MAX, asking).await),
            Some(asking) => asking.await,
            None => {}
        }
        let known = self.0.known();
        let held = since(known.came, KEYS_STALE_MAX);
        known.keys.clone().filter(|_| held).ok_or(IssuerError::Unreachable)
    }

    /// Asks for keys newer than `than`, because a token names one that is not among them. The issuer is asked at most
    /// once a minute.
    pub async fn newer_keys(&self, than: &Arc<K>) -> Option<Arc<K>> {
        let newer = |known: &Known<K>| known.keys.clone().filter(|keys| !Arc::ptr_eq(keys, than));
        let asking = {
            let mut known = self.0.known();
            if let Some(newer) = newer(&known) {
                return Some(newer);
            }
            let asks = known.asking.is_some() || !since(known.asked, ASKING_INTERVAL_MIN);
            asks.then(|| self.0.ask(&mut known))
        };
        asking?.await;
        newer(&self.0.known())
    }

    /// Gives the address at which a browser logs in.
    ///
    /// # Errors
    /// [`IssuerError`] where the issuer does not say.
    pub async fn login_url(&self, request: LoginRequest<'_>) -> Result<String, IssuerError> {
        let metadata = self.0.metadata().await?;
        let settings = &self.0.settings;
        let scopes = settings.scopes.join(" ");
        let parameters = [
            ("response_type", "code"),
            ("client_id", &settings.client_id),
            ("redirect_uri", request.redirect_uri),
            ("scope", &scopes),
            ("state", request.state),
            ("nonce", request.nonce),
            ("code_challenge", request.challenge),
            ("code_challenge_method", "S256"),
            ("acr_values", request.assurance),
            ("ui_locales", request.languages),
        ];
        let url = Url::parse_with_params(&metadata.authorization_endpoint, parameters);
        Ok(url.map_err(|_| IssuerError::Malformed("authorization_endpoint"))?.into())
    }

    /// Exchanges the code of a login for its ID token, which is still to be verified.
    ///
    /// # Errors
    /// [`IssuerError::Code`] where the issuer refuses the code; log in again.
    pub async fn id_token(&self, code: &str, verifier: &str, redirect_uri: &str) -> Result<String, IssuerError> {
        let metadata = self.0.metadata().await?;
        let settings = &self.0.settings;
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("client_id", &settings.client_id),
            ("code_verifier", verifier),
        ];
        if let Some(secret) = &settings.client_secret {
            parameters.push(("client_secret", secret));
        }
        let form = Url::parse_with_params("https://form/", parameters).map_err(|_| IssuerError::Code)?;
        let request = self
            .0
            .client
            .post(&metadata.token_endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form.query().unwrap_or_default().to_owned());
        let answer = request.send().await.map_err(|_| IssuerError::Unreachable)?;
        if answer.status().is_client_error() {
            return Err(IssuerError::Code);
        }
        let tokens: Tokens = serde_json::from_slice(&body(answer).await?).map_err(|_| TOKENS)?;
        Ok(tokens.id_token)
    }
}

impl<K: Send + Sync + 'static> Inner<K> {
    fn known(&self) -> MutexGuard<'_, Known<K>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the question under way, begun if there is none; it goes on whoever waits for it.
    fn ask(self: &Arc<Self>, known: &mut Known<K>) -> Asking {
        if let Some(asking) = &known.asking {
            return asking.clone();
        }
        known.asked = Some(Instant::now());
        let inner = Arc::clone(self);
        let asking = tokio::spawn(async move { inner.renew().await }).map(drop).boxed().shared();
        known.asking = Some(asking.clone());
        asking
    }

    /// Asks the issuer for its description and its keys. What is got in time is believed, the rest stays as it was.
    async fn renew(&self) {
        let described = self.describe().await.map(Arc::new);
        let keys = match &described {
            Ok(metadata) => self.fetch_keys(metadata).await,
            Err(error) => Err(error.clone()),
        };
        let mut known = self.known();
        known.asking = None;
        known.failed = described.is_err().then(Instant::now);
        known.metadata = described.ok();
        match keys {
            Ok(keys) => (known.keys, known.came) = (Some(Arc::new(keys)), Some(Instant::now())),
            Err(error) => tracing::warn!(%error, "the issuer's keys were not renewed"),
        }
    }

    async fn fetch_keys(&self, metadata: &Metadata) -> Result<K, IssuerError> {
        let bytes = self.read_from(&metadata.jwks_uri).await?;
        (self.read)(&bytes).ok_or(IssuerError::Malformed("its keys"))
    }

    /// Gives the issuer's description; the issuer is asked where it is not known.
    async fn metadata(self: &Arc<Self>) -> Result<Arc<Metadata>, IssuerError> {
        let asking = {
            let mut known = self.known();
            if let Some(metadata) = &known.metadata {
                return Ok(Arc::clone(metadata));
            }
            // Whoever asks to log in makes the hub ask; an issuer that is away is not asked by each of them.
            if since(known.failed, FAILED_INTERVAL_MIN) {
                return Err(IssuerError::Unreachable);
            }
            self.ask(&mut known)
        };
        asking.await;
        self.known().metadata.clone().ok_or(IssuerError::Unreachable)
    }

    async fn describe(&self) -> Result<Metadata, IssuerError> {
        let address = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let bytes = self.read_from(&address).await?;
        let metadata: Metadata =
            serde_json::from_slice(&bytes).map_err(|_| IssuerError::Malformed("its description"))?;
        if metadata.issuer != self.settings.issuer {
            return Err(IssuerError::Malformed("it bears another name"));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if endpoints.iter().any(|address| !Url::parse(address).is_ok_and(|url| url.scheme() == "https")) {
            return Err(IssuerError::Malformed("an address of its description"));
        }
        Ok(metadata)
    }

    async fn read_from(&self, address: &str) -> Result<Vec<u8>, IssuerError> {
        let request = self.client.get(address).header("accept", "application/json");
        body(request.send().await.map_err(|_| IssuerError::Unreachable)?).await
    }
}

#[cfg(test)]
impl<K: Send + Sync + 'static> Issuer<K> {
    /// Makes an issuer whose keys are known already and that nobody will ever reach.
    pub fn known(settings: IssuerSettings, keys: K) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let issuer = Self::new(settings, |_| None).unwrap();
        let mut known = issuer.0.known();
        (known.came, known.asked) = (Some(Instant::now()), Some(Instant::now()));
        known.keys = Some(Arc::new(keys));
        drop(known);
        issuer
    }
}

/// Says whether something happened less than `time` ago.
fn since(moment: Option<Instant>, time: Duration) -> bool {
    moment.is_some_and(|moment| moment.elapsed() < time)
}

/// Reads a whole answer, of a size that such answers have.
async fn body(mut answer: Response) -> Result<Vec<u8>, IssuerError> {
    if !answer.status().is_success() {
        return Err(IssuerError::Unreachable);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| IssuerError::Unreachable)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(IssuerError::Malformed("an answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl Faulty for IssuerError {
    fn fault(&self) -> Fault {
        match self {
            Self::Settings(_) => Fault::Broken,
            Self::Unreachable | Self::Malformed(_) => Fault::Busy,
            Self::Code => Fault::Unproven,
        }
    }
}

const TOKENS: IssuerError = IssuerError::Malformed("its tokens");
const ANSWER_BYTES_MAX: usize = 256 << 10;
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Keys are asked for anew after this, so that one that was withdrawn does not open doors for long.
const KEYS_AGE_MAX: Duration = Duration::from_secs(600);
/// With an issuer that is away, the keys it had are believed no longer than this.
const KEYS_STALE_MAX: Duration = Duration::from_secs(3_600);
/// How long keys that still hold are not used because newer ones are being asked for.
const RENEWAL_WAIT_MAX: Duration = Duration::from_secs(1);
const FAILED_INTERVAL_MIN: Duration = Duration::from_secs(5);
const ASKING_INTERVAL_MIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
