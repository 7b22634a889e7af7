//! What an imaging study covers, decomposed into attributes: modality, body part, side, views, contrast, phases.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

/// One imaging study with what its series cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagingStudy {
    /// Study Instance UID. Source: DICOM PS3.3, C.7.2.1.
    pub study_uid: String,
    /// What the study shows, one element a body part.
    pub coverage: Vec<Coverage>,
    /// Its series.
    pub series: Vec<Series>,
}

/// What one part of a study shows. An order covers another when each attribute contains the other's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coverage {
    /// Modality. Source: DICOM PS3.3, C.7.3.1.1.1 (CT, MR, DX, US, ...).
    pub modality: String,
    /// Body part of the catalogue's table, as `CHEST`; parts form a tree there (上腹部 is inside 全腹部).
    pub body_part: String,
    /// Side.
    pub laterality: Laterality,
    /// Views taken, as `PA`, `LATERAL`; empty where views do not matter.
    pub views: BTreeSet<String>,
    /// Contrast given.
    pub contrast: Contrast,
}

/// Side of a paired body part. Source: DICOM PS3.3, C.7.3.1.1 (0020,0060).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Laterality {
    /// The part is not paired.
    Unpaired,
    /// The part is paired and the sender did not say which side; never matches a side.
    Unknown,
    /// Left.
    Left,
    /// Right.
    Right,
    /// Both sides.
    Both,
}

/// Whether contrast medium was given (平扫, 增强).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contrast {
    /// Without contrast only.
    Plain,
    /// With contrast only.
    Enhanced,
    /// Without and with contrast.
    PlainAndEnhanced,
    /// The question does not arise (ultrasound, ECG).
    NotApplicable,
    /// The sender did not say; never satisfies an order that names it.
    Unknown,
}

/// Facts of one series that a doctor needs before relying on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Series Instance UID.
    pub series_uid: String,
    /// Modality of the series.
    pub modality: String,
    /// Number of instances received.
    pub instances: u32,
    /// Thinnest slice in millimetres, where slices exist.
    pub slice_thickness_mm: Option<Decimal>,
    /// Field strength in tesla, for MR.
    pub field_strength_tesla: Option<Decimal>,
    /// Series Description or Protocol Name, at most 64 characters.
    pub description: String,
    /// Transfer syntaxes of its instances.
    pub transfer_syntaxes: BTreeSet<String>,
}
