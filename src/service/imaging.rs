//! Images of an opened result: their originals, what their headers say, and pictures drawn of them. What was fetched or
//! drawn is kept for a while, for whoever has opened a result that it belongs to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::domain::fault::{Fault, Faulty};
use crate::domain::limits::PICTURE_FILE_BYTES_MAX;
use crate::domain::picture::{Undrawn, View};
use crate::ports::renderer::Renderer;
use crate::service::exchange::{Exchange, Refused};
use crate::service::kept::{Kept, Measured};
use crate::service::viewing::{Opening, Viewing};
use crate::wire::dicom::slice::{Slice, syntax_name};
use crate::wire::pb;
use pb::result_summary::Content;

/// Brings images, and draws them.
pub struct Imaging<E> {
    viewing: Arc<Viewing<E>>,
    renderer: Arc<dyn Renderer>,
    originals: Kept<Bytes, Refused>,
    drawn: Kept<Bytes, Undrawn>,
    slices: Kept<Arc<Slice>, Unseen>,
    leaves: Kept<Leave, Refused>,
}

/// The publisher and the hub have let an opened result be read, a moment ago.
#[derive(Debug, Clone, Copy)]
struct Leave;

/// Why an image is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// The original is not had.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The original is had, and nothing is drawn of it.
    #[error("{reason}")]
    Undrawn {
        /// Why.
        reason: Undrawn,
        /// Name of the transfer syntax; empty where it cannot be told.
        syntax: String,
    },
}

/// One instance of a study, as far as it is known.
#[derive(Debug, Clone)]
pub struct Known<'o> {
    /// The original.
    pub original: &'o pb::Original,
    /// What its header says, or why it is not known; nothing where it was not looked at yet.
    pub slice: Option<Result<Arc<Slice>, Unseen>>,
}

impl<E: Exchange> Imaging<E> {
    /// Brings images through `viewing`, and draws them with `renderer`.
    pub fn new(viewing: Arc<Viewing<E>>, renderer: Arc<dyn Renderer>) -> Self {
        Self::with_leave(viewing, renderer, LEAVE_LIFETIME)
    }

    /// As [`Imaging::new`], with another time for which leave once given is believed.
    pub fn with_leave(viewing: Arc<Viewing<E>>, renderer: Arc<dyn Renderer>, leave: Duration) -> Self {
        let originals = Kept::new(KEPT_LIFETIME, ORIGINAL_BYTES_MAX);
        let drawn = Kept::new(KEPT_LIFETIME, DRAWN_BYTES_MAX);
        let slices = Kept::new(SLICE_LIFETIME, SLICE_BYTES_MAX);
        Self { viewing, renderer, originals, drawn, slices, leaves: Kept::new(leave, LEAVE_BYTES_MAX) }
    }

    /// Follows a link.
    ///
    /// # Errors
    /// As [`Viewing::open`]; `Missing` where what it opens is no study.
    pub async fn open(&self, capability: &str, now_unix_ms: i64) -> Result<Arc<Opening>, Refused> {
        let opened = self.viewing.open(capability, now_unix_ms).await?;
        study(&opened).map(|_| Arc::clone(&opened)).ok_or_else(|| missing("the result has no images"))
    }

    /// Brings a whole original.
    ///
    /// # Errors
    /// As [`Viewing::original`].
    pub async fn original(&self, opened: &Opening, original: &pb::Original) -> Result<Bytes, Refused> {
        self.leave(opened, original).await?;
        let fetch = || self.viewing.original(opened, &original.digest, PICTURE_FILE_BYTES_MAX);
        self.originals.find_or_make(&hex::encode(&original.digest), fetch).await
    }

    /// Makes sure that what is kept may still be given. The hub asks the patient's consents at every fetch; so, once leave
    /// is older than [`LEAVE_LIFETIME`], what is wanted is fetched again, also where it is kept.
    async fn leave(&self, opened: &Opening, original: &pb::Original) -> Result<(), Refused> {
        let grant = opened.grant.as_ref().map(|grant| hex::encode(&grant.token)).unwrap_or_default();
        let ask = || async {
            let file = self.viewing.original(opened, &original.digest, PICTURE_FILE_BYTES_MAX).await?;
            self.originals.keep(&hex::encode(&original.digest), &file);
            Ok(Leave)
        };
        self.leaves.find_or_make(&format!("{grant} {}", hex::encode(&opened.result.result_id)), ask).await.map(|_| ())
    }

