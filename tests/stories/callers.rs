//! Every kind of caller there is, with what each of them shows: certificates good and bad, tokens, a login.

use std::net::SocketAddr;
use std::sync::Arc;

use concord::app::demo::issuer::{DIRECT_GRANT, STRONG};
use concord::pki::token::IssuingKey;
use concord::sys::clock::ManualClock;
use reqwest::header::{AUTHORIZATION, COOKIE};
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::transport::Channel;

use crate::layout::{A, B, CENTRE, GATEWAY, OPERATOR, REGULATOR};
use crate::patience::until;
use crate::patient::Browser;
use crate::people::{self, Patient};
use crate::region::Region;

/// A kind of caller.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Its name in the matrix.
    pub name: &'static str,
    /// Its column.
    pub letter: &'static str,
    /// The folder of its certificate.
    folder: Option<&'static str>,
}

/// Callers on their way.
pub struct Callers {
    key: IssuingKey,
    token: String,
    cookie: String,
}

impl Caller {
    /// Every kind.
    pub const ALL: [Caller; 12] = [
        Caller::new("none", "A", None),
        Caller::new("foreign", "B", Some("foreign")),
        Caller::new("expired", "C", Some("expired")),
        Caller::new("revoked", "D", Some("lost")),
        Caller::new("own", "E", Some(A.folder)),
        Caller::new("other", "F", Some(B.folder)),
        Caller::new("qc-centre", "G", Some(CENTRE.folder)),
        Caller::new("regulator", "H", Some(REGULATOR.folder)),
        Caller::new("gateway", "I", Some(GATEWAY.folder)),
        Caller::new("operator", "J", Some(OPERATOR.folder)),
        Caller::new("program", "K", None),
        Caller::new("patient", "L", None),
    ];

    const fn new(name: &'static str, letter: &'static str, folder: Option<&'static str>) -> Self {
        Self { name, letter, folder }
    }
}

impl Callers {
    /// Equips everybody: bad certificates, a program of hospital A that both doors know, and a patient who has logged in.
    pub async fn come(region: &mut Region) -> Self {
        let past = ManualClock::new(region.began.plus_hours(-24 * 400));
        region.authority("ca", &region.issuing(A, "expired", "--days 30"), &past);
        region.authority("foreign-ca", "init --region 520000", &past);
        region.authority("foreign-ca", &region.issuing(A, "foreign", "--days 900"), &past);
        region.issue(A, "lost", "");
        region.ca(&format!("revoke --file {}", region.path("lost/tls.pem").display()));
        let key = acquaint(region);
        region.restart_node(A);
        region.kill_hub();
        region.start_hub();
        let patient = people::canary();
        region.start_issuer(&[("canary", &patient)]);
        region.serving().await;
        let (token, cookie) = logged_in(region, &patient).await;
        let callers = Self { key, token, cookie };
        for address in [region.hub_address(), region.grpc(A), region.https(A), region.hub_https_address()] {
            until("the revocation", async || match is_let_in(region, address, Some("lost")).await {
                true => Err("still let in".to_owned()),
                false => Ok(()),
            })
            .await;
        }
        callers
    }

    /// Gives a caller's way to a gRPC door, where there is a certificate to be shown.
    pub fn channel(&self, region: &Region, door: &str, caller: Caller) -> Option<Channel> {
        let folder = caller.folder?;
        Some(if door == "hub" { region.hub(folder) } else { region.node(A, folder) })
    }

    /// Asks a path of an HTTPS door, and gives the status, or `tls` where there was no connection.
    pub async fn asked(&self, region: &Region, door: &str, caller: Caller, method: Method, path: &str) -> String {
        let base = door_of(region, door);
        let query = if path.starts_with("/shl/") { "?recipient=somebody" } else { "" };
        let address = format!("{base}{path}{query}");
        let mut request = client(region, caller.folder).request(method, &address);
        request = match caller.name {
            "program" => request.header(AUTHORIZATION, format!("Bearer {}", self.signed(&address, &[]))),
            "patient" => {
                let shown = request.header(COOKIE, &self.cookie);
                // A browser has no token, and a program no cookie.
                if path.starts_with("/me") {
                    shown
                } else {
                    shown.header(AUTHORIZATION, format!("Bearer {}", self.token))
                }
            }
            _ => request,
        };
        let answer = shaped(request, path).send().await;
        answer.map_or("tls".to_owned(), |answer| answer.status().as_u16().to_string())
    }

    /// Signs a token of hospital A's program for an address, with some claims changed.
    pub fn signed(&self, address: &str, changes: &[(&str, Value)]) -> String {
        self.key.sign(&claims(address, changes)).unwrap()
    }
}

