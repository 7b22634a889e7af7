//! What can be wrong with DICOM bytes. Positions, tags and lengths only, never the value.

use crate::domain::fault::{Fault, Faulty};
use dicom_core::Tag;

/// Why bytes were not taken as a DICOM instance or command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DicomError {
    /// The bytes end inside an element or item header, or before a delimiter that must come.
    #[error("truncated at byte {offset}")]
    Truncated {
        /// Where the unfinished element begins.
        offset: usize,
    },
    /// An element or item claims more bytes than are left.
    #[error("element {tag} at byte {offset} claims {claims} bytes, {left} are left")]
    Length {
        /// The element or item.
        tag: Tag,
        /// Where it begins.
        offset: usize,
        /// The length it states, in bytes.
        claims: u32,
        /// Bytes left in what holds it.
        left: usize,
    },
    /// The length is no multiple of the size of the value's unit, or is undefined where it must not be.
    #[error("element {tag} at byte {offset} has the impossible length {claims}")]
    Unit {
        /// The element.
        tag: Tag,
        /// Where it begins.
        offset: usize,
        /// The length it states, in bytes.
        claims: u32,
    },
    /// An item or delimiter stands where an element must, or the other way round.
    #[error("misplaced delimiter or item at byte {offset}")]
    Delimiter {
        /// Where it begins.
        offset: usize,
    },
    /// Two bytes that must name a value representation are not capital letters.
    #[error("no value representation at byte {offset}")]
    Representation {
        /// Where the element begins.
        offset: usize,
    },
    /// An element of a group that has no place in a data set.
    #[error("element {tag} has no place in a data set")]
    Group {
        /// The element.
        tag: Tag,
    },
    /// Sequences nest deeper than `limits::SEQUENCE_DEPTH_MAX`.
    #[error("sequences nest too deep at byte {offset}")]
    Depth {
        /// Where the sequence too many begins.
        offset: usize,
    },
    /// One level holds more elements than `limits::DICOM_ELEMENTS_MAX`.
    #[error("too many elements at byte {offset}")]
    Elements {
        /// Where the element too many begins.
        offset: usize,
    },
    /// The deflated data set is damaged.
    #[error("the deflated data set is damaged")]
    Deflate,
    /// The deflated data set grows beyond `limits::DICOM_INFLATED_BYTES_MAX`.
    #[error("the data set is too large once inflated")]
    Inflated,
    /// The pixels are fewer than the picture's own size demands.
    #[error("element {tag} has {has} bytes, the picture demands {demands}")]
    Pixels {
        /// The element.
        tag: Tag,
        /// Bytes that size, depth and frames demand.
        demands: u64,
        /// Bytes that are there.
        has: usize,
    },
    /// An element that every instance must carry is missing or empty.
    #[error("element {tag} is missing")]
    Missing {
        /// The element.
        tag: Tag,
    },
    /// A UID is longer than 64 characters or has other characters than digits and dots.
    #[error("element {tag} is no UID")]
    Uid {
        /// The element.
        tag: Tag,
    },
    /// The transfer syntax is not one whose structure is known.
    #[error("unknown transfer syntax")]
    Syntax,
    /// A DICOMDIR: it lists instances and is none.
    #[error("a media directory, not an instance")]
    NotAnInstance,
    /// Neither a Part 10 file nor a data set.
    #[error("not a DICOM file")]
    NotDicom,
}

impl Faulty for DicomError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}
