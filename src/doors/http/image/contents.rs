//! What the study holds, as far as it is known: series in their order, instances in theirs. The page asks again until
//! all is known; each time, some more headers are read.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use crate::domain::fault::{Fault, Faulty};
use crate::domain::picture::Undrawn;
use crate::doors::http::image::Door;
use crate::doors::http::image::answer::{NotGiven, words};
use crate::service::exchange::Exchange;
use crate::service::imaging::{Known, Unseen};
use crate::wire::dicom::slice::{Slice, syntax_name};
use crate::wire::pb::Language;

/// How much the page knows already.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    known: usize,
}

/// Tells what is known, after reading some more.
pub(super) async fn contents<E: Exchange>(
    State(door): State<Arc<Door<E>>>,
    Path(capability): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, NotGiven> {
    let opened = door.open(&capability).await?;
    // The first picture shall be there soon; from then on, longer turns cost less.
    let wait = if asked.known == 0 { FIRST_WAIT } else { WAIT };
    let known = door.imaging.contents(&opened, wait).await;
    Ok(Json(told(&known, opened.language)))
}

fn told(all: &[Known<'_>], language: Language) -> Value {
    let mut series: BTreeMap<(i64, &str), Vec<(&str, &Slice)>> = BTreeMap::new();
    let (mut known, mut failed, mut away) = (0, Vec::new(), None);
    for one in all {
        let uid = one.original.instance_uid.as_str();
        match &one.slice {
            Some(Ok(slice)) => {
                known += 1;
                let key = (slice.series_number.unwrap_or(i64::MAX), slice.series.as_str());
                series.entry(key).or_default().push((uid, slice));
            }
            // What is asked again later is no failure of the instance.
            Some(Err(unseen)) if matches!(unseen.fault(), Fault::Busy | Fault::Limited) && is_refused(unseen) => {
                away = Some(words(unseen, language));
            }
            Some(Err(unseen)) => {
                known += 1;
                failed.push(json!({ "uid": uid, "text": words(unseen, language) }));
            }
            None => {}
        }
    }
    let series: Vec<Value> = series.into_values().map(|slices| told_series(slices, language)).collect();
    json!({ "total": all.len(), "known": known, "away": away, "failed": failed, "series": series })
}

fn is_refused(unseen: &Unseen) -> bool {
    matches!(unseen, Unseen::Refused(refused) if refused.fault == Fault::Busy)
}

fn told_series(mut slices: Vec<(&str, &Slice)>, language: Language) -> Value {
    slices.sort_by(order);
    let first = slices.first().map(|(_, slice)| *slice);
    let instances: Vec<Value> = slices.iter().map(|(uid, slice)| told_instance(uid, slice, language)).collect();
    json!({
        "uid": first.map(|slice| &slice.series),
        "number": first.and_then(|slice| slice.series_number),
        "modality": first.map(|slice| &slice.modality),
        "description": first.map(|slice| &slice.description),
        "thickness": first.and_then(|slice| slice.thickness_mm),
        "instances": instances,
    })
}

fn told_instance(uid: &str, slice: &Slice, language: Language) -> Value {
    let reason = match () {
        () if !slice.has_picture() => Some(Undrawn::NoPicture),
        () if !slice.is_decoded() => Some(Undrawn::Unsupported),
        () => None,
    };
    let text = reason.map(|reason| {
        let syntax = syntax_name(&slice.syntax).to_owned();
        words(&Unseen::Undrawn { reason, syntax }, language)
    });
    json!({
        "uid": uid,
        "number": slice.number,
        "frames": slice.frames,
        "rows": slice.rows,
        "columns": slice.columns,
        "text": text,
    })
}

/// By number, and where that is none or the same, by the place along the axis.
fn order(one: &(&str, &Slice), other: &(&str, &Slice)) -> Ordering {
    let number = |slice: &Slice| slice.number.unwrap_or(i64::MAX);
    let along = |slice: &Slice| slice.along_mm.unwrap_or(f64::MAX);
    number(one.1)
        .cmp(&number(other.1))
        .then_with(|| along(one.1).total_cmp(&along(other.1)))
        .then_with(|| one.0.cmp(other.0))
}

const FIRST_WAIT: Duration = Duration::from_millis(250);
const WAIT: Duration = Duration::from_millis(1_500);
