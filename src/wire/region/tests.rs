//! Proves the region's files on a small sample: what loads, and what each file is refused for.

use rust_decimal::Decimal;

use super::*;
use crate::domain::catalogue::LaboratoryItem;
use crate::domain::value::{Comparator, Incomparable};

fn load() -> (Catalogue, Policy) {
    load_region(&sample()).unwrap()
}

/// Loads the sample with one file changed.
fn with(file: RegionFile, change: impl Fn(&str) -> String) -> Result<(Catalogue, Policy), RegionError> {
    let sample = sample();
    let whole = |name: &str| match RegionFile::ALL.into_iter().find(|file| file.name() == name)? {
        RegionFile::Catalogue => Some(sample.catalogue),
        RegionFile::Units => Some(sample.units),
        RegionFile::Conversions => Some(sample.conversions),
        RegionFile::Panels => Some(sample.panels),
        RegionFile::BodyParts => Some(sample.body_parts),
        RegionFile::Reasons => Some(sample.reasons),
        RegionFile::Policy => Some(sample.policy),
        RegionFile::Mapping => None,
    };
    let changed = change(std::str::from_utf8(whole(file.name()).unwrap()).unwrap());
    let files = RegionFiles::pick(|name| if name == file.name() { Some(changed.as_bytes()) } else { whole(name) });
    load_region(&files.unwrap())
}

#[test]
fn the_sample_region_holds_what_it_should() {
    let (catalogue, policy) = load();
    assert_eq!(catalogue.items.len(), 179);
    assert_eq!(policy.windows.len(), 179);
    assert_eq!(policy.reasons.len(), 16);
    assert!(catalogue.panels.len() >= 20);
    let hiv = "L02037".parse().unwrap();
    assert!(policy.never_prompt.contains(&hiv) && policy.sensitive.contains(&hiv));
    let potassium = catalogue.item("L01001".parse().unwrap()).unwrap();
    assert_eq!(catalogue.by_loinc.get(&"2823-3".parse().unwrap()), Some(&potassium.code));
    assert_eq!(catalogue.by_loinc.get(&"4548-4".parse().unwrap()), Some(&"L01029".parse().unwrap()));
    assert_eq!(catalogue.by_loinc.get(&"59261-8".parse().unwrap()), None, "HbA1c IFCC is no HbA1c NGSP");
    assert_eq!(policy.longest_window().0, 4320);
}

/// How a test spoils a file.
type Change = Box<dyn Fn(&str) -> String>;

#[test]
fn wrong_files_are_refused_with_their_place() {
    use RegionFault::{ColumnMissing, ColumnUnknown, Dangling, LoincCheck, Misplaced, Twice, Value};
    use RegionFile::{BodyParts, Catalogue, Conversions, Panels, Policy, Reasons, Units};
    let double_last_row = |text: &str| format!("{text}{}\n", text.lines().last().unwrap());
    let cases: [(RegionFile, Change, RegionFault); 15] = [
        (Catalogue, Box::new(|text| text.replacen("programme", "program", 1)), ColumnUnknown),
        (Catalogue, Box::new(|text| text.replacen("item,name_zh", "item,item", 1)), ColumnMissing),
        (Catalogue, Box::new(double_last_row), Twice),
        (Catalogue, Box::new(|text| text.replacen("2823-3", "2823-4", 1)), LoincCheck { expected: 3 }),
        (Catalogue, Box::new(|text| text.replacen("2951-2", "2823-3", 1)), Twice),
        (Catalogue, Box::new(|text| text.replacen("168,24,no", "-1,24,no", 1)), Value),
        (Catalogue, Box::new(|text| text.replacen("DX|CR,CHEST", "DX|CR,CHESTS", 1)), Dangling),
        (Catalogue, Box::new(|text| text.replacen("any,no,no,,,,,,", "any,no,no,CT,,,,,", 1)), Misplaced),
        (Units, Box::new(|text| text.replacen("g/l|gm/L", "mmol/l|gm/L", 1)), Twice),
        (Conversions, Box::new(|text| text.replacen("L01011", "L99999", 1)), Dangling),
        (Panels, Box::new(|text| text.replacen("L03001", "L99999", 1)), Dangling),
        (BodyParts, Box::new(|text| text.replacen("UPPER_ABDOMEN,ABDOMEN", "UPPER_ABDOMEN,BELLY", 1)), Dangling),
        (Reasons, Box::new(double_last_row), Twice),
        (Policy, Box::new(|text| text.replacen("grace_days = 60", "grace_days = 600", 1)), Value),
        (Policy, Box::new(|text| text.replacen("[visits]", "[visits]\nsurprise = 1", 1)), RegionFault::Form),
    ];
    for (place, (file, change, reason)) in cases.iter().enumerate() {
        let error = with(*file, change).expect_err("the file is wrong");
        assert_eq!((error.file, error.reason), (*file, *reason), "case {place}: {error}");
    }
    let wrong = |text: &str| text.replacen("2823-3", "2823-4", 1);
    for error in [with(Catalogue, wrong), with(Catalogue, |text| wrong(text).replace('\n', "\r\n"))] {
        let error = error.unwrap_err();
        assert_eq!((error.line.unwrap().get(), error.column.as_str()), (2, "loinc"));
    }
}

