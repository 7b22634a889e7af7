//! The structural pre-scan: walks a data set once and proves that no element claims more than is there, before any
//! other code may look at it. Later readers walk only inside what was proven.
//!
//! Without it, 32 bytes can make a DICOM library allocate two gigabytes.

use super::error::DicomError;
use super::syntax::Encoding;
use crate::domain::limits::{DICOM_ELEMENTS_MAX, SEQUENCE_DEPTH_MAX};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// The elements of one data set or item, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct DataSet<'a> {
    elements: Vec<Element<'a>>,
    element_count: usize,
}

/// One element: where it stands, what it is, and its value as bytes.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Group and element number.
    pub tag: Tag,
    /// Value representation, from the bytes or the dictionary; `UN` where neither knows.
    pub vr: VR,
    /// Where the element begins in the bytes that were walked.
    pub offset: usize,
    /// The value; for a sequence or compressed pixels its items, without the closing delimiter.
    pub value: &'a [u8],
    /// How numbers in the value, and elements in its items, are written.
    pub encoding: Encoding,
    /// Whether a delimiter ends the value, as it does items and fragments of unstated length.
    pub is_delimited: bool,
}

/// Walks a whole data set and gives its top-level elements.
///
/// # Errors
/// [`DicomError`] with the place of the first break of structure; refuse the object, it is truncated or damaged.
///
/// Source: DICOM PS3.5, 7.1, 7.5 and A.4.
pub fn walk(bytes: &[u8], encoding: Encoding) -> Result<DataSet<'_>, DicomError> {
    DataSet::within(bytes, encoding, 0)
}

/// Gives the end of the explicit little endian elements of group 0002 that begin at `start`, and those elements.
///
/// The stated group length is not used: writers get it wrong.
///
/// # Errors
/// [`DicomError`] when the meta group is damaged.
///
/// Source: DICOM PS3.10, 7.1.
pub fn walk_meta(bytes: &[u8], start: usize) -> Result<(DataSet<'_>, usize), DicomError> {
    let mut walk = Walk { bytes, element_count: 0 };
    let mut elements = Vec::new();
    let mut at = start;
    while bytes.get(at..).is_some_and(|rest| rest.starts_with(&[2, 0])) {
        let element = walk.element(at, bytes.len(), Encoding::ExplicitLittle, 0)?;
        if elements.len() == META_ELEMENTS_MAX {
            return Err(DicomError::Elements { offset: at });
        }
        elements.push(element.0);
        at = element.1;
    }
    Ok((DataSet { elements, element_count: walk.element_count }, at))
}

impl<'a> DataSet<'a> {
    fn within(bytes: &'a [u8], encoding: Encoding, depth: u8) -> Result<Self, DicomError> {
        let mut walk = Walk { bytes, element_count: 0 };
        let mut elements = Vec::new();
        walk.elements(0, bytes.len(), encoding, depth, Close::AtEnd, Some(&mut elements))?;
        Ok(Self { elements, element_count: walk.element_count })
    }

    /// Counts the elements walked, those inside sequences too.
    pub fn element_count(&self) -> usize {
        self.element_count
    }

    /// Gives the elements of this level.
    pub fn elements(&self) -> &[Element<'a>] {
        &self.elements
    }

    /// Gives the first element with this tag.
    pub fn find(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// Gives the first `most` items of the sequence `tag`; none when it is absent or holds no items.
    ///
    /// # Errors
    /// [`DicomError`] when the value is no sequence at all, as an element of unknown representation may be.
    pub fn items(&self, tag: Tag, most: usize) -> Result<Vec<DataSet<'a>>, DicomError> {
        match self.find(tag) {
            Some(element) => element.items(most),
            None => Ok(Vec::new()),
        }
    }
}

impl<'a> Element<'a> {
    fn items(&self, most: usize) -> Result<Vec<DataSet<'a>>, DicomError> {
        let mut walk = Walk { bytes: self.value, element_count: 0 };
        let (mut items, mut at) = (Vec::new(), 0);
        while at < self.value.len() && items.len() < most {
            let mut elements = Vec::new();
            match walk.item(at, self.value.len(), self.encoding, 1, Some(&mut elements))? {
                Step::Item(next) => at = next,
                Step::SequenceEnd(_) => break,
            }
            items.push(DataSet { elements, element_count: walk.element_count });
        }
        Ok(items)
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    element_count: usize,
}

