//! The other values of the same report, and what became of the result since the link was made.

use crate::wire::pb;

/// Gives all values of the report that holds `result`, itself among them, in order of item.
pub fn report<'r>(result: &'r pb::ResultSummary, others: &'r [pb::ResultSummary]) -> Vec<&'r pb::ResultSummary> {
    let same_report = |other: &&pb::ResultSummary| {
        !result.report_id.is_empty()
            && other.report_id == result.report_id
            && other.organisation == result.organisation
            && other.result_id != result.result_id
    };
    let mut all: Vec<_> = std::iter::once(result).chain(others.iter().filter(same_report)).collect();
    all.sort_by(|one, other| one.items.cmp(&other.items));
    all
}

/// Finds a later version of the result.
pub fn newer<'r>(result: &pb::ResultSummary, others: &'r [pb::ResultSummary]) -> Option<&'r pb::ResultSummary> {
    let same = others.iter().filter(|other| is_same(result, other));
    same.filter(|other| other.version > result.version).max_by_key(|other| other.version)
}

/// Says whether two are versions of one result; a result's name is its publisher's.
pub fn is_same(one: &pb::ResultSummary, other: &pb::ResultSummary) -> bool {
    one.organisation == other.organisation && one.result_id == other.result_id
}
