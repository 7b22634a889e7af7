//! What a doctor is about to order, and the visit in which it happens.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::adcode::Adcode;
use super::catalogue::Catalogue;
use super::id::{Pseudonym, ResultId};
use super::imaging::{Contrast, Coverage, Laterality};
use super::item::ItemCode;
use super::organisation::OrganisationCode;
use super::panel::{PanelCode, PanelPurpose};
use super::time::Moment;

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// The sender's name for the line.
    pub line_id: String,
    /// What it orders.
    pub wanted: Vec<Wanted>,
}

/// One thing that a line orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// One item; an imaging item of a paired part then names no side.
    Item(ItemCode),
    /// All items of a panel.
    Panel(PanelCode),
    /// An imaging study.
    Imaging(ImagingOrder),
}

/// An order of an imaging study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagingOrder {
    /// Catalogue item, whose window counts; found from the coverage if none.
    pub item: Option<ItemCode>,
    /// What the study must show.
    pub coverage: Coverage,
    /// Thickest slice in millimetres that serves (follow-up of nodules).
    pub slice_thickness_mm_max: Option<Decimal>,
}

/// The visit and the orderer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderContext {
    /// The patient.
    pub patient: Pseudonym,
    /// The hospital that orders.
    pub organisation: OrganisationCode,
    /// The division that the hospital lies in.
    pub region: Adcode,
    /// Setting.
    pub setting: Setting,
    /// Before an operation or another major measure.
    pub preoperative: bool,
    /// Before a transfusion.
    pub transfusion: bool,
    /// For a legal, disability or retirement opinion.
    pub forensic: bool,
    /// Part of a planned series.
    pub serial: bool,
    /// The patient is a newborn.
    pub neonate: bool,
    /// The patient is pregnant.
    pub pregnant: bool,
    /// When a treatment began that may have changed the results before it.
    pub treated_at: Option<Moment>,
    /// Method groups in use at the ordering hospital.
    pub methods: BTreeMap<ItemCode, String>,
    /// Results already decided on in this visit.
    pub decided: BTreeSet<ResultId>,
    /// Prompts raised in this visit so far, by item.
    pub prompted: BTreeMap<ItemCode, u32>,
    /// Whether the patient's grant opens sensitive results to this visit.
    pub sensitive_granted: bool,
}

/// Where care is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// Outpatient.
    Outpatient,
    /// Inpatient.
    Inpatient,
    /// Emergency.
    Emergency,
}

/// One item of a line with what it asks for, panels resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedItem {
    /// The item.
    pub code: ItemCode,
    /// For imaging, what must be shown.
    pub coverage: Option<Coverage>,
    /// For imaging, the thickest slice that serves, in millimetres.
    pub slice_thickness_mm_max: Option<Decimal>,
    /// Whether it is part of a panel ordered before a major measure.
    pub guarded: bool,
}

/// What became of a line's codes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// The items, sorted, none twice.
    pub items: Vec<WantedItem>,
    /// How many wanted things the catalogue does not know.
    pub unknown: usize,
}

impl OrderContext {
    /// Makes the context of a plain outpatient visit.
    pub fn outpatient(patient: Pseudonym, organisation: OrganisationCode, region: Adcode) -> Self {
        Self {
            patient,
            organisation,
            region,
            setting: Setting::Outpatient,
            preoperative: false,
            transfusion: false,
            forensic: false,
            serial: false,
            neonate: false,
            pregnant: false,
            treated_at: None,
            methods: BTreeMap::new(),
            decided: BTreeSet::new(),
            prompted: BTreeMap::new(),
            sensitive_granted: false,
        }
    }
}

impl WantedItem {
    /// Makes the want of one catalogue item; none if the catalogue does not have it.
    pub fn of(code: ItemCode, side: Laterality, catalogue: &Catalogue) -> Option<Self> {
        let imaging = catalogue.item(code)?.imaging();
        Some(Self {
            code,
            coverage: imaging.map(|imaging| imaging.coverage(side)),
            slice_thickness_mm_max: imaging.and_then(|imaging| imaging.slice_thickness_mm_max),
            guarded: false,
        })
    }
}

impl OrderLine {
    /// Resolves panels and imaging orders to items. An item that a guarded panel also orders is guarded.
    pub fn expand(&self, catalogue: &Catalogue) -> Expanded {
        let mut expanded = Expanded::default();
        for wanted in &self.wanted {
            let found = match wanted {
                Wanted::Item(code) => WantedItem::of(*code, Laterality::Unknown, catalogue).into_iter().collect(),
                Wanted::Panel(code) => panel_items(code, catalogue),
                Wanted::Imaging(order) => imaging_item(order, catalogue).into_iter().collect::<Vec<_>>(),
            };
            expanded.unknown += usize::from(found.is_empty());
            expanded.items.extend(found);
        }
        expanded.items.sort();
        let guarded: BTreeSet<ItemCode> =
            expanded.items.iter().filter(|item| item.guarded).map(|item| item.code).collect();
        expanded.items.iter_mut().for_each(|item| item.guarded = guarded.contains(&item.code));
        expanded.items.dedup();
        expanded
    }
}

fn panel_items(code: &PanelCode, catalogue: &Catalogue) -> Vec<WantedItem> {
    let Some(panel) = catalogue.panels.get(code) else { return Vec::new() };
    let guarded = panel.purpose == PanelPurpose::MajorMeasure;
    let items = panel.items.iter().filter_map(|code| WantedItem::of(*code, Laterality::Unknown, catalogue));
    items.map(|item| WantedItem { guarded, ..item }).collect()
}

/// Resolves an imaging order; what it leaves open, the catalogue item says. A body part or modality that contradicts
/// the item makes the order unknown rather than half right.
fn imaging_item(order: &ImagingOrder, catalogue: &Catalogue) -> Option<WantedItem> {
    let code = order.item.or_else(|| catalogue.imaging_item(&order.coverage))?;
    let imaging = catalogue.item(code)?.imaging()?;
    let mut coverage = order.coverage.clone();
    if !imaging.makes(&coverage.modality) || !catalogue.body_parts.contains(&imaging.body_part, &coverage.body_part) {
        return None;
    }
    if matches!(coverage.contrast, Contrast::Unknown | Contrast::NotApplicable) {
        coverage.contrast = imaging.contrast;
    }
    if coverage.views.is_empty() {
        coverage.views.clone_from(&imaging.views);
    }
    if !imaging.paired && matches!(coverage.laterality, Laterality::Unknown | Laterality::Both) {
        coverage.laterality = Laterality::Unpaired;
    }
    let thickness = [order.slice_thickness_mm_max, imaging.slice_thickness_mm_max].into_iter().flatten().min();
    Some(WantedItem { code, coverage: Some(coverage), slice_thickness_mm_max: thickness, guarded: false })
}
