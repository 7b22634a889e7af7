//! What one instance says of its patient, study, series and picture.

use super::error::DicomError;
use super::person::PersonName;
use super::reader::{Code, Reader};
use super::syntax::{form, inflate, walk_as};
use super::uid::Uid;
use super::when::LocalTime;
use crate::domain::phi::Phi;
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// What one instance says. Texts are decoded, trimmed and capped; an absent or empty value is `None`.
#[derive(Debug, Clone)]
pub struct InstanceFacts {
    /// The class: what kind of object this is.
    pub sop_class: Uid,
    /// The instance itself.
    pub sop_instance: Uid,
    /// The study it belongs to; none where the instance does not say, as some screen captures do not.
    pub study: Option<Uid>,
    /// The series it belongs to.
    pub series: Option<Uid>,
    /// Whose it is.
    pub patient: PatientFacts,
    /// What was ordered, and when and where it was done.
    pub order: OrderFacts,
    /// How the picture was taken.
    pub acquisition: AcquisitionFacts,
    /// Its size and resolution.
    pub picture: PictureFacts,
    /// Whether any text did not fit the stated character set, so that another was guessed.
    pub charset_guessed: bool,
}

/// Whom the instance names.
#[derive(Debug, Clone)]
pub struct PatientFacts {
    /// Patient ID (0010,0020).
    pub id: Option<Phi<String>>,
    /// Issuer of Patient ID (0010,0021).
    pub issuer: Option<String>,
    /// Further identifiers with their issuers (0010,1002), or without (0010,1000).
    pub other_ids: Vec<OtherId>,
    /// Patient's name (0010,0010).
    pub name: Option<Phi<PersonName>>,
    /// Birth date (0010,0030) as eight digits.
    pub birth_date: Option<Phi<String>>,
    /// Sex (0010,0040): `M`, `F` or `O`.
    pub sex: Option<String>,
}

/// One further identifier of a patient.
#[derive(Debug, Clone)]
pub struct OtherId {
    /// The identifier.
    pub id: Phi<String>,
    /// Who gave it.
    pub issuer: Option<String>,
}

/// What was ordered, and when and where it was done.
#[derive(Debug, Clone)]
pub struct OrderFacts {
    /// Accession number (0008,0050).
    pub accession: Option<Phi<String>>,
    /// Institution name (0008,0080).
    pub institution: Option<String>,
    /// Study description (0008,1030).
    pub study_description: Option<String>,
    /// Series description (0008,103E).
    pub series_description: Option<String>,
    /// Protocol name (0018,1030).
    pub protocol: Option<String>,
    /// Codes of the requested procedure (0032,1064), of the request attributes too.
    pub requested_procedures: Vec<Code>,
    /// Codes of the procedure done (0008,1032).
    pub procedures: Vec<Code>,
    /// Start of the study (0008,0020 and 0008,0030).
    pub study_started: Option<LocalTime>,
}

/// How the picture was taken.
#[derive(Debug, Clone)]
pub struct AcquisitionFacts {
    /// Modality (0008,0060), in capitals.
    pub modality: Option<String>,
    /// Body part examined (0018,0015), in capitals.
    pub body_part: Option<String>,
    /// Codes of the anatomic region (0008,2218), of the frames too.
    pub regions: Vec<Code>,
    /// Side of the body: image (0020,0062), series (0020,0060) or frame (0020,9072).
    pub laterality: Option<Laterality>,
    /// View position (0018,5101), in capitals.
    pub view: Option<String>,
    /// Codes of the view (0054,0220).
    pub views: Vec<Code>,
    /// Whether contrast was given; `None` where the instance does not say.
    pub contrast: Option<bool>,
    /// The agent (0018,0010).
    pub contrast_agent: Option<String>,
    /// Image type (0008,0008), its values in capitals.
    pub image_type: Vec<String>,
    /// When it was taken; the series' time or the content's where the acquisition's is missing.
    pub acquired: Option<LocalTime>,
    /// Magnetic field strength in tesla (0018,0087).
    pub field_tesla: Option<f64>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// Model (0008,1090).
    pub model: Option<String>,
    /// Station name (0008,1010).
    pub station: Option<String>,
}

