//! Administrative division codes and which division lies inside which. The list of divisions itself is not here:
//! it changes every year, and old codes stay on old documents.

use std::fmt;
use std::str::FromStr;

/// A division's six-digit code: two digits for the province, two for the city, two for the district.
///
/// Source: GB/T 2260-2007.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Adcode(u32);

/// How deep a division lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdministrativeLevel {
    /// A province, an autonomous region, a municipality, or a special administrative region (`520000`).
    Province,
    /// A prefecture or city, or the group of districts of a municipality (`520100`).
    City,
    /// A district or county, or a county-level city under a province directly (`520102`, `429004`).
    District,
}

/// The text is not a division code; correct the configuration or the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdcodeError {
    /// The code is not six ASCII digits.
    #[error("a division code is 6 digits, this is {0} bytes or holds something else")]
    Form(usize),
    /// The first two digits name no province.
    #[error("the first two digits of the division code, {0:02}, name no province")]
    Province(u32),
    /// A district is given inside no city (`520001`).
    #[error("the division code names a district of no city")]
    Orphan,
}

impl Adcode {
    /// Says at which level the division stands.
    pub fn level(self) -> AdministrativeLevel {
        match self.0 {
            code if code.is_multiple_of(10_000) => AdministrativeLevel::Province,
            code if code.is_multiple_of(100) => AdministrativeLevel::City,
            _ => AdministrativeLevel::District,
        }
    }

    /// Says whether `other` is this division or lies inside it.
    pub fn contains(self, other: Adcode) -> bool {
        let unit = match self.level() {
            AdministrativeLevel::Province => 10_000,
            AdministrativeLevel::City => 100,
            AdministrativeLevel::District => 1,
        };
        self.0 / unit == other.0 / unit
    }

    /// Gives the province the division belongs to.
    pub fn province(self) -> Adcode {
        Adcode(self.0 / 10_000 * 10_000)
    }
}

impl FromStr for Adcode {
    type Err = AdcodeError;

    fn from_str(text: &str) -> Result<Self, AdcodeError> {
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AdcodeError::Form(text.len()));
        }
        let code: u32 = text.parse().map_err(|_| AdcodeError::Form(text.len()))?;
        Self::try_from(code)
    }
}

impl TryFrom<u32> for Adcode {
    type Error = AdcodeError;

    fn try_from(code: u32) -> Result<Self, AdcodeError> {
        if !PROVINCES.contains(&(code / 10_000)) {
            return Err(AdcodeError::Province(code / 10_000));
        }
        if (code / 100).is_multiple_of(100) && !code.is_multiple_of(100) {
            return Err(AdcodeError::Orphan);
        }
        Ok(Self(code))
    }
}

impl From<Adcode> for u32 {
    fn from(adcode: Adcode) -> u32 {
        adcode.0
    }
}

impl fmt::Display for Adcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:06}", self.0)
    }
}

impl super::fault::Faulty for AdcodeError {
    fn fault(&self) -> super::fault::Fault {
        super::fault::Fault::BadInput
    }
}

/// The first two digits of every province-level division.
const PROVINCES: [u32; 34] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 71, 81, 82,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Adcode {
        text.parse().unwrap()
    }

    #[test]
    fn containment_follows_the_levels() {
        let chain = ["520000", "520100", "520102"].map(code);
        for (outer_index, outer) in chain.iter().enumerate() {
            for (inner_index, inner) in chain.iter().enumerate() {
                assert_eq!(outer.contains(*inner), outer_index <= inner_index, "{outer} contains {inner}");
            }
        }
        assert!(!code("520100").contains(code("520203")), "another city");
        assert!(!code("520000").contains(code("530102")), "another province");
    }

    #[test]
    fn municipalities_and_counties_under_a_province_fit_in() {
        assert!(code("110000").contains(code("110105")));
        assert!(code("110100").contains(code("110105")));
        assert!(code("420000").contains(code("429004")));
        assert_eq!(code("429004").province(), code("420000"));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "52000", "5200000", "52 000", "+52000", "５２００００", "52010a"] {
            assert_eq!(text.parse::<Adcode>(), Err(AdcodeError::Form(text.len())));
        }
        assert_eq!("000000".parse::<Adcode>(), Err(AdcodeError::Province(0)));
        assert_eq!("990100".parse::<Adcode>(), Err(AdcodeError::Province(99)));
        assert_eq!("520001".parse::<Adcode>(), Err(AdcodeError::Orphan));
    }
}
