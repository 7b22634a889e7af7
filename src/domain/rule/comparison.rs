//! Whether a laboratory result may stand for another of its item: LOINC code, specimen, value, unit, method.
//!
//! The publisher's own word on comparability can only speak against a result; the rule looks for itself.

use super::super::catalogue::{Catalogue, Item, LaboratoryItem, MethodDemand, ValueKind};
use super::super::entry::{Content, Entry, LaboratoryResult};
use super::super::order::OrderContext;
use super::super::specimen::Specimen;
use super::super::value::{Comparability, Incomparable, Value};
use super::super::verdict::Refusal;

/// Finds what speaks against comparing a laboratory result; nothing for imaging.
pub(super) fn refuse(
    item: &Item,
    entry: &Entry,
    context: &OrderContext,
    catalogue: &Catalogue,
    refusals: &mut Vec<Refusal>,
) {
    let (Content::Laboratory(result), Some(wanted)) = (&entry.content, item.laboratory()) else { return };
    if result.loinc.is_some_and(|loinc| !wanted.accepts_loinc(loinc)) {
        refusals.push(Refusal::LoincDiffers);
    }
    refusals.extend(specimen(wanted, result.specimen));
    refusals.extend(value(wanted, result, catalogue));
    if wanted.method == MethodDemand::SameGroup {
        refusals.extend(method(result.method.as_deref(), context.methods.get(&item.code).map(String::as_str)));
    }
}

fn specimen(wanted: &LaboratoryItem, found: Option<Specimen>) -> Option<Refusal> {
    match found {
        None => Some(Refusal::SpecimenUnknown),
        Some(found) if wanted.specimens.contains(&found) => None,
        Some(found) => Some(Refusal::SpecimenDiffers { found }),
    }
}

fn value(wanted: &LaboratoryItem, result: &LaboratoryResult, catalogue: &Catalogue) -> Option<Refusal> {
    if let Comparability::NotComparable(fact) = result.comparability {
        return Some(Refusal::NotComparable(fact));
    }
    match (&wanted.value, &result.value) {
        (_, Value::InOriginal) => Some(Refusal::ValueMissing),
        (ValueKind::Finding, Value::Text(text)) if text.trim().is_empty() => Some(Refusal::ValueMissing),
        (ValueKind::Finding, Value::Text(_) | Value::Coded { .. }) => None,
        (ValueKind::Quantity(_), Value::Quantity(quantity)) => {
            let read = catalogue.units.convert(wanted, quantity.comparator, quantity.number, &quantity.unit);
            match read {
                Ok(read) if read.number == quantity.number => None,
                Ok(_) => Some(Refusal::NotComparable(Incomparable::UnitUnknown)),
                Err(fact) => Some(Refusal::NotComparable(fact)),
            }
        }
        _ => Some(Refusal::NotComparable(Incomparable::ValueKind)),
    }
}

fn method(found: Option<&str>, wanted: Option<&str>) -> Option<Refusal> {
    match (found.filter(|name| !name.is_empty()), wanted.filter(|name| !name.is_empty())) {
        (Some(found), Some(wanted)) => (found != wanted).then_some(Refusal::MethodDiffers),
        _ => Some(Refusal::MethodUnknown),
    }
}
