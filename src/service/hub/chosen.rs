//! Which of a patient's indexed results are read for an order: the newest of each item, more where none of them serves.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::ResultStatus;
use crate::domain::item::ItemCode;
use crate::domain::order::Setting;
use crate::domain::organisation::OrganisationCode;
use crate::domain::policy::{Anchor, Policy};
use crate::domain::time::Moment;
use crate::ports::index::{EntryKind, IndexEntry};
use crate::service::hub::candidates::{DAY_HOURS, REPORT_WAIT_HOURS};
use crate::service::hub::fold::publisher_tag;

/// What an order wants, and what an index entry alone says about whether a result could be offered for it.
pub(super) struct Want<'a> {
    /// The items, panels expanded.
    pub(super) items: BTreeSet<ItemCode>,
    /// Whether images are among them: one study may cover another item's view or region, so that all studies are read.
    pub(super) images: bool,
    /// The policy in force.
    pub(super) policy: &'a Policy,
    /// Where care is given.
    pub(super) setting: Setting,
    /// Who orders.
    pub(super) organisation: OrganisationCode,
    /// When.
    pub(super) now: Moment,
}

/// The entries to read.
pub(super) struct Chosen<'i> {
    /// Newest first, as the index gave them.
    pub(super) entries: Vec<&'i IndexEntry>,
    /// Items of which older results were left out that might be offered.
    pub(super) cut: BTreeSet<ItemCode>,
}

impl Want<'_> {
    /// Chooses the `depth` newest results of each item among a patient's results, newest first.
    ///
    /// Of laboratory results that may be offered for an item the newest is, so that older ones only matter when none of
    /// the newer may be. Studies are all chosen: an older one may show more.
    pub(super) fn choose<'i>(&self, recent: &'i [IndexEntry], depth: usize) -> Chosen<'i> {
        let mut seen: BTreeMap<ItemCode, usize> = BTreeMap::new();
        let mut chosen = Chosen { entries: Vec::new(), cut: BTreeSet::new() };
        for entry in recent {
            let mut wanted = match entry.kind {
                EntryKind::Imaging => self.images,
                EntryKind::Laboratory => entry.items.has_more(),
            };
            if entry.kind == EntryKind::Laboratory {
                for item in entry.items.iter().filter(|item| self.items.contains(item)) {
                    let count = seen.entry(item).or_default();
                    *count += 1;
                    if *count <= depth {
                        wanted = true;
                    } else if self.might_offer(entry, item) {
                        chosen.cut.insert(item);
                    }
                }
            }
            if wanted {
                chosen.entries.push(entry);
            }
        }
        chosen
    }

    /// Says whether the rule might offer an entry, as far as the index knows; in doubt it might.
    fn might_offer(&self, entry: &IndexEntry, item: ItemCode) -> bool {
        let waiting = if self.policy.anchor == Anchor::Reported { REPORT_WAIT_HOURS } else { 0 };
        let window = i64::from(self.policy.window(item, self.setting).0) + waiting + DAY_HOURS;
        let own = entry.publisher == publisher_tag(self.organisation) && !self.policy.own_results_prompt;
        entry.collected.unix_ms() >= self.now.plus_hours(-window).unix_ms()
            && matches!(entry.status, ResultStatus::Final | ResultStatus::Corrected)
            && !own
    }
}

/// Results of one item that are read first: mostly the newest serves.
pub(super) const DEPTH: usize = 4;
/// By how much more is read each time that nothing served.
pub(super) const DEEPER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::Sensitivity;
    use crate::domain::id::{PublisherTag, ReportTag, ResultId};
    use crate::domain::log::{Position, Sequence};
    use crate::ports::index::{IndexItems, Piece};
    use crate::service::hub::testing::{HOSPITAL, PATIENT, START_MS, code};
    use crate::wire::region;

    fn entry(hours_ago: i64, items: &[&str]) -> IndexEntry {
        let items: Vec<ItemCode> = items.iter().map(|item| item.parse().unwrap()).collect();
        IndexEntry {
            patient: PATIENT,
            collected: Moment::new(START_MS, 480).unwrap().plus_hours(-hours_ago),
            sequence: Sequence(1),
            place: 0,
            position: Position(0),
            result: ResultId::new([1; 16]),
            version: 1,
            status: ResultStatus::Final,
            sensitivity: Sensitivity::Normal,
            piece: Piece { start: 0, checksum: 0 },
            publisher: PublisherTag::new([9; 6]),
            report: ReportTag::new([1; 8]),
            items: IndexItems::new(&items),
            kind: EntryKind::Laboratory,
            superseded: false,
        }
    }

    fn chosen(recent: &[IndexEntry], depth: usize) -> (usize, Vec<String>) {
        let (_, policy) = region::load_region(&region::sample()).unwrap();
        let want = Want {
            items: BTreeSet::from(["L01001".parse().unwrap(), "L01002".parse().unwrap()]),
            images: false,
            policy: &policy,
            setting: Setting::Outpatient,
            organisation: code(HOSPITAL),
            now: Moment::new(START_MS, 480).unwrap(),
        };
        let Chosen { entries, cut } = want.choose(recent, depth);
        (entries.len(), cut.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_newest_of_each_item_are_read_and_what_is_left_out_is_known() {
        let potassium: Vec<IndexEntry> = (0..100).map(|hours| entry(hours, &["L01001"])).collect();
        assert_eq!(chosen(&potassium, 64), (64, vec!["L01001".to_owned()]));
        assert_eq!(chosen(&potassium, 100), (100, Vec::new()));
        let both: Vec<IndexEntry> = (0..100).map(|hours| entry(hours, &["L01001", "L01002"])).collect();
        assert_eq!(chosen(&both, 10).0, 10);
    }

    #[test]
    fn what_could_not_be_offered_is_not_missed() {
        let fresh = (0..64).map(|hours| entry(hours, &["L01001"]));
        let older = [
            entry(200, &["L01001"]),
            IndexEntry { status: ResultStatus::Preliminary, ..entry(70, &["L01001"]) },
            IndexEntry { publisher: publisher_tag(code(HOSPITAL)), ..entry(70, &["L01001"]) },
            entry(70, &["L99999"]),
        ];
        let recent: Vec<IndexEntry> = fresh.chain(older).collect();
        assert_eq!(chosen(&recent, 64), (64, Vec::new()));
    }

    #[test]
    fn an_entry_with_items_that_the_index_does_not_know_is_read() {
        let more = ["L02001", "L02002", "L02003", "L02004", "L02005"];
        assert_eq!(chosen(&[entry(1, &more)], 64), (1, Vec::new()));
    }
}
