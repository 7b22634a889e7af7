//! Codes of what is tested: the region's catalogue items and LOINC.

use std::fmt;

/// A catalogue item, as `L01001` or `E02003`: one capital letter and five digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemCode {
    letter: u8,
    number: u32,
}

/// A code that is not written as it must be; the table or message that holds it must be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A catalogue item code is one capital letter and five digits.
    #[error("a catalogue item code is one capital letter and five digits")]
    Item,
    /// A LOINC code is one to seven digits, a hyphen and a check digit.
    #[error("a LOINC code is one to seven digits, a hyphen and a check digit")]
    LoincForm,
    /// The check digit of a LOINC code is wrong: a digit was mistyped.
    #[error("the LOINC check digit is {found} and should be {expected}")]
    LoincCheck {
        /// The digit that the code should end with.
        expected: u8,
        /// The digit that it ends with.
        found: u8,
    },
}

impl ItemCode {
    /// Packs the code into 32 bits, for index records; [`ItemCode::from_packed`] undoes it.
    pub fn packed(self) -> u32 {
        (u32::from(self.letter) << 24) | self.number
    }

    /// Undoes [`ItemCode::packed`].
    ///
    /// # Errors
    /// [`CodeError::Item`] when the number was not made by `packed`: the index record is damaged, rebuild the index.
    pub fn from_packed(packed: u32) -> Result<Self, CodeError> {
        let [letter, ..] = packed.to_be_bytes();
        let number = packed & 0x00ff_ffff;
        (letter.is_ascii_uppercase() && number <= 99_999).then_some(Self { letter, number }).ok_or(CodeError::Item)
    }
}

impl std::str::FromStr for ItemCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let [letter @ b'A'..=b'Z', digits @ ..] = text.as_bytes() else { return Err(CodeError::Item) };
        if digits.len() != 5 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(CodeError::Item);
        }
        let number = digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Ok(Self { letter: *letter, number })
    }
}

impl fmt::Display for ItemCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{:05}", char::from(self.letter), self.number)
    }
}

impl fmt::Debug for ItemCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A LOINC code whose check digit was verified, as `2823-3`.
///
/// Source: LOINC Users' Guide, appendix C (mod 10 check digit).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loinc {
    number: u32,
    check: u8,
}

impl std::str::FromStr for Loinc {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let (digits, check) = text.split_once('-').ok_or(CodeError::LoincForm)?;
        let [check @ b'0'..=b'9'] = check.as_bytes() else { return Err(CodeError::LoincForm) };
        let numeric = digits.bytes().all(|digit| digit.is_ascii_digit());
        if digits.is_empty() || digits.len() > 7 || !numeric || digits.starts_with('0') {
            return Err(CodeError::LoincForm);
        }
        let number = digits.bytes().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        let (expected, found) = (mod10_check(digits.as_bytes()), check - b'0');
        if expected != found {
            return Err(CodeError::LoincCheck { expected, found });
        }
        Ok(Self { number, check: found })
    }
}

impl fmt::Display for Loinc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.number, self.check)
    }
}

impl fmt::Debug for Loinc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Doubles every second digit from the right and adds the digits of all, as Luhn does.
fn mod10_check(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            let weighted = if place % 2 == 0 { digit * 2 } else { digit };
            weighted / 10 + weighted % 10
        })
        .sum();
    u8::try_from((10 - sum % 10) % 10).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_codes_survive_packing() {
        for text in ["L01001", "E07003", "A00000", "Z99999"] {
            let code: ItemCode = text.parse().unwrap();
            assert_eq!(ItemCode::from_packed(code.packed()), Ok(code));
            assert_eq!(code.to_string(), text);
        }
    }

    #[test]
    fn other_item_codes_are_refused() {
        for text in ["", "L", "L0100", "L010011", "l01001", "101001", "L0100a", "L01001 "] {
            assert_eq!(text.parse::<ItemCode>(), Err(CodeError::Item), "{text}");
        }
        assert_eq!(ItemCode::from_packed(0), Err(CodeError::Item));
    }

    #[test]
    fn loinc_check_digits_are_verified() {
        for good in ["2823-3", "718-7", "14682-9", "89579-7", "4548-4", "10334-1", "24331-1"] {
            assert_eq!(good.parse::<Loinc>().unwrap().to_string(), good);
        }
        assert_eq!("2823-4".parse::<Loinc>(), Err(CodeError::LoincCheck { expected: 3, found: 4 }));
        for other in ["LP1234-5", "0-0", "02823-3", "2823", "2823-33", "12345678-9"] {
            assert_eq!(other.parse::<Loinc>(), Err(CodeError::LoincForm), "{other}");
        }
    }
}
