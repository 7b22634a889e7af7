//! Images of one hospital answer an order at another.

use concord::wire::dicom::command::Status;
use concord::wire::dicom::read_file;
use concord::wire::pb::result_summary::Content;

use crate::browser::{Browser, attribute, location};
use crate::doctor::Doctor;
use crate::patience::until;
use crate::people;
use crate::region::{A, B, Region};
use crate::scanner::{chest, store};

#[tokio::test(flavor = "multi_thread")]
async fn a_ct_study_is_one_prompt_and_every_image_comes_back_as_it_was_sent() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let slices = chest(&patient, region.began.plus_hours(-4), 3);
    assert_eq!(store(region.dicom(A), &slices).await, [Status::SUCCESS; 3]);
    // The second half of an association that broke: the scanner sends what it had sent.
    assert_eq!(store(region.dicom(A), &slices[1..]).await, [Status::SUCCESS; 2]);
    doctor.wait_for(&patient, 1).await;

    let line = doctor.order("order-1", &patient, ("catalogue", "E02003")).await;
    let [prompt] = line.prompts.as_slice() else { panic!("{line:?}") };
    let (result, grant) = doctor.accept("decision-1", prompt).await;
    let Some(Content::ImagingStudy(study)) = &result.content else { panic!("{result:?}") };
    assert_eq!(study.series.iter().map(|series| series.instances).collect::<Vec<_>>(), [3]);
    assert_eq!(result.originals.len(), 3);
    for slice in &slices {
        let is_wanted = |uid: &str| uid == slice.instance.as_str();
        let original = result.originals.iter().find(|original| is_wanted(&original.instance_uid)).unwrap();
        let file = doctor.open(&grant, original).await.unwrap();
        assert!(read_file(&file).unwrap().data_set == slice.data_set, "the data set is not what was sent");
    }
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_looks_at_slices_of_another_hospital_in_a_browser() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    let slices = chest(&patient, region.began.plus_hours(-4), 3);
    assert_eq!(store(region.dicom(A), &slices).await, [Status::SUCCESS; 3]);
    doctor.wait_for(&patient, 1).await;

    let (screen, browser) = (Browser::order_screen(&region, B, B.folder), Browser::at(&region, B));
    let (_, ticket) = screen.ticket(&patient, &[("catalogue", "E02003")]).await;
    let session = location(&browser.visit(ticket["url"].as_str().unwrap()).await);
    let page = browser.visit(&session).await.text().await.unwrap();
    let prompt = attribute(&page, "name=\"prompt\" value=\"");
    let form = [("line", "0"), ("prompt", prompt.as_str()), ("act", "accept")];
    location(&browser.press(&attribute(&page, "action=\""), &form).await);
    let after = browser.visit(&session).await.text().await.unwrap();
    let view = format!("/view/{}", attribute(&after, "href=\"/view/"));

    let page = browser.visit(&format!("{view}/images")).await.text().await.unwrap();
    let script = attribute(&page, "<script src=\"");
    assert_eq!(browser.visit(&script).await.status(), 200, "{script}");
    let known = until("all headers", async || {
        let told = browser.visit(&format!("{view}/images/contents?known=1")).await.text().await.unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        if told["known"] == 3 { Ok(told) } else { Err(told.to_string()) }
    })
    .await;
    let series = &known["series"][0];
    let (study, series_uid) = (attribute(&page, "data-study=\""), series["uid"].as_str().unwrap());
    for (place, instance) in (1..).zip(series["instances"].as_array().unwrap()) {
        let instance = instance["uid"].as_str().unwrap();
        let path = format!("{view}/studies/{study}/series/{series_uid}/instances/{instance}");
        let window = "window=500,1000,linear-exact&accept=image/png";
        let drawn = browser.visit(&format!("{path}/frames/1/rendered?{window}")).await.bytes().await.unwrap();
        let drawn = image::load_from_memory(&drawn).unwrap().into_luma8();
        assert_eq!(drawn.dimensions(), (512, 512));
        for (at, grey) in (0_u32..).zip(drawn.as_raw()).step_by(1_009) {
            // The scanner's own pattern, a thousand values over 256 greys.
            let expected = (at % 997 + place) * 255 / 1_000;
            assert!(u32::from(*grey).abs_diff(expected) <= 1, "slice {place} has {grey} at {at}, not {expected}");
        }
        let original = browser.visit(&path).await.bytes().await.unwrap();
        assert!(original.ends_with(&slices[usize::try_from(place - 1).unwrap()].data_set));
    }
    region.end().await;
}
