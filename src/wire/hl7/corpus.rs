//! Every message of the sample collection, and what is to become of it.

use std::path::PathBuf;

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::charset::Charset;
use super::classify::is_acknowledgement;
use super::error::{Place, Problem};
use super::patient::Sex;
use super::status::ObservationStatus;
use super::value::Value;
use super::{Outcome, Reading, SourceSettings, batch, mllp, report::Report};
use crate::domain::fault::{Fault, Faulty};

/// What is to become of a file: its messages, their reports, and the results in these.
enum Expected {
    Taken { messages: usize, reports: usize, results: usize },
    Refused { fault: Fault, place: Place },
    Silence,
}
use Expected::{Refused, Silence, Taken};

const NOT_TAKEN: Expected = Refused { fault: Fault::Denied, place: Place::header(9).component(1) };
const NOBODY: Expected = Refused { fault: Fault::BadInput, place: Place::field("PID", 1, 3) };

const fn taken(messages: usize, reports: usize, results: usize) -> Expected {
    Taken { messages, reports, results }
}

#[test]
fn every_sample_is_read_as_its_origin_says() {
    let Some(directory) = directory() else { return };
    let mut seen = 0;
    for (name, expected) in TABLE {
        let bytes = std::fs::read(directory.join(name)).unwrap();
        let split = batch::split_stream(&bytes);
        assert_eq!(split.miscounted, None, "{name}");
        let outcomes: Vec<Outcome> = split.messages.iter().map(|message| outcome(message)).collect();
        match expected {
            Taken { messages, reports, results } => {
                let found: Vec<Report> = outcomes.iter().flat_map(|outcome| reports_of(name, outcome)).collect();
                let found_results: usize = found.iter().map(|report| report.observations.len()).sum();
                assert_eq!((outcomes.len(), found.len(), found_results), (*messages, *reports, *results), "{name}");
            }
            Refused { fault, place } => {
                assert_eq!(outcomes.len(), 1, "{name}");
                let Some(Outcome::Refused(error)) = outcomes.first() else { panic!("{name} is taken") };
                assert_eq!((error.fault(), error.place), (*fault, *place), "{name}");
            }
            Silence => assert_eq!(outcomes, [Outcome::Acknowledgement], "{name}"),
        }
        seen += 1;
    }
    let files = std::fs::read_dir(&directory).unwrap().filter_map(Result::ok);
    let samples = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "hl7")).count();
    assert_eq!(seen + STREAMS.len(), samples, "every file has its row");
}

#[test]
fn streams_of_orders_are_split_and_each_message_is_judged_alone() {
    let Some(directory) = directory() else { return };
    for (name, messages) in STREAMS {
        let bytes = std::fs::read(directory.join(name)).unwrap();
        let split = batch::split_stream(&bytes);
        assert_eq!(split.messages.len(), messages, "{name}");
        for message in split.messages {
            match outcome(message) {
                Outcome::Refused(error) => {
                    let is_expected = matches!(error.problem, Problem::TypeUnsupported | Problem::RequiredMissing);
                    assert!(is_expected, "{name}: {error}");
                }
                Outcome::Reports(reports) => assert!(!reports.is_empty(), "{name}"),
                Outcome::Acknowledgement => panic!("{name} holds no acknowledgement"),
            }
        }
    }
}

#[test]
fn a_pipelined_stream_gives_every_frame_in_order() {
    let Some(directory) = directory() else { return };
    let mut buffer = BytesMut::from(std::fs::read(directory.join("simhospital_first_300.mllp")).unwrap().as_slice());
    let mut codec = mllp::Mllp::new(1 << 20);
    let (mut frames, mut noted) = (0, 0);
    while let Some(frame) = codec.decode(&mut buffer).unwrap() {
        frames += 1;
        let reading = Reading::of(&frame, &SourceSettings::default());
        assert!(!is_acknowledgement(&reading.header) && !reading.header.control_id().is_empty());
        match (reading.header.component(9, 1), reading.outcome) {
            ("ORU", Outcome::Reports(reports)) => {
                let observations = reports.iter().flat_map(|report| &report.observations);
                noted += observations.map(|observation| observation.notes.len()).sum::<usize>();
            }
            ("ADT" | "ORM" | "ORR" | "MDM", Outcome::Refused(error)) => assert_eq!(error.fault(), Fault::Denied),
            (kind, outcome) => panic!("{kind} became {outcome:?}"),
        }
    }
    assert_eq!((frames, buffer.len()), (300, 0));
    assert!(noted > 0, "notes are kept");
}

