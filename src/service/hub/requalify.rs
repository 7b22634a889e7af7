//! Judges again what doctors rely on when a QC centre says something of a laboratory's past: in slices, beside the
//! service. Each slice is a record, so that the work goes on after a restart where it stood, and tables that are built
//! anew hold the same recalls.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::domain::catalogue::ItemKind;
use crate::domain::qualification::{Question, Standing};
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::service::hub::registry::Rules;
use crate::store::hub::{Reliance, Requalification};
use crate::wire::pb;
use crate::wire::record::Record;

impl Hub {
    /// Judges again whatever is asked for, until `stop`.
    pub async fn requalify(self: Arc<Self>, stop: CancellationToken) {
        let mut projected = self.parts.ledger.changes();
        loop {
            projected.mark_unchanged();
            let pause = match stop.run_until_cancelled(self.requalify_slice()).await {
                None => return,
                Some(Ok(true)) => Duration::ZERO,
                Some(Ok(false)) => match stop.run_until_cancelled(projected.changed()).await {
                    Some(Ok(())) => LOOK_INTERVAL,
                    Some(Err(_)) | None => return,
                },
                Some(Err(error)) => {
                    tracing::warn!(%error, "past results could not be judged again; it is tried again");
                    RETRY_INTERVAL
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Judges the next slice, and says whether there was one.
    ///
    /// # Errors
    /// [`HubError`]; nothing of the slice is recorded.
    pub async fn requalify_slice(self: &Arc<Self>) -> Result<bool, HubError> {
        let hub = Arc::clone(self);
        let judged = tokio::task::spawn_blocking(move || hub.judge_slice());
        let Some(record) = judged.await.map_err(|_| HubError::Behind)?? else { return Ok(false) };
        self.record_one(Record::Requalification(record)).await?;
        Ok(true)
    }

    fn judge_slice(&self) -> Result<Option<pb::RequalificationRecord>, HubError> {
        let view = self.parts.state.read()?;
        let Some(asked) = view.next_requalification()? else { return Ok(None) };
        if asked.asked >= self.parts.ledger.projected() {
            // What is known of laboratories is behind the tables still.
            return Ok(None);
        }
        let now = self.now();
        let rules = self.parts.registry.rules(now)?;
        let mut slice = Slice::default();
        let mut at = asked.clone();
        while slice.goes_on() {
            let rows = view.reliances(&at, ROWS_READ)?;
            let is_last = rows.len() < ROWS_READ;
            for (key, reliance) in rows {
                slice.judge(Bytes::copy_from_slice(&key), &reliance, &rules, self);
                at.reached = key;
                if !slice.goes_on() {
                    return Ok(Some(slice.record(&asked, at.reached, now)));
                }
            }
            if is_last {
                return Ok(Some(slice.record(&asked, Vec::new(), now)));
            }
        }
        Ok(Some(slice.record(&asked, at.reached, now)))
    }

    /// Says where a laboratory stands now for what a doctor relies on: the gravest of the items decides.
    fn standing_of(&self, reliance: &Reliance, rules: &Rules) -> Option<bool> {
        let book = rules.book();
        let mut qualified = true;
        for item in &reliance.items {
            let modality = book.catalogue.item(*item).and_then(|item| match &item.kind {
                ItemKind::Imaging(imaging) => imaging.modalities.first().map(String::as_str),
                ItemKind::Laboratory(_) => None,
            });
            let standing = book.qualifications.at(&Question {
                laboratory: reliance.laboratory,
                item: *item,
                modality,
                method: reliance.method.as_deref(),
                collected_at: reliance.collected,
                known_at: self.now(),
            });
            match standing {
                Standing::Qualified(_) => {}
                Standing::Not(fact) if fact.is_failure() => return Some(false),
                Standing::Not(_) => qualified = false,
            }
        }
        qualified.then_some(true)
    }
}

#[derive(Default)]
struct Slice {
    doubted: Vec<Bytes>,
    cleared: Vec<Bytes>,
    judged: u32,
}

impl Slice {
    fn judge(&mut self, key: Bytes, reliance: &Reliance, rules: &Rules, hub: &Hub) {
        self.judged += 1;
        match (reliance.doubted, hub.standing_of(reliance, rules)) {
            (false, Some(false)) => self.doubted.push(key),
            (true, Some(true)) => self.cleared.push(key),
            _ => {}
        }
    }

    fn goes_on(&self) -> bool {
        self.judged < SLICE_ROWS_MAX && self.doubted.len() + self.cleared.len() < SLICE_TOLD_MAX
    }

    fn record(
        self,
        asked: &Requalification,
        reached: Vec<u8>,
        now: crate::domain::time::Moment,
    ) -> pb::RequalificationRecord {
        pb::RequalificationRecord {
            asked: asked.asked.0,
            laboratory: asked.laboratory.to_string(),
            doubted: self.doubted,
            cleared: self.cleared,
            reached: reached.into(),
            judged: self.judged,
            at: Some(now.into()),
        }
    }
}

/// Rows read at once.
const ROWS_READ: usize = 1_000;
/// Most rows judged before it is recorded how far the work has come.
const SLICE_ROWS_MAX: u32 = 20_000;
/// Most rows of one record that change anything: the tables are changed in one step, and checks wait for it.
const SLICE_TOLD_MAX: usize = 250;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::domain::id::{Digest, Pseudonym, ResultId};
    use crate::domain::item::ItemCode;
    use crate::domain::log::{BatchNumber, LogPlace, Sequence};
    use crate::domain::organisation::Role;
    use crate::domain::recall::{Doctor, Relation, Sight};
    use crate::service::hub::testing::{CENTRE, HOSPITAL, OTHER_HOSPITAL, World, caller, code};
    use crate::service::hub::tests::{check_request, doctor, prompted_world};
    use crate::store::hub::{EntryPlace, KeptSight, doctor_tag};

    /// A row of which the doctor was told before; its laboratory was never qualified.
    const DOUBTED: u64 = 101;

    /// Rows of the test; a million for the figure in docs/recalls.md.
    fn rows() -> u64 {
        std::env::var("CONCORD_RELIANCES").map_or(25_100, |number| number.parse().unwrap())
    }

    fn row(world: &World, batch: LogPlace, number: u64) -> (Reliance, KeptSight) {
        let result = ResultId::new(((u128::from(number) + 1) << 64).to_be_bytes());
        let doctor = Doctor { organisation: code(HOSPITAL), practitioner: format!("D{}", number % 1_000) };
        // Suspended, never qualified, qualified.
        let item: ItemCode =
            ["L01002", "L01003"].get(usize::try_from(number % 100).unwrap()).unwrap_or(&"L01001").parse().unwrap();
        let hours = i64::try_from(number % 480).unwrap();
        let reliance = Reliance {
            laboratory: code(OTHER_HOSPITAL),
            collected: world.hub.now().plus_hours(-1 - hours),
            result,
            doctor: doctor_tag(&doctor),
            items: vec![item],
            method: None,
            doubted: number == DOUBTED,
        };
        let sight = Sight { relation: Relation::Accepted, version: 1, place: EntryPlace { batch, entry: 0 } };
        (reliance, KeptSight { doctor, patient: Pseudonym::new([4; 16]), sight, prompt: None })
    }

    /// Puts rows into the tables past the journal; the next record is not applied.
    async fn fill(world: &World, rows: u64) {
        let state = Arc::clone(&world.hub.parts.state);
        let taken = state.read().unwrap().batch(code(OTHER_HOSPITAL), BatchNumber(1)).unwrap();
        let batch = taken.unwrap().place;
        let all: Vec<u64> = (0..rows).collect();
        let applied = state.applied().unwrap();
        state
            .write(applied.next(), |change| {
                for number in all {
                    let (reliance, sight) = row(world, batch, number);
                    change.put_reliance(&reliance)?;
                    if number % 100 < 2 {
                        change.put_sight(reliance.result, &sight)?;
                    }
                }
                Ok(())
            })
            .unwrap();
        world.record(Record::Miss(pb::MissRecord::default())).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_of_a_laboratorys_past_is_judged_again_in_slices_while_checks_are_answered() {
        let (world, _publisher, _) = prompted_world().await;
        let rows = rows();
        fill(&world, rows).await;
        let effective_at = Some(world.hub.now().plus_hours(-24 * 25).into());
        let content = pb::statement::Content::Suspension(pb::Suspension {
            laboratory: OTHER_HOSPITAL.into(),
            subject: "L01002".into(),
            effective_at,
            reason: "instrument".into(),
        });
        crate::service::hub::recalls::tests::say(&world, content).await;

        let done = Arc::new(AtomicBool::new(false));
        let (asked, hub) = (Arc::clone(&done), Arc::clone(&world.hub));
        let asking = tokio::spawn(async move {
            let (mut checks, mut slowest) = (0_u32, Duration::ZERO);
            while !asked.load(Ordering::Relaxed) {
                let begun = Instant::now();
                hub.check(&doctor(), check_request(&format!("c{checks}"), "L01001")).await.unwrap();
                (checks, slowest) = (checks + 1, slowest.max(begun.elapsed()));
            }
            (checks, slowest)
        });
        let (begun, mut slices) = (Instant::now(), 0);
        while world.hub.requalify_slice().await.unwrap() {
            slices += 1;
        }
        let took = begun.elapsed();
        done.store(true, Ordering::Relaxed);
        let (checks, slowest) = asking.await.unwrap();
        let regulator = caller(CENTRE, Role::Regulator);
        let counted = world.hub.recall_figures(&regulator, &pb::RecallsRequest { limit: 1, ..Default::default() });
        let told = counted.unwrap().made;
        println!(
            "{rows} rows in {slices} slices, {told} told, {took:?}; {checks} checks meanwhile, slowest {slowest:?}"
        );
        assert_eq!(told, rows.div_ceil(100), "each that was made by the suspended item");
        assert!(slices > 1 && checks > 0);
        let (doubted, _) = row(&world, LogPlace::default(), DOUBTED);
        let of = Requalification {
            asked: Sequence(0),
            laboratory: doubted.laboratory,
            from: doubted.collected,
            to: Some(doubted.collected),
            statement: Digest::new([0; 32]),
            reached: Vec::new(),
        };
        let kept = world.hub.parts.state.read().unwrap().reliances(&of, usize::MAX).unwrap();
        let kept = kept.into_iter().find(|(_, kept)| kept.result == doubted.result).unwrap();
        assert!(kept.1.doubted, "it was told, and was not found qualified in between");
        assert!(!world.hub.requalify_slice().await.unwrap(), "nothing is left");
    }
}
