//! How the values of a picture lie in its bytes, and the bounds of what is decoded at all.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::domain::limits::{PICTURE_FRAME_BYTES_MAX, PICTURE_PIXELS_MAX};
use crate::domain::picture::Undrawn;
use crate::wire::dicom::precheck::Element;
use crate::wire::dicom::reader::Reader;

/// How values lie in the bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Rows (0028,0010), at least 1.
    pub rows: usize,
    /// Columns (0028,0011), at least 1.
    pub columns: usize,
    /// Frames (0028,0008), at least 1.
    pub frames: u32,
    /// Values of one picture element (0028,0002): 1 or 3.
    pub samples: usize,
    /// What the values stand for (0028,0004).
    pub colour: Colour,
    /// Whether each colour has a plane of its own (0028,0006).
    pub is_planar: bool,
    /// What one value is.
    pub cell: Cell,
}

/// What one value is, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Bits allocated (0028,0100): 1, 8, 16, 32 or 64.
    pub allocated: u32,
    /// Bits stored (0028,0101), 1 to `allocated`.
    pub stored: u32,
    /// Bits below those stored.
    pub below: u32,
    /// Integer with or without sign (0028,0103), or a floating point number.
    pub number: Number,
}

/// What kind of number a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Unsigned,
    Signed,
    Float,
}

/// What the values of a picture element stand for.
///
/// Source: DICOM PS3.3, C.7.6.3.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// `MONOCHROME2`: low is black; `MONOCHROME1`: low is white.
    Grey {
        /// Whether low is white.
        is_inverted: bool,
    },
    /// `PALETTE COLOR`.
    Palette,
    /// `RGB`, and what JPEG 2000 turns into it by itself.
    Rgb,
    /// `YBR_FULL`, and what is decoded to it.
    Ybr,
    /// `YBR_FULL_422`: neighbours share their colour.
    YbrHalf,
}

impl Layout {
    /// Reads the layout, and refuses what is no picture, makes no sense or passes the bounds.
    pub fn read(reader: &Reader<'_>) -> Result<Self, Undrawn> {
        let tag = PIXELS.into_iter().find(|tag| reader.raw(*tag).is_some()).ok_or(Undrawn::NoPicture)?;
        let count = |tag| reader.count(tag);
        let (Some(rows @ 1..), Some(columns @ 1..)) = (count(tags::ROWS), count(tags::COLUMNS)) else {
            return Err(Undrawn::Damaged);
        };
        let samples = count(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        let colour = Colour::read(reader, samples)?;
        let cell = Cell::read(reader, tag)?;
        let pixels = u64::from(rows) * u64::from(columns);
        let bytes = pixels.saturating_mul(u64::from(samples)).saturating_mul(u64::from(cell.allocated)) / 8;
        if pixels > PICTURE_PIXELS_MAX || bytes > PICTURE_FRAME_BYTES_MAX {
            return Err(Undrawn::TooLarge);
        }
        let whole = |number: u32| usize::try_from(number).map_err(|_| Undrawn::TooLarge);
        Ok(Self {
            rows: whole(rows)?,
            columns: whole(columns)?,
            frames: count(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1),
            samples: whole(samples)?,
            colour,
            is_planar: samples == 3 && count(tags::PLANAR_CONFIGURATION) == Some(1),
            cell,
        })
    }

    /// Gives the element that holds the pixels.
    pub fn pixels<'r, 'a>(&self, reader: &'r Reader<'a>) -> Result<&'r Element<'a>, Undrawn> {
        PIXELS.into_iter().find_map(|tag| reader.raw(tag)).ok_or(Undrawn::NoPicture)
    }

    /// Counts the picture elements of a frame.
    pub fn size(&self) -> usize {
        self.rows * self.columns
    }

    /// Counts the values of a frame.
    pub fn values(&self) -> usize {
        match self.colour {
            Colour::YbrHalf => self.size() * 2,
            _ => self.size() * self.samples,
        }
    }

    /// Counts the bits of a frame.
    pub fn bits(&self) -> u64 {
        u64::try_from(self.values()).unwrap_or(u64::MAX).saturating_mul(u64::from(self.cell.allocated))
    }
}

impl Cell {
    fn read(reader: &Reader<'_>, pixels: Tag) -> Result<Self, Undrawn> {
        if pixels != tags::PIXEL_DATA {
            let allocated = if pixels == tags::FLOAT_PIXEL_DATA { 32 } else { 64 };
            return Ok(Self { allocated, stored: allocated, below: 0, number: Number::Float });
        }
        let allocated = reader.count(tags::BITS_ALLOCATED).ok_or(Undrawn::Damaged)?;
        if !matches!(allocated, 1 | 8 | 16 | 32) {
            return Err(Undrawn::Unsupported);
        }
        let stored = reader.count(tags::BITS_STORED).unwrap_or(allocated);
        let high = reader.count(tags::HIGH_BIT).unwrap_or(stored.saturating_sub(1));
        if stored == 0 || stored > allocated || high >= allocated {
            return Err(Undrawn::Damaged);
        }
        let is_signed = reader.count(tags::PIXEL_REPRESENTATION) == Some(1);
        let number = if is_signed { Number::Signed } else { Number::Unsigned };
        Ok(Self { allocated, stored, below: (high + 1).saturating_sub(stored), number })
    }
}

impl Colour {
    fn read(reader: &Reader<'_>, samples: u32) -> Result<Self, Undrawn> {
        let photometric = reader.term(tags::PHOTOMETRIC_INTERPRETATION);
        match (samples, photometric.as_deref()) {
            (1, Some("MONOCHROME1")) => Ok(Self::Grey { is_inverted: true }),
            (1, Some("PALETTE COLOR")) => Ok(Self::Palette),
            // Some devices leave it out where there is but one value.
            (1, Some("MONOCHROME2") | None) => Ok(Self::Grey { is_inverted: false }),
            (3, Some("RGB" | "YBR_ICT" | "YBR_RCT")) => Ok(Self::Rgb),
            (3, Some("YBR_FULL")) => Ok(Self::Ybr),
            (3, Some("YBR_FULL_422")) => Ok(Self::YbrHalf),
            _ => Err(Undrawn::Unsupported),
        }
    }
}

const PIXELS: [Tag; 3] = [tags::PIXEL_DATA, tags::FLOAT_PIXEL_DATA, tags::DOUBLE_FLOAT_PIXEL_DATA];
