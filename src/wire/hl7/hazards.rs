//! What senders do that the standard does not foresee, one test each.

use super::coded::Unit;
use super::error::{Hl7Error, Place, Problem};
use super::report::Report;
use super::status::{ObservationStatus, ReportStatus};
use super::value::Value;
use super::{SourceSettings, read};
use crate::domain::fault::{Fault, Faulty};

const HEADER: &str = "MSH|^~\\&|LIS|LAB|EMR|H|20240615103000||ORU^R01|1|P|2.5\r";
const PID: &str = "PID|1||7^^^H&1.2.3&ISO^MR~8^^^^SS||张^三||19700101|男\r";
const OBR: &str = "OBR|1|P1|F1|CBC^血常规^L|||20240615100000|||||||||||||||20240615102000|||F\r";

fn reading(text: &str) -> Result<Vec<Report>, Hl7Error> {
    let mut readings = read(text.as_bytes(), &SourceSettings::default());
    assert_eq!(readings.len(), 1);
    readings.remove(0)
}

fn with_results(segments: &str) -> Report {
    reading(&[HEADER, PID, OBR, segments].concat()).unwrap().remove(0)
}

fn unit(field: &str) -> Option<Unit> {
    with_results(&format!("OBX|1|NM|WBC||6.5|{field}|||||F\r")).observations.remove(0).unit
}

fn value(kind: &str, field: &str) -> Vec<Value> {
    with_results(&format!("OBX|1|{kind}|WBC||{field}||||||F\r")).observations.remove(0).values
}

fn comparison(kind: &str, field: &str) -> [String; 4] {
    match value(kind, field).remove(0) {
        Value::Structured(number) => [number.comparator, number.first, number.separator, number.second],
        other => panic!("{other:?}"),
    }
}

