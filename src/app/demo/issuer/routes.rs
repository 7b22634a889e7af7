//! The paths of the demo's issuer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use reqwest::Url;
use serde_json::json;

use crate::app::demo::issuer::pages;
use crate::app::demo::issuer::provider::{Asked, Exchange, Provider, Refused};
use crate::doors::http::paths::Paths;

/// Gives the issuer's paths.
pub fn routes(provider: Arc<Provider>) -> Paths {
    Paths::new()
        .get("/.well-known/openid-configuration", describe)
        .get("/jwks", keys)
        .get("/authorize", ask)
        .post("/authorize", log_in)
        .post("/token", exchange)
        .with(|router| router.with_state(provider))
}

async fn describe(State(provider): State<Arc<Provider>>) -> Response {
    Json(provider.description()).into_response()
}

async fn keys(State(provider): State<Arc<Provider>>) -> Response {
    Json(provider.keys()).into_response()
}

async fn ask(State(provider): State<Arc<Provider>>, Query(asked): Query<Asked>) -> Response {
    if let Err(refused) = provider.check(&asked) {
        return refused.into_response();
    }
    let mut page = Html(pages::login(&asked, provider.patients()).into_string()).into_response();
    page.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(pages::POLICY));
    page
}

async fn log_in(State(provider): State<Arc<Provider>>, Form(asked): Form<Asked>) -> Response {
    let (redirect_uri, state) = (asked.redirect_uri.clone(), asked.state.clone());
    let given = provider.log_in(asked).and_then(|code| {
        let back = Url::parse_with_params(&redirect_uri, [("code", &code), ("state", &state)]);
        back.map_err(|_| Refused("invalid_request"))
    });
    match given {
        Ok(back) => Redirect::to(back.as_str()).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn exchange(State(provider): State<Arc<Provider>>, Form(sent): Form<Exchange>) -> Response {
    match provider.exchange(&sent) {
        Ok(tokens) => Json(tokens).into_response(),
        Err(refused) => refused.into_response(),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}
