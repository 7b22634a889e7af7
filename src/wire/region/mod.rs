//! The region's data files: catalogue, units, panels, body parts, reasons and policy, read from bytes and checked.
//!
//! Nothing is repaired: a file with an unknown column, a code listed twice or a wrong check digit is refused with its
//! place, and the version in force stays.

mod catalogue;
mod mapping;
mod policy;
mod reasons;
mod table;

use std::num::NonZeroU64;

pub use mapping::load_mapping;

use crate::domain::catalogue::Catalogue;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::policy::Policy;

/// The bytes of all files of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionFiles<'a> {
    /// `catalogue.csv`.
    pub catalogue: &'a [u8],
    /// `units.csv`.
    pub units: &'a [u8],
    /// `conversions.csv`.
    pub conversions: &'a [u8],
    /// `panels.csv`.
    pub panels: &'a [u8],
    /// `body_parts.csv`.
    pub body_parts: &'a [u8],
    /// `reasons.csv`.
    pub reasons: &'a [u8],
    /// `policy.toml`.
    pub policy: &'a [u8],
}

/// A file of the region, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegionFile {
    /// `catalogue.csv`.
    Catalogue,
    /// `units.csv`.
    Units,
    /// `conversions.csv`.
    Conversions,
    /// `panels.csv`.
    Panels,
    /// `body_parts.csv`.
    BodyParts,
    /// `reasons.csv`.
    Reasons,
    /// `policy.toml`.
    Policy,
    /// A hospital's own `mapping.csv`; no part of the region's version.
    Mapping,
}

/// A file of the region is wrong; whoever keeps it corrects the place that is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} line {}, column {column}: {reason}", file.name(), line.map_or(0, NonZeroU64::get))]
pub struct RegionError {
    /// The file.
    pub file: RegionFile,
    /// Its line, from 1, if one is to blame.
    pub line: Option<NonZeroU64>,
    /// The column or key.
    pub column: String,
    /// What is wrong.
    pub reason: RegionFault,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegionFault {
    /// The file was not given.
    #[error("the file is missing")]
    FileMissing,
    /// It is not UTF-8 text in the form of its kind.
    #[error("the text is not well formed")]
    Form,
    /// This column is not known.
    #[error("the column is not known")]
    ColumnUnknown,
    /// This column is not there.
    #[error("the column is missing")]
    ColumnMissing,
    /// The cell must not be empty.
    #[error("the cell is empty")]
    Empty,
    /// The cell does not hold a value of its kind.
    #[error("the value is not of the column's kind")]
    Value,
    /// The check digit of a LOINC code is wrong.
    #[error("the LOINC check digit should be {expected}")]
    LoincCheck {
        /// The digit that it should be.
        expected: u8,
    },
    /// The code or name is already taken.
    #[error("the value is already taken")]
    Twice,
    /// The code names nothing in the other files.
    #[error("the value names nothing")]
    Dangling,
    /// A cell is filled that the row's class does not have.
    #[error("the row's class has no such value")]
    Misplaced,
}

impl Faulty for RegionError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

impl RegionFile {
    /// All files of the region's version.
    pub const ALL: [Self; 7] =
        [Self::Catalogue, Self::Units, Self::Conversions, Self::Panels, Self::BodyParts, Self::Reasons, Self::Policy];

    /// Gives the file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue.csv",
            Self::Units => "units.csv",
            Self::Conversions => "conversions.csv",
            Self::Panels => "panels.csv",
            Self::BodyParts => "body_parts.csv",
            Self::Reasons => "reasons.csv",
            Self::Policy => "policy.toml",
            Self::Mapping => "mapping.csv",
        }
    }

    fn fault(self, reason: RegionFault) -> RegionError {
        RegionError { file: self, line: None, column: String::new(), reason }
    }
}

impl<'a> RegionFiles<'a> {
    /// Picks the files out of a set of named contents.
    ///
    /// # Errors
    /// [`RegionFault::FileMissing`] with the file that the set lacks.
    pub fn pick(find: impl Fn(&str) -> Option<&'a [u8]>) -> Result<Self, RegionError> {
        let file = |file: RegionFile| find(file.name()).ok_or_else(|| file.fault(RegionFault::FileMissing));
        Ok(Self {
            catalogue: file(RegionFile::Catalogue)?,
            units: file(RegionFile::Units)?,
            conversions: file(RegionFile::Conversions)?,
            panels: file(RegionFile::Panels)?,
            body_parts: file(RegionFile::BodyParts)?,
            reasons: file(RegionFile::Reasons)?,
            policy: file(RegionFile::Policy)?,
        })
    }
}

/// Reads one version of catalogue and policy.
///
/// # Errors
/// [`RegionError`] with the first wrong place; keep the version in force and have the file corrected.
pub fn load_region(files: &RegionFiles<'_>) -> Result<(Catalogue, Policy), RegionError> {
    let mut policy = policy::read(files.policy)?;
    policy.reasons = reasons::read(files.reasons)?;
    let catalogue = catalogue::read(files, &mut policy)?;
    policy::check(&policy, &catalogue)?;
    Ok((catalogue, policy))
}

/// Gives the files of the sample region that the program carries, for the demonstration and for a first start.
pub fn sample() -> RegionFiles<'static> {
    macro_rules! file {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/region/", $name))
        };
    }
    RegionFiles {
        catalogue: file!("catalogue.csv"),
        units: file!("units.csv"),
        conversions: file!("conversions.csv"),
        panels: file!("panels.csv"),
        body_parts: file!("body_parts.csv"),
        reasons: file!("reasons.csv"),
        policy: file!("policy.toml"),
    }
}

#[cfg(test)]
mod tests;
