//! Unique identifiers of DICOM: classes, instances, studies, syntaxes.

use std::fmt;

/// A DICOM unique identifier, 1 to 64 characters of digits and dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(String);

impl Uid {
    /// Reads a UID, its padding (NUL or space) removed; nothing when it breaks the form.
    ///
    /// Leading zeros of a component are tolerated: archives are full of them, and a UID is only ever compared.
    ///
    /// Source: DICOM PS3.5, 9.1.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(['\0', ' ']);
        let formed = (1..=64).contains(&text.len())
            && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        formed.then(|| Self(text.to_owned()))
    }

    /// Gives the characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_goes_and_other_characters_are_refused() {
        assert_eq!(Uid::parse("1.2.840.10008.1.1\0").unwrap().as_str(), "1.2.840.10008.1.1");
        for bad in ["", "1..2", ".1", "1.2a", "../1", "1.2\n"] {
            assert_eq!(Uid::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Uid::parse(&"1".repeat(65)), None);
    }
}
