//! Order lines: codes to items, panels and images of the catalogue.

use crate::domain::catalogue::Catalogue;
use crate::domain::item::{ItemCode, Loinc};
use crate::domain::order::{ImagingOrder, OrderLine, Wanted};
use crate::domain::panel::PanelCode;
use crate::wire::orders::{AskedLine, CodeReference};

/// A line whose codes were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What the catalogue knows of it.
    pub line: OrderLine,
    /// Codes that the catalogue does not know.
    pub unknown: Vec<CodeReference>,
}

/// Looks up the codes of a line, whole and exactly.
pub fn resolve(asked: &AskedLine, catalogue: &Catalogue) -> Resolved {
    let mut wanted = Vec::new();
    let mut unknown = Vec::new();
    for code in &asked.codes {
        match look_up(code, catalogue) {
            Some(found) => wanted.push(found),
            None => unknown.push(code.clone()),
        }
    }
    // What an image must show belongs to the imaging item beside it, as the side belongs to a knee.
    let imaged = wanted.iter().position(|wanted| imaging_item(wanted, catalogue).is_some());
    let item = imaged.filter(|_| !asked.imaging.is_empty()).map(|place| wanted.remove(place));
    let item = item.and_then(|wanted| imaging_item(&wanted, catalogue));
    wanted.extend(asked.imaging.iter().map(|coverage| {
        let order = ImagingOrder { item, coverage: coverage.clone(), slice_thickness_mm_max: None };
        Wanted::Imaging(order)
    }));
    Resolved { line: OrderLine { line_id: asked.line_id.clone(), wanted }, unknown }
}

fn look_up(code: &CodeReference, catalogue: &Catalogue) -> Option<Wanted> {
    match code.system.as_str() {
        "catalogue" => {
            let item: ItemCode = code.code.parse().ok()?;
            catalogue.item(item).map(|_| Wanted::Item(item))
        }
        "panel" => {
            let panel: PanelCode = code.code.parse().ok()?;
            catalogue.panels.contains_key(&panel).then_some(Wanted::Panel(panel))
        }
        "loinc" | "http://loinc.org" => {
            let loinc: Loinc = code.code.parse().ok()?;
            let item = catalogue.by_loinc.get(&loinc).map(|item| Wanted::Item(*item));
            item.or_else(|| catalogue.panel_by_loinc(loinc).map(|panel| Wanted::Panel(panel.code.clone())))
        }
        _ => None,
    }
}

fn imaging_item(wanted: &Wanted, catalogue: &Catalogue) -> Option<ItemCode> {
    match wanted {
        Wanted::Item(item) => catalogue.item(*item)?.imaging().map(|_| *item),
        Wanted::Panel(_) | Wanted::Imaging(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::imaging::{Contrast, Coverage, Laterality};
    use crate::wire::region;

    fn code(system: &str, code: &str) -> CodeReference {
        CodeReference { system: system.into(), code: code.into(), display: String::new() }
    }

    fn resolved(codes: Vec<CodeReference>, imaging: Vec<Coverage>) -> Resolved {
        let (catalogue, _) = region::load_region(&region::sample()).unwrap();
        resolve(&AskedLine { line_id: "1".into(), codes, imaging }, &catalogue)
    }

    #[test]
    fn codes_are_matched_whole_and_in_their_own_system() {
        let potassium = vec![Wanted::Item("L01001".parse().unwrap())];
        assert_eq!(resolved(vec![code("catalogue", "L01001")], vec![]).line.wanted, potassium);
        assert_eq!(resolved(vec![code("loinc", "2823-3")], vec![]).line.wanted, potassium);
        for (system, text) in
            [("catalogue", "L0100"), ("catalogue", "1001"), ("catalogue", "2823-3"), ("loinc", "823-3")]
        {
            let resolved = resolved(vec![code(system, text)], vec![]);
            assert_eq!((resolved.line.wanted.len(), resolved.unknown), (0, vec![code(system, text)]));
        }
    }

    #[test]
    fn the_side_belongs_to_the_imaging_item_beside_it() {
        let left = Coverage {
            modality: "DX".into(),
            body_part: "KNEE".into(),
            laterality: Laterality::Left,
            views: BTreeSet::new(),
            contrast: Contrast::NotApplicable,
        };
        let wanted = resolved(vec![code("catalogue", "E01009")], vec![left.clone()]).line.wanted;
        let order = ImagingOrder { item: "E01009".parse().ok(), coverage: left, slice_thickness_mm_max: None };
        assert_eq!(wanted, vec![Wanted::Imaging(order)]);
    }
}
