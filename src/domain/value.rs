//! What a laboratory result says: a quantity with its UCUM unit, a text, or a coded finding.

use rust_decimal::Decimal;

/// The value of a laboratory result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number with a unit.
    Quantity(Quantity),
    /// A text, as `阴性` or `1:160`.
    Text(String),
    /// A finding of a code system.
    Coded {
        /// The code itself.
        code: String,
        /// Its name in its system.
        display: String,
        /// The system, as HL7 table 0396 names it.
        system: String,
    },
    /// No value: only an original (a PDF, an image) says what was found.
    InOriginal,
}

/// A number with the unit of the catalogue item, and the number as the laboratory wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// Whether the number is a bound.
    pub comparator: Comparator,
    /// The number in `unit`.
    pub number: Decimal,
    /// UCUM unit of `number`; the catalogue item's when the result is comparable.
    pub unit: String,
    /// The number as sent, when it was converted.
    pub as_sent: Option<AsSent>,
}

/// What the laboratory wrote, before conversion to the catalogue item's unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsSent {
    /// The number as sent.
    pub number: Decimal,
    /// The unit as sent.
    pub unit: String,
}

/// Whether a number is exact or a bound, as in `< 0.01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Comparator {
    /// The number itself.
    #[default]
    Equal,
    /// Less than the number.
    Less,
    /// At most the number.
    LessOrEqual,
    /// More than the number.
    Greater,
    /// At least the number.
    GreaterOrEqual,
}

/// Whether a result may stand for another of the same item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparability {
    /// The unit is, or was converted by an explicit rule to, the catalogue item's.
    Comparable,
    /// It may be shown, and never prompts.
    NotComparable(Incomparable),
}

/// Why a result may not stand for another of its item. Never a guess: domain practice is to say so aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Incomparable {
    /// The laboratory gave no unit, and the item needs one.
    UnitMissing,
    /// No explicit rule converts the unit to the item's.
    UnitUnknown,
    /// The number could not be read.
    NumberUnreadable,
    /// A number was expected and something else was sent.
    ValueKind,
}
