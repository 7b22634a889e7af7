//! An issuer over real TLS that changes its keys, is away, is slow, or answers what nobody should believe.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::*;

/// What the issuer answers next, and how often it was asked for its keys.
struct Behaviour {
    keys: Mutex<String>,
    description: Mutex<Option<String>>,
    away: Mutex<bool>,
    slow: Mutex<Option<Arc<Notify>>>,
    asked: AtomicUsize,
}

struct World {
    issuer: Issuer<String>,
    behaviour: Arc<Behaviour>,
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour = Arc::new(Behaviour {
            keys: Mutex::new("one".to_owned()),
            description: Mutex::default(),
            away: Mutex::new(false),
            slow: Mutex::default(),
            asked: AtomicUsize::new(0),
        });
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let served = served(address, Arc::clone(&behaviour));
        tokio::spawn(serve(listener, made.cert.der().clone(), key, served));
        let settings = IssuerSettings {
            issuer: name(address),
            authority_pem: Some(made.cert.pem().into_bytes()),
            client_id: "hub".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
        };
        let issuer = Issuer::new(settings, |bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap();
        Self { issuer, behaviour }
    }

    async fn keys(&self) -> Result<String, IssuerError> {
        self.issuer.keys().await.map(|keys| (*keys).clone())
    }

    /// Asks until the keys are these; whatever is under way gets its turn in between.
    async fn wait_for(&self, keys: &str) {
        while self.keys().await.ok().as_deref() != Some(keys) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets time pass, as far as the client knows.
    fn pass(&self, time: Duration) {
        let mut known = self.issuer.0.known();
        let Known { came, asked, failed, .. } = &mut *known;
        for moment in [came, asked, failed].into_iter().flatten() {
            *moment = moment.checked_sub(time).unwrap();
        }
    }

    fn asked(&self) -> usize {
        self.behaviour.asked.load(Ordering::SeqCst)
    }

    fn say<T>(&self, what: &Mutex<T>, value: T) {
        *what.lock().unwrap() = value;
    }

    fn request(&self) -> LoginRequest<'static> {
        LoginRequest {
            redirect_uri: "https://hub.example.cn/back",
            state: "s",
            nonce: "n",
            challenge: "c",
            assurance: "face",
            languages: "zh",
        }
    }
}

fn name(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

fn served(address: SocketAddr, behaviour: Arc<Behaviour>) -> Router {
    let base = name(address);
    let usual = json!({
        "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/jwks"),
    });
    let usual = usual.to_string();
    let describing = Arc::clone(&behaviour);
    let describe = move || {
        let (behaviour, usual) = (Arc::clone(&describing), usual.clone());
        async move {
            let slow = behaviour.slow.lock().unwrap().clone();
            if let Some(slow) = slow {
                slow.notified().await;
            }
            match *behaviour.away.lock().unwrap() {
                true => Err(StatusCode::SERVICE_UNAVAILABLE),
                false => Ok(behaviour.description.lock().unwrap().clone().unwrap_or(usual)),
            }
        }
    };
    let keys = move || {
        behaviour.asked.fetch_add(1, Ordering::SeqCst);
        let keys = behaviour.keys.lock().unwrap().clone();
        async move { keys }
    };
    Router::new().route("/.well-known/openid-configuration", get(describe)).route("/jwks", get(keys))
}

async fn serve(listener: TcpListener, certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>, app: Router) {
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            let service = TowerToHyperService::new(app);
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::test]
async fn keys_are_asked_for_once_and_again_when_they_are_old() {
    let world = World::new().await;
    assert_eq!(world.keys().await.unwrap(), "one");
    world.say(&world.behaviour.keys, "two".to_owned());
    world.pass(KEYS_AGE_MAX - Duration::from_secs(60));
    assert_eq!((world.keys().await.unwrap(), world.asked()), ("one".to_owned(), 1));
    world.pass(Duration::from_secs(61));
    world.wait_for("two").await;
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn many_tokens_with_an_unknown_key_make_one_question_a_minute() {
    let world = World::new().await;
    let first = world.issuer.keys().await.unwrap();
    world.say(&world.behaviour.keys, "two".to_owned());
    for _ in 0..10 {
        assert_eq!(world.issuer.newer_keys(&first).await, None, "asked less than a minute ago");
    }
    assert_eq!(world.asked(), 1);
    world.pass(ASKING_INTERVAL_MIN + Duration::from_secs(1));
    let askers = (0..10).map(|_| world.issuer.newer_keys(&first));
    let answers = futures_util::future::join_all(askers).await;
    assert!(answers.iter().all(|keys| keys.as_ref().is_some_and(|keys| **keys == "two")), "{answers:?}");
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn with_an_issuer_that_is_away_its_keys_hold_for_an_hour() {
    let world = World::new().await;
    world.keys().await.unwrap();
    world.say(&world.behaviour.away, true);
    world.pass(KEYS_AGE_MAX + Duration::from_secs(1));
    assert_eq!(world.keys().await.unwrap(), "one");
    world.pass(KEYS_STALE_MAX);
    assert_eq!(world.keys().await, Err(IssuerError::Unreachable));
    world.say(&world.behaviour.away, false);
    world.pass(KEYS_AGE_MAX);
    world.wait_for("one").await;
}

#[tokio::test]
async fn a_slow_issuer_keeps_nobody_waiting_who_has_keys_that_hold() {
    let world = World::new().await;
    world.keys().await.unwrap();
    let slow = Arc::new(Notify::new());
    world.say(&world.behaviour.slow, Some(Arc::clone(&slow)));
    world.say(&world.behaviour.keys, "two".to_owned());
    world.pass(KEYS_AGE_MAX + Duration::from_secs(1));
    // The issuer says nothing until it is told to; all of these would wait for it for ever.
    for _ in 0..3 {
        assert_eq!(world.keys().await.unwrap(), "one");
    }
    let login = world.issuer.login_url(world.request()).await.unwrap();
    assert!(login.contains("/authorize?"), "{login}");
    world.say(&world.behaviour.slow, None);
    slow.notify_waiters();
    world.wait_for("two").await;
}

#[tokio::test]
async fn nothing_is_believed_of_an_issuer_that_answers_wrongly() {
    let world = World::new().await;
    let base = world.issuer.name().to_owned();
    let described = |issuer: &str, keys: &str, more: &str| {
        json!({ "issuer": issuer, "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"), "jwks_uri": keys, "more": more })
        .to_string()
    };
    let keys = format!("{base}/jwks");
    let wrong = [
        "{}".to_owned(),
        described("https://other.example.cn", &keys, ""),
        described(&base, "http://localhost/jwks", ""),
        described(&base, &keys, &"x".repeat(ANSWER_BYTES_MAX)),
    ];
    for description in wrong {
        world.say(&world.behaviour.description, Some(description));
        world.pass(KEYS_AGE_MAX);
        assert_eq!(world.keys().await, Err(IssuerError::Unreachable));
        assert!(world.issuer.login_url(world.request()).await.is_err());
    }
    assert_eq!(world.asked(), 0);
    world.say(&world.behaviour.description, None);
    world.say(&world.behaviour.keys, "k".repeat(ANSWER_BYTES_MAX + 1));
    world.pass(KEYS_AGE_MAX);
    assert_eq!((world.keys().await, world.asked()), (Err(IssuerError::Unreachable), 1));
}
