//! The names a publisher gives to its results, reports and messages: made of its own order and test codes, so that the
//! same result has the same name in every message that brings it.

use sha2::{Digest as _, Sha256};

use crate::domain::entry::Entry;
use crate::domain::id::{Digest, ReportId, ResultId};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::wire;

/// Names one result of an order: publisher, source, order number, test code with its system, sub id.
pub fn result_id(publisher: &OrganisationCode, source: &str, order: &[&str], test: &[&str]) -> ResultId {
    let parts = [publisher.as_str(), source].into_iter().chain(order.iter().copied()).chain(test.iter().copied());
    ResultId::new(short(&named(b"concord/result/v1", parts.map(str::as_bytes))))
}

/// Names the report that holds the results of an order.
pub fn report_id(publisher: &OrganisationCode, source: &str, order: &[&str]) -> ReportId {
    let parts = [publisher.as_str(), source].into_iter().chain(order.iter().copied());
    ReportId::new(short(&named(b"concord/report/v1", parts.map(str::as_bytes))))
}

/// Names the one result of an imaging study.
pub fn study_result_id(publisher: &OrganisationCode, study_uid: &str) -> ResultId {
    ResultId::new(short(&named(b"concord/study/v1", [publisher.as_str(), study_uid].map(str::as_bytes))))
}

/// Names the report of an imaging study.
pub fn study_report_id(publisher: &OrganisationCode, study_uid: &str) -> ReportId {
    ReportId::new(short(&named(b"concord/study-report/v1", [publisher.as_str(), study_uid].map(str::as_bytes))))
}

/// Names a message: the same bytes under the same header are the same message, also when an acknowledgement was lost;
/// the same control id over other bytes is another message, for analysers begin at 1 every day.
pub fn message_key(application: &str, facility: &str, control_id: &str, digest: &Digest) -> [u8; 32] {
    let parts = [application.as_bytes(), facility.as_bytes(), control_id.as_bytes(), digest.as_bytes().as_slice()];
    named(b"concord/message/v1", parts)
}

/// Names a message as one that was refused, so that the same bytes may still be taken later.
pub fn refused_key(message_key: &Digest) -> Digest {
    Digest::new(named(b"concord/refused/v1", [message_key.as_bytes().as_slice()]))
}

/// Names the publication of a study, for whatever waits for it.
pub fn awaited_study(study_uid: &str) -> [u8; 32] {
    named(b"concord/awaited-study/v1", [study_uid.as_bytes()])
}

/// Names the first publication of a result, for a withdrawal that came before it.
pub fn awaited_result(result: &ResultId) -> [u8; 32] {
    named(b"concord/awaited-result/v1", [result.as_bytes().as_slice()])
}

/// Names the first publication of a report, for a cancellation that came before it.
pub fn awaited_report(report: &ReportId) -> [u8; 32] {
    named(b"concord/awaited-report/v1", [report.as_bytes().as_slice()])
}

/// Digests what a version of a result says: not its number, nor which message brought it, nor when that was written.
pub fn content_digest(entry: &Entry) -> Digest {
    let originals = entry.originals.iter().filter(|original| original.media_type != MESSAGE_MEDIA_TYPE);
    let mut said = Entry { version: 1, originals: originals.cloned().collect(), ..entry.clone() };
    let unknown = said.times.collected;
    said.times.reported = unknown;
    wire::batch::digest(&wire::entry::encode(&said))
}

/// Gives SHA-256 over a tag and parts, each behind its length, so that no two lists of parts are hashed alike.
fn named<'p>(tag: &[u8], parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(tag);
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn short(digest: &[u8; 32]) -> [u8; 16] {
    digest.first_chunk().copied().unwrap_or_default()
}

/// Says which of two reports of a result is the older; the same moment is not older.
pub fn is_older(reported: Moment, known: Moment) -> bool {
    reported.ms_since(known) < 0
}

/// Media type of an HL7 v2 message in its usual encoding.
pub const MESSAGE_MEDIA_TYPE: &str = "x-application/hl7-v2+er7";
/// Media type of a DICOM instance.
pub const INSTANCE_MEDIA_TYPE: &str = "application/dicom";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_run_into_each_other() {
        let publisher = "91350100M000100Y43".parse().unwrap();
        let one = result_id(&publisher, "LIS", &["A", "B"], &["WBC", "L", ""]);
        assert_eq!(one, result_id(&publisher, "LIS", &["A", "B"], &["WBC", "L", ""]));
        for (source, order, test) in
            [("LIS", ["AB", ""], "WBC"), ("LI", ["SA", "B"], "WBC"), ("LIS", ["A", "B"], "WBCL")]
        {
            assert_ne!(one, result_id(&publisher, source, &order, &[test, "L", ""]), "{source}");
        }
    }

    #[test]
    fn a_control_id_used_again_over_other_bytes_is_another_message() {
        let key = |byte| message_key("LIS", "H", "1", &Digest::new([byte; 32]));
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
    }
}
