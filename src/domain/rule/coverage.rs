//! What a result shows of what is wanted, by set containment.
//!
//! A wanted thing is a set of atoms: one for a laboratory item; for imaging one for each leaf of the body part, side,
//! view and phase. A study answers the atoms that it shows: 正侧位 holds 正位 and 侧位, 全腹部 holds 上腹部.

use std::collections::BTreeSet;

use super::super::catalogue::{Catalogue, ImagingItem, Item};
use super::super::entry::{Content, Entry};
use super::super::imaging::{Contrast, Coverage, ImagingStudy, Laterality};
use super::super::order::WantedItem;
use super::super::verdict::Refusal;

/// The smallest thing that can be wanted of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// A laboratory item's value.
    Value,
    /// One view of one side of one leaf of the body part, in one phase.
    Image {
        /// Leaf of the tree of body parts.
        leaf: String,
        /// Side.
        side: Laterality,
        /// View; none where views do not matter.
        view: Option<String>,
        /// Phase: plain, enhanced, or not applicable.
        phase: Contrast,
    },
}

/// Gives all that is wanted of an item.
pub fn atoms_of(wanted: &WantedItem, catalogue: &Catalogue) -> BTreeSet<Atom> {
    let Some(coverage) = &wanted.coverage else { return BTreeSet::from([Atom::Value]) };
    let views: Vec<Option<String>> = match coverage.views.len() {
        0 => vec![None],
        _ => coverage.views.iter().cloned().map(Some).collect(),
    };
    let mut atoms = BTreeSet::new();
    for leaf in catalogue.body_parts.leaves(&coverage.body_part) {
        for side in sides(coverage.laterality) {
            for phase in phases(coverage.contrast) {
                let image = |view: &Option<String>| Atom::Image {
                    leaf: leaf.to_owned(),
                    side: *side,
                    view: view.clone(),
                    phase: *phase,
                };
                atoms.extend(views.iter().map(image));
            }
        }
    }
    atoms
}

/// Gives the atoms of a wanted imaging item that one coverage of a study shows.
pub fn atoms_shown(atoms: &BTreeSet<Atom>, shown: &Coverage, catalogue: &Catalogue) -> BTreeSet<Atom> {
    let shows = |atom: &&Atom| match atom {
        Atom::Value => false,
        Atom::Image { leaf, side, view, phase } => {
            catalogue.body_parts.holds(&shown.body_part, leaf)
                && shows_side(*side, shown.laterality)
                && view.as_ref().is_none_or(|view| shown.views.contains(view))
                && shows_phase(*phase, shown.contrast)
        }
    };
    atoms.iter().filter(shows).cloned().collect()
}

/// Gives the atoms that an entry shows, at least one.
pub(super) fn shown(
    wanted: &WantedItem,
    item: &Item,
    entry: &Entry,
    catalogue: &Catalogue,
) -> Result<BTreeSet<Atom>, Refusal> {
    match (&entry.content, &wanted.coverage, item.imaging()) {
        (Content::Laboratory(_), None, None) if entry.items.contains(&item.code) => Ok(BTreeSet::from([Atom::Value])),
        (Content::Imaging(study), Some(coverage), Some(imaging)) => {
            let atoms = atoms_of(wanted, catalogue);
            let parts: Vec<&Coverage> =
                study.coverage.iter().filter(|part| overlaps(part, imaging, &atoms, catalogue)).collect();
            if parts.is_empty() {
                return Err(Refusal::NotCovered);
            }
            thickness(wanted, study)?;
            let shown: BTreeSet<Atom> = parts.iter().flat_map(|part| atoms_shown(&atoms, part, catalogue)).collect();
            if shown.is_empty() { Err(nearest_miss(coverage, &parts)) } else { Ok(shown) }
        }
        _ => Err(Refusal::NotCovered),
    }
}

/// Says whether a part of a study is about the wanted body part at all, made by a modality of the item.
fn overlaps(part: &Coverage, imaging: &ImagingItem, atoms: &BTreeSet<Atom>, catalogue: &Catalogue) -> bool {
    let about = |atom: &Atom| match atom {
        Atom::Value => false,
        Atom::Image { leaf, .. } => catalogue.body_parts.holds(&part.body_part, leaf),
    };
    imaging.makes(&part.modality) && atoms.iter().any(about)
}

/// Says what kept parts about the right body part from answering anything: side before contrast before view.
fn nearest_miss(wanted: &Coverage, parts: &[&Coverage]) -> Refusal {
    let on_side = |part: &&&Coverage| sides(wanted.laterality).iter().any(|side| shows_side(*side, part.laterality));
    let in_phase = |part: &&&Coverage| phases(wanted.contrast).iter().any(|phase| shows_phase(*phase, part.contrast));
    let unsaid =
        wanted.laterality == Laterality::Unknown || parts.iter().all(|part| part.laterality == Laterality::Unknown);
    match () {
        () if !parts.iter().any(|part| on_side(&part)) && unsaid => Refusal::SideUnknown,
        () if !parts.iter().any(|part| on_side(&part)) => Refusal::SideDiffers,
        () if !parts.iter().any(|part| on_side(&part) && in_phase(&part)) => Refusal::ContrastDiffers,
        () => Refusal::ViewMissing,
    }
}

/// Checks the slices where the order says how thin they must be.
fn thickness(wanted: &WantedItem, study: &ImagingStudy) -> Result<(), Refusal> {
    let (Some(wanted_mm), Some(coverage)) = (wanted.slice_thickness_mm_max, &wanted.coverage) else { return Ok(()) };
    let series = study.series.iter().filter(|series| series.modality == coverage.modality);
    match series.filter_map(|series| series.slice_thickness_mm).min() {
        None => Err(Refusal::ThicknessUnknown),
        Some(found_mm) if found_mm > wanted_mm => Err(Refusal::SlicesTooThick { found_mm, wanted_mm }),
        Some(_) => Ok(()),
    }
}

/// The sides that an order asks for; an order that does not say asks for one that nothing shows.
fn sides(wanted: Laterality) -> &'static [Laterality] {
    match wanted {
        Laterality::Unpaired => &[Laterality::Unpaired],
        Laterality::Unknown => &[Laterality::Unknown],
        Laterality::Left => &[Laterality::Left],
        Laterality::Right => &[Laterality::Right],
        Laterality::Both => &[Laterality::Left, Laterality::Right],
    }
}

fn shows_side(wanted: Laterality, shown: Laterality) -> bool {
    match wanted {
        Laterality::Left | Laterality::Right => shown == wanted || shown == Laterality::Both,
        Laterality::Unpaired => matches!(shown, Laterality::Unpaired | Laterality::Unknown | Laterality::Both),
        Laterality::Both | Laterality::Unknown => false,
    }
}

fn phases(wanted: Contrast) -> &'static [Contrast] {
    match wanted {
        Contrast::Plain => &[Contrast::Plain],
        Contrast::Enhanced => &[Contrast::Enhanced],
        Contrast::PlainAndEnhanced => &[Contrast::Plain, Contrast::Enhanced],
        Contrast::NotApplicable | Contrast::Unknown => &[Contrast::NotApplicable],
    }
}

fn shows_phase(wanted: Contrast, shown: Contrast) -> bool {
    match wanted {
        Contrast::Plain | Contrast::Enhanced => shown == wanted || shown == Contrast::PlainAndEnhanced,
        Contrast::NotApplicable => true,
        Contrast::PlainAndEnhanced | Contrast::Unknown => false,
    }
}
