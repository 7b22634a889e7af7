//! An instance as its hospital keeps it, in the transfer syntax in which it came.
//!
//! Source: DICOM PS3.18, 10.4.1.1.1 and 8.7.3.5.2.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::doors::http::image::accept::accepted;
use crate::doors::http::image::answer::NotGiven;
use crate::doors::http::image::rendered::Asked;
use crate::doors::http::image::{Door, Found, Named, parts};
use crate::service::exchange::Exchange;
use crate::service::imaging::DICOM;

/// Gives the whole instance.
pub(super) async fn instance<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(named): Path<Named>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, NotGiven> {
    let Found { opened, original } = door.find(&named).await?;
    let given = |unseen| NotGiven::of(unseen, opened.language);
    let syntax = door.imaging.slice(&opened, &original).await.map_err(given)?.syntax.clone();
    let takes = accepted(&headers, asked.accept.as_deref()).into_iter().find(|takes| {
        let is_type = matches!(takes.media.as_str(), DICOM | "application/*" | "*/*");
        is_type && takes.syntax.as_ref().is_none_or(|wanted| wanted == "*" || *wanted == syntax)
    });
    let takes = takes.ok_or_else(|| {
        NotGiven::unacceptable("the instance is given as application/dicom in the transfer syntax in which it is kept")
    })?;
    let file = door.imaging.original(&opened, &original).await.map_err(|refused| given(refused.into()))?;
    let content_type = format!("{DICOM}; transfer-syntax={syntax}");
    Ok(match takes.is_multipart {
        true => parts::multipart(DICOM, &content_type, vec![file]),
        false => parts::saved(&content_type, file, &format!("{}.dcm", named.instance)),
    })
}
