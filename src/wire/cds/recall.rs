//! Recalls in words: one sentence for whoever is told, and the card that order screens show until somebody takes note.

use uuid::Uuid;

use crate::wire::cds::card::{Link, Shown, linked, named, shortened, source};
use crate::wire::cds::detail::{headline, hospital, item_name, when};
use crate::wire::cds::words::Words;
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::pb;

/// Says in one sentence what happened to a result.
pub fn recall_sentence(recall: &pb::Recall, words: Words) -> String {
    let old = recall.old.clone().unwrap_or_default();
    let (item, by) = (item_name(&old, words), hospital(&old, words));
    let (zh, en) = match recall.cause() {
        pb::RecallCause::Unspecified => return String::new(),
        pb::RecallCause::Corrected => ("已更正", "was corrected"),
        pb::RecallCause::Withdrawn => ("已撤回", "was withdrawn"),
        pb::RecallCause::EnteredInError => ("系误报，已撤回", "was entered in error and is withdrawn"),
        pb::RecallCause::QualificationSuspended => {
            ("采集时实验室资格已被暂停", "was made while the laboratory's qualification was suspended")
        }
        pb::RecallCause::NotThisPatient => ("可能不属于该患者", "may not be this patient's"),
    };
    let (did_zh, did_en) = relation(recall.relation());
    shortened(&words.say(
        &format!("召回：{by}的{item}{zh}；您曾{did_zh}该结果"),
        &format!("Recall: {item} of {by} {en}; you had {did_en} it"),
    ))
}

/// Writes the card of a recall. It is named after the recall, so that feedback acknowledges it.
pub fn recall_card(recall: &pb::Recall, links: &[Link], shown: Shown<'_>) -> Option<Json> {
    let id = <[u8; 16]>::try_from(recall.recall_id.as_ref()).ok()?;
    let words = shown.words;
    let noted = object([
        ("label", words.say("已知悉", "Noted").into()),
        ("uuid", named(&[b"noted", &id]).into()),
        ("isRecommended", true.into()),
    ]);
    Some(object([
        ("uuid", Uuid::from_bytes(id).to_string().into()),
        ("summary", recall_sentence(recall, words).into()),
        ("detail", detail(recall, words).into()),
        ("indicator", "critical".into()),
        ("source", source(shown)),
        ("suggestions", array([noted])),
        ("selectionBehavior", "at-most-one".into()),
        ("links", array(links.iter().map(linked))),
    ]))
}

fn detail(recall: &pb::Recall, words: Words) -> String {
    let mut lines = Vec::new();
    if recall.urgent {
        lines.push(words.say("**请立即处理**", "**Act now**"));
    }
    let mut version = |zh: &str, en: &str, result: &pb::ResultSummary| {
        let at = when(result.collected_at.as_ref());
        lines.push(format!("- {}{} · {at}", words.say(zh, en), headline(result, words)));
    };
    if let Some(old) = &recall.old {
        version("原结果：", "You were told: ", old);
    }
    match &recall.new {
        Some(new) if new.status() != pb::ResultStatus::Withdrawn => version("现结果：", "It is now: ", new),
        Some(_) | None => {}
    }
    let do_what = match recall.cause() {
        pb::RecallCause::Corrected => ("请按现结果重新评估。", "Assess again with what it is now."),
        pb::RecallCause::Unspecified | pb::RecallCause::Withdrawn | pb::RecallCause::EnteredInError => {
            ("请勿再依据原结果，必要时重新检查。", "Rely on it no more; examine again where it matters.")
        }
        pb::RecallCause::QualificationSuspended => ("请评估是否需要重新检查。", "Assess whether to examine again."),
        pb::RecallCause::NotThisPatient => {
            ("请核对患者身份，核实前勿依据该结果。", "Check whose it is; do not rely on it before.")
        }
    };
    lines.push(format!("\n{}", words.say(do_what.0, do_what.1)));
    lines.join("\n")
}

fn relation(relation: pb::RecallRelation) -> (&'static str, &'static str) {
    match relation {
        pb::RecallRelation::Unspecified | pb::RecallRelation::Prompted => ("收到提示查看", "been prompted with"),
        pb::RecallRelation::Viewed => ("打开", "opened"),
        pb::RecallRelation::Accepted => ("采纳", "accepted"),
        pb::RecallRelation::Quoted => ("引用", "quoted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recall(cause: pb::RecallCause) -> pb::Recall {
        let old = pb::ResultSummary {
            item_name_zh: "钾".into(),
            item_name_en: "Potassium".into(),
            organisation_name_zh: "甲医院".into(),
            organisation_name_en: "First".into(),
            ..Default::default()
        };
        pb::Recall {
            recall_id: vec![7; 16].into(),
            cause: cause.into(),
            relation: pb::RecallRelation::Accepted.into(),
            new: Some(pb::ResultSummary { status: pb::ResultStatus::Corrected.into(), ..old.clone() }),
            old: Some(old),
            ..Default::default()
        }
    }

    #[test]
    fn a_card_is_critical_in_both_languages_and_named_after_its_recall() {
        let recall = recall(pb::RecallCause::Corrected);
        for (language, says) in [
            (pb::Language::Zh, "召回：甲医院的钾已更正；您曾采纳该结果"),
            (pb::Language::En, "Recall: Potassium of First was corrected; you had accepted it"),
        ] {
            let shown = Shown { words: Words(language), base_url: "https://node" };
            let card: serde_json::Value =
                serde_json::from_str(&recall_card(&recall, &[], shown).unwrap().to_string()).unwrap();
            assert_eq!(card["indicator"], "critical");
            assert_eq!(card["summary"], says);
            assert_eq!(card["uuid"], "07070707-0707-0707-0707-070707070707");
        }
    }

    #[test]
    fn every_cause_says_something_of_its_own() {
        use pb::RecallCause::{Corrected, EnteredInError, NotThisPatient, QualificationSuspended, Withdrawn};
        for words in [Words(pb::Language::Zh), Words(pb::Language::En)] {
            let said: std::collections::BTreeSet<_> =
                [Corrected, EnteredInError, NotThisPatient, QualificationSuspended, Withdrawn]
                    .map(|cause| recall_sentence(&recall(cause), words))
                    .into();
            assert_eq!(said.len(), 5);
        }
    }
}
