//! Names of recalls and cases, and what is asked of them.

use sha2::{Digest as _, Sha256};

use crate::domain::id::{CaseId, Digest, PromptId, RecallId, ResultId};
use crate::domain::limits::{KEY_BYTES_MAX, RECALLS_CONFIRMED_MAX, TEXT_BYTES_MAX};
use crate::domain::log::Sequence;
use crate::domain::recall::{Cause, Doctor, Relation};
use crate::wire::field::{FieldError, Problem, at_most, fixed, named};
use crate::wire::orders::{Asking, asking};
use crate::wire::pb;

/// The fact that a recall tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// This version stands.
    Version(u32),
    /// A QC centre's statement.
    Statement(Digest),
    /// What was said on this prompt.
    Dispute(PromptId),
}

/// Names a recall by whom it tells, of what and why.
pub fn recall_id(doctor: &Doctor, result: ResultId, fact: Fact) -> RecallId {
    let (kind, version, about): (&[u8], [u8; 4], &[u8]) = match &fact {
        Fact::Version(version) => (b"version", version.to_be_bytes(), &[]),
        Fact::Statement(statement) => (b"statement", [0; 4], statement.as_bytes()),
        Fact::Dispute(prompt) => (b"dispute", [0; 4], prompt.as_bytes()),
    };
    let (organisation, practitioner) = (doctor.organisation.as_str().as_bytes(), doctor.practitioner.as_bytes());
    RecallId::new(name(b"concord/recall/v1", &[organisation, practitioner, result.as_bytes(), kind, &version, about]))
}

/// Names a case by the prompt and the record of the decision that opened it.
pub fn case_id(prompt: PromptId, opened: Sequence) -> CaseId {
    CaseId::new(name(b"concord/case/v1", &[prompt.as_bytes(), &opened.0.to_be_bytes()]))
}

/// Reads which recalls are confirmed.
///
/// # Errors
/// [`FieldError`] naming the field; the caller must correct it.
pub fn confirmed(sent: &pb::ReceiveRecallsRequest) -> Result<Vec<RecallId>, FieldError> {
    at_most("recall_ids", sent.recall_ids.len(), RECALLS_CONFIRMED_MAX)?;
    if sent.recall_ids.is_empty() {
        return Err(FieldError::new("recall_ids", Problem::Missing));
    }
    let ids = sent.recall_ids.iter().enumerate();
    ids.map(|(place, id)| fixed(&format!("recall_ids[{place}]"), id)).collect()
}

/// Reads an acknowledgement: of which recall, and by whom.
///
/// # Errors
/// [`FieldError`] naming the field; the caller must correct it.
pub fn acknowledged(sent: &pb::AcknowledgeRecallRequest) -> Result<(RecallId, Asking), FieldError> {
    Ok((fixed("recall_id", &sent.recall_id)?, asking(sent.actor.as_ref())?))
}

/// Reads the closing of a case: which, what was found, and why.
///
/// # Errors
/// [`FieldError`] naming the field; the caller must correct it.
pub fn closing(sent: &pb::CloseCaseRequest) -> Result<(CaseId, pb::CaseFinding, String), FieldError> {
    let id = fixed("case_id", &sent.case_id)?;
    let finding = match sent.finding() {
        pb::CaseFinding::Unspecified => return Err(FieldError::new("finding", Problem::Missing)),
        pb::CaseFinding::TakenBack => {
            return Err(FieldError::new("finding", Problem::Unwanted("it is what Orders.Revoke says")));
        }
        finding @ (pb::CaseFinding::LinkRight | pb::CaseFinding::LinkWrong) => finding,
    };
    Ok((id, finding, named("reason", &sent.reason, TEXT_BYTES_MAX)?))
}

/// Reads the number of a doctor.
///
/// # Errors
/// [`FieldError`]; the caller must correct it.
pub fn practitioner(text: &str) -> Result<String, FieldError> {
    named("practitioner", text, KEY_BYTES_MAX)
}

impl From<Cause> for pb::RecallCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Corrected => Self::Corrected,
            Cause::Withdrawn => Self::Withdrawn,
            Cause::EnteredInError => Self::EnteredInError,
            Cause::QualificationSuspended => Self::QualificationSuspended,
            Cause::NotThisPatient => Self::NotThisPatient,
        }
    }
}

impl From<Relation> for pb::RecallRelation {
    fn from(relation: Relation) -> Self {
        match relation {
            Relation::Prompted => Self::Prompted,
            Relation::Viewed => Self::Viewed,
            Relation::Accepted => Self::Accepted,
            Relation::Quoted => Self::Quoted,
        }
    }
}

fn name(tag: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new_with_prefix(tag);
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let mut name = [0; 16];
    name.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fact_has_the_same_name_and_another_fact_another() {
        let doctor = |number: &str| Doctor {
            organisation: "91350100M000100Y43".parse().unwrap(),
            practitioner: number.to_owned(),
        };
        let result = ResultId::new([1; 16]);
        let one = recall_id(&doctor("D1"), result, Fact::Version(2));
        assert_eq!(one, recall_id(&doctor("D1"), result, Fact::Version(2)));
        for other in [
            recall_id(&doctor("D2"), result, Fact::Version(2)),
            recall_id(&doctor("D1"), ResultId::new([2; 16]), Fact::Version(2)),
            recall_id(&doctor("D1"), result, Fact::Version(3)),
            recall_id(&doctor("D1"), result, Fact::Statement(Digest::new([0; 32]))),
            recall_id(&doctor("D1"), result, Fact::Dispute(PromptId::new([0; 16]))),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_case_is_closed_with_a_finding_and_a_reason() {
        let sent = |finding: pb::CaseFinding, reason: &str| pb::CloseCaseRequest {
            case_id: vec![1; 16].into(),
            finding: finding.into(),
            reason: reason.into(),
        };
        assert!(closing(&sent(pb::CaseFinding::LinkWrong, "two people, one number")).is_ok());
        for (wrong, field) in [
            (sent(pb::CaseFinding::Unspecified, "x"), "finding"),
            (sent(pb::CaseFinding::TakenBack, "x"), "finding"),
            (sent(pb::CaseFinding::LinkRight, ""), "reason"),
        ] {
            assert_eq!(closing(&wrong).unwrap_err().field, field);
        }
    }
}
