//! Frames as programs read them: decoded to explicit little endian, or as they are stored.
//!
//! Source: DICOM PS3.18, 10.4.1.1.6 and 8.7.3.5.2 (table 8.7.3-5, compressed frames).

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;

use crate::domain::picture::{Form, Size, Undrawn, View};
use crate::doors::http::image::accept::{Accepted, accepted};
use crate::doors::http::image::answer::NotGiven;
use crate::doors::http::image::rendered::Asked;
use crate::doors::http::image::{Door, Found, Named, parts};
use crate::service::exchange::Exchange;
use crate::service::imaging::Unseen;
use crate::wire::dicom::picture::stored_frame;
use crate::wire::dicom::slice::{Slice, syntax_name};
use crate::wire::dicom::syntax::EXPLICIT_LITTLE;

/// Gives the frames that the path lists.
pub(super) async fn frames<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(named): Path<Named>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, NotGiven> {
    let numbers = listed(&named.frames)?;
    let Found { opened, original } = door.find(&named).await?;
    let given = |unseen| NotGiven::of(unseen, opened.language);
    let slice = door.imaging.slice(&opened, &original).await.map_err(given)?;
    let undrawn = |reason| given(Unseen::Undrawn { reason, syntax: syntax_name(&slice.syntax).to_owned() });
    if !slice.has_picture() {
        return Err(undrawn(Undrawn::NoPicture));
    }
    let takes = accepted(&headers, asked.accept.as_deref());
    let chosen =
        takes.iter().find_map(|takes| choose(takes, &slice).filter(|it| it.is_multipart || numbers.len() == 1));
    let chosen = chosen.ok_or_else(|| {
        NotGiven::unacceptable("frames are given as they are stored, or decoded where that is possible, one a part")
    })?;
    let mut frames = Vec::with_capacity(numbers.len());
    for frame in numbers {
        frames.push(if chosen.is_stored {
            let file = door.imaging.original(&opened, &original).await.map_err(|refused| given(refused.into()))?;
            let cut = tokio::task::spawn_blocking(move || stored_frame(&file, frame)).await;
            Bytes::from(cut.map_err(|_| undrawn(Undrawn::Broken))?.map_err(undrawn)?)
        } else {
            let view = View { frame, window: None, size: Size::LARGEST, form: Form::Samples };
            door.imaging.draw(&opened, &original, view).await.map_err(given)?
        });
    }
    let content_type = format!("{}; transfer-syntax={}", chosen.media, chosen.syntax);
    Ok(match frames.pop() {
        Some(frame) if !chosen.is_multipart => parts::single(&content_type, frame),
        last => parts::multipart(chosen.media, &content_type, frames.into_iter().chain(last).collect()),
    })
}

/// The form in which frames are given.
struct Chosen {
    media: &'static str,
    syntax: String,
    is_stored: bool,
    is_multipart: bool,
}

/// Chooses a form that the caller takes and the picture has.
fn choose(takes: &Accepted, slice: &Slice) -> Option<Chosen> {
    let wanted = takes.syntax.as_deref();
    let is_any = takes.media == "*/*";
    let stored_media = stored_media(&slice.syntax);
    let stored = |media| Chosen {
        media,
        syntax: slice.syntax.clone(),
        is_stored: true,
        is_multipart: takes.is_multipart || is_any,
    };
    let decoded = || {
        let syntax = EXPLICIT_LITTLE.to_owned();
        Chosen { media: OCTETS, syntax, is_stored: false, is_multipart: takes.is_multipart || is_any }
    };
    if is_any || takes.media == OCTETS || takes.media == "application/*" {
        return match wanted {
            None | Some(EXPLICIT_LITTLE) if slice.is_decoded() => Some(decoded()),
            None if is_any => Some(stored(stored_media)),
            Some("*") => Some(stored(if is_any { stored_media } else { OCTETS })),
            Some(wanted) if wanted == slice.syntax => Some(stored(OCTETS)),
            None | Some(_) => None,
        };
    }
    let is_stored_type = takes.media == stored_media || takes.media == "image/*" && stored_media != OCTETS;
    let is_syntax = wanted.is_none_or(|wanted| wanted == "*" || wanted == slice.syntax);
    (is_stored_type && is_syntax).then(|| stored(stored_media))
}

/// Gives the media type of compressed frames. Source: DICOM PS3.18, table 8.7.3-5.
fn stored_media(syntax: &str) -> &'static str {
    match syntax.strip_prefix("1.2.840.10008.1.2.") {
        Some("4.50" | "4.51" | "4.57" | "4.70") => "image/jpeg",
        Some("4.80" | "4.81") => "image/jls",
        Some("4.90" | "4.91") => "image/jp2",
        Some("4.92" | "4.93") => "image/jpx",
        Some("4.201" | "4.202" | "4.203") => "image/jphc",
        Some("4.110" | "4.111" | "4.112") => "image/jxl",
        Some("5") => "image/dicom-rle",
        _ => OCTETS,
    }
}

/// Reads a list of frames, as `1,2,5`.
fn listed(list: &str) -> Result<Vec<u32>, NotGiven> {
    let numbers: Option<Vec<u32>> = list.split(',').map(|number| number.parse().ok().filter(|it| *it > 0)).collect();
    numbers
        .filter(|numbers| numbers.len() <= FRAMES_MAX)
        .ok_or_else(|| NotGiven::wrong("list 1 to 64 frames by their numbers, from 1"))
}

const OCTETS: &str = "application/octet-stream";
/// Most frames of one answer, which is held in memory.
const FRAMES_MAX: usize = 64;
