//! Records to accesses, as a patient reads them. Records of several prompts are told once for each of the patient's.

use bytes::Bytes;

use crate::domain::id::{PromptId, ResultId};
use crate::domain::log::LogPlace;
use crate::domain::organisation::OrganisationCode;
use crate::service::hub::error::HubError;
use crate::service::hub::registry::Version;
use crate::wire::field::fixed;
use crate::wire::record::Record;
use crate::wire::{consent, pb};
use pb::{AccessBasis, AccessKind};

/// Finds what a record says of a patient; `result_of` gives the result of a prompt, if the prompt was the patient's.
pub(super) fn accesses_in(
    record: Record,
    result_of: impl Fn(PromptId) -> Result<Option<ResultId>, HubError>,
) -> Result<Vec<pb::Access>, HubError> {
    let prompted = |prompt: &[u8]| result_of(fixed("prompt_id", prompt)?);
    Ok(match record {
        Record::Check(record) => vec![check(record)],
        Record::Decision(record) => decisions(record, prompted)?,
        Record::Revocation(record) => {
            let name = prompted(&record.prompt_id)?;
            let told = by(AccessKind::DecisionRevoked, record.organisation, record.client, record.actor, record.at);
            vec![pb::Access { basis: AccessBasis::Care.into(), ..about(told, name) }]
        }
        Record::Event(record) => {
            use pb::acknowledge_request::Event;
            let kind = match record.event() {
                Event::Unspecified => AccessKind::Unspecified,
                Event::Shown => AccessKind::Shown,
                Event::Viewed => AccessKind::Viewed,
                Event::Quoted => AccessKind::Quoted,
            };
            let name = prompted(&record.prompt_id)?;
            let told = by(kind, record.organisation, record.client, record.actor, record.at);
            vec![pb::Access { basis: AccessBasis::Care.into(), ..about(told, name) }]
        }
        Record::Fetch(record) => {
            let told = by(AccessKind::Fetched, record.organisation, record.client, record.actor, record.at);
            let (basis, consent_id, purpose) = (record.basis, record.consent_id, record.purpose);
            vec![pb::Access { basis, consent_id, purpose, results: vec![record.result_id], result_count: 1, ..told }]
        }
        Record::Listing(record) => {
            let told = by(AccessKind::Listed, record.organisation, record.client, record.actor, record.at);
            let (basis, purpose) = (AccessBasis::Care.into(), "visit".to_owned());
            vec![pb::Access { basis, purpose, results: record.listed, result_count: record.results, ..told }]
        }
        Record::Access(record) => record.access.into_iter().collect(),
        Record::Consent(record) => {
            let purpose = consent::recorded(&record, None)?.0.purpose.as_str().to_owned();
            let told = by(AccessKind::ConsentGranted, record.organisation, record.client, None, record.at);
            vec![pb::Access { consent_id: record.consent_id, purpose, ..own(told, record.guardian) }]
        }
        Record::ConsentEnd(record) => {
            let told = by(AccessKind::ConsentRevoked, record.organisation, record.client, None, record.at);
            vec![pb::Access { consent_id: record.consent_id, ..own(told, record.guardian) }]
        }
        Record::Sharing(record) => {
            let kind = if record.opted_out { AccessKind::OptedOut } else { AccessKind::OptedIn };
            vec![own(by(kind, record.organisation, record.client, None, record.at), record.guardian)]
        }
        Record::Batch(_)
        | Record::Key(_)
        | Record::Policy(_)
        | Record::Statement(_)
        | Record::Person(_)
        | Record::Miss(_)
        | Record::Relation(_)
        | Record::Attempt(_)
        | Record::RecallReceipt(_)
        | Record::Requalification(_)
        | Record::RecallAcknowledgement(_)
        | Record::CaseClosed(_)
        | Record::Header(_) => Vec::new(),
    })
}

/// Adds where an access stands in the log, and what the organisation is called.
pub(super) fn told(access: pb::Access, place: LogPlace, version: &Version) -> pb::Access {
    let code = access.organisation.parse::<OrganisationCode>().ok();
    let listed = code.and_then(|code| version.organisations.get(&code));
    pb::Access {
        log_index: place.sequence.0,
        organisation_name_zh: listed.map(|it| it.name_zh.clone()).unwrap_or_default(),
        organisation_name_en: listed.map(|it| it.name_en.clone()).unwrap_or_default(),
        ..access
    }
}

fn check(record: pb::CheckRecord) -> pb::Access {
    let consent = record.prompts.iter().map(|prompt| prompt.consent_id.clone()).find(|id| !id.is_empty());
    let results: Vec<Bytes> = record.prompts.into_iter().map(|prompt| prompt.result_id).collect();
    let basis = if consent.is_some() { AccessBasis::Consent } else { AccessBasis::Care };
    pb::Access {
        purpose: "order".to_owned(),
        basis: basis.into(),
        consent_id: consent.unwrap_or_default(),
        result_count: u32::try_from(results.len()).unwrap_or(u32::MAX),
        results,
        ..by(AccessKind::Prompted, record.organisation, record.client, record.actor, record.at)
    }
}

fn decisions(
    record: pb::DecisionRecord,
    prompted: impl Fn(&[u8]) -> Result<Option<ResultId>, HubError>,
) -> Result<Vec<pb::Access>, HubError> {
    use pb::decision::Outcome;
    let mut accesses = Vec::new();
    for decision in record.decisions {
        let Some(name) = prompted(&decision.prompt_id)? else { continue };
        let (kind, reason) = match decision.outcome {
            Some(Outcome::Decline(decline)) => (AccessKind::Declined, decline.reason),
            Some(Outcome::Unexplained(_)) => (AccessKind::Declined, String::new()),
            Some(Outcome::Accept(_)) | None => (AccessKind::Accepted, String::new()),
        };
        let (organisation, client) = (record.organisation.clone(), record.client.clone());
        let told = by(kind, organisation, client, record.actor.clone(), record.at);
        accesses.push(pb::Access { basis: AccessBasis::Care.into(), reason, ..about(told, Some(name)) });
    }
    Ok(accesses)
}

fn by(
    kind: AccessKind,
    organisation: String,
    client: String,
    actor: Option<pb::Actor>,
    at: Option<pb::Moment>,
) -> pb::Access {
    let outcome = pb::AccessOutcome::Given.into();
    pb::Access { kind: kind.into(), organisation, client, actor, at, outcome, ..Default::default() }
}

fn about(access: pb::Access, name: Option<ResultId>) -> pb::Access {
    let results: Vec<Bytes> = name.iter().map(|name| Bytes::copy_from_slice(name.as_bytes())).collect();
    pb::Access { purpose: "order".to_owned(), result_count: u32::from(name.is_some()), results, ..access }
}

fn own(access: pb::Access, guardian: Bytes) -> pb::Access {
    pb::Access { basis: AccessBasis::Patient.into(), guardian, ..access }
}
