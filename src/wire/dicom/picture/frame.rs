//! One frame: its values as explicit little endian has them, whatever they were stored as.

use std::borrow::Cow;

use dicom_core::VR;

use super::codec::Codec;
use super::layout::{Cell, Colour, Layout, Number};
use super::{Picture, fragments};
use crate::domain::picture::Undrawn;
use crate::wire::dicom::precheck::Element;
use crate::wire::dicom::syntax::Encoding;

/// A decoded frame.
pub(super) struct Frame<'a> {
    /// Its values, little endian, rows from the top.
    pub bytes: Cow<'a, [u8]>,
    /// How they lie; a codec may have changed what the picture said.
    pub layout: Layout,
}

impl<'a> Picture<'a> {
    /// Decodes the frame at `place`, from 0.
    pub fn frame(&self, place: u32) -> Result<Frame<'a>, Undrawn> {
        let pixels = self.layout.pixels(&self.reader)?;
        let codec = self.codec.ok_or(Undrawn::Unsupported)?;
        if codec == Codec::None {
            // A syntax without compression whose pixels come in fragments contradicts itself.
            return (!pixels.is_delimited).then(|| native(pixels, self.layout, place)).ok_or(Undrawn::Damaged)?;
        }
        if !pixels.is_delimited {
            return Err(Undrawn::Damaged);
        }
        let compressed = fragments::frame(&self.reader, pixels, place, self.layout.frames)?;
        codec.decode(compressed, self.layout)
    }
}

impl Frame<'_> {
    /// Gives the stored value at `place`; 0 behind the end.
    pub fn value(&self, place: usize) -> f32 {
        self.layout.cell.value(&self.bytes, place)
    }
}

impl Cell {
    #[expect(clippy::cast_precision_loss, reason = "a value of more than 24 bits is shown to the nearest that f32 has")]
    fn value(&self, bytes: &[u8], place: usize) -> f32 {
        let raw = match self.allocated {
            1 => return f32::from(bytes.get(place / 8).map_or(0, |byte| byte >> (place % 8) & 1)),
            8 => bytes.get(place).map_or(0, |byte| u32::from(*byte)),
            16 => u32::from(u16::from_le_bytes(word(bytes, place))),
            32 if self.number == Number::Float => return f32::from_le_bytes(word(bytes, place)),
            32 => u32::from_le_bytes(word(bytes, place)),
            _ => return narrow(f64::from_le_bytes(word(bytes, place))),
        };
        // What lies above the stored bits is dropped, as overlays once lay there.
        let lifted = raw >> self.below << (32 - self.stored);
        match self.number {
            Number::Signed => (lifted.cast_signed() >> (32 - self.stored)) as f32,
            Number::Unsigned | Number::Float => (lifted >> (32 - self.stored)) as f32,
        }
    }
}

/// Cuts a frame out of pixels that are not compressed.
pub(super) fn native<'a>(pixels: &Element<'a>, layout: Layout, place: u32) -> Result<Frame<'a>, Undrawn> {
    let layout = Layout { colour: native_colour(pixels, &layout), ..layout };
    let start = layout.bits().checked_mul(u64::from(place)).ok_or(Undrawn::NoFrame)?;
    let end = start.checked_add(layout.bits()).ok_or(Undrawn::NoFrame)?;
    let byte = |bits: u64| usize::try_from(bits).map_err(|_| Undrawn::TooLarge);
    let bytes = pixels.value.get(byte(start / 8)?..byte(end.div_ceil(8))?).ok_or(Undrawn::Damaged)?;
    let unit = match layout.cell.allocated {
        // Bytes in words of two, as group 7FE0 has them, are swapped with the words.
        8 if pixels.vr == VR::OW => 2,
        8 => 1,
        allocated => byte(u64::from(allocated / 8))?,
    };
    let mut bytes = Cow::Borrowed(bytes);
    if pixels.encoding == Encoding::ExplicitBig && unit > 1 {
        bytes.to_mut().chunks_mut(unit).for_each(<[u8]>::reverse);
    }
    let skipped = start % 8;
    if skipped > 0 {
        bytes = Cow::Owned(shifted(&bytes, u32::try_from(skipped).unwrap_or_default()));
    }
    Ok(Frame { bytes, layout })
}

/// Some writers name the halved colours and leave all of them in.
fn native_colour(pixels: &Element<'_>, layout: &Layout) -> Colour {
    let full = Layout { colour: Colour::Ybr, ..*layout };
    let demands = full.bits().saturating_mul(u64::from(layout.frames)) / 8;
    let is_full = u64::try_from(pixels.value.len()).is_ok_and(|has| has >= demands);
    if layout.colour == Colour::YbrHalf && is_full { Colour::Ybr } else { layout.colour }
}

/// Brings the bits of a frame that begins inside a byte to the front.
fn shifted(bytes: &[u8], by: u32) -> Vec<u8> {
    let next = bytes.iter().skip(1).copied().chain(std::iter::once(0));
    bytes.iter().zip(next).map(|(byte, next)| byte >> by | next.checked_shl(8 - by).unwrap_or_default()).collect()
}

fn word<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    bytes.get(place * N..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

#[expect(clippy::cast_possible_truncation, reason = "for the eye, the nearest f32 is near enough")]
fn narrow(number: f64) -> f32 {
    number as f32
}