/// How a run of elements ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Close {
    AtEnd,
    AtItemDelimiter,
}

enum Step {
    Item(usize),
    SequenceEnd(usize),
}

struct Header {
    tag: Tag,
    vr: VR,
    length: u32,
    value_at: usize,
}

impl<'a> Walk<'a> {
    /// Walks elements up to `end`, or to the item delimiter; gives the position behind.
    fn elements(
        &mut self,
        mut at: usize,
        end: usize,
        encoding: Encoding,
        depth: u8,
        close: Close,
        mut keep: Option<&mut Vec<Element<'a>>>,
    ) -> Result<usize, DicomError> {
        let mut level_count = 0;
        while at < end {
            let tag = self.tag(at, end, encoding)?;
            if tag == ITEM_DELIMITER && close == Close::AtItemDelimiter {
                self.u32(at + 4, end, encoding)?;
                return Ok(at + 8);
            }
            level_count += 1;
            if level_count > DICOM_ELEMENTS_MAX {
                return Err(DicomError::Elements { offset: at });
            }
            let (element, next) = self.element(at, end, encoding, depth)?;
            if let Some(kept) = keep.as_deref_mut() {
                kept.push(element);
            }
            at = next;
        }
        match close {
            Close::AtEnd => Ok(at),
            Close::AtItemDelimiter => Err(DicomError::Truncated { offset: at }),
        }
    }

    /// Walks one element with all that is in it; gives it and the position behind.
    fn element(
        &mut self,
        at: usize,
        end: usize,
        encoding: Encoding,
        depth: u8,
    ) -> Result<(Element<'a>, usize), DicomError> {
        let header = self.header(at, end, encoding)?;
        self.element_count += 1;
        let (inner, value_end, next) = if header.length == UNDEFINED {
            // Unknown representation of undefined length is always written as implicit little endian (PS3.5, 6.2.2).
            let is_unknown = header.vr == VR::UN && header.tag != PIXEL_DATA;
            let inner = if is_unknown { Encoding::ImplicitLittle } else { encoding };
            let (value_end, next) = self.undefined(&header, at, end, inner, depth)?;
            (inner, value_end, next)
        } else {
            let left = end - header.value_at;
            let value_end = self.claimed(&header, at, left)?;
            if header.vr == VR::SQ {
                self.items(header.value_at, value_end, encoding, deeper(depth, at)?)?;
            }
            (encoding, value_end, value_end)
        };
        let value = self.bytes.get(header.value_at..value_end).ok_or(DicomError::Truncated { offset: at })?;
        let is_delimited = header.length == UNDEFINED;
        Ok((Element { tag: header.tag, vr: header.vr, offset: at, value, encoding: inner, is_delimited }, next))
    }

    fn claimed(&self, header: &Header, at: usize, left: usize) -> Result<usize, DicomError> {
        let Header { tag, length: claims, .. } = *header;
        let length = usize::try_from(claims).unwrap_or(usize::MAX);
        if length > left {
            return Err(DicomError::Length { tag, offset: at, claims, left });
        }
        if !claims.is_multiple_of(unit_bytes(header.vr)) {
            return Err(DicomError::Unit { tag, offset: at, claims });
        }
        Ok(header.value_at + length)
    }

    /// Walks a value of undefined length: a sequence, or compressed pixel data.
    fn undefined(
        &mut self,
        header: &Header,
        at: usize,
        end: usize,
        encoding: Encoding,
        depth: u8,
    ) -> Result<(usize, usize), DicomError> {
        let (mut next, depth) = (header.value_at, deeper(depth, at)?);
        loop {
            let step = match header.vr {
                _ if header.tag == PIXEL_DATA => self.fragment(next, end, encoding)?,
                VR::OB | VR::OW => self.fragment(next, end, encoding)?,
                VR::SQ | VR::UN => self.item(next, end, encoding, depth, None)?,
                _ => return Err(DicomError::Unit { tag: header.tag, offset: at, claims: UNDEFINED }),
            };
            match step {
                Step::Item(behind) => next = behind,
                Step::SequenceEnd(behind) => return Ok((next, behind)),
            }
        }
    }

