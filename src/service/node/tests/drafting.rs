//! What reports say, as drafts.

use super::world::{MAPPING, PUBLISHER, at, hash_of, message, of_patient, terms};
use crate::domain::entry::{Content, LaboratoryResult, ResultStatus};
use crate::domain::value::{Comparability, Comparator, Incomparable, Value};
use crate::service::node::report::ReportDesk;
use crate::service::node::sheet::{Change, Draft, Reason, Sheet};
use crate::wire::hl7::{self, SourceSettings};
use crate::wire::known_as::IdentifierTable;

pub(super) fn sheets(bytes: &[u8]) -> Vec<Sheet> {
    let (terms, identifiers) = (terms(MAPPING), IdentifierTable::usual());
    let desk = ReportDesk {
        publisher: PUBLISHER.parse().unwrap(),
        source: "LIS",
        control_id: "1",
        terms: &terms,
        identifiers: &identifiers,
        digest: hash_of("message"),
        size_bytes: 7,
        received_at: at("20260302120000"),
    };
    let reports = hl7::read(bytes, &SourceSettings::default());
    reports.into_iter().flatten().flatten().map(|report| desk.draft(&report)).collect()
}

fn sheet(lines: &[&str]) -> Sheet {
    sheets(message("1", "20260302080000", lines).as_bytes()).remove(0)
}

fn said(line: &str) -> Draft {
    let mut sheet = sheet(&[line]);
    assert_eq!((sheet.changes.len(), sheet.held.len(), sheet.unmapped.len()), (1, 0, 0), "{line}");
    let Change::Say(draft) = sheet.changes.remove(0) else { panic!("{line}") };
    *draft
}

fn laboratory(draft: &Draft) -> &LaboratoryResult {
    let Content::Laboratory(result) = &draft.content else { panic!("no laboratory result") };
    result
}

/// Comparator, number, unit, and number and unit as sent where they differ.
fn quantity(line: &str) -> (Comparator, String, String, Option<String>, Comparability) {
    let draft = said(line);
    let result = laboratory(&draft);
    let Value::Quantity(quantity) = &result.value else { panic!("{line}: {:?}", result.value) };
    let sent = quantity.as_sent.as_ref().map(|sent| format!("{} {}", sent.number, sent.unit));
    (quantity.comparator, quantity.number.to_string(), quantity.unit.clone(), sent, result.comparability.clone())
}

#[test]
fn numbers_come_in_the_items_unit_or_are_not_comparable() {
    use Comparability::{Comparable, NotComparable};
    let own = |comparator, number: &str, unit: &str| (comparator, number.into(), unit.into(), None, Comparable);
    let equal = Comparator::Equal;
    assert_eq!(quantity("NM|K^钾^L||4.10|mmol/L|3.5-5.3|N|||F"), own(equal, "4.10", "mmol/L"));
    assert_eq!(quantity("NM|WBC^白细胞^L||6.5|10^9/L||N|||F"), own(equal, "6.5", "10*9/L"));
    assert_eq!(quantity(r"NM|WBC^白细胞^L||6.5|10\S\9/L||N|||F"), own(equal, "6.5", "10*9/L"));
    assert_eq!(quantity("ST|K^钾^L||<0.5|mmol/L||||| F"), own(Comparator::Less, "0.5", "mmol/L"));
    let creatinine = quantity("NM|CREA^肌酐^L||1.0|mg/dL|||||F");
    assert_eq!(creatinine, (equal, "88.401697".into(), "umol/L".into(), Some("1.0 mg/dL".into()), Comparable));
    let unknown = quantity("NM|K^钾^L||4.1|mEq|||||F");
    assert_eq!(unknown, (equal, "4.1".into(), "mEq".into(), None, NotComparable(Incomparable::UnitUnknown)));
    assert_eq!(quantity("NM|K^钾^L||4.1||||||F").4, NotComparable(Incomparable::UnitMissing));
}

#[test]
fn words_in_place_of_a_number_are_shown_and_never_compared() {
    let haemolysed = said("NM|K^钾^L||标本溶血|mmol/L|||||F");
    assert_eq!(laboratory(&haemolysed).value, Value::Text("标本溶血".into()));
    assert_eq!(laboratory(&haemolysed).comparability, Comparability::NotComparable(Incomparable::ValueKind));
}

#[test]
fn statuses_follow_the_guide_and_nothing_unsaid_is_final() {
    let status = |code: &str| said(&format!("NM|K^钾^L||4.1|mmol/L|||||{code}")).status;
    for (code, expected) in [
        ("P", ResultStatus::Preliminary),
        ("F", ResultStatus::Final),
        ("U", ResultStatus::Final),
        ("V", ResultStatus::Final),
        ("C", ResultStatus::Corrected),
        ("A", ResultStatus::Corrected),
        ("", ResultStatus::Final),
        ("0", ResultStatus::Final),
        ("I", ResultStatus::Preliminary),
        ("R", ResultStatus::Preliminary),
        ("?", ResultStatus::Preliminary),
    ] {
        assert_eq!(status(code), expected, "{code}");
    }
    for code in ["D", "W", "X"] {
        let sheet = sheet(&[&format!("NM|K^钾^L||4.1|mmol/L|||||{code}")]);
        assert!(matches!(sheet.changes[..], [Change::Withdraw(..)]), "{code}");
    }
    assert!(matches!(sheet(&["NM|K^钾^L|||mmol/L|||||U"]).changes[..], [Change::Confirm(..)]));
    assert!(sheet(&["NM|K^钾^L|||mmol/L|||||I"]).changes.is_empty());
}

