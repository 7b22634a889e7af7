//! Made-up data of a realistic shape: patients of whom few come often, visits of forty laboratory results or one imaging
//! study, spread over a year. The same seed gives the same entries, whatever the machine.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use crate::domain::catalogue::{Catalogue, ImagingItem, Item, ItemKind, LaboratoryItem, ValueKind};
use crate::domain::entry::{Content, Entry, LaboratoryResult, LocalCode, Original, ResultStatus, Sensitivity, Times};
use crate::domain::id::{Digest, Pseudonym, ReportId, ResultId};
use crate::domain::imaging::{ImagingStudy, Laterality, Series};
use crate::domain::item::ItemCode;
use crate::domain::order::Setting;
use crate::domain::organisation::OrganisationCode;
use crate::domain::policy::Policy;
use crate::domain::time::Moment;
use crate::domain::value::{Comparability, Comparator, Quantity, Value};

/// The shape of the data, and what it is made of.
#[derive(Debug, Clone)]
pub struct Shape {
    seed: u64,
    /// Seed of the visits; patients keep theirs.
    visit_seed: u64,
    entries: u64,
    began: Moment,
    publishers: Vec<OrganisationCode>,
    panels: BTreeMap<String, Vec<String>>,
    laboratory: Vec<(ItemCode, LaboratoryItem)>,
    imaging: Vec<(ItemCode, ImagingItem)>,
}

/// One visit of a patient: a report of laboratory results, or a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Its number, from 0; visits are numbered in the order of their times.
    pub number: u64,
    /// The patient's number, from 0; the lower ones come more often.
    pub patient: u64,
    /// Place of its hospital among the publishers.
    pub publisher: usize,
    /// When the specimen was collected or the image acquired.
    pub collected: Moment,
    dice: u64,
}

impl Shape {
    /// Makes a shape of `entries` entries that end at `began`; every item that the policy ever prompts may occur.
    pub fn new(
        seed: u64,
        entries: u64,
        began: Moment,
        publishers: Vec<OrganisationCode>,
        region: (&Catalogue, &Policy),
    ) -> Self {
        let (catalogue, policy) = region;
        let prompting = |item: &&Item| {
            item.sensitivity == Sensitivity::Normal
                && !policy.never_prompt.contains(&item.code)
                && policy.window(item.code, Setting::Outpatient).0 > 0
        };
        let (mut laboratory, mut imaging) = (Vec::new(), Vec::new());
        for item in catalogue.items.values().filter(prompting) {
            match &item.kind {
                ItemKind::Laboratory(kind) => laboratory.push((item.code, kind.clone())),
                ItemKind::Imaging(kind) => imaging.push((item.code, kind.clone())),
            }
        }
        let panels = catalogue.panels.values().map(|panel| {
            let items = panel.items.iter().map(ToString::to_string);
            (panel.code.to_string(), items.collect())
        });
        let panels = panels.collect();
        Self { seed, visit_seed: seed, entries: entries.max(1), began, publishers, panels, laboratory, imaging }
    }

    /// Gives the number of visits that hold the entries; the last one may hold a few beyond them.
    pub fn visits(&self) -> u64 {
        (self.entries * VISIT_GROUP).div_ceil(GROUP_ENTRIES)
    }

    /// Gives the number of patients.
    pub fn patients(&self) -> u64 {
        (self.entries / PATIENT_ENTRIES).max(1)
    }

    /// Gives other visits of the same patients.
    pub fn again(&self, seed: u64) -> Self {
        Self { visit_seed: mixed(self.seed, seed), ..self.clone() }
    }

    /// Gives the code of a publisher.
    pub fn publisher(&self, place: usize) -> OrganisationCode {
        self.publishers[place % self.publishers.len()]
    }

    /// Tells of a visit of the last day, of any number.
    pub fn recent_visit(&self, number: u64) -> Visit {
        Visit { collected: self.began.plus_hours(-24), ..self.visit(number) }
    }

    /// Gives the items that an ordered code stands for.
    pub fn expanded(&self, code: &str) -> Vec<String> {
        self.panels.get(code).cloned().unwrap_or_else(|| vec![code.to_owned()])
    }

    /// Tells of a visit.
    pub fn visit(&self, number: u64) -> Visit {
        let dice = mixed(self.visit_seed, number);
        let span = YEAR_MS as u128;
        let passed = u128::from(number) * span / u128::from(self.visits());
        let ago = YEAR_MS - i64::try_from(passed).map_or(YEAR_MS, |passed| passed.min(YEAR_MS));
        let collected = Moment::new(self.began.unix_ms() - ago, self.began.offset_minutes()).unwrap_or(self.began);
        let publisher = usize::try_from(mixed(dice, 1) % self.publishers.len().max(1) as u64).unwrap_or(0);
        Visit { number, patient: self.patient(mixed(dice, 2)), publisher, collected, dice }
    }