    /// Walks the items of a sequence of stated length; some writers close it with a delimiter all the same.
    fn items(&mut self, mut at: usize, end: usize, encoding: Encoding, depth: u8) -> Result<(), DicomError> {
        while at < end {
            at = match self.item(at, end, encoding, depth, None)? {
                Step::Item(next) => next,
                Step::SequenceEnd(next) if next == end => next,
                Step::SequenceEnd(_) => return Err(DicomError::Delimiter { offset: at }),
            };
        }
        Ok(())
    }

    fn item(
        &mut self,
        at: usize,
        end: usize,
        encoding: Encoding,
        depth: u8,
        keep: Option<&mut Vec<Element<'a>>>,
    ) -> Result<Step, DicomError> {
        let (tag, length) = (self.tag(at, end, encoding)?, self.u32(at + 4, end, encoding)?);
        match tag {
            SEQUENCE_DELIMITER => Ok(Step::SequenceEnd(at + 8)),
            ITEM if length == UNDEFINED => {
                self.elements(at + 8, end, encoding, depth, Close::AtItemDelimiter, keep).map(Step::Item)
            }
            ITEM => {
                let item_end = self.item_end(at, end, length)?;
                self.elements(at + 8, item_end, encoding, depth, Close::AtEnd, keep).map(Step::Item)
            }
            _ => Err(DicomError::Delimiter { offset: at }),
        }
    }

    /// Steps over one fragment of compressed pixel data; its content is opaque.
    fn fragment(&self, at: usize, end: usize, encoding: Encoding) -> Result<Step, DicomError> {
        let (tag, length) = (self.tag(at, end, encoding)?, self.u32(at + 4, end, encoding)?);
        match tag {
            SEQUENCE_DELIMITER => Ok(Step::SequenceEnd(at + 8)),
            ITEM if length != UNDEFINED => self.item_end(at, end, length).map(Step::Item),
            _ => Err(DicomError::Delimiter { offset: at }),
        }
    }

    fn item_end(&self, at: usize, end: usize, claims: u32) -> Result<usize, DicomError> {
        let left = end.saturating_sub(at + 8);
        match usize::try_from(claims) {
            Ok(length) if length <= left => Ok(at + 8 + length),
            _ => Err(DicomError::Length { tag: ITEM, offset: at, claims, left }),
        }
    }

    fn header(&self, at: usize, end: usize, encoding: Encoding) -> Result<Header, DicomError> {
        let tag = self.tag(at, end, encoding)?;
        if tag.group() == ITEM.group() {
            return Err(DicomError::Delimiter { offset: at });
        }
        if encoding == Encoding::ImplicitLittle {
            let length = self.u32(at + 4, end, encoding)?;
            return Ok(Header { tag, vr: dictionary_vr(tag), length, value_at: at + 8 });
        }
        let letters: [u8; 2] = self.take(at + 4, end)?;
        if !letters.iter().all(u8::is_ascii_uppercase) {
            return Err(DicomError::Representation { offset: at });
        }
        // A representation younger than this code has the long form (PS3.5, 7.1.2).
        let vr = VR::from_binary(letters).unwrap_or(VR::UN);
        let (length, value_at) = if has_short_length(vr) {
            let length: [u8; 2] = self.take(at + 6, end)?;
            (u32::from(number_u16(length, encoding)), at + 8)
        } else {
            (self.u32(at + 8, end, encoding)?, at + 12)
        };
        Ok(Header { tag, vr, length, value_at })
    }

    fn tag(&self, at: usize, end: usize, encoding: Encoding) -> Result<Tag, DicomError> {
        let [a, b, c, d] = self.take(at, end)?;
        Ok(Tag(number_u16([a, b], encoding), number_u16([c, d], encoding)))
    }

    fn u32(&self, at: usize, end: usize, encoding: Encoding) -> Result<u32, DicomError> {
        self.take(at, end).map(|bytes| number_u32(bytes, encoding))
    }

    fn take<const N: usize>(&self, at: usize, end: usize) -> Result<[u8; N], DicomError> {
        let within = at.checked_add(N).filter(|last| *last <= end).and_then(|last| self.bytes.get(at..last));
        within.and_then(|bytes| bytes.try_into().ok()).ok_or(DicomError::Truncated { offset: at })
    }
}

