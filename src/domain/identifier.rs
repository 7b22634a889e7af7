//! What people are known by outside: citizen numbers and the kinds of other identifiers. Pseudonyms are not here.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, Faulty};
use super::phi::Phi;

/// A citizen's identity number: 18 characters with birth date, sex and a check character, `X` in upper case.
///
/// Permanent residents' numbers, which begin with 9, follow the same rule and are accepted too.
///
/// Source: GB 11643-1999.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CitizenNumber(Phi<String>);

/// A calendar day on which somebody was born.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate {
    year: u16,
    month: u8,
    day: u8,
}

/// The sex a civil register has written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegisteredSex {
    /// Odd sequence numbers.
    Male,
    /// Even sequence numbers.
    Female,
}

/// The kind of an identifier: a short code such as `CN-ID`, `HEALTH-CARD`, `PASSPORT` or `MRN`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentifierType(String);

/// The text is no citizen number, birth date or identifier type; have it read from the card again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// A citizen number has another length.
    #[error("a citizen number is 18 characters, this is {0} bytes")]
    Length(usize),
    /// A character cannot stand where it stands.
    #[error("character {0} of the identifier cannot stand there")]
    Character(usize),
    /// The number's first digits name no place.
    #[error("the first two digits of the citizen number name no province")]
    Place,
    /// The day does not exist, or lies outside 1900 to 2199.
    #[error("the birth date does not exist")]
    BirthDate,
    /// The last character does not check the others.
    #[error("the check character of the citizen number does not match")]
    Check,
    /// The identifier type is empty or longer than 16 characters.
    #[error("an identifier type is 1 to 16 characters, this is {0}")]
    TypeLength(usize),
}

impl CitizenNumber {
    /// Shows the number to code that must compare or convert it.
    pub fn phi(&self) -> &Phi<String> {
        &self.0
    }

    /// Gives the birth date written in the number.
    pub fn birth_date(&self) -> Phi<BirthDate> {
        let digit = |index| u16::from(self.digit(index));
        let two = |index| self.digit(index) * 10 + self.digit(index + 1);
        let year = digit(6) * 1_000 + digit(7) * 100 + digit(8) * 10 + digit(9);
        Phi::new(BirthDate { year, month: two(10), day: two(12) })
    }

    /// Gives the sex written in the number.
    pub fn sex(&self) -> Phi<RegisteredSex> {
        let odd = self.digit(16) % 2 == 1;
        Phi::new(if odd { RegisteredSex::Male } else { RegisteredSex::Female })
    }

    fn digit(&self, index: usize) -> u8 {
        self.0.reveal().as_bytes().get(index).map_or(0, |byte| byte.saturating_sub(b'0'))
    }
}

impl FromStr for CitizenNumber {
    type Err = IdentifierError;

    /// Reads a number, raising a lower-case `x`, and verifies place, birth date and check character.
    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        if text.len() != CITIZEN_CHARACTERS {
            return Err(IdentifierError::Length(text.len()));
        }
        let mut sum = 0_u32;
        for (index, byte) in text.bytes().enumerate() {
            let value = match byte.to_ascii_uppercase() {
                digit @ b'0'..=b'9' => u32::from(digit - b'0'),
                b'X' if index + 1 == CITIZEN_CHARACTERS => 10,
                _ => return Err(IdentifierError::Character(index + 1)),
            };
            // Horner's rule in base 2 modulo 11: the character at place i from the right weighs 2^(i-1).
            sum = (sum * 2 + value) % 11;
        }
        if sum != 1 {
            return Err(IdentifierError::Check);
        }
        let number = Self(Phi::new(text.to_ascii_uppercase()));
        let province = number.digit(0) * 10 + number.digit(1);
        if !matches!(province, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 90..=99) {
            return Err(IdentifierError::Place);
        }
        let BirthDate { year, month, day } = *number.birth_date().reveal();
        BirthDate::new(year, month, day)?;
        Ok(number)
    }
}

impl BirthDate {
    /// Makes a date from year, month 1 to 12 and day 1 to 31.
    ///
    /// # Errors
    /// [`IdentifierError::BirthDate`] when there is no such day between 1900 and 2199; have the record corrected.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, IdentifierError> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if !(1900..=2199).contains(&year) || !(1..=days).contains(&day) {
            return Err(IdentifierError::BirthDate);
        }
        Ok(Self { year, month, day })
    }
}