#[test]
fn break_glass_is_allowed_unless_the_policy_denies_it() {
    let glass = |from: &str, to: &str| {
        with(RegionFile::Policy, |text| text.replace(from, to)).ok().map(|(_, policy)| policy.break_glass)
    };
    assert_eq!(glass("", ""), Some(true));
    assert_eq!(glass("break_glass = \"allow\"", "break_glass = \"deny\""), Some(false));
    assert_eq!(glass("break_glass = \"allow\"", "break_glass = \"ask\""), None);
}

#[test]
fn no_prefix_of_a_file_panics() {
    for file in RegionFile::ALL {
        for cut in (0..400).step_by(67) {
            let _ = with(file, |text| text.chars().take(cut).collect());
        }
    }
}

fn convert(item: &str, number: &str, unit: &str) -> Result<String, Incomparable> {
    let (catalogue, _) = load();
    let item = catalogue.item(item.parse().unwrap()).unwrap();
    let laboratory: &LaboratoryItem = item.laboratory().unwrap();
    let number: Decimal = number.parse().unwrap();
    let quantity = catalogue.units.convert(laboratory, Comparator::Equal, number, unit)?;
    Ok(format!("{} {}", quantity.number.normalize(), quantity.unit))
}

#[test]
fn units_convert_only_by_an_explicit_rule() {
    for (item, number, unit, converted) in [
        ("L01001", "4.1", "mmol/L", "4.1 mmol/L"),
        ("L01001", "4.1", "MMOLL", "4.1 mmol/L"),
        ("L01001", "4.1", "mEq/L", "4.1 mmol/L"),
        ("L01020", "80", "μmol/L", "80 umol/L"),
        ("L01020", "80", "µmol/l", "80 umol/L"),
        ("L01020", "1", "mg/dL", "88.401697 umol/L"),
        ("L01022", "90.078", "MG/DL", "5 mmol/L"),
        ("L03001", "6.5", "10^9/L", "6.5 10*9/L"),
        ("L03001", "6.5", "×10⁹/L", "6.5 10*9/L"),
        ("L03001", "6.5", "G/L", "6.5 10*9/L"),
        ("L03001", "6.5", "10*3/uL", "6.5 10*9/L"),
        ("L03001", "6500", "/uL", "6.5 10*9/L"),
        ("L03003", "13.5", "gm/dl", "135 g/L"),
        ("L03005", "0.42", "L/L", "42 %"),
        ("L01011", "35", "IU/L", "35 U/L"),
        ("L01041", "120", "ug/L", "120 ng/mL"),
        ("L02007", "2.5", "uIU/mL", "2.5 m[IU]/L"),
        ("L04002", "1.1", "", "1.1 {INR}"),
        ("L04006", "500", "ng/mL FEU", "0.5 mg/L{FEU}"),
    ] {
        assert_eq!(convert(item, number, unit).as_deref(), Ok(converted), "{item} {unit}");
    }
}

#[test]
fn what_no_rule_converts_is_never_guessed() {
    for (item, unit, fact) in [
        ("L03003", "G/L", Incomparable::UnitUnknown),
        ("L01008", "G/L", Incomparable::UnitUnknown),
        ("L01019", "mg/dL", Incomparable::UnitUnknown),
        ("L01029", "mmol/mol", Incomparable::UnitUnknown),
        ("L01036", "nmol/L", Incomparable::UnitUnknown),
        ("L04006", "mg/L", Incomparable::UnitUnknown),
        ("L04006", "mg/L DDU", Incomparable::UnitUnknown),
        ("L06001", "copies/mL", Incomparable::UnitUnknown),
        ("L02024", "IU/mL", Incomparable::UnitUnknown),
        ("L01001", "mmol", Incomparable::UnitUnknown),
        ("L01001", "", Incomparable::UnitMissing),
        ("L02001", "mmol/L", Incomparable::ValueKind),
    ] {
        assert_eq!(convert(item, "1", unit), Err(fact), "{item} {unit}");
    }
}

