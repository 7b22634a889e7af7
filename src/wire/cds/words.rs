//! The language of a card, and the words that several of its parts use.

use crate::wire::pb;

/// A language to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words(pub pb::Language);

impl Words {
    /// Takes the first language of an `Accept-Language` header that is spoken here; Chinese otherwise.
    ///
    /// Source: RFC 9110, 12.5.4.
    pub fn accepted(header: Option<&str>) -> Self {
        let mut ranges: Vec<(&str, f32)> = header.unwrap_or_default().split(',').filter_map(range).collect();
        // Stable: of two that are wanted alike, the first counts.
        ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let known = ranges.iter().find_map(|(name, _)| match name.split('-').next().unwrap_or_default() {
            tag if tag.eq_ignore_ascii_case("en") => Some(pb::Language::En),
            tag if tag.eq_ignore_ascii_case("zh") || tag == "*" => Some(pb::Language::Zh),
            _ => None,
        });
        Self(known.unwrap_or(pb::Language::Zh))
    }

    /// Says whether Chinese is spoken.
    pub fn chinese(self) -> bool {
        self.0 != pb::Language::En
    }

    /// Chooses a text.
    pub fn say(self, zh: &str, en: &str) -> String {
        if self.chinese() { zh } else { en }.to_owned()
    }

    /// Names the source of cards.
    pub fn source(self) -> String {
        self.say("检查检验结果互认", "Mutual recognition of results")
    }
}

fn range(text: &str) -> Option<(&str, f32)> {
    let (name, quality) = text.split_once(';').unwrap_or((text, ""));
    let quality = quality.trim().strip_prefix("q=").map_or(Some(1.0), |quality| quality.trim().parse().ok())?;
    Some((name.trim(), quality)).filter(|(name, quality)| !name.is_empty() && *quality > 0.0)
}
