//! The door in memory: an exchange that holds files, and pictures drawn in this process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tower::ServiceExt;

use super::*;
use crate::domain::fault::Fault;
use crate::domain::organisation::{Caller, Role};
use crate::domain::picture::View;
use crate::domain::time::Moment;
use crate::ports::renderer::Drawing;
use crate::service::exchange::{Chunks, Refused};
use crate::wire::dicom::{Uid, part10, picture};

/// An exchange that has nothing but originals.
#[derive(Clone, Default)]
struct Archive {
    files: BTreeMap<Bytes, Bytes>,
    fetched: Arc<AtomicUsize>,
}

/// Draws in this process.
struct Here;

impl Renderer for Here {
    fn draw(&self, file: Bytes, view: View) -> Drawing<'_> {
        Box::pin(async move { picture::draw(&file, &view).map(Bytes::from) })
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment::new(NOW_MS, 480).unwrap()
    }
}

fn unasked<T>() -> Result<T, Refused> {
    Err(Refused { fault: Fault::Broken, field: None, text: "not asked in this test".to_owned() })
}

impl Exchange for Archive {
    async fn check(&self, _: &Caller, _: pb::CheckRequest, _: Instant) -> Result<pb::CheckResponse, Refused> {
        unasked()
    }

    async fn recent_results(
        &self,
        _: &Caller,
        _: pb::RecentResultsRequest,
        _: Instant,
    ) -> Result<pb::RecentResultsResponse, Refused> {
        unasked()
    }

    async fn decide(&self, _: &Caller, _: pb::DecideRequest) -> Result<pb::DecideResponse, Refused> {
        unasked()
    }

    async fn revoke(&self, _: &Caller, _: pb::RevokeRequest) -> Result<pb::RevokeResponse, Refused> {
        unasked()
    }

    async fn acknowledge(&self, _: &Caller, _: pb::AcknowledgeRequest) -> Result<pb::AcknowledgeResponse, Refused> {
        unasked()
    }

    async fn open(&self, _: &Caller, _: pb::OpenRequest) -> Result<pb::OpenResponse, Refused> {
        unasked()
    }

    async fn fetch(&self, _: &Caller, sent: pb::FetchRequest) -> Result<Chunks, Refused> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let data = self.files.get(&sent.digest).cloned();
        let data = data.ok_or(Refused { fault: Fault::Busy, field: None, text: "away".to_owned() })?;
        Ok(Box::pin(futures_util::stream::iter([Ok(pb::Chunk { data, ..Default::default() })])))
    }
}

/// One row of four values, as frame after frame.
fn file(number: u16, series: &str, frames: u16) -> (String, Vec<u8>) {
    let instance = format!("2.25.7.{number}");
    let mut object = InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, &instance),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::SERIES_DESCRIPTION, VR::LO, "<b>lung</b>"),
        (tags::PATIENT_NAME, VR::PN, "CANARY^X"),
        (tags::STUDY_INSTANCE_UID, VR::UI, STUDY),
        (tags::SERIES_INSTANCE_UID, VR::UI, series),
        (tags::INSTANCE_NUMBER, VR::IS, &number.to_string()),
        (tags::NUMBER_OF_FRAMES, VR::IS, &frames.to_string()),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
    ] {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1_u16),
        (tags::ROWS, 1),
        (tags::COLUMNS, 4),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    let pixels: Vec<u16> = (0..frames).flat_map(|frame| [frame, 1_024, 1_064, 4_095]).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
    let mut data_set = Vec::new();
    object.write_dataset_with_ts(&mut data_set, &EXPLICIT_VR_LITTLE_ENDIAN.erased()).unwrap();
    let head = header(uids::EXPLICIT_VR_LITTLE_ENDIAN, &instance);
    (instance, [head, data_set].concat())
}