fn text(kind: &str, field: &str) -> String {
    match value(kind, field).remove(0) {
        Value::Text(text) => text.reveal().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn units_are_found_wherever_the_caret_put_them() {
    for (field, code, is_repaired) in [
        ("10^9/L", "10^9/L", true),
        ("10\\S\\9/L", "10^9/L", false),
        ("^ug/L", "ug/L", false),
        ("kg/m^2", "kg/m^2", true),
        ("10^-3.mol", "10^-3.mol", true),
        ("mg/dL^milligram per deciliter^UCUM", "mg/dL", false),
    ] {
        let found = unit(field).unwrap();
        assert_eq!((found.code.as_str(), found.is_repaired), (code, is_repaired), "{field}");
    }
    assert_eq!(unit("mg/dL^milligram per deciliter^UCUM").unwrap().system, "UCUM");
    assert_eq!(unit("\"\""), None);
}

#[test]
fn values_follow_their_type_and_odd_numbers_stay_what_they_are() {
    assert_eq!(value("NM", " 7.20 "), [Value::Numeric("7.20".into())]);
    assert_eq!(value("NM", "60~120"), [Value::Numeric("60".into()), Value::Numeric("120".into())]);
    assert_eq!(comparison("NM", "<0.5"), ["<", "0.5", "", ""]);
    assert_eq!(comparison("NM", "≥100"), [">=", "100", "", ""]);
    assert_eq!(comparison("SN", ">^100"), [">", "100", "", ""]);
    assert_eq!(comparison("SN", "^1^:^128"), ["", "1", ":", "128"]);
    assert_eq!(value("SN", "182"), [Value::Numeric("182".into())]);
    assert_eq!(text("NM", "阴性"), "阴性");
    assert_eq!(text("NM", "1e5"), "1e5");
    assert_eq!(text("ST", "5.8"), "5.8");
    assert_eq!(text("FT", "一\\.br\\二~三"), "一\n二\n三");
    assert_eq!(value("", "28"), [Value::Numeric("28".into())]);
    assert_eq!(text("", "+"), "+");
    assert_eq!(text("ZZ", "a^b"), "a^b");
    assert_eq!(value("NM", "\"\""), []);
    assert!(matches!(&value("TS", "20240615")[..], [Value::Time(day)] if day.is_date_only()));
    assert_eq!(text("DT", "20241301"), "20241301");
    assert!(matches!(&value("CWE", "A^甲^L~B")[..], [Value::Coded(one), Value::Coded(_)] if one.first.text == "甲"));
}

#[test]
fn documents_are_decoded_or_the_message_is_refused() {
    for (field, media_type) in [
        ("^application^pdf^Base64^JVBERg==", "application/pdf"),
        ("^^PDF^Base64^JVBE\\.br\\Rg", "application/pdf"),
        ("^IM^JPEG^Hex^25504446", "image/jpeg"),
        ("^TEXT^^A^%PDF", "text/plain"),
    ] {
        let found = value("ED", field);
        let [Value::Attachment(document)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((document.media_type.as_str(), document.bytes.reveal().as_slice()), (media_type, &b"%PDF"[..]));
    }
    let broken = reading(&[HEADER, PID, OBR, "OBX|1|NM|A||1\rOBX|2|ED|B||^^PDF^Base64^J\r"].concat()).unwrap_err();
    assert_eq!(broken, Hl7Error::new(Place::field("OBX", 2, 5), Problem::AttachmentUnreadable));
}

#[test]
fn statuses_that_belong_elsewhere_never_make_a_result_final() {
    let report = with_results("OBX|0|NM|A||1||||||W\rOBX|1|NM|B||2||||||0\rOBX|2|NM|C||3\rOBX|3|NM|D||4||||||f\r");
    let statuses: Vec<_> = report.observations.iter().map(|one| one.status).collect();
    use ObservationStatus::{Final, Unstated, Wrong};
    assert_eq!(statuses, [Wrong, Final, Final, Unstated]);
    let wrong = reading(&[HEADER, PID, &OBR.replace("|||F\r", "|||W\r"), "OBX|1|NM|A||1\r"].concat()).unwrap();
    assert_eq!((wrong[0].status, wrong[0].observations[0].status), (ReportStatus::Unmapped, Unstated));
}

#[test]
fn text_lines_are_joined_but_not_across_codes_or_sub_ids() {
    let report = with_results(
        "OBX|1|TX|R^所见^L||一||||||F\rOBX|2|TX|R^所见^L||||||||F\rOBX|3|TX|R^所见^L||二||||||F\r\
         OBX|4|TX|R^所见^L|2|三||||||F\rOBX|5|TX|S^结论^L||四||||||F\r",
    );
    assert_eq!(report.observations.len(), 3);
    assert_eq!(report.narrative().reveal(), "一\n\n二\n三\n四");
}

#[test]
fn a_clinical_time_that_does_not_exist_is_refused_and_a_shifted_field_is_not_a_time() {
    for (wrong, place) in [
        (OBR.replace("20240615100000", "20241315100000"), Place::field("OBR", 1, 7)),
        (OBR.replace("20240615100000", "00000000"), Place::field("OBR", 1, 7)),
    ] {
        let refused = reading(&[HEADER, PID, &wrong].concat()).unwrap_err();
        assert_eq!(refused, Hl7Error::new(place, Problem::TimeUnreadable));
    }
    let shifted = reading(&[HEADER, PID, &OBR.replace("20240615102000", "检验科")].concat()).unwrap();
    assert_eq!(shifted[0].reported.map(super::time::written).unwrap(), "20240615103000+0800");
    let born = reading(&[HEADER, &PID.replace("19700101", "0000"), OBR].concat()).unwrap();
    assert_eq!(born[0].patient.birth_date, None);
}

#[test]
fn the_time_of_receipt_never_passes_for_that_of_collection() {
    let obr = "OBR|1|P1|F1|CBC||||||||||20240615101500|血清||||||||||F\r";
    let unknown = reading(&[HEADER, PID, obr, "OBX|1|NM|A||1\r"].concat()).unwrap().remove(0);
    assert_eq!((unknown.collected, unknown.received.is_some()), (None, true));
    let specimen =
        reading(&[HEADER, PID, obr, "OBX|1|NM|A||1\rSPM|1|||SER|||||||||||||202406150900\r"].concat()).unwrap();
    assert_eq!(specimen[0].collected.map(super::time::written).unwrap(), "20240615090000+0800");
}

#[test]
fn each_order_and_each_patient_keeps_its_own_results() {
    let second = "PID|2||9\rORC|RE|P9|F9\rOBR|1|||GLU^糖^L|||20240615\rOBX|1|NM|GLU||5.1\r";
    let text = [HEADER, PID, OBR, "NTE|1||医嘱\rOBX|1|NM|A||1\rNTE|1||甲\rNTE|2||乙\r", second].concat();
    let reports = reading(&text).unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!((reports[0].notes.len(), reports[0].observations[0].notes.len()), (1, 2));
    assert_eq!(reports[0].patient.identifiers[0].authority_universal, "1.2.3");
    assert_eq!(reports[1].patient.identifiers[0].value.reveal(), "9");
    assert_eq!(reports[1].filler.as_ref().unwrap().value, "F9");
    assert!(reports[1].notes.is_empty());
}

#[test]
fn specimen_messages_keep_specimens_and_their_orders_together() {
    let header = HEADER.replace("ORU^R01", "OUL^R22");
    let text = [
        header.as_str(),
        PID,
        "SPM|1|S1||BLD\rOBX|1|NM|VOL||5|mL\rOBR|1||F1|A\rORC|SC|P1\rOBX|1|NM|A||1|||||F\rOBR|2||F2|B\rORC|SC|P2\rOBX|1|NM|B||2\r\
         SPM|2|S2||URN\rOBR|3||F3|C\rOBX|1|NM|C||3\r",
    ];
    let reports = reading(&text.concat()).unwrap();
    let summary: Vec<_> = reports
        .iter()
        .map(|one| {
            let placer = one.placer.as_ref().map_or("", |placer| placer.value.as_str());
            (one.specimen_number.as_deref().unwrap(), placer, one.observations.len(), one.context.len())
        })
        .collect();
    assert_eq!(summary, [("S1", "P1", 1, 1), ("S1", "P2", 1, 1), ("S2", "", 1, 0)]);
    let by_order = HEADER.replace("ORU^R01", "OUL^R24");
    let results = [&by_order, PID, OBR, "SPM|1|S1||BLD\rOBX|1|NM|A||1\r"].concat();
    assert_eq!(reading(&results).unwrap()[0].observations.len(), 1);
}

#[test]
fn what_cannot_be_filed_is_refused_by_name() {
    for (text, place, fault) in [
        ([HEADER, OBR].concat(), Place::field("PID", 1, 3), Fault::BadInput),
        ([HEADER, "PID|1||\"\"\r", OBR].concat(), Place::field("PID", 1, 3), Fault::BadInput),
        ([HEADER, "PID|1||", &"7".repeat(129), "\r", OBR].concat(), Place::field("PID", 1, 3), Fault::BadInput),
        ([HEADER, PID].concat(), Place::field("OBR", 1, 0), Fault::BadInput),
        ([&HEADER.replace("|1|P|", "||P|"), PID, OBR].concat(), Place::header(10), Fault::BadInput),
        ([&HEADER.replace("ORU^R01", ""), PID, OBR].concat(), Place::header(9), Fault::BadInput),
        ([&HEADER.replace("R01", "R99"), PID, OBR].concat(), Place::header(9).component(2), Fault::Denied),
        ([&HEADER.replace("ORU^R01", "ADT^A01"), PID].concat(), Place::header(9).component(1), Fault::Denied),
    ] {
        let refused = reading(&text).unwrap_err();
        assert_eq!((refused.place, refused.fault()), (place, fault));
    }
    let by_number = reading(&[HEADER, "PID|1|42\r", OBR].concat()).unwrap();
    assert_eq!(by_number[0].patient.identifiers[0].value.reveal(), "42");
}

#[test]
fn nothing_of_a_patient_is_in_an_error_or_a_debug_text() {
    let shown = format!("{:?}", with_results("OBX|1|TX|A||张三 CANARY||||||F\r"));
    assert!(!shown.contains("CANARY") && !shown.contains('张') && !shown.contains("1970"));
    let refused = reading(&[HEADER, PID, &OBR.replace("20240615100000", "20249999CANARY")].concat()).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("CANARY"));
}

proptest::proptest! {
    #[test]
    fn any_prefix_of_a_message_is_read_or_refused(length in 0usize..400) {
        let text = [HEADER, PID, OBR, "OBX|1|SN|A^血^L||>^100|10^9/L|1-2|H~L|||F|||20240615\rNTE|1||甲\\.br\\乙\r"].concat();
        let bytes = text.as_bytes();
        for result in read(&bytes[..length.min(bytes.len())], &SourceSettings::default()) {
            drop(result);
        }
    }
}
