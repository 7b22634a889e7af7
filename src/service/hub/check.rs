//! The check: what an order repeats. What prompted is durable before it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::domain::id::{PromptId, Pseudonym, ResultId};
use crate::domain::item::ItemCode;
use crate::domain::limits::LINE_ITEMS_MAX;
use crate::domain::log::{LogPlace, Sequence};
use crate::domain::order::OrderContext;
use crate::domain::organisation::{Caller, OrganisationCode};
use crate::domain::rule::{Candidate, LineAnswer, LineCoverage, answer_line};
use crate::domain::time::Moment;
use crate::service::hub::Hub;
use crate::service::hub::ahead::{AHEAD_RECORDS_MAX, Topic};
use crate::service::hub::answer::{self, Speaker};
use crate::service::hub::audience::{Audience, Basis};
use crate::service::hub::candidates::{Batches, Found, reports_of_others};
use crate::service::hub::chosen::{DEEPER, DEPTH, Want};
use crate::service::hub::error::HubError;
use crate::service::hub::fold::regional;
use crate::service::hub::line::{Resolved, resolve};
use crate::service::hub::proof::Offered;
use crate::service::hub::registry::Rules;
use crate::service::hub::turn::Turn;
use crate::store::hub::{HubView, RequestKind};
use crate::wire::field::{FieldError, Problem, at_most, fixed, parsed};
use crate::wire::orders::{Asked, Subject, Visiting};
use crate::wire::pb;
use crate::wire::record::Record;

impl Hub {
    /// Answers an order once what it prompts is durable. The same key gives the same prompts again. The tables may not
    /// have them yet: what acts on prompts waits for [`Hub::settled`] itself, and doors wait before anything else.
    ///
    /// # Errors
    /// [`HubError`]; ordering goes on without a prompt.
    pub async fn check(
        self: &Arc<Self>,
        caller: &Caller,
        sent: pb::CheckRequest,
    ) -> Result<pb::CheckResponse, HubError> {
        let asked = Asked::try_from(&sent)?;
        let organisation = caller.organisation;
        let (language, proofs) = (asked.language, sent.proofs);
        let turn = self.requests.wait((organisation, asked.key.clone())).await;
        let topics = topics(organisation, &asked);
        self.parts.ledger.wait_for(self.ahead.of(&topics)).await?;
        let (hub, caller) = (Arc::clone(self), caller.clone());
        let answered = tokio::task::spawn_blocking(move || {
            let checked = hub.judge_or_recall(&caller, &asked, sent)?;
            let response = hub.respond(&checked, language)?;
            Ok::<_, HubError>((checked, response))
        });
        let (checked, mut response) = answered.await.map_err(|_| HubError::Behind)??;
        let offered = if proofs { offered(checked.record(), &response)? } else { Vec::new() };
        if let Checked::Fresh(check, _) = checked {
            let prompts = check.prompts.len();
            let record = Record::Check(check);
            if prompts > 0 {
                self.record_ahead(turn, topics, record).await?;
            } else {
                self.parts.ledger.record_soon(&record).await?;
            }
            self.figures.checked(prompts);
        }
        if !offered.is_empty() {
            self.add_proofs(offered, &mut response.lines).await;
        }
        Ok(response)
    }

    /// Waits until the tables have every check that was answered before this call.
    ///
    /// # Errors
    /// [`HubError::Behind`] when the projections have stopped.
    pub async fn settled(&self) -> Result<(), HubError> {
        self.parts.ledger.wait_for(self.ahead.all()).await
    }

    /// Makes the record of a check durable, and says to later calls that the tables may lack it. A caller who goes away
    /// meanwhile stops neither: who asks again under the key waits for this turn, and finds this check.
    async fn record_ahead(self: &Arc<Self>, turn: Turn, topics: [Topic; 2], record: Record) -> Result<(), HubError> {
        let hub = Arc::clone(self);
        let recording = tokio::spawn(async move {
            let _turn = turn;
            let ledger = &hub.parts.ledger;
            let next = ledger.record_ahead(&record).await?.sequence.next();
            hub.ahead.note(topics, next, ledger.projected());
            ledger.wait_for(Sequence(next.0.saturating_sub(AHEAD_RECORDS_MAX))).await
        });
        recording.await.map_err(|_| HubError::Behind)?
    }

