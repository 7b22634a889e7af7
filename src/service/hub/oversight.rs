//! Figures for whoever oversees the exchange, summed from the hub's tables. What is counted is decided in `fold`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::follow_up::WaitsFor;
use crate::domain::item::ItemCode;
use crate::domain::organisation::{Caller, OrganisationCode, Role};
use crate::domain::reason::Reason;
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::store::hub::Figure;
use crate::wire::field::{FieldError, Problem};
use crate::wire::oversight::{StatisticsQuery, recognition_rate_percent};
use crate::wire::{day, pb};

/// What a row is about; what is not kept apart is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RowKey {
    organisation: Option<OrganisationCode>,
    item: Option<ItemCode>,
    day: Option<i64>,
}

impl Hub {
    /// Sums the figures that are asked for. A hospital is answered for itself alone.
    ///
    /// Rows of items count what is counted by item: prompts, acts on them and decisions; the rest is counted by visit.
    ///
    /// # Errors
    /// [`HubError::OthersFigures`], or [`HubError::Field`] when there are too many rows to answer at once.
    pub fn statistics(&self, caller: &Caller, query: &StatisticsQuery) -> Result<pb::StatisticsResponse, HubError> {
        let organisation = overseen(caller, query.organisation)?;
        let view = self.parts.state.read()?;
        let log_size = self.parts.state.applied()?.0;
        let mut rows: BTreeMap<RowKey, pb::StatisticsRow> = BTreeMap::new();
        let mut overflow = false;
        view.figures(query.first_day, query.last_day, |key, count| {
            let wanted = organisation.is_none_or(|wanted| wanted == key.organisation)
                && key.item.is_some() == query.is_of_items()
                && query.item.is_none_or(|wanted| key.item == Some(wanted));
            if !wanted || overflow {
                return;
            }
            let row = RowKey {
                organisation: query.by_organisation.then_some(key.organisation),
                item: key.item.filter(|_| query.by_item),
                day: query.by_day.then_some(key.day),
            };
            add(rows.entry(row).or_default(), key.figure, count);
            overflow = rows.len() > ROWS_MAX;
        })?;
        if !query.is_of_items() {
            let answered_by = self.answered_by()?;
            view.waiting(WaitsFor::Answer, query.first_day, query.last_day, |open| {
                if open.since_unix_ms <= answered_by && organisation.is_none_or(|wanted| wanted == open.organisation) {
                    let key = RowKey {
                        organisation: query.by_organisation.then_some(open.organisation),
                        item: None,
                        day: query.by_day.then_some(open.day),
                    };
                    rows.entry(key).or_default().unanswered += 1;
                }
                ControlFlow::Continue(())
            })?;
        }
        if overflow {
            let narrow = Problem::Unwanted("the answer would be too long; ask for a shorter period");
            return Err(FieldError::new("to_day", narrow).into());
        }
        let rows = rows.into_iter().map(|(key, row)| finished(key, row)).collect();
        Ok(pb::StatisticsResponse { rows, log_size })
    }

    /// Gives the instant until which prompts should have been answered by now, in milliseconds since
    /// 1970-01-01T00:00:00Z.
    pub(super) fn answered_by(&self) -> Result<i64, HubError> {
        let now = self.now();
        let waits = i64::from(self.parts.registry.rules(now)?.version.policy.decisions.answer.0) * MS_PER_HOUR;
        Ok(now.unix_ms().saturating_sub(waits))
    }

    /// Lists the decline reasons of the policy in force.
    ///
    /// # Errors
    /// [`HubError::NoPolicy`] before any policy is in force.
    pub fn reasons(&self) -> Result<Vec<Reason>, HubError> {
        let rules = self.registry().rules(self.now())?;
        Ok(rules.version.policy.reasons.values().cloned().collect())
    }
}

/// Gives whose figures are meant; a hospital is answered for itself alone.
pub(super) fn overseen(caller: &Caller, asked: Option<OrganisationCode>) -> Result<Option<OrganisationCode>, HubError> {
    match (caller.role, asked) {
        (Role::Hospital, Some(other)) if other != caller.organisation => Err(HubError::OthersFigures),
        (Role::Hospital, _) => Ok(Some(caller.organisation)),
        (_, asked) => Ok(asked),
    }
}

fn add(row: &mut pb::StatisticsRow, figure: Figure, count: u64) {
    let sum = match figure {
        Figure::Checks => &mut row.checks,
        Figure::OrderLines => &mut row.order_lines,
        Figure::Prompts => &mut row.prompts,
        Figure::Shown => &mut row.shown,
        Figure::Viewed => &mut row.viewed,
        Figure::Accepted => &mut row.accepted,
        Figure::Declined => &mut row.declined,
        Figure::DeclinedCounted => &mut row.declined_counted,
        Figure::Revoked => &mut row.revoked,
        Figure::Quoted => &mut row.quoted,
        Figure::Misses => &mut row.misses,
        Figure::ReportsRecognised => &mut row.reports_recognised,
        Figure::ReportsExisting => &mut row.reports_existing,
        Figure::DeclinedUnexplained => &mut row.declined_unexplained,
        Figure::Opened => &mut row.opened,
        Figure::BreakGlass => &mut row.break_glass,
        Figure::RecallsMade => &mut row.recalls_made,
        Figure::RecallsDelivered => &mut row.recalls_delivered,
        Figure::RecallsAcknowledged => &mut row.recalls_acknowledged,
        Figure::DeclinedFor(reason) => {
            let place = match row.reasons.binary_search_by(|known| known.reason.cmp(&reason)) {
                Ok(place) => place,
                Err(place) => {
                    row.reasons.insert(place, pb::ReasonCount { reason, count: 0 });
                    place
                }
            };
            match row.reasons.get_mut(place) {
                Some(known) => &mut known.count,
                None => unreachable!("it was found or made there"),
            }
        }
    };
    *sum = sum.saturating_add(count);
}

