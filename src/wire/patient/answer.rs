//! What patients' programs are answered.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::{CLASSES, LANGUAGES, Members, PURPOSES, Words, word};
use crate::wire::pb;
use pb::consent::State;
use pb::consent_terms::Grantee;
use pb::result_summary::Content;
use pb::{AccessBasis, AccessKind, AccessOutcome, Comparator, ResultStatus};

/// Writes a result.
pub fn result(result: &pb::ResultSummary) -> Value {
    let (class, laboratory, imaging) = match &result.content {
        Some(Content::LaboratoryResult(found)) => ("laboratory", self::laboratory(found), Value::Null),
        Some(Content::ImagingStudy(study)) => ("imaging", Value::Null, self::imaging(study)),
        None => ("", Value::Null, Value::Null),
    };
    Members::default()
        .with("id", hex::encode(&result.name))
        .with("version", result.version)
        .with("status", word(STATUSES, result.status()))
        .with("class", class)
        .with("items", result.items.clone())
        .with("name_zh", &*result.item_name_zh)
        .with("name_en", &*result.item_name_en)
        .with("organisation", organisation(result))
        .with("collected_at", moment(result.collected_at.as_ref()))
        .with("reported_at", moment(result.reported_at.as_ref()))
        .with("laboratory", laboratory)
        .with("imaging", imaging)
        .with("originals", result.originals.iter().map(original).collect::<Value>())
        .end()
}

/// Writes a consent; `links` says whether the link itself is written too.
pub fn consent(consent: &pb::Consent) -> Value {
    let terms = consent.terms.clone().unwrap_or_default();
    let (organisation, link) = match &terms.grantee {
        Some(Grantee::Organisation(code)) => (Value::from(&**code), Value::Null),
        Some(Grantee::Link(how)) => (Value::Null, self::link(consent, how)),
        None => (Value::Null, Value::Null),
    };
    let count = |count: u32| if count == 0 { Value::Null } else { count.into() };
    Members::default()
        .with("id", hex::encode(&consent.consent_id))
        .with("state", word(STATES, consent.state()))
        .with("to", Members::default().with("organisation", organisation).with("link", link).end())
        .with("what", extent(&terms.extent.unwrap_or_default()))
        .with("purpose", word(PURPOSES, pb::ConsentPurpose::try_from(terms.purpose).unwrap_or_default()))
        .with("from", moment(terms.from.as_ref()))
        .with("until", moment(terms.to.as_ref()))
        .with("uses", consent.uses)
        .with("uses_max", count(terms.uses_max))
        .with("granted_at", moment(consent.granted_at.as_ref()))
        .with("revoked_at", moment(consent.revoked_at.as_ref()))
        .with("by_guardian", !consent.guardian.is_empty())
        .end()
}

/// Writes one access, or one act on a consent.
pub fn access(access: &pb::Access) -> Value {
    let actor = access.actor.clone().unwrap_or_default();
    let organisation = Members::default()
        .with("code", &*access.organisation)
        .with("name_zh", &*access.organisation_name_zh)
        .with("name_en", &*access.organisation_name_en)
        .end();
    Members::default()
        .with("index", access.log_index)
        .with("at", moment(access.at.as_ref()))
        .with("kind", word(KINDS, access.kind()))
        .with("outcome", word(OUTCOMES, access.outcome()))
        .with("basis", word(BASES, access.basis()))
        .with("practitioner", actor.practitioner)
        .with("department", actor.department)
        .with("organisation", organisation)
        .with("client", &*access.client)
        .with("purpose", &*access.purpose)
        .with("reason", &*access.reason)
        .with("recipient", &*access.recipient)
        .with("consent", hex::encode(&access.consent_id))
        .with("results", access.results.iter().map(hex::encode).collect::<Vec<_>>())
        .with("result_count", access.result_count.max(u32::try_from(access.results.len()).unwrap_or(u32::MAX)))
        .with("by_guardian", !access.guardian.is_empty())
        .end()
}

/// Writes that a patient acts for another.
pub fn relation(relation: &pb::Relation) -> Value {
    Members::default().with("id", hex::encode(&relation.ward)).with("until", moment(relation.until.as_ref())).end()
}

fn organisation(result: &pb::ResultSummary) -> Value {
    Members::default()
        .with("code", &*result.organisation)
        .with("name_zh", &*result.organisation_name_zh)
        .with("name_en", &*result.organisation_name_en)
        .end()
}

fn laboratory(found: &pb::LaboratoryResult) -> Value {
    use pb::laboratory_result::Value as Found;
    let value = match &found.value {
        Some(Found::Quantity(quantity)) => Members::default()
            .with("kind", "quantity")
            .with("comparator", word(COMPARATORS, quantity.comparator()))
            .with("number", &*quantity.number)
            .with("unit", &*quantity.unit)
            .with("sent_number", &*quantity.sent_number)
            .with("sent_unit", &*quantity.sent_unit)
            .end(),
        Some(Found::Text(text)) => json!({ "kind": "text", "text": text }),
        Some(Found::Coded(code)) => Members::default()
            .with("kind", "coded")
            .with("system", &*code.system)
            .with("code", &*code.code)
            .with("text", &*code.display)
            .end(),
        None => json!({ "kind": "in-original" }),
    };
    let local = found.local.clone().unwrap_or_default();
    Members::default()
        .with("value", value)
        .with("reference_range", &*found.reference_range)
        .with("flag", &*found.flag)
        .with("specimen", &*found.specimen)
        .with("method", &*found.method)
        .with("instrument", &*found.instrument)
        .with("loinc", &*found.loinc)
        .with("local_name", local.display)
        .with("comparable", found.comparability() == pb::Comparability::Comparable)
        .end()
}

