//! What a viewer needs to know of an instance before it shows it: its series, its place there, and whether there is a
//! picture.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::error::DicomError;
use super::part10;
use super::picture;
use super::reader::Reader;
use super::syntax::{form, inflate, walk_as};

/// An instance in its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// Study Instance UID; empty where the instance does not say.
    pub study: String,
    /// Series Instance UID; empty where the instance does not say.
    pub series: String,
    /// Number of the series (0020,0011).
    pub series_number: Option<i64>,
    /// Description of the series (0008,103E), or the protocol's name (0018,1030).
    pub description: String,
    /// Modality (0008,0060).
    pub modality: String,
    /// Slice thickness in millimetres (0018,0050).
    pub thickness_mm: Option<f64>,
    /// Number in the series (0020,0013).
    pub number: Option<i64>,
    /// Place along the axis of the slices, in millimetres (0020,0032 along the normal of 0020,0037).
    pub along_mm: Option<f64>,
    /// Columns.
    pub columns: u32,
    /// Rows; 0 where the instance is no picture.
    pub rows: u32,
    /// Frames, at least 1.
    pub frames: u32,
    /// UID of the transfer syntax.
    pub syntax: String,
}

impl Slice {
    /// Reads a file, and proves its structure.
    ///
    /// # Errors
    /// [`DicomError`] when it is damaged; nothing of it is shown.
    pub fn read(file: &[u8]) -> Result<Self, DicomError> {
        let file = part10::split(file)?;
        let form = form(file.transfer_syntax.as_str())?;
        let plain = inflate(file.data_set, form)?;
        let reader = Reader::open(walk_as(&plain, form)?);
        let uid = |tag| reader.uid(tag).ok().flatten().map(|uid| uid.as_str().to_owned()).unwrap_or_default();
        let whole = |tag| reader.number(tag).filter(|number| number.fract() == 0.0).map(nearest);
        let has_pixels = PIXELS.iter().any(|tag| reader.raw(*tag).is_some());
        let side = |tag| reader.count(tag).filter(|_| has_pixels).unwrap_or_default();
        let description = reader.text(tags::SERIES_DESCRIPTION).or_else(|| reader.text(tags::PROTOCOL_NAME));
        Ok(Self {
            study: uid(tags::STUDY_INSTANCE_UID),
            series: uid(tags::SERIES_INSTANCE_UID),
            series_number: whole(tags::SERIES_NUMBER),
            description: description.unwrap_or_default(),
            modality: reader.term(tags::MODALITY).unwrap_or_default(),
            thickness_mm: reader.number(tags::SLICE_THICKNESS).filter(|thickness| *thickness > 0.0),
            number: whole(tags::INSTANCE_NUMBER),
            along_mm: along(&reader),
            columns: side(tags::COLUMNS),
            rows: side(tags::ROWS),
            frames: reader.count(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1),
            syntax: file.transfer_syntax.as_str().to_owned(),
        })
    }

    /// Says whether there is anything to see.
    pub fn has_picture(&self) -> bool {
        self.rows > 0 && self.columns > 0
    }

    /// Says whether its picture is decoded here.
    pub fn is_decoded(&self) -> bool {
        picture::is_decoded(&self.syntax)
    }
}

/// Gives the name of a transfer syntax, or the UID where none is known.
///
/// Source: DICOM PS3.6, table A-1.
pub fn syntax_name(uid: &str) -> &str {
    TransferSyntaxRegistry.get(uid).map_or(uid, |syntax| syntax.name())
}

/// Gives the place of a slice along the normal of its plane. Source: DICOM PS3.3, C.7.6.2.1.1.
fn along(reader: &Reader<'_>) -> Option<f64> {
    let position = reader.numbers(tags::IMAGE_POSITION_PATIENT);
    let directions = reader.numbers(tags::IMAGE_ORIENTATION_PATIENT);
    let ([x, y, z], [a, b, c, d, e, f]) = (position.as_slice(), directions.as_slice()) else { return None };
    let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
    Some(x * normal[0] + y * normal[1] + z * normal[2]).filter(|place| place.is_finite())
}

#[expect(clippy::cast_possible_truncation, reason = "the cast keeps to the bounds of the integer")]
fn nearest(number: f64) -> i64 {
    number as i64
}

const PIXELS: [Tag; 3] = [tags::PIXEL_DATA, tags::FLOAT_PIXEL_DATA, tags::DOUBLE_FLOAT_PIXEL_DATA];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntaxes_have_names_for_people() {
        assert!(syntax_name("1.2.840.10008.1.2.4.80").contains("JPEG-LS"));
        assert!(syntax_name("1.2.840.10008.1.2.4.51").contains("JPEG Extended"));
        assert_eq!(syntax_name("1.2.3"), "1.2.3");
    }
}
