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
        let mut study = StudyFacts::new(read(&files[0]).study);
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
    let mut study = StudyFacts::new(picture.study.clone());
    study.take(&report, record(&report)).unwrap();
    assert_eq!(study.modality(), Some("SR"));
    study.take(&picture, record(&picture)).unwrap();
    assert_eq!(study.modalities.iter().collect::<Vec<_>>(), ["CT"]);
    report.patient.id = Some(crate::domain::phi::Phi::new("somebody else".into()));
    report.sop_instance = Uid::parse("1.2.3").unwrap();
    assert_eq!(study.take(&report, record(&report)), Err(study::StudyError::OtherPatient));
}

#[test]
fn every_truncation_of_a_picture_is_refused() {
    let Some(folder) = corpus() else { return };
    for Recorded { path, parts } in recorded(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let step = (bytes.len() / 400).max(1);
        let is_picture = parts[4] != "-x-" && !path.ends_with("image_dfl.dcm");
        let trailer = trailing_bytes(&bytes);
        for length in (0..bytes.len()).step_by(step) {
            let read = read_file(&bytes[..length]);
            if is_picture && bytes.len() - length > trailer {
                assert!(read.is_err(), "{path:?} cut at {length} of {}", bytes.len());
            }
        }
    }
}

/// Counts the bytes behind the pixel data: cut there, a picture is whole, and only its padding is gone.
fn trailing_bytes(bytes: &[u8]) -> usize {
    let Ok(file) = part10::split(bytes) else { return bytes.len() };
    let Ok(form) = syntax::form(file.transfer_syntax.as_str()) else { return bytes.len() };
    let Ok(walked) = precheck::walk(file.data_set, form.encoding) else { return bytes.len() };
    let behind = walked.elements().iter().find(|element| element.tag.group() > 0x7FE0);
    behind.map_or(0, |element| file.data_set.len() - element.offset)
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
fn an_instance_must_name_itself_and_what_it_belongs_to() {
    let whole = least(b"");
    assert!(read_instance(&whole, syntax::EXPLICIT_LITTLE).is_ok());
    assert!(matches!(read_instance(&whole[12..], syntax::EXPLICIT_LITTLE), Err(DicomError::Missing { .. })));
    let traversal = least(b"\x08\x00\x18\x00UI\x04\x00../\0");
    let renamed: Vec<u8> = [&traversal[..12], &traversal[24..]].concat();
    assert!(matches!(read_instance(&renamed, syntax::EXPLICIT_LITTLE), Err(DicomError::Uid { .. })));
    let command = [b"\x00\x00\x00\x01US\x02\x00\x01\x00".as_slice(), &whole].concat();
    assert!(matches!(read_instance(&command, syntax::EXPLICIT_LITTLE), Err(DicomError::Group { .. })));
    let picture = least(b"\x28\x00\x10\x00US\x02\x00\x10\x00\x28\x00\x11\x00US\x02\x00\x10\x00");
    assert!(matches!(read_instance(&picture, syntax::EXPLICIT_LITTLE), Err(DicomError::Missing { .. })));
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