#[test]
fn gbk_without_a_declaration_needs_the_configuration() {
    let Some(directory) = directory() else { return };
    let bytes = std::fs::read(directory.join("cn_lis_cbc_gbk_no_msh18.hl7")).unwrap();
    let settings = SourceSettings { charset_usual: Some(Charset::GB_18030), ..SourceSettings::default() };
    let Outcome::Reports(reports) = Reading::of(&bytes, &settings).outcome else { panic!("refused") };
    let [report] = reports.as_slice() else { panic!("one order") };
    assert_eq!(report.patient.family_name.reveal(), "张三");
    assert_eq!((report.patient.given_name.reveal().as_str(), report.patient.sex), ("", Sex::Male));
    assert_eq!(report.service.first.text, "血常规");
    assert_eq!(report.specimen.as_ref().unwrap().first.code, "血清");
    let units: Vec<&str> = report.observations.iter().map(|one| one.unit.as_ref().unwrap().code.as_str()).collect();
    assert_eq!(units, ["10^9/L", "10^12/L", "g/L", "10^9/L"]);
}

#[test]
fn the_hazards_of_single_samples_are_met() {
    let Some(directory) = directory() else { return };
    let reports = |name: &str| reports_of(name, &outcome(&std::fs::read(directory.join(name)).unwrap()));

    let caret = reports("cn_lis_cbc_unescaped_caret_unit.hl7");
    let units: Vec<_> = caret[0].observations.iter().map(|one| one.unit.clone().unwrap()).collect();
    assert_eq!((units[0].code.as_str(), units[0].is_repaired), ("10^9/L", true));
    assert_eq!((units[2].code.as_str(), units[2].is_repaired), ("g/L", false));

    let bracketed = reports("cn_lis_tb_gb18030_msh18.hl7");
    assert!(matches!(&bracketed[0].observations[0].values[..], [Value::Text(text)] if text.reveal() == "阳性（+）"));

    let mixed = reports("ms_lab_oru_1_bom_lf_status_FIP.hl7");
    let statuses: Vec<_> = mixed[0].observations.iter().map(|one| one.status).collect();
    use ObservationStatus::{Corrected, Final, Pending, Preliminary};
    assert_eq!(statuses, [Pending, Preliminary, Pending, Preliminary, Final]);
    assert_eq!(reports("nist_elr_case3.hl7")[0].observations[0].status, Corrected);
    assert_eq!(reports("realm_cj_prelim.hl7")[0].observations[0].status, Preliminary);

    let lines = reports("lfh_multiline_tx.hl7");
    assert!(lines[0].narrative().reveal().starts_with("\n[PII] Emergency Department\nED Encounter"));
    assert_eq!(reports("dcm4che_oru_sr.hl7")[0].study_uids, ["1.2.392.200036.9125.0.198811291108.7"]);
    assert_eq!(reports("mindray_bc5380_cbc.hl7")[0].patient.sex, Sex::Female);

    let structured = reports("ms_oru_rmgead_sn.hl7");
    let Value::Structured(value) = &structured[0].observations[0].values[0] else { panic!("not structured") };
    assert_eq!((value.comparator.as_str(), value.first.as_str()), ("", "182"));

    let documents = reports("ms_oul_r22.hl7");
    let Value::Attachment(document) = &documents[0].observations[2].values[0] else { panic!("not a document") };
    assert_eq!(
        (document.media_type.as_str(), document.bytes.reveal().as_slice()),
        ("image/jpeg", &b"This is a Base64 string"[..])
    );
}

fn outcome(message: &[u8]) -> Outcome {
    Reading::of(message, &SourceSettings::default()).outcome
}

fn reports_of(name: &str, outcome: &Outcome) -> Vec<Report> {
    match outcome {
        Outcome::Reports(reports) => reports.clone(),
        other => panic!("{name} became {other:?}"),
    }
}

