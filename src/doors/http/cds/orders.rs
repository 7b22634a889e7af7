//! Cards for orders and for an opened record.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Cds;
use super::session::{Answered, Question, SessionKey};
use crate::domain::fault::Fault;
use crate::domain::organisation::Caller;
use crate::service::exchange::{Exchange, Refused};
use crate::service::viewing::Opening;
use crate::wire::cds::{DraftOrder, Hook, HookRequest, Link, Prefetched, Quiet, Shown, Words, answer, card, overview};
use crate::wire::fhir::json::Json;
use crate::wire::pb;

impl<E: Exchange> Cds<E> {
    /// Answers orders: what the session knows from memory, and the rest by the exchange.
    pub(super) async fn orders(
        &self,
        caller: &Caller,
        request: &HookRequest,
        words: Words,
        arrived: Instant,
        recalls: Vec<Json>,
    ) -> Result<String, Refused> {
        let Some(patient) = named(request) else { return Ok(nothing(request, words, recalls)) };
        let key = session_key(caller, request);
        let questions: Vec<Question> =
            request.orders.iter().map(|order| question(order, patient, &request.visit, words)).collect();
        let mut known: Vec<Option<Arc<Answered>>> =
            questions.iter().map(|question| self.sessions.recall(&key, question)).collect();
        self.renew(caller, &key, (&questions, request.proofs), &mut known, arrived).await?;
        let open: Vec<usize> =
            (0..known.len()).filter(|place| known.get(*place).is_some_and(Option::is_none)).collect();
        let mut quiet = Vec::new();
        if !open.is_empty() {
            let lines = open.iter().filter_map(|place| request.orders.get(*place)).map(|order| order.line.clone());
            let asked = pb::CheckRequest {
                check_key: check_key(&request.instance, open.iter().filter_map(|place| questions.get(*place))),
                patient: Some(patient.clone()),
                actor: Some(actor(request)),
                visit: Some(request.visit.clone()),
                lines: lines.collect(),
                language: words.0.into(),
                proofs: request.proofs,
            };
            let asked = Arc::new(asked);
            let checked = self.viewing.exchange().check(caller, pb::CheckRequest::clone(&asked), arrived).await?;
            quiet.extend(checked.degraded.map(|degraded| Quiet::degraded(&degraded)));
            for (place, line) in open.iter().zip(checked.lines) {
                let links = self.links(caller, request, patient, &line, words);
                let answered = Arc::new(Answered::new(line, links, Arc::clone(&asked)));
                if let (Some(question), Some(slot)) = (questions.get(*place), known.get_mut(*place)) {
                    self.sessions.keep(&key, *question, Arc::clone(&answered));
                    *slot = Some(answered);
                }
            }
        }
        let mut cards = recalls;
        let shown = Shown { words, base_url: self.gate.base_url() };
        for (order, answered) in request.orders.iter().zip(&known) {
            let Some(answered) = answered.as_ref().filter(|_| is_selected(request, order)) else { continue };
            quiet.extend(Quiet::of_line(&answered.line));
            if let Some(written) = card(order, &answered.line, &answered.links, shown, request.proofs) {
                cards.push(written);
                self.acknowledge(caller, request, answered);
            }
        }
        Ok(answer(cards, request.quiet.then_some(quiet)))
    }

    /// Asks again, by their own keys, the checks that were answered a while ago, or without the proofs that are asked for
    /// now: nothing is counted twice, and what the patient has taken back since is told no more.
    async fn renew(
        &self,
        caller: &Caller,
        key: &SessionKey,
        (questions, proofs): (&[Question], bool),
        known: &mut [Option<Arc<Answered>>],
        arrived: Instant,
    ) -> Result<(), Refused> {
        let stale = known.iter().flatten().filter(|answered| answered.is_stale() || proofs && answered.lacks_proofs());
        let checks: BTreeMap<String, Arc<pb::CheckRequest>> =
            stale.map(|answered| (answered.check.check_key.clone(), Arc::clone(&answered.check))).collect();
        for check in checks.values() {
            let check = Arc::new(pb::CheckRequest { proofs, ..pb::CheckRequest::clone(check) });
            let checked = self.viewing.exchange().check(caller, pb::CheckRequest::clone(&check), arrived).await?;
            for (slot, question) in known.iter_mut().zip(questions) {
                let Some(answered) = slot.as_ref().filter(|it| it.check.check_key == check.check_key) else { continue };
                let line = checked.lines.iter().find(|line| line.line_id == answered.line.line_id).cloned();
                let renewed = Arc::new(answered.renewed(line, Arc::clone(&check)));
                if checked.degraded.is_none() {
                    self.sessions.keep(key, *question, Arc::clone(&renewed));
                }
                *slot = Some(renewed);
            }
        }
        Ok(())
    }

    /// Tells of a patient's recent results.
    pub(super) async fn recent(
        &self,
        caller: &Caller,
        request: &HookRequest,
        words: Words,
        arrived: Instant,
        recalls: Vec<Json>,
    ) -> Result<String, Refused> {
        let Some(patient) = named(request) else { return Ok(nothing(request, words, recalls)) };
        let asked = pb::RecentResultsRequest {
            patient: Some(patient.clone()),
            actor: Some(actor(request)),
            visit: Some(request.visit.clone()),
            language: words.0.into(),
            ..Default::default()
        };
        let listed = match self.viewing.exchange().recent_results(caller, asked, arrived).await {
            Ok(listed) => listed,
            // Nothing may be listed: nothing is told.
            Err(refused) if refused.fault == Fault::Denied => pb::RecentResultsResponse::default(),
            Err(refused) => return Err(refused),
        };
        let links = listed.results.iter().take(OVERVIEW_LINKS_MAX);
        let links: Vec<Link> = links
            .map(|result| self.link(caller, request, patient, (result, None, bytes::Bytes::new()), words))
            .collect();
        let quiet = listed.degraded.iter().map(Quiet::degraded).collect();
        let shown = Shown { words, base_url: self.gate.base_url() };
        let cards = recalls.into_iter().chain(overview(&listed, &request.instance, &links, shown)).collect();
        Ok(answer(cards, request.quiet.then_some(quiet)))
    }

