//! The value of an observation, by its type. Must not convert a unit or compare a value.
//!
//! Source: HL7 v2.5.1, 7.4.2 (OBX-2, OBX-5), table 0125; 2.A.24 (ED), 2.A.64 (RP), 2.A.70 (SN).

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::SourceSettings;
use super::coded::Coded;
use super::error::Problem;
use super::message::Part;
use super::time;
use crate::domain::phi::Phi;
use crate::domain::time::Moment;

/// One value. Text that people wrote is [`Phi`]: narrative names patients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A decimal number exactly as written, digits kept (`7.20`).
    Numeric(String),
    /// A comparison, range or ratio: `>100`, `1:128`, `3+`.
    Structured(Structured),
    /// Text; repetitions and lines are joined by line breaks.
    Text(Phi<String>),
    /// A coded value.
    Coded(Coded),
    /// A document inside the message.
    Attachment(Attachment),
    /// A document elsewhere.
    Pointer(Pointer),
    /// A date or time.
    Time(Moment),
}

/// A structured number; numbers as written, any part may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structured {
    /// `<`, `>`, `<=`, `>=`, `=`, `<>`, or empty.
    pub comparator: String,
    /// The first number.
    pub first: String,
    /// `-`, `:`, `/`, `.` or `+`.
    pub separator: String,
    /// The second number.
    pub second: String,
}

/// A document inside the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Media type, such as `application/pdf`.
    pub media_type: String,
    /// The document, decoded.
    pub bytes: Phi<Vec<u8>>,
}

/// A document elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// Where, as the sender writes it.
    pub location: Phi<String>,
    /// Media type, such as `image/jpeg`.
    pub media_type: String,
}

/// Reads OBX-5 as OBX-2 says: one value for each repetition, none where nothing was sent. Repeated text is one value.
///
/// A number that is not one stays text (`阴性` sent as NM), unless a comparator stands before it (`<0.5`). Without a type a
/// plain decimal is a number and everything else text. Unknown types are text.
///
/// # Errors
/// [`Problem::AttachmentUnreadable`] for encapsulated data that does not decode.
pub fn values(kind: &str, field: Part<'_>, settings: &SourceSettings) -> Result<Vec<Value>, Problem> {
    let texts = || field.repetitions().map(|part| part.text()).collect::<Vec<_>>().join("\n");
    let each = |read: &dyn Fn(Part<'_>) -> Value| Ok(field.repetitions().map(read).collect());
    match kind {
        _ if field.is_empty() => Ok(Vec::new()),
        "NM" => each(&|part| number(&part.text())),
        "SN" => each(&|part| structured(part)),
        "CE" | "CWE" | "CNE" | "CF" => each(&|part| Value::Coded(Coded::of(part))),
        "DT" | "TS" | "DTM" => each(&|part| moment(part, settings)),
        "RP" => each(&|part| {
            let location = Phi::new(part.component(1).value().unwrap_or_default());
            Value::Pointer(Pointer { location, media_type: media_type(part.component(3), part.component(4)) })
        }),
        "ED" => field.repetitions().map(|part| attachment(part).map(Value::Attachment)).collect(),
        "" if field.repetitions().all(|part| is_decimal(part.text().trim())) => each(&|part| number(&part.text())),
        _ => Ok(vec![Value::Text(Phi::new(texts()))]),
    }
}

/// Says whether text is a plain decimal: a sign, digits, a point, digits.
pub fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    whole.len() + fraction.len() > 0 && digits(whole) && digits(fraction)
}

fn number(text: &str) -> Value {
    let trimmed = text.trim();
    if is_decimal(trimmed) {
        return Value::Numeric(trimmed.to_owned());
    }
    for (written, comparator) in COMPARATORS {
        let Some(rest) = trimmed.strip_prefix(written).map(str::trim) else { continue };
        if is_decimal(rest) {
            let [comparator, first] = [comparator, rest].map(str::to_owned);
            return Value::Structured(Structured {
                comparator,
                first,
                separator: String::new(),
                second: String::new(),
            });
        }
    }
    Value::Text(Phi::new(text.to_owned()))
}

/// Reads SN; one whose numbers are not numbers stays text, and one sent as a bare number is a number.
fn structured(part: Part<'_>) -> Value {
    let [comparator, first, separator, second] =
        [1, 2, 3, 4].map(|number| part.component(number).value().unwrap_or_default());
    if first.is_empty() && separator.is_empty() && second.is_empty() {
        return number(&part.text());
    }
    let is_number = |text: &str| text.is_empty() || is_decimal(text);
    if !is_number(&first) || !is_number(&second) {
        return Value::Text(Phi::new(part.text()));
    }
    Value::Structured(Structured { comparator, first, separator, second })
}

fn moment(part: Part<'_>, settings: &SourceSettings) -> Value {
    let read = part.component(1).value().and_then(|text| time::moment(&text, settings.offset_minutes).ok());
    read.map_or_else(|| Value::Text(Phi::new(part.text())), Value::Time)
}

fn attachment(part: Part<'_>) -> Result<Attachment, Problem> {
    let encoding = part.component(4).value().unwrap_or_default().to_ascii_uppercase();
    let data = part.component(5).text();
    let packed = || data.chars().filter(|character| !character.is_whitespace()).collect::<String>();
    let bytes = match encoding.as_str() {
        "BASE64" => BASE64.decode(packed()).map_err(|_| Problem::AttachmentUnreadable)?,
        "HEX" => hex::decode(packed()).map_err(|_| Problem::AttachmentUnreadable)?,
        "A" | "" => data.into_bytes(),
        _ => return Err(Problem::AttachmentUnreadable),
    };
    Ok(Attachment { media_type: media_type(part.component(2), part.component(3)), bytes: Phi::new(bytes) })
}

/// Joins ED-2 and ED-3 (table 0191 and its subtypes), or the old short forms, to a media type.
fn media_type(kind: Part<'_>, subtype: Part<'_>) -> String {
    let [kind, subtype] = [kind, subtype].map(|part| part.value().unwrap_or_default().to_ascii_lowercase());
    let whole = [&kind, &subtype].into_iter().find(|text| text.contains('/'));
    if let Some(whole) = whole {
        return whole.clone();
    }
    let top = match (kind.as_str(), subtype.as_str()) {
        ("im" | "image", _) | (_, "jpeg" | "jpg" | "png" | "gif" | "tiff") => "image",
        ("tx" | "ft" | "text", _) | (_, "html" | "plain") => "text",
        ("au" | "audio", _) => "audio",
        ("video", _) => "video",
        _ => "application",
    };
    match subtype.as_str() {
        "" if kind == "pdf" => "application/pdf".to_owned(),
        "" if top == "text" => "text/plain".to_owned(),
        "" | "octet-stream" => "application/octet-stream".to_owned(),
        "jpg" => "image/jpeg".to_owned(),
        subtype => format!("{top}/{subtype}"),
    }
}

/// Comparators before a number, the longer ones first, and what each is in table 0125.
const COMPARATORS: [(&str, &str); 10] = [
    ("<=", "<="),
    (">=", ">="),
    ("<>", "<>"),
    ("≤", "<="),
    ("≥", ">="),
    ("<", "<"),
    (">", ">"),
    ("＜", "<"),
    ("＞", ">"),
    ("=", "="),
];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
