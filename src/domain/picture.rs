//! Looking at pictures: what of one is wanted, and why one cannot be shown. How it is decoded is `wire`'s business.

use super::fault::{Fault, Faulty};
use super::limits::{PICTURE_HEIGHT_MAX, PICTURE_WIDTH_MAX};
use super::text::Bilingual;

/// What of a picture is wanted, and in which form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The frame, from 1.
    pub frame: u32,
    /// Which values become black and white; as the picture itself says where it is left out.
    pub window: Option<Window>,
    /// Largest size; the picture is made smaller to fit, never larger.
    pub size: Size,
    /// The form of the answer.
    pub form: Form,
}

/// A size in picture elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns, 1 to [`PICTURE_WIDTH_MAX`].
    pub width: u32,
    /// Rows, 1 to [`PICTURE_HEIGHT_MAX`].
    pub height: u32,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A PNG file, which loses nothing.
    Png,
    /// A JPEG file.
    Jpeg {
        /// From 1 to 100.
        quality: u8,
    },
    /// The stored values as explicit little endian has them, neither windowed nor made smaller.
    Samples,
    /// What the picture is, as JSON.
    Description,
}

/// A window over the values of a picture: what lies below is black, what lies above is white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The value in the middle.
    pub centre: f64,
    /// How many values are parted, more than 0.
    pub width: f64,
    /// How values between are spread over the greys.
    pub curve: Curve,
}

/// How the values of a window are spread over the greys.
///
/// Source: DICOM PS3.3, C.11.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// `LINEAR`.
    Linear,
    /// `LINEAR_EXACT`.
    LinearExact,
    /// `SIGMOID`.
    Sigmoid,
}

/// Why a picture is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undrawn {
    /// The object is no picture: a report, a document, a curve.
    #[error("the object holds no picture")]
    NoPicture,
    /// Nothing here decodes this kind of compression or of picture.
    #[error("this kind of picture is not decoded here")]
    Unsupported,
    /// The bytes do not hold what they say.
    #[error("the picture is damaged")]
    Damaged,
    /// Decoding it would take more memory than is given.
    #[error("the picture is too large to be decoded here")]
    TooLarge,
    /// There are fewer frames.
    #[error("the picture has no such frame")]
    NoFrame,
    /// It took too long, or too many are being drawn.
    #[error("the picture could not be drawn in time; ask again")]
    Late,
    /// The machine gives no process or no memory.
    #[error("pictures cannot be drawn now")]
    Broken,
}

impl Size {
    /// The largest size that is drawn.
    pub const LARGEST: Self = Self { width: PICTURE_WIDTH_MAX, height: PICTURE_HEIGHT_MAX };

    /// Gives a size inside the bounds; nothing where a side is 0.
    pub fn new(width: u32, height: u32) -> Option<Self> {
        (width > 0 && height > 0)
            .then(|| Self { width: width.min(PICTURE_WIDTH_MAX), height: height.min(PICTURE_HEIGHT_MAX) })
    }
}

impl Window {
    /// Gives a window; nothing where numbers or width make no sense.
    ///
    /// Source: DICOM PS3.3, C.11.2.1.2.1 and C.11.2.1.3.
    pub fn new(centre: f64, width: f64, curve: Curve) -> Option<Self> {
        let width_min = if curve == Curve::Linear { 1.0 } else { f64::MIN_POSITIVE };
        let is_sound = centre.is_finite() && width.is_finite() && width >= width_min;
        is_sound.then_some(Self { centre, width, curve })
    }
}

impl Curve {
    /// Reads the name that a picture or a request gives; in any case, as requests write it in small letters.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().replace('-', "_").as_str() {
            "LINEAR" => Some(Self::Linear),
            "LINEAR_EXACT" => Some(Self::LinearExact),
            "SIGMOID" => Some(Self::Sigmoid),
            _ => None,
        }
    }

    /// Gives the name that a request has.
    ///
    /// Source: DICOM PS3.18, 8.3.5.1.4.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::LinearExact => "linear-exact",
            Self::Sigmoid => "sigmoid",
        }
    }
}

impl Undrawn {
    /// Gives the reason in words; `syntax` names the transfer syntax where its bytes are not decoded here.
    pub fn text(self, syntax: &str) -> Bilingual {
        let (zh, en) = match self {
            Self::NoPicture => (
                "该对象不含图像（如报告、文档或波形），可下载原始文件查看。".to_owned(),
                "The object holds no picture (a report, a document or a curve); the original can be downloaded."
                    .to_owned(),
            ),
            Self::Unsupported => (
                format!("此处不能显示该图像的编码（{syntax}），可下载原始文件查看。"),
                format!("This kind of picture ({syntax}) is not decoded here; the original can be downloaded."),
            ),
            Self::Damaged => (
                format!("图像数据已损坏或不完整（{syntax}），无法显示，可下载原始文件。"),
                format!(
                    "The picture is damaged or cut ({syntax}) and cannot be shown; the original can be downloaded."
                ),
            ),
            Self::TooLarge => (
                "图像过大，无法在此显示，可下载原始文件查看。".to_owned(),
                "The picture is too large to be shown here; the original can be downloaded.".to_owned(),
            ),
            Self::NoFrame => ("没有该帧。".to_owned(), "There is no such frame.".to_owned()),
            Self::Late => (
                "图像未能及时生成，请稍后再试。".to_owned(),
                "The picture was not drawn in time; ask again.".to_owned(),
            ),
            Self::Broken => (
                "暂时无法生成图像。".to_owned(),
                "Pictures cannot be drawn now; the original can be downloaded.".to_owned(),
            ),
        };
        Bilingual { zh, en }
    }
}

impl Faulty for Undrawn {
    fn fault(&self) -> Fault {
        match self {
            Self::NoPicture | Self::Unsupported | Self::Damaged | Self::TooLarge => Fault::BadInput,
            Self::NoFrame => Fault::Missing,
            Self::Late => Fault::Busy,
            Self::Broken => Fault::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_windows_are_kept_in_bounds() {
        assert_eq!(Size::new(0, 1), None);
        assert_eq!(Size::new(u32::MAX, 8), Some(Size { width: PICTURE_WIDTH_MAX, height: 8 }));
        assert_eq!(Window::new(40.0, 0.5, Curve::Linear), None, "the linear curve needs a width of at least 1");
        assert!(Window::new(0.1, 0.5, Curve::parse("linear-exact").unwrap()).is_some());
        assert_eq!(Window::new(f64::NAN, 400.0, Curve::Sigmoid), None);
    }

    #[test]
    fn what_is_not_decoded_is_named_in_both_languages() {
        let text = Undrawn::Unsupported.text("JPEG-LS Lossless Image Compression");
        assert!(text.zh.contains("JPEG-LS") && text.en.contains("JPEG-LS"));
    }
}