    fn links(
        &self,
        caller: &Caller,
        request: &HookRequest,
        patient: &pb::Patient,
        line: &pb::LineAnswer,
        words: Words,
    ) -> Vec<Link> {
        let results = line.prompts.iter().take(CARD_LINKS_MAX).filter_map(|prompt| {
            let result = prompt.result.as_ref()?;
            Some((result, prompt.evidence.clone(), prompt.prompt_id.clone()))
        });
        results.map(|offered| self.link(caller, request, patient, offered, words)).collect()
    }

    pub(super) fn link(
        &self,
        caller: &Caller,
        request: &HookRequest,
        patient: &pb::Patient,
        (result, evidence, prompt_id): (&pb::ResultSummary, Option<pb::Evidence>, bytes::Bytes),
        words: Words,
    ) -> Link {
        let capability = self.viewing.link(Opening {
            caller: caller.clone(),
            actor: actor(request),
            patient: patient.clone(),
            visit: request.visit.clone(),
            result: result.clone(),
            evidence,
            prompt_id,
            grant: None,
            standing: None,
            language: words.0,
        });
        Link::to(result, format!("{}/view/{capability}", self.gate.base_url()), words)
    }

    /// Records beside the answer that a card is shown.
    fn acknowledge(&self, caller: &Caller, request: &HookRequest, answered: &Answered) {
        let events: Vec<_> = answered
            .show()
            .map(|prompt_id| pb::AcknowledgeRequest {
                event_key: format!("cds-shown {prompt_id:x}"),
                actor: Some(actor(request)),
                prompt_id,
                event: pb::acknowledge_request::Event::Shown.into(),
            })
            .collect();
        if events.is_empty() {
            return;
        }
        let (viewing, caller) = (Arc::clone(&self.viewing), caller.clone());
        self.beside.spawn(async move {
            for event in events {
                if let Err(error) = viewing.exchange().acknowledge(&caller, event).await {
                    tracing::warn!(%error, "a card that is shown was not recorded as shown");
                    return;
                }
            }
        });
    }
}

/// Gives the patient, where there is an identifier by which anybody else could know them.
fn named(request: &HookRequest) -> Option<&pb::Patient> {
    match &request.patient {
        Prefetched::Patient(patient) if !patient.identifiers.is_empty() && !is_idle(request) => Some(patient),
        Prefetched::Patient(_) | Prefetched::Elsewhere | Prefetched::Nowhere => None,
    }
}

fn is_idle(request: &HookRequest) -> bool {
    request.hook != Hook::PatientView && request.orders.is_empty()
}

/// Answers without asking anybody.
fn nothing(request: &HookRequest, words: Words, recalls: Vec<Json>) -> String {
    let quiet = match &request.patient {
        _ if is_idle(request) => Vec::new(),
        Prefetched::Patient(_) => vec![Quiet::nameless(words)],
        Prefetched::Elsewhere | Prefetched::Nowhere => vec![Quiet::patientless(words)],
    };
    answer(recalls, request.quiet.then_some(quiet))
}

fn session_key(caller: &Caller, request: &HookRequest) -> SessionKey {
    SessionKey {
        organisation: caller.organisation,
        practitioner: request.practitioner.clone(),
        patient_id: request.patient_id.clone(),
        encounter: request.encounter.clone(),
    }
}

fn actor(request: &HookRequest) -> pb::Actor {
    pb::Actor { practitioner: request.practitioner.clone(), department: String::new() }
}

fn is_selected(request: &HookRequest, order: &DraftOrder) -> bool {
    let chosen = |selected: &std::collections::BTreeSet<String>| {
        order.reference.as_ref().is_none_or(|reference| selected.contains(reference))
    };
    request.selected.as_ref().is_none_or(chosen)
}

/// A digest of all that the answer of a line rests on, but for the time. A firing without a visit is a visit of its own,
/// which its session is not.
fn question(order: &DraftOrder, patient: &pb::Patient, visit: &pb::Visit, words: Words) -> Question {
    let visit = pb::Visit { encounter: String::new(), ..visit.clone() };
    let mut hash = Sha256::new_with_prefix(b"concord/cds/question/v1");
    let parts = [order.line.encode_to_vec(), patient.encode_to_vec(), visit.encode_to_vec()];
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.update([u8::from(words.chinese())]);
    hash.finalize().into()
}

/// The same firing with the same lines has the same key, and so the same prompts.
fn check_key<'q>(instance: &str, questions: impl Iterator<Item = &'q Question>) -> String {
    let mut hash = Sha256::new_with_prefix(b"concord/cds/check/v1");
    hash.update(u64::try_from(instance.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(instance);
    questions.for_each(|question| hash.update(question));
    format!("cds {:x}", bytes::Bytes::copy_from_slice(&hash.finalize()))
}

const CARD_LINKS_MAX: usize = 8;
const OVERVIEW_LINKS_MAX: usize = 5;
