//! Code extensions of ISO 2022: escapes that put another repertoire in force until the next delimiter.

use super::{Decoded, Repertoire, guess};
use std::borrow::Cow;

/// The byte that begins every escape.
pub(super) const ESCAPE: u8 = 0x1B;

/// Decodes bytes with escapes, or of more than one stated set.
///
/// Source: DICOM PS3.5, 6.1.2.5.3; PS3.3, table C.12-3 and C.12-4.
pub(super) fn decode<'a>(terms: &[Repertoire], bytes: &'a [u8]) -> Decoded<'a> {
    let mut state = State::new(terms);
    let (mut text, mut guessed, mut rest) = (String::new(), false, bytes);
    while !rest.is_empty() {
        if let Some((length, set)) = escape(rest) {
            state.enter(set);
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let length = state.run_length(rest);
        let (run, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let decoded = state.decode(run);
        text.push_str(&decoded.text);
        guessed |= decoded.guessed;
        if let Some(delimiter) = after.first().filter(|byte| is_delimiter(**byte)) {
            text.push(char::from(*delimiter));
            state = State::new(terms);
            rest = after.get(1..).unwrap_or_default();
        } else {
            rest = after;
        }
    }
    Decoded { text: Cow::Owned(text), guessed }
}

/// The repertoires in force: one for bytes below 0x80 (G0), one for those above (G1).
struct State {
    low: Low,
    high: Option<Repertoire>,
    /// What bytes above 0x80 most likely are when no escape said so.
    likely: Option<Repertoire>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Low {
    Ascii,
    /// JIS X 0208: two bytes a character.
    Kanji,
    /// JIS X 0212: two bytes a character.
    KanjiMore,
}

#[derive(Clone, Copy)]
enum Set {
    Low(Low),
    High(Repertoire),
    Unknown,
}

impl State {
    fn new(terms: &[Repertoire]) -> Self {
        let high = terms.first().copied().filter(|first| !matches!(first, Repertoire::Ascii | Repertoire::Kanji));
        let likely = terms.iter().copied().find(|term| matches!(term, Repertoire::Chinese | Repertoire::Hangul));
        Self { low: Low::Ascii, high, likely }
    }

    fn enter(&mut self, set: Set) {
        match set {
            Set::Low(low) => self.low = low,
            Set::High(high) => self.high = Some(high),
            Set::Unknown => {}
        }
    }

    /// Measures the bytes up to the next escape, or delimiter where one can stand.
    fn run_length(&self, bytes: &[u8]) -> usize {
        let pairs = matches!(self.high.or(self.likely), Some(Repertoire::Chinese | Repertoire::Hangul));
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            // An unknown escape is kept as text, so that the scan always moves on.
            if byte == ESCAPE && (at > 0 || escape(bytes).is_some()) {
                return at;
            }
            if self.low == Low::Ascii && is_delimiter(byte) {
                return at;
            }
            at += if pairs && byte >= 0x81 { 2 } else { 1 };
        }
        bytes.len()
    }

    fn decode<'a>(&self, run: &'a [u8]) -> Decoded<'a> {
        match self.low {
            Low::Kanji => return kanji(run, &[]),
            Low::KanjiMore => return kanji(run, &[0x8F]),
            Low::Ascii if run.is_ascii() => {
                return Decoded { text: String::from_utf8_lossy(run), guessed: false };
            }
            Low::Ascii => {}
        }
        match (self.high, self.likely) {
            (Some(high), _) => high.decode(run),
            (None, Some(likely)) => Decoded { guessed: true, ..likely.decode(run) },
            (None, None) => guess::undeclared(run),
        }
    }
}

/// Decodes JIS characters written in seven bits by way of EUC-JP, which writes the same ones in eight.
fn kanji<'a>(run: &'a [u8], prefix: &[u8]) -> Decoded<'a> {
    let mut wide = Vec::with_capacity(run.len() * 2);
    for pair in run.chunks(2) {
        match pair {
            [first @ 0x21..=0x7E, second @ 0x21..=0x7E] => {
                wide.extend_from_slice(prefix);
                wide.extend([first | 0x80, second | 0x80]);
            }
            other => wide.extend(other.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' })),
        }
    }
    let (text, _) = encoding_rs::EUC_JP.decode_without_bom_handling(&wide);
    Decoded { text: Cow::Owned(text.into_owned()), guessed: false }
}

/// Reads an escape at the front of the bytes: its length and what it puts in force.
fn escape(bytes: &[u8]) -> Option<(usize, Set)> {
    let (rest, known) = match bytes {
        [ESCAPE, b'$', b'(', b'D', ..] => (4, Set::Low(Low::KanjiMore)),
        [ESCAPE, b'$', b')', b'A', ..] => (4, Set::High(Repertoire::Chinese)),
        [ESCAPE, b'$', b')', b'C', ..] => (4, Set::High(Repertoire::Hangul)),
        [ESCAPE, b'$', b'B' | b'@', ..] => (3, Set::Low(Low::Kanji)),
        [ESCAPE, b'(', b'B' | b'J', ..] => (3, Set::Low(Low::Ascii)),
        [ESCAPE, b')', b'I', ..] => (3, Set::High(Repertoire::Kana)),
        [ESCAPE, b'-', part, ..] => (3, high_part(*part)),
        _ => return None,
    };
    Some((rest, known))
}

fn high_part(letter: u8) -> Set {
    let encoding = match letter {
        b'A' => return Set::High(Repertoire::Latin1),
        b'B' => encoding_rs::ISO_8859_2,
        b'C' => encoding_rs::ISO_8859_3,
        b'D' => encoding_rs::ISO_8859_4,
        b'F' => encoding_rs::ISO_8859_7,
        b'G' => encoding_rs::ISO_8859_6,
        b'H' => encoding_rs::ISO_8859_8,
        b'L' => encoding_rs::ISO_8859_5,
        b'M' => encoding_rs::WINDOWS_1254,
        b'T' => encoding_rs::WINDOWS_874,
        b'b' => encoding_rs::ISO_8859_15,
        _ => return Set::Unknown,
    };
    Set::High(Repertoire::Single(encoding))
}

/// Says whether the byte ends what escapes put in force: line ends, tabs, and the delimiters of values and names.
fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0C | b'\r' | b'\\' | b'^' | b'=')
}
