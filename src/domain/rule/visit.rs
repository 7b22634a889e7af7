//! What the visit and the region's negative lists have against any result. Source: 国卫医发〔2022〕6号, re-test grounds.

use super::super::catalogue::Item;
use super::super::entry::{Entry, Sensitivity};
use super::super::order::{OrderContext, Setting, WantedItem};
use super::super::policy::Policy;
use super::super::verdict::Refusal;
use super::age;

/// Finds what the visit has against a result.
pub(super) fn refuse(
    wanted: &WantedItem,
    item: &Item,
    entry: &Entry,
    context: &OrderContext,
    policy: &Policy,
    refusals: &mut Vec<Refusal>,
) {
    let sensitive = entry.sensitivity == Sensitivity::Sensitive
        || item.sensitivity == Sensitivity::Sensitive
        || entry.items.iter().any(|code| policy.sensitive.contains(code));
    let emergency = context.setting == Setting::Emergency && !policy.emergency_prompts;
    let own = entry.publisher == context.organisation && !policy.own_results_prompt;
    let pregnant = context.pregnant && policy.never_in_pregnancy.contains(&item.code);
    let treated = context
        .treated_at
        .filter(|treated_at| age::start(entry.times.collected).unix_ms() <= age::end(*treated_at).unix_ms());
    let prompted = context.prompted.get(&item.code).copied().unwrap_or_default();
    let spent = prompted >= policy.visit_prompts_max;
    let facts = [
        (sensitive && !context.sensitive_granted).then_some(Refusal::Sensitive),
        emergency.then_some(Refusal::Emergency),
        context.preoperative.then_some(Refusal::Preoperative),
        context.transfusion.then_some(Refusal::Transfusion),
        wanted.guarded.then_some(Refusal::GuardedPanel),
        context.forensic.then_some(Refusal::Forensic),
        context.serial.then_some(Refusal::Serial),
        (context.neonate && !policy.neonate_prompts).then_some(Refusal::Neonate),
        pregnant.then_some(Refusal::Pregnant),
        treated.map(|treated_at| Refusal::TreatedSince { treated_at }),
        own.then_some(Refusal::OwnResult),
        context.decided.contains(&entry.result).then_some(Refusal::AlreadyDecided),
        spent.then_some(Refusal::AlertBudget),
    ];
    refusals.extend(facts.into_iter().flatten());
}
