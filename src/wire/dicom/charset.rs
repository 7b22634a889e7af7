//! Character sets: the text of an element by the Specific Character Set that is really in force.
//!
//! Text is decoded before it is parted at backslashes: the second byte of a GBK character may be one (乗 is `81 5C`).

mod guess;
mod switching;

use encoding_rs::Encoding;
use std::borrow::Cow;

/// The Specific Character Set (0008,0005) of a data set or item.
///
/// Source: DICOM PS3.3, C.12.1.1.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charset {
    terms: Vec<Repertoire>,
}

/// Decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text; what could not be read is U+FFFD.
    pub text: Cow<'a, str>,
    /// Whether the stated character set did not fit, and another was taken from the look of the bytes.
    pub guessed: bool,
}

/// What one term of the Specific Character Set stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repertoire {
    /// ISO IR 6, or nothing stated.
    Ascii,
    /// ISO 8859-1, which Chinese senders also write when they mean GBK.
    Latin1,
    /// Single bytes of another part of ISO 8859 or the like.
    Single(&'static Encoding),
    /// JIS X 0201: letters and half-width kana.
    Kana,
    /// JIS X 0208 and 0212, reached by escapes only.
    Kanji,
    /// KS X 1001.
    Hangul,
    /// GB 2312, GBK and GB 18030, each holding the one before.
    Chinese,
    Utf8,
}

impl Charset {
    /// Reads the value of (0008,0005); a term that is unknown counts as not stated.
    pub fn parse(value: &[u8]) -> Self {
        let terms = value.split(|&byte| byte == b'\\').map(Repertoire::of).collect();
        Self { terms }
    }

    /// Decodes the value of a text element (LO, SH, PN, ST, LT, UC, UT).
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Decoded<'a> {
        if bytes.is_ascii() && !bytes.contains(&switching::ESCAPE) {
            return Decoded { text: String::from_utf8_lossy(bytes), guessed: false };
        }
        match self.terms.as_slice() {
            [Repertoire::Utf8, ..] => strict(encoding_rs::UTF_8, bytes).unwrap_or_else(|| guess::undeclared(bytes)),
            [Repertoire::Chinese] if !bytes.contains(&switching::ESCAPE) => chinese(bytes),
            _ if self.terms.len() > 1 || bytes.contains(&switching::ESCAPE) => switching::decode(&self.terms, bytes),
            [first] => first.decode(bytes),
            _ => guess::undeclared(bytes),
        }
    }
}

impl Default for Charset {
    fn default() -> Self {
        Self { terms: vec![Repertoire::Ascii] }
    }
}

impl Repertoire {
    /// Reads one term, however it is punctuated: archives hold `ISO-IR 100`, `ISO_IR_192`, `iso 2022 ir58`.
    fn of(term: &[u8]) -> Self {
        let letters: String = term
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(|byte| byte.to_ascii_uppercase() as char)
            .collect();
        if matches!(letters.as_str(), "GB18030" | "GBK" | "GB2312" | "CP936") {
            return Self::Chinese;
        }
        if matches!(letters.as_str(), "UTF8" | "ISO10646") {
            return Self::Utf8;
        }
        let registered = letters.strip_prefix("ISO2022IR").or_else(|| letters.strip_prefix("ISOIR"));
        match registered.unwrap_or_default() {
            "100" => Self::Latin1,
            "101" => Self::Single(encoding_rs::ISO_8859_2),
            "109" => Self::Single(encoding_rs::ISO_8859_3),
            "110" => Self::Single(encoding_rs::ISO_8859_4),
            "126" => Self::Single(encoding_rs::ISO_8859_7),
            "127" => Self::Single(encoding_rs::ISO_8859_6),
            "138" => Self::Single(encoding_rs::ISO_8859_8),
            "144" => Self::Single(encoding_rs::ISO_8859_5),
            "148" => Self::Single(encoding_rs::WINDOWS_1254),
            "166" => Self::Single(encoding_rs::WINDOWS_874),
            "203" => Self::Single(encoding_rs::ISO_8859_15),
            "13" => Self::Kana,
            "87" | "159" => Self::Kanji,
            "149" => Self::Hangul,
            "58" => Self::Chinese,
            "192" => Self::Utf8,
            _ => Self::Ascii,
        }
    }

    /// Decodes bytes that hold no escapes.
    fn decode<'a>(self, bytes: &'a [u8]) -> Decoded<'a> {
        let sure = |encoding: &'static Encoding| {
            let (text, _) = encoding.decode_without_bom_handling(bytes);
            Decoded { text, guessed: false }
        };
        match self {
            Self::Ascii | Self::Kanji => guess::undeclared(bytes),
            Self::Latin1 => guess::latin1(bytes),
            Self::Single(encoding) => sure(encoding),
            Self::Kana => sure(encoding_rs::SHIFT_JIS),
            Self::Hangul => sure(encoding_rs::EUC_KR),
            Self::Chinese => chinese(bytes),
            Self::Utf8 => strict(encoding_rs::UTF_8, bytes).unwrap_or_else(|| guess::undeclared(bytes)),
        }
    }
}

