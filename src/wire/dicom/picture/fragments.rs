//! The fragments of compressed pixel data, and which of them make a frame.
//!
//! Source: DICOM PS3.5, A.4 and annex A.4.1 (offset tables).

use std::borrow::Cow;

use dicom_dictionary_std::tags;

use crate::domain::limits::PICTURE_FRAGMENTS_MAX;
use crate::domain::picture::Undrawn;
use crate::wire::dicom::precheck::{Element, number_u32};
use crate::wire::dicom::reader::Reader;

/// Gives the compressed bytes of the frame at `place`, from 0.
pub(super) fn frame<'a>(
    reader: &Reader<'a>,
    pixels: &Element<'a>,
    place: u32,
    frames: u32,
) -> Result<Cow<'a, [u8]>, Undrawn> {
    let all = items(pixels)?;
    let (table, fragments) = all.split_first().ok_or(Undrawn::Damaged)?;
    let place = usize::try_from(place).map_err(|_| Undrawn::NoFrame)?;
    if u32::try_from(fragments.len()) == Ok(frames) {
        return fragments.get(place).map(|fragment| Cow::Borrowed(fragment.bytes)).ok_or(Undrawn::NoFrame);
    }
    if frames == 1 {
        return Ok(join(fragments));
    }
    let starts = starts(reader, table.bytes, fragments);
    if u32::try_from(starts.len()) != Ok(frames) {
        return Err(Undrawn::Damaged);
    }
    let first = *starts.get(place).ok_or(Undrawn::NoFrame)?;
    let last = starts.get(place + 1).copied().unwrap_or(fragments.len());
    fragments.get(first..last).filter(|of_frame| !of_frame.is_empty()).map(join).ok_or(Undrawn::Damaged)
}

/// One item of the pixel data.
#[derive(Clone, Copy)]
struct Fragment<'a> {
    /// Where its header stands, counted from the first.
    at: usize,
    bytes: &'a [u8],
}

/// Parts the pixel data into its items; the first is the offset table.
fn items<'a>(pixels: &Element<'a>) -> Result<Vec<Fragment<'a>>, Undrawn> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(header) = pixels.value.get(at..at + HEADER_BYTES) {
        let length = header.last_chunk().copied().map(|bytes| number_u32(bytes, pixels.encoding)).unwrap_or_default();
        let start = at + HEADER_BYTES;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length)).ok_or(Undrawn::Damaged)?;
        let bytes = pixels.value.get(start..end).ok_or(Undrawn::Damaged)?;
        if found.len() > PICTURE_FRAGMENTS_MAX {
            return Err(Undrawn::TooLarge);
        }
        found.push(Fragment { at, bytes });
        at = end;
    }
    Ok(found)
}

fn join<'a>(fragments: &[Fragment<'a>]) -> Cow<'a, [u8]> {
    match fragments {
        [one] => Cow::Borrowed(one.bytes),
        many => Cow::Owned(many.iter().flat_map(|fragment| fragment.bytes).copied().collect()),
    }
}

/// Gives the first fragment of each frame, by the extended offset table, the basic one, or the look of the bytes.
fn starts(reader: &Reader<'_>, table: &[u8], fragments: &[Fragment<'_>]) -> Vec<usize> {
    let extended = reader.raw(tags::EXTENDED_OFFSET_TABLE).map(|table| table.value).unwrap_or_default();
    let extended = extended.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let basic = table.as_chunks::<4>().0.iter().map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
    let offsets: Vec<u64> = if extended.len() > 0 { extended.collect() } else { basic.collect() };
    if offsets.is_empty() {
        let begins = |fragment: &Fragment<'_>| STARTS.iter().any(|start| fragment.bytes.starts_with(start));
        return fragments.iter().enumerate().filter(|(_, it)| begins(it)).map(|(place, _)| place).collect();
    }
    let origin = fragments.first().map_or(0, |first| first.at);
    let place = |offset: u64| {
        let wanted = usize::try_from(offset).ok()?.checked_add(origin)?;
        fragments.binary_search_by_key(&wanted, |fragment| fragment.at).ok()
    };
    let found: Option<Vec<usize>> = offsets.into_iter().map(place).collect();
    found.unwrap_or_default()
}

const HEADER_BYTES: usize = 8;
/// How a frame of JPEG, JPEG-LS and JPEG 2000 begins.
const STARTS: [&[u8]; 2] = [&[0xFF, 0xD8], &[0xFF, 0x4F, 0xFF, 0x51]];
