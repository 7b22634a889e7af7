//! Images of one hospital answer an order at another.

use concord::wire::dicom::command::Status;
use concord::wire::dicom::read_file;
use concord::wire::pb::result_summary::Content;

use crate::doctor::Doctor;
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
