//! A CT study drawn at run time and sent over C-STORE: a phantom, never a person. Names are written in GB 18030.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::text::SpecificCharacterSet;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use dicom_ul::association::client::ClientAssociationOptions;
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use sha2::{Digest, Sha256};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use tokio::io::AsyncWriteExt;

use crate::app::sample::cast::Patient;
use crate::domain::time::Moment;
use crate::wire::dicom::Uid;
use crate::wire::dicom::command::{self, Status};

/// One image: its UID, and its data set as it is sent.
#[derive(Debug, Clone)]
pub struct Slice {
    /// SOP Instance UID.
    pub instance: Uid,
    /// The data set in explicit little endian.
    pub data_set: Vec<u8>,
}

/// A study could not be drawn or sent.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The library refused, or the association broke.
    #[error("DICOM: {0}")]
    Dicom(String),
    /// The connection broke.
    #[error("C-STORE: {0}")]
    Io(std::io::Error),
    /// The receiver did not store it.
    #[error("C-STORE: {0}")]
    Refused(String),
}

/// How a study is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Slices.
    pub slices: u16,
    /// Rows and columns of each.
    pub side: u16,
}

/// A small study.
pub const SMALL: Plan = Plan { slices: 3, side: 128 };

/// Draws a CT of the chest without contrast, acquired at `acquired`.
///
/// # Errors
/// [`ScanError::Dicom`] when the library refuses to write a slice.
pub fn chest(patient: &Patient, acquired: Moment, plan: Plan) -> Result<Vec<Slice>, ScanError> {
    (0..plan.slices).map(|place| slice(patient, acquired, place, plan.side)).collect()
}

/// Gives the Study Instance UID of a CT acquired at `acquired`.
pub fn study_uid(acquired: Moment) -> String {
    uid("study", acquired)
}

/// Sends slices in one association, and tells of each how long it took until it was stored.
///
/// # Errors
/// [`ScanError`] when one is not stored.
///
/// Source: DICOM PS3.4, annex B.
pub async fn send(
    address: SocketAddr,
    called_ae_title: &str,
    slices: &[Slice],
    mut stored: impl FnMut(Duration),
) -> Result<(), ScanError> {
    let broken = |error: dicom_ul::association::Error| ScanError::Dicom(error.to_string());
    let options = ClientAssociationOptions::new()
        .calling_ae_title("PACS")
        .called_ae_title(called_ae_title)
        .with_presentation_context(uids::CT_IMAGE_STORAGE, vec![uids::EXPLICIT_VR_LITTLE_ENDIAN]);
    let mut association = options.establish_async(address).await.map_err(broken)?;
    // Commands and data are small packets in turn; held back, each would wait for the receiver's delayed acknowledgement.
    association.inner_stream().set_nodelay(true).map_err(ScanError::Io)?;
    let Some(context) = association.presentation_contexts().first().map(|context| context.id) else {
        return Err(ScanError::Refused("CT Image Storage was not accepted".to_owned()));
    };
    let class = Uid::parse(uids::CT_IMAGE_STORAGE).ok_or_else(|| ScanError::Dicom("class".to_owned()))?;
    for (number, slice) in (1..).zip(slices) {
        let began = Instant::now();
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: command::store_request(number, &class, &slice.instance),
        };
        association.send(&Pdu::PData { data: vec![value] }).await.map_err(broken)?;
        let mut writer = association.send_pdata(context);
        let written = async {
            writer.write_all(&slice.data_set).await?;
            writer.finish().await
        };
        written.await.map_err(ScanError::Io)?;
        let Pdu::PData { data } = association.receive().await.map_err(broken)? else {
            return Err(ScanError::Refused("another PDU came in the place of a response".to_owned()));
        };
        let answer = data.first().map(|value| command::decode(&value.data));
        let status = answer.and_then(Result::ok).and_then(|answer| answer.status);
        if status != Some(Status::SUCCESS) {
            return Err(ScanError::Refused(format!("status {status:?}")));
        }
        stored(began.elapsed());
    }
    association.release().await.map_err(broken)
}

