//! Colours: every kind that pictures have, to red, green and blue of one byte each.
//!
//! Source: DICOM PS3.3, C.7.6.3.1.2.

use dicom_dictionary_std::tags;

use super::Picture;
use super::frame::Frame;
use super::layout::{Colour, Number};
use super::lut::Lut;
use crate::domain::picture::Undrawn;

impl Picture<'_> {
    /// Draws a frame in colours, three bytes each.
    pub(super) fn colours(&self, frame: &Frame<'_>) -> Result<Vec<u8>, Undrawn> {
        if frame.layout.colour == Colour::Palette {
            return self.palette_colours(frame);
        }
        let layout = frame.layout;
        let down = layout.cell.stored.saturating_sub(8);
        let byte = |at: usize| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast keeps to the bounds")]
            let value = frame.value(at) as u32 >> down;
            u8::try_from(value).unwrap_or(u8::MAX)
        };
        let colour = |at: usize| match layout.colour {
            // Two luminances, then the colour that both have.
            Colour::YbrHalf => [byte(at / 2 * 4 + at % 2), byte(at / 2 * 4 + 2), byte(at / 2 * 4 + 3)],
            _ if layout.is_planar => [byte(at), byte(at + layout.size()), byte(at + 2 * layout.size())],
            _ => [byte(at * 3), byte(at * 3 + 1), byte(at * 3 + 2)],
        };
        let is_ybr = matches!(layout.colour, Colour::Ybr | Colour::YbrHalf);
        Ok((0..layout.size()).flat_map(|at| if is_ybr { rgb(colour(at)) } else { colour(at) }).collect())
    }

    fn palette_colours(&self, frame: &Frame<'_>) -> Result<Vec<u8>, Undrawn> {
        let is_signed = self.layout.cell.number == Number::Signed;
        let table = |descriptor, data| {
            // Tables in segments are rare, and not read.
            Lut::read(&self.reader, descriptor, data, is_signed)?.ok_or(Undrawn::Unsupported)
        };
        let tables = [
            table(tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
            table(tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
            table(tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
        ];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast keeps to the bounds")]
        let byte = |table: &Lut, stored| (table.share(stored) * 255.0).round() as u8;
        let colour = |at| tables.each_ref().map(|table| byte(table, frame.value(at)));
        Ok((0..frame.layout.size()).flat_map(colour).collect())
    }
}

/// Turns luminance and two differences of colour into red, green and blue.
///
/// Source: DICOM PS3.3, C.7.6.3.1.2 (`YBR_FULL`).
fn rgb([y, b, r]: [u8; 3]) -> [u8; 3] {
    let (y, b, r) = (f32::from(y), f32::from(b) - 128.0, f32::from(r) - 128.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast keeps to the bounds")]
    let byte = |value: f32| value.round() as u8;
    [byte(y + 1.402 * r), byte(y - 0.344_136 * b - 0.714_136 * r), byte(y + 1.772 * b)]
}
