//! How results look on every page: value, flag, times, age, hospital, originals. Flags always carry words beside colour.

use maud::{Markup, html};
use time::{OffsetDateTime, UtcOffset};

use crate::domain::specimen::Specimen;
use crate::doors::http::pages::texts::Text;
use crate::wire::pb::{self, Language};
use pb::laboratory_result::Value;

/// Gives a laboratory's value without its unit; empty where it stands in an original alone.
pub fn value(result: &pb::LaboratoryResult) -> String {
    match &result.value {
        Some(Value::Quantity(quantity)) => format!("{}{}", bound(quantity.comparator()), quantity.number),
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Coded(coded)) if coded.display.is_empty() => coded.code.clone(),
        Some(Value::Coded(coded)) => coded.display.clone(),
        None => String::new(),
    }
}

/// Gives the unit of a number, or nothing.
pub fn unit(result: &pb::LaboratoryResult) -> &str {
    match &result.value {
        Some(Value::Quantity(quantity)) => &quantity.unit,
        _ => "",
    }
}

/// Gives number and unit as the laboratory wrote them, where they were converted.
pub fn as_sent(result: &pb::LaboratoryResult) -> Option<String> {
    let Some(Value::Quantity(quantity)) = &result.value else { return None };
    (!quantity.sent_number.is_empty()).then(|| format!("{} {}", quantity.sent_number, quantity.sent_unit))
}

/// Gives the class by which the style sheet colours a flag, and its words. Source: HL7 v2.5.1, table 0078.
pub fn flag(flag: &str, language: Language) -> Option<(&'static str, &'static str)> {
    let first = flag.split('~').next().unwrap_or_default().trim();
    let (class, text) = match first.to_ascii_uppercase().as_str() {
        "" => return None,
        "N" => ("normal", Text::new("正常", "Normal")),
        "H" | "↑" => ("high", Text::new("↑ 偏高", "↑ High")),
        "L" | "↓" => ("low", Text::new("↓ 偏低", "↓ Low")),
        "HH" | "↑↑" => ("critical", Text::new("⇈ 危急偏高", "⇈ Critically high")),
        "LL" | "↓↓" => ("critical", Text::new("⇊ 危急偏低", "⇊ Critically low")),
        ">" => ("high", Text::new("＞ 超出上限", "> Above the range")),
        "<" => ("low", Text::new("＜ 低于下限", "< Below the range")),
        "A" | "*" => ("abnormal", Text::new("! 异常", "! Abnormal")),
        "AA" => ("critical", Text::new("‼ 严重异常", "‼ Critically abnormal")),
        _ => return Some(("other", "")),
    };
    Some((class, text.to(language)))
}

/// Shows a flag: its words, and the laboratory's own letters where they are no usual ones.
pub fn flag_badge(sent: &str, language: Language) -> Markup {
    html! {
        @if let Some((class, words)) = flag(sent, language) {
            span class={ "flag flag-" (class) } { @if words.is_empty() { (sent) } @else { (words) } }
        }
    }
}

/// Shows value, unit and flag, large.
pub fn reading(result: &pb::LaboratoryResult, language: Language) -> Markup {
    let value = value(result);
    let long = value.chars().count() > SHORT_VALUE_CHARACTERS_MAX;
    html! {
        span class={ "reading" @if long { " long" } } {
            @if value.is_empty() { span class="value absent" { (IN_ORIGINAL.to(language)) } }
            @else { span class="value" { (value) } }
            @if !unit(result).is_empty() { " " span class="unit" { (unit(result)) } }
        }
        " " (flag_badge(&result.flag, language))
    }
}

/// Writes an instant as `2026-05-29 04:26` on its writer's clock; with the offset where that is not China's.
pub fn moment(sent: Option<&pb::Moment>) -> String {
    let Some(sent) = sent else { return "—".to_owned() };
    let nanoseconds = i128::from(sent.unix_ms) * 1_000_000;
    let offset = UtcOffset::from_whole_seconds(sent.offset_minutes.saturating_mul(60)).unwrap_or(UtcOffset::UTC);
    let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map(|at| at.to_offset(offset)) else {
        return "—".to_owned();
    };
    let (hours, minutes) = (sent.offset_minutes / 60, sent.offset_minutes.abs() % 60);
    let day = format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day());
    match (sent.date_only, sent.offset_minutes) {
        (true, _) => day,
        (false, CHINA_OFFSET_MINUTES) => format!("{day} {:02}:{:02}", at.hour(), at.minute()),
        (false, _) => format!("{day} {:02}:{:02} {hours:+03}:{minutes:02}", at.hour(), at.minute()),
    }
}

