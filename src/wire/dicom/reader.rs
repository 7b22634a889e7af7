//! Reads typed values out of elements whose structure is proven: text, codes, numbers, times.

use super::charset::Charset;
use super::error::DicomError;
use super::precheck::{DataSet, Element, dictionary_vr, number_u16, number_u32};
use super::syntax::Encoding;
use super::uid::Uid;
use super::when::{LocalTime, offset_minutes};
use crate::domain::limits::{DICOM_ITEMS_READ_MAX, DICOM_TEXT_CHARS_MAX};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::cell::Cell;
use std::rc::Rc;

/// A coded value: what a code sequence item says.
///
/// Source: DICOM PS3.3, 8.1 and 8.2.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// The code itself, such as `51185008`.
    pub value: String,
    /// The scheme it belongs to, such as `SCT`.
    pub scheme: String,
    /// What it means, in words.
    pub meaning: String,
}

/// Reads one data set or item with the character set in force there.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    data_set: DataSet<'a>,
    charset: Charset,
    guessed: Rc<Cell<bool>>,
}

impl<'a> Reader<'a> {
    /// Opens a whole data set.
    pub(super) fn open(data_set: DataSet<'a>) -> Self {
        Self::with(data_set, &Charset::default(), Rc::default())
    }

    fn with(data_set: DataSet<'a>, around: &Charset, guessed: Rc<Cell<bool>>) -> Self {
        let stated = data_set.find(tags::SPECIFIC_CHARACTER_SET).filter(|element| !element.value.is_empty());
        let charset = stated.map_or_else(|| around.clone(), |element| Charset::parse(element.value));
        Self { data_set, charset, guessed }
    }

    /// Says whether a character set had to be guessed for anything read so far.
    pub(super) fn charset_guessed(&self) -> bool {
        self.guessed.get()
    }

    /// Gives the length of an element's value in bytes; nothing where it is absent or parted into fragments.
    pub(super) fn native_bytes(&self, tag: Tag) -> Option<usize> {
        self.data_set.find(tag).filter(|element| !element.is_delimited).map(|element| element.value.len())
    }

