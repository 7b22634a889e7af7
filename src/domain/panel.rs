//! Order panels (组套): orders are panels, results are items.

use std::fmt;

use super::item::{ItemCode, Loinc};

/// Code of a panel, as `CBC`: 1 to 16 capital letters, digits and underscores, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PanelCode(String);

/// A panel code is not written as it must be; correct the table or the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a panel code is 1 to 16 capital letters, digits and underscores, a letter first, and not an item code")]
pub struct PanelCodeError;

/// A panel with the items that it orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    /// Code.
    pub code: PanelCode,
    /// Chinese name, as `血常规`.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// LOINC code of the panel, if it has one.
    pub loinc: Option<Loinc>,
    /// What it is ordered for; a guarded panel never prompts.
    pub purpose: PanelPurpose,
    /// Its items, sorted, at least one.
    pub items: Vec<ItemCode>,
}

/// What a panel is ordered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PanelPurpose {
    /// Ordinary care.
    Care,
    /// Before an operation or a transfusion: a statutory ground to test again. Source: 国卫医发〔2022〕6号, re-test ground 3.
    MajorMeasure,
}

impl super::fault::Faulty for PanelCodeError {
    fn fault(&self) -> super::fault::Fault {
        super::fault::Fault::BadInput
    }
}

impl std::str::FromStr for PanelCode {
    type Err = PanelCodeError;

    fn from_str(text: &str) -> Result<Self, PanelCodeError> {
        let well_formed = text.len() <= 16
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !well_formed || text.parse::<ItemCode>().is_ok() {
            return Err(PanelCodeError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PanelCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_code_is_never_an_item_code() {
        assert_eq!("CBC".parse::<PanelCode>().unwrap().to_string(), "CBC");
        for bad in ["", "cbc", "1CBC", "C BC", "L01001", "A2345678901234567"] {
            assert_eq!(bad.parse::<PanelCode>(), Err(PanelCodeError), "{bad}");
        }
    }
}
