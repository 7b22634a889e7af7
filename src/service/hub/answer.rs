//! Answers in words and messages: results, evidence, refusals and reasons, in the language asked.

use crate::domain::entry::{Content, Entry};
use crate::domain::id::PromptId;
use crate::domain::item::ItemCode;
use crate::domain::log::{LogPlace, Position, Sequence};
use crate::domain::reason::Reason;
use crate::domain::rule::QuietResult;
use crate::domain::text::Bilingual;
use crate::domain::value::{Comparator, Value};
use crate::domain::verdict::Evidence;
use crate::service::hub::audience::sensitive;
use crate::service::hub::candidates::Found;
use crate::service::hub::fold::regional;
use crate::service::hub::registry::Version;
use crate::wire::orders::CodeReference;
use crate::wire::pb;

/// Speaks with the names of one version of the region's data.
pub struct Speaker<'a> {
    /// The version.
    pub version: &'a Version,
    /// The language asked.
    pub language: pb::Language,
}

impl Speaker<'_> {
    /// Writes a prompt as its check's record keeps it: without result and text.
    pub fn prompt(&self, id: PromptId, items: &[ItemCode], evidence: &Evidence, found: &Found) -> pb::Prompt {
        let imaging = matches!(found.entry.content, Content::Imaging(_));
        let mut reasons: Vec<_> = self.version.policy.reasons_for(imaging).collect();
        // The law's grounds first, as doctors know them.
        reasons.sort_by_key(|reason| (reason.class, reason.code));
        pb::Prompt {
            prompt_id: id.as_bytes().to_vec().into(),
            items: items.iter().map(ToString::to_string).collect(),
            result: None,
            evidence: Some(message_of(evidence)),
            text: String::new(),
            decline_reasons: reasons.into_iter().map(|reason| self.reason(reason)).collect(),
            proof: String::new(),
        }
    }

    /// Adds the result and the sentence for the doctor to a prompt.
    pub fn complete(&self, prompt: &mut pb::Prompt, found: &Found) {
        let mark = prompt.evidence.as_ref().map(|evidence| evidence.mark.clone()).unwrap_or_default();
        let age_ms = prompt.evidence.as_ref().map_or(0, |evidence| evidence.age_ms);
        prompt.text = self.sentence(found, &mark, age_ms);
        prompt.result = Some(self.result(found));
    }

    /// Writes a result as a doctor reads it.
    pub fn result(&self, found: &Found) -> pb::ResultSummary {
        let entry = &found.entry;
        let message = pb::Entry::from(entry);
        let organisation = self.version.organisations.get(&entry.publisher);
        let named: Vec<_> = entry.items.iter().filter_map(|item| self.version.catalogue.item(*item)).collect();
        let join = |names: Vec<&str>, between: &str| names.join(between);
        pb::ResultSummary {
            result_id: message.result_id,
            version: message.version,
            status: message.status,
            organisation: message.publisher,
            organisation_name_zh: organisation.map(|it| it.name_zh.clone()).unwrap_or_default(),
            organisation_name_en: organisation.map(|it| it.name_en.clone()).unwrap_or_default(),
            organisation_level: organisation.map(|it| it.level.clone()).unwrap_or_default(),
            items: message.items,
            item_name_zh: join(named.iter().map(|item| item.name_zh.as_str()).collect(), "、"),
            item_name_en: join(named.iter().map(|item| item.name_en.as_str()).collect(), ", "),
            collected_at: message.collected_at,
            reported_at: message.reported_at,
            content: message.content.map(|content| match content {
                pb::entry::Content::LaboratoryResult(result) => pb::result_summary::Content::LaboratoryResult(result),
                pb::entry::Content::ImagingStudy(study) => pb::result_summary::Content::ImagingStudy(study),
            }),
            originals: message.originals,
            log_index: found.batch.sequence.0,
            entry: u32::from(found.place),
            report_id: message.report_id,
            laboratory: message.laboratory,
            sensitivity: if sensitive(self.version, entry) {
                pb::Sensitivity::Sensitive.into()
            } else {
                message.sensitivity
            },
            name: regional(entry.publisher, entry.result).as_bytes().to_vec().into(),
        }
    }

    /// Writes a result that was found and not offered.
    pub fn quiet(&self, quiet: &QuietResult, found: &Found) -> pb::QuietResult {
        let refusals = quiet
            .refusals
            .iter()
            .map(|refusal| pb::Refusal { code: refusal.code().to_owned(), text: self.say(refusal.text()) });
        pb::QuietResult {
            result_id: found.entry.result.as_bytes().to_vec().into(),
            items: vec![quiet.item.to_string()],
            refusals: refusals.collect(),
        }
    }

    /// Writes a decline reason.
    pub fn reason(&self, reason: &Reason) -> pb::DeclineReason {
        let zh = self.speaks_chinese();
        pb::DeclineReason {
            code: reason.code.to_string(),
            text: if zh { &reason.text_zh } else { &reason.text_en }.clone(),
            needs_text: reason.needs_text,
            choices: if zh { &reason.choices_zh } else { &reason.choices_en }.clone(),
            counts: reason.counts,
        }
    }

    /// Gives the name of a catalogue item; its code where the catalogue has none.
    pub fn item_name(&self, code: &str) -> String {
        let item = code.parse().ok().and_then(|code| self.version.catalogue.item(code));
        let name = item.map(|item| if self.speaks_chinese() { &item.name_zh } else { &item.name_en });
        name.map_or_else(|| code.to_owned(), Clone::clone)
    }

    /// Gives a text in the language asked.
    pub fn say(&self, text: Bilingual) -> String {
        if self.speaks_chinese() { text.zh } else { text.en }
    }

    fn speaks_chinese(&self) -> bool {
        self.language != pb::Language::En
    }

    /// One sentence of at most [`SENTENCE_CHARACTERS_MAX`] characters: item, value, age, hospital, mark.
    fn sentence(&self, found: &Found, mark: &str, age_ms: i64) -> String {
        let summary = self.result(found);
        let zh = self.speaks_chinese();
        let value = value_text(&found.entry);
        let age = age_text(age_ms, zh);
        let (item, place) = if zh {
            (summary.item_name_zh, summary.organisation_name_zh)
        } else {
            (summary.item_name_en, summary.organisation_name_en)
        };
        let value = if value.is_empty() { String::new() } else { format!(" {value}") };
        let sentence = if zh {
            format!("{item}{value}，{age}，{place}，{mark}")
        } else {
            format!("{item}{value}, {age}, {place}, {mark}")
        };
        shortened(&sentence)
    }
}