    /// Says who comes: the chance of the patient of rank k is in proportion to 1 / (k + patients / 500), so that one in
    /// five hundred patients has a tenth of all results, and the first some eight thousand, in a region of any size.
    fn patient(&self, dice: u64) -> u64 {
        let patients = self.patients() as f64;
        let offset = patients / 500.0 + 1.0;
        let chance = (dice >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = offset * ((patients + offset) / offset).powf(chance) - offset;
        (rank as u64).min(self.patients() - 1)
    }

    /// Gives the pseudonym of a patient.
    pub fn pseudonym(&self, patient: u64) -> Pseudonym {
        Pseudonym::new(named("patient", self.seed, patient))
    }

    /// Writes the entries of a visit.
    pub fn entries_of(&self, visit: &Visit) -> Vec<Entry> {
        if visit.number.is_multiple_of(VISIT_GROUP) {
            return vec![self.study(visit)];
        }
        let first = usize::try_from(mixed(visit.dice, 3) % 4).unwrap_or(0) * VISIT_ITEMS / 2;
        let items = self.laboratory.iter().cycle().skip(first % self.laboratory.len()).take(VISIT_ITEMS);
        items.enumerate().map(|(place, (code, item))| self.result(visit, place, *code, item)).collect()
    }

    /// Gives every item and modality that the entries are about, as credentials name them.
    pub fn subjects(&self) -> BTreeSet<String> {
        let items = self.laboratory.iter().map(|(code, _)| code.to_string());
        items.chain(self.imaging.iter().flat_map(|(_, item)| item.modalities.iter().cloned())).collect()
    }

    /// Gives what a doctor might order for the patient of a visit: `lines` panels or single items, each with its system.
    pub fn ordered(&self, dice: u64, lines: usize) -> Vec<(&'static str, String)> {
        let any = |dice: u64, length: usize| usize::try_from(dice % length as u64).unwrap_or(0);
        let line = |line: usize| {
            let dice = mixed(dice, line as u64);
            match dice % 4 {
                0 => ("panel", PANELS[any(dice >> 8, PANELS.len())].to_owned()),
                1 => (CATALOGUE, self.imaging[any(dice >> 8, self.imaging.len())].0.to_string()),
                _ => (CATALOGUE, self.laboratory[any(dice >> 8, self.laboratory.len())].0.to_string()),
            }
        };
        (0..lines).map(line).collect()
    }

    fn result(&self, visit: &Visit, place: usize, code: ItemCode, item: &LaboratoryItem) -> Entry {
        let dice = mixed(visit.dice, 16 + place as u64);
        let number = Decimal::new(i64::try_from(dice % 900).unwrap_or(0) + 100, 2);
        let (value, range) = match &item.value {
            ValueKind::Quantity(unit) => (
                Value::Quantity(Quantity { comparator: Comparator::Equal, number, unit: unit.clone(), as_sent: None }),
                Some("1.50-7.50".to_owned()),
            ),
            ValueKind::Finding => (Value::Text("阴性".to_owned()), None),
        };
        Entry {
            result: ResultId::new(named("result", visit.dice, place as u64)),
            items: vec![code],
            content: Content::Laboratory(LaboratoryResult {
                loinc: Some(item.loinc),
                local: LocalCode {
                    code: format!("LIS{place:03}"), name: "检验项目".to_owned(), system: String::new()
                },
                specimen: item.specimens.first().copied(),
                value,
                reference_range: range,
                flag: Some(if dice.is_multiple_of(10) { "H" } else { "N" }.to_owned()),
                method: None,
                instrument: Some("AU5800".to_owned()),
                comparability: Comparability::Comparable,
            }),
            ..self.report(visit)
        }
    }

    fn study(&self, visit: &Visit) -> Entry {
        let (code, item) =
            &self.imaging[usize::try_from(mixed(visit.dice, 4) % self.imaging.len() as u64).unwrap_or(0)];
        let uid = |what: &str| format!("2.25.{}", u128::from_be_bytes(named(what, visit.dice, 0)));
        let modality = item.modalities.first().cloned().unwrap_or_default();
        let series = Series {
            series_uid: uid("series"),
            modality,
            instances: 120,
            slice_thickness_mm: Some(Decimal::new(125, 2)),
            field_strength_tesla: None,
            description: "Routine".to_owned(),
            transfer_syntaxes: BTreeSet::from(["1.2.840.10008.1.2.1".to_owned()]),
        };
        let side = if item.paired { Laterality::Both } else { Laterality::Unpaired };
        let study = ImagingStudy { study_uid: uid("study"), coverage: vec![item.coverage(side)], series: vec![series] };
        Entry {
            result: ResultId::new(named("result", visit.dice, 0)),
            items: vec![*code],
            content: Content::Imaging(study),
            ..self.report(visit)
        }
    }

    /// What all entries of a visit have in common.
    fn report(&self, visit: &Visit) -> Entry {
        let publisher = self.publishers[visit.publisher];
        Entry {
            result: ResultId::new([0; 16]),
            version: 1,
            status: ResultStatus::Final,
            publisher,
            laboratory: publisher,
            patient: self.pseudonym(visit.patient),
            report: ReportId::new(named("report", visit.dice, 0)),
            items: Vec::new(),
            times: Times {
                ordered: Some(visit.collected.plus_hours(-1)),
                collected: visit.collected,
                reported: visit.collected.plus_hours(2).min(self.began),
            },
            sensitivity: Sensitivity::Normal,
            claimed_mark: None,
            content: Content::Imaging(ImagingStudy {
                study_uid: String::new(),
                coverage: Vec::new(),
                series: Vec::new(),
            }),
            originals: vec![Original {
                digest: Digest::new(Sha256::digest(visit.dice.to_be_bytes()).into()),
                size_bytes: 4_096,
                media_type: "x-application/hl7-v2+er7".to_owned(),
                instance_uid: String::new(),
            }],
        }
    }
}

/// Mixes a seed with a number: the same two always give the same dice. Source: Steele, Lea, Flood, SplitMix64, 2014.
pub fn mixed(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn named(what: &str, seed: u64, number: u64) -> [u8; 16] {
    let first = mixed(mixed(seed, what.len() as u64), number);
    let mut name = [0; 16];
    name[..8].copy_from_slice(&first.to_be_bytes());
    name[8..].copy_from_slice(&mixed(first, number).to_be_bytes());
    name
}

/// Laboratory results of one visit.
const VISIT_ITEMS: usize = 40;
/// One visit of so many is an imaging study.
const VISIT_GROUP: u64 = 5;
/// Entries of so many visits.
const GROUP_ENTRIES: u64 = (VISIT_GROUP - 1) * VISIT_ITEMS as u64 + 1;
/// Entries of a patient, on average.
const PATIENT_ENTRIES: u64 = 100;
const YEAR_MS: i64 = 365 * 24 * 3_600 * 1_000;
const CATALOGUE: &str = "catalogue";
const PANELS: [&str; 3] = ["LIVER", "RENAL", "LIVER_FULL"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::region;

    fn shape(entries: u64) -> Shape {
        let (catalogue, policy) = region::load_region(&region::sample()).unwrap();
        let began = Moment::new(1_800_000_000_000, 480).unwrap();
        let publishers = vec!["91350100M000100Y43".parse().unwrap(), "91110000600037341L".parse().unwrap()];
        Shape::new(7, entries, began, publishers, (&catalogue, &policy))
    }

    #[test]
    fn the_same_seed_gives_entries_that_survive_their_bytes() {
        let shape = shape(2_000);
        for number in 0..12 {
            let entries = shape.entries_of(&shape.visit(number));
            assert_eq!(entries, shape.entries_of(&shape.visit(number)));
            for entry in entries {
                let bytes = crate::wire::entry::encode(&entry);
                assert_eq!(crate::wire::entry::decode(&bytes).unwrap(), entry);
            }
        }
    }

    #[test]
    fn results_have_names_of_their_own() {
        let shape = shape(10_000);
        let entries: Vec<Entry> =
            (0..shape.visits()).flat_map(|number| shape.entries_of(&shape.visit(number))).collect();
        let names: BTreeSet<ResultId> = entries.iter().map(|entry| entry.result).collect();
        assert_eq!(names.len(), entries.len());
        assert!((10_000..10_100).contains(&entries.len()), "{}", entries.len());
    }

    #[test]
    fn few_patients_come_often_in_a_region_of_any_size() {
        for entries in [1_000_000, 10_000_000] {
            let shape = shape(entries);
            let drawn = 200_000;
            let often = (0..drawn).filter(|number| shape.visit(*number).patient < shape.patients() / 500).count();
            let share = often as f64 / drawn as f64;
            assert!((0.08..0.14).contains(&share), "{share}");
        }
    }
}
