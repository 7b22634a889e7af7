//! From an HL7 observation to what an entry says was found. Which item it answers, and whether its unit compares, is
//! decided by who drafts the entry.

use rust_decimal::Decimal;

use crate::domain::limits::{KEY_BYTES_MAX, TEXT_BYTES_MAX};
use crate::domain::value::Comparator;
use crate::wire::hl7::coded::Coded;
use crate::wire::hl7::report::{Observation, Report};
use crate::wire::hl7::value::{Structured, Value};

/// What an observation says, before its unit is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A number or a bound, in the unit of OBX-6.
    Number {
        /// Whether the number is a bound.
        comparator: Comparator,
        /// The number as sent.
        number: Decimal,
    },
    /// A text, as `阴性` or `1:160`.
    Text(String),
    /// A coded finding.
    Coded {
        /// The code.
        code: String,
        /// Its name.
        display: String,
        /// Its system.
        system: String,
    },
    /// Only a document, or a text too long for an index, says what was found.
    InOriginal,
}

/// A document that a report carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its media type.
    pub media_type: String,
    /// Its bytes, decoded.
    pub bytes: Vec<u8>,
}

/// Reads what was found; nothing where no value was sent, or where the value only names the study.
pub fn finding(observation: &Observation, report: &Report) -> Option<Finding> {
    let findings: Vec<Finding> =
        observation.values.iter().filter_map(|value| one_finding(value, &report.study_uids)).collect();
    match findings.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several if several.contains(&Finding::InOriginal) => Some(Finding::InOriginal),
        several => Some(bounded(several.iter().map(shown).collect::<Vec<_>>().join("; "))),
    }
}

/// Gives the documents of a report, in order.
pub fn documents(report: &Report) -> Vec<Document> {
    let values = report.observations.iter().flat_map(|observation| &observation.values);
    values
        .filter_map(|value| match value {
            Value::Attachment(attachment) => {
                let bytes = attachment.bytes.reveal().clone();
                Some(Document { media_type: attachment.media_type.clone(), bytes })
            }
            _ => None,
        })
        .collect()
}

/// Says whether an observation is prose, as the findings and the impression of a radiologist are.
pub fn is_narrative(observation: &Observation) -> bool {
    matches!(observation.value_type.as_str(), "TX" | "FT")
}

/// Reads a text that is a number, also behind a sign of comparison: laboratories send `<0.01` as text.
pub fn number_in(text: &str) -> Option<(Comparator, Decimal)> {
    let text = text.trim();
    let found = SIGNS.iter().find_map(|(sign, comparator)| Some((*comparator, text.strip_prefix(sign)?)));
    let (comparator, digits) = found.unwrap_or((Comparator::Equal, text));
    let digits = digits.trim();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    is_plain.then(|| digits.parse().ok()).flatten().map(|number| (comparator, number))
}

fn one_finding(value: &Value, study_uids: &[String]) -> Option<Finding> {
    Some(match value {
        Value::Numeric(text) => match text.parse() {
            Ok(number) => Finding::Number { comparator: Comparator::Equal, number },
            Err(_) => bounded(text.clone()),
        },
        Value::Structured(structured) => of_structured(structured),
        Value::Text(text) if text.reveal().trim().is_empty() || study_uids.contains(text.reveal()) => return None,
        Value::Text(text) => bounded(text.reveal().trim().to_owned()),
        Value::Coded(coded) => of_coded(coded)?,
        Value::Attachment(_) | Value::Pointer(_) => Finding::InOriginal,
        Value::Time(moment) => Finding::Text(day_of(*moment)),
    })
}

fn of_structured(structured: &Structured) -> Finding {
    let joined = format!("{}{}", structured.comparator, structured.first);
    if structured.separator.is_empty()
        && structured.second.is_empty()
        && let Some((comparator, number)) = number_in(&joined)
    {
        return Finding::Number { comparator, number };
    }
    bounded(format!("{joined}{}{}", structured.separator, structured.second))
}

