//! What can be wrong with a message, and where. Must not hold any of the message's own text: it may name a patient.

use std::fmt;

use crate::domain::fault::{Fault, Faulty};

/// Names a place in a message, counted from 1 as in the standard; 0 means "the whole of it".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Name of the segment.
    pub segment: &'static str,
    /// Which segment of that name, from 1.
    pub occurrence: u16,
    /// Field, or 0 for the segment itself.
    pub field: u16,
    /// Component, or 0 for the field itself.
    pub component: u16,
}

impl Place {
    /// Names a field of the `occurrence`-th segment of a name.
    pub const fn field(segment: &'static str, occurrence: u16, field: u16) -> Self {
        Self { segment, occurrence, field, component: 0 }
    }

    /// Names a field of the header.
    pub const fn header(field: u16) -> Self {
        Self::field("MSH", 1, field)
    }

    /// Names one component of the same field.
    pub const fn component(self, component: u16) -> Self {
        Self { component, ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}[{}]", self.segment, self.occurrence)?;
        if self.field > 0 {
            write!(formatter, "-{}", self.field)?;
        }
        if self.component > 0 {
            write!(formatter, ".{}", self.component)?;
        }
        Ok(())
    }
}

/// Says what is wrong at a [`Place`]; the sender must correct the message, except where a variant says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes do not begin with a header segment.
    #[error("message does not begin with MSH")]
    HeaderMissing,
    /// MSH-1 and MSH-2 are not distinct punctuation.
    #[error("separators are not distinct punctuation")]
    SeparatorsUnusable,
    /// No permitted character set decodes the bytes; declare it in MSH-18, or configure it for this source.
    #[error("text is not {charset}; declare its character set in MSH-18 or configure it for this source")]
    Undecodable {
        /// The character set that was tried first.
        charset: &'static str,
    },
    /// A line is neither a segment nor may it continue the one before it.
    #[error("line {line} is not a segment")]
    LineUnexpected {
        /// Number of the line, from 1, blank lines counted.
        line: usize,
    },
    /// The parser stopped before the end of the message; nothing of it is taken.
    #[error("message cannot be read beyond byte {at} of {length}")]
    Unconsumed {
        /// Offset of the first unread byte of the normalised text.
        at: usize,
        /// Length of the normalised text, in bytes.
        length: usize,
    },
    /// A segment the structure requires is absent, or stands where it belongs to nothing.
    #[error("segment is missing or out of sequence")]
    SegmentSequence,
    /// A field this exchange cannot do without is empty.
    #[error("required field is empty")]
    RequiredMissing,
    /// This port does not take messages of the type; do not send it again.
    #[error("unsupported message type")]
    TypeUnsupported,
    /// This port does not take the trigger event; do not send it again.
    #[error("unsupported trigger event")]
    EventUnsupported,
    /// A date or time is not one that exists, or is outside the years 1900 to 2200.
    #[error("date or time cannot be read")]
    TimeUnreadable,
    /// An encapsulated document does not decode.
    #[error("encapsulated data cannot be decoded")]
    AttachmentUnreadable,
    /// A value is longer than this exchange takes.
    #[error("value is longer than {bytes_max} bytes")]
    TooLong {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// There are more parts than this exchange takes; divide the message or the batch.
    #[error("more than {parts_max} parts")]
    TooMany {
        /// The bound.
        parts_max: usize,
    },
    /// A batch or file trailer counts another number than arrived.
    #[error("trailer counts {counted}, {arrived} arrived")]
    CountMismatch {
        /// What the trailer says.
        counted: u64,
        /// What arrived.
        arrived: u64,
    },
    /// A trailer holds no number.
    #[error("count cannot be read")]
    CountUnreadable,
}

/// A fault in a message: where it is and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Hl7Error {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

impl Hl7Error {
    /// Joins a place and a problem.
    pub const fn new(place: Place, problem: Problem) -> Self {
        Self { place, problem }
    }

    /// Gives the condition code for ERR-3. Source: HL7 table 0357.
    pub const fn condition(&self) -> Condition {
        match self.problem {
            Problem::HeaderMissing
            | Problem::LineUnexpected { .. }
            | Problem::Unconsumed { .. }
            | Problem::SegmentSequence => Condition { code: "100", name: "Segment sequence error" },
            Problem::RequiredMissing => Condition { code: "101", name: "Required field missing" },
            Problem::SeparatorsUnusable
            | Problem::Undecodable { .. }
            | Problem::TimeUnreadable
            | Problem::AttachmentUnreadable
            | Problem::CountMismatch { .. }
            | Problem::CountUnreadable => Condition { code: "102", name: "Data type error" },
            Problem::TooLong { .. } | Problem::TooMany { .. } => Condition { code: "104", name: "Value too long" },
            Problem::TypeUnsupported => Condition { code: "200", name: "Unsupported message type" },
            Problem::EventUnsupported => Condition { code: "201", name: "Unsupported event code" },
        }
    }
}

impl Faulty for Hl7Error {
    /// A message of a type this port does not take is denied (AR); anything else can be corrected (AE).
    fn fault(&self) -> Fault {
        match self.problem {
            Problem::TypeUnsupported | Problem::EventUnsupported => Fault::Denied,
            _ => Fault::BadInput,
        }
    }
}

/// A row of HL7 table 0357.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The code, for ERR-3.1.
    pub code: &'static str,
    /// Its name, for ERR-3.2.
    pub name: &'static str,
}
