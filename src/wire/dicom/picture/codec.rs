//! The compressions that are decoded here. What a compressed frame says of its size is compared with what the picture
//! says before any memory is taken for it.

use std::borrow::Cow;

use jpeg_decoder::{ColorTransform, Decoder};
use jpeg2k::Image;

use super::frame::Frame;
use super::layout::{Cell, Colour, Layout, Number};
use super::runs;
use crate::domain::limits::PICTURE_FRAME_BYTES_MAX;
use crate::domain::picture::Undrawn;

/// A compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// None: values as they are.
    None,
    /// Values as they are, in fragments.
    Wrapped,
    /// Runs of equal bytes.
    Runs,
    /// JPEG of 8 bits, and lossless JPEG of up to 16.
    Jpeg,
    /// JPEG 2000, high throughput too.
    Jpeg2000,
}

impl Codec {
    /// Gives the compression of a transfer syntax; nothing where it is not decoded here.
    ///
    /// Source: DICOM PS3.5, A.1 to A.7; PS3.6, annex A.
    pub fn of(transfer_syntax: &str) -> Option<Self> {
        let standard = transfer_syntax.strip_prefix("1.2.840.10008.1.2")?;
        match standard {
            "" | ".1" | ".1.99" | ".2" => Some(Self::None),
            ".1.98" => Some(Self::Wrapped),
            ".5" => Some(Self::Runs),
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => Some(Self::Jpeg),
            ".4.90" | ".4.91" | ".4.201" | ".4.202" | ".4.203" => Some(Self::Jpeg2000),
            _ => None,
        }
    }

    /// Decodes one compressed frame.
    pub fn decode<'a>(self, compressed: Cow<'a, [u8]>, layout: Layout) -> Result<Frame<'a>, Undrawn> {
        match self {
            Self::None => Err(Undrawn::Damaged),
            Self::Wrapped => {
                let bytes = usize::try_from(layout.bits().div_ceil(8)).map_err(|_| Undrawn::TooLarge)?;
                let is_whole = compressed.len() >= bytes;
                is_whole.then_some(Frame { bytes: compressed, layout }).ok_or(Undrawn::Damaged)
            }
            Self::Runs => runs::decode(&compressed, layout),
            Self::Jpeg => jpeg(&compressed, layout),
            Self::Jpeg2000 => jpeg2000(&compressed, layout),
        }
    }
}

/// Decodes JPEG, baseline or lossless.
fn jpeg(compressed: &[u8], layout: Layout) -> Result<Frame<'static>, Undrawn> {
    let mut decoder = Decoder::new(compressed);
    decoder.set_max_decoding_buffer_size(usize::try_from(PICTURE_FRAME_BYTES_MAX).unwrap_or(usize::MAX));
    decoder.read_info().map_err(undecoded)?;
    let info = decoder.info().ok_or(Undrawn::Damaged)?;
    let is_lossless = info.coding_process == jpeg_decoder::CodingProcess::Lossless;
    let sides = (usize::from(info.height), usize::from(info.width));
    let samples = if info.pixel_format == jpeg_decoder::PixelFormat::RGB24 { 3 } else { 1 };
    if sides != (layout.rows, layout.columns) || samples != layout.samples {
        return Err(Undrawn::Damaged);
    }
    if layout.colour == Colour::Rgb && !is_lossless && !says_its_colours(compressed) {
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let decoded = decoder.decode().map_err(undecoded)?;
    let values = layout.size() * layout.samples;
    let (bytes, allocated) = match decoded.len() {
        length if length == values => (decoded, 8),
        // The decoder gives values of 16 bits in the order of the machine.
        length if length == values * 2 => {
            let words = decoded.as_chunks::<2>().0.iter();
            (words.flat_map(|word| u16::from_ne_bytes(*word).to_le_bytes()).collect(), 16)
        }
        _ => return Err(Undrawn::Damaged),
    };
    // Colours of baseline JPEG come out as RGB; the lossless processes leave them as they were.
    let colour = match layout.colour {
        Colour::Ybr | Colour::YbrHalf if is_lossless => Colour::Ybr,
        Colour::Ybr | Colour::YbrHalf => Colour::Rgb,
        other => other,
    };
    Ok(fitted(bytes, allocated, Layout { colour, is_planar: false, ..layout }))
}

/// Says whether a JPEG stream carries a JFIF or Adobe mark, which tells its colours better than the picture does.
fn says_its_colours(compressed: &[u8]) -> bool {
    let head = compressed.get(..JPEG_HEAD_BYTES).unwrap_or(compressed);
    head.windows(5).any(|bytes| bytes == b"JFIF\0" || bytes == b"Adobe")
}

