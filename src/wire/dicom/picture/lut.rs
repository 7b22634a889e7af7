//! Look-up tables: of modalities, of windows and of colours.
//!
//! Source: DICOM PS3.3, C.11.1.1, C.11.2.1.1 and C.7.6.3.1.5.

use dicom_core::{Tag, VR};

use crate::domain::picture::Undrawn;
use crate::wire::dicom::precheck::{Element, number_u16};
use crate::wire::dicom::reader::Reader;
use crate::wire::dicom::syntax::Encoding;

/// A table of values for stored values from `first` on; below it and behind its end the nearest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lut {
    first: i32,
    values: Vec<u16>,
    /// The largest value that its bits allow.
    largest: u16,
}

impl Lut {
    /// Reads a table; nothing where it is absent.
    pub fn read(reader: &Reader<'_>, descriptor: Tag, data: Tag, is_signed: bool) -> Result<Option<Self>, Undrawn> {
        let (Some(descriptor), Some(data)) = (reader.raw(descriptor), reader.raw(data)) else { return Ok(None) };
        let words = descriptor.value.as_chunks::<2>().0.iter().map(|bytes| number_u16(*bytes, descriptor.encoding));
        let [count, first, bits] = words.collect::<Vec<_>>()[..] else { return Err(Undrawn::Damaged) };
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        let first = if is_signed { i32::from(first.cast_signed()) } else { i32::from(first) };
        if !(1..=16).contains(&bits) {
            return Err(Undrawn::Damaged);
        }
        let values = entries(data, count, bits)?;
        Ok(Some(Self { first, values, largest: u16::MAX >> (16 - bits) }))
    }

    /// Gives the value for a stored value.
    pub fn value(&self, stored: f32) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "the cast keeps to the bounds of the integer")]
        let place = (stored.round() as i32).saturating_sub(self.first);
        let place = usize::try_from(place.max(0)).unwrap_or_default().min(self.values.len() - 1);
        self.values.get(place).copied().unwrap_or_default()
    }

    /// Gives the value for a stored value as a part of the largest, 0 to 1.
    pub fn share(&self, stored: f32) -> f32 {
        f32::from(self.value(stored)) / f32::from(self.largest)
    }
}

/// Reads the entries, of one or two bytes each: some writers name 8 bits and write 16.
fn entries(data: &Element<'_>, count: usize, bits: u16) -> Result<Vec<u16>, Undrawn> {
    let words = data.value.as_chunks::<2>().0.iter().map(|bytes| number_u16(*bytes, data.encoding));
    let values: Vec<u16> = if data.value.len() >= count * 2 {
        let values = words.take(count).collect::<Vec<_>>();
        // Colours of 8 bits in 16 fill both bytes, or the lower one.
        let fills_both = bits == 8 && values.iter().any(|value| *value > 0xFF);
        values.into_iter().map(|value| if fills_both { value >> 8 } else { value }).collect()
    } else if bits <= 8 && data.value.len() >= count {
        let is_swapped = data.encoding == Encoding::ExplicitBig && data.vr != VR::OB;
        let at = |place: usize| data.value.get(if is_swapped { place ^ 1 } else { place });
        (0..count).map(|place| at(place).copied().map_or(0, u16::from)).collect()
    } else {
        return Err(Undrawn::Damaged);
    };
    if values.is_empty() { Err(Undrawn::Damaged) } else { Ok(values) }
}
