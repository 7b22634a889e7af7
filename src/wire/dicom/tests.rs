//! The corpus, and damage done to it: each file says what its record states, comes back byte for byte, and once cut
//! or changed is refused or read, never more.

use super::*;
use crate::domain::limits::DICOM_TEXT_CHARS_MAX;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible/dicom"));
    if !folder.is_dir() {
        eprintln!("skipped: no corpus beside the package");
        return None;
    }
    Some(folder.to_owned())
}
/// One line of the corpus' record: `[modality; class; syntax; frames n; RxC; charset c]`.
struct Recorded {
    path: PathBuf,
    parts: Vec<String>,
}

fn recorded(folder: &Path) -> Vec<Recorded> {
    let record = folder.join("PROVENANCE.tsv");
    let mut lines = csv::ReaderBuilder::new().delimiter(b'\t').from_path(record).unwrap();
    lines
        .records()
        .map(|line| {
            let line = line.unwrap();
            let inside = line[4].split_once('[').unwrap().1.to_owned();
            let parts = inside.split("; ").map(|part| part.split(" charset").next().unwrap().to_owned()).collect();
            Recorded { path: folder.join(&line[0]), parts }
        })
        .collect()
}

#[test]
fn every_corpus_file_says_what_its_record_states() {
    let Some(folder) = corpus() else { return };
    let all = recorded(&folder);
    assert!(all.len() > 40);
    for Recorded { path, parts } in all {
        let bytes = std::fs::read(&path).unwrap();
        if path.ends_with("DICOMDIR") {
            assert_eq!(read_file(&bytes).unwrap_err(), DicomError::NotAnInstance);
            continue;
        }
        let read = read_file(&bytes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let facts = &read.facts;
        assert_eq!(facts.acquisition.modality.as_ref(), Some(&parts[0]), "{path:?}");
        let named = part10::split(&bytes).unwrap().sop_class;
        assert_eq!(named.as_ref(), Some(&facts.sop_class), "{path:?}");
        assert_eq!(format!("frames {}", facts.picture.frames), parts[3], "{path:?}");
        let size = |size: Option<u32>| size.map_or("-".to_owned(), |size| size.to_string());
        let (rows, columns) = (size(facts.picture.rows), size(facts.picture.columns));
        let either = [format!("{columns}x{rows}"), format!("{rows}x{columns}")];
        assert!(either.contains(&parts[4]), "{path:?}: {either:?}");
        let file = part10::header(&read.transfer_syntax, &facts.sop_class, &facts.sop_instance);
        let rewritten = [file.as_slice(), read.data_set].concat();
        let again = read_file(&rewritten).unwrap();
        assert!(again.data_set == read.data_set && bytes.ends_with(again.data_set), "{path:?}");
        assert_eq!(again.transfer_syntax, read.transfer_syntax);
    }
}

#[test]
fn names_are_read_in_every_script_of_the_corpus() {
    let Some(folder) = corpus() else { return };
    let names = [
        ("chrFren.dcm", "Buc^Jérôme", "", ""),
        ("chrGB2312.dcm", "Zhang^XiaoDong", "张^小东", ""),
        ("chrH31.dcm", "Yamada^Tarou", "山田^太郎", "やまだ^たろう"),
        ("chrI2.dcm", "Hong^Gildong", "洪^吉洞", "홍^길동"),
        ("chrX1.dcm", "Wang^XiaoDong", "王^小東", ""),
        ("chrX2.dcm", "Wang^XiaoDong", "王^小东", ""),
    ];
    for (file, alphabetic, ideographic, phonetic) in names {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let facts = read_file(&bytes).unwrap().facts;
        let name = facts.patient.name.unwrap();
        let expected =
            PersonName { alphabetic: alphabetic.into(), ideographic: ideographic.into(), phonetic: phonetic.into() };
        assert_eq!(*name.reveal(), expected, "{file}");
        assert!(!facts.charset_guessed, "{file}");
    }
}

#[test]
fn facts_come_from_where_each_kind_of_object_keeps_them() {
    let Some(folder) = corpus() else { return };
    let read = |file: &str| read_file(&std::fs::read(folder.join(file)).unwrap()).unwrap().facts;
    let ct = read("CT_small.dcm");
    assert_eq!((ct.acquisition.contrast, ct.picture.slice_thickness_mm), (Some(true), Some(5.0)));
    assert_eq!(ct.acquisition.acquired.unwrap().offset_minutes(), Some(-300));
    assert_eq!(ct.acquisition.acquired.unwrap().moment(480).unwrap().unix_ms(), 862_417_776_000);
    let chest = read("dx_image.dcm").acquisition;
    assert_eq!((chest.body_part.as_deref(), chest.laterality), (Some("THORAX"), Some(facts::Laterality::Left)));
    let hand = read("RG3_J2KI.dcm").acquisition;
    assert_eq!((hand.laterality, hand.view.as_deref()), (Some(facts::Laterality::Right), Some("AP")));
    let enhanced = read("CT0012.not_fragmented_bot_jpeg_ls.80.dcm");
    assert!(enhanced.picture.slice_thickness_mm.is_some() && enhanced.picture.pixel_spacing_mm.is_some());
    assert_eq!(read("emri_small.dcm").acquisition.body_part.as_deref(), Some("HEAD"));
    assert!(read("image_dfl.dcm").patient.id.is_none());
}

#[test]
fn a_study_is_one_entry_whatever_the_order_of_its_instances() {
    let Some(folder) = corpus() else { return };
    let folder = folder.join("fileset_98892001");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| read_file(&std::fs::read(path).unwrap()).unwrap().facts;
    let fold = |files: &[PathBuf]| {
        let mut study = StudyFacts::new(read(&files[0]).study.unwrap());
        for path in files {
            let facts = read(path);
            let record = InstanceRecord { sop_class: facts.sop_class.clone(), sha256: [7; 32], size_bytes: 1 };
            assert_eq!(study.take(&facts, record.clone()), Ok(study::Taken::New));
            assert_eq!(study.take(&facts, record.clone()), Ok(study::Taken::Again));
            let other = InstanceRecord { sha256: [8; 32], ..record };
            assert_eq!(study.take(&facts, other), Err(study::StudyError::OtherContent));
        }
        study
    };
    let forward = fold(&files);
    files.reverse();
    assert_eq!(format!("{forward:?}"), format!("{:?}", fold(&files)));
    assert_eq!((forward.instance_count(), forward.series.len(), forward.modality()), (7, 2, Some("CT")));
    let thinnest = forward.series.values().filter_map(|series| series.slice_thickness_min_mm);
    assert_eq!(thinnest.fold(f64::MAX, f64::min), 2.5);
}

#[test]
fn a_report_does_not_change_what_a_study_is() {
    let Some(folder) = corpus() else { return };
    let read = |file: &str| read_file(&std::fs::read(folder.join(file)).unwrap()).unwrap().facts;
    let (picture, mut report) = (read("CT_small.dcm"), read("sr_document.dcm"));
    report.study = picture.study.clone();
    report.patient.id = picture.patient.id.clone();
    let record =
        |facts: &InstanceFacts| InstanceRecord { sop_class: facts.sop_class.clone(), sha256: [0; 32], size_bytes: 0 };
    let mut study = StudyFacts::new(picture.study.clone().unwrap());
    study.take(&report, record(&report)).unwrap();
    assert_eq!(study.modality(), Some("SR"));
    study.take(&picture, record(&picture)).unwrap();
    assert_eq!(study.modalities.iter().collect::<Vec<_>>(), ["CT"]);
    report.patient.id = Some(crate::domain::phi::Phi::new("somebody else".into()));
    report.sop_instance = Uid::parse("1.2.3").unwrap();
    assert_eq!(study.take(&report, record(&report)), Err(study::StudyError::OtherPatient));
}

#[test]
fn what_is_cut_inside_an_element_is_refused() {
    let Some(folder) = corpus() else { return };
    for Recorded { path, .. } in recorded(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(file) = part10::split(&bytes) else { continue };
        let form = syntax::form(file.transfer_syntax.as_str()).unwrap();
        let walked = precheck::walk(file.data_set, form.encoding);
        let begins = bytes.len() - file.data_set.len();
        // A deflated stream says where it ends; elsewhere what was cut between two elements cannot be told.
        let between: Vec<usize> = match &walked {
            Ok(walked) if !form.deflated => walked.elements().iter().map(|element| begins + element.offset).collect(),
            _ => Vec::new(),
        };
        let step = (bytes.len() / 400).max(1);
        let end = if form.deflated { bytes.len() - CHECKSUM_BYTES } else { bytes.len() };
        for length in (0..end).step_by(step).chain(between.iter().map(|place| place + 1)) {
            let is_refused = read_file(&bytes[..length]).is_err();
            assert!(is_refused || between.contains(&length), "{path:?} cut at {length} of {}", bytes.len());
        }
    }
}

/// Some writers close a deflated stream with a checksum, which the standard does not know.
const CHECKSUM_BYTES: usize = 8;

#[test]
fn native_pixels_must_be_as_many_as_the_picture_says() {
    let us = |tag: [u8; 4], value: u16| [&tag[..], b"US\x02\x00", &value.to_le_bytes()].concat();
    let picture =
        |(rows, columns): (u16, u16), bits: u16, samples: u16, photometric: &str, frames: &str, has: usize| {
            let mut tail = us([0x28, 0, 2, 0], samples);
            let text = |tag: [u8; 4], vr: &[u8; 2], text: &str| {
                [&tag[..], vr, &u16::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
            };
            tail.extend(text([0x28, 0, 4, 0], b"CS", photometric));
            tail.extend(text([0x28, 0, 8, 0], b"IS", frames));
            tail.extend([us([0x28, 0, 0x10, 0], rows), us([0x28, 0, 0x11, 0], columns)].concat());
            tail.extend(us([0x28, 0, 0, 1], bits));
            tail.extend([b"\xE0\x7F\x10\x00OB\0\0", &u32::try_from(has).unwrap().to_le_bytes()[..]].concat());
            tail.resize(tail.len() + has, 0);
            read_instance(&[least(b""), tail].concat(), syntax::EXPLICIT_LITTLE)
        };
    for (size, bits, samples, photometric, frames, demands) in [
        ((3, 3), 8, 1, "MONOCHROME2 ", "1 ", 9),
        ((3, 3), 1, 1, "MONOCHROME2 ", "3 ", 4),
        ((2, 4), 16, 1, "MONOCHROME2 ", "2 ", 32),
        ((2, 4), 8, 3, "RGB ", "1 ", 24),
        ((2, 4), 8, 3, "YBR_FULL_422", "1 ", 16),
        ((2, 4), 8, 3, "YBR_PARTIAL_420 ", "1 ", 12),
        ((2, 4), 8, 3, "RGB ", "0 ", 0),
    ] {
        assert!(picture(size, bits, samples, photometric, frames, demands).is_ok(), "{photometric} {frames}");
        assert!(picture(size, bits, samples, photometric, frames, demands + 1).is_ok(), "padding");
        if let Some(has) = demands.checked_sub(1) {
            let short = picture(size, bits, samples, photometric, frames, has);
            assert!(matches!(short, Err(DicomError::Pixels { .. })), "{photometric} {frames}: {short:?}");
        }
    }
    let endless = picture((u16::MAX, u16::MAX), u16::MAX, u16::MAX, "RGB ", "99999999999 ", 2);
    assert!(matches!(endless, Err(DicomError::Pixels { .. })));
}

#[test]
fn a_label_names_what_the_data_set_does_not() {
    let uid = |text| Uid::parse(text).unwrap();
    let (class, instance) = (uid("1.2"), uid("1.9"));
    let label = Label { sop_class: Some(&class), sop_instance: Some(&instance) };
    let nameless = b"\x10\x00\x20\x00LO\x02\x00P1";
    let facts = read_labelled(nameless, syntax::EXPLICIT_LITTLE, label).unwrap();
    assert_eq!((facts.sop_instance.as_str(), facts.study, facts.series), ("1.9", None, None));
    let named = read_labelled(&least(b""), syntax::EXPLICIT_LITTLE, label).unwrap();
    assert_eq!(named.sop_instance.as_str(), "1.3", "the data set comes first");
    let file = [part10::header(&uid(syntax::EXPLICIT_LITTLE), &class, &instance).as_slice(), nameless].concat();
    assert_eq!(read_file(&file).unwrap().facts.sop_instance.as_str(), "1.9");
    let half = Label { sop_class: Some(&class), sop_instance: None };
    assert!(matches!(read_labelled(nameless, syntax::EXPLICIT_LITTLE, half), Err(DicomError::Missing { .. })));
    assert!(read_labelled(b"", syntax::EXPLICIT_LITTLE, label).is_err());
}

#[test]
fn elements_without_representations_are_read_under_an_explicit_syntax() {
    let implicit = |tag: [u8; 4], value: &[u8]| [&tag[..], &[4, 0, 0, 0], value].concat();
    let ids = [implicit([8, 0, 0x16, 0], b"1.2\0"), implicit([8, 0, 0x18, 0], b"1.3\0")].concat();
    let jpeg = "1.2.840.10008.1.2.4.50";
    assert_eq!(read_instance(&ids, jpeg).unwrap().sop_instance.as_str(), "1.3");
    assert!(read_instance(&ids[..ids.len() - 1], jpeg).is_err());
}

#[test]
fn a_picture_without_pixels_is_taken() {
    let us = |tag: u8| [0x28, 0, tag, 0, b'U', b'S', 2, 0, 32, 0];
    let chart = [least(b"").as_slice(), &us(0x10), &us(0x11)].concat();
    let facts = read_instance(&chart, syntax::EXPLICIT_LITTLE).unwrap();
    assert_eq!((facts.picture.rows, facts.picture.columns), (Some(32), Some(32)));
}

#[test]
fn changed_bytes_never_panic() {
    let Some(folder) = corpus() else { return };
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut dice = move |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % sides as u64).unwrap()
    };
    for Recorded { path, .. } in recorded(&folder) {
        let whole = std::fs::read(&path).unwrap();
        // Pixels are opaque; what can go wrong stands before them.
        let head = whole.len().min(12_000);
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..1 + dice(6) {
                bytes[dice(head)] = [0, 0xFF, 0xFE, b'S', dice(256) as u8][dice(5)];
            }
            if let Ok(read) = read_file(&bytes) {
                let name = read.facts.order.study_description.unwrap_or_default();
                assert!(name.chars().count() <= DICOM_TEXT_CHARS_MAX);
            }
        }
    }
}