    /// Gives an element as it stands, whatever its value; nothing where it is absent.
    pub(super) fn raw(&self, tag: Tag) -> Option<&Element<'a>> {
        self.data_set.find(tag)
    }

    /// Opens one item of a sequence, from 0; nothing where it is absent or unreadable.
    pub(super) fn item(&self, tag: Tag, place: usize) -> Option<Reader<'a>> {
        let item = self.data_set.items(tag, place.checked_add(1)?).ok()?.into_iter().nth(place)?;
        Some(Self::with(item, &self.charset, Rc::clone(&self.guessed)))
    }

    /// Opens the items of a sequence; none where it is absent or unreadable.
    pub(super) fn items(&self, tag: Tag) -> Vec<Reader<'a>> {
        let items = self.data_set.items(tag, DICOM_ITEMS_READ_MAX).unwrap_or_default();
        items.into_iter().map(|item| Self::with(item, &self.charset, Rc::clone(&self.guessed))).collect()
    }

    /// Opens at most so many items of a sequence, for lists of references.
    pub(super) fn items_up_to(&self, tag: Tag, most: usize) -> Vec<Reader<'a>> {
        let items = self.data_set.items(tag, most).unwrap_or_default();
        items.into_iter().map(|item| Self::with(item, &self.charset, Rc::clone(&self.guessed))).collect()
    }

    /// Gives all values of a text element, trimmed and capped, empty ones left out.
    pub(super) fn texts(&self, tag: Tag) -> Vec<String> {
        let Some(decoded) = self.decoded(tag) else { return Vec::new() };
        decoded.split('\\').filter_map(tidy).take(DICOM_ITEMS_READ_MAX).collect()
    }

    /// Gives the first value of a text element.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        self.texts(tag).into_iter().next()
    }

    /// Gives the whole text of an element that has but one value, backslashes and all.
    pub(super) fn whole_text(&self, tag: Tag) -> Option<String> {
        self.decoded(tag).as_deref().and_then(tidy)
    }

    /// Gives the first coded string (CS) in capitals.
    pub(super) fn term(&self, tag: Tag) -> Option<String> {
        self.text(tag).map(|text| text.to_uppercase())
    }

    /// Gives a UID, nothing when it is absent or empty.
    pub(super) fn uid(&self, tag: Tag) -> Result<Option<Uid>, DicomError> {
        let Some(element) = self.element(tag) else { return Ok(None) };
        let uid = str::from_utf8(element.value).ok().and_then(Uid::parse);
        uid.map(Some).ok_or(DicomError::Uid { tag })
    }

    /// Gives all numbers of an element, whether written as text (DS, IS) or as binary.
    pub(super) fn numbers(&self, tag: Tag) -> Vec<f64> {
        let Some(element) = self.element(tag) else { return Vec::new() };
        let vr = if element.vr == VR::UN { dictionary_vr(tag) } else { element.vr };
        let numbers: Vec<f64> = match vr {
            VR::US => chunks(element, |bytes| f64::from(number_u16(bytes, element.encoding))),
            VR::SS => chunks(element, |bytes| f64::from(number_u16(bytes, element.encoding).cast_signed())),
            VR::UL => chunks(element, |bytes| f64::from(number_u32(bytes, element.encoding))),
            VR::SL => chunks(element, |bytes| f64::from(number_u32(bytes, element.encoding).cast_signed())),
            VR::FL => chunks(element, |bytes| f64::from(f32::from_bits(number_u32(bytes, element.encoding)))),
            VR::FD => chunks(element, |bytes: [u8; 8]| match element.encoding {
                Encoding::ExplicitBig => f64::from_be_bytes(bytes),
                Encoding::ImplicitLittle | Encoding::ExplicitLittle => f64::from_le_bytes(bytes),
            }),
            _ => self.texts(tag).iter().filter_map(|text| text.parse().ok()).collect(),
        };
        numbers.into_iter().filter(|number| number.is_finite()).collect()
    }

    /// Gives the first number of an element.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).into_iter().next()
    }

    /// Gives a count, 0 to 2^32 - 1.
    pub(super) fn count(&self, tag: Tag) -> Option<u32> {
        let number = self.number(tag)?;
        let is_count = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        is_count.then(|| format!("{number:.0}").parse().ok()).flatten()
    }

    /// Gives the codes of a code sequence.
    pub(super) fn codes(&self, tag: Tag) -> Vec<Code> {
        self.items(tag).iter().filter_map(Reader::code).collect()
    }

    fn code(&self) -> Option<Code> {
        let value = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE]
            .into_iter()
            .find_map(|tag| self.text(tag))?;
        let scheme = self.text(tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default();
        Some(Code { value, scheme, meaning: self.text(tags::CODE_MEANING).unwrap_or_default() })
    }

    /// Gives a time from a stamp, or else from a date and a time, in the data set's own offset if it states one.
    pub(super) fn time(&self, stamp: Option<Tag>, date: Tag, clock: Tag) -> Option<LocalTime> {
        let offset = self.text(tags::TIMEZONE_OFFSET_FROM_UTC).and_then(|text| offset_minutes(&text));
        let stamped = stamp.and_then(|tag| self.text(tag)).and_then(|text| LocalTime::from_stamp(&text));
        let parted = || LocalTime::from_date_time(&self.text(date)?, self.text(clock).as_deref());
        Some(stamped.or_else(parted)?.with_offset(offset))
    }

    fn element(&self, tag: Tag) -> Option<&Element<'a>> {
        let is_padding = |byte: &u8| matches!(byte, b' ' | b'\0');
        let says_something = |element: &&Element<'_>| {
            let is_number = matches!(element.vr, VR::US | VR::SS | VR::UL | VR::SL | VR::FL | VR::FD);
            is_number && !element.value.is_empty() || !element.value.iter().all(is_padding)
        };
        self.data_set.find(tag).filter(says_something)
    }

    fn decoded(&self, tag: Tag) -> Option<String> {
        let value = self.element(tag)?.value;
        let value = value.get(..DECODED_BYTES_MAX).unwrap_or(value);
        let decoded = self.charset.decode(value);
        self.guessed.set(self.guessed.get() || decoded.guessed);
        Some(decoded.text.into_owned())
    }
}

fn chunks<const N: usize>(element: &Element<'_>, read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    element.value.as_chunks::<N>().0.iter().take(DICOM_ITEMS_READ_MAX).map(|bytes| read(*bytes)).collect()
}

/// Trims padding, drops control characters and caps the length; nothing when nothing is left.
fn tidy(text: &str) -> Option<String> {
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    let text: String = text.chars().filter(|character| !character.is_control()).take(DICOM_TEXT_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

/// Most bytes of one value that are decoded; more than any kept text needs.
const DECODED_BYTES_MAX: usize = 64 << 10;
