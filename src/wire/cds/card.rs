//! Cards: one for each order that results of other hospitals answer, in part or in full. A card is named after the first
//! of its prompts, so that feedback finds them without a table.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::wire::cds::detail::{escaped, headline, hospital, item_name, of_prompt, when};
use crate::wire::cds::feedback::CHOICE;
use crate::wire::cds::order::DraftOrder;
use crate::wire::cds::request::PROOFS;
use crate::wire::cds::words::Words;
use crate::wire::fhir::element::{CATALOGUE, REASONS, coding};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::pb;

/// A link of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it opens, for people.
    pub label: String,
    /// Where it leads.
    pub url: String,
}

impl Link {
    /// Makes a link that opens a result.
    pub fn to(result: &pb::ResultSummary, url: String, words: Words) -> Self {
        let images = matches!(result.content, Some(pb::result_summary::Content::ImagingStudy(_)));
        let (zh, en) = if images { ("查看影像", "Images") } else { ("查看报告", "Report") };
        let name = item_name(result, words);
        Self { label: words.say(&format!("{zh}：{name}"), &format!("{en}: {name}")), url }
    }
}

/// What a card is written with.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Its language.
    pub words: Words,
    /// Where the service is, without a slash at the end.
    pub base_url: &'a str,
}

/// Writes the body of an answer; `quiet` tells of results that were not offered, where that was asked for.
pub fn answer(cards: Vec<Json>, quiet: Option<Vec<Json>>) -> String {
    let mut members = vec![("cards", Json::Array(cards))];
    members.extend(
        quiet
            .filter(|quiet| !quiet.is_empty())
            .map(|quiet| ("extension", Json::Object(vec![("com.concord.quiet", Json::Array(quiet))]))),
    );
    Json::Object(members).to_string()
}

/// Writes the card of an order, with the proofs of its results where they are asked for; nothing where no result answers
/// any of it.
pub fn card(
    order: &DraftOrder,
    line: &pb::LineAnswer,
    links: &[Link],
    shown: Shown<'_>,
    with_proofs: bool,
) -> Option<Json> {
    let first = line.prompts.first()?;
    let id = <[u8; 16]>::try_from(first.prompt_id.as_ref()).ok()?;
    let words = shown.words;
    let details = line.prompts.iter().take(DETAILS_MAX).map(|prompt| of_prompt(prompt, words));
    let mut detail = details.collect::<Vec<_>>().join("\n\n");
    if !line.remaining_names.is_empty() {
        let rest = line.remaining_names.iter().map(|name| escaped(name)).collect::<Vec<_>>();
        let rest = rest.join(&words.say("、", ", "));
        detail.push_str(&words.say(&format!("\n\n仍需开单：{rest}"), &format!("\n\nStill to be ordered: {rest}")));
    }
    let suggestions = array(suggestion(order, line, id, words));
    let behaviour = (!suggestions.is_empty()).then_some("at-most-one");
    let proofs = array(line.prompts.iter().filter(|_| with_proofs).filter_map(proof));
    Some(object([
        ("uuid", Uuid::from_bytes(id).to_string().into()),
        ("summary", summary(line, words).into()),
        ("detail", detail.into()),
        ("indicator", "warning".into()),
        ("source", source(shown)),
        ("suggestions", suggestions),
        ("selectionBehavior", behaviour.into()),
        ("overrideReasons", array(override_reasons(line, words))),
        ("links", array(links.iter().map(linked))),
        ("extension", object([(PROOFS, proofs)])),
    ]))
}

/// Writes the proof that a result is in the hub's log, beside the result's name; nothing where there is none.
fn proof(prompt: &pb::Prompt) -> Option<Json> {
    let result = prompt.result.as_ref().filter(|_| !prompt.proof.is_empty())?;
    Some(object([
        ("result", hex::encode(&result.result_id).into()),
        ("version", u64::from(result.version).into()),
        ("proof", prompt.proof.as_str().into()),
    ]))
}

/// Writes one card for the recent results of a patient whose record is opened; nothing where there are none.
pub fn overview(listed: &pb::RecentResultsResponse, key: &str, links: &[Link], shown: Shown<'_>) -> Option<Json> {
    let words = shown.words;
    let newest = listed.results.first()?;
    let (count, more) = (listed.results.len(), if listed.truncated { "+" } else { "" });
    let (name, at) = (item_name(newest, words), when(newest.collected_at.as_ref()));
    let summary = words.say(
        &format!("近期外院结果 {count}{more} 项，最新：{name}，{at}，{}", hospital(newest, words)),
        &format!("{count}{more} recent outside results, newest: {name}, {at}, {}", hospital(newest, words)),
    );
    let line = |result: &pb::ResultSummary| {
        let (at, by) = (when(result.collected_at.as_ref()), escaped(hospital(result, words)));
        format!("- {} · {at} · {by}", headline(result, words))
    };
    let detail = listed.results.iter().take(DETAILS_MAX).map(line).collect::<Vec<_>>().join("\n");
    Some(object([
        ("uuid", named(&[b"overview", key.as_bytes()]).into()),
        ("summary", shortened(&summary).into()),
        ("detail", detail.into()),
        ("indicator", "info".into()),
        ("source", source(shown)),
        ("links", array(links.iter().map(linked))),
    ]))
}

