//! Greys: from stored values to what the modality means by them, and from those through a window to black and white.
//!
//! Source: DICOM PS3.3, C.11.1 and C.11.2; PS3.3, C.7.6.16.2.9 and .10 for pictures whose frames differ.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::Picture;
use super::frame::Frame;
use super::layout::Number;
use super::lut::Lut;
use crate::domain::picture::{Curve, Undrawn, Window};
use crate::wire::dicom::reader::Reader;

/// A window that a picture brings, with its name for people.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Preset {
    pub window: Window,
    pub name: Option<String>,
}

impl Picture<'_> {
    /// Draws a frame in greys, one byte each.
    pub(super) fn greys(&self, place: u32, frame: &Frame<'_>, wanted: Option<Window>) -> Result<Vec<u8>, Undrawn> {
        let modality = self.modality(place)?;
        let spread = self.spread(place, frame, &modality, wanted)?;
        let is_inverted = frame.layout.colour == super::layout::Colour::Grey { is_inverted: true };
        let grey = |at: usize| {
            let grey = spread.grey(modality.value(frame.value(at)));
            if is_inverted { 255 - grey } else { grey }
        };
        Ok((0..frame.layout.size()).map(grey).collect())
    }

    /// Gives the windows that the picture brings for a frame.
    pub(super) fn presets(&self, place: u32) -> Vec<Preset> {
        let group = self.group(place, tags::FRAME_VOILUT_SEQUENCE);
        let reader = group.as_ref().filter(|group| group.number(tags::WINDOW_WIDTH).is_some()).unwrap_or(&self.reader);
        let curve = reader.term(tags::VOILUT_FUNCTION).and_then(|name| Curve::parse(&name)).unwrap_or(Curve::Linear);
        let centres = reader.numbers(tags::WINDOW_CENTER);
        let names = reader.texts(tags::WINDOW_CENTER_WIDTH_EXPLANATION);
        let windows = centres.into_iter().zip(reader.numbers(tags::WINDOW_WIDTH)).enumerate();
        let preset = |(at, (centre, width))| {
            Some(Preset { window: Window::new(centre, width, curve)?, name: names.get(at).cloned() })
        };
        windows.filter_map(preset).collect()
    }

    fn modality(&self, place: u32) -> Result<Modality, Undrawn> {
        let is_signed = self.layout.cell.number == Number::Signed;
        if let Some(item) = self.reader.item(tags::MODALITY_LUT_SEQUENCE, 0)
            && let Some(lut) = Lut::read(&item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, is_signed)?
        {
            return Ok(Modality::Table(lut));
        }
        let group = self.group(place, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        let number = |tag| group.as_ref().and_then(|group| group.number(tag)).or_else(|| self.reader.number(tag));
        let slope = number(tags::RESCALE_SLOPE).filter(|slope| *slope != 0.0).unwrap_or(1.0);
        let intercept = number(tags::RESCALE_INTERCEPT).unwrap_or(0.0);
        Ok(Modality::Line { slope: narrow(slope), intercept: narrow(intercept) })
    }

    /// Chooses how values are spread: as is wanted, as the picture says, or over all values that it has.
    fn spread(
        &self,
        place: u32,
        frame: &Frame<'_>,
        modality: &Modality,
        wanted: Option<Window>,
    ) -> Result<Spread, Undrawn> {
        if let Some(window) = wanted.or_else(|| self.presets(place).first().map(|preset| preset.window)) {
            return Ok(Spread::Window(window));
        }
        if let Some(item) = self.reader.item(tags::VOILUT_SEQUENCE, 0) {
            let is_signed = matches!(modality, Modality::Line { intercept, .. } if *intercept < 0.0)
                || self.layout.cell.number == Number::Signed;
            if let Some(lut) = Lut::read(&item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, is_signed)? {
                return Ok(Spread::Table(lut));
            }
        }
        Ok(Spread::Range(self.range(frame, modality)))
    }

    /// Gives the least and the largest value that is no padding.
    fn range(&self, frame: &Frame<'_>, modality: &Modality) -> (f32, f32) {
        let padding = self.reader.number(tags::PIXEL_PADDING_VALUE).map(narrow);
        let limit = self.reader.number(tags::PIXEL_PADDING_RANGE_LIMIT).map(narrow).or(padding);
        let is_padding = |stored: f32| match (padding, limit) {
            (Some(one), Some(other)) => (one.min(other)..=one.max(other)).contains(&stored),
            _ => false,
        };
        let stored = (0..frame.layout.size()).map(|at| frame.value(at)).filter(|stored| !is_padding(*stored));
        let values = stored.map(|stored| modality.value(stored)).filter(|value| value.is_finite());
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
    }

    /// Gives the functional group of a frame: its own, or the one that all share.
    fn group(&self, place: u32, group: Tag) -> Option<Reader<'_>> {
        let place = usize::try_from(place).ok()?;
        let own = self.reader.item(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, place);
        let shared = || self.reader.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0);
        own.and_then(|own| own.item(group, 0)).or_else(|| shared().and_then(|shared| shared.item(group, 0)))
    }
}

/// What the modality means by stored values.
enum Modality {
    Line { slope: f32, intercept: f32 },
    Table(Lut),
}

impl Modality {
    fn value(&self, stored: f32) -> f32 {
        match self {
            Self::Line { slope, intercept } => stored * slope + intercept,
            Self::Table(lut) => f32::from(lut.value(stored)),
        }
    }
}

/// How values are spread over the greys.
enum Spread {
    Window(Window),
    Table(Lut),
    Range((f32, f32)),
}

impl Spread {
    fn grey(&self, value: f32) -> u8 {
        let share = match self {
            Self::Window(window) => share(*window, value),
            Self::Table(lut) => lut.share(value),
            Self::Range((least, most)) if most > least => (value - least) / (most - least),
            // A picture of one value only is shown in the middle grey.
            Self::Range(_) => 0.5,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast keeps to the bounds")]
        let grey = (share * 255.0).round() as u8;
        grey
    }
}

/// Gives the place of a value in a window, 0 for black and 1 for white.
fn share(window: Window, value: f32) -> f32 {
    let (centre, width) = (narrow(window.centre), narrow(window.width));
    let share = match window.curve {
        Curve::Linear if width <= 1.0 => return if value <= centre - 0.5 { 0.0 } else { 1.0 },
        Curve::Linear => (value - (centre - 0.5)) / (width - 1.0) + 0.5,
        Curve::LinearExact => (value - centre) / width + 0.5,
        Curve::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
    };
    share.clamp(0.0, 1.0)
}

#[expect(clippy::cast_possible_truncation, reason = "for the eye, the nearest f32 is near enough")]
fn narrow(number: f64) -> f32 {
    number as f32
}