fn imaging(study: &pb::ImagingStudy) -> Value {
    let series = study.series.iter().map(|series| {
        Members::default()
            .with("modality", &*series.modality)
            .with("instances", series.instances)
            .with("description", &*series.description)
            .end()
    });
    let mut parts: Vec<&str> = study.coverage.iter().map(|part| part.body_part.as_str()).collect();
    parts.sort_unstable();
    parts.dedup();
    Members::default()
        .with("study_uid", &*study.study_uid)
        .with("body_parts", parts)
        .with("series", series.collect::<Value>())
        .end()
}

fn original(original: &pb::Original) -> Value {
    Members::default()
        .with("digest", hex::encode(&original.digest))
        .with("size_bytes", original.size_bytes)
        .with("media_type", &*original.media_type)
        .end()
}

fn extent(extent: &pb::Extent) -> Value {
    let only = |said: bool| if said { Value::Bool(true) } else { Value::Null };
    Members::default()
        .with("all", only(extent.all))
        .with("classes", extent.classes().map(|class| word(CLASSES, class)).collect::<Vec<_>>())
        .with("items", extent.items.clone())
        .with("results", extent.results.iter().map(hex::encode).collect::<Vec<_>>())
        .with("sensitive", only(extent.sensitive))
        .end()
}

fn link(consent: &pb::Consent, how: &pb::LinkTerms) -> Value {
    Members::default()
        .with("shlink", &*consent.shlink)
        .with("direct", how.direct)
        .with("long_term", how.long_term)
        .with("language", word(LANGUAGES, how.language()))
        .with("has_passcode", consent.has_passcode)
        .with("attempts_left", if consent.has_passcode { consent.attempts_left.into() } else { Value::Null })
        .end()
}

/// Writes an instant as RFC 3339 does, or the day alone where no more is known.
fn moment(sent: Option<&pb::Moment>) -> Value {
    let written = sent.and_then(|sent| {
        let offset = UtcOffset::from_whole_seconds(sent.offset_minutes.saturating_mul(60)).ok()?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(sent.unix_ms) * 1_000_000).ok()?;
        let at = at.to_offset(offset);
        if sent.date_only { Some(at.date().to_string()) } else { at.format(&Rfc3339).ok() }
    });
    written.into()
}

const STATUSES: Words<ResultStatus> = &[
    ("preliminary", ResultStatus::Preliminary),
    ("final", ResultStatus::Final),
    ("corrected", ResultStatus::Corrected),
    ("withdrawn", ResultStatus::Withdrawn),
];

const COMPARATORS: Words<Comparator> = &[
    ("<", Comparator::Less),
    ("<=", Comparator::LessOrEqual),
    (">", Comparator::Greater),
    (">=", Comparator::GreaterOrEqual),
];

const STATES: Words<State> = &[
    ("active", State::Active),
    ("pending", State::Pending),
    ("expired", State::Expired),
    ("revoked", State::Revoked),
    ("used-up", State::UsedUp),
    ("locked", State::Locked),
    ("suspended", State::Suspended),
];

const KINDS: Words<AccessKind> = &[
    ("prompted", AccessKind::Prompted),
    ("listed", AccessKind::Listed),
    ("shown", AccessKind::Shown),
    ("viewed", AccessKind::Viewed),
    ("quoted", AccessKind::Quoted),
    ("accepted", AccessKind::Accepted),
    ("declined", AccessKind::Declined),
    ("decision-revoked", AccessKind::DecisionRevoked),
    ("fetched", AccessKind::Fetched),
    ("opened", AccessKind::Opened),
    ("fhir-read", AccessKind::FhirRead),
    ("patient-read", AccessKind::PatientRead),
    ("link-used", AccessKind::LinkUsed),
    ("consent-granted", AccessKind::ConsentGranted),
    ("consent-revoked", AccessKind::ConsentRevoked),
    ("opted-out", AccessKind::OptedOut),
    ("opted-in", AccessKind::OptedIn),
];

const BASES: Words<AccessBasis> = &[
    ("own", AccessBasis::Own),
    ("care", AccessBasis::Care),
    ("consent", AccessBasis::Consent),
    ("break-glass", AccessBasis::BreakGlass),
    ("patient", AccessBasis::Patient),
];

const OUTCOMES: Words<AccessOutcome> = &[
    ("given", AccessOutcome::Given),
    ("refused", AccessOutcome::Refused),
    ("wrong-passcode", AccessOutcome::WrongPasscode),
];