/// Writes evidence as a message.
fn message_of(evidence: &Evidence) -> pb::Evidence {
    let mark = &evidence.qualification;
    let rounds = mark.rounds.iter().map(|round| {
        let score = round.score_percent.map_or_else(|| "-".to_owned(), |score| format!("{} %", score.normalize()));
        format!("{}-{}: {score}", round.year, round.round)
    });
    pb::Evidence {
        policy_version: evidence.policy_version.clone(),
        window_hours: evidence.window.0,
        age_ms: evidence.age_ms,
        mark: evidence.mark.clone(),
        qualification_id: mark.id.to_string(),
        programme: mark.programme.clone(),
        issuer: mark.issuer.to_string(),
        rounds: rounds.collect(),
        valid_from: Some(mark.valid_from.into()),
        valid_to: Some(mark.valid_to.into()),
    }
}

/// Writes what a check's record keeps of a prompt.
pub fn prompt_record(id: PromptId, line_id: &str, items: &[ItemCode], found: &Found) -> pb::PromptRecord {
    let entry = &found.entry;
    pb::PromptRecord {
        prompt_id: id.as_bytes().to_vec().into(),
        line_id: line_id.to_owned(),
        items: items.iter().map(ToString::to_string).collect(),
        result_id: regional(entry.publisher, entry.result).as_bytes().to_vec().into(),
        version: entry.version,
        report_id: entry.report.as_bytes().to_vec().into(),
        log_index: found.batch.sequence.0,
        position: found.batch.position.0,
        entry: u32::from(found.place),
        publisher: entry.publisher.to_string(),
        consent_id: bytes::Bytes::new(),
    }
}

/// Gives where the batch of a prompt's result lies.
pub fn place_of(kept: &pb::PromptRecord) -> LogPlace {
    LogPlace { sequence: Sequence(kept.log_index), position: Position(kept.position) }
}

/// Gives the place of a prompt's result in its batch.
pub fn entry_of(kept: &pb::PromptRecord) -> u16 {
    u16::try_from(kept.entry).unwrap_or(u16::MAX)
}

/// Writes a code as a message.
pub fn code(code: &CodeReference) -> pb::Code {
    pb::Code { system: code.system.clone(), code: code.code.clone(), display: code.display.clone() }
}

fn value_text(entry: &Entry) -> String {
    let Content::Laboratory(result) = &entry.content else { return String::new() };
    match &result.value {
        Value::Quantity(quantity) => {
            let bound = match quantity.comparator {
                Comparator::Equal => "",
                Comparator::Less => "<",
                Comparator::LessOrEqual => "≤",
                Comparator::Greater => ">",
                Comparator::GreaterOrEqual => "≥",
            };
            format!("{bound}{} {}", quantity.number, quantity.unit)
        }
        Value::Text(text) => text.clone(),
        Value::Coded { display, code, .. } => if display.is_empty() { code } else { display }.clone(),
        Value::InOriginal => String::new(),
    }
}

fn age_text(age_ms: i64, zh: bool) -> String {
    let hours = age_ms / 3_600_000;
    match (hours / 24, zh) {
        (0, true) => format!("{hours}小时前"),
        (0, false) => format!("{hours} h ago"),
        (days, true) => format!("{days}天前"),
        (days, false) => format!("{days} d ago"),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SENTENCE_CHARACTERS_MAX {
        return text.to_owned();
    }
    text.chars().take(SENTENCE_CHARACTERS_MAX - 1).chain(['…']).collect()
}

/// Longest sentence of a prompt. Source: CDS Hooks 2.0, card summary.
const SENTENCE_CHARACTERS_MAX: usize = 139;
