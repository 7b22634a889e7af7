//! Guesses the encoding of bytes beyond ASCII that no character set, or a wrong one, was stated for.

use super::{Decoded, strict};
use std::borrow::Cow;

/// Decodes bytes without a usable statement: UTF-8 if they are that, Chinese else, Latin-1 as the last resort.
pub(super) fn undeclared(bytes: &[u8]) -> Decoded<'_> {
    Decoded { guessed: true, ..best(bytes) }
}

/// Decodes bytes stated to be Latin-1, the default of many Chinese devices whatever they write.
pub(super) fn latin1(bytes: &[u8]) -> Decoded<'_> {
    if is_utf8_beyond_doubt(bytes) || looks_chinese(bytes) {
        return undeclared(bytes);
    }
    // Pairs that GB 18030 would also read, but in the midst of small letters: Jérôme, not a character.
    Decoded { text: western(bytes), guessed: has_control(bytes) }
}

fn best(bytes: &[u8]) -> Decoded<'_> {
    if is_utf8_beyond_doubt(bytes) {
        return strict(encoding_rs::UTF_8, bytes).unwrap_or_else(|| lossy(bytes));
    }
    if touches_small_letter(bytes) && !has_control(bytes) && !looks_chinese(bytes) {
        return Decoded { text: western(bytes), guessed: true };
    }
    strict(encoding_rs::GB18030, bytes).unwrap_or_else(|| lossy(bytes))
}

fn lossy(bytes: &[u8]) -> Decoded<'_> {
    let (text, _) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
    Decoded { text, guessed: true }
}

fn western(bytes: &[u8]) -> Cow<'_, str> {
    encoding_rs::mem::decode_latin1(bytes)
}

/// Says whether the bytes are UTF-8 and not as well common Chinese: 一 in GBK is `D2 BB`, also a letter of UTF-8.
fn is_utf8_beyond_doubt(bytes: &[u8]) -> bool {
    match str::from_utf8(bytes) {
        Ok(text) => text.chars().any(|character| character >= '\u{800}') || !looks_chinese(bytes),
        Err(_) => false,
    }
}

/// Says whether the bytes read as GB 18030 and hold something that Western text does not: a character of GB 2312
/// away from small letters, or a byte that Latin-1 leaves to control codes.
fn looks_chinese(bytes: &[u8]) -> bool {
    strict(encoding_rs::GB18030, bytes).is_some()
        && (has_control(bytes) || has_character(bytes) && !touches_small_letter(bytes))
}

fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| (0x80..0xA0).contains(byte))
}

/// Finds a pair of bytes in the rows of GB 2312 that hold characters, or one of GBK's wider rows.
fn has_character(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [lead, tail @ ..] = rest {
        rest = match tail {
            [trail, after @ ..] if *lead >= 0x81 => {
                if (0xB0..=0xF7).contains(lead) && *trail >= 0xA1 {
                    return true;
                }
                after
            }
            _ => tail,
        };
    }
    false
}

/// Says whether a byte beyond ASCII stands next to a small letter, as an accented letter inside a word does.
fn touches_small_letter(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| match pair {
        [left, right] => {
            !left.is_ascii() && right.is_ascii_lowercase() || left.is_ascii_lowercase() && !right.is_ascii()
        }
        _ => false,
    })
}
