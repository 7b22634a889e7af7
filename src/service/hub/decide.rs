//! Decisions: accept or decline, all of a request or none, and taking one back.

use crate::domain::id::PromptId;
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::organisation::{Caller, OrganisationCode};
use crate::domain::policy::Policy;
use crate::domain::reason::{Reason, ReasonClass, ReasonCode};
use crate::domain::time::Moment;
use crate::service::hub::Hub;
use crate::service::hub::answer::{Speaker, entry_of, place_of};
use crate::service::hub::candidates::{Batches, Found};
use crate::service::hub::error::HubError;
use crate::service::hub::fold::decided_at;
use crate::service::hub::grant::{Grant, Purpose};
use crate::store::hub::{KeptPrompt, PromptState, RequestKind};
use crate::store::projection::ProjectionError;
use crate::wire::field::{FieldError, Problem, fixed};
use crate::wire::orders::{Decided, Outcome, Revoking};
use crate::wire::pb;
use crate::wire::record::Record;

impl Hub {
    /// Records a decision on one or more prompts; accepted ones come with the result and a grant for its originals.
    ///
    /// # Errors
    /// [`HubError`]; nothing of the request is recorded.
    pub async fn decide(&self, caller: &Caller, mut sent: pb::DecideRequest) -> Result<pb::DecideResponse, HubError> {
        let mut decided = Decided::try_from(&sent)?;
        let organisation = caller.organisation;
        self.settled().await?;
        sent.decisions = self.whole_lines(organisation, sent.decisions, &mut decided)?;
        // Decisions of one hospital follow each other: two on one prompt must not both find it open.
        let _turn = self.requests.wait((organisation, String::new())).await;
        let now = self.now();
        let kept = self.parts.state.read()?.request(organisation, RequestKind::Decision, &decided.key)?;
        let log_index = match kept {
            Some(place) => {
                let Record::Decision(kept) = self.parts.ledger.read(place)? else { return Err(HubError::KeyReused) };
                if kept.decisions != sent.decisions {
                    return Err(HubError::KeyReused);
                }
                place.sequence
            }
            None => self.record_decision(caller, &decided, sent, now).await?,
        };
        let position = self.parts.state.read()?.position(log_index)?.ok_or(ProjectionError::Damaged)?;
        let given = LogPlace { sequence: log_index, position };
        let outcomes = decided.outcomes.iter().map(|(prompt, outcome)| {
            let id = prompt.as_bytes().to_vec().into();
            if *outcome != Outcome::Accept {
                return Ok(pb::DecisionOutcome { prompt_id: id, result: None, grant: None });
            }
            let (kept, found) = self.prompted_still(organisation, *prompt)?;
            if decided.replaces && !matches!(kept.state, PromptState::Accepted(_)) {
                return Ok(pb::DecisionOutcome { prompt_id: id, result: None, grant: None });
            }
            let rules = self.parts.registry.rules(now)?;
            let speaker = Speaker { version: &rules.version, language: decided.language };
            Ok(pb::DecisionOutcome {
                prompt_id: id,
                result: Some(speaker.result(&found)),
                grant: Some(self.grant(organisation, *prompt, &kept, &found, Purpose::Accepted, given)),
            })
        });
        let outcomes = outcomes.collect::<Result<_, HubError>>()?;
        Ok(pb::DecideResponse { outcomes, log_index: log_index.0 })
    }

    /// Puts one decision for each prompt in the place of one about a whole line.
    fn whole_lines(
        &self,
        organisation: OrganisationCode,
        sent: Vec<pb::Decision>,
        decided: &mut Decided,
    ) -> Result<Vec<pb::Decision>, HubError> {
        let mut whole: Vec<pb::Decision> = Vec::with_capacity(sent.len());
        let mut outcomes = Vec::with_capacity(sent.len());
        for (decision, (prompt, outcome)) in sent.into_iter().zip(&decided.outcomes) {
            let mut prompts = vec![*prompt];
            if decision.whole_line {
                let kept = self.own_prompt(organisation, *prompt)?;
                let Record::Check(check) = self.parts.ledger.read(kept.check)? else {
                    return Err(ProjectionError::Damaged.into());
                };
                let asked = check.prompts.get(usize::from(kept.ordinal)).ok_or(ProjectionError::Damaged)?;
                let line = check.prompts.iter().filter(|other| other.line_id == asked.line_id);
                prompts = line.map(|other| fixed("prompt_id", &other.prompt_id)).collect::<Result<_, _>>()?;
            }
            for prompt in prompts {
                let prompt_id = bytes::Bytes::copy_from_slice(prompt.as_bytes());
                if outcomes.iter().any(|(other, _)| *other == prompt) {
                    return Err(FieldError::new("decisions.prompt_id", Problem::Twice).into());
                }
                outcomes.push((prompt, outcome.clone()));
                whole.push(pb::Decision { prompt_id, outcome: decision.outcome.clone(), whole_line: false });
            }
        }
        decided.outcomes = outcomes;
        Ok(whole)
    }

