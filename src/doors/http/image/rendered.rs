//! Pictures as people see them.
//!
//! Source: DICOM PS3.18, 10.4.1.1.3, 8.7.4 and 8.3.5 (query parameters of rendered resources).

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::domain::picture::{Curve, Form, Size, View, Window};
use crate::doors::http::image::accept::accepted;
use crate::doors::http::image::answer::NotGiven;
use crate::doors::http::image::{Door, Found, Named, parts};
use crate::service::exchange::Exchange;

/// What a query may ask.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub(super) struct Asked {
    /// Media type, above the header.
    pub accept: Option<String>,
    window: Option<String>,
    viewport: Option<String>,
    quality: Option<String>,
}

/// Draws an instance; of one with many frames, the first.
pub(super) async fn instance<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(named): Path<Named>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, NotGiven> {
    drawn(&door, &named, 1, &asked, &headers).await
}

/// Draws one frame.
pub(super) async fn frame<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(named): Path<Named>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, NotGiven> {
    let number = named.frames.parse().map_err(|_| NotGiven::wrong("name one frame, from 1"))?;
    drawn(&door, &named, number, &asked, &headers).await
}

async fn drawn<E: Exchange>(
    door: &Door<E>,
    named: &Named,
    frame: u32,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Response, NotGiven> {
    let (window, size) = (window(asked.window.as_deref())?, size(asked.viewport.as_deref())?);
    let quality = quality(asked.quality.as_deref())?;
    let takes = accepted(headers, asked.accept.as_deref());
    let form = takes.iter().filter(|takes| !takes.is_multipart).find_map(|takes| match takes.media.as_str() {
        "image/png" => Some(Form::Png),
        "image/jpeg" | "image/*" | "*/*" => Some(Form::Jpeg { quality }),
        _ => None,
    });
    let form = form.ok_or_else(|| NotGiven::unacceptable("pictures are drawn as image/jpeg or image/png"))?;
    let Found { opened, original } = door.find(named).await?;
    let view = View { frame, window, size, form };
    let drawn = door.imaging.draw(&opened, &original, view).await;
    let drawn = drawn.map_err(|unseen| NotGiven::of(unseen, opened.language))?;
    Ok(parts::single(if form == Form::Png { "image/png" } else { "image/jpeg" }, drawn))
}

/// Reads `window=center,width,function`.
fn window(asked: Option<&str>) -> Result<Option<Window>, NotGiven> {
    let Some(asked) = asked else { return Ok(None) };
    let parts: Vec<&str> = asked.split(',').collect();
    let window = match parts.as_slice() {
        [centre, width] => (centre.parse(), width.parse(), Some(Curve::Linear)),
        [centre, width, curve] => (centre.parse(), width.parse(), Curve::parse(curve)),
        _ => return Err(NotGiven::wrong("write window=center,width,function")),
    };
    let window = match window {
        (Ok(centre), Ok(width), Some(curve)) => Window::new(centre, width, curve),
        _ => None,
    };
    window.map(Some).ok_or_else(|| NotGiven::wrong("window: two numbers, and linear, linear-exact or sigmoid"))
}

/// Reads `viewport=width,height`; a part of the picture is not cut out.
fn size(asked: Option<&str>) -> Result<Size, NotGiven> {
    let Some(asked) = asked else { return Ok(Size::LARGEST) };
    let size = match asked.split_once(',') {
        Some((width, height)) => width.parse().ok().zip(height.parse().ok()),
        None => None,
    };
    size.and_then(|(width, height)| Size::new(width, height))
        .ok_or_else(|| NotGiven::wrong("write viewport=width,height in whole numbers, from 1"))
}

fn quality(asked: Option<&str>) -> Result<u8, NotGiven> {
    let Some(asked) = asked else { return Ok(QUALITY) };
    let quality = asked.parse().ok().filter(|quality| (1..=100).contains(quality));
    quality.ok_or_else(|| NotGiven::wrong("quality: a whole number from 1 to 100"))
}

const QUALITY: u8 = 90;
