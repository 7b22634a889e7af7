//! The region's catalogue: items, panels, units and body parts. Windows and negative lists are the policy's.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::body_part::BodyParts;
use super::entry::Sensitivity;
use super::imaging::{Contrast, Coverage, Laterality};
use super::item::{ItemCode, Loinc};
use super::panel::{Panel, PanelCode};
use super::specimen::Specimen;
use super::unit::Units;

/// One version of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Version, as the policy that brings it names it.
    pub version: String,
    /// Items by code.
    pub items: BTreeMap<ItemCode, Item>,
    /// Panels by code.
    pub panels: BTreeMap<PanelCode, Panel>,
    /// Tree of body parts.
    pub body_parts: BodyParts,
    /// Known units.
    pub units: Units,
    /// The item that a LOINC code leads to; every code of an item, own and equivalent.
    pub by_loinc: BTreeMap<Loinc, ItemCode>,
}

/// What may be recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Code.
    pub code: ItemCode,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Subclass of the region's list, as `临床化学`.
    pub subclass: String,
    /// EQA programme, or the evaluation that qualifies for it.
    pub programme: String,
    /// Who may see that a result exists.
    pub sensitivity: Sensitivity,
    /// What it is, by class.
    pub kind: ItemKind,
}

/// The two classes of items, 检验 and 检查.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// A laboratory item.
    Laboratory(LaboratoryItem),
    /// An imaging or electrophysiology item.
    Imaging(ImagingItem),
}

/// What a laboratory item demands of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaboratoryItem {
    /// The item's own LOINC code.
    pub loinc: Loinc,
    /// Codes whose results may stand for it. Whatever is not listed may not, however alike (HbA1c IFCC, urea nitrogen).
    pub equivalent_loincs: BTreeSet<Loinc>,
    /// Specimens that a result may come from.
    pub specimens: BTreeSet<Specimen>,
    /// Kind of value.
    pub value: ValueKind,
    /// Molar mass in g/mol, where mass and substance concentration convert.
    pub molar_mass_g_per_mol: Option<Decimal>,
    /// Explicit factors from other units (UCUM) to the item's.
    pub conversions: BTreeMap<String, Decimal>,
    /// What its method means for comparability.
    pub method: MethodDemand,
    /// Whether the value depends on fasting.
    pub fasting: bool,
    /// Whether the value depends on the day of the menstrual cycle.
    pub cycle_day: bool,
}

/// Kind of value of a laboratory item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueKind {
    /// A number in this UCUM unit.
    Quantity(String),
    /// A finding: positive or negative, a grade, a titre, a blood group.
    Finding,
}

/// What the method of an item means for comparability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MethodDemand {
    /// Results of all methods compare.
    Any,
    /// Only results of one method group compare (PT in seconds, aPTT, tumour markers, FT3, FT4).
    SameGroup,
}

/// What an imaging item shows, as an order of it wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagingItem {
    /// Modalities that make it, the usual one first. Source: DICOM PS3.3, C.7.3.1.1.1.
    pub modalities: Vec<String>,
    /// Body part.
    pub body_part: String,
    /// Whether an order must name the side.
    pub paired: bool,
    /// Views that it consists of; empty where views do not matter.
    pub views: BTreeSet<String>,
    /// Contrast.
    pub contrast: Contrast,
    /// Thickest slice in millimetres that it may have, where it matters for every order.
    pub slice_thickness_mm_max: Option<Decimal>,
}

impl Catalogue {
    /// Finds an item.
    pub fn item(&self, code: ItemCode) -> Option<&Item> {
        self.items.get(&code)
    }

    /// Finds the imaging item that a wanted coverage falls under: same modality, body part and contrast, and of those
    /// the one with the same views, else the one with the fewest views that has them all.
    pub fn imaging_item(&self, wanted: &Coverage) -> Option<ItemCode> {
        self.items
            .values()
            .filter_map(|item| item.imaging().map(|imaging| (item.code, imaging)))
            .filter(|(_, imaging)| {
                imaging.makes(&wanted.modality)
                    && imaging.body_part == wanted.body_part
                    && (imaging.contrast == wanted.contrast || imaging.contrast == Contrast::NotApplicable)
                    && imaging.views.is_superset(&wanted.views)
            })
            .min_by_key(|(code, imaging)| (imaging.views.len(), *code))
            .map(|(code, _)| code)
    }

    /// Finds the panel with a LOINC code.
    pub fn panel_by_loinc(&self, loinc: Loinc) -> Option<&Panel> {
        self.panels.values().find(|panel| panel.loinc == Some(loinc))
    }
}

impl Item {
    /// Gives the laboratory part of a laboratory item.
    pub fn laboratory(&self) -> Option<&LaboratoryItem> {
        match &self.kind {
            ItemKind::Laboratory(item) => Some(item),
            ItemKind::Imaging(_) => None,
        }
    }

    /// Gives the imaging part of an imaging item.
    pub fn imaging(&self) -> Option<&ImagingItem> {
        match &self.kind {
            ItemKind::Imaging(item) => Some(item),
            ItemKind::Laboratory(_) => None,
        }
    }
}

impl LaboratoryItem {
    /// Says whether a result with this LOINC code may stand for the item.
    pub fn accepts_loinc(&self, loinc: Loinc) -> bool {
        self.loinc == loinc || self.equivalent_loincs.contains(&loinc)
    }
}

impl ImagingItem {
    /// Says whether the modality makes this item.
    pub fn makes(&self, modality: &str) -> bool {
        self.modalities.iter().any(|known| known == modality)
    }

    /// Gives what an order of this item wants, on the side that the order names.
    pub fn coverage(&self, side: Laterality) -> Coverage {
        Coverage {
            modality: self.modalities.first().cloned().unwrap_or_default(),
            body_part: self.body_part.clone(),
            laterality: if self.paired { side } else { Laterality::Unpaired },
            views: self.views.clone(),
            contrast: self.contrast,
        }
    }
}