impl fmt::Display for BirthDate {
    /// Writes the date as ISO 8601 does, `1990-01-31`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl IdentifierType {
    /// The type of citizen numbers.
    pub const CITIZEN: &str = "CN-ID";

    /// Shows the code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdentifierType {
    type Err = IdentifierError;

    /// Reads a code of upper-case ASCII letters, digits and inner hyphens, raising lower-case letters.
    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        if text.is_empty() || text.len() > TYPE_CHARACTERS_MAX {
            return Err(IdentifierError::TypeLength(text.len()));
        }
        let last = text.len() - 1;
        for (index, byte) in text.bytes().enumerate() {
            let inner_hyphen = byte == b'-' && index != 0 && index != last;
            if !byte.is_ascii_alphanumeric() && !inner_hyphen {
                return Err(IdentifierError::Character(index + 1));
            }
        }
        Ok(Self(text.to_ascii_uppercase()))
    }
}

impl fmt::Display for IdentifierType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Faulty for IdentifierError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

const CITIZEN_CHARACTERS: usize = 18;
const TYPE_CHARACTERS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Completes seventeen digits by the table of the standard.
    fn completed(digits: &str) -> String {
        let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        let sum: u32 = digits.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        let check = b"10X98765432"[usize::try_from(sum % 11).unwrap()];
        format!("{digits}{}", char::from(check))
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        let first: CitizenNumber = "11010519491231002x".parse().unwrap();
        assert_eq!(first.phi().reveal(), "11010519491231002X");
        assert_eq!(first.birth_date().reveal().to_string(), "1949-12-31");
        assert_eq!(*first.sex().reveal(), RegisteredSex::Female);
        let born_1880 = "440524188001010014".parse::<CitizenNumber>();
        assert_eq!(born_1880, Err(IdentifierError::BirthDate), "before the years of the exchange");
        let second: CitizenNumber = completed("44052419800101001").parse().unwrap();
        assert_eq!(*second.sex().reveal(), RegisteredSex::Male);
    }

    #[test]
    fn days_that_never_were_are_refused() {
        for (digits, exists) in [
            ("52010220000229001", true),
            ("52010219000229001", false),
            ("52010220010229001", false),
            ("52010219900431001", false),
            ("52010219901301001", false),
            ("52010219900100001", false),
        ] {
            let read = completed(digits).parse::<CitizenNumber>();
            assert_eq!(read.is_ok(), exists, "{digits}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_person() {
        let number: CitizenNumber = "11010519491231002X".parse().unwrap();
        assert_eq!(format!("{number:?} {:?}", number.birth_date()), "CitizenNumber([phi]) [phi]");
    }

    #[test]
    fn other_places_and_forms_are_refused() {
        assert_eq!(completed("00010519491231002").parse::<CitizenNumber>(), Err(IdentifierError::Place));
        assert_eq!("1101051949123100".parse::<CitizenNumber>(), Err(IdentifierError::Length(16)));
        assert_eq!("X1010519491231002X".parse::<CitizenNumber>(), Err(IdentifierError::Character(1)));
        assert!(completed("91112419810803002").parse::<CitizenNumber>().is_ok(), "a permanent resident");
    }

    #[test]
    fn identifier_types_are_raised_and_bounded() {
        assert_eq!("health-card".parse::<IdentifierType>().unwrap().as_str(), "HEALTH-CARD");
        assert_eq!("".parse::<IdentifierType>(), Err(IdentifierError::TypeLength(0)));
        assert_eq!("-ID".parse::<IdentifierType>(), Err(IdentifierError::Character(1)));
        assert_eq!("A|B".parse::<IdentifierType>(), Err(IdentifierError::Character(2)));
        assert_eq!("A".repeat(17).parse::<IdentifierType>(), Err(IdentifierError::TypeLength(17)));
    }

    proptest! {
        #[test]
        fn every_single_wrong_character_is_caught(
            (year, month, day) in (1900..2100u16, 1..=12u8, 1..=28u8),
            sequence in 0..1000u16, at in 0..18usize, with in 0..11usize,
        ) {
            let number = completed(&format!("520102{year:04}{month:02}{day:02}{sequence:03}"));
            prop_assert!(number.parse::<CitizenNumber>().is_ok());
            let mut wrong = number.clone().into_bytes();
            wrong[at] = b"0123456789X"[with];
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert_eq!(wrong.parse::<CitizenNumber>().is_ok(), wrong == number);
        }
    }
}
