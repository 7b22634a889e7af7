//! Consents, the choice to share, and those for whom a patient acts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde_json::{Value, json};

use crate::domain::fault::Fault;
use crate::domain::limits::KEY_BYTES_MAX;
use crate::doors::http::answer::Problem;
use crate::doors::http::patient::api::{For, body, single};
use crate::doors::http::patient::gate::Gate;
use crate::service::hub::consent::Acting;
use crate::wire::patient::{GrantBody, SharingBody, consent, consent_name, relation};
use crate::wire::pb;

/// Lists consents.
pub async fn list(State(gate): State<Arc<Gate>>, For(acting): For) -> Result<Json<Value>, Problem> {
    let consents = gate.hub().own_consents(gate.gateway(), acting).await.map_err(|error| Problem::of(&error))?;
    Ok(Json(json!({ "consents": consents.iter().map(consent).collect::<Value>() })))
}

/// Gives a consent. The same key gives the same consent again.
pub async fn grant(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let sent: GrantBody = body(request).await?;
    let sent = sent.request(key).map_err(|error| Problem::of(&error))?;
    let given = gate.hub().grant_consent(gate.gateway(), acting, &sent).await.map_err(|error| Problem::of(&error))?;
    let given = given.consent.unwrap_or_default();
    Ok((StatusCode::CREATED, Json(consent(&given))).into_response())
}

/// Gives one consent.
pub async fn one(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(consent(&found(&gate, acting, &name).await?)))
}

/// Ends a consent; ending it again changes nothing.
pub async fn revoke(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = consent_name(&name).map_err(|_| missing())?;
    gate.hub().revoke_consent(gate.gateway(), acting, id).await.map_err(|error| Problem::of(&error))?;
    Ok(Json(consent(&found(&gate, acting, &name).await?)))
}

/// Draws a consent's link for a camera.
pub async fn qr(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let link = found(&gate, acting, &name).await?.shlink;
    let drawn = if link.is_empty() { None } else { drawn(&link) };
    let drawn = drawn.ok_or_else(|| Problem::new(Fault::Missing, "this consent has no link"))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"))], drawn).into_response())
}

/// Draws a text for a camera, as SVG.
pub fn drawn(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let mut image = code.render();
    image.min_dimensions(240, 240).quiet_zone(true);
    Some(image.dark_color(svg::Color("#000")).light_color(svg::Color("#fff")).build())
}

/// Says whether the patient shares.
pub async fn sharing(State(gate): State<Arc<Gate>>, For(acting): For) -> Result<Json<Value>, Problem> {
    let opted_out = gate.hub().own_sharing(gate.gateway(), acting).await.map_err(|error| Problem::of(&error))?;
    Ok(Json(json!({ "opted_out": opted_out })))
}

/// Opts out of sharing, or in again.
pub async fn set_sharing(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let SharingBody { opted_out } = body(request).await?;
    let set = gate.hub().set_sharing(gate.gateway(), acting, opted_out).await;
    set.map_err(|error| Problem::of(&error))?;
    Ok(Json(json!({ "opted_out": opted_out })))
}

/// Lists those for whom the patient acts.
pub async fn relations(State(gate): State<Arc<Gate>>, For(acting): For) -> Result<Json<Value>, Problem> {
    // Whoever is acted for does not act for others through it.
    let wards = match acting.guardian {
        None => gate.hub().own_wards(gate.gateway(), acting.patient).await.map_err(|error| Problem::of(&error))?,
        Some(_) => return Err(Problem::new(Fault::Denied, "relations are listed for oneself")),
    };
    Ok(Json(json!({ "relations": wards.iter().map(relation).collect::<Value>() })))
}

async fn found(gate: &Gate, acting: Acting, name: &str) -> Result<pb::Consent, Problem> {
    let id = consent_name(name).map_err(|_| missing())?;
    let consents = gate.hub().own_consents(gate.gateway(), acting).await.map_err(|error| Problem::of(&error))?;
    let found = consents.into_iter().find(|consent| consent.consent_id == id.as_bytes().as_slice());
    found.ok_or_else(missing)
}

fn missing() -> Problem {
    Problem::new(Fault::Missing, "no such consent")
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = single(headers, IDEMPOTENCY_KEY)?.filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let key = key.ok_or_else(|| {
        Problem::new(Fault::BadInput, "idempotency-key: 1 to 128 characters that name this request alone")
    })?;
    Ok(key.to_owned())
}

const IDEMPOTENCY_KEY: &str = "idempotency-key";