fn slice(patient: &Patient, acquired: Moment, place: u16, side: u16) -> Result<Slice, ScanError> {
    let instance = uid(&format!("instance {place}"), acquired);
    let (date, clock) = stamp(acquired);
    let mut object = InMemDicomObject::new_empty();
    let mut text = |tag, vr, value: &str| {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    };
    let (family, given) = patient.name;
    let number = place.to_string();
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "GB18030"),
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL"),
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, &instance),
        (tags::STUDY_DATE, VR::DA, &date),
        (tags::SERIES_DATE, VR::DA, &date),
        (tags::ACQUISITION_DATE, VR::DA, &date),
        (tags::STUDY_TIME, VR::TM, &clock),
        (tags::SERIES_TIME, VR::TM, &clock),
        (tags::ACQUISITION_TIME, VR::TM, &clock),
        (tags::ACCESSION_NUMBER, VR::SH, "GY-CT-5001"),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::MANUFACTURER, VR::LO, "Phantom"),
        (tags::INSTITUTION_NAME, VR::LO, "示例贵阳医院"),
        (tags::STUDY_DESCRIPTION, VR::LO, "胸部CT平扫"),
        (tags::SERIES_DESCRIPTION, VR::LO, "胸部 5mm 肺窗"),
        (tags::PATIENT_NAME, VR::PN, &format!("{family}^{given}")),
        (tags::PATIENT_ID, VR::LO, patient.number),
        (tags::ISSUER_OF_PATIENT_ID, VR::LO, "GA"),
        (tags::PATIENT_BIRTH_DATE, VR::DA, &patient.birth_date.replace('-', "")),
        (tags::PATIENT_SEX, VR::CS, patient.sex),
        (tags::BODY_PART_EXAMINED, VR::CS, "CHEST"),
        (tags::CONTRAST_BOLUS_AGENT, VR::LO, "NONE"),
        (tags::SLICE_THICKNESS, VR::DS, "5"),
        (tags::STUDY_INSTANCE_UID, VR::UI, &study_uid(acquired)),
        (tags::SERIES_INSTANCE_UID, VR::UI, &uid("series", acquired)),
        (tags::STUDY_ID, VR::SH, "5001"),
        (tags::SERIES_NUMBER, VR::IS, "1"),
        (tags::INSTANCE_NUMBER, VR::IS, &number),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        (tags::RESCALE_SLOPE, VR::DS, "1"),
    ] {
        text(tag, vr, value);
    }
    put_pixels(&mut object, place, side);
    let charset = SpecificCharacterSet::from_code("GB18030").unwrap_or_default();
    let mut data_set = Vec::new();
    let written = object.write_dataset_with_ts_cs(&mut data_set, &EXPLICIT_VR_LITTLE_ENDIAN.erased(), charset);
    written.map_err(|error| ScanError::Dicom(error.to_string()))?;
    let instance = Uid::parse(&instance).ok_or_else(|| ScanError::Dicom("instance".to_owned()))?;
    Ok(Slice { instance, data_set })
}

/// Draws two round lungs of air in a body of water, as a test phantom has them.
fn put_pixels(object: &mut InMemDicomObject, place: u16, side: u16) {
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1_u16),
        (tags::ROWS, side),
        (tags::COLUMNS, side),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    let side = i32::from(side);
    let inside = |row: i32, column: i32, centre: (i32, i32), radius: i32| {
        (row - centre.0).pow(2) + (column - centre.1).pow(2) < radius.pow(2)
    };
    let radius = side / 8 + i32::from(place % 8);
    let value = |row: i32, column: i32| match () {
        () if inside(row, column, (side / 2, side / 3), radius) => AIR,
        () if inside(row, column, (side / 2, side * 2 / 3), radius) => AIR,
        () if inside(row, column, (side / 2, side / 2), side * 2 / 5) => WATER,
        () => 0,
    };
    let pixels: Vec<u16> = (0..side).flat_map(|row| (0..side).map(move |column| value(row, column))).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
}

/// Makes a UID of a name: the same at every start on the same folder. Source: DICOM PS3.5, B.2.
fn uid(name: &str, acquired: Moment) -> String {
    let digest = Sha256::new().chain_update(name).chain_update(acquired.unix_ms().to_be_bytes()).finalize();
    let short = digest.first_chunk().copied().unwrap_or_default();
    format!("2.25.{}", u128::from_be_bytes(short))
}

/// Writes a moment as DICOM's date and time.
fn stamp(at: Moment) -> (String, String) {
    let offset = UtcOffset::from_whole_seconds(i32::from(at.offset_minutes()) * 60).unwrap_or(UtcOffset::UTC);
    let local = OffsetDateTime::from_unix_timestamp(at.unix_ms() / 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let local = local.to_offset(offset);
    let date = local.format(format_description!("[year][month][day]"));
    let clock = local.format(format_description!("[hour][minute][second]"));
    (date.unwrap_or_default(), clock.unwrap_or_default())
}

/// Stored values of about -900 and 0 Hounsfield units.
const AIR: u16 = 124;
const WATER: u16 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::sample::cast::SCANNED;

    #[test]
    fn slices_are_of_one_study_and_the_same_again() {
        let acquired = Moment::new(1_800_000_000_000, 480).unwrap();
        let (first, again) = (chest(&SCANNED, acquired, SMALL).unwrap(), chest(&SCANNED, acquired, SMALL).unwrap());
        assert_eq!(first.len(), usize::from(SMALL.slices));
        assert!(first.iter().zip(&again).all(|(one, other)| one.data_set == other.data_set));
        let chinese: Vec<u8> = encoding_rs::GB18030.encode("样例^戊").0.into_owned();
        assert!(first.iter().all(|slice| slice.data_set.windows(chinese.len()).any(|bytes| bytes == chinese)));
    }
}
