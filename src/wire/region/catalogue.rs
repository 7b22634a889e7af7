//! `catalogue.csv` with the tables beside it: units, conversions, panels, body parts.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::domain::body_part::{BodyPart, BodyPartError, BodyParts};
use crate::domain::catalogue::{Catalogue, ImagingItem, Item, ItemKind, LaboratoryItem, MethodDemand, ValueKind};
use crate::domain::entry::Sensitivity;
use crate::domain::imaging::Contrast;
use crate::domain::item::{CodeError, ItemCode, Loinc};
use crate::domain::panel::{Panel, PanelCode, PanelPurpose};
use crate::domain::policy::{Policy, Windows};
use crate::domain::specimen::Specimen;
use crate::domain::time::Hours;
use crate::domain::unit::{Unit, Units};

use super::table::{Row, rows};
use super::{RegionError, RegionFault, RegionFile, RegionFiles};

/// Reads the catalogue; windows and negative items, which stand in it, go to the policy.
pub(super) fn read(files: &RegionFiles<'_>, policy: &mut Policy) -> Result<Catalogue, RegionError> {
    let mut catalogue = Catalogue {
        version: policy.version.clone(),
        body_parts: body_parts(files.body_parts)?,
        units: units(files.units)?,
        ..Catalogue::default()
    };
    let mut conversions = conversions(files.conversions, &catalogue.units)?;
    for row in rows(RegionFile::Catalogue, &COLUMNS, files.catalogue)? {
        let item = item(&row, &catalogue, &mut conversions)?;
        let code = item.code;
        for loinc in item.laboratory().into_iter().flat_map(|item| item.equivalent_loincs.iter().chain([&item.loinc])) {
            if catalogue.by_loinc.insert(*loinc, code).is_some() {
                return Err(row.wrong("loinc", RegionFault::Twice));
            }
        }
        let outpatient = Hours(row.parse("window_outpatient_hours")?);
        policy.windows.insert(code, Windows { outpatient, inpatient: Hours(row.parse("window_inpatient_hours")?) });
        policy.never_prompt.extend(row.flag("never_prompt")?.then_some(code));
        policy.sensitive.extend(row.flag("sensitive")?.then_some(code));
        if catalogue.items.insert(code, item).is_some() {
            return Err(row.wrong("item", RegionFault::Twice));
        }
    }
    if !conversions.is_empty() {
        return Err(RegionFile::Conversions.fault(RegionFault::Dangling));
    }
    catalogue.panels = panels(files.panels, &catalogue)?;
    Ok(catalogue)
}

fn item(row: &Row, catalogue: &Catalogue, conversions: &mut Conversions) -> Result<Item, RegionError> {
    let code: ItemCode = row.parse("item")?;
    let kind = match row.required("class")? {
        "laboratory" => ItemKind::Laboratory(laboratory(row, catalogue, conversions.remove(&code))?),
        "imaging" => ItemKind::Imaging(imaging(row, catalogue)?),
        _ => return Err(row.wrong("class", RegionFault::Value)),
    };
    let sensitivity = if row.flag("sensitive")? { Sensitivity::Sensitive } else { Sensitivity::Normal };
    Ok(Item {
        code,
        name_zh: row.required("name_zh")?.to_owned(),
        name_en: row.required("name_en")?.to_owned(),
        subclass: row.required("subclass")?.to_owned(),
        programme: row.required("programme")?.to_owned(),
        sensitivity,
        kind,
    })
}

