//! What an order screen sends for a prompt page: `CheckRequest` of `orders.proto` as JSON, its fields by their names
//! there, and the origin of the screen that embeds the page.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::wire::field::{FieldError, Problem};
use crate::wire::orders::Asked;
use crate::wire::pb;

/// An order for which a page shall be shown.
#[derive(Clone)]
pub struct Ticket {
    /// What is about to be ordered. The check's key is empty where the sender gave none.
    pub check: pb::CheckRequest,
    /// The page that embeds the prompt page and is told its outcome.
    pub origin: Option<Origin>,
}

/// An origin as a browser writes it, as `https://emr.example.cn:8443`: https, lower case, no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The text is no origin that a page may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is https://host or https://host:port, in lower case, without a path")]
pub struct OriginError;

impl Ticket {
    /// Reads a body. `spare_key` stands in for a key that the sender does not give.
    ///
    /// # Errors
    /// [`FieldError`] naming the field; correct the request.
    pub fn read(body: &[u8], spare_key: &str) -> Result<Self, FieldError> {
        // The parser's own words may quote a value; only its place is told.
        let sent: Sent = serde_json::from_slice(body).map_err(|error| {
            FieldError::new(format!("line {} column {}", error.line(), error.column()), Problem::Form(FORM))
        })?;
        let origin = sent.origin.as_deref().map(str::parse).transpose();
        let origin = origin.map_err(|_: OriginError| FieldError::new("origin", Problem::Form("https origin")))?;
        let check = sent.check(spare_key)?;
        Asked::try_from(&check)?;
        Ok(Self { check, origin })
    }
}