/// Reads two bytes in the order of `encoding`.
pub(super) fn number_u16(bytes: [u8; 2], encoding: Encoding) -> u16 {
    match encoding {
        Encoding::ExplicitBig => u16::from_be_bytes(bytes),
        Encoding::ImplicitLittle | Encoding::ExplicitLittle => u16::from_le_bytes(bytes),
    }
}

/// Reads four bytes in the order of `encoding`.
pub(super) fn number_u32(bytes: [u8; 4], encoding: Encoding) -> u32 {
    match encoding {
        Encoding::ExplicitBig => u32::from_be_bytes(bytes),
        Encoding::ImplicitLittle | Encoding::ExplicitLittle => u32::from_le_bytes(bytes),
    }
}

/// Gives the representation that the standard dictionary has for a tag; `UN` for a private one.
pub(super) fn dictionary_vr(tag: Tag) -> VR {
    StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr().relaxed())
}

fn deeper(depth: u8, offset: usize) -> Result<u8, DicomError> {
    if depth >= SEQUENCE_DEPTH_MAX { Err(DicomError::Depth { offset }) } else { Ok(depth + 1) }
}

fn has_short_length(vr: VR) -> bool {
    use VR::*;
    matches!(vr, AE | AS | AT | CS | DA | DS | DT | FL | FD | IS | LO | LT | PN | SH | SL | SS | ST | TM | UI | UL | US)
}

/// Size of one number of the representation, in bytes; parsers that meet a fraction of one lose their place.
fn unit_bytes(vr: VR) -> u32 {
    match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::UL | VR::SL | VR::FL | VR::AT | VR::OL | VR::OF => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => 1,
    }
}

const UNDEFINED: u32 = u32::MAX;
const META_ELEMENTS_MAX: usize = 64;
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_DELIMITER: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_DELIMITER: Tag = Tag(0xFFFE, 0xE0DD);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thirty_two_bytes_cannot_claim_two_gigabytes() {
        let mut bytes = b"\x08\x00\x05\x00CS\x04\x00GBK \x09\x00\x01\x10OB\0\0".to_vec();
        bytes.extend(0x7FFF_FFF0u32.to_le_bytes());
        let error = walk(&bytes, Encoding::ExplicitLittle).unwrap_err();
        assert_eq!(error, DicomError::Length { tag: Tag(9, 0x1001), offset: 12, claims: 0x7FFF_FFF0, left: 0 });
    }

    #[test]
    fn nesting_stops_at_the_limit() {
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            bytes.extend(b"\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
        }
        assert!(matches!(walk(&bytes, Encoding::ExplicitLittle), Err(DicomError::Depth { .. })));
    }

    #[test]
    fn a_fraction_of_a_number_is_refused() {
        let bytes = b"\x18\x00\x20\x60SL\x02\x00ab";
        assert!(matches!(walk(bytes, Encoding::ExplicitLittle), Err(DicomError::Unit { claims: 2, .. })));
    }

    #[test]
    fn an_unknown_sequence_holds_implicit_items() {
        let mut bytes = b"\x09\x00\x01\x10UN\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\x0A\0\0\0".to_vec();
        bytes.extend(b"\x10\x00\x20\x00\x02\0\0\0P1\xFE\xFF\xDD\xE0\0\0\0\0");
        let data_set = walk(&bytes, Encoding::ExplicitLittle).unwrap();
        let items = data_set.items(Tag(9, 0x1001), 8).unwrap();
        assert_eq!(items[0].find(Tag(0x10, 0x20)).unwrap().value, b"P1");
        assert_eq!(data_set.element_count(), 2);
    }

    #[test]
    fn big_endian_numbers_are_read_from_the_front() {
        let bytes = b"\x00\x28\x00\x10US\x00\x02\x02\x00";
        let data_set = walk(bytes, Encoding::ExplicitBig).unwrap();
        assert_eq!(data_set.elements()[0].tag, Tag(0x28, 0x10));
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            for encoding in [Encoding::ImplicitLittle, Encoding::ExplicitLittle, Encoding::ExplicitBig] {
                if let Ok(data_set) = walk(&bytes, encoding) {
                    for element in data_set.elements() {
                        let _ = data_set.items(element.tag, 4);
                    }
                }
            }
        }
    }
}
