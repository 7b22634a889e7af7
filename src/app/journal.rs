//! `[journal]` of `hub.toml` and `node.toml`: how the journal is kept.

use serde::Deserialize;

use crate::store::journal::JournalOptions;

/// How the journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalPart {
    /// Length at which a segment is followed by the next, in KiB, at most 1,048,576.
    pub segment_kib: u32,
}

impl JournalPart {
    /// Gives the options under which the journal is opened; a segment that is too long is refused there.
    pub fn options(self) -> JournalOptions {
        JournalOptions { segment_bytes_max: self.segment_kib.saturating_mul(1 << 10), ..JournalOptions::default() }
    }
}

impl Default for JournalPart {
    fn default() -> Self {
        Self { segment_kib: JournalOptions::default().segment_bytes_max >> 10 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_segment_is_the_journals_own_and_others_are_taken_in_kib() {
        assert_eq!(JournalPart::default().options(), JournalOptions::default());
        let part: JournalPart = toml::from_str("segment_kib = 64").unwrap();
        assert_eq!(part.options().segment_bytes_max, 65_536);
        assert!(toml::from_str::<JournalPart>("segment = 64").is_err());
    }
}