/// Decodes what is stated to be Chinese; UTF-8 under that name is recognised when it can be nothing else.
fn chinese(bytes: &[u8]) -> Decoded<'_> {
    strict(encoding_rs::GB18030, bytes).unwrap_or_else(|| guess::undeclared(bytes))
}

/// Decodes the bytes if all of them fit the encoding.
fn strict<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Option<Decoded<'a>> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some(Decoded { text, guessed: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(charset: &str, bytes: &[u8]) -> (String, bool) {
        let decoded = Charset::parse(charset.as_bytes()).decode(bytes);
        (decoded.text.into_owned(), decoded.guessed)
    }

    fn gbk(text: &str) -> Vec<u8> {
        encoding_rs::GB18030.encode(text).0.into_owned()
    }

    #[test]
    fn stated_sets_are_believed() {
        assert_eq!(text("ISO_IR 192", "张^三".as_bytes()), ("张^三".into(), false));
        assert_eq!(text("GB18030", &gbk("张^㐀三𠮷")), ("张^㐀三𠮷".into(), false));
        assert_eq!(text("GBK", &gbk("乗^田")), ("乗^田".into(), false));
        assert_eq!(text("ISO 2022 IR 58", &gbk("张^三")), ("张^三".into(), false));
        assert_eq!(text("ISO_IR 144", b"\xBB\xEE"), ("Лю".into(), false));
        assert_eq!(text("ISO_IR 13", b"\xD4\xCF\xC0\xDE"), ("ﾔﾏﾀﾞ".into(), false));
        assert_eq!(text("ISO_IR 100", b"Buc^J\xE9r\xF4me"), ("Buc^Jérôme".into(), false));
    }

    #[test]
    fn mislabelled_chinese_is_recognised() {
        for charset in ["", "ISO_IR 100", "ISO-IR 100", "ISO_IR 192", "ISO_IR 6", "nonsense"] {
            for name in ["张^三", "乗^田", "欧阳^娜娜", "喆", "王^珺", "胸部CT平扫+增强", "李^一"] {
                assert_eq!(text(charset, &gbk(name)), (name.into(), true), "{charset}");
            }
        }
        for charset in ["", "ISO_IR 100"] {
            assert_eq!(text(charset, "张^三".as_bytes()), ("张^三".into(), true));
            assert_eq!(text(charset, "Jérôme".as_bytes()), ("Jérôme".into(), true));
        }
    }

    #[test]
    fn escapes_switch_and_delimiters_switch_back() {
        let name = b"Zhang^XiaoDong=\x1b$)A\xD5\xC5^\x1b$)A\xD0\xA1\xB6\xAB=";
        assert_eq!(text("\\ISO 2022 IR 58", name), ("Zhang^XiaoDong=张^小东=".into(), false));
        let forgotten = b"Zhang^XiaoDong=\x1b$)A\xD5\xC5^\xD0\xA1\xB6\xAB=";
        assert_eq!(text("\\ISO 2022 IR 58", forgotten), ("Zhang^XiaoDong=张^小东=".into(), true));
        let kanji = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(text("\\ISO 2022 IR 87", kanji), ("Yamada^Tarou=山田^太郎=やまだ^たろう".into(), false));
        let kana = b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J";
        assert_eq!(text("ISO 2022 IR 13\\ISO 2022 IR 87", kana), ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎".into(), false));
        let hangul = b"Hong^Gildong=\x1b$)C\xFB\xF3^\x1b$)C\xD1\xCE\xD4\xD7";
        assert_eq!(text("\\ISO 2022 IR 149", hangul), ("Hong^Gildong=洪^吉洞".into(), false));
        let two = b"Dionysios is \x1b-F\xC4\xE9, \x1b-L\xBB\xEE";
        assert_eq!(text("ISO 2022 IR 100\\ISO 2022 IR 126\\ISO 2022 IR 144", two).0, "Dionysios is Δι, Лю");
    }

    proptest! {
        #[test]
        fn noise_is_decoded_to_something_of_bounded_length(
            charset in "(ISO 2022 IR (58|87|13|149|100|6)|GB18030|ISO_IR 192|)(\\\\ISO 2022 IR (58|87|149|159))?",
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x1B), Just(b'$'), Just(b')')], 0..64),
        ) {
            let decoded = Charset::parse(charset.as_bytes()).decode(&bytes);
            prop_assert!(decoded.text.chars().count() <= bytes.len());
        }

        #[test]
        fn chinese_text_comes_back(text in "[一-龥㐀-㐿^= A-Z]{1,12}") {
            let bytes = encoding_rs::GB18030.encode(&text).0;
            prop_assert_eq!(Charset::parse(b"GB18030").decode(&bytes).text, text.as_str());
        }
    }
}