    async fn record_decision(
        &self,
        caller: &Caller,
        decided: &Decided,
        sent: pb::DecideRequest,
        now: Moment,
    ) -> Result<Sequence, HubError> {
        let organisation = caller.organisation;
        let rules = self.parts.registry.rules(now)?;
        // A clock that is ahead must not keep later decisions from counting.
        let decided_at = decided.decided_at.filter(|at| at.unix_ms() < now.unix_ms());
        let (mut counted_reasons, mut identity_reasons) = (Vec::new(), Vec::new());
        let (mut standing, mut changes) = (None, false);
        for (place, (prompt, outcome)) in decided.outcomes.iter().enumerate() {
            match self.own_prompt(organisation, *prompt)?.state {
                PromptState::Open => changes = true,
                PromptState::Accepted(earlier) | PromptState::Declined(earlier) if decided.replaces => {
                    standing = Some(earlier);
                    changes |= self.decided_before(earlier, decided_at.unwrap_or(now))?;
                }
                PromptState::Accepted(_) | PromptState::Declined(_) => return Err(HubError::Decided),
            }
            if *outcome == Outcome::Accept {
                self.prompted_still(organisation, *prompt)?;
            }
            if let Outcome::Decline { reason, text, choice } = outcome {
                let known = check_reason(place, &rules.version.policy, reason, text, choice)?;
                counted_reasons.extend(known.counts.then(|| reason.clone()));
                identity_reasons.extend((known.class == ReasonClass::Identity).then(|| reason.clone()));
            }
        }
        if let Some(standing) = standing.filter(|_| !changes) {
            return Ok(standing);
        }
        let record = Record::Decision(pb::DecisionRecord {
            organisation: organisation.to_string(),
            decision_key: decided.key.clone(),
            actor: Some((&decided.asking).into()),
            decisions: sent.decisions,
            at: Some(now.into()),
            counted_reasons,
            identity_reasons,
            decided_at: decided_at.map(Into::into),
            replaces: decided.replaces,
            reason_owed: rules.version.policy.decisions.reason_mandatory,
            client: caller.name.clone(),
        });
        let places = self.parts.ledger.record(&[record]).await?;
        self.figures.decided(&decided.outcomes);
        places.first().map(|place| place.sequence).ok_or(HubError::Behind)
    }

    /// Says whether the decision in the record `sequence` was made before `at`.
    fn decided_before(&self, sequence: Sequence, at: Moment) -> Result<bool, HubError> {
        let position = self.parts.state.read()?.position(sequence)?.ok_or(ProjectionError::Damaged)?;
        let Record::Decision(record) = self.parts.ledger.read(LogPlace { sequence, position })? else {
            return Err(ProjectionError::Damaged.into());
        };
        Ok(decided_at(&record)?.unix_ms() < at.unix_ms())
    }

