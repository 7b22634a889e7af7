//! The answers of Orders, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::app::client::local;
use crate::wire::pb;

/// Writes what a check found.
pub(super) fn check(answer: &pb::CheckResponse, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        let lines = answer.lines.iter().map(line_object).collect::<Value>();
        let degraded = answer.degraded.as_ref().map(|degraded| degraded.text.clone());
        let version = &answer.policy_version;
        return writeln!(out, "{}", json!({ "lines": lines, "policy_version": version, "degraded": degraded }));
    }
    if let Some(degraded) = &answer.degraded {
        writeln!(out, "no answer: {}; place the order", degraded.text)?;
    }
    for line in &answer.lines {
        writeln!(out, "{}: {}", line.line_id, coverage(line.coverage()))?;
        for prompt in &line.prompts {
            writeln!(out, "  {}", prompt.text)?;
            writeln!(out, "    prompt {} for {}", hex::encode(&prompt.prompt_id), prompt.items.join(", "))?;
            if let Some(evidence) = &prompt.evidence {
                writeln!(out, "    {} by {}, {}", evidence.mark, evidence.issuer, evidence.rounds.join("; "))?;
            }
        }
        if !line.remaining_items.is_empty() {
            writeln!(out, "  order only {}", line.remaining_items.join(", "))?;
        }
        for refusal in line.quiet.iter().flat_map(|quiet| &quiet.refusals) {
            writeln!(out, "  not offered: {} {}", refusal.code, refusal.text)?;
        }
        for code in &line.unknown {
            writeln!(out, "  not in the catalogue: {}={}", code.system, code.code)?;
        }
    }
    Ok(())
}

/// Writes what a decision brought.
pub(super) fn decision(answer: &pb::DecideResponse, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let outcome = answer.outcomes.first();
    let result = outcome.and_then(|outcome| outcome.result.as_ref());
    let grant = outcome.and_then(|outcome| outcome.grant.as_ref());
    if json {
        let grant = grant.map(|grant| json!({ "token": grant.token, "expires_unix_ms": grant.expires_unix_ms }));
        let said = json!({ "log_index": answer.log_index, "result": result.map(result_object), "grant": grant });
        return writeln!(out, "{said}");
    }
    writeln!(out, "recorded as entry {} of the log", answer.log_index)?;
    if let Some(grant) = grant {
        writeln!(out, "grant {}", grant.token)?;
    }
    for original in result.iter().flat_map(|result| &result.originals) {
        let (digest, size) = (hex::encode(&original.digest), original.size_bytes);
        writeln!(out, "original {digest}, {size} bytes, {}", original.media_type)?;
    }
    Ok(())
}

/// Writes recent results; for people with the names of one language.
pub(super) fn recent(
    answer: &pb::RecentResultsResponse,
    language: pb::Language,
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if json {
        let results = answer.results.iter().map(result_object).collect::<Value>();
        let degraded = answer.degraded.as_ref().map(|degraded| degraded.text.clone());
        return writeln!(out, "{}", json!({ "results": results, "truncated": answer.truncated, "degraded": degraded }));
    }
    if let Some(degraded) = &answer.degraded {
        writeln!(out, "no answer: {}", degraded.text)?;
    }
    for result in &answer.results {
        let (name, organisation) = match language {
            pb::Language::En => (&result.item_name_en, &result.organisation_name_en),
            _ => (&result.item_name_zh, &result.organisation_name_zh),
        };
        let collected = result.collected_at.as_ref().and_then(local).unwrap_or_default();
        writeln!(out, "{collected}  {} {name} {}  {organisation}", result.items.join(", "), value(result))?;
    }
    if answer.truncated {
        writeln!(out, "there are more; raise --limit or lower --hours")?;
    }
    Ok(())
}

fn line_object(line: &pb::LineAnswer) -> Value {
    let prompts = line.prompts.iter().map(|prompt| {
        let evidence = prompt.evidence.as_ref().map(|evidence| {
            json!({
                "policy_version": evidence.policy_version, "window_hours": evidence.window_hours,
                "age_ms": evidence.age_ms, "mark": evidence.mark, "qualification_id": evidence.qualification_id,
                "programme": evidence.programme, "issuer": evidence.issuer, "rounds": evidence.rounds,
            })
        });
        let reasons = prompt.decline_reasons.iter().map(|reason| {
            json!({
                "code": reason.code, "text": reason.text, "needs_text": reason.needs_text,
                "choices": reason.choices, "counts": reason.counts,
            })
        });
        json!({
            "prompt_id": hex::encode(&prompt.prompt_id), "items": prompt.items, "text": prompt.text,
            "result": prompt.result.as_ref().map(result_object), "evidence": evidence,
            "decline_reasons": reasons.collect::<Value>(),
        })
    });
    let quiet = line.quiet.iter().map(|quiet| {
        let refusals = quiet.refusals.iter().map(|refusal| json!({ "code": refusal.code, "text": refusal.text }));
        json!({ "result_id": hex::encode(&quiet.result_id), "refusals": refusals.collect::<Value>() })
    });
    let unknown = line.unknown.iter().map(|code| json!({ "system": code.system, "code": code.code }));
    json!({
        "line_id": line.line_id, "coverage": coverage(line.coverage()), "prompts": prompts.collect::<Value>(),
        "remaining_items": line.remaining_items, "quiet": quiet.collect::<Value>(),
        "unknown": unknown.collect::<Value>(),
    })
}