/// Says how long ago something was, in words.
pub fn age(age_ms: i64, language: Language) -> String {
    let zh = language != Language::En;
    let minutes = age_ms.max(0) / 60_000;
    let (hours, days) = (minutes / 60, minutes / 1_440);
    match (days, hours) {
        (0, 0) if zh => format!("{minutes}分钟前"),
        (0, 0) => format!("{minutes} min ago"),
        (0 | 1, hours) if zh => format!("{hours}小时前"),
        (0 | 1, hours) => format!("{hours} h ago"),
        (days, _) if zh => format!("{days}天前"),
        (days, _) => format!("{days} days ago"),
    }
}

/// Gives the name of the publisher in a language, or what is known in its place.
pub fn hospital(result: &pb::ResultSummary, language: Language) -> &str {
    pick(language, &result.organisation_name_zh, &result.organisation_name_en, &result.organisation)
}

/// Gives the name of what was examined in a language, or what is known in its place.
pub fn item_name(result: &pb::ResultSummary, language: Language) -> &str {
    let local = match &result.content {
        Some(pb::result_summary::Content::LaboratoryResult(found)) => {
            found.local.as_ref().map_or("", |code| if code.display.is_empty() { &code.code } else { &code.display })
        }
        Some(pb::result_summary::Content::ImagingStudy(_)) | None => "",
    };
    pick(language, &result.item_name_zh, &result.item_name_en, local)
}

/// Names a specimen: in Chinese where its code is known, and as its code otherwise.
pub fn specimen(code: &str, language: Language) -> String {
    match Specimen::parse(code).filter(|_| language != Language::En) {
        Some(known) if !known.name_zh().is_empty() => known.name_zh().to_owned(),
        Some(_) | None => code.to_owned(),
    }
}

/// Says what kind of original a media type is.
pub fn media(media_type: &str, language: Language) -> &'static str {
    let text = match media_type {
        "application/pdf" => Text::new("PDF 报告", "PDF report"),
        "application/dicom" => Text::new("DICOM 影像", "DICOM image"),
        "x-application/hl7-v2+er7" => Text::new("HL7 v2 消息", "HL7 v2 message"),
        other if other.starts_with("text/plain") => Text::new("文本", "Text"),
        _ => Text::new("其他文件", "Other file"),
    };
    text.to(language)
}

/// Writes a size for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes.div_ceil(1_024)),
        _ => format!("{} MiB", bytes.div_ceil(1_048_576)),
    }
}

fn pick<'t>(language: Language, zh: &'t str, en: &'t str, otherwise: &'t str) -> &'t str {
    let (first, second) = if language == Language::En { (en, zh) } else { (zh, en) };
    [first, second, otherwise].into_iter().find(|text| !text.is_empty()).unwrap_or("—")
}

fn bound(comparator: pb::Comparator) -> &'static str {
    match comparator {
        pb::Comparator::Unspecified => "",
        pb::Comparator::Less => "< ",
        pb::Comparator::LessOrEqual => "≤ ",
        pb::Comparator::Greater => "> ",
        pb::Comparator::GreaterOrEqual => "≥ ",
    }
}

const IN_ORIGINAL: Text = Text::new("见原件", "see the original");
const SHORT_VALUE_CHARACTERS_MAX: usize = 14;
const CHINA_OFFSET_MINUTES: i32 = 480;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_with_its_bound_and_a_flag_with_words() {
        let quantity = pb::Quantity {
            comparator: pb::Comparator::Less.into(),
            number: "0.01".into(),
            unit: "ng/mL".into(),
            ..Default::default()
        };
        let value = Some(Value::Quantity(quantity));
        let result = pb::LaboratoryResult { value, flag: "LL".into(), ..Default::default() };
        let shown = reading(&result, Language::En).into_string();
        assert!(shown.contains("&lt; 0.01") && shown.contains("ng/mL") && shown.contains("Critically low"), "{shown}");
        let hostile = pb::LaboratoryResult {
            value: Some(Value::Text("<script>alert(1)</script>".into())),
            flag: "\"><img>".into(),
            ..Default::default()
        };
        let shown = reading(&hostile, Language::Zh).into_string();
        assert!(!shown.contains("<script>") && !shown.contains("<img>"), "{shown}");
    }

    #[test]
    fn times_and_ages_read_as_doctors_write_them() {
        let at = |offset_minutes, date_only| {
            moment(Some(&pb::Moment { unix_ms: 1_780_000_000_000, offset_minutes, date_only }))
        };
        assert_eq!(at(480, false), "2026-05-29 04:26");
        assert_eq!(at(480, true), "2026-05-29");
        assert_eq!(at(0, false), "2026-05-28 20:26 +00:00");
        assert_eq!(at(-210, false), "2026-05-28 16:56 -03:30");
        assert_eq!(moment(Some(&pb::Moment { unix_ms: i64::MAX, ..Default::default() })), "—");
        let hour = 3_600_000;
        assert_eq!(
            [0, 5 * hour, 47 * hour, 48 * hour].map(|ms| age(ms, Language::Zh)),
            ["0分钟前", "5小时前", "47小时前", "2天前"]
        );
        assert_eq!(age(72 * hour, Language::En), "3 days ago");
    }
}