const MAPPING: &str = "system,local_code,local_name,item,unit,specimen,factor
LIS,12,钾,L01001,,,
,112,肌酐,L01020,umol/L,血清,0.1
";

#[test]
fn local_codes_map_whole_and_the_table_goes_first() {
    use crate::domain::entry::LocalCode;
    use crate::domain::mapping::Unmapped;
    use crate::domain::specimen::Specimen;
    let (catalogue, _) = load();
    let mapping = load_mapping(MAPPING.as_bytes(), &catalogue).unwrap();
    let local = |system: &str, code: &str| LocalCode { code: code.into(), name: "钾".into(), system: system.into() };
    let sodium = ["2951-2".parse().unwrap()];
    let map = |system, code, loincs| mapping.map(&local(system, code), loincs, None, &catalogue);
    assert_eq!(map("LIS", "12", &sodium).unwrap().item, "L01001".parse().unwrap(), "the table goes before LOINC");
    assert_eq!(map("X", "12", &[]), Err(Unmapped::Unknown), "another system's 12");
    assert_eq!(map("X", "2", &[]), Err(Unmapped::Unknown), "2 is inside 12 only as letters");
    let by_loinc = map("X", "NA", &sodium).unwrap();
    assert_eq!((by_loinc.item, by_loinc.specimen), ("L01002".parse().unwrap(), Some(Specimen::SerumOrPlasma)));
    let two = ["2951-2".parse().unwrap(), "2823-3".parse().unwrap()];
    assert_eq!(map("X", "NA", &two), Err(Unmapped::Ambiguous));
    let creatinine = map("X", "112", &[]).unwrap();
    let quantity = creatinine.quantity(Comparator::Equal, Decimal::from(800), "", &catalogue).unwrap();
    assert_eq!((quantity.number.normalize(), quantity.unit.as_str()), (Decimal::from(80), "umol/L"));
    let twice = format!("{MAPPING}LIS,12,钠,L01002,,,\n");
    assert_eq!(load_mapping(twice.as_bytes(), &catalogue).unwrap_err().reason, RegionFault::Twice);
}

#[test]
fn suggestions_rank_name_and_unit_for_people() {
    use crate::domain::mapping::suggest;
    let (catalogue, _) = load();
    let first = |name: &str, unit: &str| suggest(name, unit, &catalogue, 5).first().map(|one| one.item.to_string());
    assert_eq!(first("ALT", "U/L").as_deref(), Some("L01011"));
    assert_eq!(first("白细胞", "10^9/L").as_deref(), Some("L03001"));
    assert_eq!(first("肌酐", "umol/L").as_deref(), Some("L01020"));
    assert_eq!(first("完全不同的名字", "个"), None);
}

#[test]
fn the_sample_tells_studies_apart() {
    use crate::domain::imaging::{Contrast, Coverage, Laterality};
    use crate::domain::mapping::{ImagingTerms, coverage_of, items_shown};
    let (catalogue, _) = load();
    let read = |modality, body_part, laterality, views: &[&str], contrast| {
        let views = views.iter().map(|view| (*view).to_owned()).collect();
        let shown = coverage_of(&ImagingTerms { modality, body_part, laterality, views: &views, contrast }, &catalogue);
        let shown: Coverage = shown.unwrap();
        let items = items_shown(&shown, &catalogue).iter().map(ToString::to_string).collect::<Vec<_>>();
        (shown.laterality, items.join(" "))
    };
    let plain = |modality, part| read(modality, part, "", &[], Contrast::Plain).1;
    assert_eq!(read("DX", "CHEST", "", &["PA", "LL"], Contrast::NotApplicable).1, "E01001 E01002");
    assert_eq!(plain("CT", "ABDOMEN"), "E02005", "全腹部 holds 上腹部, and there is no plain whole-abdomen item");
    assert_eq!(plain("CT", "BRAIN"), "E02001");
    assert_eq!(read("MR", "KNEE", "R", &[], Contrast::Plain), (Laterality::Right, "E03006".to_owned()));
    assert_eq!(read("MR", "KNEE", "", &[], Contrast::Plain).0, Laterality::Unknown);
    assert_eq!(read("ECG", "HEART", "", &["HOLTER24H"], Contrast::NotApplicable).1, "E06002");
}
