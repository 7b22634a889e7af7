//! The separators a message is written with.
//!
//! Source: HL7 v2.5.1, 2.5.4; v2.7, 2.5.4 for the truncation character.

use super::error::{Hl7Error, Place, Problem};

/// The separators of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// Between fields; MSH-1.
    pub field: char,
    /// Between components.
    pub component: char,
    /// Between repetitions.
    pub repetition: char,
    /// Around an escape sequence.
    pub escape: char,
    /// Between subcomponents.
    pub subcomponent: char,
    /// Marks truncation, where MSH-2 has a fifth character (v2.7 on).
    pub truncation: Option<char>,
}

impl Default for Separators {
    fn default() -> Self {
        Self { field: '|', component: '^', repetition: '~', escape: '\\', subcomponent: '&', truncation: None }
    }
}

impl Separators {
    /// Reads MSH-1 and MSH-2 and gives them with the rest of the header line, from the separator before MSH-3.
    ///
    /// Missing encoding characters take their usual value; `^~&` is `^~\&` that lost its backslash on the way.
    ///
    /// # Errors
    /// [`Problem::HeaderMissing`] or [`Problem::SeparatorsUnusable`]; answer AE.
    pub fn of_header(line: &str) -> Result<(Self, &str), Hl7Error> {
        let after_name = line.strip_prefix("MSH").ok_or(Hl7Error::new(Place::header(0), Problem::HeaderMissing))?;
        let mut characters = after_name.chars();
        let field = characters.next().ok_or(UNUSABLE)?;
        let body = characters.as_str();
        let (declared, rest) = body.split_at(body.find(field).unwrap_or(body.len()));
        let usual = Self::default();
        let mut declared = declared.chars();
        let component = declared.next().unwrap_or(usual.component);
        let repetition = declared.next().unwrap_or(usual.repetition);
        let (escape, subcomponent) = match (declared.next(), declared.next()) {
            (Some('&'), None) | (None, _) => (usual.escape, usual.subcomponent),
            (Some(escape), subcomponent) => (escape, subcomponent.unwrap_or(usual.subcomponent)),
        };
        let truncation = declared.next();
        let separators = Self { field, component, repetition, escape, subcomponent, truncation };
        if declared.next().is_some() || !separators.are_usable() {
            return Err(UNUSABLE);
        }
        Ok((separators, rest))
    }

    /// Gives MSH-1 and the four encoding characters every receiver knows.
    pub fn declaration(&self) -> String {
        [self.field, self.component, self.repetition, self.escape, self.subcomponent].iter().collect()
    }

    /// Says whether the character divides a segment into parts.
    pub fn divides(&self, character: char) -> bool {
        [self.field, self.component, self.repetition, self.subcomponent].contains(&character)
    }

    fn are_usable(&self) -> bool {
        let all = [self.field, self.component, self.repetition, self.escape, self.subcomponent];
        let distinct = all.iter().enumerate().all(|(index, one)| !all.iter().skip(index + 1).any(|other| other == one));
        distinct && all.iter().chain(&self.truncation).all(char::is_ascii_punctuation)
    }
}

const UNUSABLE: Hl7Error = Hl7Error::new(Place::header(2), Problem::SeparatorsUnusable);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_five_and_three_encoding_characters_are_read() {
        let (five, rest) = Separators::of_header("MSH|^~\\&#|LIS").unwrap();
        assert_eq!((five.truncation, rest), (Some('#'), "|LIS"));
        let (lost, _) = Separators::of_header("MSH|^~&|LIS").unwrap();
        assert_eq!(lost, Separators::default());
        let (custom, rest) = Separators::of_header("MSH#*!$%#LIS").unwrap();
        assert_eq!((custom.field, custom.escape, custom.subcomponent, rest), ('#', '$', '%', "#LIS"));
    }

    #[test]
    fn separators_that_cannot_separate_are_refused() {
        for header in ["MSH", "MSHA^~\\&A", "MSH|^^\\&|", "MSH| ~\\&|", "MSH|血~\\&|", "MSH|^~\\&#!|"] {
            assert!(Separators::of_header(header).is_err(), "{header}");
        }
    }
}
