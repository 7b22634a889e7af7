//! Pictures made here, whose every grey is known; the corpus; and damage done to it.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::domain::picture::{Curve, Size, Window};

/// A file in the making: elements of explicit little endian, in ascending order.
struct Made {
    syntax: &'static str,
    data_set: Vec<u8>,
}

impl Made {
    fn new(syntax: &'static str) -> Self {
        Self { syntax, data_set: Vec::new() }
    }

    fn element(mut self, tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> Self {
        self.data_set.extend([tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat());
        self.data_set.extend(vr);
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == b"UI" || vr == b"OB" { 0 } else { b' ' });
        }
        match vr {
            b"OB" | b"OW" | b"SQ" => self.data_set.extend([0, 0]),
            _ => {
                self.data_set.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
                self.data_set.extend(value);
                return self;
            }
        }
        self.data_set.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        self.data_set.extend(value);
        self
    }

    fn us(self, tag: (u16, u16), value: u16) -> Self {
        self.element(tag, b"US", &value.to_le_bytes())
    }

    /// The elements that say how a picture of so many rows and columns lies, up to Pixel Representation.
    fn picture(self, samples: u16, photometric: &str, frames: &str, size: (u16, u16), bits: (u16, u16, u16)) -> Self {
        let begun = self.us((0x28, 2), samples).element((0x28, 4), b"CS", photometric.as_bytes()).us((0x28, 6), 0);
        let sized =
            begun.element((0x28, 8), b"IS", frames.as_bytes()).us((0x28, 0x10), size.0).us((0x28, 0x11), size.1);
        sized
            .us((0x28, 0x100), bits.0)
            .us((0x28, 0x101), bits.1)
            .us((0x28, 0x102), bits.1 - 1)
            .us((0x28, 0x103), bits.2)
    }

    fn text(self, element: u16, value: &str) -> Self {
        self.element((0x28, element), b"DS", value.as_bytes())
    }

    fn words(self, values: &[u16]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.element((0x7FE0, 0x10), b"OW", &bytes)
    }

