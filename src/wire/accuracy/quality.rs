//! What QC centres said in a case, with the scope in which each centre's word counts.

use super::sent::{SentCase, SentIssuer, SentRound, SentSanction};
use super::{Quality, code, moment};
use crate::domain::eqa::{Credential, EqaOutcome, EqaRound, Provenance, Sanction, SanctionAct};
use crate::domain::id::Digest;
use crate::domain::organisation::OrganisationCode;
use crate::domain::policy::Policy;
use crate::domain::scope::Scope;
use crate::domain::time::Moment;
use crate::wire::field::{FieldError, Problem, parsed};
use crate::wire::statement::subject;

/// Reads everything that was said; each row counts as a statement of its own.
pub(super) fn read(case: &SentCase, policy: &Policy) -> Result<Quality, FieldError> {
    let said = &case.quality;
    let mut quality = Quality::default();
    for (place, round) in said.rounds.iter().enumerate() {
        let read = round_said(case, policy, round, place);
        quality.rounds.push(read.map_err(|error| error.under(&format!("quality.rounds[{place}]")))?);
    }
    for (place, sent) in said.credentials.iter().enumerate() {
        let under = |error: FieldError| error.under(&format!("quality.credentials[{place}]"));
        let issued = moment("issued", &sent.issued).map_err(under)?;
        quality.credentials.push(Credential {
            provenance: provenance(case, policy, &sent.issuer, issued, place).map_err(under)?,
            laboratory: organisation("laboratory", &sent.laboratory).map_err(under)?,
            subject: subject("subject", &sent.subject).map_err(under)?,
            method: None,
            valid_from: moment("valid_from", &sent.valid_from).map_err(under)?,
            valid_to: moment("valid_to", &sent.valid_to).map_err(under)?,
            basis: sent.basis.clone(),
        });
    }
    let acts = [(SanctionAct::Suspend, &said.suspensions), (SanctionAct::Restore, &said.restorations)];
    for (act, rows) in acts {
        for (place, sent) in rows.iter().enumerate() {
            let read = sanction(case, policy, sent, act, place);
            quality.sanctions.push(read.map_err(|error| error.under(&format!("quality.sanctions[{place}]")))?);
        }
    }
    Ok(quality)
}

fn round_said(case: &SentCase, policy: &Policy, sent: &SentRound, place: usize) -> Result<EqaRound, FieldError> {
    let published_at = moment("published", &sent.published)?;
    let outcome = match sent.status.as_str() {
        "scored" => EqaOutcome::Scored(parsed("score", &sent.score, "decimal number")?),
        "not-reported" => EqaOutcome::NotReported,
        "excused" => EqaOutcome::Excused,
        "not-graded" => EqaOutcome::NotGraded,
        _ => return Err(FieldError::new("status", Problem::Form("word of docs/accuracy.md"))),
    };
    Ok(EqaRound {
        provenance: provenance(case, policy, &sent.issuer, published_at, place)?,
        programme: sent.programme.clone(),
        year: sent.year,
        round: sent.round,
        laboratory: organisation("laboratory", &sent.laboratory)?,
        item: code("item", &sent.item)?,
        method: Some(sent.method.clone()).filter(|method| !method.is_empty()),
        outcome,
        sampled_at: moment("sampled", &sent.sampled)?,
        published_at,
        next_due_at: None,
    })
}

fn sanction(
    case: &SentCase,
    policy: &Policy,
    sent: &SentSanction,
    act: SanctionAct,
    place: usize,
) -> Result<Sanction, FieldError> {
    let concerned = if sent.subject.is_empty() { None } else { Some(subject("subject", &sent.subject)?) };
    Ok(Sanction {
        provenance: provenance(case, policy, &sent.issuer, moment("issued", &sent.issued)?, place)?,
        laboratory: organisation("laboratory", &sent.laboratory)?,
        subject: concerned,
        act,
        effective_at: moment("effective", &sent.effective)?,
    })
}

fn provenance(
    case: &SentCase,
    policy: &Policy,
    issuer: &str,
    learned_at: Moment,
    place: usize,
) -> Result<Provenance, FieldError> {
    let listed = case.issuers.iter().find(|one| one.code == issuer);
    let listed = listed.ok_or_else(|| FieldError::new("issuer", Problem::Form("centre of `issuers`")))?;
    let mut statement = [0; Digest::BYTES];
    statement.iter_mut().zip(place.to_be_bytes()).for_each(|(byte, of_place)| *byte = of_place);
    Ok(Provenance {
        statement: Digest::new(statement),
        issuer: organisation("issuer", issuer)?,
        scope: scope(listed, case, policy)?,
        learned_at,
    })
}

/// Reads a scope: `national`, an agreement of the policy, or a division.
fn scope(issuer: &SentIssuer, case: &SentCase, policy: &Policy) -> Result<Scope, FieldError> {
    if !case.organisations.iter().any(|one| one.code == issuer.code && !one.region.is_empty()) {
        return Err(FieldError::new("issuer", Problem::Form("organisation of `organisations`")));
    }
    match issuer.scope.as_str() {
        "national" => Ok(Scope::National),
        name if policy.areas.agreements.contains_key(name) => Ok(Scope::Agreement(name.to_owned())),
        division => Ok(Scope::Region(parsed("issuers.scope", division, "scope")?)),
    }
}

fn organisation(field: &str, text: &str) -> Result<OrganisationCode, FieldError> {
    parsed(field, text, "unified social credit code")
}
