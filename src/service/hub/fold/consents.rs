//! What records of consents, sharing, relations and accesses do to the hub's tables.

use prost::Message;

use super::{count, organisation};
use crate::domain::id::{ConsentId, Pseudonym};
use crate::domain::log::LogPlace;
use crate::service::hub::error::HubError;
use crate::store::hub::{Figure, HubChange, KeptConsent, KeptRelation, KeptSharing, RequestKind};
use crate::store::projection::ProjectionError;
use crate::wire::field::{fixed, moment};
use crate::wire::pb;

pub(super) fn consent(record: &pb::ConsentRecord, place: LogPlace, change: &HubChange<'_>) -> Result<(), HubError> {
    let (id, patient): (ConsentId, Pseudonym) =
        (fixed("consent_id", &record.consent_id)?, fixed("patient", &record.patient)?);
    let hash = record.link.as_ref().map(|link| <[u8; 16]>::try_from(link.id_hash.as_ref()));
    let hash = hash.transpose().map_err(|_| ProjectionError::Damaged)?;
    let kept = KeptConsent { place, ended: None, uses: 0, attempts: 0, record: record.encode_to_vec() };
    change.put_consent(id, patient, &kept, hash)?;
    change.put_request(organisation(&record.organisation)?, RequestKind::Consent, &record.consent_key, place)?;
    Ok(change.put_access(patient, place)?)
}

pub(super) fn end(record: &pb::ConsentEndRecord, place: LogPlace, change: &HubChange<'_>) -> Result<(), HubError> {
    let at = moment("at", record.at.as_ref())?;
    change.change_consent(fixed("consent_id", &record.consent_id)?, |kept| {
        // What ended it first stands.
        kept.ended.get_or_insert((at, place));
    })?;
    Ok(change.put_access(fixed("patient", &record.patient)?, place)?)
}

pub(super) fn sharing(record: &pb::SharingRecord, place: LogPlace, change: &HubChange<'_>) -> Result<(), HubError> {
    let patient = fixed("patient", &record.patient)?;
    let kept = KeptSharing { opted_out: record.opted_out, at: moment("at", record.at.as_ref())?, place };
    change.put_sharing(patient, kept)?;
    Ok(change.put_access(patient, place)?)
}

pub(super) fn relation(record: &pb::RelationRecord, place: LogPlace, change: &HubChange<'_>) -> Result<(), HubError> {
    let relation = record.relation.as_ref().ok_or(ProjectionError::Damaged)?;
    let until = moment("until", relation.until.as_ref())?;
    let (guardian, ward) = (fixed("guardian", &relation.guardian)?, fixed("ward", &relation.ward)?);
    Ok(change.put_relation(guardian, ward, KeptRelation { until, place })?)
}

pub(super) fn access(record: &pb::AccessRecord, place: LogPlace, change: &HubChange<'_>) -> Result<(), HubError> {
    let access = record.access.as_ref().ok_or(ProjectionError::Damaged)?;
    let patient = fixed("patient", &record.patient)?;
    change.put_access(patient, place)?;
    if !access.consent_id.is_empty() {
        change.change_consent(fixed("consent_id", &access.consent_id)?, |kept| {
            kept.uses = kept.uses.saturating_add(u32::from(record.counts));
            kept.attempts = kept.attempts.saturating_sub(u32::from(record.passcode_right));
        })?;
    }
    let is_given = access.outcome() == pb::AccessOutcome::Given;
    if access.kind() == pb::AccessKind::Opened && is_given {
        opening(record, access, patient, place, change)?;
    }
    Ok(())
}

pub(super) fn attempt(record: &pb::AttemptRecord, change: &HubChange<'_>) -> Result<(), HubError> {
    change.change_consent(fixed("consent_id", &record.consent_id)?, |kept| {
        kept.attempts = kept.attempts.saturating_add(1);
    })?;
    Ok(())
}

/// Records of before consents name no patient; nothing can be told of them.
pub(super) fn fetch(record: &pb::FetchRecord, place: LogPlace, change: &HubChange<'_>) -> Result<(), HubError> {
    if record.patient.is_empty() {
        return Ok(());
    }
    Ok(change.put_access(fixed("patient", &record.patient)?, place)?)
}

fn opening(
    record: &pb::AccessRecord,
    access: &pb::Access,
    patient: Pseudonym,
    place: LogPlace,
    change: &HubChange<'_>,
) -> Result<(), HubError> {
    let (organisation, at) = (organisation(&access.organisation)?, moment("at", access.at.as_ref())?);
    change.put_request(organisation, RequestKind::Opening, &record.key, place)?;
    let broken = access.basis() == pb::AccessBasis::BreakGlass;
    if broken {
        change.put_glass_broken(organisation, patient, at)?;
    }
    let figure = if broken { Figure::BreakGlass } else { Figure::Opened };
    count(change, at.local_day(), organisation, None, figure, 1)
}
