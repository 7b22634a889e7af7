//! What is asked of the prompts that wait for somebody.

use std::fmt;
use std::str::FromStr;

use crate::domain::follow_up::WaitsFor;
use crate::domain::id::PromptId;
use crate::domain::organisation::OrganisationCode;
use crate::wire::field::{FieldError, Problem};
use crate::wire::oversight::{days, given};
use crate::wire::pb;

/// What is asked of the prompts that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUpsQuery {
    /// What they wait for.
    pub what: WaitsFor,
    /// First day, counted from 1970-01-01.
    pub first_day: i64,
    /// Last day, included.
    pub last_day: i64,
    /// One organisation, or all.
    pub organisation: Option<OrganisationCode>,
    /// Most of one answer, from 1.
    pub page_size: usize,
    /// The last one of the page before.
    pub after: Option<PageToken>,
}

impl FollowUpsQuery {
    /// Reads the request.
    ///
    /// # Errors
    /// [`FieldError`] naming the field; the caller must correct it.
    pub fn read(sent: &pb::FollowUpsRequest) -> Result<Self, FieldError> {
        let what = match sent.kind() {
            pb::FollowUpKind::Reason => WaitsFor::Reason,
            pb::FollowUpKind::Answer => WaitsFor::Answer,
            pb::FollowUpKind::Unspecified => return Err(FieldError::new("kind", Problem::Missing)),
        };
        let (first_day, last_day) = days(&sent.from_day, &sent.to_day)?;
        let page_size = match usize::try_from(sent.page_size) {
            Ok(0) => PAGE_SIZE_USUAL,
            Ok(asked) if asked <= PAGE_SIZE_MAX => asked,
            _ => return Err(FieldError::new("page_size", Problem::Form("number up to 1,000"))),
        };
        let after: Option<PageToken> = given("page_token", &sent.page_token, "page token of the answer before")?;
        Ok(Self {
            what,
            first_day: after.map_or(first_day, |after| first_day.max(after.day)),
            last_day,
            organisation: given("organisation", &sent.organisation, "organisation code")?,
            page_size,
            after,
        })
    }
}

/// Where a page ends: its last prompt, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageToken {
    /// Day since which it waits, counted from 1970-01-01.
    pub day: i64,
    /// The organisation to which it was raised.
    pub organisation: OrganisationCode,
    /// Which.
    pub prompt: PromptId,
}

impl fmt::Display for PageToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.day, self.organisation, hex::encode(self.prompt.as_bytes()))
    }
}

/// The text is no page token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a page token")]
pub struct PageTokenError;

impl FromStr for PageToken {
    type Err = PageTokenError;

    fn from_str(text: &str) -> Result<Self, PageTokenError> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(PageTokenError);
        let day = part()?.parse().map_err(|_| PageTokenError)?;
        let organisation = part()?.parse().map_err(|_| PageTokenError)?;
        let prompt = hex::decode(part()?).map_err(|_| PageTokenError)?;
        let prompt = PromptId::try_from(prompt.as_slice()).map_err(|_| PageTokenError)?;
        Ok(Self { day, organisation, prompt })
    }
}

const PAGE_SIZE_USUAL: usize = 100;
const PAGE_SIZE_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_is_read_as_it_was_written() {
        for day in [-1, 0, 20_000] {
            let organisation = "91350100M000100Y43".parse().unwrap();
            let token = PageToken { day, organisation, prompt: PromptId::new([7; 16]) };
            assert_eq!(token.to_string().parse(), Ok(token));
        }
        for wrong in
            ["", "1", "1.91350100M000100Y43", "1.91350100M000100Y43.07", "x.91350100M000100Y43.07", "..", "1.2.3.4"]
        {
            assert_eq!(wrong.parse::<PageToken>(), Err(PageTokenError), "{wrong}");
        }
    }

    #[test]
    fn a_request_without_kind_or_with_too_long_a_page_is_refused() {
        let sent = pb::FollowUpsRequest { kind: pb::FollowUpKind::Reason.into(), ..Default::default() };
        assert_eq!(FollowUpsQuery::read(&sent).unwrap().page_size, PAGE_SIZE_USUAL);
        let field = |sent| FollowUpsQuery::read(&sent).unwrap_err().field;
        assert_eq!(field(pb::FollowUpsRequest { page_size: 1001, ..sent.clone() }), "page_size");
        assert_eq!(field(pb::FollowUpsRequest { page_token: "x".into(), ..sent }), "page_token");
        assert_eq!(field(pb::FollowUpsRequest::default()), "kind");
    }
}
