//! Pictures: from a file's bytes to greys and colours that people see. Every length is proven before anything is
//! decoded, and the size of a frame is bounded; the codecs themselves are other people's, which is why this runs in a
//! process of its own (ADR 11).

mod codec;
mod colour;
mod describe;
mod fragments;
mod frame;
mod grey;
mod layout;
mod lut;
mod paint;
mod runs;
#[cfg(test)]
mod tests;

use super::error::DicomError;
use super::part10;
use super::reader::Reader;
use super::syntax;
use crate::domain::picture::{Form, Undrawn, View};
use codec::Codec;
use layout::Layout;

/// Draws what is wanted of the picture in a file.
///
/// # Errors
/// [`Undrawn`]; show its text and offer the original.
pub fn draw(file: &[u8], view: &View) -> Result<Vec<u8>, Undrawn> {
    let file = part10::split(file)?;
    let form = syntax::form(file.transfer_syntax.as_str())?;
    let plain = syntax::inflate(file.data_set, form)?;
    let data_set = syntax::walk_as(&plain, form)?;
    let picture = Picture::read(Reader::open(data_set), file.transfer_syntax.as_str())?;
    if view.form == Form::Description {
        return Ok(picture.describe());
    }
    let place = view.frame.checked_sub(1).filter(|place| *place < picture.layout.frames).ok_or(Undrawn::NoFrame)?;
    let frame = picture.frame(place)?;
    match view.form {
        Form::Samples => Ok(frame.bytes.into_owned()),
        Form::Png | Form::Jpeg { .. } | Form::Description => paint::paint(&picture, place, &frame, view),
    }
}

/// Says whether pictures of a transfer syntax are decoded here.
pub fn is_decoded(transfer_syntax: &str) -> bool {
    Codec::of(transfer_syntax).is_some()
}

/// Cuts the frame `number`, from 1, out of the pixel data of a file, as it is stored there.
///
/// # Errors
/// [`Undrawn`] where there is no such frame, or its bytes cannot be told from its neighbours'.
pub fn stored_frame(file: &[u8], number: u32) -> Result<Vec<u8>, Undrawn> {
    let file = part10::split(file)?;
    let form = syntax::form(file.transfer_syntax.as_str())?;
    let plain = syntax::inflate(file.data_set, form)?;
    let reader = Reader::open(syntax::walk_as(&plain, form)?);
    let layout = Layout::read(&reader)?;
    let place = number.checked_sub(1).filter(|place| *place < layout.frames).ok_or(Undrawn::NoFrame)?;
    match layout.pixels(&reader)? {
        pixels if pixels.is_delimited => Ok(fragments::frame(&reader, pixels, place, layout.frames)?.into_owned()),
        pixels => Ok(frame::native(pixels, layout, place)?.bytes.into_owned()),
    }
}

/// A picture whose structure and size are proven.
struct Picture<'a> {
    reader: Reader<'a>,
    layout: Layout,
    codec: Option<Codec>,
    syntax: &'a str,
}

impl<'a> Picture<'a> {
    fn read(reader: Reader<'a>, syntax: &'a str) -> Result<Self, Undrawn> {
        let layout = Layout::read(&reader)?;
        Ok(Self { reader, layout, codec: Codec::of(syntax), syntax })
    }
}

impl From<DicomError> for Undrawn {
    fn from(error: DicomError) -> Self {
        match error {
            DicomError::Inflated => Self::TooLarge,
            DicomError::Syntax => Self::Unsupported,
            DicomError::NotAnInstance => Self::NoPicture,
            _ => Self::Damaged,
        }
    }
}
