//! Why there is no card, for whoever asks: results that were found and not offered, and what stood in the way of asking.

use crate::wire::cds::words::Words;
use crate::wire::fhir::json::{Json, object};
use crate::wire::pb;

/// Reasons for silence, as an answer tells them on request.
pub struct Quiet;

impl Quiet {
    /// Writes every rule that stood against a result of a line.
    pub fn of_line(line: &pb::LineAnswer) -> impl Iterator<Item = Json> {
        line.quiet.iter().flat_map(|quiet| {
            quiet.refusals.iter().map(|refusal| {
                object([
                    ("order", line.line_id.as_str().into()),
                    ("item", quiet.items.join(" ").into()),
                    ("code", refusal.code.as_str().into()),
                    ("text", refusal.text.as_str().into()),
                ])
            })
        })
    }

    /// Writes why the exchange gave no answer.
    pub fn degraded(degraded: &pb::Degraded) -> Json {
        object([("code", degraded.cause().as_str_name().into()), ("text", degraded.text.as_str().into())])
    }

    /// Says that no identifier of the patient is known in the region.
    pub fn nameless(words: Words) -> Json {
        let text = words
            .say("患者没有区域认可的证件标识，无法查询外院结果", "the patient has no identifier that the region knows");
        object([("code", "PATIENT_NOT_IDENTIFIED".into()), ("text", text.into())])
    }

    /// Says that the patient was not sent; none is fetched.
    pub fn patientless(words: Words) -> Json {
        let text = words.say("未随请求提供患者资源（prefetch.patient）", "the call came without prefetch.patient");
        object([("code", "PATIENT_NOT_PREFETCHED".into()), ("text", text.into())])
    }
}