/// Writes a link of a card.
pub(super) fn linked(link: &Link) -> Json {
    object([("label", link.label.as_str().into()), ("url", link.url.as_str().into()), ("type", "absolute".into())])
}

pub(super) fn source(shown: Shown<'_>) -> Json {
    let words = shown.words;
    let topic = coding(TOPICS, "duplicate", &words.say("重复检查检验", "Duplicate examination"));
    object([("label", words.source().into()), ("url", shown.base_url.into()), ("topic", topic)])
}

/// One result in one sentence, or how many there are and the first of them.
fn summary(line: &pb::LineAnswer, words: Words) -> String {
    let first = line.prompts.first().map_or("", |prompt| prompt.text.as_str());
    match line.prompts.len() {
        0 | 1 => shortened(first),
        count => shortened(&words.say(
            &format!("{count} 项外院结果可互认：{first}"),
            &format!("{count} outside results answer this: {first}"),
        )),
    }
}

/// Takes the place of the draft order: by nothing, or by orders of the rest.
fn suggestion(order: &DraftOrder, line: &pb::LineAnswer, card: [u8; 16], words: Words) -> Option<Json> {
    let reference = order.reference.as_deref()?;
    let remove = object([
        ("type", "delete".into()),
        ("description", words.say("删除重复的申请", "Remove the duplicate order").into()),
        ("resourceId", reference.into()),
    ]);
    let full = line.coverage() == pb::LineCoverage::Full;
    let (label, what) = match (full, line.remaining_items.is_empty()) {
        (true, _) => (words.say("互认，不再重复检查", "Recognise, do not repeat"), "delete"),
        (false, false) => (words.say("互认，仅开其余项目", "Recognise, and order only the rest"), "rest"),
        // Part of an examination, which no order of the catalogue names.
        (false, true) => return None,
    };
    let names =
        line.remaining_items.iter().zip(line.remaining_names.iter().map(String::as_str).chain(std::iter::repeat("")));
    let rest = names.filter(|_| !full).map(|(item, name)| instead(order, item, name, words));
    Some(object([
        ("label", label.into()),
        ("uuid", named(&[what.as_bytes(), &card]).into()),
        ("isRecommended", true.into()),
        ("actions", array(std::iter::once(remove).chain(rest))),
    ]))
}

/// An order of one remaining item.
fn instead(order: &DraftOrder, item: &str, name: &str, words: Words) -> Json {
    let code = object([("coding", array([coding(CATALOGUE, item, name)])), ("text", name.into())]);
    let named = |reference: &str| object([("reference", reference.into())]);
    let resource = object([
        ("resourceType", "ServiceRequest".into()),
        ("status", "draft".into()),
        ("intent", order.intent.as_str().into()),
        ("code", code),
        ("subject", named(&order.subject)),
        ("encounter", named(&order.encounter)),
        ("requester", named(&order.requester)),
    ]);
    let name = if name.is_empty() { item } else { name };
    object([
        ("type", "create".into()),
        ("description", words.say(&format!("开单：{name}"), &format!("Order {name}")).into()),
        ("resource", resource),
    ])
}

/// The reasons that fit every result of the card; one for each choice, where a choice is to be made.
fn override_reasons(line: &pb::LineAnswer, words: Words) -> Vec<Json> {
    let Some((first, others)) = line.prompts.split_first() else { return Vec::new() };
    let fits = |reason: &&pb::DeclineReason| {
        others.iter().all(|other| other.decline_reasons.iter().any(|known| known.code == reason.code))
    };
    let mut reasons = Vec::new();
    for reason in first.decline_reasons.iter().filter(fits) {
        if reason.choices.is_empty() {
            reasons.push(coding(REASONS, &reason.code, &reason.text));
        }
        for choice in &reason.choices {
            let display = words.say(&format!("{}：{choice}", reason.text), &format!("{}: {choice}", reason.text));
            reasons.push(coding(REASONS, &format!("{}{CHOICE}{choice}", reason.code), &display));
        }
    }
    reasons
}

/// Names a thing by what it is about, so that it has the same name again: a UUID of version 8.
pub(super) fn named(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new_with_prefix(b"concord/cds/name/v1");
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// Shortens to less than 140 characters. Source: CDS Hooks 2.0, card attributes.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= SUMMARY_CHARACTERS_MAX {
        return text.to_owned();
    }
    text.chars().take(SUMMARY_CHARACTERS_MAX - 1).chain(['…']).collect()
}

const TOPICS: &str = "urn:concord:topic";
const SUMMARY_CHARACTERS_MAX: usize = 139;
/// Most results that one card details.
const DETAILS_MAX: usize = 20;