fn of_coded(coded: &Coded) -> Option<Finding> {
    let first = &coded.first;
    let name = if first.text.is_empty() { &coded.original } else { &first.text };
    match (first.code.as_str(), name.as_str()) {
        ("", "") => None,
        ("", text) => Some(bounded(text.to_owned())),
        (code, name) if code.len() > KEY_BYTES_MAX || first.system.len() > KEY_BYTES_MAX => {
            Some(bounded(format!("{code} {name}")))
        }
        (code, name) if name.len() <= TEXT_BYTES_MAX => {
            Some(Finding::Coded { code: code.to_owned(), display: name.to_owned(), system: first.system.clone() })
        }
        _ => Some(Finding::InOriginal),
    }
}

/// A text beyond the index's limit is never cut: half a sentence may say the opposite.
fn bounded(text: String) -> Finding {
    if text.len() > TEXT_BYTES_MAX { Finding::InOriginal } else { Finding::Text(text) }
}

fn shown(finding: &Finding) -> String {
    match finding {
        Finding::Number { comparator, number } => {
            let sign = SIGNS.iter().find(|(_, known)| known == comparator).map_or("", |(sign, _)| *sign);
            format!("{sign}{number}")
        }
        Finding::Text(text) => text.clone(),
        Finding::Coded { code, display, .. } => if display.is_empty() { code } else { display }.clone(),
        Finding::InOriginal => String::new(),
    }
}

fn day_of(moment: crate::domain::time::Moment) -> String {
    let seconds = moment.unix_ms().div_euclid(1_000) + i64::from(moment.offset_minutes()) * 60;
    time::OffsetDateTime::from_unix_timestamp(seconds).map(|at| at.date().to_string()).unwrap_or_default()
}

/// The longer signs stand before those they begin with; the first sign of a comparator is the one it is shown with.
const SIGNS: [(&str, Comparator); 8] = [
    ("<=", Comparator::LessOrEqual),
    (">=", Comparator::GreaterOrEqual),
    ("≤", Comparator::LessOrEqual),
    ("≥", Comparator::GreaterOrEqual),
    ("<", Comparator::Less),
    (">", Comparator::Greater),
    ("＜", Comparator::Less),
    ("＞", Comparator::Greater),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hl7::{self, SourceSettings};

    fn found(kind: &str, value: &str) -> Option<Finding> {
        let message = format!(
            "MSH|^~\\&|LIS|H|||20260101080000||ORU^R01|1|P|2.5\rPID|1||1^^^H^MR\rOBR|1|A|B|C|||20260101\r\
             OBX|1|{kind}|X^Y^L||{value}||||||F\r"
        );
        let reports = hl7::read(message.as_bytes(), &SourceSettings::default()).remove(0).unwrap();
        finding(&reports[0].observations[0], &reports[0])
    }

    fn number(comparator: Comparator, number: &str) -> Option<Finding> {
        Some(Finding::Number { comparator, number: number.parse().unwrap() })
    }

    #[test]
    fn numbers_keep_their_digits_and_bounds_their_sign() {
        assert_eq!(found("NM", "7.20"), number(Comparator::Equal, "7.20"));
        assert_eq!(found("NM", "<0.5"), number(Comparator::Less, "0.5"));
        assert_eq!(found("SN", "<^0.01"), number(Comparator::Less, "0.01"));
        assert_eq!(found("SN", ">=^100"), number(Comparator::GreaterOrEqual, "100"));
    }

    #[test]
    fn titres_ranges_and_words_are_text() {
        assert_eq!(found("SN", "^1^:^128"), Some(Finding::Text("1:128".into())));
        assert_eq!(found("NM", "阴性"), Some(Finding::Text("阴性".into())));
        assert_eq!(found("ST", ""), None);
        assert_eq!(found("NM", "1~2"), Some(Finding::Text("1; 2".into())));
    }

    #[test]
    fn a_text_beyond_the_index_is_left_to_the_original() {
        assert_eq!(found("TX", &"a".repeat(TEXT_BYTES_MAX + 1)), Some(Finding::InOriginal));
    }

    #[test]
    fn texts_that_are_numbers_are_read_and_others_are_not_guessed_at() {
        assert_eq!(number_in(" ≤ 0.5 "), Some((Comparator::LessOrEqual, "0.5".parse().unwrap())));
        assert_eq!(number_in("＞1000"), Some((Comparator::Greater, "1000".parse().unwrap())));
        for text in ["1:128", "3+", "1e5", "", "<", "5.6 mmol/L", "1-2", "5,6"] {
            assert_eq!(number_in(text), None, "{text}");
        }
    }
}
