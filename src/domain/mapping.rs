//! From a hospital's own codes to catalogue items: by the hospital's table, then by a valid LOINC code, never by likeness.
//!
//! Likeness is for people only: [`suggest`] ranks what a person may confirm.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::catalogue::{Catalogue, Item, ValueKind};
use super::entry::LocalCode;
use super::imaging::{Contrast, Coverage, Laterality};
use super::item::{ItemCode, Loinc};
use super::order::WantedItem;
use super::rule::{atoms_of, atoms_shown};
use super::specimen::Specimen;
use super::unit::normal_spelling;
use super::value::{Comparator, Incomparable, Quantity};

/// One hospital's table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    rows: BTreeMap<(String, String), MappingRow>,
}

/// What the table says of one local code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingRow {
    /// The catalogue item.
    pub item: ItemCode,
    /// Unit that the numbers are in, whatever the message says.
    pub unit: Option<String>,
    /// Specimen, whatever the message says.
    pub specimen: Option<Specimen>,
    /// Factor to bring the numbers to the unit.
    pub factor: Option<Decimal>,
}

/// The item that a local code leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The catalogue item.
    pub item: ItemCode,
    /// The specimen: the table's, else the message's, else what the LOINC code implies.
    pub specimen: Option<Specimen>,
    /// The table's row, if it decided.
    pub row: Option<MappingRow>,
}

/// Why a local code leads to no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unmapped {
    /// Neither the table nor the catalogue knows any of the codes; a person has to map it.
    Unknown,
    /// Two LOINC codes lead to two items.
    Ambiguous,
}

/// A catalogue item that a local code may mean, for a person to confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The item.
    pub item: ItemCode,
    /// Likeness of the names in percent, 0 to 100.
    pub likeness_percent: u32,
    /// Whether the unit converts to the item's.
    pub unit_fits: bool,
}

impl Mapping {
    /// Adds a row; an empty system stands for every system. Gives back the row that it replaces.
    pub fn insert(&mut self, system: &str, code: &str, row: MappingRow) -> Option<MappingRow> {
        self.rows.insert((system.to_owned(), code.to_owned()), row)
    }

    /// Gives the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Says whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Finds the item of a local code: the table's row for its system, then for any system, then the LOINC codes sent.
    ///
    /// # Errors
    /// [`Unmapped`]; publish the result without an item's claim, and show the code to whoever keeps the table.
    pub fn map(
        &self,
        local: &LocalCode,
        loincs: &[Loinc],
        specimen: Option<Specimen>,
        catalogue: &Catalogue,
    ) -> Result<Mapped, Unmapped> {
        let row = |system: &str| self.rows.get(&(system.to_owned(), local.code.clone()));
        if let Some(row) = row(&local.system).or_else(|| row("")).filter(|_| !local.code.is_empty()) {
            return Ok(Mapped { item: row.item, specimen: row.specimen.or(specimen), row: Some(row.clone()) });
        }
        let items: BTreeSet<ItemCode> =
            loincs.iter().filter_map(|loinc| catalogue.by_loinc.get(loinc)).copied().collect();
        match (items.first(), items.len()) {
            (Some(item), 1) => Ok(Mapped { item: *item, specimen: specimen.or(implied(*item, catalogue)), row: None }),
            (Some(_), _) => Err(Unmapped::Ambiguous),
            (None, _) => Err(Unmapped::Unknown),
        }
    }
}

impl Mapped {
    /// Brings a number to the item's unit, by the table's word on unit and factor if it has one.
    ///
    /// # Errors
    /// [`Incomparable`] when no explicit rule leads there.
    pub fn quantity(
        &self,
        comparator: Comparator,
        number: Decimal,
        unit: &str,
        catalogue: &Catalogue,
    ) -> Result<Quantity, Incomparable> {
        let item = catalogue.item(self.item).and_then(Item::laboratory).ok_or(Incomparable::ValueKind)?;
        let row = self.row.as_ref();
        let unit = row.and_then(|row| row.unit.as_deref()).unwrap_or(unit);
        let factor = row.and_then(|row| row.factor).unwrap_or(Decimal::ONE);
        let number = number.checked_mul(factor).ok_or(Incomparable::NumberUnreadable)?;
        catalogue.units.convert(item, comparator, number, unit)
    }
}

/// The specimen that an item's LOINC code implies by its system axis: the widest the catalogue lists for it.
fn implied(item: ItemCode, catalogue: &Catalogue) -> Option<Specimen> {
    let specimens = &catalogue.item(item)?.laboratory()?.specimens;
    let either = specimens.get(&Specimen::SerumOrPlasma).copied();
    either.or_else(|| specimens.first().copied().filter(|_| specimens.len() == 1))
}

/// What a DICOM study says of one part, as the attributes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImagingTerms<'a> {
    /// (0008,0060).
    pub modality: &'a str,
    /// (0018,0015), or a local name of the part.
    pub body_part: &'a str,
    /// (0020,0060) or (0020,0062): `L`, `R`, `B`, `U`.
    pub laterality: &'a str,
    /// (0018,5101) of all instances.
    pub views: &'a BTreeSet<String>,
    /// Contrast, as (0018,0010) and the series tell.
    pub contrast: Contrast,
}