/// An instance whose compression is not decoded here.
fn lossless() -> (String, Vec<u8>) {
    let (instance, plain) = file(9, SERIES, 1);
    let data_set = part10::split(&plain).unwrap().data_set.to_vec();
    let pixels_at = data_set.windows(4).position(|bytes| bytes == b"\xE0\x7F\x10\x00").unwrap();
    let fragments = b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0\x02\0\0\0\xFF\xD8\
        \xFE\xFF\xDD\xE0\0\0\0\0";
    let head = header(uids::JPEGLS_LOSSLESS, &instance);
    (instance, [&head, &data_set[..pixels_at], fragments].concat())
}

fn header(syntax: &str, instance: &str) -> Vec<u8> {
    let uid = |text: &str| Uid::parse(text).unwrap();
    part10::header(&uid(syntax), &uid(uids::CT_IMAGE_STORAGE), &uid(instance))
}

/// The door to a study of these files, and the path behind which it is open.
fn opened(files: Vec<(String, Vec<u8>)>, kept: usize) -> (Router, String, Arc<AtomicUsize>) {
    let (archive, opening) = study(files, kept);
    let fetched = Arc::clone(&archive.fetched);
    let viewing = Arc::new(Viewing::new(archive, || [7; 32]));
    let capability = viewing.link(opening);
    (router(viewing, Arc::new(Here), Arc::new(Still)).into_router(), format!("/view/{capability}"), fetched)
}

/// A study of these files, the first so many of which can be had.
fn study(files: Vec<(String, Vec<u8>)>, kept: usize) -> (Archive, Opening) {
    let mut archive = Archive::default();
    let mut originals = Vec::new();
    for (place, (instance_uid, bytes)) in files.into_iter().enumerate() {
        let digest = Bytes::copy_from_slice(&Sha256::digest(&bytes));
        let size_bytes = bytes.len() as u64;
        let media_type = imaging::DICOM.to_owned();
        originals.push(pb::Original { digest: digest.clone(), size_bytes, media_type, instance_uid });
        if place < kept {
            archive.files.insert(digest, Bytes::from(bytes));
        }
    }
    let series = pb::Series { series_uid: SERIES.to_owned(), modality: "CT".to_owned(), ..Default::default() };
    let study = pb::ImagingStudy { study_uid: STUDY.to_owned(), series: vec![series], ..Default::default() };
    let result = pb::ResultSummary {
        content: Some(pb::result_summary::Content::ImagingStudy(study)),
        originals,
        item_name_en: "CT of the chest".to_owned(),
        ..Default::default()
    };
    let caller = Caller {
        region: "520000".parse().unwrap(),
        role: Role::Hospital,
        organisation: "12520103DEMXX0014E".parse().unwrap(),
        name: "emr".to_owned(),
        serial: None,
    };
    let opening = Opening {
        caller,
        actor: pb::Actor::default(),
        patient: pb::Patient::default(),
        visit: pb::Visit::default(),
        result,
        evidence: None,
        prompt_id: Bytes::new(),
        grant: Some(pb::Grant { expires_unix_ms: i64::MAX, ..Default::default() }),
        standing: None,
        language: pb::Language::En,
    };
    (archive, opening)
}

async fn ask(door: &Router, path: &str, accept: &str) -> Response {
    let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
    door.clone().oneshot(request).await.unwrap()
}

async fn body(response: Response) -> Bytes {
    axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap()
}

async fn json(response: Response) -> serde_json::Value {
    serde_json::from_slice(&body(response).await).unwrap()
}

fn path(view: &str, instance: &str, rest: &str) -> String {
    format!("{view}/studies/{STUDY}/series/{SERIES}/instances/{instance}{rest}")
}