fn finished(key: RowKey, row: pb::StatisticsRow) -> pb::StatisticsRow {
    pb::StatisticsRow {
        organisation: key.organisation.map(|code| code.to_string()).unwrap_or_default(),
        item: key.item.map(|item| item.to_string()).unwrap_or_default(),
        day: key.day.map(day::written).unwrap_or_default(),
        recognition_rate_percent: recognition_rate_percent(row.reports_recognised, row.reports_existing),
        ..row
    }
}

const MS_PER_HOUR: i64 = 3_600_000;
/// Most rows of one answer.
const ROWS_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::hub::testing::{CENTRE, HOSPITAL, OTHER_HOSPITAL, World, caller};
    use crate::wire::record::Record;

    fn check(organisation: &str, key: &str, world: &World, hours: i64) -> Record {
        let prompt = |id: u8, item: &str| pb::PromptRecord {
            prompt_id: vec![id; 16].into(),
            items: vec![item.into()],
            result_id: vec![id; 16].into(),
            report_id: vec![id; 16].into(),
            version: 1,
            publisher: HOSPITAL.into(),
            ..Default::default()
        };
        let name = key.as_bytes()[0];
        Record::Check(pb::CheckRecord {
            organisation: organisation.into(),
            check_key: key.into(),
            patient: vec![1; 16].into(),
            lines: vec![pb::OrderLine::default(); 2],
            at: Some(world.hub.now().plus_hours(hours).into()),
            prompts: vec![prompt(name, "L01001"), prompt(name + 1, "L01002")],
            existing_reports: vec![vec![name; 16].into(), vec![name + 1; 16].into(), vec![name + 2; 16].into()],
            ..Default::default()
        })
    }

    fn accept(organisation: &str, prompt: u8, world: &World) -> Record {
        Record::Decision(pb::DecisionRecord {
            organisation: organisation.into(),
            decision_key: format!("d{prompt}"),
            decisions: vec![pb::Decision {
                prompt_id: vec![prompt; 16].into(),
                outcome: Some(pb::decision::Outcome::Accept(Default::default())),
                ..Default::default()
            }],
            at: Some(world.hub.now().into()),
            ..Default::default()
        })
    }

    fn all() -> pb::StatisticsRequest {
        pb::StatisticsRequest::default()
    }

    fn ask(world: &World, who: (&str, Role), sent: pb::StatisticsRequest) -> Result<Vec<pb::StatisticsRow>, HubError> {
        let query = StatisticsQuery::read(&sent)?;
        world.hub.statistics(&caller(who.0, who.1), &query).map(|answer| answer.rows)
    }

    #[tokio::test]
    async fn figures_are_summed_over_what_is_not_kept_apart() {
        let world = World::new().await;
        world.record(check(HOSPITAL, "a", &world, 0)).await;
        world.record(check(HOSPITAL, "k", &world, -48)).await;
        world.record(check(OTHER_HOSPITAL, "t", &world, 0)).await;
        world.record(accept(HOSPITAL, b'a', &world)).await;
        let regulator = (CENTRE, Role::Regulator);

        let rows = ask(&world, regulator, all()).unwrap();
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!((row.checks, row.order_lines, row.prompts, row.accepted), (3, 6, 6, 1));
        assert_eq!((row.reports_recognised, row.reports_existing), (1, 9));
        assert_eq!(row.recognition_rate_percent, "11.11");

        let by = pb::StatisticsRequest { by_organisation: true, by_day: true, ..all() };
        let rows = ask(&world, regulator, by).unwrap();
        let keys: Vec<_> = rows.iter().map(|row| (row.organisation.as_str(), row.day.as_str(), row.checks)).collect();
        let expected = [(OTHER_HOSPITAL, "2026-05-29", 1), (HOSPITAL, "2026-05-27", 1), (HOSPITAL, "2026-05-29", 1)];
        assert_eq!(keys, expected);

        let items = ask(&world, regulator, pb::StatisticsRequest { by_item: true, ..all() }).unwrap();
        let keys: Vec<_> = items.iter().map(|row| (row.item.as_str(), row.prompts, row.accepted)).collect();
        assert_eq!(keys, [("L01001", 3, 1), ("L01002", 3, 0)]);

        let day = pb::StatisticsRequest { from_day: "2026-05-28".into(), to_day: "2026-05-29".into(), ..all() };
        assert_eq!(ask(&world, regulator, day).unwrap()[0].checks, 2);
    }

    #[tokio::test]
    async fn a_hospital_sees_its_own_figures_only() {
        let world = World::new().await;
        world.record(check(HOSPITAL, "a", &world, 0)).await;
        world.record(check(OTHER_HOSPITAL, "k", &world, 0)).await;
        let own = ask(&world, (HOSPITAL, Role::Hospital), all()).unwrap();
        assert_eq!(own[0].checks, 1);
        let others = pb::StatisticsRequest { organisation: OTHER_HOSPITAL.into(), ..all() };
        let refused = ask(&world, (HOSPITAL, Role::Hospital), others).unwrap_err();
        assert!(matches!(refused, HubError::OthersFigures));
    }

    #[tokio::test]
    async fn the_reasons_are_those_of_the_policy() {
        let world = World::new().await;
        let reasons = world.hub.reasons().unwrap();
        assert_eq!(reasons.len(), 16);
        assert!(reasons.iter().all(|reason| !reason.text_zh.is_empty() && !reason.text_en.is_empty()));
    }
}
