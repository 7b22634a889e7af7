//! RLE Lossless: each byte of a value in a segment of its own, the highest first, packed by runs.
//!
//! Source: DICOM PS3.5, annex G.

use std::borrow::Cow;

use super::frame::Frame;
use super::layout::{Colour, Layout};
use crate::domain::picture::Undrawn;

/// Decodes one frame.
pub(super) fn decode(compressed: &[u8], layout: Layout) -> Result<Frame<'static>, Undrawn> {
    let bytes_each = match layout.cell.allocated {
        8 => 1,
        16 => 2,
        32 => 4,
        _ => return Err(Undrawn::Unsupported),
    };
    // Runs know no halved colours.
    let colour = if layout.colour == Colour::YbrHalf { Colour::Ybr } else { layout.colour };
    let layout = Layout { colour, is_planar: false, ..layout };
    let segments = layout.samples * bytes_each;
    let offsets = offsets(compressed, segments)?;
    let mut bytes = vec![0; layout.size() * segments];
    for (number, start) in offsets.iter().enumerate() {
        let end = offsets.get(number + 1).copied().unwrap_or(compressed.len());
        let packed = compressed.get(*start..end).ok_or(Undrawn::Damaged)?;
        let (sample, from_the_top) = (number / bytes_each, number % bytes_each);
        let first = sample * bytes_each + (bytes_each - 1 - from_the_top);
        let mut places = bytes.iter_mut().skip(first).step_by(segments);
        unpack(packed, &mut places)?;
    }
    Ok(Frame { bytes: Cow::Owned(bytes), layout })
}

/// Reads where the segments begin; there must be as many as the values have bytes.
fn offsets(compressed: &[u8], segments: usize) -> Result<Vec<usize>, Undrawn> {
    let header: &[u8; 64] = compressed.first_chunk().ok_or(Undrawn::Damaged)?;
    let mut numbers = header.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    if numbers.next().and_then(|count| usize::try_from(count).ok()) != Some(segments) || segments > 15 {
        return Err(Undrawn::Damaged);
    }
    numbers.take(segments).map(|offset| usize::try_from(offset).map_err(|_| Undrawn::Damaged)).collect()
}

/// Unpacks one segment into its places. One that ends early was cut; what stands behind the last place is padding.
fn unpack<'p>(mut packed: &[u8], places: &mut impl Iterator<Item = &'p mut u8>) -> Result<(), Undrawn> {
    let mut place = places.next();
    while let Some(slot) = place.take() {
        let (&control, rest) = packed.split_first().ok_or(Undrawn::Damaged)?;
        let control = control.cast_signed();
        let (length, is_run) = match control {
            0.. => (usize::from(control.unsigned_abs()) + 1, false),
            -127..=-1 => (usize::from(control.unsigned_abs()) + 1, true),
            // -128 stands for nothing.
            i8::MIN => {
                packed = rest;
                place = Some(slot);
                continue;
            }
        };
        let taken = if is_run { 1 } else { length };
        let values = rest.get(..taken).ok_or(Undrawn::Damaged)?;
        packed = rest.get(taken..).unwrap_or_default();
        let mut values = values.iter().cycle();
        *slot = values.next().copied().unwrap_or_default();
        for value in values.take(length - 1) {
            let Some(next) = places.next() else { return Ok(()) };
            *next = *value;
        }
        place = places.next();
    }
    Ok(())
}