/// Says whether a server speaks to a caller who shows the certificate in a folder, or none.
pub async fn is_let_in(region: &Region, address: SocketAddr, shown: Option<&str>) -> bool {
    let Ok(mut stream) = connected(region, address, shown).await else { return false };
    // In TLS 1.3 the caller learns of a refusal only from its first read; a server that stays speaks first.
    matches!(stream.read(&mut [0; 1]).await, Ok(1))
}

/// Gives the certificate that a server shows.
pub async fn shown_by(region: &Region, address: SocketAddr) -> Vec<u8> {
    let stream = connected(region, address, None).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Shakes hands with a server under the certificate in a folder, or none.
async fn connected(
    region: &Region,
    address: SocketAddr,
    shown: Option<&str>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(region.path("ca/ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match shown.map(|folder| region.path(folder)) {
        None => builder.with_no_client_auth(),
        Some(folder) => {
            let chain = vec![CertificateDer::from_pem_file(folder.join("tls.pem")).unwrap()];
            let key = PrivateKeyDer::from_pem_file(folder.join("tls.key")).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(address).await?;
    connector.connect("localhost".try_into().unwrap(), tcp).await
}

/// Gives the address of an HTTPS door as its tokens name it.
pub fn door_of(region: &Region, door: &str) -> String {
    if door == "hub" { region.hub_https() } else { format!("https://localhost:{}", region.https(A).port()) }
}

/// Gives a program or a browser, with the certificate in a folder or none.
pub fn client(region: &Region, folder: Option<&str>) -> Client {
    // A second installation changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    let authority = std::fs::read(region.path("ca/ca.pem")).unwrap();
    let mut builder = Client::builder()
        .tls_certs_only([Certificate::from_pem(&authority).unwrap()])
        .redirect(redirect::Policy::none())
        .no_proxy();
    if let Some(folder) = folder {
        let read = |name: &str| std::fs::read(region.path(folder).join(name)).unwrap();
        builder = builder.identity(Identity::from_pem(&[read("tls.pem"), read("tls.key")].concat()).unwrap());
    }
    builder.build().unwrap()
}

/// Gives a request the shape that a door without a gate takes; the others say who may come before they look at it.
fn shaped(request: RequestBuilder, path: &str) -> RequestBuilder {
    if path.starts_with("/shl/") {
        return request.json(&json!({ "recipient": "somebody" }));
    }
    if path.starts_with("/prompt/session/") {
        let form = request.header("content-type", "application/x-www-form-urlencoded");
        return form.body("line=0&prompt=nothing&act=accept");
    }
    request
}

/// Gives the claims of a good token for an address, with some of them changed.
pub fn claims(address: &str, changes: &[(&str, Value)]) -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let id = hex::encode(concord::sys::random::bytes::<16>());
    let mut claims = json!({ "iss": PROGRAM, "aud": address, "iat": now, "exp": now + 300, "jti": id });
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

/// Tells hub and node A of a program of hospital A, whose key is given back; they read it at their next start.
pub fn acquaint(region: &Region) -> IssuingKey {
    let key = IssuingKey::generate("program").unwrap();
    std::fs::write(region.path("program.jwks"), key.key_set().to_string()).unwrap();
    for (file, organisation) in [("hub/hub.toml", A.code), ("a/node.toml", A.code)] {
        let text = std::fs::read_to_string(region.path(file)).unwrap();
        let client = format!(
            "\n[[https.clients]]\nissuer = \"{PROGRAM}\"\nkeys = \"../program.jwks\"\norganisation = \"{organisation}\"\n"
        );
        std::fs::write(region.path(file), text + &client).unwrap();
    }
    key
}

/// Logs a patient in: a token for programs, and the cookie of a session.
async fn logged_in(region: &Region, patient: &Patient) -> (String, String) {
    let mut browser = Browser::new(region);
    until("the issuer", async || match browser.get("/me/login").await.status().as_u16() {
        303 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    browser.log_in("canary", STRONG).await;
    let token = granted(region, "").await;
    assert!(!token.contains(&patient.number));
    (token, browser.cookie())
}

/// Has the issuer give a patient's token, with something changed of what is asked for, as `&acr=weak`.
pub async fn granted(region: &Region, change: &str) -> String {
    let form = format!("grant_type={}&subject=canary{change}", DIRECT_GRANT.replace(':', "%3A"));
    let request = client(region, None).post(format!("{}/token", region.issuer())).body(form);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let tokens: Value = answer.json().await.unwrap();
    tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
}

const PROGRAM: &str = "https://program.example.cn";