    fn fragments(mut self, fragments: &[&[u8]]) -> Self {
        self.data_set.extend(b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF");
        for fragment in fragments {
            self.data_set.extend(b"\xFE\xFF\x00\xE0");
            self.data_set.extend(u32::try_from(fragment.len()).unwrap().to_le_bytes());
            self.data_set.extend(*fragment);
        }
        self.data_set.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
        self
    }

    fn file(self) -> Vec<u8> {
        let mut file = vec![0; 128];
        file.extend(b"DICM\x02\x00\x10\x00UI");
        let mut syntax = self.syntax.as_bytes().to_vec();
        syntax.resize(syntax.len().next_multiple_of(2), 0);
        file.extend(u16::try_from(syntax.len()).unwrap().to_le_bytes());
        file.extend(syntax);
        file.extend(self.data_set);
        file
    }
}

fn view(frame: u32, window: Option<Window>) -> View {
    View { frame, window, size: Size::LARGEST, form: Form::Png }
}

fn window(centre: f64, width: f64) -> Option<Window> {
    Window::new(centre, width, Curve::Linear)
}

/// Draws a frame and gives its picture elements, one or three bytes each.
fn drawn(file: &[u8], view: &View) -> Vec<u8> {
    let png = draw(file, view).unwrap();
    image::load_from_memory_with_format(&png, image::ImageFormat::Png).unwrap().into_bytes()
}

fn ct() -> Made {
    Made::new(syntax::EXPLICIT_LITTLE).picture(1, "MONOCHROME2", "1", (1, 4), (16, 12, 0))
}

#[test]
fn a_window_cuts_hounsfield_units_out_of_stored_values() {
    let file = ct().text(0x1052, "-1024").text(0x1053, "1").words(&[0, 1_024, 1_064, 4_095]).file();
    assert_eq!(drawn(&file, &view(1, window(40.0, 401.0))), [0, 102, 128, 255]);
    assert_eq!(drawn(&file, &view(1, window(-600.0, 1_500.0))), [55, 230, 236, 255]);
    assert_eq!(draw(&file, &view(2, None)), Err(Undrawn::NoFrame));
    assert_eq!(draw(&file, &view(0, None)), Err(Undrawn::NoFrame));
}

#[test]
fn without_a_wish_the_picture_says_its_window_and_else_all_values_are_spread() {
    let own = ct().text(0x1050, "2\\100").text(0x1051, "3\\1").words(&[0, 1, 2, 3]).file();
    assert_eq!(drawn(&own, &view(1, None)), [0, 64, 191, 255]);
    let none = ct().words(&[10, 20, 30, 60]).file();
    assert_eq!(drawn(&none, &view(1, None)), [0, 51, 102, 255]);
    let padded = ct().us((0x28, 0x120), 4_000).words(&[10, 20, 60, 4_000]).file();
    assert_eq!(drawn(&padded, &view(1, None)), [0, 51, 255, 255], "padding does not count");
    assert_eq!(drawn(&ct().words(&[7, 7, 7, 7]).file(), &view(1, None)), [128; 4]);
}

#[test]
fn low_is_white_in_monochrome1_and_signs_and_spare_bits_are_read() {
    let inverted = Made::new(syntax::EXPLICIT_LITTLE).picture(1, "MONOCHROME1", "1", (1, 4), (16, 12, 0));
    assert_eq!(drawn(&inverted.words(&[0, 20, 40, 100]).file(), &view(1, None)), [255, 204, 153, 0]);
    let signed = Made::new(syntax::EXPLICIT_LITTLE).picture(1, "MONOCHROME2", "1", (1, 4), (16, 12, 1));
    // -100, 0 and 100 of twelve bits, the second with an overlay in its upper bits.
    let file = signed.words(&[0x0F9C, 0xF000, 100, 0x0F9C]).file();
    assert_eq!(drawn(&file, &view(1, None)), [0, 128, 255, 0]);
}

#[test]
fn colours_come_out_as_red_green_and_blue() {
    let bytes = |photometric: &str, planar: u16, pixels: &[u8]| {
        let made =
            Made::new(syntax::EXPLICIT_LITTLE).us((0x28, 2), 3).element((0x28, 4), b"CS", photometric.as_bytes());
        let made = made.us((0x28, 6), planar).us((0x28, 0x10), 1).us((0x28, 0x11), 2).us((0x28, 0x100), 8);
        drawn(
            &made.us((0x28, 0x101), 8).us((0x28, 0x102), 7).element((0x7FE0, 0x10), b"OB", pixels).file(),
            &view(1, None),
        )
    };
    assert_eq!(bytes("RGB", 0, &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(bytes("RGB", 1, &[1, 4, 2, 5, 3, 6]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(bytes("YBR_FULL", 0, &[76, 85, 255, 255, 128, 128]), [254, 0, 0, 255, 255, 255]);
    assert_eq!(bytes("YBR_FULL_422", 0, &[76, 150, 85, 255]), [254, 0, 0, 255, 74, 74]);
}

#[test]
fn frames_are_told_apart_with_and_without_an_offset_table() {
    let packed = |value: u8| {
        let mut frame = vec![0; 64];
        (frame[0], frame[4]) = (1, 64);
        frame.extend([0xFF - 2, value]);
        frame
    };
    let made = |frames: &str| Made::new("1.2.840.10008.1.2.5").picture(1, "MONOCHROME2", frames, (2, 2), (8, 8, 0));
    let all = window(127.5, 256.0);
    let (first, second) = (packed(10), packed(20));
    let file = made("2").fragments(&[b"", &first, &second]).file();
    assert_eq!((drawn(&file, &view(1, all)), drawn(&file, &view(2, all))), (vec![10; 4], vec![20; 4]));
    // Each frame in two fragments.
    let parted: [&[u8]; 4] = [&first[..60], &first[60..], &second[..62], &second[62..]];
    let table: Vec<u8> = [0_u32, 82].into_iter().flat_map(u32::to_le_bytes).collect();
    let file = made("2").fragments(&[&table, parted[0], parted[1], parted[2], parted[3]]).file();
    assert_eq!((drawn(&file, &view(1, all)), drawn(&file, &view(2, all))), (vec![10; 4], vec![20; 4]));
    assert_eq!(stored_frame(&file, 2).unwrap(), second);
    let untold = made("2").fragments(&[b"", parted[0], parted[1], parted[2], parted[3]]).file();
    assert_eq!(draw(&untold, &view(1, all)), Err(Undrawn::Damaged));
}

#[test]
fn samples_are_those_of_explicit_little_endian() {
    let file = ct().words(&[0, 1, 0x0203, 4]).file();
    let samples = View { form: Form::Samples, ..view(1, None) };
    assert_eq!(draw(&file, &samples).unwrap(), [0, 0, 1, 0, 3, 2, 4, 0]);
    let described = draw(&file, &View { form: Form::Description, ..view(1, None) }).unwrap();
    let described: serde_json::Value = serde_json::from_slice(&described).unwrap();
    assert_eq!(
        (&described["rows"], &described["columns"], &described["decoded"]),
        (&1.into(), &4.into(), &true.into())
    );
}

#[test]
fn sizes_that_lie_cost_nothing() {
    let large = |rows, columns| {
        let made = Made::new(syntax::EXPLICIT_LITTLE).picture(3, "RGB", "1", (rows, columns), (16, 16, 0));
        draw(&made.words(&[0; 8]).file(), &view(1, None))
    };
    assert_eq!(large(65_535, 65_535), Err(Undrawn::TooLarge));
    assert_eq!(large(4_000, 4_000), Err(Undrawn::Damaged), "there are but eight values");
    assert_eq!(large(0, 4), Err(Undrawn::Damaged));
    let report = Made::new(syntax::EXPLICIT_LITTLE).element((0x40, 0xA040), b"CS", b"CONTAINER").file();
    assert_eq!(draw(&report, &view(1, None)), Err(Undrawn::NoPicture));
    let lossless = Made::new("1.2.840.10008.1.2.4.80").picture(1, "MONOCHROME2", "1", (1, 4), (16, 12, 0));
    assert_eq!(draw(&lossless.fragments(&[b"", b"\xFF\xD8"]).file(), &view(1, None)), Err(Undrawn::Unsupported));
}

/// What the corpus holds that is not shown, and why; every other file is.
const NOT_SHOWN: [(&str, Undrawn); 12] = [
    ("CT0012.not_fragmented_bot_jpeg_ls.80.dcm", Undrawn::Unsupported),
    ("CT2_JLSN", Undrawn::Unsupported),
    ("DICOMDIR", Undrawn::NoPicture),
    ("JPEG-lossy.dcm", Undrawn::Unsupported),
    ("MR_small_jpeg_ls_lossless.dcm", Undrawn::Unsupported),
    ("XA1_JPLY", Undrawn::Unsupported),
    ("encapsulated_pdf_simhospital_note1.dcm", Undrawn::NoPicture),
    ("reportsi.dcm", Undrawn::NoPicture),
    ("sm_image_jpegls.dcm", Undrawn::Unsupported),
    ("sr_document.dcm", Undrawn::NoPicture),
    ("test-SR.dcm", Undrawn::NoPicture),
    ("waveform_ecg.dcm", Undrawn::NoPicture),
];

#[test]
fn every_picture_of_the_corpus_is_shown_or_says_why_not() {
    let files = corpus();
    for (name, file) in &files {
        let expected = NOT_SHOWN.iter().find(|(hidden, _)| hidden == name).map(|(_, reason)| *reason);
        assert_eq!(draw(file, &view(1, None)).err(), expected, "{name}");
    }
    let bytes = |name: &str| files.iter().find(|(own, _)| own == name).map(|(_, file)| file.clone());
    let Some(ultrasound) = bytes("IM00001.fragmented_no_bot_jpeg_baseline.50.dcm") else { return };
    let frames: Vec<Vec<u8>> = (1..=8).map(|frame| draw(&ultrasound, &view(frame, None)).unwrap()).collect();
    assert!(frames.windows(2).all(|pair| pair[0] != pair[1]), "fragments were joined to the wrong frames");
    assert_eq!(draw(&ultrasound, &view(9, None)), Err(Undrawn::NoFrame));
}

#[test]
fn one_picture_looks_the_same_in_every_syntax() {
    let files = corpus();
    let look = |name: &str| {
        let (_, file) = files.iter().find(|(own, _)| own == name)?;
        Some(drawn(file, &view(1, window(600.0, 1_600.0))))
    };
    let Some(plain) = look("MR_small.dcm") else { return };
    for same in ["MR_small_implicit.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"] {
        assert_eq!(look(same).as_ref(), Some(&plain), "{same}");
    }
}

/// The files of the corpus by name, folders left out; none where there is no corpus beside the package.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible/dicom"));
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: no corpus beside the package");
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file());
    let named = files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
    named.filter(|(name, _)| !name.ends_with(".tsv")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// JPEG 2000 is left out: its decoder is foreign to the language's safety, and is met in a process of its own.
    #[test]
    fn damage_to_a_picture_is_an_error_and_never_a_panic(
        kind in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        frame in 1..3_u32,
    ) {
        let runs = [&[1, 0, 0, 0, 64, 0, 0, 0][..], &[0; 56], &[0xFD, 9, 1, 7, 8, 0x80]].concat();
        let made = |syntax| Made::new(syntax).picture(1, "MONOCHROME2", "2", (2, 2), (8, 8, 0));
        let mut file = match kind {
            0 => ct().text(0x1050, "40").text(0x1051, "400").text(0x1052, "-1024").words(&[1, 2, 3, 4]).file(),
            1 => made("1.2.840.10008.1.2.5").fragments(&[b"", &runs, &runs]).file(),
            2 => made("1.2.840.10008.1.2.4.50").fragments(&[b"\0\0\0\0", JPEG]).file(),
            _ => made(syntax::EXPLICIT_LITTLE).words(&[1, 2, 3, 4]).file(),
        };
        for (place, byte) in changes {
            let place = 128 + place.index(file.len() - 128);
            file[place] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        for form in [Form::Png, Form::Samples, Form::Description, Form::Jpeg { quality: 80 }] {
            let _ = draw(&file, &View { form, ..view(frame, None) });
        }
        let _ = stored_frame(&file, frame);
    }
}

/// A grey JPEG of two rows and two columns, without its pixels' end.
const JPEG: &[u8] = b"\xFF\xD8\xFF\xDB\0\x43\0\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xFF\xC0\0\x0B\x08\0\x02\0\x02\x01\x01\x11\0\xFF\xC4\0\x14\0\x01\0\0\
\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xC4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xDA\0\x08\x01\x01\0\0\x3F\0\x7F\xFF\xD9";
