//! The gate before every gRPC service: who may call which method, and whose certificate was revoked since it connected.
//! It never touches a body. The table of methods is written in `grpc/access.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tower::{Layer, Service};

use super::grpc::status;
use super::shares::{InTurn, Shares, Turn};
use super::tls::Peer;
use crate::domain::organisation::{Caller, OrganisationCode, Role};
use crate::pki::reload::Reloading;
use crate::pki::tls::ServerTls;

/// Which roles may call which method; whatever is not in it may be called by nobody.
#[derive(Debug, Clone)]
pub struct AccessTable(Arc<HashMap<&'static str, &'static [Role]>>);

/// The proof that a caller may call a method; handlers take it instead of a certificate.
#[derive(Debug, Clone)]
pub struct Permit {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// The path of the method, `/package.Service/Method`.
    pub method: &'static str,
}

/// Puts an [`Auth`] around a service.
#[derive(Debug, Clone)]
pub struct AuthLayer {
    access: AccessTable,
    tls: Reloading<ServerTls>,
    own: Option<OrganisationCode>,
    shares: Option<Arc<Shares>>,
}

/// Lets a call through with its [`Permit`], or answers it with a gRPC status.
#[derive(Debug, Clone)]
pub struct Auth<S> {
    inner: S,
    gate: AuthLayer,
}

impl AccessTable {
    /// Makes the table from one row a method.
    ///
    /// # Panics
    /// When a method stands in two rows: one of them would be ignored.
    pub fn new(rows: &'static [(&'static str, &'static [Role])]) -> Self {
        let table: HashMap<_, _> = rows.iter().copied().collect();
        assert_eq!(table.len(), rows.len(), "a method stands in the access table twice");
        Self(Arc::new(table))
    }

    /// Gives the method as the table spells it, when `role` may call it.
    pub fn allowed(&self, path: &str, role: Role) -> Option<&'static str> {
        let (method, roles) = self.0.get_key_value(path)?;
        roles.contains(&role).then_some(*method)
    }
}

impl AuthLayer {
    /// Makes the gate from the table and the settings that carry the current revocation list.
    pub fn new(access: AccessTable, tls: Reloading<ServerTls>) -> Self {
        Self { access, tls, own: None, shares: None }
    }

    /// Lets callers of one organisation in and nobody else, whatever they call, health and reflection too.
    #[must_use]
    pub fn of(self, own: OrganisationCode) -> Self {
        Self { own: Some(own), ..self }
    }

    /// Has callers share what there is fairly: whoever has had its share is told to wait.
    #[must_use]
    pub fn shared(self, shares: Arc<Shares>) -> Self {
        Self { shares: Some(shares), ..self }
    }

    /// Decides on a call before anything of its body is read.
    fn permit<B>(&self, request: &Request<B>) -> Result<(Permit, Option<Turn>), Status> {
        let peer = request.extensions().get::<Peer>();
        let named = peer.and_then(|peer| Some((peer, peer.caller.as_ref()?)));
        let (peer, caller) = named.ok_or_else(|| Status::unauthenticated("no client certificate"))?;
        if revoked(caller, &self.tls.current()) {
            return Err(Status::unauthenticated("the client certificate is revoked"));
        }
        if self.own.is_some_and(|own| own != caller.organisation) {
            return Err(Status::permission_denied("this node serves its own hospital only"));
        }
        let method = self.access.allowed(request.uri().path(), caller.role);
        let method = method.ok_or_else(|| Status::permission_denied("this role may not call this method"))?;
        let begun = self.shares.as_ref().map(|shares| shares.begin(peer.guest(), Instant::now()));
        let turn = begun.transpose().map_err(|overdrawn| status::of(&overdrawn))?;
        Ok((Permit { caller: Arc::clone(caller), method }, turn))
    }
}

/// Says whether the caller's certificate was revoked since it connected.
pub fn revoked(caller: &Caller, tls: &ServerTls) -> bool {
    caller.serial.as_ref().is_some_and(|serial| tls.trust.revoked_since(serial).is_some())
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth { inner, gate: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Auth<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<InTurn<S::Future>, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.permit(&request) {
            Ok((permit, turn)) => {
                request.extensions_mut().insert(permit);
                Either::Left(InTurn::new(self.inner.call(request), turn))
            }
            Err(status) => {
                tracing::debug!(code = ?status.code(), reason = status.message(), "call refused");
                Either::Right(ready(Ok(status.into_http())))
            }
        }
    }
}
