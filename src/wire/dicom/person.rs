//! Person names: three groups of up to five components.

/// A person's name in its three writings, each with its components still parted by `^`.
///
/// Source: DICOM PS3.5, 6.2.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonName {
    /// Letters, as in `Zhang^XiaoDong`; many Chinese senders put characters here.
    pub alphabetic: String,
    /// Characters, as in `张^小东`.
    pub ideographic: String,
    /// Sound, as in kana or hangul.
    pub phonetic: String,
}

impl PersonName {
    /// Reads decoded text; empty components at the end are dropped.
    pub fn parse(text: &str) -> Self {
        let mut groups = text.split('=').map(|group| {
            let components: Vec<&str> = group.split('^').map(str::trim).collect();
            components.join("^").trim_end_matches('^').to_owned()
        });
        let mut next = || groups.next().unwrap_or_default();
        Self { alphabetic: next(), ideographic: next(), phonetic: next() }
    }

    /// Says whether no group names anybody.
    pub fn is_empty(&self) -> bool {
        self.alphabetic.is_empty() && self.ideographic.is_empty() && self.phonetic.is_empty()
    }

    /// Gives the name as the person writes it: characters where there are any, letters else.
    pub fn native(&self) -> &str {
        [&self.ideographic, &self.alphabetic, &self.phonetic]
            .into_iter()
            .find(|group| !group.is_empty())
            .map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_parted_and_empty_ends_dropped() {
        let name = PersonName::parse("Zhang^San^^^=张^三=");
        assert_eq!((name.alphabetic.as_str(), name.native()), ("Zhang^San", "张^三"));
        assert!(PersonName::parse("^^^^").is_empty());
        assert_eq!(PersonName::parse("张三").native(), "张三");
    }
}
