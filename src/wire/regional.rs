//! Names in the whole region: publishers choose their own names of results and reports, and none may shadow another's.

use crate::domain::id::{PublisherTag, ReportId, ReportTag, ResultId};
use crate::domain::organisation::OrganisationCode;
use crate::wire::batch::digest;

/// Gives the name of a result in the whole region.
pub fn regional(publisher: OrganisationCode, result: ResultId) -> ResultId {
    ResultId::new(first_of(&[publisher.as_str().as_bytes(), result.as_bytes()]))
}

/// Gives what stands for a publisher in the index.
pub fn publisher_tag(publisher: OrganisationCode) -> PublisherTag {
    PublisherTag::new(first_of(&[publisher.as_str().as_bytes()]))
}

/// Gives what stands for a report in the index and in the figures.
pub fn report_tag(publisher: OrganisationCode, report: ReportId) -> ReportTag {
    ReportTag::new(first_of(&[publisher.as_str().as_bytes(), report.as_bytes()]))
}

fn first_of<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let whole = digest(&parts.concat());
    let mut first = [0; N];
    first.iter_mut().zip(whole.as_bytes()).for_each(|(to, from)| *to = *from);
    first
}
