//! Prompts that wait for somebody, for whoever follows them up.

use std::ops::ControlFlow;

use crate::domain::follow_up::WaitsFor;
use crate::domain::organisation::{Caller, OrganisationCode};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::oversight::overseen;
use crate::store::hub::{HubView, WaitingPrompt};
use crate::store::projection::ProjectionError;
use crate::wire::follow_up::{FollowUpsQuery, PageToken};
use crate::wire::pb;
use crate::wire::record::Record;

impl Hub {
    /// Lists a page of the prompts that wait for what is asked. A hospital is answered for itself alone, and it alone is
    /// told the visit.
    ///
    /// # Errors
    /// [`HubError::OthersFigures`], or an error of the hub's own.
    pub fn follow_ups(&self, caller: &Caller, query: &FollowUpsQuery) -> Result<pb::FollowUpsResponse, HubError> {
        let organisation = overseen(caller, query.organisation)?;
        let since_max = match query.what {
            WaitsFor::Answer => self.answered_by()?,
            WaitsFor::Reason => i64::MAX,
        };
        let view = self.parts.state.read()?;
        let mut page = Vec::new();
        let mut is_cut = false;
        view.waiting(query.what, query.first_day, query.last_day, |waiting| {
            let is_asked = waiting.since_unix_ms <= since_max
                && organisation.is_none_or(|wanted| wanted == waiting.organisation)
                && query.after.is_none_or(|after| after < place_of(&waiting));
            if !is_asked {
                return ControlFlow::Continue(());
            }
            is_cut = page.len() == query.page_size;
            if is_cut {
                return ControlFlow::Break(());
            }
            page.push(waiting);
            ControlFlow::Continue(())
        })?;
        let next = page.last().filter(|_| is_cut).map(|last| place_of(last).to_string());
        let told = |waiting| self.follow_up(&view, waiting, caller.organisation);
        let follow_ups = page.into_iter().map(told).collect::<Result<_, _>>()?;
        Ok(pb::FollowUpsResponse { follow_ups, next_page_token: next.unwrap_or_default() })
    }

    fn follow_up(
        &self,
        view: &HubView,
        waiting: WaitingPrompt,
        reader: OrganisationCode,
    ) -> Result<pb::FollowUp, HubError> {
        let kept = view.prompt(waiting.prompt)?.ok_or(ProjectionError::Damaged)?;
        let Record::Check(mut check) = self.parts.ledger.read(kept.check)? else {
            return Err(ProjectionError::Damaged.into());
        };
        let (mut actor, mut declined_at, mut text) = (check.actor, None, String::new());
        if let Some((decision, record)) = self.decision_on(view, waiting.prompt, &kept)? {
            (actor, declined_at) = (record.actor, record.at);
            if let Some(pb::decision::Outcome::Unexplained(unexplained)) = decision.outcome {
                text = unexplained.text;
            }
        }
        let ordinal = usize::from(kept.ordinal);
        let prompt = check.prompts.get_mut(ordinal).ok_or(ProjectionError::Damaged)?;
        let is_own = reader == waiting.organisation;
        let encounter = check.visit.map(|visit| visit.encounter).filter(|_| is_own).unwrap_or_default();
        Ok(pb::FollowUp {
            prompt_id: waiting.prompt.as_bytes().to_vec().into(),
            organisation: waiting.organisation.to_string(),
            actor,
            items: std::mem::take(&mut prompt.items),
            raised_at: check.at,
            declined_at,
            encounter,
            text: if is_own { text } else { String::new() },
        })
    }
}

fn place_of(waiting: &WaitingPrompt) -> PageToken {
    PageToken { day: waiting.day, organisation: waiting.organisation, prompt: waiting.prompt }
}
