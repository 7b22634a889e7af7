//! Fixed-length identifiers: what a result, a report, a patient and a content are called inside Concord.

use std::fmt;

macro_rules! fixed_id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $length;

            /// Wraps bytes of the right length.
            pub const fn new(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Gives the bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                let found = bytes.len();
                bytes.try_into().map(Self).map_err(|_| IdError { expected: $length, found })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }
    };
}

fixed_id! {
    /// Names one reportable result across all its versions; made by the publisher from its own order and test codes.
    ResultId, 16
}
fixed_id! {
    /// Names one report (份) of a publisher, which holds one or more results.
    ReportId, 16
}
fixed_id! {
    /// Names a patient inside the region: a keyed hash that only the hub can make. Never an identity number.
    Pseudonym, 16
}
fixed_id! {
    /// Names one prompt: made from the check's key, the line and the result, so that a repeated check names it again.
    PromptId, 16
}
fixed_id! {
    /// Names one consent of a patient.
    ConsentId, 16
}
fixed_id! {
    /// Names one recall: made of whom it tells, of what and why, so that the same fact names it again.
    RecallId, 16
}
fixed_id! {
    /// Names one case: a doctor's word that a result is not the patient's.
    CaseId, 16
}
fixed_id! {
    /// Stands for a publisher in the index: the first bytes of a digest of its code.
    PublisherTag, 6
}
fixed_id! {
    /// Stands for a report in the index: the first bytes of a digest of publisher and report.
    ReportTag, 8
}
fixed_id! {
    /// Finds a result in the index, in all its versions: the tag of its report, then the front of its name in the region.
    /// Results of one report lie together.
    ResultLocator, 16
}
fixed_id! {
    /// SHA-256 of a content.
    Digest, 32
}

impl ResultLocator {
    /// Makes the locator of a result from the tag of the report that holds it and its name in the region.
    pub fn of(report: ReportTag, name: ResultId) -> Self {
        let mut bytes = [0; Self::BYTES];
        let halves = report.as_bytes().iter().chain(name.as_bytes());
        bytes.iter_mut().zip(halves).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

/// An identifier has the wrong length; the sender must correct it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("identifier has {found} bytes instead of {expected}")]
pub struct IdError {
    /// Bytes that it must have.
    pub expected: usize,
    /// Bytes that it has.
    pub found: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_length_is_refused_with_both_lengths() {
        assert_eq!(ResultId::try_from(&[0u8; 15][..]), Err(IdError { expected: 16, found: 15 }));
    }

    #[test]
    fn display_is_hexadecimal() {
        assert_eq!(ResultId::new([0xab; 16]).to_string(), "ab".repeat(16));
    }
}
