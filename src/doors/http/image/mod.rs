//! Images over HTTPS: the resources of DICOMweb that an opened result reaches, and the page that shows them. The
//! capability stands in the path, because viewers send no header of ours with the frames they load.
//!
//! Source: DICOM PS3.18, chapters 8 and 10.

mod accept;
mod answer;
mod contents;
mod dicom;
mod frames;
mod page;
mod parts;
mod rendered;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::doors::http::image::answer::NotGiven;
use crate::doors::http::paths::Paths;
use crate::ports::clock::Clock;
use crate::ports::renderer::Renderer;
use crate::service::exchange::Exchange;
use crate::service::imaging::{self, Imaging};
use crate::service::viewing::{Opening, Viewing};
use crate::wire::pb;

/// What the door leans on.
struct Door<E> {
    imaging: Imaging<E>,
    clock: Arc<dyn Clock>,
}

/// Serves images of what `viewing` opens, drawn by `renderer`, under `/view/{capability}`.
pub fn router<E: Exchange>(viewing: Arc<Viewing<E>>, renderer: Arc<dyn Renderer>, clock: Arc<dyn Clock>) -> Paths {
    let of_instance =
        |rest: &str| format!("/view/{{capability}}/studies/{{study}}/series/{{series}}/instances/{{instance}}{rest}");
    Paths::new()
        .get("/view/{capability}/images", page::page::<E>)
        .get("/view/{capability}/images/contents", contents::contents::<E>)
        .get(&of_instance(""), dicom::instance::<E>)
        .get(&of_instance("/rendered"), rendered::instance::<E>)
        .get(&of_instance("/frames/{frames}"), frames::frames::<E>)
        .get(&of_instance("/frames/{frames}/rendered"), rendered::frame::<E>)
        .with(|router| router.with_state(Arc::new(Door { imaging: Imaging::new(viewing, renderer), clock })))
}

/// An instance that a path names, of a result that was opened.
struct Found {
    opened: Arc<Opening>,
    original: pb::Original,
}

impl<E: Exchange> Door<E> {
    async fn open(&self, capability: &str) -> Result<Arc<Opening>, NotGiven> {
        let now_unix_ms = self.clock.now().unix_ms();
        self.imaging.open(capability, now_unix_ms).await.map_err(|refused| NotGiven::of(refused, pb::Language::Zh))
    }

    /// Opens the result, and finds the instance in its study; that it is of the series is seen in its header.
    async fn find(&self, named: &Named) -> Result<Found, NotGiven> {
        let opened = self.open(&named.capability).await?;
        let language = opened.language;
        let is_study = imaging::study(&opened).is_some_and(|study| study.study_uid == named.study);
        let missing = || NotGiven::missing("the result has no such study or series");
        if !is_study {
            return Err(missing());
        }
        let original =
            imaging::instance(&opened, &named.instance).map_err(|refused| NotGiven::of(refused, language))?;
        let original = original.clone();
        let slice = self.imaging.slice(&opened, &original).await.map_err(|unseen| NotGiven::of(unseen, language))?;
        if slice.series != named.series {
            return Err(missing());
        }
        Ok(Found { opened, original })
    }
}

/// What the path of an instance names.
#[derive(Debug, Clone, serde::Deserialize)]
struct Named {
    capability: String,
    study: String,
    series: String,
    instance: String,
    /// Frames, where the path names any.
    #[serde(default)]
    frames: String,
}
