//! Units of laboratory results: which spellings mean the same unit, and which numbers convert by an explicit rule.
//!
//! A spelling that is not in the table is unknown, and unknown is never guessed at. Case matters: `g/L` is gram per
//! litre and `G/L` is 10*9 per litre.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::catalogue::{LaboratoryItem, ValueKind};
use super::value::{AsSent, Comparator, Incomparable, Quantity};

/// A unit known to the region, in UCUM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// UCUM code, as `10*9/L`.
    pub ucum: String,
    /// What it measures; only units of one dimension convert without the item's own rule.
    pub dimension: String,
    /// How many base units of the dimension one of it is.
    pub factor: Decimal,
}

/// The spellings of all known units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Units {
    units: BTreeMap<String, Unit>,
    spellings: BTreeMap<String, String>,
}

/// A spelling already stands for another unit; correct the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a spelling of unit {0} already stands for another unit")]
pub struct SpellingTaken(pub String);

impl super::fault::Faulty for SpellingTaken {
    fn fault(&self) -> super::fault::Fault {
        super::fault::Fault::BadInput
    }
}

impl Units {
    /// Adds a unit with its spellings; its UCUM code is always one of them.
    ///
    /// # Errors
    /// [`SpellingTaken`] when a spelling would have two meanings.
    pub fn add(&mut self, unit: Unit, spellings: &[&str]) -> Result<(), SpellingTaken> {
        for spelling in spellings.iter().copied().chain([unit.ucum.as_str()]) {
            let taken = self.spellings.insert(normal_spelling(spelling), unit.ucum.clone());
            if taken.is_some_and(|other| other != unit.ucum) {
                return Err(SpellingTaken(unit.ucum.clone()));
            }
        }
        self.units.insert(unit.ucum.clone(), unit);
        Ok(())
    }

    /// Finds the unit that a text means.
    pub fn find(&self, text: &str) -> Option<&Unit> {
        self.spellings.get(&normal_spelling(text)).and_then(|ucum| self.units.get(ucum))
    }

    /// Converts a number to the unit of an item.
    ///
    /// # Errors
    /// [`Incomparable`] when no explicit rule leads to the item's unit; keep the number as sent, and never prompt it.
    pub fn convert(
        &self,
        item: &LaboratoryItem,
        comparator: Comparator,
        number: Decimal,
        unit_text: &str,
    ) -> Result<Quantity, Incomparable> {
        let ValueKind::Quantity(wanted) = &item.value else { return Err(Incomparable::ValueKind) };
        let wanted = self.find(wanted).ok_or(Incomparable::UnitUnknown)?;
        let quantity = |number, as_sent| Quantity { comparator, number, unit: wanted.ucum.clone(), as_sent };
        if unit_text.trim().is_empty() {
            let bare = wanted.dimension == DIMENSIONLESS;
            return if bare { Ok(quantity(number, None)) } else { Err(Incomparable::UnitMissing) };
        }
        let sent = self.find(unit_text).ok_or(Incomparable::UnitUnknown)?;
        if sent.ucum == wanted.ucum {
            return Ok(quantity(number, None));
        }
        let converted = self.by_rule(item, number, sent, wanted).ok_or(Incomparable::UnitUnknown)?;
        Ok(quantity(converted, Some(AsSent { number, unit: unit_text.trim().to_owned() })))
    }

    /// Tries one dimension, then the item's own rules, then its molar mass.
    fn by_rule(&self, item: &LaboratoryItem, number: Decimal, sent: &Unit, wanted: &Unit) -> Option<Decimal> {
        let in_base = number.checked_mul(sent.factor)?;
        let exact = if sent.dimension == wanted.dimension {
            in_base.checked_div(wanted.factor)?
        } else if let Some(factor) = item.conversions.get(&sent.ucum) {
            number.checked_mul(*factor)?
        } else if let (Some(mass), MASS_PER_VOLUME, AMOUNT_PER_VOLUME) =
            (item.molar_mass_g_per_mol, sent.dimension.as_str(), wanted.dimension.as_str())
        {
            in_base.checked_div(mass)?.checked_div(wanted.factor)?
        } else {
            return None;
        };
        exact.round_sf(SIGNIFICANT_DIGITS).map(|rounded| rounded.normalize())
    }
}

/// Brings the signs that mean the same in any unit to one form: full-width letters, the two micro signs, the
/// multiplication sign, superscript digits, and spaces. Letters keep their case.
pub fn normal_spelling(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut raised = false;
    for sign in text.chars().filter(|sign| !sign.is_whitespace()) {
        let digit = SUPERSCRIPTS.iter().position(|superscript| *superscript == sign);
        if digit.is_some() && !raised {
            normal.push('^');
        }
        raised = digit.is_some();
        normal.push(match (sign, digit) {
            (_, Some(digit)) => char::from_digit(u32::try_from(digit).unwrap_or_default(), 10).unwrap_or(sign),
            ('\u{b5}' | '\u{3bc}', _) => 'u',
            ('×' | '✕' | '∗' | '＊', _) => '*',
            ('\u{ff01}'..='\u{ff5e}', _) => char::from_u32(u32::from(sign) - 0xfee0).unwrap_or(sign),
            _ => sign,
        });
    }
    normal
}

/// Dimension of a number that needs no unit: INR, pH, specific gravity.
pub const DIMENSIONLESS: &str = "number";
const MASS_PER_VOLUME: &str = "g/L";
const AMOUNT_PER_VOLUME: &str = "mol/L";
/// A converted number keeps this many digits, more than any method of measurement gives.
const SIGNIFICANT_DIGITS: u32 = 8;
const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
