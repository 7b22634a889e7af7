//! The paths of the HTTPS doors with their handlers, and the list of them. Only here is a path put on a router
//! (`tests/tidy` sees to it), so that no path is served that is not in the list, and each of them can be asked who may
//! come: `tests/access` does.

use std::collections::BTreeSet;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodFilter};

/// Paths with their handlers, which need an `S`.
pub struct Paths<S = ()> {
    router: Router<S>,
    served: BTreeSet<Served>,
}

/// A method, as `GET`, at a path, as `/me/shares/{consent}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The path, with the names of its parts in braces.
    pub path: String,
    /// The method.
    pub method: &'static str,
}

impl<S: Clone + Send + Sync + 'static> Paths<S> {
    /// Makes none.
    pub fn new() -> Self {
        Self { router: Router::new(), served: BTreeSet::new() }
    }

    /// Answers GET, and HEAD where it has no handler of its own.
    #[must_use]
    pub fn get<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.on((MethodFilter::GET, "GET"), path, handler)
    }

    /// Answers HEAD.
    #[must_use]
    pub fn head<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.on((MethodFilter::HEAD, "HEAD"), path, handler)
    }

    /// Answers POST.
    #[must_use]
    pub fn post<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.on((MethodFilter::POST, "POST"), path, handler)
    }

    /// Answers PUT.
    #[must_use]
    pub fn put<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.on((MethodFilter::PUT, "PUT"), path, handler)
    }

    /// Answers DELETE.
    #[must_use]
    pub fn delete<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.on((MethodFilter::DELETE, "DELETE"), path, handler)
    }

    /// Takes in the paths of another door.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.served.extend(other.served);
        Self { router: self.router.merge(other.router), served: self.served }
    }

    /// Puts all paths under a prefix, as `/fhir/r4`.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        let moved =
            self.served.into_iter().map(|Served { path, method }| Served { path: format!("{prefix}{path}"), method });
        Self { served: moved.collect(), router: Router::new().nest(prefix, self.router) }
    }

    /// Puts layers around what is there already, gives it its state, or tells it what to do with other requests.
    pub fn with<R>(self, wrap: impl FnOnce(Router<S>) -> Router<R>) -> Paths<R> {
        Paths { router: wrap(self.router), served: self.served }
    }

    /// Lists what is served, by path.
    pub fn served(&self) -> impl Iterator<Item = &Served> {
        self.served.iter()
    }

    /// Gives the router alone.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    fn on<T: 'static>(
        mut self,
        (filter, method): (MethodFilter, &'static str),
        path: &str,
        handler: impl Handler<T, S>,
    ) -> Self {
        self.served.insert(Served { path: path.to_owned(), method });
        Self { router: self.router.route(path, routing::on(filter, handler)), served: self.served }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Paths<S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::*;

    async fn answer() -> &'static str {
        "here"
    }

    #[tokio::test]
    async fn what_is_listed_is_served_and_nothing_else() {
        let inner = Paths::new().get("/a/{b}", answer).post("/a/{b}", answer).head("/c", answer);
        let paths = Paths::new().put("/d", answer).merge(inner.under("/p")).delete("/d", answer);
        let listed: Vec<String> = paths.served().map(|it| format!("{} {}", it.method, it.path)).collect();
        assert_eq!(listed, ["DELETE /d", "PUT /d", "GET /p/a/{b}", "POST /p/a/{b}", "HEAD /p/c"]);
        let router = paths.into_router();
        let table = [("PUT", "/d", 200), ("DELETE", "/d", 200), ("GET", "/d", 405), ("GET", "/p/a/1", 200)];
        let more = [("POST", "/p/a/1", 200), ("PUT", "/p/a/1", 405), ("GET", "/p/c", 405), ("GET", "/a/1", 404)];
        for (method, path, status) in table.into_iter().chain(more) {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answered = router.clone().oneshot(request).await.unwrap().status();
            assert_eq!(answered, StatusCode::from_u16(status).unwrap(), "{method} {path}");
        }
    }
}