/// Reads the terms of a study into a coverage of the region's tree; none if the part or modality is not known.
pub fn coverage_of(terms: &ImagingTerms<'_>, catalogue: &Catalogue) -> Option<Coverage> {
    let part = catalogue.body_parts.by_term(terms.body_part.trim())?;
    let laterality = match terms.laterality.trim() {
        "L" => Laterality::Left,
        "R" => Laterality::Right,
        "B" => Laterality::Both,
        _ if part.paired => Laterality::Unknown,
        _ => Laterality::Unpaired,
    };
    let view = |view: &String| match view.as_str() {
        "LL" | "RL" | "LAT" => "LATERAL".to_owned(),
        other => other.to_owned(),
    };
    Some(Coverage {
        modality: Some(terms.modality.trim()).filter(|modality| !modality.is_empty())?.to_owned(),
        body_part: part.code.clone(),
        laterality,
        views: terms.views.iter().map(view).collect(),
        contrast: terms.contrast,
    })
}

/// Finds the imaging items that a coverage answers wholly, on whichever side it shows.
pub fn items_shown(shown: &Coverage, catalogue: &Catalogue) -> Vec<ItemCode> {
    let imaging =
        catalogue.items.values().filter(|item| item.imaging().is_some_and(|item| item.makes(&shown.modality)));
    let answers = |item: &&Item| {
        let Some(wanted) = WantedItem::of(item.code, shown.laterality, catalogue) else { return false };
        let atoms = atoms_of(&wanted, catalogue);
        !atoms.is_empty() && atoms_shown(&atoms, shown, catalogue) == atoms
    };
    imaging.filter(answers).map(|item| item.code).collect()
}

/// Ranks the laboratory items that a local name and unit may mean, the likeliest first. Never maps by itself.
pub fn suggest(name: &str, unit: &str, catalogue: &Catalogue, most: usize) -> Vec<Suggestion> {
    let wanted = named_in_specimen(&normal_name(name));
    let mut found: Vec<Suggestion> = catalogue
        .items
        .values()
        .filter_map(|item| {
            let laboratory = item.laboratory()?;
            let names = [item.name_zh.as_str(), item.name_en.as_str()];
            let likeness_percent = names
                .iter()
                .flat_map(|name| aliases(name))
                .flat_map(|alias| wanted.iter().map(move |name| likeness(name, &alias)))
                .max()?;
            let unit_fits = match laboratory.value {
                ValueKind::Quantity(_) => {
                    catalogue.units.convert(laboratory, Comparator::Equal, Decimal::ONE, unit).is_ok()
                }
                ValueKind::Finding => unit.trim().is_empty(),
            };
            Some(Suggestion { item: item.code, likeness_percent, unit_fits })
        })
        .filter(|suggestion| suggestion.likeness_percent >= LIKENESS_PERCENT_MIN)
        .collect();
    found.sort_by_key(|one| {
        std::cmp::Reverse((one.likeness_percent + if one.unit_fits { 20 } else { 0 }, std::cmp::Reverse(one.item)))
    });
    found.truncate(most);
    found
}

/// A name, and what stands in its brackets: `Alanine aminotransferase (ALT)` is also `ALT`.
fn aliases(name: &str) -> Vec<String> {
    let inner = name.split(['(', '（']).skip(1).filter_map(|rest| rest.split([')', '）']).next());
    let outer = name.split(['(', '（', ',']).next();
    [name].into_iter().chain(outer).chain(inner).map(normal_name).filter(|alias| !alias.is_empty()).collect()
}

/// Gives a name, and what is left of it without the blood that nearly every result is of: `血清钾` is also `钾`.
fn named_in_specimen(name: &str) -> Vec<String> {
    let bare = BLOOD.iter().filter_map(|blood| name.strip_prefix(blood)).filter(|bare| !bare.is_empty());
    [name].into_iter().chain(bare).map(str::to_owned).collect()
}

fn normal_name(name: &str) -> String {
    let name = normal_spelling(name).to_lowercase();
    name.chars().filter(|sign| sign.is_alphanumeric()).take(NAME_CHARACTERS_MAX).collect()
}

/// Likeness of two names in percent: 100 less the edit distance as a share of the longer.
fn likeness(one: &str, other: &str) -> u32 {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let longest = one.len().max(other.len());
    if longest == 0 {
        return 0;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, sign) in one.iter().enumerate() {
        let mut next = vec![place + 1];
        let mut left = place + 1;
        for ((above_left, above), against) in row.iter().zip(row.iter().skip(1)).zip(&other) {
            left = (above_left + usize::from(sign != against)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    let distance = row.last().copied().unwrap_or(longest);
    u32::try_from((longest - distance.min(longest)) * 100 / longest).unwrap_or_default()
}

/// What laboratories put before the name of what they measure; urine and the like are items of their own.
const BLOOD: [&str; 6] = ["血清", "血浆", "全血", "serum", "plasma", "blood"];
const LIKENESS_PERCENT_MIN: u32 = 40;
const NAME_CHARACTERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_of_whole_names() {
        assert_eq!(likeness("钾", "钾"), 100);
        assert_eq!(likeness("白细胞", "白细胞计数"), 60);
        assert_eq!(likeness("", "钾"), 0);
        assert_eq!(likeness("kitten", "sitting"), 57);
    }

    #[test]
    fn a_name_is_also_what_is_measured_in_blood() {
        assert_eq!(named_in_specimen("血清钾"), ["血清钾", "钾"]);
        assert_eq!(named_in_specimen("尿钾"), ["尿钾"]);
        assert_eq!(named_in_specimen("血清"), ["血清"]);
    }

    #[test]
    fn aliases_come_from_brackets() {
        assert!(aliases("Alanine aminotransferase (ALT)").contains(&"alt".to_owned()));
        assert!(aliases("Calcium, total").contains(&"calcium".to_owned()));
    }
}
