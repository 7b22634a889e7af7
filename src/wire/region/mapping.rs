//! A hospital's `mapping.csv`: its own codes and the catalogue items they mean.

use rust_decimal::Decimal;

use crate::domain::catalogue::Catalogue;
use crate::domain::mapping::{Mapping, MappingRow};
use crate::domain::specimen::Specimen;

use super::table::rows;
use super::{RegionError, RegionFault, RegionFile};

/// Reads a hospital's mapping table. `local_name` is for people and maps nothing.
///
/// # Errors
/// [`RegionError`] with the first wrong place; keep the table in force and have it corrected.
pub fn load_mapping(bytes: &[u8], catalogue: &Catalogue) -> Result<Mapping, RegionError> {
    let mut mapping = Mapping::default();
    for row in rows(RegionFile::Mapping, &COLUMNS, bytes)? {
        let item = row.parse("item")?;
        if catalogue.item(item).is_none() {
            return Err(row.wrong("item", RegionFault::Dangling));
        }
        let unit: Option<String> = row.maybe("unit")?;
        if unit.as_deref().is_some_and(|unit| catalogue.units.find(unit).is_none()) {
            return Err(row.wrong("unit", RegionFault::Dangling));
        }
        let specimen = match row.text("specimen") {
            "" => None,
            text => Some(Specimen::parse(text).ok_or_else(|| row.wrong("specimen", RegionFault::Value))?),
        };
        let factor: Option<Decimal> = row.maybe("factor")?;
        if factor.is_some_and(|factor| factor <= Decimal::ZERO) {
            return Err(row.wrong("factor", RegionFault::Value));
        }
        let entry = MappingRow { item, unit, specimen, factor };
        if mapping.insert(row.text("system"), row.required("local_code")?, entry).is_some() {
            return Err(row.wrong("local_code", RegionFault::Twice));
        }
    }
    Ok(mapping)
}

const COLUMNS: [&str; 7] = ["system", "local_code", "local_name", "item", "unit", "specimen", "factor"];