#[tokio::test]
async fn only_instances_of_what_was_opened_are_reached() {
    let (door, view, _) = opened(vec![file(1, SERIES, 1)], 1);
    let own = path(&view, "2.25.7.1", "/rendered");
    for (path, status) in [
        (own.clone(), 200),
        (own.replace(&view, "/view/nonsense"), 404),
        (own.replace(STUDY, "2.25.99"), 404),
        (own.replace(SERIES, "2.25.98"), 404),
        (own.replace("2.25.7.1", "2.25.7.2"), 404),
        (path(&view, "2.25.7.1", "/frames/1/rendered"), 200),
        (path(&view, "2.25.7.1", "/frames/2/rendered"), 404),
        (path(&view, "2.25.7.1", "/frames/x/rendered"), 400),
        (path(&view, "2.25.7.1", "/frames/0"), 400),
        (path(&view, "2.25.7.1", "/frames/1,2"), 404),
        (format!("{own}?window=40"), 400),
        (format!("{own}?window=40,0"), 400),
        (format!("{own}?window=40,400,cubic"), 400),
        (format!("{own}?viewport=0,10"), 400),
        (format!("{own}?quality=101"), 400),
        (format!("{own}?accept=image/gif"), 406),
        (format!("{view}/images"), 200),
        (format!("{view}/images/contents"), 200),
        ("/view/nonsense/images".to_owned(), 404),
    ] {
        assert_eq!(ask(&door, &path, "*/*").await.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_picture_is_drawn_as_it_is_asked_for() {
    let (door, view, _) = opened(vec![file(1, SERIES, 1)], 1);
    let rendered = path(&view, "2.25.7.1", "/rendered?window=40,401,linear");
    let response = ask(&door, &rendered, "image/png").await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "image/png");
    let drawn = image::load_from_memory(&body(response).await).unwrap().into_luma8();
    assert_eq!((drawn.dimensions(), drawn.as_raw().as_slice()), ((4, 1), &[0, 102, 128, 255][..]));
    let response = ask(&door, &rendered, "text/html, image/*;q=0.9").await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "image/jpeg");
    let response = ask(&door, &format!("{rendered}&accept=image/png&viewport=2,2"), "*/*").await;
    assert_eq!(image::load_from_memory(&body(response).await).unwrap().width(), 2);
}

#[tokio::test]
async fn frames_come_decoded_or_as_they_are_stored_and_the_original_as_it_was() {
    let made = file(1, SERIES, 3);
    let (door, view, _) = opened(vec![made.clone()], 1);
    let frames = path(&view, "2.25.7.1", "/frames/2,3");
    let response = ask(&door, &frames, "multipart/related; type=\"application/octet-stream\"").await;
    let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let boundary = content_type.split("boundary=").nth(1).unwrap().to_owned();
    let bytes = body(response).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(
        text.starts_with(&format!("--{boundary}\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840"))
    );
    assert!(text.ends_with(&format!("\r\n--{boundary}--\r\n")), "{text}");
    let second: &[u8] = &[1, 0, 0, 4, 0x28, 4, 0xFF, 0x0F];
    assert!(bytes.windows(8).any(|window| window == second));
    let one = path(&view, "2.25.7.1", "/frames/2");
    let single = ask(&door, &one, "application/octet-stream; transfer-syntax=*").await;
    assert_eq!(body(single).await, second);
    for accept in
        ["multipart/related; type=\"image/jpeg\"", "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.5"]
    {
        assert_eq!(ask(&door, &one, accept).await.status(), StatusCode::NOT_ACCEPTABLE, "{accept}");
    }
    assert_eq!(ask(&door, &frames, "application/octet-stream").await.status(), StatusCode::NOT_ACCEPTABLE);

    let whole = path(&view, "2.25.7.1", "");
    let response = ask(&door, &whole, "application/dicom").await;
    assert_eq!(response.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"2.25.7.1.dcm\"");
    assert_eq!(body(response).await, made.1);
    let parted = ask(&door, &whole, "multipart/related; type=\"application/dicom\"; transfer-syntax=*").await;
    assert!(body(parted).await.windows(made.1.len()).any(|window| window == made.1));
    let other = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.70";
    assert_eq!(ask(&door, &whole, other).await.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn what_is_not_decoded_says_so_by_name_and_can_still_be_downloaded() {
    let (door, view, _) = opened(vec![lossless()], 1);
    let response = ask(&door, &path(&view, "2.25.7.9", "/rendered"), "*/*").await;
    assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE);
    let problem = json(response).await;
    assert!(problem["detail"].as_str().unwrap().contains("JPEG-LS"), "{problem}");
    assert_eq!(body(ask(&door, &path(&view, "2.25.7.9", ""), "*/*").await).await, lossless().1);
    let stored = ask(&door, &path(&view, "2.25.7.9", "/frames/1"), "multipart/related; type=\"image/jls\"").await;
    assert_eq!(stored.status(), StatusCode::OK);
    assert!(body(stored).await.windows(2).any(|window| window == b"\xFF\xD8"));
    let told = json(ask(&door, &format!("{view}/images/contents"), "*/*").await).await;
    assert!(told["series"][0]["instances"][0]["text"].as_str().unwrap().contains("JPEG-LS"), "{told}");
}

#[tokio::test]
async fn twenty_frames_at_once_fetch_the_instance_once() {
    let (door, view, fetched) = opened(vec![file(1, SERIES, 20)], 1);
    let asks = (1..=20).map(|frame| {
        let (door, path) = (door.clone(), path(&view, "2.25.7.1", &format!("/frames/{frame}/rendered")));
        async move { ask(&door, &path, "image/png").await.status() }
    });
    let statuses = futures_util::future::join_all(asks).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn leave_is_asked_for_again_though_the_original_is_kept() {
    let (archive, opening) = study(vec![file(1, SERIES, 1)], 1);
    let fetched = Arc::clone(&archive.fetched);
    let viewing = Arc::new(Viewing::new(archive, || [7; 32]));
    let original = opening.result.originals[0].clone();
    for (leave, fetches) in [(std::time::Duration::from_secs(8), 1), (std::time::Duration::ZERO, 4)] {
        fetched.store(0, Ordering::SeqCst);
        let imaging = Imaging::with_leave(Arc::clone(&viewing), Arc::new(Here), leave);
        for _ in 0..4 {
            imaging.original(&opening, &original).await.unwrap();
        }
        assert_eq!(fetched.load(Ordering::SeqCst), fetches);
    }
}

#[tokio::test]
async fn the_study_is_told_in_order_with_what_is_missing() {
    let files =
        vec![file(3, SERIES, 1), file(1, SERIES, 2), file(2, SERIES, 1), ("2.25.7.4".to_owned(), b"no".to_vec())];
    let (door, view, _) = opened(files, 4);
    let told = json(ask(&door, &format!("{view}/images/contents?known=1"), "*/*").await).await;
    let instances = told["series"][0]["instances"].as_array().unwrap();
    let uids: Vec<&str> = instances.iter().map(|instance| instance["uid"].as_str().unwrap()).collect();
    assert_eq!(uids, ["2.25.7.1", "2.25.7.2", "2.25.7.3"]);
    assert_eq!((&told["total"], &told["known"], &instances[0]["frames"]), (&4.into(), &4.into(), &2.into()));
    assert_eq!(told["failed"][0]["uid"], "2.25.7.4");
    let (door, view, _) = opened(vec![file(1, SERIES, 1), file(2, SERIES, 1)], 1);
    let told = json(ask(&door, &format!("{view}/images/contents?known=1"), "*/*").await).await;
    assert_eq!((&told["known"], &told["away"]), (&1.into(), &"away".into()), "{told}");
}

#[tokio::test]
async fn the_page_is_there_before_any_image_is_fetched() {
    let (door, view, fetched) = opened(vec![file(1, SERIES, 1)], 1);
    let page = body(ask(&door, &format!("{view}/images"), "text/html").await).await;
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert_eq!(fetched.load(Ordering::SeqCst), 0);
    for shown in ["CT of the chest", "Lung", "/static/viewer.js?v=", STUDY, "not for primary diagnosis"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains("CANARY"));
}

const STUDY: &str = "2.25.7";
const SERIES: &str = "2.25.7.0";
const NOW_MS: i64 = 1_800_000_000_000;