/// Size and resolution.
#[derive(Debug, Clone)]
pub struct PictureFacts {
    /// Rows (0028,0010); none for objects that are no picture.
    pub rows: Option<u32>,
    /// Columns (0028,0011).
    pub columns: Option<u32>,
    /// Frames (0028,0008), 1 where a picture does not say.
    pub frames: u32,
    /// Slice thickness in millimetres (0018,0050).
    pub slice_thickness_mm: Option<f64>,
    /// Distance between rows and between columns in millimetres (0028,0030), or at the detector (0018,1164).
    pub pixel_spacing_mm: Option<(f64, f64)>,
}

/// A side of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Laterality {
    /// `L`.
    Left,
    /// `R`.
    Right,
    /// `B`.
    Both,
    /// `U`: the body part is not paired.
    Unpaired,
}

/// What names an instance outside its data set: the command that brings it, or the meta group of its file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Label<'u> {
    /// The class.
    pub sop_class: Option<&'u Uid>,
    /// The instance.
    pub sop_instance: Option<&'u Uid>,
}

/// Reads what an instance says, after proving the structure of all of its data set.
///
/// # Errors
/// [`DicomError`] when the data set is damaged, truncated, or does not name the instance; refuse it.
pub fn read_instance(data_set: &[u8], transfer_syntax: &str) -> Result<InstanceFacts, DicomError> {
    read_labelled(data_set, transfer_syntax, Label::default())
}

/// Reads what an instance says; where the data set does not name class or instance, its label does.
///
/// What is structurally whole is taken, also a picture without pixels: archives keep such objects, and their hospital
/// misses them here.
///
/// # Errors
/// [`DicomError`] when the data set is empty, damaged or truncated, or nothing names the instance; refuse it.
pub fn read_labelled(data_set: &[u8], transfer_syntax: &str, label: Label<'_>) -> Result<InstanceFacts, DicomError> {
    let form = form(transfer_syntax)?;
    let plain = inflate(data_set, form)?;
    let walked = walk_as(&plain, form)?;
    if let Some(foreign) = walked.elements().iter().find(|element| is_foreign(element.tag)) {
        return Err(DicomError::Group { tag: foreign.tag });
    }
    if walked.elements().is_empty() {
        return Err(DicomError::Truncated { offset: 0 });
    }
    let reader = Reader::open(walked);
    let named = |tag, label: Option<&Uid>| reader.uid(tag)?.or(label.cloned()).ok_or(DicomError::Missing { tag });
    let sop_class = named(tags::SOP_CLASS_UID, label.sop_class)?;
    let sop_instance = named(tags::SOP_INSTANCE_UID, label.sop_instance)?;
    let (study, series) = (reader.uid(tags::STUDY_INSTANCE_UID)?, reader.uid(tags::SERIES_INSTANCE_UID)?);
    require_pixels(&reader)?;
    let (patient, order) = (patient(&reader), order(&reader));
    let (acquisition, picture) = (acquisition(&reader), picture(&reader));
    let charset_guessed = reader.charset_guessed();
    Ok(InstanceFacts { sop_class, sop_instance, study, series, patient, order, acquisition, picture, charset_guessed })
}

/// Refuses native pixels that are fewer than the picture's own size demands: the rest was lost before they came.
/// Compressed pixels have no size to compare; that their fragments end is proven before.
///
/// Source: DICOM PS3.3, C.7.6.3.1; PS3.5, 8.1.1 and 8.2.
fn require_pixels(reader: &Reader<'_>) -> Result<(), DicomError> {
    let Some((tag, has)) = PIXELS.into_iter().find_map(|tag| Some((tag, reader.native_bytes(tag)?))) else {
        return Ok(());
    };
    let count = |tag| reader.count(tag).map(u128::from);
    let sizes = [tags::ROWS, tags::COLUMNS, tags::BITS_ALLOCATED, tags::SAMPLES_PER_PIXEL].map(count);
    let [Some(rows), Some(columns), Some(bits), Some(samples)] = sizes else { return Ok(()) };
    let frames = count(tags::NUMBER_OF_FRAMES).unwrap_or(1);
    let pixels = [columns, frames].into_iter().fold(rows, u128::saturating_mul);
    // Two neighbours share their colours in 4:2:2, four in 4:2:0; some writers leave all of them in.
    let halves = match reader.term(tags::PHOTOMETRIC_INTERPRETATION).as_deref() {
        Some("YBR_FULL_422" | "YBR_PARTIAL_422") if samples == 3 => 4,
        Some("YBR_PARTIAL_420") if samples == 3 => 3,
        _ => samples.saturating_mul(2),
    };
    let demands = [bits, halves].into_iter().fold(pixels, u128::saturating_mul) / 2;
    let demands = demands.div_ceil(8);
    let is_short = usize::try_from(demands).map_or(true, |demands| has < demands);
    if is_short {
        return Err(DicomError::Pixels { tag, demands: u64::try_from(demands).unwrap_or(u64::MAX), has });
    }
    Ok(())
}