/// Writes a result for programs.
pub(in crate::app) fn result_object(result: &pb::ResultSummary) -> Value {
    let originals = result.originals.iter().map(|original| {
        json!({
            "digest": hex::encode(&original.digest), "size_bytes": original.size_bytes,
            "media_type": original.media_type, "instance_uid": original.instance_uid,
        })
    });
    json!({
        "result_id": hex::encode(&result.result_id), "version": result.version, "organisation": result.organisation,
        "organisation_name_zh": result.organisation_name_zh,
        "organisation_name_en": result.organisation_name_en, "items": result.items,
        "item_name_zh": result.item_name_zh, "item_name_en": result.item_name_en, "value": value(result),
        "collected_unix_ms": result.collected_at.as_ref().map(|at| at.unix_ms),
        "log_index": result.log_index, "originals": originals.collect::<Value>(),
    })
}

/// Gives a laboratory's value with its unit, or the study's UID.
pub(in crate::app) fn value(result: &pb::ResultSummary) -> String {
    use pb::laboratory_result::Value as Found;
    match &result.content {
        Some(pb::result_summary::Content::LaboratoryResult(laboratory)) => match &laboratory.value {
            Some(Found::Quantity(quantity)) => {
                format!("{}{} {}", sign(quantity.comparator()), quantity.number, quantity.unit)
            }
            Some(Found::Text(text)) => text.clone(),
            Some(Found::Coded(coded)) => coded.display.clone(),
            None => String::new(),
        },
        Some(pb::result_summary::Content::ImagingStudy(study)) => study.study_uid.clone(),
        None => String::new(),
    }
}

fn sign(comparator: pb::Comparator) -> &'static str {
    match comparator {
        pb::Comparator::Unspecified => "",
        pb::Comparator::Less => "<",
        pb::Comparator::LessOrEqual => "<=",
        pb::Comparator::Greater => ">",
        pb::Comparator::GreaterOrEqual => ">=",
    }
}

fn coverage(coverage: pb::LineCoverage) -> &'static str {
    match coverage {
        pb::LineCoverage::Unspecified | pb::LineCoverage::None => "none",
        pb::LineCoverage::Partial => "partial",
        pb::LineCoverage::Full => "full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> pb::CheckResponse {
        let prompt = pb::Prompt { prompt_id: vec![1; 16].into(), text: "钾 4.1".into(), ..Default::default() };
        let line = pb::LineAnswer {
            line_id: "1 P".into(),
            coverage: pb::LineCoverage::Partial.into(),
            prompts: vec![prompt],
            remaining_items: vec!["L01005".into()],
            ..Default::default()
        };
        pb::CheckResponse { lines: vec![line], ..Default::default() }
    }

    #[test]
    fn a_check_names_what_to_decide_and_what_to_order() {
        let mut out = Vec::new();
        check(&answer(), false, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert!(said.starts_with("1 P: partial\n  钾 4.1\n    prompt 01010101"), "{said}");
        assert!(said.ends_with("order only L01005\n"), "{said}");
    }

    #[test]
    fn a_listed_result_has_its_time_and_the_names_of_the_language() {
        let result = pb::ResultSummary {
            items: vec!["L01001".into()],
            item_name_zh: "钾".into(),
            item_name_en: "Potassium".into(),
            organisation_name_zh: "甲医院".into(),
            organisation_name_en: "First".into(),
            collected_at: Some(pb::Moment { unix_ms: 1_790_000_000_000, offset_minutes: 480, date_only: false }),
            ..Default::default()
        };
        let answer = pb::RecentResultsResponse { results: vec![result], ..Default::default() };
        for (language, names) in [(pb::Language::En, ["Potassium", "First"]), (pb::Language::Zh, ["钾", "甲医院"])]
        {
            let mut out = Vec::new();
            recent(&answer, language, false, &mut out).unwrap();
            let said = String::from_utf8(out).unwrap();
            assert!(said.starts_with("2026-09-21T22:13:20+08:00  L01001"), "{said}");
            assert!(names.iter().all(|name| said.contains(name)), "{said}");
        }
    }

    #[test]
    fn an_answer_that_did_not_come_is_no_obstacle() {
        let degraded = Some(pb::Degraded { text: "the hub did not answer".into(), ..Default::default() });
        let mut out = Vec::new();
        check(&pb::CheckResponse { degraded, ..Default::default() }, false, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("place the order"));
    }
}