#[test]
fn a_cancelled_report_withdraws_all_of_it() {
    let cancelled = message("1", "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"]).replace("|||F\r", "|||X\r");
    let sheet = sheets(cancelled.as_bytes()).remove(0);
    assert!(matches!(sheet.changes[..], [Change::WithdrawReport(..)]));
}

#[test]
fn loinc_codes_map_where_the_table_does_not_and_likeness_never() {
    assert_eq!(said("NM|2823-3^Potassium^LN||4.1|mmol/L|||||F").items, ["L01001".parse().unwrap()]);
    assert_eq!(said("NM|KALIUM^钾^L^2823-3^K^LN||4.1|mmol/L|||||F").items, ["L01001".parse().unwrap()]);
    let sheet = sheet(&["NM|K2^钾^L||4.1|mmol/L|||||F", "NM|2823-4^Potassium^LN||4.1|mmol/L|||||F"]);
    let codes: Vec<_> = sheet.unmapped.iter().map(|unmapped| unmapped.code.code.as_str()).collect();
    assert_eq!((codes, sheet.changes.len()), (vec!["K2", "2823-4"], 0));
}

#[test]
fn what_cannot_be_placed_in_time_or_order_waits() {
    let whole = message("1", "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"]);
    for (from, to, reason) in
        [("20260302070000", "", Reason::NoCollectionTime), ("F1001^LIS", "", Reason::NoOrderNumber)]
    {
        let sheet = sheets(whole.replace(from, to).as_bytes()).remove(0);
        assert_eq!(sheet.held.iter().map(|held| held.reason).collect::<Vec<_>>(), [reason]);
        assert!(sheet.changes.is_empty());
    }
}

#[test]
fn work_sent_out_names_the_laboratory_that_did_it() {
    let line = "NM|K^钾^L||4.1|mmol/L|||||F||||91350211M000100Y46^某检验所";
    assert_eq!(said(line).laboratory, "91350211M000100Y46".parse().unwrap());
    assert_eq!(said("NM|K^钾^L||4.1|mmol/L|||||F||||检验科").laboratory, PUBLISHER.parse().unwrap());
    let performed =
        |xon: &str, producer: &str| said(&format!("NM|K^钾^L||4.1|mmol/L|||||F||||{producer}||||||||{xon}")).laboratory;
    let elsewhere = "91350211M000100Y46".parse().unwrap();
    assert_eq!(performed("某检验所^L^^^^USCC^XX^^^91350211M000100Y46", "检验科"), elsewhere);
    assert_eq!(performed("某检验所^L^91350211M000100Y46", ""), elsewhere);
    assert_eq!(performed("某检验所^L^7", "91350211M000100Y46"), elsewhere, "OBX-15 where OBX-23 holds no code");
    assert_eq!(performed("某检验所^L^^^^^^^^91350211M000100Y4X", ""), PUBLISHER.parse().unwrap(), "a mistyped code");
}

#[test]
fn documents_and_prose_find_their_place() {
    let pdf = sheet(&["NM|K^钾^L||4.1|mmol/L|||||F", "ED|PDF^报告^L||^application^pdf^Base64^JVBERi0=||||||F"]);
    assert_eq!(pdf.documents.len(), 1);
    let Change::Say(draft) = &pdf.changes[0] else { panic!() };
    let kinds: Vec<_> = draft.originals.iter().map(|original| original.media_type.as_str()).collect();
    assert_eq!(kinds, ["x-application/hl7-v2+er7", "application/pdf"]);
    let prose = sheet(&["TX|IMP^印象^L||双肺未见异常||||||F"]);
    assert_eq!(prose.held[0].reason, Reason::Narrative);
    let of_study = ["TX|IMP^印象^L||双肺未见异常||||||F", "ST|113014^Study Instance UID^DCM||1.2.3.4||||||F"];
    assert!(matches!(sheet(&of_study).changes[..], [Change::Attach(..)]));
}

#[test]
fn only_identifiers_of_the_table_are_drafted() {
    let weak = of_patient("P1^^^H1^XX", "1", "20260302080000", &["NM|K^钾^L||4.1|mmol/L|||||F"]);
    assert!(sheets(weak.as_bytes())[0].person.identifiers.is_empty());
}

#[test]
fn nothing_of_the_corpus_disappears() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible/hl7");
    let Ok(files) = std::fs::read_dir(folder) else {
        println!("skipped: no corpus");
        return;
    };
    let mut seen = 0;
    for path in files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|ext| ext != "tsv")) {
        let bytes = std::fs::read(&path).unwrap();
        for (place, reports) in hl7::read(&bytes, &SourceSettings::default()).into_iter().enumerate() {
            let Ok(reports) = reports else { continue };
            let says = |report: &hl7::report::Report| report.observations.iter().any(|one| !one.values.is_empty());
            let speaking = reports.iter().any(says);
            let message = hl7::batch::split_stream(&bytes).messages[place];
            let sheets = sheets(message);
            let told =
                sheets.iter().any(|one| !(one.changes.is_empty() && one.held.is_empty() && one.unmapped.is_empty()));
            assert!(told || !speaking, "{} message {place}", path.display());
            seen += usize::from(told);
        }
    }
    assert!(seen > 30, "{seen} messages said something");
}
