//! A CT of one hospital answers the order of another, and its images are fetched.

use std::io;

use serde_json::json;

use crate::app::demo::doctor::{Doctor, only_prompt};
use crate::app::demo::links::World;
use crate::app::demo::step::{Found, StepError, patiently, same, text};
use crate::app::demo::tell::Teller;
use crate::app::sample::cast::{GUIYANG, SCANNED};
use crate::app::sample::scan::{self, SMALL, Slice};
use crate::domain::time::Moment;
use crate::wire::pb;

/// Tells the chapter.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    let mut slices = Vec::new();
    let title = text("影像系统经 C-STORE 存入一次胸部CT", "An imaging system stores a CT of the chest over C-STORE");
    teller.step("ct-stored", title, stored(world, &mut slices)).await?;
    let mut prompted = None;
    let title = text("医生开胸部CT平扫：提示已有检查", "A doctor orders a plain CT of the chest: it is prompted");
    teller.step("ct-recognised", title, recognised(world, &mut prompted)).await?;
    let title = text("医生采纳并调阅全部影像", "The doctor accepts and fetches all images");
    teller.step("ct-fetched", title, fetched(world, prompted, &slices)).await
}

async fn stored(world: &World, slices: &mut Vec<Slice>) -> Result<Found, StepError> {
    *slices = scan::chest(&SCANNED, acquired(world), SMALL)?;
    let address = world.settled.nodes[0].dicom;
    patiently(async || Ok(scan::send(address, GUIYANG.ae_title, slices, |_| ()).await?)).await?;
    let bytes: usize = slices.iter().map(|slice| slice.data_set.len()).sum();
    let count = slices.len();
    Ok(Found::default()
        .line(format!("{count} 幅，{bytes} 字节"), format!("{count} images, {bytes} bytes"))
        .fact("instances", count)
        .fact("study_uid", scan::study_uid(acquired(world))))
}

async fn recognised(world: &World, prompted: &mut Option<pb::Prompt>) -> Result<Found, StepError> {
    let doctor = Doctor::at(world, 1)?;
    doctor.wait_for(&SCANNED, 1).await?;
    let line = doctor.order("ct", &SCANNED, ("catalogue", "E02003")).await?;
    same("coverage", pb::LineCoverage::Full, line.coverage())?;
    let prompt = only_prompt(&line)?;
    let result = prompt.result.clone().unwrap_or_default();
    let study = match result.content {
        Some(pb::result_summary::Content::ImagingStudy(study)) => study.study_uid,
        _ => return Err(StepError::unexpected("the result", "an imaging study", "a laboratory result")),
    };
    same("study", scan::study_uid(acquired(world)), study)?;
    *prompted = Some(prompt.clone());
    let mark = prompt.evidence.clone().unwrap_or_default().mark;
    Ok(Found::default().line(prompt.text.clone(), format!("{mark}: {}", prompt.text)).fact("mark", mark))
}

async fn fetched(world: &World, prompted: Option<pb::Prompt>, slices: &[Slice]) -> Result<Found, StepError> {
    let prompt = prompted.ok_or(StepError::Unfounded)?;
    let doctor = Doctor::at(world, 1)?;
    let (result, grant, _) = doctor.accept("ct-accept", &prompt).await?;
    let mut digests = Vec::new();
    for slice in slices {
        let of_slice = |original: &&pb::Original| original.instance_uid == slice.instance.as_str();
        let original = result.originals.iter().find(of_slice);
        let original = original.ok_or_else(|| StepError::unexpected("originals", slice.instance.as_str(), "none"))?;
        let bytes = doctor.open(&grant, original).await?;
        if !bytes.ends_with(&slice.data_set) {
            return Err(StepError::unexpected("the image", "the data set that was sent", "other bytes"));
        }
        digests.push(hex::encode(&original.digest));
    }
    let count = digests.len();
    Ok(Found::default()
        .line(format!("{count} 幅影像逐一与签名摘要一致"), format!("{count} images, each as its hospital signed it"))
        .fact("digests", json!(digests)))
}

/// Two days before the story; the window of a plain CT of the chest is thirty.
fn acquired(world: &World) -> Moment {
    world.began.plus_hours(-48)
}
