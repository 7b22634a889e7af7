//! A scanner at hospital A: a CT study drawn at run time, and its end of C-STORE.

use std::net::SocketAddr;

use concord::domain::time::Moment;
use concord::wire::dicom::Uid;
use concord::wire::dicom::command::{self, Status};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::text::SpecificCharacterSet;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use dicom_ul::association::client::ClientAssociationOptions;
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::AsyncWriteExt;

use crate::people::Patient;

/// An instance as it is sent.
#[derive(Debug, Clone)]
pub struct Instance {
    /// SOP class.
    pub class: Uid,
    /// SOP Instance UID.
    pub instance: Uid,
    /// Transfer syntax of the data set.
    pub syntax: String,
    /// The data set.
    pub data_set: Vec<u8>,
}

/// Draws so many slices of a plain CT of the chest.
pub fn chest(patient: &Patient, acquired: Moment, slices: u16) -> Vec<Instance> {
    (1..=slices).map(|place| slice(patient, acquired, place)).collect()
}

/// Sends instances in one association that proposes what they are, and gives the status of each.
///
/// Source: DICOM PS3.4, annex B.
pub async fn store(address: SocketAddr, instances: &[Instance]) -> Vec<Status> {
    let mut options = ClientAssociationOptions::new().calling_ae_title("CT1").called_ae_title("CONCORD");
    let mut proposed: Vec<(String, String)> = Vec::new();
    for instance in instances {
        let context = (instance.class.as_str().to_owned(), instance.syntax.clone());
        if !proposed.contains(&context) {
            options = options.with_presentation_context(context.0.clone(), vec![context.1.clone()]);
            proposed.push(context);
        }
    }
    let mut association = options.establish_async(address).await.unwrap();
    let mut statuses = Vec::new();
    for (number, instance) in (1..).zip(instances) {
        let place = proposed
            .iter()
            .position(|(class, syntax)| class == instance.class.as_str() && *syntax == instance.syntax)
            .unwrap();
        // Presentation contexts are numbered 1, 3, 5 and so on in the order in which they were proposed.
        let context = u8::try_from(2 * place + 1).unwrap();
        assert!(association.presentation_contexts().iter().any(|accepted| accepted.id == context), "{proposed:?}");
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: command::store_request(number, &instance.class, &instance.instance),
        };
        association.send(&Pdu::PData { data: vec![value] }).await.unwrap();
        let mut writer = association.send_pdata(context);
        writer.write_all(&instance.data_set).await.unwrap();
        writer.finish().await.unwrap();
        let Pdu::PData { data } = association.receive().await.unwrap() else { panic!("no response to C-STORE") };
        let answer = command::decode(&data[0].data).unwrap();
        assert_eq!(answer.message_id, number, "answers come in order");
        statuses.push(answer.status.unwrap());
    }
    association.release().await.unwrap();
    statuses
}

fn slice(patient: &Patient, acquired: Moment, place: u16) -> Instance {
    let study = format!("2.25.{}", acquired.unix_ms());
    let (series, instance) = (format!("{study}.1"), format!("{study}.1.{place}"));
    let local = OffsetDateTime::from_unix_timestamp(acquired.unix_ms() / 1_000 + 8 * 3_600).unwrap();
    let date = local.format(format_description!("[year][month][day]")).unwrap();
    let clock = local.format(format_description!("[hour][minute][second]")).unwrap();
    let mut object = InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "GB18030"),
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL"),
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, &instance),
        (tags::STUDY_DATE, VR::DA, &date),
        (tags::ACQUISITION_DATE, VR::DA, &date),
        (tags::STUDY_TIME, VR::TM, &clock),
        (tags::ACQUISITION_TIME, VR::TM, &clock),
        (tags::ACCESSION_NUMBER, VR::SH, "CT-1"),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::STUDY_DESCRIPTION, VR::LO, "胸部CT平扫"),
        (tags::PATIENT_NAME, VR::PN, &patient.name),
        (tags::PATIENT_ID, VR::LO, &patient.number),
        (tags::ISSUER_OF_PATIENT_ID, VR::LO, "GA"),
        (tags::PATIENT_BIRTH_DATE, VR::DA, &patient.birth_date.replace('-', "")),
        (tags::PATIENT_SEX, VR::CS, patient.sex),
        (tags::BODY_PART_EXAMINED, VR::CS, "CHEST"),
        (tags::CONTRAST_BOLUS_AGENT, VR::LO, "NONE"),
        (tags::SLICE_THICKNESS, VR::DS, "5"),
        (tags::STUDY_INSTANCE_UID, VR::UI, &study),
        (tags::SERIES_INSTANCE_UID, VR::UI, &series),
        (tags::INSTANCE_NUMBER, VR::IS, &place.to_string()),
    ] {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    // Larger than a PDU, so that it travels in several.
    let pixels: Vec<u16> = (0..512_u32 * 512).map(|pixel| u16::try_from(pixel % 997).unwrap() + place).collect();
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1_u16),
        (tags::ROWS, 512),
        (tags::COLUMNS, 512),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
    let charset = SpecificCharacterSet::from_code("GB18030").unwrap();
    let mut data_set = Vec::new();
    object.write_dataset_with_ts_cs(&mut data_set, &EXPLICIT_VR_LITTLE_ENDIAN.erased(), charset).unwrap();
    Instance {
        class: Uid::parse(uids::CT_IMAGE_STORAGE).unwrap(),
        instance: Uid::parse(&instance).unwrap(),
        syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        data_set,
    }
}
