//! The drawn frame as a PNG or JPEG file, no larger than is wanted.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops;
use image::{ExtendedColorType, GrayImage, ImageEncoder, RgbImage};

use super::Picture;
use super::frame::Frame;
use super::layout::Colour;
use crate::domain::picture::{Form, Size, Undrawn, View};

/// Draws a decoded frame.
pub(super) fn paint(picture: &Picture<'_>, place: u32, frame: &Frame<'_>, view: &View) -> Result<Vec<u8>, Undrawn> {
    let side = |side: usize| u32::try_from(side).map_err(|_| Undrawn::TooLarge);
    let own = Size { width: side(frame.layout.columns)?, height: side(frame.layout.rows)? };
    let size = fitted(own, view.size);
    if let Colour::Grey { .. } = frame.layout.colour {
        let greys = picture.greys(place, frame, view.window)?;
        let mut drawn = GrayImage::from_raw(own.width, own.height, greys).ok_or(Undrawn::Damaged)?;
        if size != own {
            drawn = imageops::thumbnail(&drawn, size.width, size.height);
        }
        return write(drawn.as_raw(), size, ExtendedColorType::L8, view.form);
    }
    let colours = picture.colours(frame)?;
    let mut drawn = RgbImage::from_raw(own.width, own.height, colours).ok_or(Undrawn::Damaged)?;
    if size != own {
        drawn = imageops::thumbnail(&drawn, size.width, size.height);
    }
    write(drawn.as_raw(), size, ExtendedColorType::Rgb8, view.form)
}

/// Gives the largest size of the same proportions that fits; never larger than the picture itself.
fn fitted(own: Size, wanted: Size) -> Size {
    let scaled = |side: u32, most: u32, of: u32| {
        let side = (u64::from(side) * u64::from(most) / u64::from(of)).max(1);
        u32::try_from(side).unwrap_or(u32::MAX)
    };
    let mut size = own;
    if size.width > wanted.width {
        size = Size { width: wanted.width, height: scaled(own.height, wanted.width, own.width) };
    }
    if size.height > wanted.height {
        size = Size { width: scaled(own.width, wanted.height, own.height), height: wanted.height };
    }
    size
}

fn write(bytes: &[u8], size: Size, colour: ExtendedColorType, form: Form) -> Result<Vec<u8>, Undrawn> {
    let mut file = Vec::new();
    let written = match form {
        Form::Jpeg { quality } => {
            JpegEncoder::new_with_quality(&mut file, quality).write_image(bytes, size.width, size.height, colour)
        }
        Form::Png | Form::Samples | Form::Description => {
            let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Sub);
            encoder.write_image(bytes, size.width, size.height, colour)
        }
    };
    written.map(|()| file).map_err(|_| Undrawn::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_made_smaller_to_fit_and_never_larger() {
        let size = |width, height| Size { width, height };
        assert_eq!(fitted(size(512, 512), size(2_048, 2_048)), size(512, 512));
        assert_eq!(fitted(size(4_096, 2_048), size(1_024, 1_024)), size(1_024, 512));
        assert_eq!(fitted(size(100, 1_000), size(100, 100)), size(10, 100));
        assert_eq!(fitted(size(65_535, 1), size(128, 128)), size(128, 1));
    }
}