fn patient(reader: &Reader<'_>) -> PatientFacts {
    let plain_ids = reader.texts(OTHER_PATIENT_IDS);
    let plain_ids = plain_ids.into_iter().map(|id| OtherId { id: Phi::new(id), issuer: None });
    let issued_ids = reader.items(tags::OTHER_PATIENT_I_DS_SEQUENCE).into_iter().filter_map(|item| {
        let id = Phi::new(item.text(tags::PATIENT_ID)?);
        Some(OtherId { id, issuer: item.text(tags::ISSUER_OF_PATIENT_ID) })
    });
    let name = reader.whole_text(tags::PATIENT_NAME).map(|text| PersonName::parse(&text));
    let birth_date = reader.text(tags::PATIENT_BIRTH_DATE).map(|date| date.replace('.', ""));
    PatientFacts {
        id: reader.whole_text(tags::PATIENT_ID).map(Phi::new),
        issuer: reader.text(tags::ISSUER_OF_PATIENT_ID),
        other_ids: issued_ids.chain(plain_ids).collect(),
        name: name.filter(|name| !name.is_empty()).map(Phi::new),
        birth_date: birth_date.filter(|date| LocalTime::from_date_time(date, None).is_some()).map(Phi::new),
        sex: reader.term(tags::PATIENT_SEX).filter(|sex| matches!(sex.as_str(), "M" | "F" | "O")),
    }
}

fn order(reader: &Reader<'_>) -> OrderFacts {
    let mut requested_procedures = reader.codes(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE);
    for request in reader.items(tags::REQUEST_ATTRIBUTES_SEQUENCE) {
        requested_procedures.extend(request.codes(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE));
    }
    requested_procedures.sort();
    requested_procedures.dedup();
    OrderFacts {
        accession: reader.text(tags::ACCESSION_NUMBER).map(Phi::new),
        institution: reader.text(tags::INSTITUTION_NAME),
        study_description: reader.text(tags::STUDY_DESCRIPTION),
        series_description: reader.text(tags::SERIES_DESCRIPTION),
        protocol: reader.text(tags::PROTOCOL_NAME),
        requested_procedures,
        procedures: reader.codes(tags::PROCEDURE_CODE_SEQUENCE),
        study_started: reader.time(None, tags::STUDY_DATE, tags::STUDY_TIME),
    }
}

fn acquisition(reader: &Reader<'_>) -> AcquisitionFacts {
    let frames = frame_groups(reader, tags::FRAME_ANATOMY_SEQUENCE);
    let mut regions = reader.codes(tags::ANATOMIC_REGION_SEQUENCE);
    regions.extend(frames.iter().flat_map(|frame| frame.codes(tags::ANATOMIC_REGION_SEQUENCE)));
    regions.dedup();
    let laterality = [tags::IMAGE_LATERALITY, tags::LATERALITY].into_iter().find_map(|tag| side(reader, tag));
    let contrast_agent = reader.text(tags::CONTRAST_BOLUS_AGENT);
    AcquisitionFacts {
        modality: reader.term(tags::MODALITY),
        body_part: reader.term(tags::BODY_PART_EXAMINED),
        regions,
        laterality: laterality.or_else(|| frames.iter().find_map(|frame| side(frame, tags::FRAME_LATERALITY))),
        view: reader.term(tags::VIEW_POSITION),
        views: reader.codes(tags::VIEW_CODE_SEQUENCE),
        contrast: contrast(reader, contrast_agent.as_deref()),
        contrast_agent,
        image_type: reader.texts(tags::IMAGE_TYPE).iter().map(|value| value.to_uppercase()).collect(),
        acquired: acquired(reader),
        field_tesla: reader.number(tags::MAGNETIC_FIELD_STRENGTH),
        manufacturer: reader.text(tags::MANUFACTURER),
        model: reader.text(tags::MANUFACTURER_MODEL_NAME),
        station: reader.text(tags::STATION_NAME),
    }
}

