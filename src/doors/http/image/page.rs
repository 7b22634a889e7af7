//! The page of a study: its series at the left, one picture large. The page is there at once, from what the result
//! itself says; pictures and the instances of each series follow as they are read.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use crate::doors::http::image::Door;
use crate::doors::http::pages::texts::Text;
use crate::doors::http::pages::{self, Framing, Page, assets, shown};
use crate::service::exchange::Exchange;
use crate::service::imaging;
use crate::service::viewing::Opening;
use crate::wire::pb::{self, Language};

/// Shows the study.
pub(super) async fn page<E: Exchange>(State(door): State<Arc<Door<E>>>, Path(capability): Path<String>) -> Response {
    let opened = match door.imaging.open(&capability, door.clock.now().unix_ms()).await {
        Ok(opened) => opened,
        Err(refused) => return pages::refused(Language::Zh, &refused),
    };
    let language = opened.language;
    let title = format!("{} · {}", TITLE.to(language), shown::item_name(&opened.result, language));
    let page = Page { title: &title, language, scripts: &["viewer.js"], framing: Framing::Own };
    page.answer(StatusCode::OK, content(&opened, language))
}

fn content(opened: &Opening, language: Language) -> Markup {
    let study = imaging::study(opened).cloned().unwrap_or_default();
    let say = |text: Text| text.to(language);
    html! {
        link rel="stylesheet" href=(assets::path("viewer.css"));
        div id="viewer" class="viewer" data-study=(study.study_uid) data-language=(pages::tag(language))
            data-reading=(say(READING)) data-failed=(say(FAILED)) data-download=(say(DOWNLOAD))
            data-instance=(say(INSTANCE)) data-instances=(say(INSTANCES)) data-frame=(say(FRAME)) data-series=(say(SERIES))
            data-away=(say(AWAY)) {
            aside class="series" {
                p class="small soft about" {
                    (shown::hospital(&opened.result, language)) br;
                    (shown::moment(opened.result.collected_at.as_ref()))
                }
                ol id="series" aria-label=(say(SERIES)) {
                    @for series in &study.series { li class="card waiting" { (facts(series, language)) } }
                }
                p id="progress" class="small soft" role="status" { (say(READING)) }
                noscript { p class="small" { (say(NO_SCRIPT)) } }
            }
            section class="pane" {
                (toolbar(&study, language))
                div id="stage" class="stage" tabindex="0" aria-label=(say(PICTURE)) {
                    canvas id="picture" {}
                    div id="note" class="note" role="status" hidden {}
                    div class="corner top-left" id="label" {}
                    div class="corner top-right" id="position" {}
                    div class="corner bottom-left" id="window" {}
                    div class="corner bottom-right" { (say(NOT_DIAGNOSTIC)) }
                }
                input id="slider" type="range" min="1" max="1" value="1" aria-label=(say(POSITION)) disabled;
            }
        }
        p class="hints" {
            span { kbd { "↑" } kbd { "↓" } " " (say(HINT_SCROLL)) }
            span { kbd { "1" } "–" kbd { "5" } " " (say(HINT_WINDOW)) }
            span { kbd { "I" } " " (say(INVERT)) }
            span { kbd { "+" } kbd { "−" } kbd { "F" } " " (say(HINT_ZOOM)) }
            span { kbd { "[" } kbd { "]" } " " (say(SERIES)) }
            span { kbd { "P" } " " (say(PLAY)) }
        }
    }
}

/// What a result says of a series, before any of its images is there.
fn facts(series: &pb::Series, language: Language) -> Markup {
    let description = if series.description.is_empty() { "—" } else { &series.description };
    html! {
        div class="thumb" {}
        div class="grow" {
            strong class="break" { (series.modality) " " (description) }
            div class="small soft" {
                (series.instances) " " (images(series.instances).to(language))
                @if !series.slice_thickness_mm.is_empty() { " · " (series.slice_thickness_mm) " mm" }
            }
        }
    }
}

/// Gives the word for so many images.
fn images(count: u32) -> Text {
    if count == 1 { INSTANCE } else { INSTANCES }
}

fn toolbar(study: &pb::ImagingStudy, language: Language) -> Markup {
    let is_ct = study.series.iter().any(|series| series.modality == "CT");
    let windows = WINDOWS.iter().filter(|(_, window, _)| is_ct || window.is_empty());
    html! {
        div class="tools" role="toolbar" {
            span id="windows" {
                @for (key, window, name) in windows {
                    button type="button" data-window=(window) data-key=(key) aria-pressed=(window.is_empty()) {
                        kbd { (key) } (name.to(language))
                    }
                }
            }
            button type="button" id="invert" aria-pressed="false" { kbd { "I" } (INVERT.to(language)) }
            button type="button" id="fit" { kbd { "F" } (FIT.to(language)) }
            button type="button" id="play" aria-pressed="false" { kbd { "P" } (PLAY.to(language)) }
            a id="original" class="button" hidden { (DOWNLOAD.to(language)) }
        }
    }
}

/// Key, window as a query asks for it, and name; the first is the picture's own.
///
/// Usual windows of computed tomography, in Hounsfield units.
const WINDOWS: [(&str, &str, Text); 5] = [
    ("1", "", Text::new("默认", "Default")),
    ("2", "-600,1500,linear", Text::new("肺窗", "Lung")),
    ("3", "40,400,linear", Text::new("软组织窗", "Soft tissue")),
    ("4", "450,2000,linear", Text::new("骨窗", "Bone")),
    ("5", "40,80,linear", Text::new("脑窗", "Brain")),
];
const TITLE: Text = Text::new("影像", "Images");
const SERIES: Text = Text::new("序列", "Series");
const INSTANCE: Text = Text::new("幅", "image");
const INSTANCES: Text = Text::new("幅", "images");
const FRAME: Text = Text::new("帧", "frame");
const READING: Text = Text::new("正在读取影像…", "Reading the images…");
const FAILED: Text = Text::new("未能读取", "could not be read");
const AWAY: Text =
    Text::new("发布医院暂不可达，将继续尝试。", "The publishing hospital cannot be reached; trying again.");
const DOWNLOAD: Text = Text::new("下载原件", "Original");
const NO_SCRIPT: Text = Text::new("浏览影像需要启用脚本。", "Scripts must be allowed to look at images.");
const PICTURE: Text = Text::new("图像", "Picture");
const POSITION: Text = Text::new("位置", "Position");
const NOT_DIAGNOSTIC: Text = Text::new("仅供调阅，不作首诊依据", "For review; not for primary diagnosis");
const INVERT: Text = Text::new("反色", "Invert");
const FIT: Text = Text::new("适合窗口", "Fit");
const PLAY: Text = Text::new("播放", "Play");
const HINT_SCROLL: Text = Text::new("或滚轮翻层", "or wheel: slices");
const HINT_WINDOW: Text = Text::new("窗宽窗位", "window");
const HINT_ZOOM: Text = Text::new("或 Ctrl+滚轮缩放", "or Ctrl+wheel: zoom");
