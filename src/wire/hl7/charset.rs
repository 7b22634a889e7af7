//! Bytes to text, before anything is split. In GB18030, GBK and Big5 the second byte of a character can be a separator
//! (`|` in 東, `\` in 診, `^` in 頭, `~` in 魚), so text split as bytes loses half a name. No character is ever
//! replaced: what does not decode is refused.
//!
//! Source: HL7 v2.5.1, 2.15.9.18 (MSH-18), table 0211.

use encoding_rs::Encoding;

use super::error::{Hl7Error, Place, Problem};

/// A character set a sender may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);
    /// GB 18030, which contains GBK and GB 2312.
    pub const GB_18030: Self = Self(encoding_rs::GB18030);
    /// ISO 8859-1, read as its superset windows-1252. Decoding and encoding give every byte back unchanged.
    pub const LATIN_1: Self = Self(encoding_rs::WINDOWS_1252);

    /// Finds a character set by its name in table 0211 or by what senders write in its place.
    ///
    /// `ASCII` and unknown names give nothing: then the bytes themselves and the configuration decide.
    pub fn from_label(label: &str) -> Option<Self> {
        let plain: String = label.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
        Some(Self(match plain.as_str() {
            "UNICODEUTF8" | "UTF8" | "UNICODE" => encoding_rs::UTF_8,
            "GB180302000" | "GB180302005" | "GB180302022" | "GB18030" | "GBK" | "GB2312" | "GB23121980" | "CP936" => {
                encoding_rs::GB18030
            }
            "BIG5" => encoding_rs::BIG5,
            "88591" | "ISO88591" | "LATIN1" | "WINDOWS1252" => encoding_rs::WINDOWS_1252,
            "88592" | "ISO88592" => encoding_rs::ISO_8859_2,
            "88593" | "ISO88593" => encoding_rs::ISO_8859_3,
            "88594" | "ISO88594" => encoding_rs::ISO_8859_4,
            "88595" | "ISO88595" => encoding_rs::ISO_8859_5,
            "88596" | "ISO88596" => encoding_rs::ISO_8859_6,
            "88597" | "ISO88597" => encoding_rs::ISO_8859_7,
            "88598" | "ISO88598" => encoding_rs::ISO_8859_8,
            "88599" | "ISO88599" => encoding_rs::WINDOWS_1254,
            "885915" | "ISO885915" => encoding_rs::ISO_8859_15,
            "KSX1001" => encoding_rs::EUC_KR,
            _ => return None,
        }))
    }

    /// Gives the name of the character set, for an error text.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Decodes bytes, or gives nothing if a single one does not belong to the character set.
    pub fn decode(self, bytes: &[u8]) -> Option<String> {
        self.0.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
    }

    /// Encodes text for a sender; a character its set lacks becomes a numeric reference.
    pub fn encode(self, text: &str) -> Vec<u8> {
        self.0.encode(text).0.into_owned()
    }

    /// Says whether one byte is one character, so that any bytes whatever decode.
    fn is_single_byte(self) -> bool {
        self.0.is_single_byte()
    }
}

/// Decodes a whole message.
///
/// `forced` is used whatever MSH-18 says; otherwise MSH-18 is tried, then strict UTF-8, then `usual`. Where a legacy
/// set and UTF-8 would both decode, a closer look decides, since senders declare one and send the other.
///
/// # Errors
/// [`Problem::Undecodable`] at MSH-18, naming the character set; answer AE.
pub fn decode(bytes: &[u8], forced: Option<Charset>, usual: Option<Charset>) -> Result<(String, Charset), Hl7Error> {
    if let Some(unmarked) = bytes.strip_prefix(BYTE_ORDER_MARK) {
        return strict(unmarked, Charset::UTF_8);
    }
    if let Some(forced) = forced {
        return strict(bytes, forced);
    }
    if bytes.is_ascii() {
        return strict(bytes, Charset::UTF_8);
    }
    let declared = declared(bytes);
    let preferred = declared.or(usual).filter(|charset| *charset != Charset::UTF_8);
    let legacy = preferred.and_then(|charset| Some((charset.decode(bytes)?, charset)));
    match (Charset::UTF_8.decode(bytes), legacy) {
        (Some(text), Some((_, charset))) if charset.is_single_byte() || is_surely_utf8(&text) => {
            Ok((text, Charset::UTF_8))
        }
        (_, Some(legacy)) => Ok(legacy),
        (Some(text), None) => Ok((text, Charset::UTF_8)),
        (None, None) => strict(bytes, usual.or(declared).unwrap_or(Charset::UTF_8)),
    }
}