fn laboratory(
    row: &Row,
    catalogue: &Catalogue,
    conversions: Option<BTreeMap<String, Decimal>>,
) -> Result<LaboratoryItem, RegionError> {
    row.none_of(&["modalities", "body_part", "laterality", "views", "contrast", "slice_thickness_mm_max"])?;
    let value = match row.required("value")? {
        "quantity" => {
            let unit = catalogue.units.find(row.required("unit")?);
            ValueKind::Quantity(unit.ok_or_else(|| row.wrong("unit", RegionFault::Dangling))?.ucum.clone())
        }
        "finding" => row.none_of(&["unit", "molar_mass_g_per_mol"]).map(|()| ValueKind::Finding)?,
        _ => return Err(row.wrong("value", RegionFault::Value)),
    };
    let specimen =
        |code: &str| Specimen::from_hl7(code, None).ok_or_else(|| row.wrong("specimens", RegionFault::Value));
    let specimens: BTreeSet<Specimen> = row.list("specimens").map(specimen).collect::<Result<_, _>>()?;
    if specimens.is_empty() {
        return Err(row.wrong("specimens", RegionFault::Empty));
    }
    let molar_mass: Option<Decimal> = row.maybe("molar_mass_g_per_mol")?;
    if molar_mass.is_some_and(|mass| mass <= Decimal::ZERO) {
        return Err(row.wrong("molar_mass_g_per_mol", RegionFault::Value));
    }
    Ok(LaboratoryItem {
        loinc: loinc(row, "loinc", row.required("loinc")?)?,
        equivalent_loincs: row
            .list("equivalent_loincs")
            .map(|code| loinc(row, "equivalent_loincs", code))
            .collect::<Result<_, _>>()?,
        specimens,
        value,
        molar_mass_g_per_mol: molar_mass,
        conversions: conversions.unwrap_or_default(),
        method: row.choice("method", &[("any", MethodDemand::Any), ("same-group", MethodDemand::SameGroup)])?,
        fasting: row.flag("fasting")?,
        cycle_day: row.flag("cycle_day")?,
    })
}

fn imaging(row: &Row, catalogue: &Catalogue) -> Result<ImagingItem, RegionError> {
    row.none_of(&["specimens", "loinc", "equivalent_loincs", "value", "unit", "molar_mass_g_per_mol"])?;
    row.none_of(&["method", "fasting", "cycle_day"])?;
    row.required("modalities")?;
    let body_part = row.required("body_part")?;
    if catalogue.body_parts.part(body_part).is_none() {
        return Err(row.wrong("body_part", RegionFault::Dangling));
    }
    let contrasts = [
        ("plain", Contrast::Plain),
        ("enhanced", Contrast::Enhanced),
        ("plain-and-enhanced", Contrast::PlainAndEnhanced),
        ("any", Contrast::NotApplicable),
    ];
    Ok(ImagingItem {
        modalities: row.parse_list("modalities")?,
        body_part: body_part.to_owned(),
        paired: row.choice("laterality", &[("side", true), ("none", false)])?,
        views: row.parse_list("views")?,
        contrast: row.choice("contrast", &contrasts)?,
        slice_thickness_mm_max: row.maybe("slice_thickness_mm_max")?,
    })
}

fn loinc(row: &Row, column: &str, text: &str) -> Result<Loinc, RegionError> {
    text.parse().map_err(|error| match error {
        CodeError::LoincCheck { expected, .. } => row.wrong(column, RegionFault::LoincCheck { expected }),
        CodeError::Item | CodeError::LoincForm => row.wrong(column, RegionFault::Value),
    })
}

fn units(bytes: &[u8]) -> Result<Units, RegionError> {
    let mut units = Units::default();
    for row in rows(RegionFile::Units, &["unit", "dimension", "factor", "spellings"], bytes)? {
        let factor: Decimal = row.parse("factor")?;
        if factor <= Decimal::ZERO {
            return Err(row.wrong("factor", RegionFault::Value));
        }
        let unit =
            Unit { ucum: row.required("unit")?.to_owned(), dimension: row.required("dimension")?.to_owned(), factor };
        let spellings: Vec<&str> = row.list("spellings").collect();
        units.add(unit, &spellings).map_err(|_| row.wrong("spellings", RegionFault::Twice))?;
    }
    Ok(units)
}