/// Decodes JPEG 2000.
fn jpeg2000(compressed: &[u8], layout: Layout) -> Result<Frame<'static>, Undrawn> {
    let sizes = sizes(compressed).ok_or(Undrawn::Damaged)?;
    let (rows, columns) = (u32::try_from(layout.rows).ok(), u32::try_from(layout.columns).ok());
    let is_as_said = Some(sizes.rows) == rows && Some(sizes.columns) == columns && sizes.samples == layout.samples;
    if !is_as_said || sizes.tiles > TILES_MAX {
        return Err(Undrawn::Damaged);
    }
    let image = Image::from_bytes(compressed).map_err(|_| Undrawn::Damaged)?;
    let components = image.components();
    let is_whole = components.iter().all(|component| component.data().len() == layout.size());
    let (Some(first), true) = (components.first(), is_whole && components.len() >= layout.samples) else {
        return Err(Undrawn::Damaged);
    };
    let (precision, is_signed) = (first.precision(), first.is_signed());
    if precision == 0 || precision > 16 {
        return Err(Undrawn::Unsupported);
    }
    let allocated = if precision > 8 { 16 } else { 8 };
    let mut bytes = Vec::with_capacity(layout.size() * layout.samples * 2);
    for place in 0..layout.size() {
        for component in components.iter().take(layout.samples) {
            let value = component.data().get(place).copied().unwrap_or_default().to_le_bytes();
            bytes.extend_from_slice(value.get(..if allocated == 8 { 1 } else { 2 }).unwrap_or_default());
        }
    }
    let number = if is_signed { Number::Signed } else { layout.cell.number };
    let cell = Cell { stored: precision, below: 0, number, ..layout.cell };
    // The decoder has undone its own change of colours.
    let colour = if matches!(layout.colour, Colour::Ybr | Colour::YbrHalf) { Colour::Ybr } else { layout.colour };
    Ok(fitted(bytes, allocated, Layout { colour, cell, is_planar: false, ..layout }))
}

/// Says how decoded values of 8 or 16 bits lie, widened where the picture says 16.
fn fitted(bytes: Vec<u8>, allocated: u32, layout: Layout) -> Frame<'static> {
    let (bytes, allocated) = match (allocated, layout.cell.allocated) {
        (8, 16) => (bytes.into_iter().flat_map(|byte| [byte, 0]).collect(), 16),
        _ => (bytes, allocated),
    };
    let stored = layout.cell.stored.min(allocated);
    let cell = Cell { allocated, stored, below: 0, ..layout.cell };
    Frame { bytes: Cow::Owned(bytes), layout: Layout { cell, ..layout } }
}

/// What a JPEG 2000 stream says of its size.
struct Sizes {
    rows: u32,
    columns: u32,
    samples: usize,
    tiles: u64,
}

/// Reads the size segment of a JPEG 2000 stream. Source: ITU-T T.800, A.5.1.
fn sizes(compressed: &[u8]) -> Option<Sizes> {
    let start = compressed.windows(CODESTREAM.len()).take(JPEG_HEAD_BYTES).position(|bytes| bytes == CODESTREAM)?;
    let segment = compressed.get(start + CODESTREAM.len()..)?;
    let number = |at: usize| segment.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_be_bytes(*bytes));
    let (width, height, left, top) = (number(4)?, number(8)?, number(12)?, number(16)?);
    let (tile_width, tile_height) = (number(20)?, number(24)?);
    let samples = segment.get(36..).and_then(<[u8]>::first_chunk).map(|bytes| u16::from_be_bytes(*bytes))?;
    if tile_width == 0 || tile_height == 0 {
        return None;
    }
    let tiles = u64::from(width.div_ceil(tile_width)) * u64::from(height.div_ceil(tile_height));
    Some(Sizes {
        rows: height.checked_sub(top)?,
        columns: width.checked_sub(left)?,
        samples: usize::from(samples),
        tiles,
    })
}

fn undecoded(error: jpeg_decoder::Error) -> Undrawn {
    match error {
        jpeg_decoder::Error::Unsupported(_) => Undrawn::Unsupported,
        jpeg_decoder::Error::Format(_) | jpeg_decoder::Error::Io(_) | jpeg_decoder::Error::Internal(_) => {
            Undrawn::Damaged
        }
    }
}

const CODESTREAM: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
/// Where marks and sizes stand, in the first bytes of a frame.
const JPEG_HEAD_BYTES: usize = 4_096;
const TILES_MAX: u64 = 65_535;