    /// Reads the header of an original, which is fetched for it.
    ///
    /// # Errors
    /// [`Unseen`].
    pub async fn slice(&self, opened: &Opening, original: &pb::Original) -> Result<Arc<Slice>, Unseen> {
        let read = || async {
            let file = self.original(opened, original).await?;
            let read = tokio::task::spawn_blocking(move || Slice::read(&file)).await;
            let damaged = |reason| Unseen::Undrawn { reason, syntax: String::new() };
            let slice = read.map_err(|_| damaged(Undrawn::Broken))?;
            slice.map(Arc::new).map_err(|_| damaged(Undrawn::Damaged))
        };
        self.slices.find_or_make(&hex::encode(&original.digest), read).await
    }

    /// Draws what is wanted of an original.
    ///
    /// # Errors
    /// [`Unseen`].
    pub async fn draw(&self, opened: &Opening, original: &pb::Original, view: View) -> Result<Bytes, Unseen> {
        self.leave(opened, original).await?;
        let slice = self.slice(opened, original).await?;
        let undrawn = |reason| Unseen::Undrawn { reason, syntax: syntax_name(&slice.syntax).to_owned() };
        match () {
            () if !slice.has_picture() => return Err(undrawn(Undrawn::NoPicture)),
            () if !slice.is_decoded() => return Err(undrawn(Undrawn::Unsupported)),
            () if !(1..=slice.frames).contains(&view.frame) => return Err(undrawn(Undrawn::NoFrame)),
            () => {}
        }
        let name = format!("{} {view:?}", hex::encode(&original.digest));
        if let Some(drawn) = self.drawn.find(&name) {
            return Ok(drawn);
        }
        let file = self.original(opened, original).await?;
        let drawn = self.drawn.find_or_make(&name, || self.renderer.draw(file, view)).await;
        drawn.map_err(undrawn)
    }

    /// Looks at the headers of the study's instances, begins with those not known yet, and begins no more after `wait`.
    pub async fn contents<'o>(&self, opened: &'o Opening, wait: Duration) -> Vec<Known<'o>> {
        let until = Instant::now() + wait;
        let looks: Vec<_> = instances(opened).map(|original| self.look(opened, original, until)).collect();
        futures_util::stream::iter(looks).buffered(LOOKS_AT_ONCE).collect().await
    }

    async fn look<'o>(&self, opened: &'o Opening, original: &'o pb::Original, until: Instant) -> Known<'o> {
        let slice = match self.slices.find(&hex::encode(&original.digest)) {
            Some(slice) => Some(Ok(slice)),
            None if Instant::now() >= until => None,
            None => Some(self.slice(opened, original).await),
        };
        Known { original, slice }
    }
}

/// Gives the study that was opened.
pub fn study(opened: &Opening) -> Option<&pb::ImagingStudy> {
    match &opened.result.content {
        Some(Content::ImagingStudy(study)) => Some(study),
        Some(Content::LaboratoryResult(_)) | None => None,
    }
}

/// Gives the instances of the study that was opened.
pub fn instances(opened: &Opening) -> impl Iterator<Item = &pb::Original> {
    let originals = opened.result.originals.iter();
    originals.filter(|original| original.media_type == DICOM && !original.instance_uid.is_empty())
}

/// Finds an instance of the study that was opened.
///
/// # Errors
/// `Missing`.
pub fn instance<'o>(opened: &'o Opening, instance_uid: &str) -> Result<&'o pb::Original, Refused> {
    let found = instances(opened).find(|original| original.instance_uid == instance_uid);
    found.ok_or_else(|| missing("the study has no such instance"))
}

fn missing(text: &str) -> Refused {
    Refused { fault: Fault::Missing, field: None, text: text.to_owned() }
}

impl Faulty for Unseen {
    fn fault(&self) -> Fault {
        match self {
            Self::Refused(refused) => refused.fault(),
            Self::Undrawn { reason, .. } => reason.fault(),
        }
    }
}

impl Measured for Arc<Slice> {
    fn size_bytes(&self) -> usize {
        size_of::<Slice>() + self.description.len() + self.series.len() + self.study.len() + self.syntax.len()
    }
}

impl Measured for Leave {
    fn size_bytes(&self) -> usize {
        LEAVE_BYTES
    }
}

/// The media type of instances.
pub const DICOM: &str = "application/dicom";
const KEPT_LIFETIME: Duration = Duration::from_secs(600);
const ORIGINAL_BYTES_MAX: usize = 256 << 20;
const DRAWN_BYTES_MAX: usize = 128 << 20;
/// Headers cost little, and without them a study begins anew.
const SLICE_LIFETIME: Duration = Duration::from_secs(3_600);
const SLICE_BYTES_MAX: usize = 16 << 20;
/// A consent that ends, ends what is shown within this time and that of a fetch.
const LEAVE_LIFETIME: Duration = Duration::from_secs(8);
/// About what a grant and its place take.
const LEAVE_BYTES: usize = 512;
const LEAVE_BYTES_MAX: usize = 8 << 20;
const LOOKS_AT_ONCE: usize = 4;