fn conversions(bytes: &[u8], units: &Units) -> Result<Conversions, RegionError> {
    let mut conversions = Conversions::new();
    for row in rows(RegionFile::Conversions, &["item", "unit", "factor", "basis"], bytes)? {
        let unit = units.find(row.required("unit")?).ok_or_else(|| row.wrong("unit", RegionFault::Dangling))?;
        let factor: Decimal = row.parse("factor")?;
        if factor <= Decimal::ZERO {
            return Err(row.wrong("factor", RegionFault::Value));
        }
        let of_item = conversions.entry(row.parse("item")?).or_default();
        if of_item.insert(unit.ucum.clone(), factor).is_some() {
            return Err(row.wrong("unit", RegionFault::Twice));
        }
    }
    Ok(conversions)
}

fn panels(bytes: &[u8], catalogue: &Catalogue) -> Result<BTreeMap<PanelCode, Panel>, RegionError> {
    let mut panels = BTreeMap::new();
    for row in rows(RegionFile::Panels, &["panel", "name_zh", "name_en", "loinc", "purpose", "items"], bytes)? {
        row.required("items")?;
        let mut items: Vec<ItemCode> = row.parse_list("items")?;
        items.sort();
        if items.iter().any(|code| !catalogue.items.contains_key(code)) {
            return Err(row.wrong("items", RegionFault::Dangling));
        }
        if items.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(row.wrong("items", RegionFault::Twice));
        }
        let loinc = Some(row.text("loinc")).filter(|text| !text.is_empty()).map(|text| loinc(&row, "loinc", text));
        let code: PanelCode = row.parse("panel")?;
        let panel = Panel {
            code: code.clone(),
            name_zh: row.required("name_zh")?.to_owned(),
            name_en: row.required("name_en")?.to_owned(),
            loinc: loinc.transpose()?,
            purpose: row
                .choice("purpose", &[("care", PanelPurpose::Care), ("major-measure", PanelPurpose::MajorMeasure)])?,
            items,
        };
        if panels.insert(code, panel).is_some() {
            return Err(row.wrong("panel", RegionFault::Twice));
        }
    }
    Ok(panels)
}

fn body_parts(bytes: &[u8]) -> Result<BodyParts, RegionError> {
    let columns = &["part", "parent", "name_zh", "name_en", "paired", "terms"];
    let mut parts = Vec::new();
    for row in rows(RegionFile::BodyParts, columns, bytes)? {
        let name_zh = row.required("name_zh")?;
        parts.push(BodyPart {
            code: row.required("part")?.to_owned(),
            parent: row.maybe("parent")?,
            name_zh: name_zh.to_owned(),
            name_en: row.required("name_en")?.to_owned(),
            paired: row.flag("paired")?,
            terms: row.list("terms").chain([name_zh]).map(str::to_owned).collect(),
        });
    }
    BodyParts::new(parts).map_err(|error| {
        let (column, reason) = match error {
            BodyPartError::Twice(_) => ("part", RegionFault::Twice),
            BodyPartError::Orphan(_) | BodyPartError::Circle(_) => ("parent", RegionFault::Dangling),
            BodyPartError::Term(_) => ("terms", RegionFault::Twice),
        };
        RegionError { column: column.to_owned(), ..RegionFile::BodyParts.fault(reason) }
    })
}

/// Factors by item and unit.
type Conversions = BTreeMap<ItemCode, BTreeMap<String, Decimal>>;

const COLUMNS: [&str; 25] = [
    "item",
    "name_zh",
    "name_en",
    "class",
    "subclass",
    "programme",
    "window_outpatient_hours",
    "window_inpatient_hours",
    "never_prompt",
    "sensitive",
    "specimens",
    "loinc",
    "equivalent_loincs",
    "value",
    "unit",
    "molar_mass_g_per_mol",
    "method",
    "fasting",
    "cycle_day",
    "modalities",
    "body_part",
    "laterality",
    "views",
    "contrast",
    "slice_thickness_mm_max",
];