    /// Judges an order, or finds the record of the check that had its key.
    fn judge_or_recall(&self, caller: &Caller, asked: &Asked, sent: pb::CheckRequest) -> Result<Checked, HubError> {
        let organisation = caller.organisation;
        let Subject::Pseudonym(patient) = asked.subject else {
            let problem = Problem::Unwanted("ask Identity.Resolve for the pseudonym");
            return Err(FieldError::new("patient.identifiers", problem).into());
        };
        let view = self.parts.state.read()?;
        let kept = view.request(organisation, RequestKind::Check, &asked.key)?;
        if let Some(place) = kept {
            let Record::Check(kept) = self.parts.ledger.read(place)? else { return Err(HubError::KeyReused) };
            return if kept.patient == patient.as_bytes().as_slice() && kept.lines == sent.lines {
                Ok(Checked::Kept(kept))
            } else {
                Err(HubError::KeyReused)
            };
        }
        let now = self.now();
        let rules = self.parts.registry.rules(now)?;
        let region = rules.organisation(organisation)?.region;
        let lines: Vec<_> = asked.lines.iter().map(|line| resolve(line, &rules.version.catalogue)).collect();
        let audience = self.audience_in(&view, organisation, patient, now)?;
        let mut recent = self.recent(patient, &rules.version.policy, now, audience.sees_sensitive())?;
        recent.retain(|entry| audience.may_admit(entry));
        let mut context = context(patient, organisation, region, &asked.visit);
        // Those that no consent opens are not among the candidates.
        context.sensitive_granted = audience.sees_sensitive();
        context.prompted = prompted_for(&view, &lines, &rules, organisation, &asked.visit.encounter)?;
        let want = want(&lines, &rules, &context, now)?;
        let mut depth = DEPTH;
        let (found, answers, mut prompts) = loop {
            let chosen = want.choose(&recent, depth);
            let mut found = self.entries(chosen.entries)?;
            found.retain(|found| audience.admits(&found.entry).is_some());
            let mut standing = Vec::with_capacity(found.len());
            for found in found {
                if !found.outdated(&view)? {
                    standing.push(found);
                }
            }
            let found = standing;
            context.decided = decided(&view, &found, organisation, &asked.visit.encounter)?;
            let disputed = disputed(&view, &found)?;
            let (rules, context) = (&rules, &context);
            let judged = Judged { organisation, asked, rules, found: &found, disputed: &disputed, context, now };
            let (answers, prompts) = judged.lines(&lines)?;
            let left = |item: &ItemCode| answers.iter().any(|line| line.remaining_items.contains(&item.to_string()));
            if !chosen.cut.iter().any(left) {
                break (found, answers, prompts);
            }
            depth *= DEEPER;
        };
        name_consents(&mut prompts, &found, &audience);
        let record = pb::CheckRecord {
            organisation: organisation.to_string(),
            check_key: asked.key.clone(),
            actor: Some((&asked.asking).into()),
            patient: patient.as_bytes().to_vec().into(),
            visit: sent.visit,
            lines: sent.lines,
            at: Some(now.into()),
            policy_version: rules.version.policy.version.clone(),
            answers,
            prompts,
            existing_reports: reports_of_others(&recent, organisation),
            client: caller.name.clone(),
        };
        Ok(Checked::Fresh(record, found))
    }

    /// Gathers what the hospital that asked a check may see of its patient now.
    fn audience_of(&self, record: &pb::CheckRecord) -> Result<Audience, HubError> {
        let organisation = parsed("organisation", &record.organisation, "organisation code")?;
        self.audience(organisation, fixed("patient", &record.patient)?, self.now())
    }

    /// Writes the answer of a check from its record; the results of a kept one are read again, and only those told that
    /// the hospital may still see.
    fn respond(&self, checked: &Checked, language: pb::Language) -> Result<pb::CheckResponse, HubError> {
        let record = checked.record();
        let versions = self.parts.registry.versions();
        let version = versions.iter().rfind(|version| version.policy.version == record.policy_version);
        let speaker = Speaker { version: version.ok_or(HubError::NoPolicy)?, language };
        let mut lines = record.answers.clone();
        match checked {
            Checked::Fresh(_, found) => {
                for prompt in lines.iter_mut().flat_map(|line| &mut line.prompts) {
                    let (batch, place) = placed(record, prompt)?;
                    let found = found.iter().find(|found| found.batch == batch && found.place == place);
                    speaker.complete(prompt, found.ok_or(HubError::Behind)?);
                }
            }
            Checked::Kept(_) => {
                let audience = self.audience_of(record)?;
                let mut batches = Batches::default();
                for line in &mut lines {
                    let mut still = Vec::with_capacity(line.prompts.len());
                    for mut prompt in std::mem::take(&mut line.prompts) {
                        let (batch, place) = placed(record, &prompt)?;
                        let found = self.entry(&mut batches, batch, place)?;
                        if audience.admits(&found.entry).is_some() {
                            speaker.complete(&mut prompt, &found);
                            still.push(prompt);
                        } else {
                            take_back(line, prompt);
                        }
                    }
                    if still.is_empty() && line.coverage() == pb::LineCoverage::Partial {
                        line.coverage = pb::LineCoverage::None.into();
                    }
                    line.prompts = still;
                }
            }
        }
        for line in &mut lines {
            let names = line.remaining_items.iter().map(|code| speaker.item_name(code));
            line.remaining_names = names.collect();
        }
        Ok(pb::CheckResponse { lines, policy_version: record.policy_version.clone(), degraded: None })
    }
}