fn directory() -> Option<PathBuf> {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible/hl7"));
    if !directory.is_dir() {
        println!("skipped: the sample collection is not beside the sources");
        return None;
    }
    Some(directory)
}

const STREAMS: [(&str, usize); 2] = [("hapi_oml_o21_13msgs.hl7", 13), ("nhapi_oml_7msgs.hl7", 7)];

const TABLE: &[(&str, Expected)] = &[
    ("amida_lipid_panel.hl7", taken(1, 1, 5)),
    ("amida_multiple_tests.hl7", taken(1, 2, 25)),
    ("cdc_batch_message.hl7", taken(2, 2, 10)),
    ("cdc_mars_otc_valid.hl7", taken(1, 1, 2)),
    ("cdc_obx_status_X.hl7", NOBODY),
    ("cdc_orm_full.hl7", NOT_TAKEN),
    ("cdc_oru_full.hl7", taken(1, 2, 3)),
    ("cdc_single_message.hl7", taken(1, 1, 6)),
    ("cerner_lead_crlf.hl7", taken(1, 1, 1)),
    ("cn_lis_cbc_gbk_no_msh18.hl7", Refused { fault: Fault::BadInput, place: Place::header(18) }),
    ("cn_lis_cbc_msh18_utf8.hl7", taken(1, 1, 3)),
    ("cn_lis_cbc_unescaped_caret_unit.hl7", taken(1, 1, 4)),
    ("cn_lis_cbc_utf8_no_msh18.hl7", taken(1, 1, 4)),
    ("cn_lis_tb_gb18030_msh18.hl7", taken(1, 1, 2)),
    ("cn_order_orm_utf8.hl7", NOT_TAKEN),
    ("dcm4che_omi_as_orm_zds.hl7", NOT_TAKEN),
    ("dcm4che_oru_sr.hl7", taken(1, 1, 15)),
    ("hl7dotnet_orm_escapes.hl7", NOT_TAKEN),
    ("lfh_multiline_tx.hl7", taken(1, 1, 1)),
    ("mindray_ack.hl7", Silence),
    ("mindray_bc5380_cbc.hl7", taken(1, 1, 9)),
    ("mindray_worklist_query.hl7", NOT_TAKEN),
    ("mirth_large_oru_84obx.hl7", taken(1, 12, 84)),
    ("mirth_repetitions.hl7", NOBODY),
    ("mirth_small_oru_17nm.hl7", taken(1, 1, 17)),
    ("ms_lab_orm_1.hl7", NOT_TAKEN),
    ("ms_lab_oru_1_bom_lf_status_FIP.hl7", taken(1, 2, 10)),
    ("ms_lab_oru_2_bom_lf.hl7", taken(1, 2, 10)),
    ("ms_lri_cbc_28obx.hl7", taken(1, 1, 28)),
    ("ms_oml_o21_mdhhs.hl7", NOT_TAKEN),
    ("ms_orm_o01_02.hl7", NOT_TAKEN),
    ("ms_oru_rmgead_sn.hl7", taken(1, 1, 1)),
    ("ms_oul_r22.hl7", taken(1, 1, 5)),
    ("nist_elr_case1.hl7", taken(1, 1, 1)),
    ("nist_elr_case3.hl7", taken(1, 1, 1)),
    ("nist_elr_case6.hl7", taken(1, 1, 3)),
    ("realm_batch_fhs.hl7", taken(2, 3, 3)),
    ("realm_cj_prelim.hl7", taken(1, 1, 1)),
    ("simhospital_oru_1.hl7", taken(1, 1, 1)),
    ("simhospital_oru_2.hl7", taken(1, 1, 1)),
    ("simhospital_oru_3.hl7", taken(1, 1, 1)),
    ("simhospital_oru_4.hl7", taken(1, 1, 1)),
    ("simhospital_oru_5.hl7", taken(1, 1, 5)),
    ("simhospital_oru_6.hl7", taken(1, 1, 14)),
    ("simplehl7_oru.hl7", taken(1, 1, 5)),
    ("simplehl7_orm.hl7", NOT_TAKEN),
];
