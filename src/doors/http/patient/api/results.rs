//! Own results, their originals, how an item went, and who has looked.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::domain::consent::ResultClass;
use crate::domain::fault::Fault;
use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::doors::http::answer::Problem;
use crate::doors::http::patient::api::For;
use crate::doors::http::patient::gate::Gate;
use crate::service::hub::consent::Acting;
use crate::service::hub::own::{OwnCursor, OwnFilter};
use crate::wire::day;
use crate::wire::field::parsed;
use crate::wire::patient::{access, original_digest, result, result_name};
use crate::wire::pb;

/// Which results; what is not given does not narrow.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    class: String,
    item: String,
    from: String,
    to: String,
    cursor: String,
    limit: Option<usize>,
}

/// Which item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrendQuery {
    item: String,
}

/// Which part of the history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

/// Lists own results.
pub async fn list(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let filter = query_of(query)?.filter()?;
    let page = gate.hub().own_results(gate.gateway(), acting, &filter, NO_LANGUAGE).await;
    let page = page.map_err(|error| Problem::of(&error))?;
    let mut answer = json!({ "results": page.results.iter().map(result).collect::<Value>() });
    if let Some(next) = page.next {
        answer["next"] = cursor_written(next).into();
    }
    Ok(Json(answer))
}

/// Gives one own result.
pub async fn one(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let name = result_name(&name).map_err(|_| none("result"))?;
    let own = gate.hub().own_result(gate.gateway(), acting, name, NO_LANGUAGE).await;
    Ok(Json(result(&own.map_err(|error| Problem::of(&error))?.result)))
}

/// Brings an original from the hospital that keeps it.
pub async fn original(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    Path((name, digest)): Path<(String, String)>,
) -> Result<Response, Problem> {
    brought(&gate, acting, &name, &digest).await
}

