//! The certificates and the revocation list of a process, and how long they still hold. The files are read each time: what
//! counts is what a new connection would find.

use std::path::PathBuf;

use crate::domain::time::Moment;
use crate::doors::health::{Check, State};
use crate::pki::expiry;
use crate::sys::files;

/// Where the papers of a process are.
#[derive(Debug, Clone, Default)]
pub struct Papers {
    /// Certificates, by what they are called on the page.
    pub certificates: Vec<(&'static str, PathBuf)>,
    /// The authority's revocation list.
    pub list: PathBuf,
}

impl Papers {
    /// Gives the seconds that each paper still holds, negative once it has run out; none where it cannot be read.
    pub fn left_s(&self, now: Moment) -> Vec<(&'static str, Option<i64>)> {
        let left = |until: i64| until - now.unix_ms().div_euclid(1_000);
        let certificate = |path| files::read(path).ok().and_then(|pem| expiry::certificate_until(&pem)).map(left);
        let certificates = self.certificates.iter().map(|(name, path)| (*name, certificate(path)));
        let list = files::read(&self.list).ok().and_then(|pem| expiry::list_until(&pem)).map(left);
        certificates.chain([(LIST, list)]).collect()
    }

    /// Looks at the papers. Blocks.
    pub fn check(&self, now: Moment) -> Check {
        let out = |left: &(&str, Option<i64>)| left.1.is_none_or(|left| left <= 0);
        let out: Vec<_> = self.left_s(now).into_iter().filter(out).map(|(name, _)| name).collect();
        // Without these two there is one thing less that the process can do.
        let is_partial = out.iter().all(|name| [HTTPS, SIGNING].contains(name));
        let state = if is_partial { State::Degraded } else { State::Failed };
        let wrong = (!out.is_empty()).then(|| format!("run out or unreadable: {}", out.join(", ")));
        Check::of("certificates", state, wrong)
    }
}

/// What the certificate of connections is called.
pub const TLS: &str = "tls";
/// What the authority's certificate is called.
pub const AUTHORITY: &str = "authority";
/// What the certificate for browsers is called.
pub const HTTPS: &str = "https";
/// What the certificate of the signing key is called.
pub const SIGNING: &str = "signing";
const LIST: &str = "revocation-list";
