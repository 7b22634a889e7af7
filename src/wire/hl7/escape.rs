//! Escape sequences to text and back. The parser's own `decode` is never called: it panics on multi-byte text and loses
//! what follows an unknown sequence.
//!
//! Source: HL7 v2.5.1, 2.7 (use of escape sequences in text fields).

use super::charset::Charset;
use super::separators::Separators;

/// Replaces escape sequences by what they stand for; a sequence that is unknown or never closed stays as it was written.
///
/// `\X..\` holds bytes in the character set of the message. Highlighting (`\H\`, `\N\`) is dropped, line commands become
/// line breaks, indents and skips become a blank.
pub fn unescape(text: &str, separators: &Separators, charset: Charset) -> String {
    let escape = separators.escape;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(escape) {
        plain.push_str(before);
        let meant = after.split_once(escape).and_then(|(code, tail)| Some((meaning(code, separators, charset)?, tail)));
        match meant {
            Some((meaning, tail)) => {
                plain.push_str(&meaning);
                rest = tail;
            }
            None => {
                plain.push(escape);
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Replaces separators and line ends by escape sequences, so that [`unescape`] gives the text back.
pub fn escape(text: &str, separators: &Separators) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let code = match character {
            c if c == separators.field => "F",
            c if c == separators.component => "S",
            c if c == separators.subcomponent => "T",
            c if c == separators.repetition => "R",
            c if c == separators.escape => "E",
            '\n' => ".br",
            '\r' => "X0D",
            c => {
                escaped.push(c);
                continue;
            }
        };
        escaped.push(separators.escape);
        escaped.push_str(code);
        escaped.push(separators.escape);
    }
    escaped
}

fn meaning(code: &str, separators: &Separators, charset: Charset) -> Option<String> {
    let one = |character: char| Some(character.to_string());
    match code {
        "F" => one(separators.field),
        "S" => one(separators.component),
        "T" => one(separators.subcomponent),
        "R" => one(separators.repetition),
        "E" => one(separators.escape),
        "P" => one(separators.truncation.unwrap_or('#')),
        "H" | "N" => Some(String::new()),
        ".br" | ".ce" => one('\n'),
        ".fi" | ".nf" => one(' '),
        _ => match code.get(..3) {
            Some(".sp") => Some("\n".repeat(count(code.get(3..)?)?.clamp(1, BREAKS_MAX))),
            Some(".in" | ".ti" | ".sk") => count(code.get(3..)?.trim_start_matches(['+', '-'])).and(one(' ')),
            _ => charset.decode(&hex::decode(code.strip_prefix('X').filter(|digits| !digits.is_empty())?).ok()?),
        },
    }
}

/// Reads the number after a formatting command; no number means one.
fn count(digits: &str) -> Option<usize> {
    let digits = digits.trim();
    if digits.is_empty() { Some(1) } else { digits.parse().ok() }
}

/// Most blank lines one `\.sp\` may ask for.
const BREAKS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> String {
        unescape(text, &Separators::default(), Charset::UTF_8)
    }

    #[test]
    fn sequences_become_what_they_stand_for() {
        assert_eq!(plain(r"10\S\9/L"), "10^9/L");
        assert_eq!(plain(r"血糖10\S\9"), "血糖10^9");
        assert_eq!(plain(r"正常\.br\参考"), "正常\n参考");
        assert_eq!(plain(r"a\F\b\T\c\R\d\E\e\P\f"), r"a|b&c~d\e#f");
        assert_eq!(plain(r"a\H\bold\N\ x"), "abold x");
        assert_eq!(plain(r"a\X0D\\X0A\b"), "a\r\nb");
        assert_eq!(plain(r"\XE8A180\"), "血");
        assert_eq!(unescape(r"\XD1AA\", &Separators::default(), Charset::GB_18030), "血");
        assert_eq!(plain(r"a\.sp2\b\.in+4\c"), "a\n\nb c");
    }

    #[test]
    fn what_is_no_sequence_is_kept() {
        for text in [r"50\ trailing text", r"C:\dir\file", r"\Xzz\", r"\X\", r"\Cxx\", r"\", r"\.spx\", r"50\%"] {
            assert_eq!(plain(text), text);
        }
    }

    proptest! {
        #[test]
        fn escaping_round_trips(text in "[|^~&#a-z血\\\\\\r\\n\\. ]{0,40}") {
            prop_assert_eq!(plain(&escape(&text, &Separators::default())), text);
        }

        #[test]
        fn unescaping_never_panics(text in "[\\\\FSTREPHNX0-9A-F.brspin血 ]{0,40}") {
            plain(&text);
        }
    }
}