fn picture(reader: &Reader<'_>) -> PictureFacts {
    let measures = frame_groups(reader, tags::PIXEL_MEASURES_SEQUENCE);
    let number = |tag| reader.number(tag).or_else(|| measures.iter().find_map(|measure| measure.number(tag)));
    let spacing = |reader: &Reader<'_>, tag| match reader.numbers(tag).as_slice() {
        [rows, columns, ..] if *rows > 0.0 && *columns > 0.0 => Some((*rows, *columns)),
        _ => None,
    };
    PictureFacts {
        rows: reader.count(tags::ROWS),
        columns: reader.count(tags::COLUMNS),
        frames: reader.count(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1),
        slice_thickness_mm: number(tags::SLICE_THICKNESS).filter(|thickness| *thickness > 0.0),
        pixel_spacing_mm: spacing(reader, tags::PIXEL_SPACING)
            .or_else(|| measures.iter().find_map(|measure| spacing(measure, tags::PIXEL_SPACING)))
            .or_else(|| spacing(reader, tags::IMAGER_PIXEL_SPACING)),
    }
}

/// Gives the items of a functional group: those shared by all frames, and those of the frames read.
///
/// Source: DICOM PS3.3, C.7.6.16.
fn frame_groups<'a>(reader: &Reader<'a>, group: Tag) -> Vec<Reader<'a>> {
    [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE]
        .into_iter()
        .flat_map(|groups| reader.items(groups))
        .flat_map(|frame| frame.items(group))
        .collect()
}

fn side(reader: &Reader<'_>, tag: Tag) -> Option<Laterality> {
    match reader.term(tag)?.as_str() {
        "L" => Some(Laterality::Left),
        "R" => Some(Laterality::Right),
        "B" => Some(Laterality::Both),
        "U" => Some(Laterality::Unpaired),
        _ => None,
    }
}

/// Devices write the absence of an agent into its name; an empty name says nothing.
fn contrast(reader: &Reader<'_>, agent: Option<&str>) -> Option<bool> {
    let denied = agent.is_some_and(|agent| {
        matches!(
            agent.to_uppercase().as_str(),
            "NO" | "NONE" | "N" | "NON" | "OFF" | "0" | "FALSE" | "无" | "否" | "平扫"
        )
    });
    let given = agent.is_some() && !denied || !reader.items(tags::CONTRAST_BOLUS_AGENT_SEQUENCE).is_empty();
    (given || denied).then_some(given)
}

fn acquired(reader: &Reader<'_>) -> Option<LocalTime> {
    reader
        .time(Some(tags::ACQUISITION_DATE_TIME), tags::ACQUISITION_DATE, tags::ACQUISITION_TIME)
        .or_else(|| reader.time(None, tags::SERIES_DATE, tags::SERIES_TIME))
        .or_else(|| reader.time(None, tags::CONTENT_DATE, tags::CONTENT_TIME))
}

/// Groups of commands, meta groups and directories, and the last one, which is no group.
///
/// Source: DICOM PS3.5, 7.1.
fn is_foreign(tag: Tag) -> bool {
    matches!(tag.group(), 0x0000 | 0x0002 | 0x0004 | 0xFFFF)
}

/// Retired, and written by most devices still.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);
const PIXELS: [Tag; 3] = [tags::PIXEL_DATA, tags::FLOAT_PIXEL_DATA, tags::DOUBLE_FLOAT_PIXEL_DATA];
