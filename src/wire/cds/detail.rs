//! The detail of a card in GitHub-flavoured Markdown: what was found, by whom, and why it may be relied on. What came
//! from outside is escaped, so that no laboratory's text can draw a link or a picture at the order screen.

use crate::domain::time::Moment;
use crate::wire::cds::words::Words;
use crate::wire::day;
use crate::wire::field::optional_moment;
use crate::wire::pb;
use pb::result_summary::Content;

/// Writes what is known of one result and its evidence.
pub(super) fn of_prompt(prompt: &pb::Prompt, words: Words) -> String {
    let Some(result) = &prompt.result else { return String::new() };
    let mut lines = vec![headline(result, words)];
    lines.extend(of_result(result, words));
    if let Some(evidence) = &prompt.evidence {
        lines.extend(of_evidence(evidence, words));
    }
    lines.join("\n")
}

/// Writes a result in one line: item, value and flag.
pub(super) fn headline(result: &pb::ResultSummary, words: Words) -> String {
    let value = value(result);
    let flag = match &result.content {
        Some(Content::LaboratoryResult(laboratory)) if !laboratory.flag.is_empty() => {
            format!(" ({})", escaped(&laboratory.flag))
        }
        _ => String::new(),
    };
    format!("**{}** {}{flag}", escaped(item_name(result, words)), escaped(&value)).trim_end().to_owned()
}

/// Gives the name of a result's items.
pub(super) fn item_name(result: &pb::ResultSummary, words: Words) -> &str {
    if words.chinese() { &result.item_name_zh } else { &result.item_name_en }
}

/// Gives the name of the hospital that published a result.
pub(super) fn hospital(result: &pb::ResultSummary, words: Words) -> &str {
    let (first, second) = (&result.organisation_name_zh, &result.organisation_name_en);
    let (first, second) = if words.chinese() { (first, second) } else { (second, first) };
    [first, second, &result.organisation].into_iter().find(|name| !name.is_empty()).map_or("", String::as_str)
}

/// Writes an instant at its own offset: `2026-05-29 08:10`, or the day alone where no more is known.
pub(super) fn when(sent: Option<&pb::Moment>) -> String {
    let Ok(Some(at)) = optional_moment("at", sent) else { return String::new() };
    let day = day::written(at.local_day());
    if at.is_date_only() { day } else { format!("{day} {}", clock(at)) }
}

fn clock(at: Moment) -> String {
    let minutes = (at.unix_ms().div_euclid(60_000) + i64::from(at.offset_minutes())).rem_euclid(1_440);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn of_result(result: &pb::ResultSummary, words: Words) -> Vec<String> {
    let mut points = Vec::new();
    let mut point = |zh: &str, en: &str, text: &str| {
        if !text.is_empty() {
            points.push(format!("- {}{}", words.say(zh, en), escaped(text)));
        }
    };
    match &result.content {
        Some(Content::LaboratoryResult(laboratory)) => {
            point("参考区间：", "Reference range: ", &laboratory.reference_range);
            point("方法：", "Method: ", &laboratory.method);
            point("标本：", "Specimen: ", &laboratory.specimen);
        }
        Some(Content::ImagingStudy(study)) => {
            let series = study.series.len().to_string();
            let images: u32 = study.series.iter().fold(0, |sum, series| sum.saturating_add(series.instances));
            point("序列数：", "Series: ", &series);
            point("图像数：", "Images: ", &images.to_string());
        }
        None => {}
    }
    point("采集：", "Collected: ", &when(result.collected_at.as_ref()));
    point("报告：", "Reported: ", &when(result.reported_at.as_ref()));
    point("医院：", "Hospital: ", hospital(result, words));
    points
}

fn of_evidence(evidence: &pb::Evidence, words: Words) -> Vec<String> {
    let rounds = evidence.rounds.join(words.say("；", "; ").as_str());
    let quality = if rounds.is_empty() {
        evidence.programme.clone()
    } else {
        words.say(&format!("{}（{rounds}）", evidence.programme), &format!("{} ({rounds})", evidence.programme))
    };
    let hours = evidence.window_hours;
    let (window_zh, window_en) = if hours >= 24 && hours.is_multiple_of(24) {
        (format!("{} 天", hours / 24), format!("{} days", hours / 24))
    } else {
        (format!("{hours} 小时"), format!("{hours} hours"))
    };
    [
        ("互认标识：", "Recognition mark: ", evidence.mark.clone()),
        ("室间质评：", "External quality assessment: ", quality),
        ("时限：", "Valid for: ", words.say(&window_zh, &window_en)),
        ("政策版本：", "Policy: ", evidence.policy_version.clone()),
    ]
    .into_iter()
    .filter(|(_, _, text)| !text.is_empty())
    .map(|(zh, en, text)| format!("- {}{}", words.say(zh, en), escaped(&text)))
    .collect()
}

/// Gives a laboratory's value in words; nothing of images, and where it stands in an original alone.
pub(super) fn value(result: &pb::ResultSummary) -> String {
    let Some(Content::LaboratoryResult(laboratory)) = &result.content else { return String::new() };
    match &laboratory.value {
        Some(pb::laboratory_result::Value::Quantity(quantity)) => {
            let bound = match quantity.comparator() {
                pb::Comparator::Unspecified => "",
                pb::Comparator::Less => "<",
                pb::Comparator::LessOrEqual => "≤",
                pb::Comparator::Greater => ">",
                pb::Comparator::GreaterOrEqual => "≥",
            };
            format!("{bound}{} {}", quantity.number, quantity.unit).trim_end().to_owned()
        }
        Some(pb::laboratory_result::Value::Text(text)) => text.clone(),
        Some(pb::laboratory_result::Value::Coded(coded)) => {
            if coded.display.is_empty() { &coded.code } else { &coded.display }.clone()
        }
        None => String::new(),
    }
}

/// Writes a text so that Markdown shows it as it is, in one line.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' | '>' => {
                escaped.extend(['\\', character]);
            }
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            control if control.is_control() => escaped.push(' '),
            plain => escaped.push(plain),
        }
    }
    // An address would be linked by itself.
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;").replace('@', "&#64;")
}
