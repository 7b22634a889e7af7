//! Stands behind the gates of a hub's doors: a check may be answered before the tables have it, and every other call waits
//! until they do, so that nobody is told less than what was answered before.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;

use crate::service::hub::Hub;

/// Lets calls to `doors` wait for the checks that `hub` has answered.
pub fn settled(doors: Router, hub: Arc<Hub>) -> Router {
    doors.layer(middleware::from_fn_with_state(hub, wait))
}

async fn wait(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let checks = request.uri().path() == CHECK || matched == Some(HOOK);
    if !checks && let Err(error) = hub.settled().await {
        // It is answered as before: nothing that writes is, and the health says so.
        tracing::debug!(%error, "answered from tables that are behind");
    }
    next.run(request).await
}

/// Calls that check, and wait themselves for what concerns them.
const CHECK: &str = "/concord.v1.Orders/Check";
const HOOK: &str = "/cds-services/{id}";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::StatusCode;
    use tokio::time::timeout;
    use tower::ServiceExt;

    use super::*;
    use crate::doors::http::paths::Paths;
    use crate::service::hub::testing::World;

    #[tokio::test]
    async fn everything_but_a_check_waits_until_the_tables_have_what_was_answered() {
        let world = World::new().await;
        let doors = [CHECK, HOOK, "/cds-services/{id}/feedback", "/concord.v1.Orders/Decide"];
        let doors = doors.into_iter().fold(Paths::new(), |doors, path| doors.get(path, async || StatusCode::OK));
        let doors = settled(doors.into_router(), Arc::clone(&world.hub));
        let ask = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answered = timeout(Duration::from_millis(200), doors.clone().oneshot(request)).await;
            answered.map(|response| response.unwrap().status())
        };
        world.answered_ahead("V1");
        for path in [CHECK, "/cds-services/concord-order-sign"] {
            assert_eq!(ask(path).await, Ok(StatusCode::OK), "{path}");
        }
        let others = ["/cds-services/concord-order-sign/feedback", "/concord.v1.Orders/Decide"];
        for path in others {
            assert!(ask(path).await.is_err(), "{path} was answered from tables that are behind");
        }
        world.repeat_policy().await;
        world.repeat_policy().await;
        for path in others {
            assert_eq!(ask(path).await, Ok(StatusCode::OK), "{path}");
        }
    }
}