/// Writes a data set with the least an instance must have, in explicit little endian.
fn least(extra: &[u8]) -> Vec<u8> {
    let mut data_set = Vec::new();
    data_set.extend(b"\x08\x00\x16\x00UI\x04\x001.2\0\x08\x00\x18\x00UI\x04\x001.3\0");
    data_set.extend(extra);
    data_set.extend(b"\x20\x00\x0D\x00UI\x04\x001.4\0\x20\x00\x0E\x00UI\x04\x001.5\0");
    data_set
}

#[test]
fn an_instance_must_name_itself() {
    let whole = least(b"");
    assert!(read_instance(&whole, syntax::EXPLICIT_LITTLE).is_ok());
    assert!(matches!(read_instance(&whole[12..], syntax::EXPLICIT_LITTLE), Err(DicomError::Missing { .. })));
    let traversal = least(b"\x08\x00\x18\x00UI\x04\x00../\0");
    let renamed: Vec<u8> = [&traversal[..12], &traversal[24..]].concat();
    assert!(matches!(read_instance(&renamed, syntax::EXPLICIT_LITTLE), Err(DicomError::Uid { .. })));
    let command = [b"\x00\x00\x00\x01US\x02\x00\x01\x00".as_slice(), &whole].concat();
    assert!(matches!(read_instance(&command, syntax::EXPLICIT_LITTLE), Err(DicomError::Group { .. })));
}

#[test]
fn bare_data_sets_and_other_files() {
    let whole = least(b"");
    assert_eq!(read_file(&whole).unwrap().transfer_syntax.as_str(), syntax::EXPLICIT_LITTLE);
    for other in [b"".as_slice(), b"%PDF-1.7", b"MZ\x90\0\x03\0\0\0", &[0; 400]] {
        assert_eq!(read_file(other).unwrap_err(), DicomError::NotDicom);
    }
}

#[test]
fn nothing_of_the_patient_shows_in_debug_output() {
    let named = least(b"\x10\x00\x10\x00PN\x06\x00CANARY\x10\x00\x20\x00LO\x06\x00CANARY");
    let facts = read_instance(&named, syntax::EXPLICIT_LITTLE).unwrap();
    assert_eq!(facts.patient.id.as_ref().unwrap().reveal(), "CANARY");
    assert!(!format!("{facts:?}").contains("CANARY"));
}

proptest! {
    #[test]
    fn noise_behind_a_magic_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..3) {
        let start: &[u8] = match at { 0 => b"DICM\x02\x00", 1 => b"\x08\x00", _ => b"\x00\x08" };
        let _ = read_file(&[start, &bytes].concat());
    }
}