/// Says what the tables must know of before an order is judged.
fn topics(organisation: OrganisationCode, asked: &Asked) -> [Topic; 2] {
    [Topic::Key(organisation, asked.key.clone()), Topic::Visit(organisation, asked.visit.encounter.clone())]
}

/// Gathers what the lines want.
fn want<'r>(lines: &[Resolved], rules: &'r Rules, context: &OrderContext, now: Moment) -> Result<Want<'r>, HubError> {
    let (mut items, mut images) = (BTreeSet::new(), false);
    for item in lines.iter().flat_map(|resolved| resolved.line.expand(&rules.version.catalogue).items) {
        images |= item.coverage.is_some();
        items.insert(item.code);
    }
    at_most("lines", items.len(), LINE_ITEMS_MAX)?;
    let (policy, setting, organisation) = (&rules.version.policy, context.setting, context.organisation);
    Ok(Want { items, images, policy, setting, organisation, now })
}

/// Finds which results were decided on in the visit.
fn decided(
    view: &HubView,
    found: &[Found],
    organisation: OrganisationCode,
    encounter: &str,
) -> Result<BTreeSet<ResultId>, HubError> {
    let mut decided = BTreeSet::new();
    for Found { entry, .. } in found {
        if view.decided(organisation, encounter, regional(entry.publisher, entry.result))?.is_some() {
            decided.insert(entry.result);
        }
    }
    Ok(decided)
}

/// Counts the prompts that the visit has had for each item of the lines.
fn prompted_for(
    view: &HubView,
    lines: &[Resolved],
    rules: &Rules,
    organisation: OrganisationCode,
    encounter: &str,
) -> Result<BTreeMap<ItemCode, u32>, HubError> {
    let items = lines.iter().flat_map(|resolved| resolved.line.expand(&rules.version.catalogue).items);
    let counted = items.map(|item| Ok((item.code, view.prompted(organisation, encounter, item.code)?)));
    counted.collect()
}

/// Says of each result whether a doctor has said that it is not the patient's.
fn disputed(view: &HubView, found: &[Found]) -> Result<Vec<bool>, HubError> {
    let disputed = found.iter().map(|found| view.disputed(found.name()));
    Ok(disputed.collect::<Result<_, _>>()?)
}

/// Finds where the result of a check's prompt lies.
fn placed(record: &pb::CheckRecord, prompt: &pb::Prompt) -> Result<(LogPlace, u16), HubError> {
    let kept = record.prompts.iter().find(|kept| kept.prompt_id == prompt.prompt_id).ok_or(HubError::Behind)?;
    Ok((answer::place_of(kept), answer::entry_of(kept)))
}

/// Finds where the results of all prompts of an answer lie.
fn offered(record: &pb::CheckRecord, response: &pb::CheckResponse) -> Result<Offered, HubError> {
    let prompts = response.lines.iter().flat_map(|line| &line.prompts);
    let offered =
        prompts.map(|prompt| placed(record, prompt).map(|(batch, place)| (prompt.prompt_id.clone(), batch, place)));
    offered.collect()
}

/// Answers a line without a prompt that may be shown no more: what it answered is to be ordered.
fn take_back(line: &mut pb::LineAnswer, prompt: pb::Prompt) {
    line.remaining_items.extend(prompt.items);
    line.remaining_items.sort();
    line.remaining_items.dedup();
    line.coverage = pb::LineCoverage::Partial.into();
}

/// Notes beside each prompt the consent by which it may be shown, where it is one.
fn name_consents(prompts: &mut [pb::PromptRecord], found: &[Found], audience: &Audience) {
    for prompt in prompts {
        let (batch, place) = (answer::place_of(prompt), answer::entry_of(prompt));
        let found = found.iter().find(|found| found.batch == batch && found.place == place);
        if let Some(Basis::Consent(consent)) = found.and_then(|found| audience.admits(&found.entry)) {
            prompt.consent_id = bytes::Bytes::copy_from_slice(consent.as_bytes());
        }
    }
}

