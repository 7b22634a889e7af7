//! What laboratory systems in China write: GB 18030 with bytes that look like delimiters, units with a bare caret.

use concord::wire::pb::LineCoverage;
use encoding_rs::GB18030;

use crate::doctor::{Doctor, value};
use crate::laboratory::{Report, report};
use crate::people::{self, Patient};
use crate::region::{A, B, Region, assert_no_canary};

#[tokio::test(flavor = "multi_thread")]
async fn names_whose_second_byte_is_a_delimiter_and_a_bare_caret_in_the_unit_spoil_nothing() {
    let region = Region::open().await;
    let doctor = Doctor::at(&region, B);
    // 昞 ends in 0x5C, the escape character; 珅 in 0x7C, the field separator.
    let (escape, separator) = ("昞", "珅");
    assert_eq!((GB18030.encode(escape).0[1], GB18030.encode(separator).0[1]), (b'\\', b'|'));
    for (place, character) in [escape, separator].into_iter().enumerate() {
        let first = [people::canary(), people::second_canary()][place].clone();
        let patient = Patient { name: format!("金丝雀{character}^CANARY{character}"), ..first };
        let results = vec![("6690-2", "5.6".to_owned(), "10^9/L"), ("718-7", "131".to_owned(), "g/L")];
        let count = Report {
            results,
            specimen: "BLD",
            charset: "GB 18030-2000",
            ..Report::potassium(&format!("C{place}"), &patient, region.began.plus_hours(-3), "")
        };
        let text = String::from_utf8(count.message()).unwrap();
        let message = GB18030.encode(&text).0.into_owned();
        report(region.mllp(A), &message).await;
        doctor.wait_for(&patient, 2).await;

        let line = doctor.order(&format!("white-{place}"), &patient, ("catalogue", "L03001")).await;
        assert_eq!(line.coverage(), LineCoverage::Full, "{line:?}");
        assert_eq!(value(&line.prompts[0]), ("5.6".to_owned(), "10*9/L".to_owned()));

        let panel = doctor.order(&format!("count-{place}"), &patient, ("panel", "CBC")).await;
        assert_eq!(panel.coverage(), LineCoverage::Partial, "{panel:?}");
        assert_eq!(panel.prompts.len(), 2);
        assert_eq!(panel.remaining_items, ["L03002", "L03004", "L03005", "L03008", "L03009", "L03010"]);

        let (result, grant) = doctor.accept(&format!("accept-{place}"), &line.prompts[0]).await;
        assert_eq!(doctor.open(&grant, &result.originals[0]).await.unwrap(), message);
    }
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_the_declared_character_set_are_refused_and_name_nobody() {
    let region = Region::open().await;
    let patient = people::canary();
    let text = String::from_utf8(Report::potassium("K1", &patient, region.began, "4.1").message()).unwrap();
    let mut sender = crate::laboratory::Sender::connect(region.mllp(A)).await.unwrap();
    let answer = sender.send(&GB18030.encode(&text).0).await.unwrap();
    assert_eq!(answer.code, "AE", "{}", answer.text);
    assert!(answer.text.contains("MSH"), "the field at fault is named: {}", answer.text);
    assert_no_canary("the acknowledgement", answer.text.as_bytes());
    let taken = region.status(A).await.unwrap();
    assert_eq!((taken.results_published, taken.outbox_batches), (0, 0));
    region.end().await;
}