impl Origin {
    /// Shows the origin as a browser writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let authority = text.strip_prefix("https://").filter(|_| text.len() <= ORIGIN_BYTES_MAX).ok_or(OriginError)?;
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
        };
        // The default port is not written in an origin, and would never match.
        let usual = |port: &str| !port.starts_with('0') && port.parse::<u16>().is_ok_and(|port| port != HTTPS_PORT);
        let right = host.split('.').all(label) && port.is_none_or(usual);
        right.then(|| Self(text.to_owned())).ok_or(OriginError)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    #[serde(default)]
    check_key: String,
    patient: SentPatient,
    actor: SentActor,
    visit: SentVisit,
    lines: Vec<SentLine>,
    #[serde(default)]
    language: String,
    origin: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentPatient {
    identifiers: Vec<SentIdentifier>,
    #[serde(default)]
    sex: String,
    #[serde(default)]
    birth_date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentIdentifier {
    r#type: String,
    #[serde(default)]
    authority: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentActor {
    practitioner: String,
    #[serde(default)]
    department: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentVisit {
    encounter: String,
    setting: String,
    #[serde(default)]
    preoperative: bool,
    #[serde(default)]
    transfusion: bool,
    #[serde(default)]
    forensic: bool,
    #[serde(default)]
    serial: bool,
    #[serde(default)]
    neonate: bool,
    #[serde(default)]
    pregnant: bool,
    treated_at: Option<String>,
    #[serde(default)]
    methods: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentLine {
    line_id: String,
    #[serde(default)]
    codes: Vec<SentCode>,
    #[serde(default)]
    imaging: Vec<SentCoverage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentCode {
    system: String,
    code: String,
    #[serde(default)]
    display: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentCoverage {
    modality: String,
    body_part: String,
    #[serde(default)]
    laterality: String,
    #[serde(default)]
    views: Vec<String>,
    #[serde(default)]
    contrast: String,
}

impl Sent {
    fn check(self, spare_key: &str) -> Result<pb::CheckRequest, FieldError> {
        let check_key = if self.check_key.is_empty() { spare_key.to_owned() } else { self.check_key };
        let lines = self.lines.into_iter().enumerate().map(|(place, line)| {
            let path = format!("lines[{place}]");
            line.message().map_err(|error| error.under(&path))
        });
        Ok(pb::CheckRequest {
            check_key,
            patient: Some(self.patient.message()?),
            actor: Some(pb::Actor { practitioner: self.actor.practitioner, department: self.actor.department }),
            visit: Some(self.visit.message()?),
            lines: lines.collect::<Result<_, _>>()?,
            language: enumerated("language", &self.language, pb::Language::from_str_name)?.into(),
            proofs: false,
        })
    }
}

impl SentPatient {
    fn message(self) -> Result<pb::Patient, FieldError> {
        let identifiers = self.identifiers.into_iter();
        let identifier =
            |one: SentIdentifier| pb::Identifier { r#type: one.r#type, authority: one.authority, value: one.value };
        Ok(pb::Patient {
            identifiers: identifiers.map(identifier).collect(),
            sex: enumerated("patient.sex", &self.sex, pb::Sex::from_str_name)?.into(),
            birth_date: self.birth_date,
            ..Default::default()
        })
    }
}

impl SentVisit {
    fn message(self) -> Result<pb::Visit, FieldError> {
        Ok(pb::Visit {
            encounter: self.encounter,
            setting: enumerated("visit.setting", &self.setting, pb::Setting::from_str_name)?.into(),
            preoperative: self.preoperative,
            transfusion: self.transfusion,
            forensic: self.forensic,
            serial: self.serial,
            neonate: self.neonate,
            treated_at: self.treated_at.as_deref().map(moment).transpose()?,
            pregnant: self.pregnant,
            methods: self.methods,
        })
    }
}

impl SentLine {
    fn message(self) -> Result<pb::OrderLine, FieldError> {
        let codes = self.codes.into_iter();
        let coverage = |(place, sent): (usize, SentCoverage)| {
            let path = format!("imaging[{place}]");
            sent.message().map_err(|error| error.under(&path))
        };
        Ok(pb::OrderLine {
            line_id: self.line_id,
            codes: codes.map(|code| pb::Code { system: code.system, code: code.code, display: code.display }).collect(),
            imaging: self.imaging.into_iter().enumerate().map(coverage).collect::<Result<_, _>>()?,
        })
    }
}

impl SentCoverage {
    fn message(self) -> Result<pb::Coverage, FieldError> {
        Ok(pb::Coverage {
            modality: self.modality,
            body_part: self.body_part,
            laterality: enumerated("laterality", &self.laterality, pb::Laterality::from_str_name)?.into(),
            views: self.views,
            contrast: enumerated("contrast", &self.contrast, pb::Contrast::from_str_name)?.into(),
        })
    }
}

/// Reads a value of an enumeration by its name; an empty one is the default.
fn enumerated<T: Default>(field: &str, name: &str, read: fn(&str) -> Option<T>) -> Result<T, FieldError> {
    if name.is_empty() {
        return Ok(T::default());
    }
    read(name).ok_or_else(|| FieldError::new(field, Problem::Form("name of a value of orders.proto")))
}

fn moment(text: &str) -> Result<pb::Moment, FieldError> {
    let bad = || FieldError::new("visit.treated_at", Problem::Form("time of RFC 3339"));
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| bad())?;
    let unix_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|_| bad())?;
    Ok(pb::Moment { unix_ms, offset_minutes: i32::from(at.offset().whole_minutes()), date_only: false })
}

const FORM: &str = "order for a prompt page";
const ORIGIN_BYTES_MAX: usize = 256;
const HTTPS_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{
        "patient": {"identifiers": [{"type": "CN-ID", "value": "11010519491231002X"}], "sex": "SEX_FEMALE",
                    "birth_date": "1949-12-31"},
        "actor": {"practitioner": "D0001", "department": "内科"},
        "visit": {"encounter": "E1", "setting": "SETTING_OUTPATIENT", "treated_at": "2026-05-01T08:00:00+08:00"},
        "lines": [{"line_id": "1", "codes": [{"system": "catalogue", "code": "L01001", "display": "钾"}]},
                  {"line_id": "2", "imaging": [{"modality": "CT", "body_part": "CHEST", "contrast": "CONTRAST_PLAIN"}]}],
        "language": "LANGUAGE_EN", "origin": "https://emr.example.cn"}"#;

    fn fault(body: &str) -> String {
        Ticket::read(body.as_bytes(), "spare").map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn an_order_is_read_and_keyed() {
        let read = Ticket::read(ORDER.as_bytes(), "spare").unwrap();
        assert_eq!((read.check.check_key.as_str(), read.check.language()), ("spare", pb::Language::En));
        assert_eq!(read.check.visit.unwrap().treated_at.unwrap().unix_ms, 1_777_593_600_000);
        assert_eq!(read.check.lines[1].imaging[0].contrast(), pb::Contrast::Plain);
        assert_eq!(read.origin.unwrap().as_str(), "https://emr.example.cn");
        let keyed = ORDER.replacen('{', r#"{"check_key": "own","#, 1);
        assert_eq!(Ticket::read(keyed.as_bytes(), "spare").unwrap().check.check_key, "own");
    }

    #[test]
    fn a_wrong_order_names_its_field_and_no_content() {
        assert_eq!(fault("{"), "line 1 column 1: is not a valid order for a prompt page");
        let wrong = ORDER.replace("SETTING_OUTPATIENT", "MARY");
        assert_eq!(fault(&wrong), "visit.setting: is not a valid name of a value of orders.proto");
        assert!(fault(&ORDER.replace("\"1949-12-31\"", "\"MARY\"")).starts_with("patient.birth_date"));
        assert!(fault(&ORDER.replace("\"sex\"", "\"MARY\"")).starts_with("line 2 column"), "unknown fields");
        assert_eq!(fault(&ORDER.replace("https://emr", "http://emr")), "origin: is not a valid https origin");
        for end in 0..ORDER.len() {
            let cut = ORDER.as_bytes().get(..end).unwrap();
            assert!(Ticket::read(cut, "spare").is_err());
        }
    }

    #[test]
    fn an_origin_is_exact() {
        for right in ["https://emr", "https://emr.example.cn", "https://10.1.2.3:8443", "https://a-b.cn:80"] {
            assert!(right.parse::<Origin>().is_ok(), "{right}");
        }
        for wrong in [
            "*",
            "https://*",
            "https://*.cn",
            "https://",
            "https://emr/",
            "https://emr/x",
            "https://Emr",
            "http://emr",
            "https://emr:443",
            "https://emr:0",
            "https://emr:x",
            "https://emr:",
            "https://a@emr",
            "https://emr; x",
            "https://emr 'self'",
            "https://emr,https://b",
            "https://emr..cn",
            "https://-a",
            "null",
            "https://emr?x",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