/// A check that was judged now, with the entries it read, or one that was answered before.
enum Checked {
    Fresh(pb::CheckRecord, Vec<Found>),
    Kept(pb::CheckRecord),
}

impl Checked {
    fn record(&self) -> &pb::CheckRecord {
        let (Self::Fresh(record, _) | Self::Kept(record)) = self;
        record
    }
}

/// Everything that one check is judged by.
struct Judged<'a> {
    organisation: OrganisationCode,
    asked: &'a Asked,
    rules: &'a Rules,
    found: &'a [Found],
    disputed: &'a [bool],
    context: &'a OrderContext,
    now: Moment,
}

impl Judged<'_> {
    fn lines(&self, lines: &[Resolved]) -> Result<(Vec<pb::LineAnswer>, Vec<pb::PromptRecord>), HubError> {
        let candidates: Vec<Candidate<'_>> = self
            .found
            .iter()
            .zip(self.disputed)
            .map(|(found, disputed)| Candidate {
                entry: &found.entry,
                key_valid: found.key_valid,
                link_disputed: *disputed,
                latest_version: found.entry.version,
            })
            .collect();
        let (mut answers, mut prompts) = (Vec::with_capacity(lines.len()), Vec::new());
        for resolved in lines {
            let line = answer_line(&resolved.line, &candidates, self.context, &self.rules.book(), self.now);
            let (answer, mut prompted) = self.line(resolved, &line);
            answers.push(answer);
            prompts.append(&mut prompted);
        }
        Ok((answers, prompts))
    }

    /// Writes one line; a result that answers several items is one prompt.
    fn line(&self, resolved: &Resolved, line: &LineAnswer) -> (pb::LineAnswer, Vec<pb::PromptRecord>) {
        let speaker = Speaker { version: &self.rules.version, language: self.asked.language };
        let line_id = resolved.line.line_id.clone();
        let (mut prompts, mut records) = (Vec::new(), Vec::<pb::PromptRecord>::new());
        let mut offered: Vec<usize> = Vec::new();
        for answered in &line.prompts {
            let Some(found) = self.found.get(answered.candidate) else { continue };
            if offered.contains(&answered.candidate) {
                continue;
            }
            offered.push(answered.candidate);
            let same = line.prompts.iter().filter(|other| other.candidate == answered.candidate);
            let items: Vec<ItemCode> = same.map(|other| other.item).collect();
            let id = prompt_id(self.organisation, &self.asked.key, &line_id, found);
            prompts.push(speaker.prompt(id, &items, &answered.evidence, found));
            records.push(answer::prompt_record(id, &line_id, &items, found));
        }
        let quiet = line.quiet.iter().filter_map(|quiet| Some(speaker.quiet(quiet, self.found.get(quiet.candidate)?)));
        let answer = pb::LineAnswer {
            line_id,
            coverage: match line.coverage {
                LineCoverage::None => pb::LineCoverage::None,
                LineCoverage::Partial => pb::LineCoverage::Partial,
                LineCoverage::Full => pb::LineCoverage::Full,
            }
            .into(),
            prompts,
            remaining_items: line.remaining.iter().map(ToString::to_string).collect(),
            quiet: quiet.take(QUIET_MAX).collect(),
            unknown: resolved.unknown.iter().map(answer::code).collect(),
            remaining_names: Vec::new(),
        };
        (answer, records)
    }
}

fn context(
    patient: Pseudonym,
    organisation: OrganisationCode,
    region: crate::domain::adcode::Adcode,
    visit: &Visiting,
) -> OrderContext {
    OrderContext {
        setting: visit.setting,
        preoperative: visit.preoperative,
        transfusion: visit.transfusion,
        forensic: visit.forensic,
        serial: visit.serial,
        neonate: visit.neonate,
        pregnant: visit.pregnant,
        treated_at: visit.treated_at,
        methods: visit.methods.clone(),
        ..OrderContext::outpatient(patient, organisation, region)
    }
}

/// Names a prompt by what it is about, so that a repeated check names it again.
fn prompt_id(organisation: OrganisationCode, key: &str, line_id: &str, found: &Found) -> PromptId {
    let mut hash = Sha256::new_with_prefix(b"concord/prompt/v1");
    let result = regional(found.entry.publisher, found.entry.result);
    for part in [organisation.as_str().as_bytes(), key.as_bytes(), line_id.as_bytes(), result.as_bytes()] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut id = [0; PromptId::BYTES];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    PromptId::new(id)
}

/// Most results of one line that are explained without being offered.
const QUIET_MAX: usize = 50;
