//! Recalls, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::app::client::local;
use crate::app::order::told;
use crate::wire::cds::Words;
use crate::wire::pb;

/// Writes the figures and the newest recalls: no patient, no doctor.
pub(super) fn overview(answer: &pb::RecallsResponse, json: bool, words: Words, out: &mut dyn Write) -> io::Result<()> {
    if json {
        let said = json!({
            "made": answer.made, "delivered": answer.delivered, "acknowledged": answer.acknowledged,
            "open": answer.open, "oldest_open_age_s": answer.oldest_open_age_s,
            "recalls": answer.recalls.iter().map(row_object).collect::<Value>(), "truncated": answer.truncated,
        });
        return writeln!(out, "{said}");
    }
    let pb::RecallsResponse { made, delivered, acknowledged, open, oldest_open_age_s: age_s, .. } = answer;
    let zh = format!("召回 {made} 条：已送达 {delivered}，已知悉 {acknowledged}，未知悉 {open}，最早的已等 {age_s} 秒");
    let en = format!(
        "{made} recalls: {delivered} delivered, {acknowledged} acknowledged, {open} open, the oldest for {age_s} s"
    );
    writeln!(out, "{}", words.say(&zh, &en))?;
    for row in &answer.recalls {
        let made = row.made_at.as_ref().and_then(local).unwrap_or_default();
        let (items, cause, relation) =
            (row.items.join("+"), cause(row.cause(), words), relation(row.relation(), words));
        let state = match (&row.acknowledged_at, &row.delivered_at) {
            (Some(_), _) => words.say("已知悉", "acknowledged"),
            (None, Some(_)) => words.say("已送达", "delivered"),
            (None, None) => words.say("未送达", "not delivered"),
        };
        let id = hex::encode(&row.recall_id);
        writeln!(out, "{id}  {made}  {}  {}  {items}  {cause}  {relation}  {state}", row.organisation, row.publisher)?;
    }
    if answer.truncated {
        writeln!(out, "{}", words.say("还有更多，请提高 --limit", "there are more; raise --limit"))?;
    }
    Ok(())
}

/// Writes what a doctor has not taken note of.
pub(super) fn open(recalls: &[pb::Recall], json: bool, words: Words, out: &mut dyn Write) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", json!({ "recalls": recalls.iter().map(object).collect::<Value>() }));
    }
    if recalls.is_empty() {
        return writeln!(out, "{}", words.say("没有未知悉的召回", "no recall is open"));
    }
    recalls.iter().try_for_each(|one| recall(one, false, words, out))
}

/// Writes one recall with both versions.
pub(super) fn recall(recall: &pb::Recall, json: bool, words: Words, out: &mut dyn Write) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", object(recall));
    }
    let urgent = if recall.urgent { words.say("【紧急】", "URGENT ") } else { String::new() };
    writeln!(out, "{urgent}{}", words.say(&recall.text_zh, &recall.text_en))?;
    let made = recall.made_at.as_ref().and_then(local).unwrap_or_default();
    writeln!(out, "  {} {}  {made}", words.say("召回", "recall"), hex::encode(&recall.recall_id))?;
    for (result, version, zh, en) in [
        (&recall.old, recall.old_version, "原结果", "was told"),
        (&recall.new, recall.new_version, "现结果", "it is now"),
    ] {
        if let Some(result) = result {
            let value = told::value(result);
            writeln!(out, "  {} {value} ({} {version})", words.say(zh, en), words.say("版本", "version"))?;
        }
    }
    if !recall.encounter.is_empty() {
        writeln!(out, "  {} {}", words.say("就诊", "visit"), recall.encounter)?;
    }
    Ok(())
}

/// Writes that a recall was taken note of.
pub(super) fn noted(recall: &[u8], json: bool, words: Words, out: &mut dyn Write) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", json!({ "recall": hex::encode(recall), "acknowledged": true }));
    }
    writeln!(out, "{}", words.say("已知悉，已记录", "taken note of, and recorded"))
}

fn row_object(row: &pb::RecallRow) -> Value {
    json!({
        "recall": hex::encode(&row.recall_id), "organisation": row.organisation, "publisher": row.publisher,
        "items": row.items, "cause": row.cause().as_str_name(), "relation": row.relation().as_str_name(),
        "old_version": row.old_version, "new_version": row.new_version,
        "made_at": row.made_at.as_ref().and_then(local), "delivered_at": row.delivered_at.as_ref().and_then(local),
        "acknowledged_at": row.acknowledged_at.as_ref().and_then(local), "log_index": row.log_index,
    })
}

