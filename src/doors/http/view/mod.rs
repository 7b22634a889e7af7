//! An original, readable: the page behind `/view/{capability}`, and the bytes of what it names. The view is recorded before
//! anything is shown. Images have a door of their own.

mod original;
mod page;
mod siblings;
mod texts;
mod trend;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;

use crate::domain::fault::Fault;
use crate::doors::http::pages;
use crate::doors::http::paths::Paths;
use crate::ports::clock::Clock;
use crate::service::exchange::{Exchange, Refused};
use crate::service::viewing::{Opening, Viewing};
use crate::wire::pb;

/// What the pages of results lean on.
pub struct ViewParts<E> {
    /// Links and the exchange.
    pub viewing: Arc<Viewing<E>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Serves `/view/{capability}` and the originals under it.
pub fn router<E: Exchange>(parts: ViewParts<E>) -> Paths {
    Paths::new()
        .get("/view/{capability}", show::<E>)
        .get("/view/{capability}/originals/{digest}", bring::<E>)
        .with(|router| router.with_state(Arc::new(parts)))
}

/// How an original is wanted.
#[derive(Deserialize)]
struct Wanted {
    /// In the page, where its kind allows it, and not as a file.
    #[serde(default)]
    shown: bool,
}

async fn show<E: Exchange>(
    State(parts): State<Arc<ViewParts<E>>>,
    Path(capability): Path<String>,
    headers: HeaderMap,
) -> Response {
    let now = parts.clock.now().unix_ms();
    let opened = match parts.viewing.open(&capability, now).await {
        Ok(opened) => opened,
        Err(refused) => return pages::refused(pages::preferred(&headers), &refused),
    };
    let others = parts.others(&opened).await;
    let catalogue = parts.viewing.exchange().catalogue();
    page::show(&page::Report { opened: &opened, capability: &capability, others, catalogue: &catalogue, now_ms: now })
}

async fn bring<E: Exchange>(
    State(parts): State<Arc<ViewParts<E>>>,
    Path((capability, digest)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let language = pages::preferred(&headers);
    let Ok(digest) = hex::decode(&digest).map(Bytes::from) else {
        let text = "no such original".to_owned();
        return pages::refused(language, &Refused { fault: Fault::Missing, field: None, text });
    };
    let opened = match parts.viewing.open(&capability, parts.clock.now().unix_ms()).await {
        Ok(opened) => opened,
        Err(refused) => return pages::refused(language, &refused),
    };
    let media_type = opened.result.originals.iter().find(|one| one.digest == digest).map(|one| &one.media_type);
    match (parts.viewing.original(&opened, &digest, ORIGINAL_BYTES_MAX).await, media_type) {
        (Ok(bytes), Some(media_type)) => original::response(bytes, media_type, &digest, wanted.shown),
        (Ok(_), None) => unreachable!("an original that is not the result's is refused"),
        (Err(refused), _) => pages::refused(opened.language, &refused),
    }
}

impl<E: Exchange> ViewParts<E> {
    /// Lists the patient's other laboratory results of a year; nothing where they cannot be had, and for images.
    async fn others(&self, opened: &Opening) -> Option<Vec<pb::ResultSummary>> {
        let Some(pb::result_summary::Content::LaboratoryResult(_)) = opened.result.content else { return None };
        let listed = self.viewing.results(opened).await;
        listed.ok().filter(|listed| listed.degraded.is_none()).map(|listed| listed.results)
    }
}

const ORIGINAL_BYTES_MAX: u64 = 64 << 20;