    /// Takes a decision back; the prompt is open again.
    ///
    /// # Errors
    /// [`HubError::Undecided`] when there is nothing to take back.
    pub async fn revoke(&self, caller: &Caller, sent: pb::RevokeRequest) -> Result<pb::RevokeResponse, HubError> {
        let revoking = Revoking::try_from(&sent)?;
        let organisation = caller.organisation;
        let _turn = self.requests.wait((organisation, String::new())).await;
        self.settled().await?;
        let view = self.parts.state.read()?;
        if let Some(place) = view.request(organisation, RequestKind::Revocation, &revoking.key)? {
            let Record::Revocation(kept) = self.parts.ledger.read(place)? else { return Err(HubError::KeyReused) };
            let same = kept.prompt_id == sent.prompt_id;
            return same.then_some(pb::RevokeResponse { log_index: place.sequence.0 }).ok_or(HubError::KeyReused);
        }
        if self.own_prompt(organisation, revoking.prompt)?.state == PromptState::Open {
            return Err(HubError::Undecided);
        }
        let record = Record::Revocation(pb::RevocationRecord {
            organisation: organisation.to_string(),
            decision_key: revoking.key,
            actor: Some((&revoking.asking).into()),
            prompt_id: sent.prompt_id,
            text: revoking.text,
            at: Some(self.now().into()),
            client: caller.name.clone(),
        });
        let places = self.parts.ledger.record(&[record]).await?;
        let log_index = places.first().ok_or(HubError::Behind)?.sequence.0;
        Ok(pb::RevokeResponse { log_index })
    }

    /// Finds a prompt of the caller's own organisation; another's does not exist for it.
    pub(super) fn own_prompt(&self, organisation: OrganisationCode, id: PromptId) -> Result<KeptPrompt, HubError> {
        let kept = self.parts.state.read()?.prompt(id)?;
        kept.filter(|kept| kept.organisation == organisation).ok_or(HubError::NoPrompt)
    }

    /// Finds a prompt of the caller's own organisation and the result it is about.
    pub(super) fn prompted(
        &self,
        organisation: OrganisationCode,
        id: PromptId,
    ) -> Result<(KeptPrompt, Found), HubError> {
        let kept = self.own_prompt(organisation, id)?;
        let Record::Check(check) = self.parts.ledger.read(kept.check)? else {
            return Err(ProjectionError::Damaged.into());
        };
        let prompt = check.prompts.get(usize::from(kept.ordinal)).ok_or(ProjectionError::Damaged)?;
        let found = self.entry(&mut Batches::default(), place_of(prompt), entry_of(prompt))?;
        Ok((kept, found))
    }

    /// Finds a prompt and its result as [`Hub::prompted`] does, when the hospital may still see the result: the patient
    /// may have opted out, or ended the consent, since it was prompted.
    pub(super) fn prompted_still(
        &self,
        organisation: OrganisationCode,
        id: PromptId,
    ) -> Result<(KeptPrompt, Found), HubError> {
        let (kept, found) = self.prompted(organisation, id)?;
        let audience = self.audience(organisation, kept.patient, self.now())?;
        audience.admits(&found.entry).ok_or(HubError::NotPermitted)?;
        Ok((kept, found))
    }

    pub(super) fn grant(
        &self,
        organisation: OrganisationCode,
        prompt: PromptId,
        kept: &KeptPrompt,
        found: &Found,
        purpose: Purpose,
        given: LogPlace,
    ) -> pb::Grant {
        let expires_unix_ms = self.now().unix_ms() + GRANT_MS;
        let token = self.parts.grants.seal(&Grant {
            organisation,
            purpose,
            prompt: Some(prompt),
            consent: None,
            given,
            result: kept.result,
            batch: found.batch,
            entry: found.place,
            expires_unix_ms,
        });
        pb::Grant { token, expires_unix_ms }
    }
}

/// Checks that a decline names a reason of the policy and says what that reason asks for.
fn check_reason<'p>(
    place: usize,
    policy: &'p Policy,
    code: &str,
    text: &str,
    choice: &str,
) -> Result<&'p Reason, HubError> {
    let refuse = |field, problem| HubError::Reason { place, field, problem };
    let known = code.parse::<ReasonCode>().ok().and_then(|code| policy.reasons.get(&code));
    let reason = known.ok_or_else(|| refuse("reason", "is not a reason of the policy in force"))?;
    if reason.needs_text && text.trim().is_empty() {
        return Err(refuse("text", "is needed with this reason"));
    }
    let choices = || reason.choices_zh.iter().chain(&reason.choices_en);
    if choices().next().is_some() && !choices().any(|known| known == choice) {
        return Err(refuse("choice", "must be one of the reason's choices"));
    }
    Ok(reason)
}

/// How long a grant lasts, in milliseconds.
pub(super) const GRANT_MS: i64 = 15 * 60 * 1_000;