/// Brings an original, as a file to be kept: what a hospital sent is never opened under the hub's own address. The body
/// breaks off before its end where the bytes are not those that were signed.
///
/// # Errors
/// [`Problem`]; `Missing` where the patient has no such original.
pub async fn brought(gate: &Gate, acting: Acting, name: &str, digest: &str) -> Result<Response, Problem> {
    let (name, digest) = (result_name(name), original_digest(digest));
    let (Ok(name), Ok(digest)) = (name, digest) else { return Err(none("original")) };
    let hub = gate.hub();
    let own = hub.own_result(gate.gateway(), acting, name, NO_LANGUAGE).await.map_err(|error| Problem::of(&error))?;
    let digest = digest.as_bytes().to_vec();
    let kept = own.result.originals.iter().find(|original| original.digest == digest);
    let kept = kept.ok_or_else(|| none("original"))?;
    let sent = pb::FetchRequest { grant: own.grant.token, digest: digest.clone().into(), offset: 0 };
    let mut chunks = hub.fetch(gate.gateway(), &sent).await.map_err(|error| Problem::of(&error))?;
    let first = match chunks.recv().await {
        Some(Ok(chunk)) => Some(Ok(chunk.data)),
        Some(Err(error)) => return Err(Problem::of(&error)),
        None => None,
    };
    let rest = ReceiverStream::new(chunks).map(|chunk| chunk.map(|chunk| chunk.data));
    let mut response = Body::from_stream(tokio_stream::iter(first).chain(rest)).into_response();
    let headers = response.headers_mut();
    let media_type = HeaderValue::try_from(&kept.media_type);
    headers.insert(header::CONTENT_TYPE, media_type.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(header::CONTENT_LENGTH, kept.size_bytes.into());
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    let short = hex::encode(digest.get(..6).unwrap_or(&digest));
    let named = format!("attachment; filename=\"{short}.{}\"", ending(&kept.media_type));
    let checked = format!("sha-256=:{}:", STANDARD.encode(&digest));
    for (name, value) in [(header::CONTENT_DISPOSITION, named), (CONTENT_DIGEST, checked)] {
        HeaderValue::try_from(value).ok().and_then(|value| headers.insert(name, value));
    }
    Ok(response)
}

/// Gives how an item went.
pub async fn trend(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    query: Result<Query<TrendQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let item = parsed("item", &query_of(query)?.item, "item").map_err(|error| Problem::of(&error))?;
    let points = gate.hub().own_trend(gate.gateway(), acting, item, NO_LANGUAGE).await;
    let points = points.map_err(|error| Problem::of(&error))?;
    Ok(Json(json!({ "results": points.iter().map(result).collect::<Value>() })))
}

/// Lists who has looked.
pub async fn accesses(
    State(gate): State<Arc<Gate>>,
    For(acting): For,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let HistoryQuery { before, limit } = query_of(query)?;
    let limit = bounded(limit)?;
    let history = gate.hub().own_history(gate.gateway(), acting, before.map(Sequence), limit).await;
    let (accesses, next) = history.map_err(|error| Problem::of(&error))?;
    let mut answer = json!({ "accesses": accesses.iter().map(access).collect::<Value>() });
    if let Some(next) = next {
        answer["next"] = next.0.into();
    }
    Ok(Json(answer))
}

impl ListQuery {
    fn filter(&self) -> Result<OwnFilter, Problem> {
        let mut filter = OwnFilter { limit: bounded(self.limit)?, ..OwnFilter::default() };
        match self.class.as_str() {
            "" => {}
            "laboratory" => filter.classes = [ResultClass::Laboratory].into(),
            "imaging" => filter.classes = [ResultClass::Imaging].into(),
            _ => return Err(Problem::new(Fault::BadInput, "class: laboratory or imaging")),
        }
        if !self.item.is_empty() {
            filter.items = [parsed("item", &self.item, "item").map_err(|error| Problem::of(&error))?].into();
        }
        if !self.from.is_empty() {
            filter.since = Some(start("from", &self.from)?);
        }
        if !self.to.is_empty() {
            filter.before = Some(start("to", &self.to)?.plus_hours(24));
        }
        if !self.cursor.is_empty() {
            let cursor = cursor_read(&self.cursor)
                .ok_or_else(|| Problem::new(Fault::BadInput, "cursor: take it from `next`"))?;
            filter.cursor = Some(cursor);
        }
        Ok(filter)
    }
}

/// Gives the start of a day in China, where all of the region's clocks stand.
fn start(field: &str, text: &str) -> Result<Moment, Problem> {
    day::start(field, text, CHINA_OFFSET_MINUTES).map_err(|error| Problem::of(&error))
}

fn query_of<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    let told = |_| Problem::new(Fault::BadInput, "the query is not what the interface describes");
    query.map(|Query(query)| query).map_err(told)
}

fn bounded(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(LIMIT_USUAL),
        Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
        Some(_) => Err(Problem::new(Fault::BadInput, format!("limit: 1 to {LIMIT_MAX}"))),
    }
}

fn none(what: &str) -> Problem {
    Problem::new(Fault::Missing, format!("no such {what}"))
}

/// Writes where a page ended.
pub fn cursor_written(cursor: OwnCursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", cursor.unix_ms, cursor.given))
}

/// Reads where a page ended; nothing where the text says nothing.
pub fn cursor_read(text: &str) -> Option<OwnCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (unix_ms, given) = std::str::from_utf8(&bytes).ok()?.split_once('.')?;
    let cursor = OwnCursor { unix_ms: unix_ms.parse().ok()?, given: given.parse().ok()? };
    let held = Moment::new(cursor.unix_ms, 0).is_ok() && cursor.given <= GIVEN_MAX;
    held.then_some(cursor)
}

/// Ends the name of a file by what it is.
fn ending(media_type: &str) -> &'static str {
    match media_type {
        "application/dicom" => "dcm",
        "application/pdf" => "pdf",
        "x-application/hl7-v2+er7" => "hl7",
        text if text.starts_with("text/plain") => "txt",
        _ => "bin",
    }
}

/// Answers carry the names of both languages.
const NO_LANGUAGE: pb::Language = pb::Language::Zh;
/// Source: RFC 9530.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const CHINA_OFFSET_MINUTES: i16 = 480;
const LIMIT_USUAL: usize = 50;
const LIMIT_MAX: usize = 200;
/// Most results of one instant that a cursor passes over.
const GIVEN_MAX: usize = 10_000;