/// Finds what MSH-18 declares. A double-byte header must itself be decoded before its fields can be counted, so each such
/// set is believed where its own reading of the header names it; otherwise the bytes are counted as they stand.
fn declared(bytes: &[u8]) -> Option<Charset> {
    let header = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| line.starts_with(b"MSH"))?;
    let read_as = |charset: Charset| Charset::from_label(&label(&charset.decode(header)?)?);
    let names_itself = |charset: &Charset| !header.is_ascii() && read_as(*charset) == Some(*charset);
    DOUBLE_BYTE.into_iter().find(names_itself).or_else(|| read_as(Charset::LATIN_1))
}

/// Reads the first repetition of MSH-18.
fn label(header: &str) -> Option<String> {
    let mut separators = header.chars().skip(3);
    let (field, repetition) = (separators.next()?, separators.nth(1)?);
    Some(header.split(field).nth(17)?.split(repetition).next()?.to_owned())
}

/// Says whether text that was decoded as UTF-8 cannot have been a legacy double-byte set: two or more characters, all of
/// three bytes and more. A short GBK text can pass for UTF-8 by two-byte characters (`联通`), hardly ever by these.
fn is_surely_utf8(text: &str) -> bool {
    let mut wide = text.chars().filter(|character| !character.is_ascii());
    wide.clone().count() >= 2 && wide.all(|character| character.len_utf8() >= 3)
}

fn strict(bytes: &[u8], charset: Charset) -> Result<(String, Charset), Hl7Error> {
    let undecodable = Hl7Error::new(Place::header(18), Problem::Undecodable { charset: charset.name() });
    charset.decode(bytes).map(|text| (text, charset)).ok_or(undecodable)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DOUBLE_BYTE: [Charset; 3] = [Charset::GB_18030, Charset(encoding_rs::BIG5), Charset(encoding_rs::EUC_KR)];

#[cfg(test)]
mod tests {
    use super::*;

    fn message(label: &str, name: &[u8]) -> Vec<u8> {
        let mut bytes = format!("MSH|^~\\&|LIS|H|||2024||ORU^R01|1|P|2.5||||||{label}\rPID|1||7||").into_bytes();
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b"|\r");
        bytes
    }

    #[test]
    fn trail_bytes_that_are_separators_stay_in_their_character() {
        let (gbk, _, lossy) = encoding_rs::GB18030.encode("東診頭魚");
        assert!(!lossy && gbk.iter().any(|byte| b"|\\^~".contains(byte)));
        let (text, charset) = decode(&message("GB 18030-2000", &gbk), None, None).unwrap();
        assert!(text.contains("||東診頭魚|"));
        assert_eq!(charset, Charset::GB_18030);
    }

    #[test]
    fn an_undeclared_charset_is_taken_from_the_configuration_only() {
        let gbk = message("", &encoding_rs::GB18030.encode("张三").0);
        let error = decode(&gbk, None, None).unwrap_err();
        assert_eq!(error.place, Place::header(18));
        assert!(error.to_string().contains("UTF-8"));
        assert!(decode(&gbk, None, Some(Charset::GB_18030)).unwrap().0.contains("张三"));
    }

    #[test]
    fn a_wrong_declaration_is_seen_through() {
        let utf8 = "张三男血常规".as_bytes();
        for label in ["8859/1", "ASCII", "GB 18030-2000", "UNICODE", "UNICODE UTF-8~GB 18030-2000", "KLINGON"] {
            let (text, charset) = decode(&message(label, utf8), None, None).unwrap();
            assert!(text.contains("张三男血常规"), "{label}");
            assert_eq!(charset, Charset::UTF_8);
        }
        let gbk = encoding_rs::GB18030.encode("张三").0;
        assert!(decode(&message("UNICODE UTF-8", &gbk), None, None).is_err());
        assert!(decode(&message("ASCII", &gbk), None, None).is_err());
        assert!(decode(&message("ASCII", &gbk), None, Some(Charset::GB_18030)).unwrap().0.contains("张三"));
    }

    #[test]
    fn short_gbk_that_looks_like_utf8_follows_the_configuration() {
        let gbk = message("", &encoding_rs::GB18030.encode("联通").0);
        assert!(std::str::from_utf8(&encoding_rs::GB18030.encode("血").0).is_ok());
        assert!(decode(&gbk, None, Some(Charset::GB_18030)).unwrap().0.contains("联通"));
    }

    #[test]
    fn latin_1_and_a_byte_order_mark_decode() {
        assert!(decode(&message("8859/1", b"M\xfcller"), None, None).unwrap().0.contains("Müller"));
        let mut marked = BYTE_ORDER_MARK.to_vec();
        marked.extend(message("", "Müller".as_bytes()));
        assert!(decode(&marked, None, Some(Charset::GB_18030)).unwrap().0.starts_with("MSH"));
    }
}