fn object(recall: &pb::Recall) -> Value {
    json!({
        "recall": hex::encode(&recall.recall_id), "cause": recall.cause().as_str_name(), "urgent": recall.urgent,
        "organisation": recall.organisation, "practitioner": recall.practitioner,
        "relation": recall.relation().as_str_name(), "patient": hex::encode(&recall.patient),
        "result_name": hex::encode(&recall.result_name), "old": recall.old.as_ref().map(told::result_object),
        "new": recall.new.as_ref().map(told::result_object), "old_version": recall.old_version,
        "new_version": recall.new_version, "prompt_id": hex::encode(&recall.prompt_id), "encounter": recall.encounter,
        "made_at": recall.made_at.as_ref().and_then(local), "text_zh": recall.text_zh, "text_en": recall.text_en,
        "statement": hex::encode(&recall.statement), "log_index": recall.log_index,
    })
}

fn cause(cause: pb::RecallCause, words: Words) -> String {
    let (zh, en) = match cause {
        pb::RecallCause::Unspecified => ("", ""),
        pb::RecallCause::Corrected => ("已更正", "corrected"),
        pb::RecallCause::Withdrawn => ("已撤回", "withdrawn"),
        pb::RecallCause::EnteredInError => ("误报", "entered in error"),
        pb::RecallCause::QualificationSuspended => ("资格暂停", "qualification suspended"),
        pb::RecallCause::NotThisPatient => ("非该患者", "not this patient's"),
    };
    words.say(zh, en)
}

fn relation(relation: pb::RecallRelation, words: Words) -> String {
    let (zh, en) = match relation {
        pb::RecallRelation::Unspecified => ("", ""),
        pb::RecallRelation::Prompted => ("已提示", "prompted"),
        pb::RecallRelation::Viewed => ("已打开", "opened"),
        pb::RecallRelation::Accepted => ("已采纳", "accepted"),
        pb::RecallRelation::Quoted => ("已引用", "quoted"),
    };
    words.say(zh, en)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZH: Words = Words(pb::Language::Zh);
    const EN: Words = Words(pb::Language::En);

    fn potassium(number: &str) -> Option<pb::ResultSummary> {
        let value = Some(pb::laboratory_result::Value::Text(number.to_owned()));
        let found = pb::LaboratoryResult { value, ..Default::default() };
        let content = Some(pb::result_summary::Content::LaboratoryResult(found));
        Some(pb::ResultSummary { content, ..Default::default() })
    }

    fn urgent() -> pb::Recall {
        pb::Recall {
            recall_id: vec![7; 16].into(),
            cause: pb::RecallCause::EnteredInError.into(),
            urgent: true,
            practitioner: "D7".into(),
            old: potassium("7.9"),
            old_version: 1,
            new_version: 2,
            text_zh: "召回：钾".into(),
            text_en: "Recall: potassium".into(),
            ..Default::default()
        }
    }

    fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_recall_is_told_in_the_callers_language_with_what_still_may_be_seen() {
        let zh = written(|out| recall(&urgent(), false, ZH, out));
        assert_eq!(zh, format!("【紧急】召回：钾\n  召回 {}  \n  原结果 7.9 (版本 1)\n", "07".repeat(16)));
        let en = written(|out| open(&[urgent()], false, EN, out));
        assert!(en.starts_with("URGENT Recall: potassium\n"), "{en}");
        assert_eq!(written(|out| open(&[], false, EN, out)), "no recall is open\n");
        let object: Value = serde_json::from_str(&written(|out| open(&[urgent()], true, ZH, out))).unwrap();
        let object = &object["recalls"][0];
        assert_eq!((&object["practitioner"], &object["new"]), (&json!("D7"), &Value::Null));
        assert_eq!(object["old"]["value"], "7.9");
    }

    #[test]
    fn the_overview_says_how_far_each_recall_has_come() {
        let at = Some(pb::Moment { unix_ms: 1_790_000_000_000, offset_minutes: 480, ..Default::default() });
        let row = |delivered_at| pb::RecallRow {
            recall_id: vec![7; 16].into(),
            organisation: "91350100M000100Y43".into(),
            items: vec!["L01001".into()],
            cause: pb::RecallCause::Corrected.into(),
            relation: pb::RecallRelation::Accepted.into(),
            made_at: at,
            delivered_at,
            ..Default::default()
        };
        let answer = pb::RecallsResponse {
            made: 2,
            delivered: 1,
            open: 2,
            oldest_open_age_s: 60,
            recalls: vec![row(at), row(None)],
            truncated: true,
            ..Default::default()
        };
        let said = written(|out| overview(&answer, false, EN, out));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "2 recalls: 1 delivered, 0 acknowledged, 2 open, the oldest for 60 s");
        assert!(lines[1].ends_with("L01001  corrected  accepted  delivered"), "{said}");
        assert!(lines[2].ends_with("not delivered") && lines[3].starts_with("there are more"), "{said}");
        let object: Value = serde_json::from_str(&written(|out| overview(&answer, true, ZH, out))).unwrap();
        assert_eq!((&object["open"], &object["recalls"][1]["delivered_at"]), (&json!(2), &Value::Null));
        assert_eq!(object["recalls"][0]["made_at"], "2026-09-21T22:13:20+08:00");
    }
}
