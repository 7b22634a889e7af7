//! Why a doctor declines a result. Codes are the policy's; their statutory classes are the law's.

use std::fmt;

/// Code of a decline reason, as `R01`: one capital letter and two digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode([u8; 3]);

/// A reason code is not written as it must be; correct the table or the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason code is one capital letter and two digits")]
pub struct ReasonCodeError;

/// One decline reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Code.
    pub code: ReasonCode,
    /// Chinese text.
    pub text_zh: String,
    /// English text.
    pub text_en: String,
    /// Class, the join key of every statistic.
    pub class: ReasonClass,
    /// Whether the doctor must write a text.
    pub needs_text: bool,
    /// Whether the patient must have acknowledged it.
    pub needs_acknowledgement: bool,
    /// What the doctor picks from; empty if nothing.
    pub choices_zh: Vec<String>,
    /// The same choices in English, in the same order.
    pub choices_en: Vec<String>,
    /// What the system attaches by itself.
    pub evidence: ReasonEvidence,
    /// Whether it counts as 不互认.
    pub counts: bool,
    /// When it is offered.
    pub offered: ReasonContext,
}

/// Class of a reason. Source: 国卫医发〔2022〕6号, the six re-test grounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonClass {
    /// One of the six statutory grounds, 1 to 6.
    Statutory(u8),
    /// The result's quality; opens a ticket at its laboratory.
    Quality,
    /// The exchange failed; never counts against the doctor.
    Infrastructure,
    /// A planned series.
    Series,
    /// The rule matched wrongly; opens a ticket at the region.
    Mismatch,
    /// The result may be another person's; quarantines the link.
    Identity,
}

/// What the system attaches to a decline by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonEvidence {
    /// Nothing.
    None,
    /// Age of the result in hours.
    Age,
    /// The scheduled operation or blood order.
    Procedure,
    /// The encounter's class.
    Encounter,
    /// Purpose of the order.
    Purpose,
    /// Facts of the series: thickness, number of images.
    Series,
    /// Method and unit.
    Method,
    /// The hub's log of retrievals.
    Retrieval,
}

/// Which results a reason is offered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonContext {
    /// Any.
    Any,
    /// Laboratory results.
    Laboratory,
    /// Imaging studies.
    Imaging,
}

impl super::fault::Faulty for ReasonCodeError {
    fn fault(&self) -> super::fault::Fault {
        super::fault::Fault::BadInput
    }
}

impl ReasonContext {
    /// Says whether the reason is offered for an imaging study, or else for a laboratory result.
    pub fn fits(self, imaging: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Laboratory => !imaging,
            Self::Imaging => imaging,
        }
    }
}

impl std::str::FromStr for ReasonCode {
    type Err = ReasonCodeError;

    fn from_str(text: &str) -> Result<Self, ReasonCodeError> {
        match text.as_bytes() {
            [letter @ b'A'..=b'Z', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Ok(Self([*letter, *tens, *ones])),
            _ => Err(ReasonCodeError),
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
